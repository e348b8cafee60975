"""Campaigns as JSON: their settings, and what they do just now."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from datetime import datetime
from typing import Annotated, Any, get_type_hints

import pydantic
from pydantic import AwareDatetime, BaseModel, ConfigDict

from dialerd.api.schemas.body import Body
from dialerd.api.schemas.caller_ids import PoolEntryIn
from dialerd.domain.abandonment import Abandonment
from dialerd.domain.attempts import WaitingLeads
from dialerd.domain.campaigns import CampaignAction, CampaignSettings, CampaignStatus, possible_actions
from dialerd.domain.leads import FINAL, LeadState
from dialerd.domain.pacing import HOLD_SENTENCES
from dialerd.reports.explained import hold_of, why_campaign
from dialerd.store.campaigns import CampaignOverview
from dialerd.store.progress import Progress

_TOLD: Mapping[str, tuple[str, object]] = {
    "name": ("What the campaign is called; unique in its account.", "Summer offer"),
    "queue": ("Bound queue, as Asterisk calls it. Only a voice menu that leads to no agent does without.", "sales"),
    "note": ("For people: what the campaign is for.", "everybody who asked for a quote in May"),
    "dial_mode": (
        "Who is called first: the lead, or an agent; or whether an agent sees the card first.",
        "progressive",
    ),
    "target": ("Whom an answered call is for.", "queue"),
    "target_agent": ("For the target `agent`: that agent's phone, as the queue names it.", "PJSIP/1001"),
    "menu": ("For the target `menu`: the name of the voice menu.", "appointment"),
    "preview_order": (
        "Whether the lead is dialed while an agent looks at the card, or once one has accepted it.",
        "dial_first",
    ),
    "offer_s": ("Seconds an agent may look at a card before it goes to the next: 5 to 600.", 30),
    "gate": (
        "What a call waits for besides pace and lines: an agent of its own, or one free agent however many calls.",
        "free_agents",
    ),
    "calls_per_second": ("Pace: most calls started a second, up to the account's limit.", 2.5),
    "concurrency": ("Lines: most calls in flight, up to the account's limit.", 10),
    "max_attempts": ("Most attempts for a lead, up to the account's limit.", 3),
    "cooloff_s": ("Seconds to wait after a failed dial: up to 30 days.", 3600),
    "cooloff_2nd_s": ("The same after the second failed dial. null: as after the first.", 7200),
    "cooloff_3rd_s": ("The same after the third. null: as before.", 86400),
    "dial_cycles": ("Most passes through the list, and so dials of each lead, a day; 0: no limit.", 0),
    "dial_cycles_time": ("When that day begins, on the account's clock.", "00:00:00"),
    "outcome_rules": ("By outcome, what is done differently after it.", {"busy": {"retry": True, "delay_s": 300}}),
    "alternates": ("When a lead's other numbers are tried.", "when_dead"),
    "schedule": (
        "When it may dial, by the account's clock. null: the account's business hours; empty: at any time.",
        [{"start": "09:00", "end": "17:00", "weekdays": ["mon", "tue", "wed", "thu", "fri"]}],
    ),
    "lead_window": ("Dial By Timezone: a daily window by each lead's own clock.", {"start": "09:00", "end": "20:00"}),
    "day_plan": (
        "Dial by Schedule by Timezone: days since the lead was added, and times by its own clock.",
        {"days": [{"day": 0, "times": ["09:00", "13:00"]}], "window_h": 1},
    ),
    "caller_id_enabled": (
        "Whether the campaign's own numbers are shown; else the queue's number, then the account's.",
        True,
    ),
    "rotation": ("How a call gets its number out of several.", "round_robin"),
    "profile": ("Compliance profile. null: the account's.", "uk"),
    "ring_timeout_s": ("Seconds a lead's phone may ring: 5 to 120.", 30),
    "customer_wait_sla_s": ("Seconds a lead may wait in silence for an agent: 0 to 60.", 3),
    "agent_dial_timeout_s": ("Seconds agents are rung before the lead joins the queue: 1 to 300.", 20),
    "wrapup_s": ("Seconds of wrap-up, as set in the queue: 0 to 3600.", 0),
    "greeting": (
        "Sound for a lead whose wait has exceeded the customer wait SLA. Empty: silence.",
        "custom/one-moment",
    ),
    "agent_announcement": ("Sound for an agent who waits for a lead to answer. Empty: hold music alone.", ""),
    "no_agent": ("What a lead gets for whom no agent is there in time.", "queue"),
    "mask_lead_caller_id": ("Whether lead numbers are hidden from agents.", False),
    "send_lead_data": ("Whether the agent's phone is sent the lead's data as SIP headers.", False),
    "recording": ("Whether talks, and calls of a voice menu, are recorded.", False),
    "machine_detection": ("Whether Asterisk listens for answering machines, and what follows.", "off"),
    "machine_audit_pct": ("Of 100 answers taken for machines, so many go to an agent all the same: 0 to 100.", 5),
    "abandonment_cap_pct": (
        "Most abandoned calls of 100 that people answer. null: what the compliance profile says.",
        3,
    ),
    "on_cap": ("What follows at that cap, until the rate is well below it.", "one_per_agent"),
    "dispositions": (
        "What agents may say of a call.",
        [{"code": "sold", "title": "Sold", "effect": "done"}],
    ),
}
STEERED = frozenset({"calls_per_second", "concurrency"})
"""What a supervisor may change of a campaign that others have built."""
MOST_TEXT = 10_000
_PLAIN = (int, float, bool, int | None, float | None)
UTC_ZONE = "UTC"
"""In which sentences name times: the API does so everywhere."""
_KINDS = get_type_hints(CampaignSettings)


def _described(field: Field[Any], **default: Any) -> Any:
    kind = _KINDS[field.name]
    said, example = _TOLD[field.name]
    plain: dict[str, Any] = {"strict": True} if kind in _PLAIN else {}
    sized: dict[str, Any] = {"max_length": MOST_TEXT} if kind is str else {}
    return Annotated[kind, pydantic.Field(description=said, examples=[example], **plain, **sized, **default)]


def _default(field: Field[Any]) -> dict[str, Any]:
    if field.default_factory is not MISSING:
        return {"default_factory": field.default_factory}
    return {} if field.default is MISSING else {"default": field.default}


def _without_default(schema: dict[str, Any]) -> None:
    """A field that is not sent is left as it is."""
    schema.pop("default", None)


class SettingsBody(Body):
    """The settings of a campaign: what is not sent has its usual value."""

    model_config = ConfigDict(from_attributes=True)
    __annotations__ = {field.name: _described(field, **_default(field)) for field in fields(CampaignSettings)}

    @property
    def settings(self) -> CampaignSettings:
        return CampaignSettings(**{field.name: getattr(self, field.name) for field in fields(CampaignSettings)})


class SettingsChanges(Body):
    """Only what is sent is changed. null takes away what may be missing."""

    __annotations__ = {
        field.name: _described(field, default=None, json_schema_extra=_without_default)
        for field in fields(CampaignSettings)
    }


class NewCampaign(SettingsBody):
    caller_ids: Annotated[Sequence[PoolEntryIn], pydantic.Field(max_length=1000)] = ()
    """The campaign's own numbers to show, in order."""


class NewClone(Body):
    name: Annotated[str, pydantic.Field(max_length=MOST_TEXT, examples=["Summer offer, second list"])]
    """What the new campaign is called."""


class ActionIn(Body):
    action: CampaignAction
    """What is to be done. `complete` happens by itself, and cannot be asked for."""
    at: AwareDatetime | None = None
    """With `schedule`: when it starts by itself."""


class ValidationOut(BaseModel):
    """Empty lists: nothing is in the way."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    problems: Sequence[str]
    """Why these settings would be refused."""
    start_problems: Sequence[str]
    """Why a start would be refused, as things are just now."""


class HoldOut(BaseModel):
    """Why no call starts just now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    reason: str | None
    """The rule; null where no daemon has said one."""
    sentence: str
    until: datetime | None
    """null: no time alone changes it."""


class AbandonmentOut(BaseModel):
    """Of the present period. Rate and cap are shares: 0.03 is 3 of 100."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    answered: int
    in_time: int
    """Who reached an agent in time."""
    abandoned: int
    rate: float
    cap: float | None
    until: datetime | None
    """When the next period begins."""


class HeldLeads(BaseModel):
    """Leads that a rule holds back, or has ended."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    rule: str
    leads: int
    until: datetime | None
    """When the first of them is due. null: never by itself."""


class ProgressOut(BaseModel):
    """Calls of the last hour, and of the last minute."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    placed_last_minute: int
    placed: int
    answered: int
    connected: int
    abandoned: int


class CampaignSummary(BaseModel):
    """A campaign at a glance."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: int
    name: str
    status: CampaignStatus
    shown_status: CampaignStatus
    """The status as people see it: `scheduled` for one that runs outside its schedule."""
    starts_at: datetime | None
    """When a scheduled campaign starts by itself."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    queue: str
    dial_mode: str
    calls_per_second: float
    concurrency: int
    leads: Mapping[LeadState, int]
    """How many leads are in each state."""
    total: int
    """Without those that were deleted."""
    done: int
    """Leads of which nothing more is to come."""
    in_flight: int
    """Calls that have not ended."""
    dialed_by: str | None
    """The node that dials it."""
    hold: HoldOut | None
    """null: calls start, or nobody has asked for any."""
    abandonment: AbandonmentOut
    possible_actions: Sequence[CampaignAction]


class CampaignOut(CampaignSummary):
    """A campaign with all its settings."""

    settings: SettingsBody
    held_leads: Sequence[HeldLeads]


class VerdictOut(BaseModel):
    """What one rule says of the next call."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    rule: str
    allows: bool
    sentence: str | None
    """What it means that the rule forbids the call."""
    fact: Any
    """What the rule rests on."""


class ExplanationOut(BaseModel):
    """Why the campaign starts no call now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: int
    shown_status: CampaignStatus
    why: str
    hold: HoldOut | None
    dialed_by: str | None
    in_flight: int
    verdicts: Sequence[VerdictOut]
    """Every rule of the next call, in order, as its daemon last saw them."""
    held_leads: Sequence[HeldLeads]


def summary_of(overview: CampaignOverview, abandonment: Abandonment) -> CampaignSummary:
    return CampaignSummary(**_summary(overview, abandonment))


def campaign_out(overview: CampaignOverview, abandonment: Abandonment) -> CampaignOut:
    return CampaignOut(
        **_summary(overview, abandonment),
        settings=SettingsBody.model_validate(overview.campaign.settings),
        held_leads=held_out(overview.held_leads),
    )


def explanation_of(overview: CampaignOverview) -> ExplanationOut:
    return ExplanationOut(
        id=overview.campaign.id,
        shown_status=overview.shown_status,
        why=why_campaign(overview, UTC_ZONE),
        hold=hold_out(overview),
        dialed_by=overview.owner,
        in_flight=overview.open_attempts,
        verdicts=[verdict_out(told) for told in overview.verdicts],
        held_leads=held_out(overview.held_leads),
    )


def hold_out(overview: CampaignOverview) -> HoldOut | None:
    sentence = hold_of(overview, UTC_ZONE)
    return HoldOut(reason=overview.held_by, sentence=sentence, until=overview.hold_until) if sentence else None


def held_out(held: Sequence[WaitingLeads]) -> list[HeldLeads]:
    return [HeldLeads.model_validate(one) for one in held]


def verdict_out(told: Mapping[str, Any]) -> VerdictOut:
    sentence = None if told["allows"] else HOLD_SENTENCES[told["reason"]]
    return VerdictOut(rule=told["reason"], allows=told["allows"], sentence=sentence, fact=told["fact"])


def progress_out(progress: Progress) -> ProgressOut:
    return ProgressOut.model_validate(progress)


def _summary(overview: CampaignOverview, abandonment: Abandonment) -> dict[str, Any]:
    campaign, settings, ledger = overview.campaign, overview.campaign.settings, abandonment.ledger
    return {
        "id": campaign.id,
        "name": settings.name,
        "status": campaign.status,
        "shown_status": overview.shown_status,
        "starts_at": campaign.starts_at,
        "created_at": overview.created_at,
        "started_at": overview.started_at,
        "ended_at": overview.ended_at,
        "queue": settings.queue,
        "dial_mode": settings.dial_mode,
        "calls_per_second": settings.calls_per_second,
        "concurrency": settings.concurrency,
        "leads": overview.leads,
        "total": sum(overview.leads.values()) - overview.leads[LeadState.DELETED],
        "done": sum(overview.leads[state] for state in FINAL - {LeadState.DELETED}),
        "in_flight": overview.open_attempts,
        "dialed_by": overview.owner,
        "hold": hold_out(overview),
        "abandonment": AbandonmentOut(
            answered=ledger.answered,
            in_time=ledger.in_time,
            abandoned=ledger.abandoned,
            rate=ledger.rate,
            cap=abandonment.cap,
            until=abandonment.until,
        ),
        "possible_actions": possible_actions(campaign.status),
    }
