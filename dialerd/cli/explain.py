"""`dialerd explain`: what every rule says of a campaign or a lead, on what fact, until when, and what happened so far."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from dialerd.cli.campaigns import as_values, hold_of
from dialerd.cli.console import AsJson, facts, local, out, plain, print_json, table
from dialerd.cli.options import HIGHEST_ID, CampaignRef
from dialerd.cli.session import Stores, in_store
from dialerd.domain.activity import ActivityLine
from dialerd.domain.attempts import WaitingLeads
from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.eligibility import Verdict
from dialerd.domain.leads import FINAL, IN_FLIGHT, LeadState
from dialerd.domain.pacing import HOLD_SENTENCES
from dialerd.domain.phone import mask
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
    LeadState.SUCCESS: "it has talked to an agent, or made its choice in the voice menu",
    LeadState.FAILED: "it has no attempts left, or its number or its answer was final",
    LeadState.BLOCKED: "it is on a do-not-call list, or another rule forbids calls to it for good",
    LeadState.ABANDONED: "it picked up and no agent was there in time",
    LeadState.DELETED: "it was taken off the list",
}
_HELD = {"offered": "its card lies before an agent, at most", "callback": "it is to be called back, and waits"}
"""By what is noted as the reason, where that is no rule."""
_STATUS = {
    CampaignStatus.DRAFT: "it has not been started",
    CampaignStatus.SCHEDULED: "it will start by itself",
    CampaignStatus.PAUSED: "it is paused: `dialerd campaign resume` goes on",
    CampaignStatus.STOPPED: "it is stopped: `dialerd campaign resume` goes on",
    CampaignStatus.COMPLETED: "nothing of it can be dialed any more",
    CampaignStatus.CANCELLED: "it was given up",
}


@dataclass(frozen=True, kw_only=True)
class _LeadStory:
    record: LeadRecord
    campaign: CampaignOverview
    verdicts: Sequence[Verdict]
    lines: Sequence[ActivityLine]
    zone: str


@app.command("campaign")
def explain_campaign(context: typer.Context, campaign: CampaignRef, as_json: AsJson = False) -> None:
    """Say why a campaign starts no call now: every rule in order, and what holds its leads back."""

    async def work(stores: Stores) -> tuple[CampaignOverview, str]:
        found = await stores.find_campaign(campaign)
        return await stores.campaigns.overview(found.id), await stores.zone()

    overview, zone = in_store(context, work)
    if as_json:
        print_json({**as_values(overview), "why": why_campaign(overview, zone)})
        return
    due = overview.leads[LeadState.ACTIVE] + overview.leads[LeadState.RETRY]
    out().print(
        facts(
            {
                "campaign": overview.campaign.settings.name,
                "status": overview.shown_status,
                "calls": why_campaign(overview, zone),
                "dialed by": overview.owner,
                "leads not done": due + overview.leads[LeadState.COOLOFF] + overview.leads[LeadState.VOICEMAIL],
                "calls in flight": overview.open_attempts,
            }
        )
    )
    if overview.verdicts:
        _head("The rules of the next call, as its daemon last saw them:")
        out().print(table(("rule", "", "what it means", "fact"), [_pacing_row(told) for told in overview.verdicts]))
    if overview.held_leads:
        _head("Leads that a rule holds back, or has ended:")
        out().print(held_table(overview.held_leads, zone))


def _head(title: str) -> None:
    out().print()
    out().print(plain(title))


def _pacing_row(told: Mapping[str, Any]) -> tuple[object, ...]:
    verdict = "allows" if told["allows"] else "FORBIDS"
    sentence = "" if told["allows"] else HOLD_SENTENCES[told["reason"]]
    return told["reason"], verdict, sentence, _told(told["fact"] or {})


def held_table(held: Sequence[WaitingLeads], zone: str) -> RenderableType:
    rows = [(one.rule, one.leads, local(one.until, zone) if one.until else "for good") for one in held]
    return table(("rule", "leads", "the first of them until"), rows)


def why_campaign(overview: CampaignOverview, zone: str) -> str:
    status = overview.campaign.status
    if status is CampaignStatus.SCHEDULED:
        refused = f"; at that time {overview.hold_sentence}" if overview.hold_sentence else ""
        return f"it starts by itself at {local(overview.campaign.starts_at, zone)}{refused}"
    return _STATUS.get(status) or hold_of(overview, zone) or "calls start as fast as its pace allows"


@app.command("lead")
def explain_lead(context: typer.Context, lead: LeadId, as_json: AsJson = False) -> None:
    """Say why a lead is not called now: what every rule says of it, and all that happened to it."""

    async def work(stores: Stores) -> _LeadStory:
        record = await stores.leads.get(lead)
        return _LeadStory(
            record=record,
            campaign=await stores.campaigns.overview(record.lead.campaign_id),
            verdicts=await stores.attempts.explain(lead),
            lines=await stores.activity.of_lead(lead),
            zone=await stores.zone(),
        )

    story = in_store(context, work)
    if as_json:
        print_json(_as_values(story))
    else:
        _print(story)


def why_lead(story: _LeadStory) -> str:
    """What holds the lead: what was noted of it, else a rule as it stands now; and what holds its campaign."""
    record, zone = story.record, story.zone
    state = record.lead.state
    if state in IN_FLIGHT:
        return "it is being called"
    rule = f" (rule: {record.held_by})" if record.held_by else ""
    cools_off = state in (LeadState.COOLOFF, LeadState.VOICEMAIL)
    if record.not_before is not None and record.not_before > datetime.now(UTC):
        if record.held_by in _HELD:
            by = f", by {record.lead.callback_agent}" if record.lead.callback_agent else ""
            return f"{_HELD[record.held_by]} until {local(record.not_before, zone)}{by}"
        words = _WORDS[state] if cools_off else "a rule holds it back"
        return f"{words} until {local(record.not_before, zone)}{rule}"
    if state in FINAL:
        return _WORDS[state] + rule
    refused = refusal_of(story.verdicts)
    now = f"; now {refused.rule} forbids it{_until(refused, zone)}" if refused else ""
    due = _WORDS[LeadState.RETRY if cools_off else state]
    return f"{due}{now}; its campaign: {why_campaign(story.campaign, zone)}"


def refusal_of(verdicts: Sequence[Verdict]) -> Verdict | None:
    """What keeps a lead that is due from being called: a rule that asks for no number, else of its numbers, of which none may
    be called, the rule that lets go first."""
    first: dict[str | None, Verdict | None] = {}
    for verdict in verdicts:
        if first.get(verdict.number) is None:
            first[verdict.number] = None if verdict.allows else verdict
    if general := first.pop(None, None):
        return general
    refusals = [refused for refused in first.values() if refused]
    if not refusals or len(refusals) < len(first):
        return None
    return min((refused for refused in refusals if refused.until), key=attrgetter("until"), default=refusals[0])


def _until(refused: Verdict, zone: str) -> str:
    return f" until {local(refused.until, zone)}" if refused.until else " for good" if refused.event else ""


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
        "why": why_lead(story),
        "rules": [
            {
                "rule": verdict.rule,
                "number": mask(verdict.number) if verdict.number else None,
                "allows": verdict.allows,
                "until": verdict.until,
                "facts": _masked(verdict.facts),
            }
            for verdict in story.verdicts
        ],
        "history": [_masked(asdict(line)) for line in story.lines],
    }


def _print(story: _LeadStory) -> None:
    lead = story.record.lead
    out().print(
        facts(
            {
                "lead": f"{lead.id} {mask_numbers_in(lead.display_name)} {', '.join(mask(number) for number in lead.numbers)}",
                "campaign": story.campaign.campaign.settings.name,
                "state": lead.state,
                "now": why_lead(story),
            }
        )
    )
    _head("The rules, as they stand at this moment:")
    columns = ("rule", "number", "", "until", "facts")
    out().print(table(columns, [_rule_row(verdict, story.zone) for verdict in story.verdicts]))
    if story.lines:
        _head("What happened:")
        rows = [(local(line.at, story.zone), line.fact, _told(line.details)) for line in story.lines]
        out().print(table(("when", "what", "details"), rows))


def _rule_row(verdict: Verdict, zone: str) -> tuple[object, ...]:
    number = mask(verdict.number) if verdict.number else ""
    return verdict.rule, number, *_says(verdict, zone), _told(verdict.facts)


def _says(verdict: Verdict, zone: str) -> tuple[str, str]:
    if verdict.allows:
        return "allows", ""
    endless = "for good" if verdict.event else "somebody changes it"
    return "FORBIDS", local(verdict.until, zone) if verdict.until else endless


def _masked(value: Any) -> Any:
    """The value without a whole phone number in it, however deep."""
    if isinstance(value, str):
        return mask_numbers_in(value)
    if isinstance(value, Mapping):
        return {name: _masked(inner) for name, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list | tuple) else value


def _told(details: Mapping[str, object]) -> str:
    return mask_numbers_in(", ".join(f"{name}: {value}" for name, value in details.items() if value is not None))
