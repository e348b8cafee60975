"""Who has changed what, and who has failed to sign in."""

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores
from dialerd.api.routing import router
from dialerd.api.schemas.body import HIGHEST_ID, Limit, Page, page_of
from dialerd.api.schemas.users import AuditEntryOut
from dialerd.domain.roles import Caller, Permission
from dialerd.store.audit_log import NEWEST, AuditFilter

audit_log = router("audit log", prefix="/audit-log")

_Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


@audit_log.get("", summary="The audit log, the newest first")
async def list_entries(
    caller: Annotated[Caller, permitted(Permission.VIEW_AUDIT)],
    stores: TheStores,
    actor: Annotated[_Text, Query(description="Who, as the entries say it.", examples=["user anna"])] = None,
    action: Annotated[_Text, Query(description="How the action begins.", examples=["PATCH /api/v1/users"])] = None,
    since: Annotated[AwareDatetime | None, Query(description="From this moment on.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment.")] = None,
    refused: Annotated[bool | None, Query(description="Whether it was refused.")] = None,
    limit: Limit = 100,
    after: Annotated[
        int, Query(ge=0, le=HIGHEST_ID, description="What the page before said as `next`: entries below it.")
    ] = NEWEST,
) -> Page[AuditEntryOut]:
    """Every change that was made or refused, over the API, in the portal or by command, and sign-ins that failed."""
    wanted = AuditFilter(actor=actor, action=action, since=since, until=until, refused=refused)
    found = await stores.audit_log.list(caller.account_id, wanted, before=after, most=limit + 1)
    return page_of([AuditEntryOut.model_validate(each) for each in found], limit, lambda each: each.id)
