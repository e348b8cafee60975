"""Open pages are not looked through for garbage again and again; closed ones leave nothing behind all the same."""

import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from nicegui import Client, ui

from dialerd.portal.collector import GRACE_ROUNDS, MOST_CLOSED, MOST_ROUNDS, Collector
from tests.portal.conftest import UserOf


class Thing:
    """That refers to itself, as pages do."""

    def __init__(self) -> None:
        self.itself = self


def a_page(*elements: Thing) -> Client:
    return cast(Client, SimpleNamespace(elements=dict(enumerate(elements))))


@pytest.fixture
def collector() -> Iterator[Collector]:
    gc.unfreeze()
    yield Collector()
    gc.unfreeze()


def test_what_has_survived_a_look_is_not_looked_at_again(collector: Collector) -> None:
    thing = Thing()
    collector.tend()
    assert all(each is not thing for each in gc.get_objects())
    assert gc.get_freeze_count() > 0


def test_what_came_and_went_since_is_gone_at_once(collector: Collector) -> None:
    collector.tend()
    left = weakref.ref(Thing())
    collector.tend()
    assert left() is None


@pytest.mark.parametrize(("closed", "rounds"), [(MOST_CLOSED, 1), (0, MOST_ROUNDS)])
def test_what_was_put_aside_goes_once_enough_pages_were_closed_or_enough_time_has_passed(
    collector: Collector, closed: int, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = Thing()
    left = weakref.ref(thing)
    collector.tend()
    del thing
    monkeypatch.setattr(gc, "collect", _only_last(rounds - 1 if not closed else 1))
    for _ in range(closed):
        collector.note_closed(a_page())
    for _ in range(rounds):
        collector.tend()
    assert left() is None


def test_a_page_that_was_closed_is_taken_apart_once_nothing_comes_back_to_it(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = Thing()
    left = weakref.ref(thing)
    collector.note_closed(a_page(thing))
    collector.tend()
    del thing
    monkeypatch.setattr(gc, "collect", lambda: 0)
    for _ in range(GRACE_ROUNDS - 2):
        collector.tend()
    assert left() is not None
    collector.tend()
    assert left() is None


async def test_what_is_deleted_on_an_open_page_is_gone_without_a_look(user_of: UserOf) -> None:
    anna = await user_of("anna")
    await anna.open("/desktop")
    with anna:
        label = ui.label("for a moment").classes("d-help").props("role=status")
        left = [weakref.ref(part) for part in (label, label.classes, label.style, label.props)]
        label.delete()
    del label
    gone = [part() is None for part in left]  # before anything else can run that looks
    assert gone == [True] * 4


def _only_last(calls: int) -> object:
    """Collect in the last of so many calls alone: each takes its time."""
    collect, made = gc.collect, 0

    def collect_at_last() -> int:
        nonlocal made
        made += 1
        return collect() if made >= calls else 0

    return collect_at_last
