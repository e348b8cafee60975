"""Tables that stay quick however long the list is: a page at a time, by key, as the API lists."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nicegui import ui

from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit

say = texts("frame")

ROWS = 50
MOST_LOOKS = 10
"""A search of the API looks at some thousand rows at a time: so often it goes on by itself before a page is shown that is not full."""
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Column:
    """`show` makes the cell's text of an item. With `colour` it is a badge of that colour; with `to` a link that leads there; with `do` a
    button that does something with the item, and none where the text is empty; with `sound` it can be heard, and where that has no address
    there is the text alone; with `file` a link to what is downloaded, and none where the text is empty."""

    name: str
    label: str
    show: Callable[[Row], str]
    colour: Callable[[Row], str] | None = None
    to: Callable[[Row], str] | None = None
    do: Callable[[Row], Awaitable[None]] | None = None
    sound: Callable[[Row], str] | None = None
    file: Callable[[Row], str] | None = None
    align: Literal["left", "right", "center"] = "left"


def draw_table(columns: Sequence[Column], items: Sequence[Row] = (), *, key: str = "id", empty: str = "") -> ui.table:
    """All at once: for what is short. `put_rows` draws it anew."""
    table = ui.table(
        columns=[
            {"name": column.name, "label": column.label, "field": column.name, "align": column.align}
            for column in columns
        ],
        rows=[],
        row_key=key,
    )
    table.props("flat bordered wrap-cells hide-pagination :rows-per-page-options=[0]").classes("d-table")
    table.props["no-data-label"] = empty or say("nothing")
    for column in columns:
        if column.colour is not None:
            table.add_slot(f"body-cell-{column.name}", _BADGE)
        elif column.to is not None:
            table.add_slot(f"body-cell-{column.name}", _LINK)
        elif column.do is not None:
            table.add_slot(f"body-cell-{column.name}", _BUTTON)
        elif column.sound is not None:
            table.add_slot(f"body-cell-{column.name}", _SOUND)
        elif column.file is not None:
            table.add_slot(f"body-cell-{column.name}", _FILE)
    table.on("do", lambda event: _do(columns, event.args))
    put_rows(table, columns, items, key=key)
    return table


async def _do(columns: Sequence[Column], pressed: Mapping[str, Any]) -> None:
    column = next(each for each in columns if each.name == pressed["column"])
    if column.do is not None:
        await column.do(pressed["row"]["item"])


def put_rows(table: ui.table, columns: Sequence[Column], items: Sequence[Row], *, key: str = "id") -> None:
    table.rows = [_cells(columns, item, key) for item in items]
    table.update()


def _cells(columns: Sequence[Column], item: Row, key: str) -> dict[str, Any]:
    cells: dict[str, Any] = {key: item.get(key)}
    if any(column.do is not None for column in columns):
        cells["item"] = dict(item)
    for column in columns:
        cells[column.name] = column.show(item)
        if column.colour is not None:
            cells[f"{column.name}_colour"] = column.colour(item)
        if column.to is not None:
            cells[f"{column.name}_to"] = column.to(item)
        if column.sound is not None:
            cells[f"{column.name}_sound"], cells[f"{column.name}_sorry"] = column.sound(item), say("silent")
        if column.file is not None:
            cells[f"{column.name}_file"] = column.file(item)
    return cells


_BADGE = """<q-td :props="props"><span v-if="props.value" :class="'d-badge d-' + props.row[props.col.name + '_colour']">{{
    props.value }}</span></q-td>"""
_LINK = (
    """<q-td :props="props"><a class="d-link" :href="props.row[props.col.name + '_to']">{{ props.value }}</a></q-td>"""
)
_BUTTON = """<q-td :props="props"><q-btn v-if="props.value" flat dense no-caps color="primary" :label="props.value"
    @click.stop="() => $parent.$emit('do', {column: props.col.name, row: props.row})" /></q-td>"""
_SOUND = """<q-td :props="props">
    <audio v-if="props.row[props.col.name + '_sound']" class="d-audio" controls preload="none" :aria-label="props.value"
        :key="props.row[props.col.name + '_sound']" :src="props.row[props.col.name + '_sound']"
        @error="$event.target.nextElementSibling.hidden = false"></audio>
    <span v-if="props.row[props.col.name + '_sound']" hidden class="d-red">{{ props.row[props.col.name + '_sorry'] }}</span>
    <span v-else class="d-help">{{ props.value }}</span></q-td>"""
_FILE = """<q-td :props="props"><a v-if="props.value" class="d-link" download :href="props.row[props.col.name + '_file']">{{
    props.value }}</a></q-td>"""
"""Vue writes all as text and as an attribute, so what a lead is called stays a name."""


class PagedTable:
    """A list of the API's, `path` with the `query`. It is loaded by `load`, and by the buttons below it."""

    def __init__(
        self,
        visit: Visit,
        path: str,
        columns: Sequence[Column],
        *,
        key: str = "id",
        query: Mapping[str, Any] | None = None,
        empty: str = "",
    ) -> None:
        self._visit = visit
        self._path = path
        self._columns = columns
        self._key = key
        self._query = dict(query or {})
        self._asked = 0
        self._befores: list[str | None] = []
        self._after: str | None = None
        self._next: str | None = None
        self.items: Sequence[Row] = ()
        with ui.column().classes("d-paged"):
            self.table = draw_table(columns, key=key, empty=empty)
            with ui.row().classes("d-pager"):
                self._previous_button = ui.button(say("previous"), icon="chevron_left", on_click=self._go_back)
                self._next_button = ui.button(say("next"), on_click=self._go_on)
                self._next_button.props("icon-right=chevron_right")
                for button in (self._previous_button, self._next_button):
                    button.props("flat no-caps dense")
                self._place = ui.label().classes("d-help")

    async def load(self) -> None:
        """The page where one is, anew. What was asked for before, and is answered later, is shown no more. Raises Refused."""
        self._asked += 1
        asked = self._asked
        items, following = await self._look()
        if asked != self._asked:
            return
        self.items, self._next = items, following
        put_rows(self.table, self._columns, self.items, key=self._key)
        self._previous_button.set_enabled(bool(self._befores))
        self._next_button.set_enabled(self._next is not None)
        unfinished = self._next is not None and len(self.items) < ROWS
        self._place.text = say("page_unfinished" if unfinished else "page", number=len(self._befores) + 1)

    async def _look(self) -> tuple[Sequence[Row], str | None]:
        """A full page, where one can be had in reasonable time; and what comes after it."""
        items: list[Row] = []
        query, after = self._query, self._after
        for _ in range(MOST_LOOKS):
            page = await self._visit.door.get(self._path, **query, limit=ROWS - len(items), after=after)
            items += page["items"]
            after = page["next"]
            if after is None or len(items) >= ROWS:
                break
        return items, after

    async def search(self, **query: Any) -> None:
        """With other filters, from the beginning. What the API refuses is told."""
        with self._visit.telling():
            await self.find(**query)

    async def find(self, **query: Any) -> None:
        """The same. Raises Refused."""
        self._query = query
        self._befores, self._after = [], None
        await self.load()

    async def _go_on(self) -> None:
        if self._next is None:
            return
        self._befores.append(self._after)
        self._after = self._next
        with self._visit.telling():
            await self.load()

    async def _go_back(self) -> None:
        if not self._befores:
            return
        self._after = self._befores.pop()
        with self._visit.telling():
            await self.load()
