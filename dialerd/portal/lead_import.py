"""Leads of a campaign: from a CSV file, and from the API of its CRM. While it runs, neither is possible."""

from collections.abc import Callable
from typing import Any

from nicegui import ui

from dialerd.api.live import Message
from dialerd.domain.roles import Permission
from dialerd.portal.crm_import import CrmImport
from dialerd.portal.door import address_of
from dialerd.portal.file_drop import FileDrop
from dialerd.portal.forms import Form
from dialerd.portal.frame import draw_download, section
from dialerd.portal.import_manner import ImportManner
from dialerd.portal.jobs import Job, JobView
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit

say = texts("lead_import")

CLOSED = ("running", "cancelled")
"""In these statuses a campaign takes no leads."""
NEWEST_JOBS = 100
"""Among so many the last one of the campaign is looked for."""


async def draw_import(visit: Visit, campaign_id: int) -> None:
    """A file to drop, a CRM to ask, and what came of the last import. Who may not add leads sees the export alone, if that. Raises
    Refused."""
    if not visit.may(Permission.MANAGE_LEADS):
        _draw_downloads(visit, campaign_id)
        return
    door = _LeadsDoor((await visit.door.get(f"/campaigns/{campaign_id}"))["status"])
    door.draw()
    file_import = _FileImport(visit, campaign_id)
    file_import.draw()
    door.tell(file_import.close)
    jobs = await _last_jobs(visit, campaign_id)
    if (last := jobs.get("leads_upload")) is not None:
        file_import.show(last)
    if visit.may(Permission.BUILD):
        crm_import = CrmImport(visit, campaign_id)
        await crm_import.draw()
        door.tell(crm_import.close)
        if (last := jobs.get("crm_sync")) is not None:
            crm_import.show(last)
    visit.follow(campaign_id, door.hear)


async def _last_jobs(visit: Visit, campaign_id: int) -> dict[str, Job]:
    """By kind, with what was wrong."""
    found: dict[str, Job] = {}
    for job in (await visit.door.get("/jobs", limit=NEWEST_JOBS))["items"]:
        if job["campaign_id"] == campaign_id and job["kind"] not in found:
            found[job["kind"]] = await visit.door.get(f"/jobs/{job['id']}")
    return found


def _draw_downloads(visit: Visit, campaign_id: int) -> None:
    with ui.element("div").classes("d-row"):
        if visit.may(Permission.MANAGE_LEADS):
            draw_download(say("sample"), address_of("/leads/sample"))
        if visit.may(Permission.EXPORT):
            draw_download(say("export"), address_of(f"/campaigns/{campaign_id}/leads/export"))


class _LeadsDoor:
    """Whether leads may come in: by the status of the campaign, also when that changes while the page is open."""

    def __init__(self, status: str) -> None:
        self._status = status
        self._told: list[Callable[[bool], None]] = []

    def draw(self) -> None:
        with ui.column().classes("d-banner d-warning").props("role=status") as self._banner:
            self._why = ui.label().classes("d-prose")
        self._show()

    def tell(self, close: Callable[[bool], None]) -> None:
        self._told.append(close)
        close(self._status in CLOSED)

    def hear(self, message: Message) -> None:
        if message.kind == "counts" and message.data["status"] != self._status:
            self._status = message.data["status"]
            self._show()
            for close in self._told:
                close(self._status in CLOSED)

    def _show(self) -> None:
        self._banner.visible = self._status in CLOSED
        if self._banner.visible:
            self._why.text = say(f"closed.{self._status}")


class _FileImport:
    def __init__(self, visit: Visit, campaign_id: int) -> None:
        self._visit = visit
        self._campaign_id = campaign_id
        self._closed = False

    def draw(self) -> None:
        with section(say("file.title"), help=say("file.help")):
            _draw_downloads(self._visit, self._campaign_id)
            self._form = Form(say)
            self._manner = ImportManner(self._form)
            self._manner.draw()
            with ui.expansion(say("more")).classes("d-more"), ui.element("div").classes("d-grid"):
                self._form.choice("encoding", say.options("encodings"), "utf-8")
                self._form.switch("again", False)
            self._drop = FileDrop(self._visit, self._take)
            self._drop.form = self._form
            self._drop.on("chosen", self._show_buttons)
            self._upload = ui.button(say("file.upload"), icon="upload", on_click=self._send).props("unelevated no-caps")
            self._view = JobView(
                self._visit,
                keep=say("on_bad_rows.keep"),
                again=say("fields.again.label"),
                blocked=f"/campaigns/{self._campaign_id}/leads?state=blocked",
                ended=self._after,
            )
        self._show_buttons()

    def close(self, closed: bool) -> None:
        self._closed = closed
        self._drop.close(closed)
        self._show_buttons()

    def show(self, job: Job) -> None:
        self._view.show(job, title=say("last"))
        self._show_buttons()

    def _show_buttons(self) -> None:
        self._upload.set_enabled(bool(self._drop.name) and not self._closed and not self._view.is_under_way)

    def _send(self) -> None:
        self._form.clear()
        self._upload.set_enabled(False)
        self._drop.send(
            f"/campaigns/{self._campaign_id}/leads/upload",
            **self._manner.query(),
            encoding=self._form["encoding"],
            again=self._form["again"],
        )

    async def _take(self, job: Any) -> None:
        self._view.show(job)
        self._show_buttons()

    async def _after(self, _: Job) -> None:
        self._show_buttons()
