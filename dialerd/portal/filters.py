"""What a list is narrowed by: fields above it whose values stand in the page's address, under their names."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from dialerd.portal.forms import Form
from dialerd.portal.texts import Texts
from dialerd.portal.texts import texts as texts_of
from dialerd.portal.visit import Visit
from dialerd.portal.words import digits_typed

say = texts_of("filters")

Values = Mapping[str, str]


class Filters:
    """`found` is awaited with every search; what the API refuses in it is shown at the fields. Texts of fields: as of a Form."""

    def __init__(self, visit: Visit, texts: Texts, found: Callable[[], Awaitable[None]]) -> None:
        self._visit = visit
        self._found = found
        self._clears = False
        self._texts = texts
        self._fields: dict[str, Any] = {}

    def draw(self) -> None:
        self.form = Form(self._texts)
        self._place = ui.element("div").classes("d-filters").props("role=search")

    def text(self, name: str, **props: str) -> None:
        with self._place:
            field = self.form.text(name, self._asked(name)).props("autocomplete=off clearable")
        field.props.update(props)
        field.on("keydown.enter", self.search)
        self._fields[name] = field

    def time(self, name: str) -> None:
        with self._place:
            self._fields[name] = self.form.text(name, self._asked(name)).props("type=datetime-local stack-label")

    def choice(self, name: str, options: Mapping[str, str]) -> None:
        """None chosen: all. What the address names stays chosen, though nobody offers it."""
        asked = self._asked(name)
        known = {"": say("all"), **options, **({} if asked in options else {asked: asked or say("all")})}
        with self._place:
            field = self.form.choice(name, known, asked)
        field.on_value_change(lambda: None if self._clears else self.search())
        self._fields[name] = field

    def buttons(self) -> None:
        """To search, and to search for nothing any more."""
        with self._place, ui.row().classes("d-filter-buttons"):
            ui.button(say("search"), icon="search", on_click=self.search).props("unelevated no-caps")
            ui.button(say("clear"), on_click=self._clear).props("flat no-caps")

    @property
    def values(self) -> Values:
        """As they are typed, without the spaces around them; what says nothing is left out."""
        said = {name: str(field.value or "").strip() for name, field in self._fields.items()}
        return {name: value for name, value in said.items() if value}

    @property
    def others(self) -> Values:
        """What stands in the address and is no field's."""
        return {name: value for name, value in self._visit.query.items() if name not in self._fields}

    async def search(self) -> None:
        self._visit.query = {**self.others, **self.values}
        self._visit.note_in_address(**self._visit.query)
        await self.show()

    async def show(self) -> None:
        """What the address asks for."""
        with self._visit.telling(self.form):
            self.form.clear()
            await self._found()

    async def _clear(self) -> None:
        self._clears = True
        for field in self._fields.values():
            field.value = ""
        self._clears = False
        await self.search()

    def _asked(self, name: str) -> str:
        return str(self._visit.query.get(name, ""))


def number_typed(text: str) -> str | None:
    """Without what people put between digits, and with the plus that E.164 begins with; None for nothing."""
    digits = digits_typed(text)
    return None if not digits else digits if digits.startswith("+") else f"+{digits}"


async def campaign_names(visit: Visit) -> dict[str, str]:
    """By id, the newest first: to choose from."""
    found = await visit.door.all("/campaigns")
    return {str(campaign["id"]): campaign["name"] for campaign in reversed(found)}
