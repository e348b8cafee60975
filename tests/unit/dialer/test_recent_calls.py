"""The calls of this life of the daemon."""

from dataclasses import replace
from uuid import uuid4

from dialerd.dialer import recent_calls
from dialerd.dialer.recent_calls import KEPT_FOR, RecentCalls
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.outcomes import Outcome
from tests.factories import a_call, later
from tests.fakes.clock import pass_time, virtual_clock


def an_ended(call: Call) -> Call:
    return replace(call, state=AttemptState.ENDED, outcome=Outcome.BUSY, ended_at=later(1))


async def test_calls_are_known_as_they_are_now_in_the_order_in_which_they_were_opened() -> None:
    recent = RecentCalls(virtual_clock())
    late, early = a_call(id=uuid4(), opened_at=later(5)), a_call(id=uuid4())
    for call in (late, early, an_ended(late)):
        recent.note(call)
    assert list(recent.in_order) == [early, an_ended(late)]
    assert late.id in recent
    assert uuid4() not in recent


async def test_those_that_ended_long_ago_are_forgotten_and_those_in_flight_never() -> None:
    recent = RecentCalls(virtual_clock())
    old, talk, new = a_call(id=uuid4()), a_call(id=uuid4()), a_call(id=uuid4())
    for call in (old, talk, an_ended(old)):
        recent.note(call)
    await pass_time(KEPT_FOR.total_seconds() + 1)
    assert old.id in recent  # nothing has happened that would ask for its place
    recent.note(an_ended(new))
    assert [call.id for call in recent.in_order] == [talk.id, new.id]


async def test_there_are_never_more_than_so_many() -> None:
    recent = RecentCalls(virtual_clock())
    for _ in range(recent_calls.MOST + 10):
        recent.note(an_ended(a_call(id=uuid4())))
    assert len(recent.in_order) == recent_calls.MOST
