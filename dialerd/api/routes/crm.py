"""Where the leads of a campaign come from besides files: its CRM's API."""

import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Body, Query, Request, Response
from pydantic import BaseModel, Field, JsonValue

from dialerd.api.auth import permitted
from dialerd.api.jobs import Told, Watch
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.routes.campaigns import Builder, campaign_for
from dialerd.api.routes.uploads import KEEP, DuplicatesQuery, PolicyQuery, RegionQuery, begun, told
from dialerd.api.routing import router
from dialerd.api.schemas.body import Id, texts_in
from dialerd.api.schemas.jobs import FlawOut, JobOut
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidRequest
from dialerd.guarded_http.public_address import host_of
from dialerd.imports import Manner, Policy, sample_leads, sync_leads
from dialerd.lead_sources.base import BadRow, GoodRow
from dialerd.lead_sources.crm_source import read_source
from dialerd.store.crm_sources import StoredSource
from dialerd.store.jobs import JobKind
from dialerd.store.leads import Duplicates, raise_unless_open

crm = router("CRM")

MOST_SHOWN = 100
_EXAMPLE = {
    "method": "GET",
    "url": "https://crm.example.com/api/leads",
    "headers": {"Authorization": "Bearer {secret:crm}"},
    "mapping": {"leads_array": "data.leads", "first_name": "contact.first", "number": "contact.phone"},
    "paging": {"page_parameter": "page"},
}
Source = Annotated[
    dict[str, JsonValue],
    Body(
        description="Method, URL, headers, body, mapping (JMESPath) and paging. A credential is never part of it: a header says "
        "`{secret:NAME}`, and the settings of the server say what that is.",
        examples=[_EXAMPLE],
    ),
]
Manager = Annotated[Caller, permitted(Permission.MANAGE_LEADS)]


class SourceOut(BaseModel):
    """The source as it is stored. Of secrets it has the names only."""

    source: dict[str, Any] = Field(examples=[_EXAMPLE], description="As it was put.")
    synced_at: Any = Field(description="When all of its leads were last taken; null: never.", examples=[None])


class ShownLead(BaseModel):
    """A lead as the mapping makes it of what the CRM has."""

    place: int = Field(description="In the CRM's answer, counted from 1.", examples=[1])
    lead: dict[str, Any] = Field(description="Its fields.", examples=[{"number": "+12025550101", "first_name": "Ada"}])


class Preview(BaseModel):
    """The first leads of the CRM. Nothing is stored."""

    leads: list[ShownLead] = Field(description="Those that can be used.")
    flaws: list[FlawOut] = Field(description="What is wrong with the others.")


@crm.get("/campaigns/{campaign_id}/crm-source", summary="Where the leads come from")
async def get_source(campaign_id: Id, caller: Builder, stores: TheStores) -> SourceOut:
    campaign = await campaign_for(stores, caller, campaign_id)
    return _out(await stores.crm_sources.get(campaign.id))


@crm.put("/campaigns/{campaign_id}/crm-source", summary="Say where the leads come from")
async def put_source(
    campaign_id: Id, source: Source, caller: Builder, stores: TheStores, request: Request
) -> SourceOut:
    """In place of the source that there may be, also while the campaign runs."""
    campaign = await campaign_for(stores, caller, campaign_id)
    _refuse_unstorable(source)
    judged = read_source(source)
    note_for_audit(request, {"host": host_of(judged.url)})
    await stores.crm_sources.put(campaign.id, judged.as_json())
    return _out(await stores.crm_sources.get(campaign.id))


@crm.delete("/campaigns/{campaign_id}/crm-source", summary="Forget the source", status_code=HTTPStatus.NO_CONTENT)
async def delete_source(campaign_id: Id, caller: Builder, stores: TheStores) -> None:
    """The leads that came from it stay."""
    campaign = await campaign_for(stores, caller, campaign_id)
    await stores.crm_sources.remove(campaign.id)


@crm.post("/campaigns/{campaign_id}/crm-source/preview", summary="Ask the CRM, and show the first leads")
async def preview(
    campaign_id: Id,
    caller: Builder,
    parts: TheParts,
    request: Request,
    given: Source | None = None,
    *,
    region: RegionQuery = None,
    limit: Annotated[int, Query(ge=1, le=MOST_SHOWN, description="Most leads to show.")] = 5,
) -> Preview:
    """By the source that is sent, so that it can be tried before it is stored; without one, by the source that is stored. Nothing is
    stored of either, nor of the answer."""
    stores = parts.stores
    campaign = await campaign_for(stores, caller, campaign_id)
    source = read_source((await stores.crm_sources.get(campaign.id)).source if given is None else given)
    note_for_audit(request, {"host": host_of(source.url)})
    account = await stores.accounts.get(caller.account)
    rows = await sample_leads(account, source, parts.settings.crm, region=region, size=limit)
    return Preview(leads=[_shown(row) for row in rows if isinstance(row, GoodRow)], flaws=_flaws(rows))


@crm.post(
    "/campaigns/{campaign_id}/crm-source/sync", summary="Take the leads from the CRM", status_code=HTTPStatus.ACCEPTED
)
async def sync(
    campaign_id: Id,
    caller: Manager,
    parts: TheParts,
    response: Response,
    *,
    region: RegionQuery = None,
    on_bad_rows: PolicyQuery = Policy.REFUSE,
    duplicates: DuplicatesQuery = Duplicates.NEVER,
) -> JobOut:
    """All or none, to a campaign that does not run. `Location` is where to look how far that has come."""
    stores = parts.stores
    campaign = await campaign_for(stores, caller, campaign_id)
    raise_unless_open(campaign.status)
    source = read_source((await stores.crm_sources.get(campaign.id)).source)
    account = await stores.accounts.get(caller.account)
    parts.jobs.refuse_if_full()
    manner = Manner(region=region, policy=on_bad_rows, duplicates=duplicates, leave_out=KEEP)

    async def work(watch: Watch) -> Told:
        report = await sync_leads(
            stores,
            account,
            campaign.id,
            parts.settings.crm,
            manner=manner,
            bad=watch.bad,
            advance=watch.advance,
            before_commit=watch.finishing(told),
        )
        return told(report)

    job = await parts.jobs.begin(
        JobKind.CRM_SYNC,
        work,
        account_id=caller.account_id,
        created_by=caller.actor,
        source=host_of(source.url),
        campaign_id=campaign.id,
    )
    return begun(job, response)


def _out(stored: StoredSource) -> SourceOut:
    return SourceOut(source=dict(stored.source), synced_at=stored.synced_at)


def _refuse_unstorable(source: dict[str, JsonValue]) -> None:
    """Text that the database cannot store. Raises InvalidRequest."""
    if places := [place for place, text in texts_in(source) if "\0" in text]:
        raise InvalidRequest([f"{place}: has the character NUL in it" for place in places])
    try:
        json.dumps(source, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise InvalidRequest(["the source has a number or a character in it that JSON does not have"]) from None


def _shown(row: GoodRow) -> ShownLead:
    return ShownLead(place=row.line, lead={name: getattr(row.lead, name) for name in row.lead.__dataclass_fields__})


def _flaws(rows: list[GoodRow | BadRow]) -> list[FlawOut]:
    return [
        FlawOut(row=row.line, column=flaw.column, value=flaw.value, reason=flaw.reason)
        for row in rows
        if isinstance(row, BadRow)
        for flaw in row.flaws
    ]
