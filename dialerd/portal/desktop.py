"""The agent desktop: the page that an agent looks at all day, for the own phone; or, for who has none, for a phone that is chosen."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.portal.desk_lead import Before, LeadCard, before_of, name_on
from dialerd.portal.desk_presence import Presence
from dialerd.portal.desk_talk import TalkBox
from dialerd.portal.dialogs import note
from dialerd.portal.forms import Form
from dialerd.portal.frame import Page, heading, section
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import now

say = texts("desktop")

PATH = "/desktop"
LOOK_S = 20.0
"""Between two looks where no bell rings: it does, so hundreds of desktops need not ask more often."""
PRESENCE_S = 5.0
IDLE_ROUNDS = 4
"""So many times PRESENCE_S between two looks at the queues of an agent who waits for a call."""
_IDLE = {"ready", "out", "paused", "wrapup", "unreachable", "unknown", "nowhere"}
"""States of the phone that say why no lead comes."""


async def _show(visit: Visit) -> None:
    ui.add_head_html('<script src="/portal/desktop.js" defer></script>')
    wanted = visit.query.get("agent", "")
    if not wanted and not visit.caller.agent:
        await _choose(visit)
        return
    path = f"/agents/{quote(wanted, safe='/') if wanted else 'me'}"
    desk = await visit.door.get(f"{path}/desk")
    own = desk["agent"] == visit.caller.agent
    zone = await visit.zone()
    with heading(say("title"), under=say("own_phone" if own else "others_phone", phone=desk["agent"], zone=zone)):
        _draw_sound()
    await _Desktop(visit, path, zone).open(desk)


def _draw_sound() -> None:
    """Kept by the browser, as the sound is its own."""
    ui.label(say("silent")).classes("d-help d-silent").props("hidden")
    with ui.element("label").classes("d-sound"):
        ui.element("input").props("type=checkbox")
        ui.label(say("sound"))


class _Desktop:
    """`path`: of the agent, in the API."""

    def __init__(self, visit: Visit, path: str, zone: str) -> None:
        self._visit, self._path = visit, path
        self._before = Before()
        self._state, self._rounds = "", 0
        with ui.element("div").classes("d-desk") as self._root:
            with ui.column().classes("d-desk-main"):
                self._lead = LeadCard(self._answer)
                self._talk = TalkBox(visit, path, zone, self._look)
            with ui.column().classes("d-desk-side"):
                self._presence = Presence(visit, path, self._hear_state)

    async def open(self, desk: Mapping[str, Any]) -> None:
        self._put(desk)
        await self._presence.look()
        self._visit.when_before(desk["agent"], self._look, at_least_every=LOOK_S)
        self._visit.every(PRESENCE_S, self._look_at_presence)

    async def _look(self) -> None:
        earlier = self._before
        self._put(await self._visit.door.get(f"{self._path}/desk"))
        if self._before.stage != earlier.stage:
            await self._presence.look()

    async def _look_at_presence(self) -> None:
        """Seldom while the agent waits for a call: then it changes by the own wish, or with the next call, after which is looked anyhow."""
        self._rounds += 1
        if self._state != "ready" or self._before.stage not in (None, "offer") or self._rounds % IDLE_ROUNDS == 0:
            await self._presence.look()

    def _put(self, desk: Mapping[str, Any]) -> None:
        earlier, self._before = self._before, before_of(desk, self._before)
        self._lead.show(self._before)
        self._talk.show(desk["talk"])
        if self._before != earlier or "data-now" not in self._root.props:
            self._tell_browser(self._before)

    def _tell_browser(self, before: Before) -> None:
        """For what it does by itself: see desktop.js."""
        calls = before.lead is not None and before.stage in ("offer", "ringing")
        title = f"{say(f'stage.{before.stage}')}: {name_on(before.lead)}" if calls and before.lead is not None else ""
        self._root.props["data-call"] = title
        self._root.props["data-sound"] = "offer" if before.stage == "offer" else ""
        self._root.props["data-now"] = str(round(now().timestamp() * 1000))

    def _hear_state(self, state: str) -> None:
        self._state = state
        self._lead.say_why_idle(state if state in _IDLE else "ready")

    async def _answer(self, answer: str) -> None:
        """Of the card that is seen: if another one lies there by now, the API says so."""
        lead = self._before.lead
        if lead is None or self._before.stage != "offer":
            return
        with self._visit.telling():
            await self._visit.door.post(f"{self._path}/card/{answer}", {"card": lead["id"]})
            if answer == "skip":
                note(say("lead.skipped"))
        with self._visit.telling():
            await self._look()


# --- for whom there is no phone ---------------------------------------------------------------------------------------


async def _choose(visit: Visit) -> None:
    if not visit.may(Permission.VIEW):
        with ui.column().classes("d-empty"):
            ui.label(say("choose.no_phone")).classes("d-title").props("role=heading aria-level=1")
            ui.label(say("choose.no_phone_more")).classes("d-prose")
        return
    heading(say("title"))
    phones = await _phones(visit)
    with section(say("choose.title"), help=say("choose.help")):
        form = Form(say)
        agent = form.text("agent")

        def go() -> None:
            if chosen := agent.value.strip():
                ui.navigate.to(f"{PATH}?{urlencode({'agent': chosen}, safe='/')}")

        agent.on("keydown.enter", go)
        if phones:
            known = form.choice("known", phones, None)
            known.on_value_change(lambda: agent.set_value(known.value))
        with ui.row().classes("d-buttons"):
            ui.button(say("choose.open"), on_click=go).props("unelevated no-caps")


async def _phones(visit: Visit) -> dict[str, str]:
    """Of all agents in the queues: phone -> name and phone."""
    found: dict[str, str] = {}
    for queue in await visit.door.all("/queues"):
        for agent in await visit.door.all(f"/queues/{queue['name']}/agents"):
            phone, name = agent["interface"], agent["name"]
            found[phone] = f"{name} ({phone})" if name and name != phone else phone
    return dict(sorted(found.items()))


PAGES = (Page(path=PATH, title=say("title"), show=_show, needs=frozenset({Permission.WORK})),)
