"""What the dialer needs of the world. `daemon.py` hands in the real ones; tests hand in fakes that fulfil the same."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from dialerd.domain.activity import Fact
from dialerd.domain.attempts import Claim, Lease, OpenCall, WaitingLeads
from dialerd.domain.calls import Call, LiveChannel
from dialerd.domain.campaigns import Campaign
from dialerd.domain.pacing import HoldReason, Verdict
from dialerd.domain.queues import QueueSnapshot
from dialerd.domain.retry import NextStep


class Campaigns(Protocol):
    async def dialable_campaigns(self) -> Sequence[Campaign]:
        """Every campaign that is running."""

    async def get_campaign(self, campaign_id: int) -> Campaign: ...

    async def take_lease(self, campaign_id: int, *, node: str, duration: timedelta) -> Lease | None:
        """Take or renew; None while another node holds it."""

    async def give_lease_back(self, lease: Lease) -> None: ...

    async def note_hold(
        self,
        lease: Lease,
        reason: HoldReason | None,
        sentence: str | None,
        until: datetime | None,
        verdicts: Sequence[Verdict] = (),
    ) -> None: ...

    async def start_due(self) -> int:
        """Scheduled campaigns whose time has come are started; how many."""

    async def complete_campaign(self, lease: Lease) -> bool:
        """Running -> completed if no lead of it can be dialed any more and no attempt is open; whether it was so."""


class Attempts(Protocol):
    async def open_next(
        self, campaign: Campaign, lease: Lease, *, look_at: int = 1, most: int = 1, retries_first: bool = False
    ) -> Claim:
        """One transaction: claim the next `look_at` due leads, check every rule for each in turn, and write the attempts of
        up to `most` who may be called."""

    async def next_due_at(self, campaign_id: int) -> datetime | None:
        """When the first waiting lead becomes due; None: none waits."""

    async def release_waiting(self, campaign_id: int) -> int:
        """Leads whose waiting time is over become due, up to RELEASE_BATCH of them; how many."""

    async def judge_anew(self, campaign_id: int) -> int:
        """Leads that a rule has put off are due again, because the rules have changed; how many."""

    async def waiting_leads(self, campaign_id: int) -> Sequence[WaitingLeads]:
        """How many leads each rule holds back or has ended."""

    async def record_progress(self, call: Call) -> None:
        """Move the attempt's row (and the lead's state) forward to where the call is; one that is further is left alone."""

    async def close_attempt(self, call: Call) -> NextStep | None:
        """One transaction: outcome, the lead's next state, activity. None: it had been closed before."""

    async def take_over(self, node: str, *, silent_for: timedelta) -> int:
        """Open attempts of daemons that were silent for so long become this node's; how many."""

    async def open_calls(self) -> Sequence[OpenCall]: ...


class Telephony(Protocol):
    @property
    def up(self) -> bool:
        """Whether calls can be placed and served now."""

    async def dial(self, call: Call) -> None:
        """Raises CallNotPlaced when the call certainly did not leave, AsteriskUnavailable when that is not known."""

    async def hunt_agent(self, call: Call, hunt: int) -> None: ...

    async def join_legs(self, call: Call, hunt: int) -> None: ...

    async def lift_hold_limit(self, call: Call) -> None: ...

    async def move_to_queue(self, call: Call) -> None: ...

    async def hang_up_lead(self, call: Call) -> None: ...

    async def hang_up_hunt(self, call: Call, hunt: int) -> None: ...

    async def clear_away(self, call: Call) -> None: ...

    def follow(self, call: Call, *, lead_channel: str = "") -> None:
        """From now on hear what happens to the call's channels; `lead_channel` names the lead's where it is known."""

    async def live_channels(self) -> Mapping[UUID, LiveChannel]: ...


class Queues(Protocol):
    def set_wrapup(self, queue: str, seconds: float) -> None: ...

    def snapshot(self, queue: str) -> QueueSnapshot: ...

    def watch(self, queue: str, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` after every change of the queue; returns how to stop that."""


Publish = Callable[[Fact], None]
