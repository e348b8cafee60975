"""All campaigns at a glance: how far each is, what it does just now and why it does not dial, and the buttons that steer it."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.api.live import Message
from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.nodes import NodeState
from dialerd.domain.roles import Permission
from dialerd.portal import campaign_words as words
from dialerd.portal.campaign_actions import Changed, clone, draw_icons, name_button
from dialerd.portal.campaign_actions import say as say_action
from dialerd.portal.campaign_words import OVER
from dialerd.portal.frame import Page, heading
from dialerd.portal.meter import Meter
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import STATUS_COLOURS, count_text, mode_word, status_word

say = texts("campaigns")

LOOK_S = 10.0
"""What the live feed does not tell: abandonment, new campaigns, and those that neither run nor are paused."""
DRAW_S = 1.0
TYPED_MS = 300
ROWS = 50
"""Drawn at first, and with each "Show more"."""

CURRENT = [status for status in CampaignStatus if status not in OVER]
_FIRST = ("running", "scheduled", "paused", "stopped", "draft", "completed", "cancelled")
"""In this order, as people see them; of one status the newest first."""
_CHOICES = ("", *_FIRST, "all")
_COLUMNS = ("campaign", "status", "progress", "calls", "pace", "abandonment", "started", "buttons")

Campaign = Mapping[str, Any]


async def _show(visit: Visit) -> None:
    zone = await visit.zone()
    with heading(say("title"), under=say("under", zone=zone)):
        if visit.may(Permission.BUILD):
            new = ui.button(say("new"), icon="add", on_click=lambda: ui.navigate.to("/campaigns/new"))
            new.props("unelevated no-caps")
    board = _Board(visit, zone)
    await board.load()
    visit.follow(None, board.hear)
    visit.every(DRAW_S, board.keep_up)
    visit.every(LOOK_S, board.load)


class _Board:
    """What is loaded, and what is drawn of it. A row is drawn once; later only what has changed in it."""

    def __init__(self, visit: Visit, zone: str) -> None:
        self._visit = visit
        self._zone = zone
        self._chosen = chosen if (chosen := visit.query.get("status", "")) in _CHOICES else ""
        self._text = visit.query.get("text", "")
        self._most = ROWS
        self._campaigns: dict[int, Campaign] = {}
        self._rows: dict[int, _Row] = {}
        self._changed: set[int] = set()
        self._stale = False
        self._state = ui.column().classes("d-campaigns-state").props("role=status")
        self._told: Any = None
        self._chips: dict[str, ui.button] = {}
        self._draw_filters()
        self._list = ui.column().classes("d-campaigns-list")

    # --- loading ---

    async def load(self) -> None:
        """All anew. Raises Refused."""
        self._stale = False
        status = await self._visit.door.get("/status", limit=1)
        found = await self._found(CURRENT)
        if self._chosen in (*OVER, "all"):
            found += await self._found([each for each in OVER if self._chosen in (each, "all")])
        self._tell_state(status)
        self._count(found, status["campaigns"])
        self._put([each for each in found if self._is_chosen(each)], is_first=not sum(status["campaigns"].values()))

    async def _found(self, statuses: Sequence[CampaignStatus]) -> list[Any]:
        return await self._visit.door.all("/campaigns", status=statuses, text=self._text)

    def _is_chosen(self, campaign: Campaign) -> bool:
        return self._chosen == "all" or campaign["shown_status"] in ([self._chosen] if self._chosen else CURRENT)

    def hear(self, message: Message) -> None:
        """Of the live feed: noted here, and drawn by `keep_up`."""
        if message.kind == "campaign":
            self._stale = True
        if message.kind != "counts" or (known := self._campaigns.get(message.data["campaign_id"])) is None:
            return
        now = words.with_counts(known, message.data)
        self._stale |= now["shown_status"] != known["shown_status"]
        self._campaigns[now["id"]] = now
        self._changed.add(now["id"])

    async def keep_up(self) -> None:
        if self._stale:
            await self.load()
        for one in self._changed & self._rows.keys():
            self._rows[one].put(self._campaigns[one])
        self._changed.clear()

    async def _narrow(self, *, chosen: str | None = None, text: str | None = None) -> None:
        """To other campaigns; the address says so."""
        self._chosen = self._chosen if chosen is None else chosen
        self._text = self._text if text is None else text.strip()
        self._most = ROWS
        self._visit.note_in_address(status=self._chosen, text=self._text)
        with self._visit.telling():
            await self.load()

    async def _show_more(self) -> None:
        self._most += ROWS
        with self._visit.telling():
            await self.load()

    # --- drawing ---

    def _draw_filters(self) -> None:
        with ui.row().classes("d-row"):
            search = ui.input(say("search"), value=self._text)
            search.on_value_change(lambda event: self._narrow(text=str(event.value or "")))
            search.props(f"outlined dense clearable debounce={TYPED_MS} type=search").classes("d-campaigns-search")
            with ui.row().classes("d-chips").props("role=group") as chips:
                chips.props["aria-label"] = say("filter")
                for choice in _CHOICES:
                    chip = ui.button(on_click=lambda choice=choice: self._narrow(chosen=choice))
                    self._chips[choice] = chip.props("flat dense no-caps").classes("d-chip")

    def _count(self, found: Sequence[Campaign], totals: Mapping[str, int]) -> None:
        """On the buttons that narrow: by the status that people see. What is over is counted where nothing is searched for."""
        current = [each["shown_status"] for each in found if each["shown_status"] in CURRENT]
        numbers: dict[str, int] = {"": len(current), **{status: current.count(status) for status in CURRENT}}
        if not self._text:
            numbers |= {status: totals.get(status, 0) for status in OVER} | {"all": sum(totals.values())}
        for choice, chip in self._chips.items():
            title, here = say(f"choices.{choice or 'current'}"), choice == self._chosen
            chip.text = f"{title} {numbers[choice]}" if choice in numbers else title
            chip.classes(add="d-here" if here else "", remove="" if here else "d-here")
            chip.props["aria-pressed"] = str(here).lower()
            chip.visible = here or choice in ("", "all") or numbers.get(choice, 1) > 0

    def _tell_state(self, status: Mapping[str, Any]) -> None:
        """Of the account as a whole: what is under way, and what is wrong."""
        running = status["campaigns"].get("running", 0)
        alive = [node for node in status["nodes"] if node["state"] == NodeState.ALIVE]
        told = (running, status["in_flight"], bool(alive))
        if told == self._told:
            return
        self._told = told
        self._state.clear()
        with self._state:
            ui.label(say("state", running=running, calls=count_text(status["in_flight"]))).classes("d-help")
            if running and not alive:
                ui.label(say("no_daemon")).classes("d-banner")

    def _put(self, found: list[Campaign], *, is_first: bool) -> None:
        found.sort(key=lambda each: (_FIRST.index(each["shown_status"]), -each["id"]))
        self._campaigns = {each["id"]: each for each in found}
        shown = found[: self._most]
        if [each["id"] for each in shown] != list(self._rows) or not shown:
            self._draw(shown, more=len(found) - len(shown), is_first=is_first)
        for each in shown:
            self._rows[each["id"]].put(each)

    def _draw(self, shown: Sequence[Campaign], *, more: int, is_first: bool) -> None:
        self._rows = {}
        self._list.clear()
        with self._list:
            if not shown:
                _draw_none(self._visit, is_first=is_first)
                return
            with ui.element("table").classes("d-campaigns"):
                _draw_head()
                with ui.element("tbody"):
                    self._rows = {each["id"]: _Row(self._visit, self._zone, self.load, each["id"]) for each in shown}
            if more:
                ui.button(say("more", number=more), on_click=self._show_more).props("flat no-caps")


def _draw_none(visit: Visit, *, is_first: bool) -> None:
    with ui.column().classes("d-empty"):
        ui.label(say("none.first" if is_first else "none.found")).classes("d-title")
        builds = is_first and visit.may(Permission.BUILD)
        ui.label(say("none.first_how" if builds else "none.wait" if is_first else "none.found_how")).classes("d-prose")


def _draw_head() -> None:
    with ui.element("thead"), ui.element("tr"):
        for column in _COLUMNS:
            with ui.element("th").props("scope=col").classes(f"d-c-{column}"):
                ui.label(say(f"columns.{column}"))


class _Row:
    """A campaign in the list."""

    def __init__(self, visit: Visit, zone: str, changed: Changed, campaign_id: int) -> None:
        self._visit = visit
        self._zone = zone
        self._changed = changed
        self._buttons_for: object = None
        self._campaign: Campaign = {}
        with ui.element("tr"):
            with _cell("campaign"):
                self._name = ui.link(target=f"/campaigns/{campaign_id}").classes("d-link")
                self._about = ui.label().classes("d-help")
                self._why = ui.label().classes("d-why")
            with _cell("status"):
                self._status = ui.label()
            with _cell("progress"):
                self._progress_bar = Meter(say("columns.progress"))
                self._progress = ui.label()
            with _cell("calls"):
                self._calls = ui.label()
            with _cell("pace"):
                self._pace = ui.label()
            with _cell("abandonment"):
                self._abandonment = ui.label()
            with _cell("started"):
                self._started = ui.label()
            with _cell("buttons"):
                self._buttons = ui.row().classes("d-row-buttons")

    def put(self, campaign: Campaign) -> None:
        ledger = campaign["abandonment"]
        self._name.text = campaign["name"]
        self._about.text = say(
            "about", queue=campaign["queue"] or say("no_queue"), mode=mode_word(campaign["dial_mode"])
        )
        self._why.text = words.why(campaign, self._zone) if campaign["hold"] else ""
        self._why.visible = bool(campaign["hold"])
        self._status.text = status_word(campaign["shown_status"])
        self._status.classes(replace=f"d-badge d-{STATUS_COLOURS[campaign['shown_status']]}")
        self._progress.text = words.progress_text(campaign)
        self._progress_bar.put(words.progress_text(campaign), words.progress_share(campaign))
        self._calls.text = words.lines_text(campaign)
        self._pace.text = say("a_second", pace=words.pace_text(campaign))
        self._abandonment.text = words.abandonment_text(ledger)
        self._abandonment.classes(
            replace=f"d-{colour}" if (colour := words.abandonment_colour(ledger)) != "teal" else ""
        )
        self._started.text = words.start_text(campaign, self._zone) or say("not_started")
        self._put_buttons(campaign)

    def _put_buttons(self, campaign: Campaign) -> None:
        """Drawn anew only with other actions: nobody's click is to miss."""
        self._campaign = campaign
        if self._buttons_for == (wanted := (tuple(campaign["possible_actions"]), campaign["name"])):
            return
        self._buttons_for = wanted
        self._buttons.clear()
        with self._buttons:
            draw_icons(self._visit, lambda: self._campaign, self._changed)
            if self._visit.may(Permission.BUILD):
                button = ui.button(icon="content_copy", on_click=lambda: clone(self._visit, self._campaign))
                button.props("flat dense round")
                name_button(button, say_action("of_campaign", action=say_action("clone.button"), name=campaign["name"]))


def _cell(column: str) -> ui.element:
    cell = ui.element("td").classes(f"d-c-{column}")
    cell.props["data-label"] = say(f"columns.{column}")
    return cell


PAGES = (Page(path="/campaigns", title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),)
