"""The rights to dial that this node holds, each until a moment of its own monotonic clock.

The database would refuse to open an attempt without one. But between the attempt's row and its Originate time may pass, on a machine
that stands still: by then another node may dial the campaign, at its own pace.
"""

from dialerd.clock import Clock
from dialerd.domain.attempts import Lease


class Leases:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[int, float] = {}

    def hold(self, lease: Lease, *, until: float) -> None:
        """Taken or renewed; `until` in monotonic seconds, counted from before the database was asked."""
        self._until[lease.campaign_id] = until

    def drop(self, campaign_id: int) -> None:
        self._until.pop(campaign_id, None)

    def holds(self, campaign_id: int) -> bool:
        """Whether a call of the campaign may be dialed at this moment."""
        return self.left(campaign_id) > 0

    def left(self, campaign_id: int) -> float:
        """Seconds until the right ends; 0 or less: it is not held."""
        return self._until.get(campaign_id, float("-inf")) - self._clock.monotonic()
