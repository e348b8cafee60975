"""One lead: who it is, why it is not called now, its calls, and its whole life; and that it begins anew, or goes."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.domain.leads import FINAL, IN_FLIGHT, LeadState
from dialerd.domain.roles import Permission
from dialerd.portal.activity import begun_column, draw_facts, draw_moment, number_column, result_columns
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.frame import Page, heading, section
from dialerd.portal.lead_words import life_text, next_text, rule_facts, rule_text, sentence
from dialerd.portal.leads import attempts_text, called, due_text
from dialerd.portal.tables import PagedTable
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import LEAD_COLOURS, lead_word, length_text, time_text

say = texts("lead")

LINES = 100

Lead = Mapping[str, Any]


async def _show(visit: Visit) -> None:
    page = _LeadPage(visit, await visit.zone())
    await page.draw()


class _LeadPage:
    def __init__(self, visit: Visit, zone: str) -> None:
        self._visit = visit
        self._zone = zone
        self._path = f"/leads/{visit.id('lead_id')}"
        self._place = ui.column().classes("d-builder")

    async def draw(self) -> None:
        """All of it, anew. Raises Refused."""
        lead = await self._visit.door.get(self._path)
        campaign = await self._visit.door.get(f"/campaigns/{lead['campaign_id']}")
        sees = self._visit.may(Permission.VIEW_LEADS)
        told = await self._visit.door.get(f"{self._path}/explanation") if sees else None
        self._place.clear()
        with self._place:
            self._draw_head(lead, campaign)
            self._draw_now(lead, told)
            self._draw_lead(lead, campaign)
            if sees:
                await self._draw_calls(lead)
                await _Life(self._visit, self._path, self._zone).draw(lead)

    def _draw_head(self, lead: Lead, campaign: Lead) -> None:
        ui.page_title(f"{called(lead)} · dialerd")
        under = say("under", number=lead["number"] or say("hidden"), zone=self._zone)
        with heading(called(lead), under=under):
            if self._visit.may(Permission.MANAGE_LEADS) and lead["state"] != LeadState.DELETED:
                self._draw_buttons(lead)
        path = f"/campaigns/{campaign['id']}"
        with ui.element("nav").classes("d-ways") as nav:
            nav.props["aria-label"] = say("ways")
            ui.link(campaign["name"], path).classes("d-link")
            ui.link(say("all_leads"), f"{path}/leads").classes("d-link")

    def _draw_buttons(self, lead: Lead) -> None:
        """Of a lead that is being called neither is possible: the API says so."""
        ui.button(say("reset.button"), icon="restart_alt", on_click=self._reset).props("outline no-caps")
        ui.button(say("delete.button"), icon="delete", on_click=lambda: self._delete(lead)).props(
            "outline no-caps color=negative"
        )

    async def _reset(self) -> None:
        if await confirm(say("reset.title"), say("reset.text"), say("reset.button")):
            with self._visit.telling():
                await self._visit.door.post(f"{self._path}/reset")
                note(say("reset.done"))
                await self.draw()

    async def _delete(self, lead: Lead) -> None:
        if await confirm(say("delete.title"), say("delete.text"), say("delete.button"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(self._path)
                ui.navigate.to(f"/campaigns/{lead['campaign_id']}/leads")

    # --- why it is not called ---

    def _draw_now(self, lead: Lead, told: Lead | None) -> None:
        with section(say("now.title")):
            with ui.row().classes("d-row"):
                ui.label(lead_word(lead["state"])).classes(f"d-badge d-{LEAD_COLOURS[lead['state']]}")
                ui.label(sentence(told["why"]) if told else due_text(lead, self._zone)).classes("d-why-now")
            if told is None:
                ui.label(say("now.not_seen")).classes("d-help")
                return
            if lead["state"] not in IN_FLIGHT | FINAL:
                ui.label(next_text(told, self._zone)).classes("d-prose")
            forbidding = sum(not rule["allows"] for rule in told["rules"])
            title = say("now.rules", forbidding=forbidding, number=len(told["rules"]))
            with ui.expansion(title).classes("d-more"):
                self._draw_rules(told["rules"])

    def _draw_rules(self, rules: Sequence[Lead]) -> None:
        """Those of the campaign and the lead, then those of each of its numbers."""
        for number in dict.fromkeys(rule["number"] for rule in rules):
            name = say("now.rules_of_number", number=number) if number else say("now.rules_of_lead")
            ui.label(name).classes("d-h3").props("role=heading aria-level=3")
            with ui.element("ul").classes("d-rules"):
                for rule in rules:
                    if rule["number"] == number:
                        self._draw_rule(rule)

    def _draw_rule(self, rule: Lead) -> None:
        allows = rule["allows"]
        with ui.element("li"):
            icon = ui.icon("check" if allows else "block", size="18px").classes("d-green" if allows else "d-red")
            icon.props("role=img")
            icon.props["aria-label"] = say("now.allows" if allows else "now.forbids")
            ui.label(rule_text(rule, self._zone)).classes("" if allows else "d-red")
            if facts := rule_facts(rule["facts"], self._zone):
                ui.label(facts).classes("d-help")

    # --- who it is ---

    def _draw_lead(self, lead: Lead, campaign: Lead) -> None:
        with section(say("who.title")), ui.element("dl").classes("d-facts"):
            draw_facts(self._facts(lead, campaign))
        if lead["custom"]:
            with section(say("who.custom")), ui.element("dl").classes("d-facts"):
                draw_facts([(name, value) for name, value in lead["custom"].items() if value])

    def _facts(self, lead: Lead, campaign: Lead) -> Sequence[tuple[str, str]]:
        told = {
            "number": lead["number"] or say("hidden"),
            "alternates": ", ".join(lead["alternate_numbers"] or ()),
            "dead": ", ".join(lead["dead_numbers"] or ()),
            "attempts": attempts_text(lead, campaign["settings"]["max_attempts"]),
            "dials": str(lead["dials"]),
            "ticket": lead["ticket_id"],
            "type": lead["lead_type"],
            "time_zone": lead["time_zone"],
            "priority": str(lead["priority"]),
            "cooloff": ", ".join(
                length_text(lead[name]) for name in ("cooloff_s", "cooloff_2nd_s", "cooloff_3rd_s") if lead[name]
            ),
            "callback_agent": lead["callback_agent"],
            "skill": lead["skill"],
            "extension": lead["extension"],
            "created": time_text(lead["created_at"], self._zone),
            "changed": time_text(lead["changed_at"], self._zone),
            "dnc": say("who.listed") if lead["on_dnc_at_import"] else "",
            "note": lead["note"],
        }
        return [(say(f"who.{name}"), value) for name, value in told.items() if value]

    async def _draw_calls(self, lead: Lead) -> None:
        with section(say("calls.title")):
            columns = [begun_column(self._zone), number_column(), *result_columns()]
            query = {"lead_id": lead["id"]}
            table = PagedTable(
                self._visit, "/attempts", columns, key="attempt_id", query=query, empty=say("calls.none")
            )
            table.table.props("dense").classes("d-calls")
        await table.load()


class _Life:
    """Line by line from the first to the last, some at a time."""

    def __init__(self, visit: Visit, path: str, zone: str) -> None:
        self._visit = visit
        self._path = f"{path}/activity"
        self._zone = zone
        self._after: int | None = None

    async def draw(self, lead: Lead) -> None:
        """Raises Refused."""
        with section(say("life.title"), help=say("life.help")):
            with ui.element("ol").classes("d-life") as self._list:
                draw_moment(self._time(lead["created_at"]), say("life.created"))
            self._more = ui.button(say("life.more"), on_click=self._show_more).props("flat no-caps")
        await self._load()

    def _time(self, at: str) -> str:
        return time_text(at, self._zone, seconds=True)

    async def _load(self) -> None:
        page = await self._visit.door.get(self._path, limit=LINES, after=self._after)
        self._after = page["next"]
        self._more.visible = page["next"] is not None
        with self._list:
            for line in page["items"]:
                text, more = life_text(line, self._zone)
                draw_moment(self._time(line["at"]), text, more=more)

    async def _show_more(self) -> None:
        with self._visit.telling():
            await self._load()


PAGES = (Page(path="/leads/{lead_id:int}", title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),)
