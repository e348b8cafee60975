"""In which queues an agent is, and whether paused: seen, and wished otherwise."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from dialerd.portal.desk_lead import draw_clock, ms
from dialerd.portal.dialogs import warn
from dialerd.portal.frame import section
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit

say = texts("desktop")

Seat = Mapping[str, Any]
_COLOURS = {
    "ready": "green",
    "talking": "blue",
    "ringing": "amber",
    "wrapup": "blue",
    "paused": "amber",
    "partly": "amber",
}
_ALL_COLOURS = "d-green d-blue d-amber d-grey"
_ON_THE_PHONE = ("inuse", "busy", "ringinuse", "onhold")
_OFF = ("unavailable", "invalid", "unknown")
_LOGIN = {False: "outline", True: "unelevated color=positive"}
"""How the button looks: what is to be done next stands out."""
ASK_AGAIN_S = 0.5
ASKS = 24
"""A wish that no daemon has carried out is refused after 10 s."""


def state_of(seats: Sequence[Seat]) -> str:
    """Of the phone, in all its queues together: a text of [state]."""
    known = [seat for seat in seats if seat["known"]]
    served = [seat for seat in known if seat["member"]]
    if not served:
        return ("out" if known else "unknown") if seats else "nowhere"
    paused = [seat for seat in served if seat["paused"]]
    states = {seat["state"] for seat in served}
    found = (
        ("talking", any(seat["in_call"] for seat in served) or bool(states & {*_ON_THE_PHONE})),
        ("ringing", "ringing" in states),
        ("unreachable", states <= {*_OFF}),
        ("paused", len(paused) == len(served)),
        ("wrapup", wrapup_of(served) is not None),
        ("partly", bool(paused)),
    )
    return next((name for name, holds in found if holds), "ready")


def wrapup_of(seats: Sequence[Seat]) -> str | None:
    return max((seat["wrapup_until"] for seat in seats if seat["wrapup_until"]), default=None)


class Presence:
    """`path`: of the agent, in the API; `told`: hears the state with each look."""

    def __init__(self, visit: Visit, path: str, told: Callable[[str], None]) -> None:
        self._visit, self._path, self._told = visit, path, told
        self._rows: dict[str, _Row] = {}
        self._reasons: Sequence[str] | None = None
        self._is_out = False
        with section(say("presence.title"), help=say("presence.help")):
            with ui.row().classes("d-row"):
                self._state = ui.label().classes("d-badge d-state").props("role=status")
                self._clock = draw_clock(say("lead.time_left"))
            with ui.row().classes("d-buttons") as self._buttons:
                self._draw_buttons()
            self._asking = ui.label(say("presence.asking")).classes("d-help").props("role=status")
            self._refused = ui.label().classes("d-why").props("role=status")
            self._none = ui.label(say("presence.none")).classes("d-help")
            self._list = ui.element("div").classes("d-seats")
        self._asking.visible = self._refused.visible = False

    def _draw_buttons(self) -> None:
        self._login = ui.button(say("presence.login"), icon="login", on_click=partial(self._wish, "login"))
        self._unpause = ui.button(say("presence.unpause"), icon="play_arrow", on_click=partial(self._wish, "unpause"))
        self._login.props("outline no-caps")
        self._unpause.props("unelevated no-caps color=positive")
        with ui.button(say("presence.pause"), icon="pause").props("outline no-caps") as self._pause:
            self._menu = ui.menu()
        self._logout = ui.button(say("presence.logout"), icon="logout", on_click=partial(self._wish, "logout"))
        self._logout.props("flat no-caps")

    # --- what changes ---

    async def look(self) -> None:
        self._show(await self._visit.door.get(f"{self._path}/presence"))

    def _show(self, presence: Mapping[str, Any]) -> None:
        seats = presence["queues"]
        state, served = state_of(seats), [seat for seat in seats if seat["member"]]
        self._show_state(state, presence, served)
        self._login.visible = any(seat["known"] and not seat["member"] for seat in seats)
        self._logout.visible = any(not seat["fixed"] for seat in served)
        self._pause.visible = any(not seat["paused"] for seat in served)
        self._unpause.visible = any(seat["paused"] for seat in served)
        self._none.visible = not seats
        self._show_seats(seats)
        self._show_reasons(presence["pause_reasons"])
        self._told(state)

    def _show_state(self, state: str, presence: Mapping[str, Any], served: Sequence[Seat]) -> None:
        reason = next((seat["pause_reason"] for seat in served if seat["paused"] and seat["pause_reason"]), "")
        self._state.text = (
            say("state.paused_for", reason=reason) if state == "paused" and reason else say(f"state.{state}")
        )
        self._state.classes(remove=_ALL_COLOURS, add=f"d-{_COLOURS.get(state, 'grey')}")
        until = ms(wrapup_of(served))
        if self._clock.props.get("data-until", "") != until:
            self._clock.props["data-until"] = until
        if (state == "out") != self._is_out:
            self._is_out = state == "out"
            self._login.props(remove=_LOGIN[not self._is_out], add=_LOGIN[self._is_out])
        wish = presence["last_wish"]
        self._asking.visible = wish is not None and wish["state"] == "waiting"

    def _show_seats(self, seats: Sequence[Seat]) -> None:
        if [seat["queue"] for seat in seats] != list(self._rows):
            self._list.clear()
            with self._list:
                self._rows = {seat["queue"]: _Row(seat, self._wish) for seat in seats}
        for seat in seats:
            self._rows[seat["queue"]].show(seat)

    def _show_reasons(self, reasons: Sequence[str]) -> None:
        if reasons == self._reasons:
            return
        self._reasons = reasons
        self._menu.clear()
        with self._menu:
            for reason in (*reasons, ""):
                pause = partial(self._wish, "pause", reason=reason)
                ui.menu_item(reason or say("presence.no_reason"), on_click=pause)

    # --- what the agent wishes ---

    async def _wish(self, action: str, *, queue: str | None = None, reason: str = "") -> None:
        self._refused.visible = False
        with self._visit.telling():
            wished = {"action": action, "queue": queue, "reason": reason}
            wish = await self._visit.door.post(f"{self._path}/presence", wished)
            await self._see_it_done(wish["id"])

    async def _see_it_done(self, wish_id: int) -> None:
        for _ in range(ASKS):
            presence = await self._visit.door.get(f"{self._path}/presence")
            self._show(presence)
            wish = presence["last_wish"]
            if wish is None or wish["id"] != wish_id:
                return
            if wish["state"] != "waiting":
                self._tell(wish)
                return
            await asyncio.sleep(ASK_AGAIN_S)

    def _tell(self, wish: Mapping[str, Any]) -> None:
        if wish["refused"]:
            self._refused.text = say("presence.refused", why=wish["refused"])
            self._refused.visible = True
            warn(self._refused.text)


class _Row:
    """A queue, and the agent in it. `wish(action, queue=...)`."""

    def __init__(self, seat: Seat, wish: Callable[..., Any]) -> None:
        queue = seat["queue"]
        with ui.element("div").classes("d-seat"):
            with ui.column().classes("d-seat-name"):
                ui.label(queue).classes("d-seat-queue")
                self._campaigns = ui.label().classes("d-help")
                self._more = ui.label().classes("d-help")
            self._state = ui.label().classes("d-badge")
            with ui.row().classes("d-seat-buttons"):
                self._buttons = {
                    action: _draw_button(action, queue, wish) for action in ("login", "unpause", "pause", "logout")
                }

    def show(self, seat: Seat) -> None:
        state = state_of([seat])
        self._campaigns.text = ", ".join(seat["campaigns"])
        calls = say("presence.calls", count=seat["calls_taken"]) if seat["calls_taken"] is not None else ""
        self._more.text = " · ".join(filter(None, (calls, say("presence.fixed") if seat["fixed"] else "")))
        self._more.visible = bool(self._more.text)
        self._state.text = say(f"state.{state}")
        self._state.classes(remove=_ALL_COLOURS, add=f"d-{_COLOURS.get(state, 'grey')}")
        member, paused = seat["member"], seat["paused"]
        self._buttons["login"].visible = seat["known"] and not member
        self._buttons["logout"].visible = member and not seat["fixed"]
        self._buttons["pause"].visible = member and not paused
        self._buttons["unpause"].visible = member and paused


_ICONS = {"login": "login", "logout": "logout", "pause": "pause", "unpause": "play_arrow"}


def _draw_button(action: str, queue: str, wish: Callable[..., Any]) -> ui.button:
    button = ui.button(icon=_ICONS[action], on_click=partial(wish, action, queue=queue))
    button.props("flat dense round size=sm")
    said = say("presence.in_queue", action=say(f"presence.{action}"), queue=queue)
    button.props["aria-label"] = button.props["title"] = said
    return button
