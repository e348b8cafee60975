"""Says which rule stands in the way of a campaign's next call (law L11): at once in the metrics, in its row when it lasts."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from dialerd.dialer.runner_parts import RunnerParts
from dialerd.domain.activity import CampaignHeld
from dialerd.domain.attempts import Lease
from dialerd.domain.pacing import HOLD_SENTENCES, Hold, HoldReason, Verdict

NOTE_AFTER_S = 1.0
"""A hold is written down for people when it has lasted this long; shorter ones are the normal rhythm of dialing."""

OF_EACH_CALL = frozenset({HoldReason.PACE, HoldReason.TRUNK_SLOWED})
"""Holds between one call and the next."""


class HoldNotes:
    def __init__(self, parts: RunnerParts, campaign_id: int) -> None:
        self._parts = parts
        self._campaign_id = campaign_id
        self._held: HoldReason | None = None
        self._held_since = 0.0
        self._noted: HoldReason | None = None
        self._noted_until: datetime | None = None

    @property
    def held(self) -> HoldReason | None:
        """What was said last."""
        return self._held

    def say(self, reason: HoldReason) -> None:
        if reason is not self._held:
            self._held, self._held_since = reason, self._parts.clock.monotonic()
            self._parts.publish(CampaignHeld(campaign_id=self._campaign_id, reason=reason))

    def due_in(self) -> float | None:
        """Seconds until what holds has lasted long enough to be noted. None: it has."""
        wait = self._held_since + NOTE_AFTER_S - self._parts.clock.monotonic()
        return wait if wait > 0 else None

    async def note(self, lease: Lease, hold: Hold, verdicts: Sequence[Verdict]) -> None:
        if self.due_in() is not None or self._is_noted(hold):
            return
        until = self._until(hold)
        await self._parts.campaigns.note_hold(lease, hold.reason, HOLD_SENTENCES[hold.reason], until, verdicts)
        self._noted, self._noted_until = hold.reason, until

    async def forget(self, lease: Lease) -> None:
        """Calls start again: what was noted of an earlier hold, for people, holds no longer."""
        if self._noted not in (None, *OF_EACH_CALL):
            await self._parts.campaigns.note_hold(lease, None, None, None)
            self._noted = self._noted_until = None

    def _until(self, hold: Hold) -> datetime | None:
        """None also for the pace, which lets go many times a second."""
        if not hold.retry_in or hold.reason in OF_EACH_CALL:
            return None
        return self._parts.clock.now() + timedelta(seconds=hold.retry_in)

    def _is_noted(self, hold: Hold) -> bool:
        """A note whose time is over is told anew."""
        is_over = self._noted_until is not None and self._noted_until <= self._parts.clock.now()
        return hold.reason is self._noted and not is_over
