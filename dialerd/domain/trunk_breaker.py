"""A circuit breaker for a trunk: when it refuses most of what it is given, it gets time, and is then tried with one call.

Leads are not to blame for a trunk that is down, and a carrier that is overloaded is not helped by twenty calls a second.
Times are seconds of a monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.outcomes import Outcome

WINDOW_S = 60.0
"""How long a result counts."""
LEAST_FAILURES = 5
FAILING_SHARE = 0.8
"""The breaker opens when so many calls, and such a share of all, have failed within the window."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
"""The pause doubles with each trial call that fails."""
TRIAL_S = 60.0
"""A trial of which nothing is heard for so long is over, and another may go out."""

FAILED: Mapping[Outcome, bool] = {
    Outcome.NOT_PLACED: True,  # it never left
    Outcome.CONGESTION: True,  # the network could not carry it
    Outcome.NO_ANSWER: True,  # no phone rang: 408, 480, or no sign of life until the ring timeout
    Outcome.BUSY: False,
    Outcome.REJECTED: False,
    Outcome.INVALID_NUMBER: False,
}
"""What the end of a call that never rang says of the trunk; an outcome that is missing says nothing. A single phone that is switched off
fails likewise: it takes four fifths of all calls to say that it is the trunk."""
OURS = 16
"""The cause of a call that we have hung up before its time was over."""


@dataclass(frozen=True, kw_only=True)
class TrunkBreaker:
    results: tuple[tuple[float, bool], ...] = ()
    """When each result came, and whether it was a failure; those of the window, the oldest first."""
    pause_s: float = 0.0
    """0 while the breaker is closed."""
    open_until: float = 0.0
    trial_until: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a call may go out; 0: now."""
        return max(0.0, self.open_until - now, self.trial_until - now) if self.pause_s else 0.0

    def start_call(self, now: float) -> "TrunkBreaker":
        """The state after a call was let through: behind a pause it is the trial, and the only one."""
        return replace(self, trial_until=now + TRIAL_S) if self.pause_s else self

    def call_off(self) -> "TrunkBreaker":
        """The state after nothing came of the call that was let through."""
        return replace(self, trial_until=0.0)

    def observe(self, *, failed: bool, now: float) -> "TrunkBreaker":
        """The state after the trunk has shown what it makes of a call."""
        if self.pause_s:
            return self._after_trial(failed, now)
        results = (*(result for result in self.results if result[0] > now - WINDOW_S), (now, failed))
        failures = sum(failed for _, failed in results)
        if failures >= LEAST_FAILURES and failures >= FAILING_SHARE * len(results):
            return TrunkBreaker(pause_s=FIRST_PAUSE_S, open_until=now + FIRST_PAUSE_S)
        return replace(self, results=results)

    def _after_trial(self, failed: bool, now: float) -> "TrunkBreaker":
        """Calls that were on their way when it opened are heard, too: a good one closes it, a bad one changes nothing."""
        if not failed:
            return TrunkBreaker()
        if not self.trial_until:
            return self
        longer = min(2 * self.pause_s, LONGEST_PAUSE_S)
        return TrunkBreaker(pause_s=longer, open_until=now + longer)


def told_by(before: Call, after: Call) -> bool | None:
    """Whether this step of a call's life shows that the trunk has failed it. None: it says nothing of the trunk."""
    if before.state is not AttemptState.DIALING or after.state is AttemptState.DIALING:
        return None
    if after.state is not AttemptState.ENDED:
        return False
    if after.outcome is None or (after.outcome is Outcome.NO_ANSWER and after.cause == OURS):
        return None
    return FAILED.get(after.outcome)
