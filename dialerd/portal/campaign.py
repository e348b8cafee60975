"""A campaign, live: what it does, why it does not dial, how far it is, and everything that steers it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nicegui import ui

from dialerd.api.live import Message
from dialerd.domain.roles import Permission
from dialerd.portal.campaign_actions import clone, delete, draw_buttons, may_delete
from dialerd.portal.campaign_actions import say as say_action
from dialerd.portal.campaign_calls import LatestCalls
from dialerd.portal.campaign_charts import Charts
from dialerd.portal.campaign_figures import LeadFigures, Present
from dialerd.portal.campaign_why import Why
from dialerd.portal.campaign_words import OVER, with_counts
from dialerd.portal.door import Refused
from dialerd.portal.frame import Page, heading
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import mode_word

say = texts("campaign")

LOOK_S = 5.0
"""What the live feed does not tell: abandonment, held leads, whether a daemon is there."""
DRAW_S = 1.0
CALLS_S = 2.0
CHARTS_S = 30.0

Campaign = Mapping[str, Any]


async def _show(visit: Visit) -> None:
    board = _Board(visit, visit.id("campaign_id"), await visit.zone())
    await board.open()


class _Board:
    """The campaign as it is known, and the parts of the page that show it."""

    def __init__(self, visit: Visit, campaign_id: str, zone: str) -> None:
        self._visit = visit
        self._path = f"/campaigns/{campaign_id}"
        self._zone = zone
        self._campaign: dict[str, Any] = {}
        self._etag: str | None = None
        self._agents: Mapping[str, int] | None = None
        self._changed = True
        self._stale = False
        self._buttons_for: object = None

    async def open(self) -> None:
        """Raises Refused."""
        await self._read()
        self._agents = await self._read_agents()
        self._draw_frame()
        self._put()
        await self._calls.load()
        await self._charts.load(self._agents)
        self._visit.follow(self._campaign["id"], self._hear)
        self._visit.every(DRAW_S, self._keep_up)
        self._visit.every(LOOK_S, self._look)
        self._visit.every(CALLS_S, self._calls.keep_up)
        self._visit.every(CHARTS_S, lambda: self._charts.load(self._agents))

    # --- what is known ---

    async def _read(self) -> None:
        answer = await self._visit.door.ask("GET", self._path)
        told = {name: self._campaign[name] for name in ("real",) if name in self._campaign}
        self._campaign, self._etag = {**told, **answer.body}, answer.etag
        self._stale, self._changed = False, True

    async def _read_agents(self) -> Mapping[str, int] | None:
        """Those of its queue; None where nobody tells of it."""
        if not self._campaign["queue"]:
            return None
        try:
            queue = await self._visit.door.get(f"/queues/{quote(self._campaign['queue'], safe='')}")
        except Refused:
            return None
        return {"all": queue["agents"], **{name: queue[name] for name in _AGENTS}} if queue["known"] else None

    def _hear(self, message: Message) -> None:
        """Of the live feed: noted, and drawn by `_keep_up`."""
        if message.kind == "counts":
            now = with_counts(self._campaign, message.data)
            self._stale |= now["status"] != self._campaign["status"]
            self._campaign, self._agents = now, message.data["agents"]
            self._changed = True
            self._calls.hear_counts(message.data)
        elif message.kind == "campaign":
            self._stale = True
        else:
            self._calls.hear(message.data)

    async def _keep_up(self) -> None:
        if self._stale:
            await self._read()
        if self._changed:
            self._put()

    async def _look(self) -> None:
        await self._read()
        await self._why.load_rules()

    async def _acted(self) -> None:
        with self._visit.telling():
            await self._read()
            self._put()

    # --- what is drawn ---

    def _draw_frame(self) -> None:
        campaign = self._campaign
        ui.page_title(f"{campaign['name']} · dialerd")
        about = say(
            "about", queue=campaign["queue"] or say("no_queue"), mode=mode_word(campaign["dial_mode"]), zone=self._zone
        )
        with heading(campaign["name"], under=f"{about} {campaign['settings']['note']}".strip()):
            self._buttons = ui.row().classes("d-buttons")
        self._why = Why(self._visit, self._path, self._zone)
        self._draw_ways()
        self._present = Present(self._visit, self._path, self._zone, self._read_to_edit)
        self._leads = LeadFigures(campaign["id"])
        self._charts = Charts(self._visit, self._path, self._zone)
        self._calls = LatestCalls(self._visit, campaign["id"], self._zone)

    def _draw_ways(self) -> None:
        """To what belongs to it, and its lists as files."""
        one = self._campaign["id"]
        ways = [("leads", f"/campaigns/{one}/leads", Permission.VIEW, "list")]
        ways += [("activity", f"/activity?campaign_id={one}", Permission.VIEW_LEADS, "history")]
        ways += [("recordings", f"/recordings?campaign_id={one}", Permission.LISTEN, "graphic_eq")]
        files = [
            ("export_leads", f"/api/v1/campaigns/{one}/leads/export"),
            ("export_calls", f"/api/v1/attempts/export?campaign_id={one}"),
        ]
        with ui.element("nav").classes("d-ways") as nav:
            nav.props["aria-label"] = say("ways.title")
            for name, path, permission, icon in ways:
                if self._visit.may(permission):
                    _draw_way(name, path, icon)
            for name, path in files if self._visit.may(Permission.EXPORT) else ():
                _draw_way(name, path, "download").props("download")

    def _put(self) -> None:
        self._changed = False
        self._put_buttons()
        self._why.put(self._campaign)
        self._present.put(self._campaign, self._agents)
        self._leads.put(self._campaign)

    def _put_buttons(self) -> None:
        """Drawn anew only with other actions: nobody's click is to miss."""
        if self._buttons_for == (wanted := tuple(self._campaign["possible_actions"])):
            return
        self._buttons_for = wanted
        self._buttons.clear()
        with self._buttons:
            draw_buttons(self._visit, lambda: self._campaign, self._acted)
            if self._visit.may(Permission.BUILD):
                self._draw_building()

    def _draw_building(self) -> None:
        if self._campaign["status"] not in OVER:
            edit = ui.button(say("edit"), icon="edit", on_click=lambda: ui.navigate.to(f"{self._path}/edit"))
            edit.props("outline no-caps")
        copy = ui.button(
            say_action("clone.button"), icon="content_copy", on_click=lambda: clone(self._visit, self._campaign)
        )
        copy.props("outline no-caps")
        if may_delete(self._visit, self._campaign):
            gone = ui.button(
                say_action("delete.button"), icon="delete", on_click=lambda: delete(self._visit, self._campaign)
            )
            gone.props("outline no-caps color=negative")

    async def _read_to_edit(self) -> tuple[Campaign, str | None]:
        """As it is now, and the ETag that stands for that."""
        await self._read()
        return self._campaign, self._etag


_AGENTS = ("free", "paused", "in_call")


def _draw_way(name: str, path: str, icon: str) -> ui.element:
    with ui.element("a").classes("d-link d-way-out") as link:
        link.props["href"] = path
        ui.icon(icon, size="18px").props("aria-hidden=true")
        ui.label(say(f"ways.{name}"))
    return link


PAGES = (Page(path="/campaigns/{campaign_id:int}", title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),)
