"""Attempts: every call that was begun, with its times, its agent and its outcome."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from dialerd.api.auth import permitted
from dialerd.api.files import csv_download
from dialerd.api.parts import TheStores
from dialerd.api.routing import router
from dialerd.api.schemas.attempts import AttemptOut
from dialerd.api.schemas.body import HIGHEST_ID, Limit, Page
from dialerd.domain.outcomes import Outcome
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidRequest
from dialerd.reports.tables import CALL_COLUMNS, call_row
from dialerd.store.activity import CallFilter, Place
from dialerd.store.stores import Stores

attempts = router("attempts", prefix="/attempts")

LeadViewer = Annotated[Caller, permitted(Permission.VIEW_LEADS)]
Exporter = Annotated[Caller, permitted(Permission.EXPORT)]
IdQuery = Annotated[int | None, Query(ge=1, le=HIGHEST_ID, description="Only those of this one.", examples=[7])]
EXPORT_PAGE = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def wanted_calls(
    campaign_id: IdQuery = None,
    lead_id: IdQuery = None,
    number: Annotated[
        str | None,
        Query(
            pattern=r"^\+[0-9]{1,15}$", description="The number that was called, in E.164.", examples=["+12025550101"]
        ),
    ] = None,
    agent: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=r"^[^\x00]+$",
            description="Whose phone it was, as the queue names it.",
            examples=["PJSIP/1001"],
        ),
    ] = None,
    outcome: Annotated[Outcome | None, Query(description="What came of it.")] = None,
    disposition: Annotated[
        str | None,
        Query(max_length=100, pattern=r"^[^\x00]+$", description="What the agent says of it.", examples=["sale"]),
    ] = None,
    since: Annotated[
        AwareDatetime, Query(description="Begun at this time or later.", examples=["2026-11-01T00:00:00Z"])
    ] = _FIRST,
    until: Annotated[AwareDatetime, Query(description="Begun before this.", examples=["2026-12-01T00:00:00Z"])] = _LAST,
) -> CallFilter:
    """What is searched by. Raises InvalidRequest."""
    return CallFilter(
        campaign_id=campaign_id,
        lead_id=lead_id,
        number=number,
        agent=agent,
        outcome=outcome,
        disposition=disposition,
        since=_storable(since),
        until=_storable(until),
    )


Wanted = Annotated[CallFilter, Depends(wanted_calls)]


@attempts.get("", summary="List and search attempts")
async def search(
    wanted: Wanted,
    caller: LeadViewer,
    stores: TheStores,
    limit: Limit = 100,
    after: Annotated[
        str | None,
        Query(pattern=r"^[0-9]{1,17}\.[0-9a-f]{32}$", description="What the page before said as `next`."),
    ] = None,
) -> Page[AttemptOut]:
    """The newest first. A page may hold fewer than the limit although there is a next one: a search looks at no more than 5,000
    attempts at a time."""
    before = _place(after) if after is not None else None
    found, following = await stores.activity.calls(caller.account_id, wanted, limit=limit, before=before)
    return Page(
        items=[AttemptOut.model_validate(call) for call in found], next=_written(following) if following else None
    )


@attempts.get("/export", summary="Export attempts as CSV", response_class=StreamingResponse)
async def export(wanted: Wanted, caller: Exporter, stores: TheStores) -> StreamingResponse:
    """The newest first, with the columns of the call log. Text that a spreadsheet would take for a formula has an apostrophe before it."""
    return await csv_download("attempts.csv", CALL_COLUMNS, _rows(stores, caller.account_id, wanted))


@attempts.get("/{attempt_id}", summary="An attempt")
async def get_attempt(
    attempt_id: Annotated[UUID, Path(description="Id, as the list says it.")], caller: LeadViewer, stores: TheStores
) -> AttemptOut:
    return AttemptOut.model_validate(await stores.activity.call(caller.account_id, attempt_id))


async def _rows(stores: Stores, account_id: int, wanted: CallFilter) -> AsyncIterator[list[object]]:
    """Page by page: no connection is held while the reader is slow."""
    found, following = await stores.activity.calls(account_id, wanted, limit=EXPORT_PAGE)
    while True:
        for call in found:
            yield call_row(call)
        if following is None:
            return
        found, following = await stores.activity.calls(account_id, wanted, limit=EXPORT_PAGE, before=following)


def _storable(moment: datetime) -> datetime:
    """The database knows no other years; and years at the very ends have no UTC."""
    return _FIRST if moment.year < _FIRST.year else _LAST if moment.year >= _LAST.year else moment


def _written(place: Place) -> str:
    return f"{(place[0] - _EPOCH) // timedelta(microseconds=1)}.{place[1].hex}"


def _place(written: str) -> Place:
    microseconds, _, attempt = written.partition(".")
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), UUID(attempt)
    except (OverflowError, ValueError):
        raise InvalidRequest(["after: take what the page before said as `next`"]) from None
