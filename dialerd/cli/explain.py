"""`dialerd explain`: why a campaign or a lead is not called now, until when, and what happened so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from dialerd.cli.campaigns import as_values
from dialerd.cli.console import AsJson, facts, local, out, print_json, table
from dialerd.cli.options import HIGHEST_ID, CampaignRef
from dialerd.cli.session import Stores, in_store
from dialerd.cli.status import hold_of
from dialerd.domain.activity import ActivityLine
from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.leads import IN_FLIGHT, LeadState
from dialerd.domain.phone import mask
from dialerd.domain.retry import attempts_allowed
from dialerd.privacy import mask_numbers_in
from dialerd.store.campaigns import CampaignOverview
from dialerd.store.leads import LeadRecord

LeadId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=HIGHEST_ID, help="Id of the lead, as `dialerd leads list` prints it.")
]

app = typer.Typer(help="Say why a campaign or a lead is not called.", no_args_is_help=True)

_WORDS = {
    LeadState.ACTIVE: "it is due, and waits for its turn",
    LeadState.RETRY: "it is due again, and waits for its turn",
    LeadState.COOLOFF: "it was dialed without success, and cools off",
    LeadState.VOICEMAIL: "a machine answered, and it cools off",
    LeadState.SUCCESS: "it has talked to an agent",
    LeadState.FAILED: "it has no attempts left, or its number or its answer was final",
    LeadState.BLOCKED: "it is on a do-not-call list",
    LeadState.ABANDONED: "it picked up and no agent was there in time",
}
_STATUS = {
    CampaignStatus.DRAFT: "it has not been started",
    CampaignStatus.SCHEDULED: "it will start by itself",
    CampaignStatus.PAUSED: "it is paused: `dialerd campaign start` goes on",
    CampaignStatus.STOPPED: "it is stopped: `dialerd campaign start` goes on",
    CampaignStatus.COMPLETED: "all its leads are done",
    CampaignStatus.CANCELLED: "it was given up",
}


@dataclass(frozen=True, kw_only=True)
class _LeadStory:
    record: LeadRecord
    campaign: CampaignOverview
    lines: Sequence[ActivityLine]
    zone: str


@app.command("campaign")
def explain_campaign(context: typer.Context, campaign: CampaignRef, as_json: AsJson = False) -> None:
    """Say why a campaign starts no call now."""

    async def work(stores: Stores) -> tuple[CampaignOverview, str]:
        found = await stores.find_campaign(campaign)
        return await stores.campaigns.overview(found.id), await stores.zone()

    overview, zone = in_store(context, work)
    if as_json:
        print_json({**as_values(overview), "why": why_campaign(overview, zone)})
        return
    due = overview.leads[LeadState.ACTIVE] + overview.leads[LeadState.RETRY]
    waiting = overview.leads[LeadState.COOLOFF] + overview.leads[LeadState.VOICEMAIL]
    out().print(
        facts(
            {
                "campaign": overview.campaign.settings.name,
                "status": overview.campaign.status,
                "calls": why_campaign(overview, zone),
                "dialed by": overview.owner,
                "leads that are due": due,
                "leads that cool off": waiting,
                "calls in flight": overview.open_attempts,
            }
        )
    )


def why_campaign(overview: CampaignOverview, zone: str) -> str:
    status = overview.campaign.status
    return _STATUS.get(status) or hold_of(overview, zone) or "calls start as fast as its pace allows"


@app.command("lead")
def explain_lead(context: typer.Context, lead: LeadId, as_json: AsJson = False) -> None:
    """Say why a lead is not called now, and tell all that happened to it."""

    async def work(stores: Stores) -> _LeadStory:
        record = await stores.leads.get(lead)
        return _LeadStory(
            record=record,
            campaign=await stores.campaigns.overview(record.lead.campaign_id),
            lines=await stores.activity.of_lead(lead),
            zone=await stores.zone(),
        )

    story = in_store(context, work)
    if as_json:
        print_json(_as_values(story))
    else:
        _print(story)


def why_lead(record: LeadRecord, campaign: CampaignOverview, zone: str) -> str:
    """The rule that holds the lead; where none does, what holds its campaign."""
    state = record.lead.state
    if state in IN_FLIGHT:
        return "it is being called"
    if record.not_before is not None:
        rule = f" (rule: {record.held_by})" if record.held_by else ""
        return f"{_WORDS[state]} until {local(record.not_before, zone)}{rule}"
    if state in (LeadState.ACTIVE, LeadState.RETRY):
        return f"{_WORDS[state]}; its campaign: {why_campaign(campaign, zone)}"
    return _WORDS[state]


def _as_values(story: _LeadStory) -> dict[str, Any]:
    record = story.record
    return {
        "lead_id": record.lead.id,
        "campaign_id": record.lead.campaign_id,
        "number": mask(record.lead.number),
        "state": record.lead.state,
        "attempts_used": record.lead.attempts_used,
        "held_by": record.held_by,
        "not_before": record.not_before,
        "why": why_lead(record, story.campaign, story.zone),
        "history": list(story.lines),
    }


def _print(story: _LeadStory) -> None:
    record, lead = story.record, story.record.lead
    allowed = attempts_allowed(lead, story.campaign.campaign.settings)
    out().print(
        facts(
            {
                "lead": f"{lead.id} {lead.display_name} {mask(lead.number)}",
                "campaign": story.campaign.campaign.settings.name,
                "state": lead.state,
                "now": why_lead(record, story.campaign, story.zone),
                "attempts": f"{lead.attempts_used} of {allowed}",
            }
        )
    )
    rows = [(local(line.at, story.zone), line.fact, _told(line.details)) for line in story.lines]
    if rows:
        out().print(table(("when", "what", "details"), rows))


def _told(details: Mapping[str, object]) -> str:
    return mask_numbers_in(", ".join(f"{name}: {value}" for name, value in details.items() if value is not None))
