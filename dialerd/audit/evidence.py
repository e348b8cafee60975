"""What the judge is shown: the far end's calls, the campaign's settings, and its rows, each as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

ON_LINE = "on_line"

ALL_TOLD = frozenset({"agents", "ends", "sounds"})
"""What a record may tell beyond INVITE, answer and end of the calls to leads: the calls to agents and from outside; who hung up, and
for which cause; and when the lead heard the first sound."""


@dataclass(frozen=True, kw_only=True)
class FarEndCall:
    """One ended call as the carrier saw it. Moments that did not come are None."""

    call_id: str
    kind: str
    """`lead` and `agent` are called by the PBX, `inbound` calls it."""
    invite: datetime
    ringing: datetime | None
    answer: datetime | None
    """Of an inbound call: when the PBX took it into the queue."""
    end: datetime
    dialed: str
    caller_number: str
    hung_up_by: str
    """`far_end` or `pbx`. Empty: the record does not say."""
    cause: int
    """Q.850. 0: the record does not say."""
    heard: datetime | None = None
    """When the first sound arrived after the answer. None: none did, or nobody listened."""
    listened: bool = False
    """Whether somebody listened to it, so that no `heard` means silence."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """`end` None: until now."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window on every day that fits, by the clocks of a zone. An `end` that is not after `start` is on the next day. Empty
    `weekdays` (`mon`) and `months` mean all of them; `month_days` are the first and the last, both included."""

    start: time
    end: time
    weekdays: frozenset[str] = frozenset()
    month_days: tuple[int, int] | None = None
    months: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class LeadWindows:
    """When a lead may be called, by the clocks of where it is. None of both: at any time."""

    daily: Window | None = None
    """Dial By Timezone."""
    plan: Mapping[int, Sequence[time]] | None = None
    """Dial by Schedule by Timezone: days since the lead came -> starts of windows."""
    plan_window: timedelta = timedelta(hours=1)
    own_zone_only: bool = False
    """Whether the zone that a lead came with counts alone, instead of beside those of its number."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the campaign was set to, and when it was allowed to dial."""

    queue: str
    agents: tuple[str, ...] | None
    """Extensions of the bound queue's members. None: nobody knows them any more."""
    calls_per_second: float
    concurrency: int
    max_attempts: int
    cooloff_s: int
    cooloff_2nd_s: int | None = None
    cooloff_3rd_s: int | None = None
    cooloff_after: Mapping[str, int] = field(default_factory=dict)
    """Outcome -> seconds, where the campaign has a rule of its own for it."""
    allowed: tuple[Span, ...]
    """When it was running."""
    imported: int
    """Leads that the uploads reported as added."""
    agents_wanted: str = "one_each"
    """What a call needs of agents: `one_each` free one, `any` free one however many calls are on their way, one who is `on_line`
    before the lead is dialed, or `none` (a voice menu)."""
    masks_leads: bool = False
    """Agents' phones show another number than the lead's: it cannot be told which of them talked to whom."""
    settled_at: datetime | None = None
    """Since when the settings are these: calls from before were made under others, which nobody knows. None: they always were."""
    zone: str = "UTC"
    """The account's."""
    schedule: tuple[Window, ...] = ()
    """By the account's clocks. Empty: at any time."""
    lead_windows: LeadWindows = field(default_factory=LeadWindows)
    ring_timeout_s: int = 0
    max_calls_24h: int | None = None
    """To one number, by whatever campaign. None: no cap."""
    max_calls_7d: int | None = None
    abandon_lockout: timedelta = timedelta()
    abandonment_cap: float | None = None
    """Most abandoned calls for each one that a person answered: 0.03 is 3 %. None: there is none."""
    agent_limit_s: float | None = None
    """Who waits longer for an agent is abandoned. None: only whom no agent came to at all, and who stayed beyond the SLA."""
    sla_s: float = 0
    """How long a lead may wait in silence."""
    promise_s: float | None = None
    """From the answer to an agent, or any sound. None: nothing is promised."""


@dataclass(frozen=True, kw_only=True)
class LeadRow:
    id: int
    number: str
    state: str
    max_attempts: int | None = None
    cooloff_s: int | None = None
    cooloff_2nd_s: int | None = None
    cooloff_3rd_s: int | None = None
    held_by: str | None = None
    """The rule that ended it, if one did."""
    time_zone: str | None = None
    came_at: datetime | None = None
    """When it came, or was last made new."""
    dials_before: int = 0
    """Attempts that it had before it was made new."""
    was_listed: bool = False
    """On a do-not-call list when it came."""


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    lead_id: int
    number: str
    ordinal: int
    opened_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    ringing_at: datetime | None = None
    disposition: str | None = None
    """What the agent said of it: the lead's state follows that, and no longer the outcome alone."""
    gave_attempt: bool = False
    """Whether a callback that was agreed in it gave the lead one attempt more."""
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class DncEntry:
    number: str
    added_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """What cannot be held against the dialer, because two machines never know the same at the same instant."""

    journey: timedelta = timedelta(milliseconds=40)
    """From a row to the arrival of its INVITE, by commit, AMI and SIP: 9 to 40 ms in a quiet laboratory. Seconds on a machine
    that has far too much to do, so `longest_journey` measures it."""
    decision: timedelta = timedelta(milliseconds=30)
    """How much earlier than the set rate a row may be written: 20 ms are the jitter of the limiter's timer, 10 the head start
    that a row has of its call."""
    stale: timedelta = timedelta(milliseconds=210)
    """How old news of the PBX may be on which a decision rests."""
    own_end: timedelta = timedelta(milliseconds=10)
    """The PBX knows of its own hanging up before the far end does: by this, and by a journey."""
    hearing: timedelta = timedelta(seconds=1)
    """How much later than promised a lead may hear something: the sound's way, and that of the timer that ordered it."""
    blur: timedelta = timedelta()
    """How much earlier than its row an INVITE may seem to come, where the record's clock is coarse, or another one."""

    @property
    def news(self) -> timedelta:
        """What happened this short before an INVITE was not known when it was decided."""
        return self.stale + self.journey

    @property
    def echo(self) -> timedelta:
        """A call that the far end saw end this late had ended before for the PBX."""
        return self.own_end + self.journey

    @property
    def pace(self) -> timedelta:
        """Two calls may arrive this much closer together than the rate allows."""
        return self.decision + self.journey


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`calls` is all that the far end recorded, of every kind; `dnc` all that was ever listed."""

    calls: Sequence[FarEndCall]
    rules: Rules
    leads: Sequence[LeadRow]
    attempts: Sequence[AttemptRow]
    dnc: Sequence[DncEntry] = ()
    others: Sequence[AttemptRow] = ()
    """Attempts of other campaigns: their calls are none of this one, but count for what holds for a number."""
    tolerances: Tolerances = field(default_factory=Tolerances)
    tells: frozenset[str] = ALL_TOLD
    """What the record tells, of ALL_TOLD."""
    recorded: Span | None = None
    """What time the record covers. None: all of it."""
    at_work: frozenset[str] | None = None
    """Daemons that were still at work when the rows were read: what the others have left open waits to be taken up, and a call may
    still go on. None: nothing may be open any more."""
