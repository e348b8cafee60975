"""The numbers that calls may show: the account's main numbers, those of queues, and which of them are for which country."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.form_dialog import form_dialog
from dialerd.portal.forms import Form
from dialerd.portal.frame import Page, heading, section
from dialerd.portal.tables import Column, Row, draw_table, put_rows
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import digits_typed

say = texts("caller_ids")

NONE = "-"
"""Where the key is left empty: no such thing can be called so, which the API says beside its field."""


async def _show(visit: Visit) -> None:
    heading(say("title"), under=say("under"))
    default = (await visit.door.get("/account"))["rules"]["caller_id"]
    with ui.column().classes("d-banner d-note"):
        shown = f"{default['number']} {default['name']}".strip() if default else ""
        ui.label(say("default", number=shown) if default else say("no_default")).classes("d-prose")
    for part in (_main_numbers(visit), _queue_numbers(visit), _prefixes(visit)):
        part.draw()
        await part.load()


class _Part:
    """A list of the account's, each item at `path/<key>`. `draw_form` puts the fields of a new item (None) or one that there is into a
    form; `written` makes the key and the body of them."""

    def __init__(
        self,
        visit: Visit,
        noun: str,
        path: str,
        key: str,
        columns: tuple[Column, ...],
        draw_form: Callable[[Form, Row | None], None],
        written: Callable[[Row], tuple[str, Row]],
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._visit, self._noun, self._path, self._key = visit, noun, path, key
        self._draw_form, self._written, self._prepare = draw_form, written, prepare
        self._may = visit.may(Permission.MANAGE_ACCOUNT)
        edits = (
            Column(name="edit", label="", show=lambda _: say("edit"), do=self._edit, align="right"),
            Column(name="remove", label="", show=lambda _: say("remove"), do=self._remove),
        )
        self._columns = (*columns, *edits) if self._may else columns

    def draw(self) -> None:
        with section(say(f"{self._noun}.title"), help=say(f"{self._noun}.help")):
            self._table = draw_table(self._columns, key=self._key, empty=say(f"{self._noun}.empty"))
            if self._may:
                ui.button(say(f"{self._noun}.add"), icon="add", on_click=self._add).props("outline no-caps")

    async def load(self) -> None:
        put_rows(self._table, self._columns, await self._visit.door.all(self._path), key=self._key)

    async def _add(self) -> None:
        await self._edit(None)

    async def _edit(self, item: Row | None) -> None:
        if self._prepare is not None:
            await self._prepare()

        async def save(form: Form) -> None:
            key, body = self._written(form.values() if item is None else {**form.values(), self._key: item[self._key]})
            await self._visit.door.put(f"{self._path}/{quote(key or NONE, safe='')}", body)

        title = say(f"{self._noun}.add") if item is None else say("edit_one", key=item[self._key])
        if await form_dialog(self._visit, say, title, lambda form: self._draw_form(form, item), save):
            note(say("saved"))
            await self.load()

    async def _remove(self, item: Row) -> None:
        title = say("remove_one", key=item[self._key])
        if await confirm(title, say(f"{self._noun}.remove_text"), say("remove"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(f"{self._path}/{quote(item[self._key], safe='')}")
                await self.load()


def _main_numbers(visit: Visit) -> _Part:
    def draw_form(form: Form, item: Row | None) -> None:
        if item is None:
            form.text("number").props("type=tel placeholder=+12025550199")
        form.text("name", item["name"] if item else "").props("maxlength=60")

    columns = (
        Column(name="number", label=say("number"), show=lambda one: one["number"]),
        Column(name="name", label=say("name"), show=lambda one: one["name"]),
    )
    return _Part(
        visit,
        "main",
        "/account/numbers",
        "number",
        columns,
        draw_form,
        lambda values: (digits_typed(values["number"]), {"name": values["name"]}),
    )


def _queue_numbers(visit: Visit) -> _Part:
    queues: list[str] = []

    async def prepare() -> None:
        queues[:] = [queue["name"] for queue in await visit.door.all("/queues")]

    def draw_form(form: Form, item: Row | None) -> None:
        if item is None:
            queue = form.text("queue", autocomplete=queues)
            queue.props(f'placeholder="{", ".join(queues[:3])}"')
        form.text("number", item["number"] if item else "").props("type=tel placeholder=+12025550199")
        form.text("name", item["name"] if item else "").props("maxlength=60")

    columns = (
        Column(name="queue", label=say("queue"), show=lambda one: one["queue"]),
        Column(name="number", label=say("number"), show=lambda one: one["number"]),
        Column(name="name", label=say("name"), show=lambda one: one["name"]),
    )
    return _Part(
        visit,
        "queues",
        "/account/queue-numbers",
        "queue",
        columns,
        draw_form,
        lambda values: (values["queue"], {"number": digits_typed(values["number"]), "name": values["name"]}),
        prepare,
    )


def _prefixes(visit: Visit) -> _Part:
    def draw_form(form: Form, item: Row | None) -> None:
        if item is None:
            form.text("country").props("maxlength=2")
        form.text("prefixes", ", ".join(item["prefixes"]) if item else "")

    columns = (
        Column(name="country", label=say("country"), show=lambda one: one["country"]),
        Column(name="prefixes", label=say("prefixes"), show=lambda one: ", ".join(one["prefixes"])),
    )
    return _Part(
        visit,
        "countries",
        "/account/caller-id-prefixes",
        "country",
        columns,
        draw_form,
        lambda values: (values["country"].upper(), {"prefixes": _several(values["prefixes"])}),
    )


def _several(text: str) -> list[str]:
    return [digits_typed(one) for one in text.replace(";", ",").split(",") if one.strip()]


PAGES = (Page(path="/caller-ids", title=say("title"), show=_show, needs=frozenset({Permission.BUILD}), narrow=True),)
