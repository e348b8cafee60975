"""How far an import has come, and what came of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.portal.tables import Column, draw_table
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, count_text

say = texts("files")

LOOK_S = 0.7
MOST_FLAWS = 1_000
"""As many as the API tells."""
FLAWS_ON_A_PAGE = 10
FIGURES = ("added", "renewed", "prolonged", "duplicates", "on_dnc")
_OVER = ("done", "failed")

Job = Mapping[str, Any]


class JobView:
    """`keep` and `again` are what the user reads at the choices that take bad rows, and a file that came before; `blocked` leads to
    the leads on a do-not-call list. `ended` is told of a job that was seen to end."""

    def __init__(
        self,
        visit: Visit,
        *,
        keep: str,
        again: str = "",
        blocked: str = "",
        ended: Callable[[Job], Awaitable[None]] | None = None,
    ) -> None:
        self._visit = visit
        self._keep, self._again, self._blocked = keep, again, blocked
        self._ended = ended
        self._job: Job = {}
        self._box = ui.column().classes("d-job").props("aria-live=polite")
        self._box.visible = False
        self._timer = visit.every(LOOK_S, self._look)
        self._timer.deactivate()

    @property
    def is_under_way(self) -> bool:
        return bool(self._job) and self._job["state"] not in _OVER

    def clear(self) -> None:
        self._box.clear()
        self._box.visible = False

    def show(self, job: Job, *, title: str = "") -> None:
        """As it stands; one that is under way is followed to its end."""
        self._job = job
        self._box.clear()
        self._box.visible = True
        with self._box:
            if title:
                ui.label(title).classes("d-job-title")
            if self.is_under_way:
                self._draw_progress()
            else:
                self._draw_outcome(dated=bool(title))
        if self.is_under_way:
            self._timer.activate()
        else:
            self._timer.deactivate()

    async def _look(self) -> None:
        if not self.is_under_way:
            return
        job = await self._visit.door.get(f"/jobs/{self._job['id']}")
        if job != self._job:
            self.show(job)
        if job["state"] in _OVER and self._ended is not None:
            await self._ended(job)

    # --- drawing ---

    def _draw_progress(self) -> None:
        job = self._job
        key = "rows_bad" if job["bad_rows"] else "rows"
        rows = say(key, rows=count_text(job["rows_read"]), bad=count_text(job["bad_rows"]))
        ui.label(say("queued") if job["state"] == "queued" else say("running", source=job["source"]))
        bar = ui.linear_progress(show_value=False).props("indeterminate rounded size=6px")
        bar.props["aria-label"] = rows
        ui.label(rows).classes("d-help")

    def _draw_outcome(self, *, dated: bool) -> None:
        job = self._job
        with ui.element("div").classes("d-row"):
            failed = job["state"] == "failed"
            ui.icon("error" if failed else "check_circle", size="22px").classes("d-red" if failed else "d-green")
            key = f"{job['state']}_at" if dated else str(job["state"])
            ui.label(say(key, source=job["source"], when=ago_text(job["ended_at"]))).classes("d-job-title")
        if failed:
            self._warn(self._why(), "d-banner")
        elif "uploaded_before" in job["report"]:
            when = ago_text(str(job["report"]["uploaded_before"]))
            self._warn(say("uploaded_before", when=when, again=self._again), "d-banner d-note")
        else:
            self._draw_report()
        if job["flaws"]:
            draw_flaws(job["flaws"])

    def _why(self) -> str:
        if self._job["bad_rows"]:
            return say("refused", bad=count_text(self._job["bad_rows"]), keep=self._keep)
        return str(self._job["error"])

    def _draw_report(self) -> None:
        report = self._job["report"]
        with ui.element("div").classes("d-figures"):
            for name in FIGURES:
                if name in report:
                    _figure(name, int(report[name]))
            _figure("bad_rows", self._job["bad_rows"])
        if report.get("on_dnc"):
            with self._warn(say("on_dnc", count=count_text(int(report["on_dnc"]))), "d-banner d-warning"):
                if self._blocked:
                    ui.link(say("see_blocked"), self._blocked).classes("d-link")

    def _warn(self, text: str, classes: str) -> ui.column:
        with ui.column().classes(classes) as banner:
            ui.label(text).classes("d-prose")
        return banner


def _figure(name: str, count: int) -> None:
    with ui.column().classes("d-figure"):
        ui.label(count_text(count)).classes("d-figure-value")
        ui.label(say(f"figures.{name}")).classes("d-figure-name")


def draw_flaws(flaws: Sequence[Mapping[str, Any]]) -> None:
    """What is wrong, row by row, as the API tells it. What stands in the file stays text."""
    ui.label(say("flaws")).classes("d-job-title")
    rows = [{**flaw, "id": place} for place, flaw in enumerate(flaws)]
    table = draw_table(_FLAW_COLUMNS, rows)
    if len(rows) > FLAWS_ON_A_PAGE:
        table.props(remove="hide-pagination")
        table.pagination = {"rowsPerPage": FLAWS_ON_A_PAGE}
    if len(rows) >= MOST_FLAWS:
        ui.label(say("more_flaws", shown=count_text(len(rows)))).classes("d-help")


_FLAW_COLUMNS = (
    Column(name="row", label=say("columns.row"), show=lambda flaw: count_text(flaw["row"]), align="right"),
    Column(name="column", label=say("columns.column"), show=lambda flaw: flaw["column"]),
    Column(name="value", label=say("columns.value"), show=lambda flaw: flaw["value"]),
    Column(name="reason", label=say("columns.reason"), show=lambda flaw: flaw["reason"]),
)
