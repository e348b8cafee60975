"""What a campaign is, its life, and what makes its settings wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

from dialerd.domain import schedule
from dialerd.domain.accounts import LOWEST_PACE, AccountRules, Limits
from dialerd.domain.caller_id import Rotation
from dialerd.domain.calls import CallFlow, DialMode, NoAgent
from dialerd.domain.dispositions import DISPOSITIONS, Disposition, problems_of_dispositions
from dialerd.domain.menus import is_sound_name
from dialerd.domain.outcomes import SETTLED, Outcome, OutcomeRule
from dialerd.domain.pacing import HoldReason
from dialerd.domain.schedule import DayPlan, LeadWindow, ScheduleRow


class CampaignStatus(StrEnum):
    DRAFT = "draft"  # being configured
    SCHEDULED = "scheduled"  # will start by itself
    RUNNING = "running"  # dialing, as far as its rules allow
    PAUSED = "paused"  # no new calls; those in flight complete
    STOPPED = "stopped"  # no new calls; unanswered dials were ended and moved to retry
    COMPLETED = "completed"  # nothing is left to dial
    CANCELLED = "cancelled"  # given up for good


class CampaignAction(StrEnum):
    SCHEDULE = "schedule"
    START = "start"
    RESUME = "resume"
    PAUSE = "pause"
    STOP = "stop"
    COMPLETE = "complete"
    CANCEL = "cancel"


CAMPAIGN_TRANSITIONS: Mapping[CampaignStatus, Mapping[CampaignAction, CampaignStatus]] = {
    CampaignStatus.DRAFT: {
        CampaignAction.SCHEDULE: CampaignStatus.SCHEDULED,
        CampaignAction.START: CampaignStatus.RUNNING,
        CampaignAction.CANCEL: CampaignStatus.CANCELLED,
    },
    CampaignStatus.SCHEDULED: {
        CampaignAction.SCHEDULE: CampaignStatus.SCHEDULED,
        CampaignAction.START: CampaignStatus.RUNNING,
        CampaignAction.STOP: CampaignStatus.STOPPED,
        CampaignAction.CANCEL: CampaignStatus.CANCELLED,
    },
    CampaignStatus.RUNNING: {
        CampaignAction.PAUSE: CampaignStatus.PAUSED,
        CampaignAction.STOP: CampaignStatus.STOPPED,
        CampaignAction.COMPLETE: CampaignStatus.COMPLETED,
        CampaignAction.CANCEL: CampaignStatus.CANCELLED,
    },
    CampaignStatus.PAUSED: {
        CampaignAction.START: CampaignStatus.RUNNING,
        CampaignAction.RESUME: CampaignStatus.RUNNING,
        CampaignAction.STOP: CampaignStatus.STOPPED,
        CampaignAction.CANCEL: CampaignStatus.CANCELLED,
    },
    CampaignStatus.STOPPED: {
        CampaignAction.SCHEDULE: CampaignStatus.SCHEDULED,
        CampaignAction.START: CampaignStatus.RUNNING,
        CampaignAction.RESUME: CampaignStatus.RUNNING,
        CampaignAction.CANCEL: CampaignStatus.CANCELLED,
    },
    # A completed campaign dials again once it has leads again (an upload, a reset).
    CampaignStatus.COMPLETED: {CampaignAction.START: CampaignStatus.RUNNING},
    CampaignStatus.CANCELLED: {},
}


def possible_actions(status: CampaignStatus) -> list[CampaignAction]:
    """What people may do to a campaign in that status. Completing is no act of theirs."""
    return [action for action in CAMPAIGN_TRANSITIONS[status] if action is not CampaignAction.COMPLETE]


class Alternates(StrEnum):
    """How a lead's alternate numbers are tried."""

    OFF = "off"
    WHEN_DEAD = "when_dead"  # the next one when a number turned out to be none, or to refuse calls
    EACH_ATTEMPT = "each_attempt"  # the next one at each attempt, in turn


class Target(StrEnum):
    """Who or what an answered call is for."""

    QUEUE = "queue"  # the agents of the bound queue
    AGENT = "agent"  # one of them, and the others where that one does not pick up
    LAST_AGENT = "last_agent"  # the one who last spoke to the lead, else any of them
    MENU = "menu"  # a voice menu


class Gate(StrEnum):
    """What the next call waits for, besides rate and concurrency. Callers in the queue go first in either case (law L4)."""

    FREE_AGENTS = "free_agents"  # an agent of its own: never more calls on their way than agents who are free for them
    RATE = "rate"  # one free agent, however many calls are on their way; who is abandoned is counted


class PreviewOrder(StrEnum):
    DIAL_FIRST = "dial_first"  # the lead is dialed while an agent looks at the card, and is held until one accepts
    ACCEPT_FIRST = "accept_first"  # the lead is dialed when an agent has accepted the card and is on the line


class MachineDetection(StrEnum):
    """Asterisk's AMD listens to who answers. What it is not sure of is a human being."""

    OFF = "off"
    LISTEN = "listen"  # what it makes of the answer is written down, and changes nothing
    HANG_UP = "hang_up"  # where a machine answers the call ends as voicemail


class OnCap(StrEnum):
    """What a campaign does whose abandonment rate has reached its cap, until it is well below it again."""

    ONE_PER_AGENT = "one_per_agent"  # strictly one call for each free agent
    PAUSE = "pause"  # no calls


@dataclass(frozen=True, kw_only=True)
class CampaignSettings:
    """What a campaign manager chooses."""

    name: str
    queue: str = ""
    """Bound queue. A voice menu that leads to no agent needs none."""
    note: str = ""
    dial_mode: DialMode = DialMode.PROGRESSIVE
    target: Target = Target.QUEUE
    target_agent: str = ""
    """The agent's phone as the queue names it (PJSIP/1001), for the target `agent`."""
    menu: str = ""
    """Name of the voice menu, for the target `menu`."""
    preview_order: PreviewOrder = PreviewOrder.DIAL_FIRST
    offer_s: int = 30
    """How long an agent may look at a card before it goes to the next."""
    gate: Gate = Gate.FREE_AGENTS
    calls_per_second: float = 1.0
    concurrency: int = 10
    max_attempts: int = 3
    cooloff_s: int = 3600
    cooloff_2nd_s: int | None = None
    cooloff_3rd_s: int | None = None
    dial_cycles: int = 0
    """Most dials of each lead, that is full passes through the list, from one reset time to the next. 0: no limit."""
    dial_cycles_time: time = time(0)
    """When dial cycles begin anew, each day, on the account's clock."""
    outcome_rules: Mapping[Outcome, OutcomeRule] = field(default_factory=dict)
    alternates: Alternates = Alternates.WHEN_DEAD
    schedule: tuple[ScheduleRow, ...] | None = None
    """In the account's zone. None: the account's business hours; empty: at any time."""
    lead_window: LeadWindow | None = None
    day_plan: DayPlan | None = None
    caller_id_enabled: bool = False
    """Whether the campaign's number pool is shown; else the queue's phone number, else the account's default."""
    rotation: Rotation = Rotation.ROUND_ROBIN
    profile: str | None = None
    """Compliance profile. None: the account's."""
    ring_timeout_s: int = 30
    customer_wait_sla_s: int = 3
    agent_dial_timeout_s: int = 20
    wrapup_s: int = 0
    greeting: str = ""
    """Sound for a lead whose wait has exceeded the SLA ("Greeting post Lead wait SLA"). Empty: silence."""
    agent_announcement: str = ""
    """Sound for an agent who waits for a lead to answer. Empty: hold music alone."""
    no_agent: NoAgent = NoAgent.QUEUE
    mask_lead_caller_id: bool = False
    send_lead_data: bool = False
    """Whether the agent's phone is sent the lead's name, ticket, skill, extension and custom fields as SIP headers."""
    recording: bool = False
    machine_detection: MachineDetection = MachineDetection.OFF
    machine_audit_pct: int = 5
    """Of 100 answers that are taken for machines, so many go to an agent all the same, who tells what they were."""
    abandonment_cap_pct: float | None = None
    """Most abandoned calls of 100 answered by a person, in a period. None: what the compliance profile says, if anything."""
    on_cap: OnCap = OnCap.ONE_PER_AGENT
    dispositions: tuple[Disposition, ...] = DISPOSITIONS
    """What agents may say of a call."""

    @property
    def flow(self) -> CallFlow:
        """Which table its calls follow."""
        if self.target is Target.MENU:
            return CallFlow.MENU
        if self.dial_mode is DialMode.PREVIEW:
            return CallFlow.PREVIEW if self.preview_order is PreviewOrder.DIAL_FIRST else CallFlow.AGENT_FIRST
        return CallFlow(self.dial_mode)

    @property
    def offers_before_dialing(self) -> bool:
        return self.dial_mode is DialMode.PREVIEW and self.preview_order is PreviewOrder.ACCEPT_FIRST


RULES = frozenset(
    {
        "max_attempts",
        "dial_cycles",
        "dial_cycles_time",
        "alternates",
        "schedule",
        "lead_window",
        "day_plan",
        "caller_id_enabled",
        "rotation",
        "profile",
        "ring_timeout_s",
    }
)
"""Settings that may hold a lead back: when one changes, what waits because of it is judged anew."""


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign as its daemon sees it."""

    id: int
    account_id: int
    status: CampaignStatus
    settings: CampaignSettings
    account: AccountRules = field(default_factory=AccountRules)
    starts_at: datetime | None = None
    """When a scheduled campaign starts by itself."""
    judge_anew: bool = False
    """Whether leads wait that an earlier state of the rules has put off."""

    @property
    def profile(self) -> str:
        return self.settings.profile or self.account.profile


def working_hours(settings: CampaignSettings, account: AccountRules) -> tuple[ScheduleRow, ...]:
    """The rows, in the account's zone, that say when the campaign may dial. Empty: at any time."""
    return account.business_hours if settings.schedule is None else settings.schedule


def shown_status(status: CampaignStatus, held_by: str | None) -> CampaignStatus:
    """What people see: "Scheduled (running but outside the current schedule window)"."""
    outside = status is CampaignStatus.RUNNING and held_by == HoldReason.OUTSIDE_SCHEDULE
    return CampaignStatus.SCHEDULED if outside else status


MAX_NAME = 200
MAX_DIAL_CYCLES = 100
LONGEST_COOLOFF_S = int(timedelta(days=30).total_seconds())


def problems(settings: CampaignSettings, limits: Limits = Limits()) -> list[str]:  # noqa: B008  frozen
    """Everything that is wrong with the settings, each as a sentence that says what to do. Empty: nothing is."""
    checks = [
        (_is_name(settings.name), f"name: give the campaign a name, of up to {MAX_NAME} characters"),
        (
            _is_queue_name(settings.queue) or (settings.target is Target.MENU and not settings.queue),
            "queue: 2 to 40 letters, digits, '-' or '_', as Asterisk calls the queue",
        ),
        (
            LOWEST_PACE <= settings.calls_per_second <= limits.max_calls_per_second,
            f"calls per second: above 0, up to {limits.max_calls_per_second:g}",
        ),
        (
            1 <= settings.concurrency <= limits.max_concurrency,
            f"concurrency: from 1 to {limits.max_concurrency} calls in flight",
        ),
        (1 <= settings.max_attempts <= limits.max_attempts, f"attempts: from 1 to {limits.max_attempts} a lead"),
        (_cooloffs_are_sane(settings), "cool-offs: 0 seconds or more, at most 30 days"),
        (0 <= settings.dial_cycles <= MAX_DIAL_CYCLES, f"dial cycles: from 0 (no limit) to {MAX_DIAL_CYCLES}"),
        (
            _is_clock_time(settings.dial_cycles_time),
            "dial cycles time: hours and minutes (hh:mm) of the account's clock",
        ),
        (5 <= settings.ring_timeout_s <= 120, "ring timeout: from 5 to 120 seconds"),
        (0 <= settings.customer_wait_sla_s <= 60, "customer wait SLA: from 0 to 60 seconds"),
        (1 <= settings.agent_dial_timeout_s <= 300, "agent dial timeout: from 1 to 300 seconds"),
        (0 <= settings.wrapup_s <= 3600, "wrap-up: from 0 to 3600 seconds"),
        (
            settings.lead_window is None or settings.day_plan is None,
            "windows: Dial By Timezone and Dial by Schedule by Timezone exclude each other, so switch one off",
        ),
    ]
    found = [sentence for holds, sentence in checks if not holds]
    return found + _of_windows(settings) + _of_outcomes(settings) + _of_flow(settings)


def _of_flow(settings: CampaignSettings) -> list[str]:
    cap = settings.abandonment_cap_pct
    checks = [
        (
            settings.target is not Target.AGENT or is_interface(settings.target_agent),
            "target agent: the agent's phone as the queue names it, such as PJSIP/1001",
        ),
        (settings.target is not Target.MENU or bool(settings.menu), "menu: name the voice menu"),
        (5 <= settings.offer_s <= 600, "offer: from 5 to 600 seconds for an agent to look at a card"),
        (_is_sound(settings.greeting), "greeting: a sound as Asterisk names it, without its file type"),
        (
            _is_sound(settings.agent_announcement),
            "agent announcement: a sound as Asterisk names it, without its file type",
        ),
        (0 <= settings.machine_audit_pct <= 100, "machine audit: from 0 to 100 of 100 answers"),
        (cap is None or 0 < cap <= 100, "abandonment cap: above 0, up to 100 of 100 answered calls"),
    ]
    found = [sentence for holds, sentence in checks if not holds] + _of_combinations(settings)
    return found + [f"dispositions: {problem}" for problem in problems_of_dispositions(settings.dispositions)]


def _of_combinations(settings: CampaignSettings) -> list[str]:
    """Settings that are fine by themselves, and not together."""
    waits_for_agent = settings.flow in (CallFlow.PROGRESSIVE, CallFlow.PREVIEW)
    checks = [
        (
            settings.target is not Target.MENU or settings.dial_mode is DialMode.PROGRESSIVE,
            "target: a voice menu needs no agent, so its dial mode is progressive",
        ),
        (
            settings.target in (Target.QUEUE, Target.MENU) or settings.dial_mode is not DialMode.PREVIEW,
            "target: a preview goes to whoever accepts the card, so its target is the queue",
        ),
        (
            settings.gate is Gate.FREE_AGENTS or settings.dial_mode is DialMode.PROGRESSIVE,
            f"gate: in dial mode {settings.dial_mode} each call has an agent of its own, so choose {Gate.FREE_AGENTS}",
        ),
        (
            settings.no_agent is not NoAgent.MESSAGE_AT_SLA or settings.customer_wait_sla_s > 0 or not settings.queue,
            f"customer wait SLA: with {NoAgent.MESSAGE_AT_SLA} give agents 1 second or more, or nobody ever talks to one",
        ),
        (
            settings.machine_detection is MachineDetection.OFF or waits_for_agent,
            "machine detection: switch it off where no lead waits for an agent: with voice menus, and agent-first",
        ),
    ]
    return [sentence for holds, sentence in checks if not holds]


def _is_sound(name: str) -> bool:
    return not name or is_sound_name(name)


_INTERFACE = re.compile(r"[A-Za-z0-9]{2,12}/[A-Za-z0-9_.+-]{1,60}")


def is_interface(text: str) -> bool:
    """Whether it names an agent's phone (technology and resource), and can be nothing else (law L10)."""
    return bool(_INTERFACE.fullmatch(text))


def interface_of(agent: str) -> str | None:
    """Of PJSIP/1001, or 1001 alone. None: it names no phone."""
    written = agent if "/" in agent else f"PJSIP/{agent}"
    return written if is_interface(written) else None


def _is_name(name: str) -> bool:
    return bool(name.strip()) and len(name) <= MAX_NAME


def _is_queue_name(name: str) -> bool:
    return 2 <= len(name) <= 40 and name.isascii() and all(c.isalnum() or c in "-_" for c in name)


def _is_clock_time(at: time) -> bool:
    return at.tzinfo is None and at.second == 0 and at.microsecond == 0


def _cooloffs_are_sane(settings: CampaignSettings) -> bool:
    return all(
        value is None or 0 <= value <= LONGEST_COOLOFF_S
        for value in (settings.cooloff_s, settings.cooloff_2nd_s, settings.cooloff_3rd_s)
    )


def _of_windows(settings: CampaignSettings) -> list[str]:
    found = [f"schedule: {problem}" for problem in schedule.problems_of(settings.schedule or ())]
    if settings.lead_window is not None:
        found += [f"Dial By Timezone: {problem}" for problem in schedule.problems_of_window(settings.lead_window)]
    if settings.day_plan is not None:
        found += [f"Dial by Schedule: {problem}" for problem in schedule.problems_of_plan(settings.day_plan)]
    return found


def _of_outcomes(settings: CampaignSettings) -> list[str]:
    found = []
    for outcome, rule in settings.outcome_rules.items():
        checks = [
            (outcome not in SETTLED, "has no rule of its own: nothing can be chosen about it"),
            (rule.delay_s is None or 0 <= rule.delay_s <= LONGEST_COOLOFF_S, "delay of 0 seconds to 30 days"),
            (rule.max_attempts is None or 1 <= rule.max_attempts <= 100, "maximum of 1 to 100 attempts"),
            (rule != OutcomeRule(), "says nothing: give it retry or final, a delay or a maximum"),
        ]
        found += [f"outcome {outcome}: {sentence}" for holds, sentence in checks if not holds]
    return found
