"""Python's garbage collector, kept from standing in the way of agents. Hundreds of open pages are millions of objects that refer to each
other; to look through all of them takes seconds, in which no card appears, and Python would do so again and again."""

import asyncio
import gc
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from nicegui import Client
from nicegui.element import Element
from nicegui.observables import ObservableCollection

ALLOCATIONS = 20_000
"""New objects between two looks at the youngest; Python's own 700 would be several for each page."""
TEND_EVERY_S = 5.0
GRACE_ROUNDS = 12
"""After which a closed page is taken apart: what it was still asking for then has come, or comes no more (`door.PATIENCE_S`)."""
MOST_CLOSED = 400
"""Pages that may have been closed before everything is looked through for what is left of them: some 50 MB."""
MOST_ROUNDS = 180
"""After which it is done anyhow: a quarter of an hour."""


class Collector:
    """What has survived a look is put aside (`gc.freeze`) and not looked at again, until enough pages have been closed. So as little as
    possible must be left for that: closed pages are taken apart, and so are elements that are deleted while their page is open."""

    def __init__(self) -> None:
        self._to_take_apart: deque[tuple[int, Sequence[weakref.ref[Element]]]] = deque()
        self._closed = 0
        self._round = 0

    def note_closed(self, client: Client) -> None:
        """A page, before it lets go of its elements."""
        self._closed += 1
        self._to_take_apart.append((self._round, [weakref.ref(element) for element in client.elements.values()]))

    async def run(self) -> None:
        """In place of the looks of Python's own at everything. Afterwards all is as it was."""
        thresholds = gc.get_threshold()
        gc.set_threshold(ALLOCATIONS, 20, ALLOCATIONS)
        try:
            with _deleted_let_go():
                while True:
                    await asyncio.sleep(TEND_EVERY_S)
                    self.tend()
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)

    def tend(self) -> None:
        self._round += 1
        while self._to_take_apart and self._to_take_apart[0][0] + GRACE_ROUNDS <= self._round:
            for left in self._to_take_apart.popleft()[1]:
                if (element := left()) is not None:
                    vars(element).clear()
        if self._closed >= MOST_CLOSED or self._round % MOST_ROUNDS == 0:
            self._closed = 0
            gc.unfreeze()
        gc.collect()
        gc.freeze()


@contextmanager
def _deleted_let_go() -> Iterator[None]:
    """Classes, style and props of an element are told of their own changes, and so refer to themselves: two thirds of all garbage. Once
    the element is deleted nobody needs to be told any more."""
    remove = Client.remove_elements

    def remove_elements(client: Client, elements: Iterable[Element]) -> None:
        gone = list(elements)
        remove(client, gone)
        for part in (part for element in gone for part in vars(element).values()):
            if isinstance(part, ObservableCollection):
                vars(part).get("_change_handlers", []).clear()

    Client.remove_elements = remove_elements  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Client.remove_elements = remove  # type: ignore[method-assign]
