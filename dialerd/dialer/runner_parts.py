"""What every campaign of a node shares."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from dialerd.clock import Clock
from dialerd.dialer.call_tracker import CallTracker
from dialerd.dialer.card_desk import CardDesk
from dialerd.dialer.leases import Leases
from dialerd.dialer.pacer import Pacer
from dialerd.dialer.ports import Attempts, Campaigns, Offers, Publish, Queues, Telephony
from dialerd.dialer.trunks import Trunks
from dialerd.domain.pacing import HoldReason


@dataclass(frozen=True, kw_only=True)
class RunnerParts:
    campaigns: Campaigns
    attempts: Attempts
    offers: Offers
    cards: CardDesk
    queues: Queues
    telephony: Telephony
    tracker: CallTracker
    pacer: Pacer
    trunks: Trunks
    clock: Clock
    publish: Publish
    node: str
    lease_duration: timedelta
    leases: Leases
    asterisk_ready: Callable[[], bool]
    """Whether calls can be placed and served, and all that Asterisk has of ours is known."""
    node_holds: Callable[[], frozenset[HoldReason]]
    """What forbids the calls of all campaigns at once."""
