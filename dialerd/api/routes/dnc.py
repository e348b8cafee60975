"""The account's do-not-call list. What holds for everybody is shown, and is changed by command only."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Path as InPath
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from dialerd.api.auth import permitted
from dialerd.api.files import UPLOAD, csv_download, uploaded
from dialerd.api.jobs import Told, Watch
from dialerd.api.parts import Parts, TheParts, TheStores, note_for_audit
from dialerd.api.routes.uploads import KEEP, EncodingQuery, NameQuery, PolicyQuery, RegionQuery, begun
from dialerd.api.routing import largest_body, router
from dialerd.api.schemas.body import Limit, Page
from dialerd.api.schemas.dnc import (
    EntryOut,
    InvalidNumberOut,
    NumberAdded,
    NumberIn,
    NumbersAdded,
    NumbersIn,
    Verdict,
    entry_out,
)
from dialerd.api.schemas.jobs import JobOut
from dialerd.domain.accounts import Account
from dialerd.domain.phone import InvalidNumber, normalize
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidRequest, NotFound
from dialerd.imports import FirstBadRows, Policy, add_numbers, import_numbers
from dialerd.lead_sources.number_list import Given, InvalidEntry, e164, text
from dialerd.reports.tables import DNC_COLUMNS, dnc_row
from dialerd.store.dnc import DncImport
from dialerd.store.jobs import JobKind

dnc = router("do-not-call", prefix="/dnc")

LARGEST_BULK = 16 * 2**20
LONGEST = 366 * 100
"""Days."""

Keeper = Annotated[Caller, permitted(Permission.MANAGE_DNC)]
Checker = Annotated[Caller, permitted(Permission.CHECK_DNC)]
Number = Annotated[
    str,
    InPath(
        max_length=40, description="E.164, or as it is written in the account's country.", examples=["+12025550101"]
    ),
]


@dnc.get("/check", summary="Whether a number may be called")
async def check(
    caller: Checker,
    stores: TheStores,
    number: Annotated[
        str,
        Query(
            max_length=40, description="E.164, or as it is written in the account's country.", examples=["+12025550101"]
        ),
    ],
) -> Verdict:
    """By the account's list and by the one that holds for everybody."""
    account = await stores.accounts.get(caller.account)
    asked = _listed(number, account)
    entries = await stores.dnc.in_force(asked, caller.account_id)
    return Verdict(number=asked, forbidden=bool(entries), entries=[entry_out(entry) for entry in entries])


@dnc.get("/numbers", summary="Search the list")
async def search(
    caller: Keeper,
    stores: TheStores,
    *,
    number: Annotated[
        str, Query(pattern=r"^\+[0-9]{0,15}$", description="What the number begins with, in E.164.", examples=["+1202"])
    ] = "+",
    containing: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="A part of the reason or the source.",
            examples=["support"],
        ),
    ] = "",
    limit: Limit = 100,
    after: Annotated[
        str,
        Query(
            pattern=r"^(\+[0-9]{0,15})?$", description="What the page before said as `next`.", examples=["+12025550101"]
        ),
    ] = "",
) -> Page[EntryOut]:
    """By number, also what has expired; a number that is on both lists comes twice, so a page may be longer by one. To look for a text
    in a list of millions takes seconds."""
    found = await stores.dnc.search(caller.account_id, prefix=number, text=containing, limit=limit, after=after)
    following = found[-1].number if len(found) >= limit else None
    return Page(items=[entry_out(entry) for entry in found], next=following)


@dnc.post("/numbers", summary="Forbid calls to a number", status_code=HTTPStatus.CREATED)
async def add(
    sent: NumberIn, caller: Keeper, parts: TheParts, request: Request, *, region: RegionQuery = None
) -> NumberAdded:
    """At once. An entry that lasts longer than this one stays as it is."""
    stores = parts.stores
    account = await stores.accounts.get(caller.account)
    try:
        number = normalize(sent.number, region or account.default_region)
        reason, source = text(sent.reason), text(sent.source)
    except (InvalidNumber, InvalidEntry) as invalid:
        raise InvalidRequest([invalid.message]) from None
    _refuse_past(sent, parts)
    change = await stores.dnc.add(
        number,
        caller.account_id,
        reason=reason,
        source=source or "API",
        added_by=caller.actor,
        expires_at=sent.expires_at,
    )
    note_for_audit(request, {"change": change})
    return NumberAdded(number=number, change=change)


@dnc.post("/numbers/bulk", summary="Forbid calls to many numbers")
@largest_body(LARGEST_BULK)
async def add_many(sent: NumbersIn, caller: Keeper, parts: TheParts, request: Request) -> NumbersAdded:
    """At most 10,000. Larger lists: upload a file."""
    stores = parts.stores
    account = await stores.accounts.get(caller.account)
    for one in sent.numbers:
        _refuse_past(one, parts)
    bad = FirstBadRows(len(sent.numbers))
    report = await add_numbers(
        stores,
        caller.account_id,
        [(one.number, one.reason, one.source or "API", one.expires_at) for one in sent.numbers],
        sent.region or account.default_region,
        added_by=caller.actor,
        policy=sent.on_invalid,
        bad=bad,
        leave_out="send on_invalid: keep",
    )
    note_for_audit(request, {"sent": len(sent.numbers), "added": report.added})
    invalid = [
        InvalidNumberOut(index=row.line, field=flaw.column, value=flaw.value, reason=flaw.reason)
        for row in bad.rows
        for flaw in row.flaws
    ]
    return NumbersAdded(added=report.added, prolonged=report.prolonged, invalid=invalid)


@dnc.post("/numbers/upload", summary="Upload a file of numbers", status_code=HTTPStatus.ACCEPTED, openapi_extra=UPLOAD)
async def upload(
    caller: Keeper,
    parts: TheParts,
    request: Request,
    response: Response,
    *,
    reason: Annotated[
        str, Query(max_length=500, pattern=r"^[^\x00]*$", description="Of rows that say none.", examples=["register"])
    ] = "",
    lasting_days: Annotated[
        int | None, Query(ge=1, le=LONGEST, description="How long they hold. Unset: until they are removed.")
    ] = None,
    region: RegionQuery = None,
    encoding: EncodingQuery = "utf-8",
    on_bad_rows: PolicyQuery = Policy.REFUSE,
    name: NameQuery = "upload.csv",
) -> JobOut:
    """A number a line, or a CSV file with a column `number`; its columns `reason`, `source` and `expires_at` count where they are there.
    It is read by a job: `Location` is where to look how far that has come. All of the file is stored, or nothing."""
    stores = parts.stores
    account = await stores.accounts.get(caller.account)
    try:
        text(reason)
    except InvalidEntry as invalid:
        raise InvalidRequest([f"reason: {invalid.message}"]) from None
    parts.jobs.refuse_if_full()
    sent = await uploaded(request, name)
    note_for_audit(request, {"file": sent.name})
    now = parts.clock.now()
    given = Given(
        region=region or account.default_region,
        zone=account.rules.time_zone,
        now=now,
        reason=reason,
        source=sent.name,
        expires_at=None if lasting_days is None else now + timedelta(days=lasting_days),
    )

    async def work(watch: Watch) -> Told:
        report = await import_numbers(
            stores,
            caller.account_id,
            sent.path,
            given,
            added_by=caller.actor,
            policy=on_bad_rows,
            bad=watch.bad,
            encoding=encoding,
            advance=watch.advance,
            leave_out=KEEP,
            before_commit=watch.finishing(_told),
        )
        return _told(report)

    job = await parts.jobs.begin(
        JobKind.DNC_UPLOAD,
        work,
        account_id=caller.account_id,
        created_by=caller.actor,
        source=sent.name,
        file=sent.file,
    )
    return begun(job, response)


@dnc.get("/numbers/export", summary="Export the list as CSV", response_class=StreamingResponse)
async def export(caller: Keeper, stores: TheStores) -> StreamingResponse:
    """The account's own list, with what has expired. It can be uploaded again."""
    rows = (dnc_row(entry, caller.account) async for entry in stores.dnc.export(caller.account_id))
    return await csv_download("do-not-call.csv", DNC_COLUMNS, rows)


@dnc.delete("/numbers/{number}", summary="Allow calls to a number again", status_code=HTTPStatus.NO_CONTENT)
async def remove(number: Number, caller: Keeper, stores: TheStores) -> None:
    """From the account's own list. What holds for everybody still holds."""
    allowed = _listed(number, await stores.accounts.get(caller.account))
    if not await stores.dnc.remove(allowed, caller.account_id):
        raise NotFound("number on the account's do-not-call list that is", allowed)


def _told(report: DncImport) -> Told:
    return {"added": report.added, "prolonged": report.prolonged}


def _listed(number: str, account: Account) -> str:
    """Raises InvalidRequest."""
    try:
        return e164(number, account.default_region)
    except InvalidNumber as invalid:
        raise InvalidRequest([f"number: {invalid.why}"]) from None


def _refuse_past(sent: NumberIn, parts: Parts) -> None:
    if sent.expires_at is not None and sent.expires_at <= parts.clock.now():
        raise InvalidRequest(["expires_at: is over already"])
