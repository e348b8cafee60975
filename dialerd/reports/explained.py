"""Why a campaign or a lead is not called: what every rule says of it, on what fact, until when, and what happened so far."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from dialerd.domain.activity import ActivityLine
from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.eligibility import Verdict
from dialerd.domain.leads import FINAL, IN_FLIGHT, LeadState
from dialerd.domain.nodes import Daemons
from dialerd.domain.phone import mask
from dialerd.domain.timezones import local
from dialerd.privacy import mask_numbers_in
from dialerd.store.campaigns import CampaignOverview
from dialerd.store.leads import LeadRecord
from dialerd.store.stores import Stores

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
class LeadStory:
    record: LeadRecord
    campaign: CampaignOverview
    verdicts: Sequence[Verdict]
    lines: Sequence[ActivityLine]
    zone: str


async def story_of(stores: Stores, lead_id: int, zone: str) -> LeadStory:
    """`zone` is the one in which times are told. Raises NotFound."""
    record = await stores.leads.get(lead_id)
    return LeadStory(
        record=record,
        campaign=await stores.campaigns.overview(record.lead.campaign_id),
        verdicts=await stores.attempts.explain(lead_id),
        lines=await stores.activity.of_lead(lead_id),
        zone=zone,
    )


def hold_of(overview: CampaignOverview, zone: str) -> str:
    """Why no call starts now, and until when if that is known; empty while calls start, or nobody has asked for any."""
    if overview.campaign.status is CampaignStatus.SCHEDULED:
        return overview.hold_sentence or ""
    if overview.campaign.status is not CampaignStatus.RUNNING:
        return ""
    if overview.owner is None:
        return why_undialed(overview.daemons, zone)
    until = f" until {local(overview.hold_until, zone)}" if overview.hold_until else ""
    return (overview.hold_sentence or "") + until


def why_undialed(daemons: Daemons, zone: str) -> str:
    """Of a campaign that runs, and that no daemon owns."""
    silent = f"{daemons.last_owner} did, and is silent since {local(daemons.silent_since, zone)}"
    before = f" ({silent})" if daemons.last_owner else ""
    if not daemons.alive:
        return f"no daemon dials it: start one with `dialerd run`{before}"
    if daemons.alive == len(daemons.draining):
        names = ", ".join(daemons.draining)
        return f"no daemon dials it, for all that live are draining: let one go on with `dialerd node undrain` ({names}){before}"
    return f"no daemon dials it yet: one that lives takes it up in a moment{before}"


def why_campaign(overview: CampaignOverview, zone: str) -> str:
    status = overview.campaign.status
    if status is CampaignStatus.SCHEDULED:
        refused = f"; at that time {overview.hold_sentence}" if overview.hold_sentence else ""
        return f"it starts by itself at {local(overview.campaign.starts_at, zone)}{refused}"
    return _STATUS.get(status) or hold_of(overview, zone) or "calls start as fast as its pace allows"


def why_lead(story: LeadStory) -> str:
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


def story_values(story: LeadStory) -> dict[str, Any]:
    """For machines: as `dialerd explain lead --json` prints it. Numbers are masked."""
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
                "facts": masked(verdict.facts),
            }
            for verdict in story.verdicts
        ],
        "history": [masked(asdict(line)) for line in story.lines],
    }


def masked(value: Any) -> Any:
    """The value without a whole phone number in it, however deep."""
    if isinstance(value, str):
        return mask_numbers_in(value)
    if isinstance(value, Mapping):
        return {name: masked(inner) for name, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list | tuple) else value
