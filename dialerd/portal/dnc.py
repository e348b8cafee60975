"""The do-not-call list: whether a number may be called, who is on the list and why, and what comes onto it and off it."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.portal.dates import end_of_day
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.door import address_of
from dialerd.portal.file_drop import FileDrop
from dialerd.portal.filters import number_typed
from dialerd.portal.forms import Form, Reworded
from dialerd.portal.frame import Page, draw_download, heading, section
from dialerd.portal.jobs import Job, JobView, draw_flaws
from dialerd.portal.tables import Column, PagedTable, Row
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import count_text, moment, now, time_text

say = texts("dnc")

WAYS = ("one", "several", "file")
NEWEST_JOBS = 100


async def _show(visit: Visit) -> None:
    keeps = visit.may(Permission.MANAGE_DNC)
    with heading(say("title"), under=say("under_keeper" if keeps else "under")):
        if keeps:
            draw_download(say("export"), address_of("/dnc/numbers/export"))
    zone = await visit.zone()
    if visit.may(Permission.CHECK_DNC):
        _Check(visit, zone).draw()
    if keeps:
        entries = _Entries(visit, zone)
        await _Adding(visit, zone, entries).draw()
        await entries.draw()


class _Check:
    def __init__(self, visit: Visit, zone: str) -> None:
        self._visit = visit
        self._zone = zone

    def draw(self) -> None:
        with section(say("check.title"), help=say("check.help")):
            self._form = Form(say)
            with ui.element("div").classes("d-dnc-check"):
                self._number = self._form.text("check_number").props("type=tel autocomplete=off")
                self._number.on("keydown.enter", self._look)
                ui.button(say("check.button"), icon="search", on_click=self._look).props("unelevated no-caps")
            self._verdict = ui.column().classes("d-banner").props("role=status")
            self._verdict.visible = False

    async def _look(self) -> None:
        self._verdict.visible = False
        with self._visit.telling(Reworded(self._form, _as("check_number"))):
            self._form.clear()
            verdict = await self._visit.door.get("/dnc/check", number=self._number.value.strip())
            self._show(verdict)

    def _show(self, verdict: Row) -> None:
        forbidden = verdict["forbidden"]
        self._verdict.clear()
        self._verdict.classes(remove="d-allowed") if forbidden else self._verdict.classes("d-allowed")
        self._verdict.visible = True
        with self._verdict:
            with ui.element("div").classes("d-row"):
                ui.icon("do_not_disturb_on" if forbidden else "check_circle", size="24px").props("aria-hidden=true")
                key = "check.forbidden" if forbidden else "check.allowed"
                ui.label(say(key, number=verdict["number"])).classes("d-title")
            for entry in verdict["entries"]:
                ui.label(_entry_text(entry, self._zone)).classes("d-prose")


def _entry_text(entry: Row, zone: str) -> str:
    told = [
        _list_word(entry),
        say("check.since", when=time_text(entry["added_at"], zone)),
        *([say("check.until", when=time_text(entry["expires_at"], zone))] if entry["expires_at"] else []),
        *([entry["reason"]] if entry["reason"] else []),
    ]
    return " · ".join(told)


def _list_word(entry: Row) -> str:
    return say("lists.everybody" if entry["everybody"] else "lists.account")


def _as(shown: str) -> Callable[[str], str]:
    """Several fields of this page are called `number` by the API, but not for a reader."""
    return lambda problem: f"{shown}: {problem.removeprefix('number: ')}" if problem.startswith("number: ") else problem


# --- what comes onto the list -----------------------------------------------------------------------------------------


class _Adding:
    def __init__(self, visit: Visit, zone: str, entries: "_Entries") -> None:
        self._visit = visit
        self._zone = zone
        self._entries = entries

    async def draw(self) -> None:
        asked = self._visit.query.get("add", WAYS[0])
        with section(say("add.title"), help=say("add.help")):
            with ui.tabs().props("no-caps align=left dense").classes("d-tabs") as tabs:
                for way in WAYS:
                    ui.tab(way, label=say(f"add.{way}"))
            with ui.tab_panels(tabs, value=asked if asked in WAYS else WAYS[0], animated=False).classes("d-panels"):
                for way, draw in zip(WAYS, (self._draw_one, self._draw_several, self._draw_file), strict=True):
                    with ui.tab_panel(way):
                        draw()
        tabs.on_value_change(lambda event: self._visit.note_in_address(**{**self._visit.query, "add": event.value}))
        await self._show_last()

    # --- one ---

    def _draw_one(self) -> None:
        self._one = Form(say)
        with ui.element("div").classes("d-grid"):
            self._typed = (
                self._one.text("number").props("type=tel autocomplete=off"),
                self._one.text("reason").props("maxlength=500"),
                _last_day(self._one),
            )
        ui.button(say("add.one_button"), icon="add", on_click=self._add_one).props("unelevated no-caps")

    async def _add_one(self) -> None:
        values = self._one.values()
        with self._visit.telling(self._one):
            self._one.clear()
            body = {**values, "expires_at": end_of_day(values["expires_at"], self._zone), "source": say("source")}
            told = await self._visit.door.post("/dnc/numbers", body)
            note(say(f"changes.{told['change']}", number=told["number"]))
            for field in self._typed:
                field.value = ""
            await self._entries.reload()

    # --- several ---

    def _draw_several(self) -> None:
        self._several = Form(say)
        self._several.long_text("numbers").classes("d-mono-field")
        with ui.element("div").classes("d-grid"):
            self._several.text("reason").props("maxlength=500")
            _last_day(self._several)
            self._several.choice("on_invalid", say.options("on_invalid"), "keep")
        ui.button(say("add.several_button"), icon="playlist_add", on_click=self._add_several).props(
            "unelevated no-caps"
        )
        self._came_of_it = ui.column().classes("d-job").props("aria-live=polite")

    async def _add_several(self) -> None:
        values = self._several.values()
        self._came_of_it.clear()
        with self._visit.telling(self._several):
            self._several.clear()
            told = await self._visit.door.post("/dnc/numbers/bulk", self._bulk(values))
            with self._came_of_it:
                _draw_bulk(told)
            await self._entries.reload()

    def _bulk(self, values: dict[str, Any]) -> dict[str, Any]:
        expires_at = end_of_day(values["expires_at"], self._zone)
        numbers = [
            {"number": line.strip(), "reason": values["reason"], "source": say("source"), "expires_at": expires_at}
            for line in values["numbers"].replace(",", "\n").replace(";", "\n").splitlines()
            if line.strip()
        ]
        return {"numbers": numbers, "on_invalid": values["on_invalid"]}

    # --- a file ---

    def _draw_file(self) -> None:
        self._file = Form(say)
        ui.label(say("add.file_help")).classes("d-help")
        with ui.element("div").classes("d-grid"):
            self._file.text("reason").props("maxlength=500")
            self._file.number("lasting_days", None, min=1, precision=0)
            self._file.text("region").props("maxlength=2 autocomplete=off")
            self._file.choice("on_bad_rows", say.options("on_bad_rows"), "refuse")
        self._drop = FileDrop(self._visit, self._take)
        self._drop.form = self._file
        self._drop.on("chosen", self._show_upload)
        self._upload = ui.button(say("add.file_button"), icon="upload", on_click=self._send).props("unelevated no-caps")
        self._view = JobView(self._visit, keep=say("on_bad_rows.keep"), ended=self._after)
        self._show_upload()

    def _show_upload(self) -> None:
        self._upload.set_enabled(bool(self._drop.name) and not self._view.is_under_way)

    def _send(self) -> None:
        values = self._file.values()
        self._file.clear()
        self._drop.send(
            "/dnc/numbers/upload",
            reason=values["reason"] or None,
            lasting_days=values["lasting_days"],
            region=values["region"].upper() or None,
            on_bad_rows=values["on_bad_rows"],
        )

    async def _take(self, job: Any) -> None:
        self._view.show(job)
        self._show_upload()

    async def _after(self, _: Job) -> None:
        self._show_upload()
        await self._entries.reload()

    async def _show_last(self) -> None:
        if not self._visit.may(Permission.MANAGE_LEADS):
            return
        jobs = (await self._visit.door.get("/jobs", limit=NEWEST_JOBS))["items"]
        if (last := next((job for job in jobs if job["kind"] == "dnc_upload"), None)) is not None:
            self._view.show(await self._visit.door.get(f"/jobs/{last['id']}"), title=say("add.last"))
            self._show_upload()


def _last_day(form: Form) -> ui.input:
    return form.text("expires_at").props("type=date stack-label")


def _draw_bulk(told: Row) -> None:
    with ui.element("div").classes("d-row"):
        ui.icon("check_circle", size="22px").classes("d-green").props("aria-hidden=true")
        counts = {name: count_text(told[name]) for name in ("added", "prolonged")}
        ui.label(say("add.several_done", **counts, invalid=count_text(len(told["invalid"])))).classes("d-job-title")
    if told["invalid"]:
        draw_flaws([{**flaw, "row": flaw["index"] + 1, "column": flaw["field"]} for flaw in told["invalid"]])


# --- what is on the list ----------------------------------------------------------------------------------------------


class _Entries:
    def __init__(self, visit: Visit, zone: str) -> None:
        self._visit = visit
        self._zone = zone

    async def draw(self) -> None:
        asked = self._visit.query
        with section(say("list.title"), help=say("list.help", zone=self._zone)):
            self._form = Form(say)
            with ui.element("div").classes("d-dnc-search"):
                begins = self._form.text("begins", asked.get("number", ""))
                begins.props("type=search autocomplete=off placeholder=+1202")
                containing = self._form.text("containing", asked.get("containing", ""))
                containing.props("type=search maxlength=100")
                ui.button(say("list.search"), icon="search", on_click=self._search).props("outline no-caps")
            begins.on("keydown.enter", self._search)
            containing.on("keydown.enter", self._search)
            self._table = PagedTable(self._visit, "/dnc/numbers", self._columns(), key="number", query=self._query())
            # A number that is on both lists comes twice.
            self._table.table.props(remove="row-key")
            self._table.table.props[":row-key"] = "row => row.number + row.list"
            self._table.table.props["no-data-label"] = say("list.empty")
        with self._visit.telling(Reworded(self._form, _as("begins"))):
            await self._table.load()

    def _columns(self) -> Sequence[Column]:
        return (
            Column(name="number", label=say("list.number"), show=lambda entry: entry["number"]),
            Column(name="list", label=say("list.list"), show=_list_name, colour=_list_colour),
            Column(name="reason", label=say("list.reason"), show=lambda entry: entry["reason"]),
            Column(name="source", label=say("list.source"), show=lambda entry: entry["source"]),
            Column(name="added", label=say("list.added"), show=lambda entry: time_text(entry["added_at"], self._zone)),
            Column(name="by", label=say("list.by"), show=lambda entry: entry["added_by"]),
            Column(name="expires", label=say("list.expires"), show=self._expires),
            Column(name="remove", label="", show=_remove_word, do=self._remove, align="right"),
        )

    def _expires(self, entry: Row) -> str:
        if entry["expires_at"] is None:
            return say("list.never")
        when = time_text(entry["expires_at"], self._zone)
        return say("list.expired", when=when) if _is_over(entry) else when

    def _query(self) -> dict[str, Any]:
        values = self._form.values()
        return {"number": number_typed(values["begins"]), "containing": values["containing"] or None}

    async def _search(self) -> None:
        self._form.clear()
        query = self._query()
        self._visit.query |= {name: value or "" for name, value in query.items()}
        self._visit.note_in_address(**self._visit.query)
        await self._table.search(**query)

    async def reload(self) -> None:
        await self._table.load()

    async def _remove(self, entry: Row) -> None:
        title = say("list.remove_one", number=entry["number"])
        if await confirm(title, say("list.remove_text"), say("list.remove"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(f"/dnc/numbers/{quote(entry['number'], safe='')}")
                note(say("list.removed", number=entry["number"]))
                await self._table.load()


def _is_over(entry: Row) -> bool:
    ends = moment(entry["expires_at"])
    return ends is not None and ends <= now()


def _list_name(entry: Row) -> str:
    return say("list.everybody" if entry["everybody"] else "list.account")


def _list_colour(entry: Row) -> str:
    return "blue" if entry["everybody"] else "teal"


def _remove_word(entry: Row) -> str:
    """What holds for everybody is changed by command only."""
    return "" if entry["everybody"] else say("list.remove")


PAGES = (
    Page(
        path="/do-not-call",
        title=say("title"),
        show=_show,
        needs=frozenset({Permission.MANAGE_DNC, Permission.CHECK_DNC}),
    ),
)
