"""What a campaign is, its life, and what makes its settings wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from dialerd.domain.calls import DialMode


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
        CampaignAction.STOP: CampaignStatus.STOPPED,
        CampaignAction.CANCEL: CampaignStatus.CANCELLED,
    },
    CampaignStatus.STOPPED: {
        CampaignAction.START: CampaignStatus.RUNNING,
        CampaignAction.CANCEL: CampaignStatus.CANCELLED,
    },
    # A completed campaign dials again once it has leads again (an upload, a reset).
    CampaignStatus.COMPLETED: {CampaignAction.START: CampaignStatus.RUNNING},
    CampaignStatus.CANCELLED: {},
}


@dataclass(frozen=True, kw_only=True)
class CampaignSettings:
    """What a campaign manager chooses. Limits are those of the second specification, "Limits a user will run into"."""

    name: str
    queue: str
    note: str = ""
    dial_mode: DialMode = DialMode.PROGRESSIVE
    calls_per_second: float = 1.0
    concurrency: int = 10
    max_attempts: int = 3
    cooloff_s: int = 3600
    cooloff_2nd_s: int | None = None
    cooloff_3rd_s: int | None = None
    ring_timeout_s: int = 30
    customer_wait_sla_s: int = 3
    agent_dial_timeout_s: int = 20
    wrapup_s: int = 0


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign as its daemon sees it."""

    id: int
    account_id: int
    status: CampaignStatus
    settings: CampaignSettings


MAX_NAME = 200
MIN_CALLS_PER_SECOND = 0.001
MAX_CALLS_PER_SECOND = 20
MAX_CONCURRENCY = 50
MAX_ATTEMPTS = 5
MAX_POOL = 50


def problems(settings: CampaignSettings) -> list[str]:
    """Everything that is wrong with the settings, each as a sentence that says what to do. Empty: nothing is."""
    checks = [
        (_is_name(settings.name), f"name: give the campaign a name, of up to {MAX_NAME} characters"),
        (_is_queue_name(settings.queue), "queue: 2 to 40 letters, digits, '-' or '_', as Asterisk calls the queue"),
        (_is_pace(settings.calls_per_second), f"calls per second: above 0, up to {MAX_CALLS_PER_SECOND}"),
        (1 <= settings.concurrency <= MAX_CONCURRENCY, f"concurrency: from 1 to {MAX_CONCURRENCY} calls in flight"),
        (1 <= settings.max_attempts <= MAX_ATTEMPTS, f"attempts: from 1 to {MAX_ATTEMPTS} a lead"),
        (_cooloffs_are_sane(settings), "cool-offs: 0 seconds or more, at most 30 days"),
        (5 <= settings.ring_timeout_s <= 120, "ring timeout: from 5 to 120 seconds"),
        (0 <= settings.customer_wait_sla_s <= 60, "customer wait SLA: from 0 to 60 seconds"),
        (1 <= settings.agent_dial_timeout_s <= 300, "agent dial timeout: from 1 to 300 seconds"),
        (0 <= settings.wrapup_s <= 3600, "wrap-up: from 0 to 3600 seconds"),
    ]
    return [sentence for holds, sentence in checks if not holds]


def _is_name(name: str) -> bool:
    return bool(name.strip()) and len(name) <= MAX_NAME


def _is_pace(calls_per_second: float) -> bool:
    """The lower limit is the smallest step that the database keeps."""
    return MIN_CALLS_PER_SECOND <= calls_per_second <= MAX_CALLS_PER_SECOND


def _is_queue_name(name: str) -> bool:
    return 2 <= len(name) <= 40 and name.isascii() and all(c.isalnum() or c in "-_" for c in name)


def _cooloffs_are_sane(settings: CampaignSettings) -> bool:
    longest = int(timedelta(days=30).total_seconds())
    return all(
        value is None or 0 <= value <= longest
        for value in (settings.cooloff_s, settings.cooloff_2nd_s, settings.cooloff_3rd_s)
    )
