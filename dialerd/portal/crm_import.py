"""Import from CRM API: where a campaign's CRM is, which of its fields are which, a sample of its leads, and the taking of them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from nicegui import ui

from dialerd.portal.crm_fields import CrmFields, Source, placed
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.door import Refused
from dialerd.portal.forms import Form, Reworded
from dialerd.portal.frame import section
from dialerd.portal.import_manner import ImportManner
from dialerd.portal.jobs import Job, JobView, draw_flaws
from dialerd.portal.tables import Column, Row, draw_table
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text

say = texts("lead_import")

SHOWN = (
    *("number", "first_name", "last_name", "priority", "ticket_id", "max_attempts", "cooloff_s", "cooloff_2nd_s"),
    *("note", "skill", "extension", "time_zone", "custom"),
)
"""Of a lead of the sample, where any of them has it."""
SAMPLE = 5


class CrmImport:
    def __init__(self, visit: Visit, campaign_id: int) -> None:
        self._visit = visit
        self._path = f"/campaigns/{campaign_id}/crm-source"
        self._blocked = f"/campaigns/{campaign_id}/leads?state=blocked"
        self._stored: Source | None = None
        self._synced_at: str | None = None
        self._closed = False

    async def draw(self) -> None:
        await self._load()
        with section(say("crm.title"), help=say("crm.help")):
            self._form = Form(say)
            with ui.expansion(say("crm.set_up"), value=self._stored is not None).classes("d-more"):
                self._fields = CrmFields(self._form)
                self._fields.draw(self._stored or {}, changed=self._show_buttons)
                self._draw_buttons()
                self._sample = ui.column().classes("d-job").props("aria-live=polite")
            self._sync_form = Form(say)
            self._manner = ImportManner(self._sync_form)
            with ui.column().classes("d-job") as self._sync_part:
                self._manner.draw()
                with ui.element("div").classes("d-row"):
                    self._sync = ui.button(say("crm.sync"), icon="sync", on_click=self._take)
                    self._sync.props("unelevated no-caps")
                    self._state = ui.label().classes("d-help")
            self._view = JobView(
                self._visit, keep=say("on_bad_rows.keep"), blocked=self._blocked, ended=self._after_sync
            )
        self._show_buttons()

    def close(self, closed: bool) -> None:
        self._closed = closed
        self._show_buttons()

    def show(self, job: Job) -> None:
        self._view.show(job, title=say("last"))
        self._show_buttons()

    def _draw_buttons(self) -> None:
        with ui.element("div").classes("d-row"):
            self._try = ui.button(say("crm.try"), icon="preview", on_click=self._show_sample).props("outline no-caps")
            ui.button(say("crm.save"), icon="save", on_click=self._save).props("unelevated no-caps")
            self._forget = ui.button(say("crm.forget"), on_click=self._remove).props("flat no-caps color=negative")

    def _show_buttons(self) -> None:
        """Sync takes what is stored: so what is in the fields has to be that."""
        unsaved = self._fields.source() != (self._stored or {})
        self._forget.visible = self._stored is not None
        self._sync_part.visible = self._stored is not None
        self._sync.set_enabled(not (self._closed or unsaved or self._view.is_under_way))
        self._state.text = self._sentence(unsaved)

    def _sentence(self, unsaved: bool) -> str:
        if self._closed:
            return say("crm.closed")
        if unsaved:
            return say("crm.unsaved")
        return say("crm.synced", when=ago_text(self._synced_at)) if self._synced_at else say("crm.never_synced")

    async def _load(self) -> None:
        try:
            found = await self._visit.door.get(self._path)
        except Refused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            found = {"source": None, "synced_at": None}
        self._stored, self._synced_at = found["source"], found["synced_at"]

    # --- what the buttons do ---

    async def _show_sample(self) -> None:
        self._sample.clear()
        self._try.props("loading")
        with self._visit.telling(Reworded(self._form, placed)):
            self._form.clear()
            found = await self._visit.door.post(
                f"{self._path}/preview", self._fields.checked(), limit=SAMPLE, region=self._manner.query()["region"]
            )
            with self._sample:
                _draw_sample(found["leads"], found["flaws"])
        self._try.props(remove="loading")

    async def _save(self) -> None:
        with self._visit.telling(Reworded(self._form, placed)):
            self._form.clear()
            await self._visit.door.put(self._path, self._fields.checked())
            await self._load()
            self._fields.fill(self._stored or {})
            self._show_buttons()
            note(say("crm.saved"))

    async def _remove(self) -> None:
        if not await confirm(say("crm.forget"), say("crm.forget_text"), say("crm.forget"), danger=True):
            return
        with self._visit.telling():
            await self._visit.door.delete(self._path)
            await self._load()
            self._fields.fill({})
            self._sample.clear()
            self._show_buttons()

    async def _take(self) -> None:
        with self._visit.telling(self._sync_form):
            self._sync_form.clear()
            self._view.show(await self._visit.door.post(f"{self._path}/sync", **self._manner.query()))
            self._show_buttons()

    async def _after_sync(self, _: Job) -> None:
        await self._load()
        self._show_buttons()


def _draw_sample(leads: Sequence[Row], flaws: Sequence[Row]) -> None:
    ui.label(say("crm.sample")).classes("d-job-title")
    names = [name for name in SHOWN if any(lead["lead"].get(name) for lead in leads)]
    columns = [
        Column(name="place", label=say("crm.place"), show=lambda lead: str(lead["place"]), align="right"),
        *(Column(name=name, label=say(f"sample_columns.{name}"), show=_shows(name)) for name in names),
    ]
    draw_table(columns, leads, key="place", empty=say("crm.no_leads"))
    if flaws:
        draw_flaws(flaws)


def _shows(name: str) -> Any:
    def show(lead: Row) -> str:
        value = lead["lead"].get(name)
        if isinstance(value, Mapping):
            return ", ".join(f"{key}: {inner}" for key, inner in value.items())
        return "" if value is None else str(value)

    return show
