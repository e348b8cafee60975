"""What lists of calls, and of what belongs to calls, have in common: narrowed by campaign, agent and time."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from dialerd.domain.campaigns import interface_of
from dialerd.portal.dates import time_of
from dialerd.portal.filters import Filters, campaign_names, number_typed
from dialerd.portal.tables import Column, PagedTable
from dialerd.portal.texts import Texts
from dialerd.portal.visit import Visit

_AS_THE_API_HAS_IT: Mapping[str, Callable[[str], str | None]] = {
    "agent": lambda typed: interface_of(typed) or typed,
    "number": number_typed,
}


class CallList(ABC):
    """`zone`: in which times are told and typed; `campaigns`: their names by id."""

    def __init__(self, visit: Visit, texts: Texts, path: str, zone: str, campaigns: Mapping[str, str]) -> None:
        self._visit = visit
        self._path = path
        self._zone = zone
        self._campaigns = campaigns
        self._none = texts("none")
        self.filters = Filters(visit, texts, self._found)

    @abstractmethod
    def draw(self) -> None:
        """Heading, filters, and the table."""

    def _draw_table(self, columns: list[Column]) -> None:
        self._table = PagedTable(self._visit, self._path, columns, key="attempt_id", empty=self._none)
        self._table.table.props("dense").classes("d-calls")

    async def _found(self) -> None:
        await self._table.find(**self._query())

    def _query(self) -> dict[str, Any]:
        """What is asked for, as the API has it."""
        asked: dict[str, Any] = {**self.filters.others, **self.filters.values}
        for name, typed in self.filters.values.items():
            if name in _AS_THE_API_HAS_IT:
                asked[name] = _AS_THE_API_HAS_IT[name](typed)
            elif name in ("since", "until"):
                asked[name] = time_of(typed, self._zone)
        return asked


async def show_list(visit: Visit, make: Callable[[Visit, str, Mapping[str, str]], CallList]) -> None:
    """Raises Refused."""
    calls = make(visit, await visit.zone(), await campaign_names(visit))
    calls.draw()
    await calls.filters.show()
