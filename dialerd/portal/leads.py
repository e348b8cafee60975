"""Leads status: every lead of a campaign with its state as it is now, searched, exported, added, reset and deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.api.live import Message
from dialerd.api.schemas.leads import Which
from dialerd.domain.leads import FINAL, IN_FLIGHT, LeadState
from dialerd.domain.roles import Permission
from dialerd.portal.campaign_words import LISTED, held_word, with_counts
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.door import address_of
from dialerd.portal.filters import Filters, number_typed
from dialerd.portal.frame import Page, draw_download, heading
from dialerd.portal.lead_import import draw_import
from dialerd.portal.tables import Column, PagedTable, Row
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import LEAD_COLOURS, count_text, lead_word, moment, name_of, now, time_text

say = texts("leads")

LOOK_S = 5.0
"""The page of the table that is shown is asked for anew so often, if leads have come on."""


async def _show(visit: Visit) -> None:
    campaign = await visit.door.get(f"/campaigns/{visit.id('campaign_id')}")
    leads = _Leads(visit, campaign, await visit.zone())
    leads.draw()
    await leads.filters.show()
    visit.follow(campaign["id"], leads.hear)
    visit.every(LOOK_S, leads.keep_up)
    if visit.may(Permission.MANAGE_LEADS):
        # Without any lead that is what one has come for.
        with ui.expansion(say("add"), icon="upload_file", value=not campaign["total"]).classes("d-section d-leads-add"):
            await draw_import(visit, campaign["id"])


class _Leads:
    def __init__(self, visit: Visit, campaign: Mapping[str, Any], zone: str) -> None:
        self._visit = visit
        self._campaign = campaign
        self._zone = zone
        self._stale = False
        self._chips: dict[str, ui.button] = {}
        self.filters = Filters(visit, say, self._found)

    # --- drawn once ---

    def draw(self) -> None:
        campaign = self._campaign
        ui.page_title(f"{say('title')} · {campaign['name']} · dialerd")
        with heading(say("title"), under=say("under", zone=self._zone)):
            ui.link(campaign["name"], f"/campaigns/{campaign['id']}").classes("d-link")
            self._export = draw_download(say("export")) if self._visit.may(Permission.EXPORT) else None
        with ui.row().classes("d-chips").props("role=group") as chips:
            chips.props["aria-label"] = say("by_state")
            for state in ("", *LISTED, LeadState.DELETED):
                chip = ui.button(on_click=lambda state=state: self._narrow(state)).props("flat dense no-caps")
                self._chips[state] = chip.classes("d-chip")
        self.filters.draw()
        self._draw_filters()
        with ui.row().classes("d-row d-leads-bulk") as self._bulk:
            self._reset = ui.button(icon="restart_alt", on_click=self._reset_all).props("outline no-caps")
            self._delete = ui.button(icon="delete", on_click=self._delete_all).props("outline no-caps color=negative")
        empty = say("none" if campaign["total"] else "none_yet")
        self._table = PagedTable(self._visit, f"/campaigns/{campaign['id']}/leads", self._columns(), empty=empty)
        self._put_counts()

    def _draw_filters(self) -> None:
        if self._visit.may(Permission.VIEW_LEADS):
            self.filters.text("number", type="tel", placeholder="+1202")
            self.filters.text("name", maxlength="100")
        self.filters.text("time_zone", placeholder="Europe/London")
        self.filters.choice("held_by", {held["rule"]: held_word(held["rule"]) for held in self._campaign["held_leads"]})
        self.filters.buttons()

    def _columns(self) -> Sequence[Column]:
        most = self._campaign["settings"]["max_attempts"]
        return (
            Column(name="name", label=say("name"), show=called, to=lambda lead: f"/leads/{lead['id']}"),
            Column(name="number", label=say("number"), show=lambda lead: lead["number"] or say("hidden")),
            Column(
                name="state",
                label=say("state"),
                show=lambda lead: lead_word(lead["state"]),
                colour=lambda lead: LEAD_COLOURS[lead["state"]],
            ),
            Column(name="attempts", label=say("attempts"), show=lambda lead: attempts_text(lead, most)),
            Column(name="due", label=say("due"), show=lambda lead: due_text(lead, self._zone)),
            Column(name="ticket", label=say("ticket"), show=lambda lead: lead["ticket_id"] or ""),
            Column(name="changed", label=say("changed"), show=lambda lead: time_text(lead["changed_at"], self._zone)),
        )

    # --- what changes ---

    @property
    def _state(self) -> str:
        return str(self._visit.query.get("state", ""))

    async def _narrow(self, state: str) -> None:
        self._visit.query = {**self._visit.query, "state": state}
        await self.filters.search()

    async def _found(self) -> None:
        """Of the filters: loads the table. Raises Refused."""
        asked = {"state": self._state or None, **self.filters.values}
        asked["number"] = number_typed(asked.get("number") or "")
        if self._export is not None:
            self._export.props["href"] = address_of(
                f"/campaigns/{self._campaign['id']}/leads/export", state=asked["state"]
            )
        self._put_counts()
        await self._table.find(**{name: value for name, value in asked.items() if value is not None})

    def hear(self, message: Message) -> None:
        """Of the live feed."""
        if message.kind == "counts":
            self._campaign = with_counts(self._campaign, message.data)
            self._stale = True
            self._put_counts()

    async def keep_up(self) -> None:
        """Raises Refused."""
        if self._stale:
            self._stale = False
            await self._table.load()

    def _put_counts(self) -> None:
        leads = self._campaign["leads"]
        for state, chip in self._chips.items():
            here, number = state == self._state, leads.get(state) if state else self._campaign["total"]
            title = lead_word(state) if state else say("all")
            chip.text = title if number is None else f"{title} {count_text(number)}"
            chip.classes(add="d-here" if here else "", remove="" if here else "d-here")
            chip.props["aria-pressed"] = str(here).lower()
            chip.visible = here or number is None or number > 0 or not state
        self._put_bulk(leads.get(self._state, 0))

    def _put_bulk(self, number: int) -> None:
        """What is done with all leads of the state that is shown."""
        self._bulk.visible = self._visit.may(Permission.MANAGE_LEADS) and self._state in set(Which) and number > 0
        if self._bulk.visible:
            told = {"number": count_text(number), "state": lead_word(self._state)}
            self._reset.text, self._delete.text = say("reset.button", **told), say("delete.button", **told)

    # --- all of a state ---

    async def _reset_all(self) -> None:
        state = self._state
        if await confirm(self._reset.text, self._what_happens("reset"), say("reset.go")):
            with self._visit.telling():
                path = f"/campaigns/{self._campaign['id']}/leads/reset"
                await self._done("reset", await self._visit.door.post(path, {"state": state}))

    async def _delete_all(self) -> None:
        state = self._state
        if await confirm(self._delete.text, self._what_happens("delete"), say("delete.go"), danger=True):
            with self._visit.telling():
                path = f"/campaigns/{self._campaign['id']}/leads"
                await self._done("delete", await self._visit.door.delete(path, state=state))

    def _what_happens(self, action: str) -> str:
        """Other filters do not narrow it: that has to be said."""
        others = say("whole_state", state=lead_word(self._state)) if self.filters.values else ""
        return f"{say(f'{action}.text')} {others}".strip()

    async def _done(self, action: str, changed: Mapping[str, Any]) -> None:
        note(say(f"{action}.done", number=count_text(changed["changed"])))
        self._campaign = await self._visit.door.get(f"/campaigns/{self._campaign['id']}")
        self._put_counts()
        await self._table.load()


# --- words that the page of a lead has, too ---------------------------------------------------------------------------


def called(lead: Row) -> str:
    """Its name, or what stands for that: it has none, or the user may not see it."""
    return name_of({name: lead[name] or "" for name in ("first_name", "last_name")}) or say(
        "nameless", number=lead["id"]
    )


def attempts_text(lead: Row, most: int) -> str:
    return say("attempts_of", used=lead["attempts_used"], most=lead["max_attempts"] or most)


def due_text(lead: Row, zone: str) -> str:
    """When it is called next, or why it is not: a sentence."""
    held = held_word(lead["held_by"]) if lead["held_by"] else ""
    if lead["state"] in IN_FLIGHT:
        return say("next.now")
    if lead["state"] in FINAL:
        return say("next.never_for", why=held) if held else say("next.never")
    if waits(lead):
        return say("next.held", why=held, at=time_text(lead["not_before"], zone))
    return say("next.since", at=time_text(lead["due_at"], zone))


def waits(lead: Row) -> bool:
    """Whether its time has not come yet."""
    until = moment(lead["not_before"])
    return until is not None and until > now()


PAGES = (
    Page(path="/campaigns/{campaign_id:int}/leads", title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),
)
