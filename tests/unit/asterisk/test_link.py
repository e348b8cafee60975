"""The outbox that loses no single event, and the back-off that is no tight loop."""

from __future__ import annotations

import asyncio

import pytest

from dialerd.asterisk.link import Backoff, Outbox, keep_alive


async def test_events_are_held_back_until_the_link_is_announced() -> None:
    queue: asyncio.Queue[str] = asyncio.Queue(10)
    outbox = Outbox(queue)
    outbox.offer("early")
    assert queue.empty()

    assert await outbox.open("announced")
    outbox.offer("late")

    assert [queue.get_nowait() for _ in range(3)] == ["announced", "early", "late"]


async def test_a_full_queue_is_told_to_who_offers() -> None:
    outbox: Outbox[str] = Outbox(asyncio.Queue(2))
    await outbox.open("announced")
    assert outbox.offer("fits")
    assert not outbox.offer("does not fit")


async def test_more_held_back_than_there_is_room_for_is_told_too() -> None:
    outbox: Outbox[str] = Outbox(asyncio.Queue(2))
    outbox.offer("fits")
    outbox.offer("does not fit")
    assert not await outbox.open("announced")


def test_the_wait_doubles_up_to_the_most_with_jitter_over_the_whole() -> None:
    for failures, ceiling_s in enumerate([0.25, 0.5, 1, 2, 4, 4, 4]):
        waits = [_after(failures) for _ in range(200)]
        assert max(waits) <= ceiling_s
        assert max(waits) > ceiling_s / 2 > min(waits)


def test_after_a_refusal_the_wait_is_long_from_the_first_time() -> None:
    assert all(7.5 <= _backoff().refused_s() <= 15 for _ in range(200))


@pytest.mark.parametrize(("stood_s", "ceiling_s"), [(0.1, 4), (60, 0.25)])
def test_only_a_link_that_stood_a_while_starts_the_back_off_anew(stood_s: float, ceiling_s: float) -> None:
    waits = []
    for _ in range(200):
        backoff = _backoff()
        for _ in range(10):
            backoff.next_s()
        backoff.stood(stood_s)
        waits.append(backoff.next_s())
    assert ceiling_s / 2 < max(waits) <= ceiling_s


async def test_signs_of_life_are_asked_for_until_they_stay_out() -> None:
    link, round_trips = _Mortal(answers=[True, False, True, False, False]), list[float]()
    why = await keep_alive(link, every_s=0, most_misses=2, note_round_trip=round_trips.append)
    assert why == "no answer to keep-alive"
    assert link.answers_left == []
    assert len(round_trips) == 2


async def test_a_link_that_is_lost_by_itself_tells_why() -> None:
    link = _Mortal(answers=[True])
    link.lose("closed by Asterisk")
    assert await keep_alive(link, every_s=60, most_misses=2) == "closed by Asterisk"


class _Mortal:
    def __init__(self, *, answers: list[bool]) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.answers_left = answers

    async def answers(self) -> bool:
        return self.answers_left.pop(0)

    def lose(self, reason: str) -> None:
        self.lost.set_result(reason)


def _backoff() -> Backoff:
    return Backoff(first_s=0.25, most_s=4, after_refusal_s=15)


def _after(failures: int) -> float:
    backoff = _backoff()
    for _ in range(failures):
        backoff.next_s()
    return backoff.next_s()
