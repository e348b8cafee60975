"""Leads: added as JSON, searched, looked at with their whole life, explained, reset, deleted, exported."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from dialerd.api.auth import permitted
from dialerd.api.files import csv_download
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.routes.campaigns import Viewer, campaign_for
from dialerd.api.routing import largest_body, router
from dialerd.api.schemas.body import Id, Limit, Page
from dialerd.api.schemas.leads import (
    AddedLeads,
    Changed,
    Explanation,
    InvalidLead,
    LeadOut,
    LeadsIn,
    ResetIn,
    Which,
    field_of,
    lead_out,
)
from dialerd.domain.leads import LeadState
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import InvalidRequest, NotFound, NotPermitted
from dialerd.imports import FirstBadRows, Manner, add_leads
from dialerd.lead_sources.csv_file import sample_csv
from dialerd.reports.explained import story_of, story_values
from dialerd.reports.tables import lead_table
from dialerd.store.leads import LeadFilter, LeadPlace, LeadRecord
from dialerd.store.stores import Stores

leads = router("leads")

LARGEST_BULK = 32 * 2**20
MOST_INVALID = 10_000

Manager = Annotated[Caller, permitted(Permission.MANAGE_LEADS)]
LeadViewer = Annotated[Caller, permitted(Permission.VIEW_LEADS)]
Exporter = Annotated[Caller, permitted(Permission.EXPORT)]
After = Annotated[str, Query(pattern=r"^[nl](0|[1-9][0-9]{0,17})$", description="What the page before said as `next`.")]
StateQuery = Annotated[LeadState | None, Query(description="Only leads in this state; deleted ones only so.")]


async def lead_for(stores: Stores, caller: Caller, lead_id: int) -> LeadRecord:
    """The caller's own. Raises NotFound."""
    record = await stores.leads.get(lead_id)
    campaign = await stores.campaigns.get_campaign(record.lead.campaign_id)
    if campaign.account_id != caller.account_id:
        raise NotFound("lead", lead_id)
    return record


async def _out(stores: Stores, records: Sequence[LeadRecord], *, seen: bool) -> list[LeadOut]:
    last_lines = await stores.activity.last_lines([record.lead.id for record in records])
    return [lead_out(record, seen=seen, last_line=last_lines.get(record.lead.id)) for record in records]


# --- the leads of a campaign ------------------------------------------------------------------------------------------


@leads.post("/campaigns/{campaign_id}/leads", summary="Add leads")
@largest_body(LARGEST_BULK)
async def add(campaign_id: Id, sent: LeadsIn, caller: Manager, stores: TheStores, request: Request) -> AddedLeads:
    """At most 10,000, to a campaign that does not run. What is on a do-not-call list is stored, and blocked. Larger lists: upload a
    file."""
    campaign = await campaign_for(stores, caller, campaign_id)
    bad = FirstBadRows(MOST_INVALID)
    manner = Manner(
        region=sent.region, policy=sent.on_invalid, duplicates=sent.duplicates, leave_out="send on_invalid: keep"
    )
    places: dict[str, int] = {}
    report = await add_leads(
        stores,
        await stores.accounts.get(caller.account),
        campaign.id,
        [lead.as_columns() for lead in sent.leads],
        source=sent.source or caller.actor,
        manner=manner,
        bad=bad,
        places=places,
    )
    note_for_audit(request, {"sent": len(sent.leads), "added": report.added, "renewed": report.renewed})
    invalid = [
        InvalidLead(index=row.line, field=field_of(flaw.column), value=flaw.value, reason=flaw.reason)
        for row in bad.rows
        for flaw in row.flaws
    ]
    return AddedLeads(
        added=report.added,
        renewed=report.renewed,
        duplicates=report.duplicates,
        invalid=invalid,
        on_dnc=sorted(places[number] for number in report.on_dnc),
    )


@leads.get("/campaigns/{campaign_id}/leads", summary="List and search leads")
async def search(
    campaign_id: Id,
    caller: Viewer,
    stores: TheStores,
    *,
    state: StateQuery = None,
    number: Annotated[
        str | None,
        Query(pattern=r"^\+[0-9]{0,15}$", description="What the number begins with, in E.164.", examples=["+1202"]),
    ] = None,
    name: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="What the whole name, or the last name, begins with.",
            examples=["nguy"],
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        Query(max_length=100, pattern=r"^[^\x00]*$", description="As the list said it.", examples=["Asia/Tokyo"]),
    ] = None,
    held_by: Annotated[
        str | None,
        Query(
            max_length=100, pattern=r"^[^\x00]*$", description="The rule that holds the lead.", examples=["lead_window"]
        ),
    ] = None,
    limit: Limit = 100,
    after: After = "n0",
) -> Page[LeadOut]:
    """By number; those searched by name, by name. A page may hold fewer than the limit although there is a next one: a search looks at
    no more than 5,000 leads at a time."""
    seen = Permission.VIEW_LEADS in caller.permissions
    if not seen and (number or name):
        raise NotPermitted("to search by number or name needs the permission view_leads")
    campaign = await campaign_for(stores, caller, campaign_id)
    wanted = LeadFilter(state=state, prefix=number or "+", name=name or "", time_zone=time_zone, held_by=held_by)
    place = LeadPlace(after_id=int(after[1:]), by_last_name=after[0] == "l")
    found, following = await stores.leads.search(campaign.id, wanted, limit=limit, place=place)
    return Page(
        items=await _out(stores, found, seen=seen),
        next=f"{'l' if following.by_last_name else 'n'}{following.after_id}" if following else None,
    )


@leads.get("/campaigns/{campaign_id}/leads/export", summary="Export leads as CSV", response_class=StreamingResponse)
async def export(campaign_id: Id, caller: Exporter, stores: TheStores, state: StateQuery = None) -> StreamingResponse:
    """A file that can be imported again. Text that a spreadsheet would take for a formula has an apostrophe before it."""
    campaign = await campaign_for(stores, caller, campaign_id)
    return await csv_download(
        f"leads-of-campaign-{campaign.id}.csv", *await lead_table(stores.leads, campaign.id, state)
    )


@leads.post("/campaigns/{campaign_id}/leads/reset", summary="Make leads new again")
async def reset_all(campaign_id: Id, which: ResetIn, caller: Manager, stores: TheStores, request: Request) -> Changed:
    """All that are in the state: due at once, with all their attempts before them."""
    campaign = await campaign_for(stores, caller, campaign_id)
    changed = await stores.leads.reset_all(campaign.id, LeadState(which.state))
    note_for_audit(request, {"state": which.state, "changed": changed})
    return Changed(changed=changed)


@leads.delete("/campaigns/{campaign_id}/leads", summary="Delete leads")
async def delete_all(
    campaign_id: Id,
    caller: Manager,
    stores: TheStores,
    request: Request,
    state: Annotated[
        Which | None, Query(description="All that are in this state. It has to be said.", examples=["failed"])
    ] = None,
) -> Changed:
    """Off the list of a campaign that does not run. What happened to them is kept."""
    campaign = await campaign_for(stores, caller, campaign_id)
    if state is None:
        raise InvalidRequest(["state: say which leads are to be deleted, like state=failed"])
    changed = await stores.leads.delete_all(campaign.id, LeadState(state))
    note_for_audit(request, {"state": state, "changed": changed})
    return Changed(changed=changed)


@leads.get("/leads/sample", summary="A sample CSV file", response_class=Response)
async def sample(_: Viewer) -> Response:
    """That can be imported as it is. Its phone numbers are fictional."""
    headers = {"Content-Disposition": 'attachment; filename="leads-sample.csv"'}
    return Response(sample_csv(), media_type="text/csv; charset=utf-8", headers=headers)


# --- one lead ---------------------------------------------------------------------------------------------------------


@leads.get("/leads/{lead_id}", summary="A lead")
async def get_lead(lead_id: Id, caller: Viewer, stores: TheStores) -> LeadOut:
    """Its life is at `/leads/{lead_id}/activity` and `/attempts?lead_id=`."""
    record = await lead_for(stores, caller, lead_id)
    (lead,) = await _out(stores, [record], seen=Permission.VIEW_LEADS in caller.permissions)
    return lead


@leads.get("/leads/{lead_id}/explanation", summary="Why a lead is not called")
async def explain(lead_id: Id, caller: LeadViewer, parts: TheParts) -> Explanation:
    """What every rule says of it at this moment, and all that happened to it."""
    await lead_for(parts.stores, caller, lead_id)
    account = await parts.stores.accounts.get(caller.account)
    story = await story_of(parts.stores, lead_id, account.rules.time_zone)
    return Explanation.model_validate(story_values(story))


@leads.post("/leads/{lead_id}/reset", summary="Make a lead new again")
async def reset(lead_id: Id, caller: Manager, stores: TheStores) -> LeadOut:
    """Due at once, with all its attempts before it."""
    await lead_for(stores, caller, lead_id)
    record = await stores.leads.reset(lead_id)
    (lead,) = await _out(stores, [record], seen=Permission.VIEW_LEADS in caller.permissions)
    return lead


@leads.delete("/leads/{lead_id}", summary="Delete a lead", status_code=HTTPStatus.NO_CONTENT)
async def delete(lead_id: Id, caller: Manager, stores: TheStores) -> None:
    """Off the list of a campaign that does not run. What happened to it is kept."""
    await lead_for(stores, caller, lead_id)
    await stores.leads.delete(lead_id)
