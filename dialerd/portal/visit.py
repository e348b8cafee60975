"""A page that somebody has open: who it is, what was asked for, and what pages have in common."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import quote, urlencode

import structlog
from nicegui import Client, background_tasks, ui
from starlette.requests import Request

from dialerd.api.auth import COOKIE
from dialerd.api.card_bell import CardBell
from dialerd.api.live import Message
from dialerd.clock import set_within
from dialerd.domain.roles import Caller, Permission
from dialerd.portal.dialogs import tell_refusal
from dialerd.portal.door import Door, Refused, SignedOut
from dialerd.portal.live import Hub

log = structlog.get_logger(__name__)

SIGN_IN = "/sign-in"


class ShowsRefusal(Protocol):
    def refuse(self, refused: Refused) -> None:
        """Say what is wrong, where it is."""


class Visit:
    """`caller` is who has signed in, `door` the way to the API in their name."""

    def __init__(self, request: Request, client: Client, caller: Caller) -> None:
        state = request.app.state
        self.caller = caller
        self.client = client
        self.path = str(request.url.path)
        self.query = dict(request.query_params)
        self.theme = request.cookies.get("dialerd_theme", "")
        self.card_bell: CardBell = state.parts.card_bell
        self._params = request.path_params
        self._hub: Hub = state.hub
        self.door = Door(
            state.api,
            request.cookies.get(COOKIE, ""),
            address=request.client.host if request.client else "",
            base=f"{request.url.scheme}://{request.url.netloc}",
        )
        client.on_delete(self.door.close)
        client.on_delete(state.collector.note_closed)

    def may(self, permission: Permission) -> bool:
        return permission in self.caller.permissions

    def id(self, name: str) -> str:
        """What stands in the page's address for `{name}`, ready to stand in the API's."""
        return quote(str(self._params[name]), safe="")

    async def zone(self) -> str:
        """The account's time zone, in which people are told times."""
        return str((await self.door.get("/session"))["time_zone"])

    @contextmanager
    def telling(self, form: ShowsRefusal | None = None) -> Iterator[None]:
        """What the API refuses ends the block, and is told: by the form, beside its fields, or in a dialog. Who is signed out signs in
        again, and comes back here."""
        try:
            yield
        except SignedOut:
            self.sign_in_again()
        except Refused as refused:
            if form is not None:
                form.refuse(refused)
            else:
                tell_refusal(refused)

    def sign_in_again(self) -> None:
        with self.client:
            ui.navigate.to(sign_in_address(self.path))

    def note_in_address(self, **query: object) -> None:
        """What is filtered by, so that the page can be linked to and loaded anew. What is None or empty is left out."""
        said = {name: value for name, value in query.items() if value not in (None, "")}
        ui.navigate.history.replace(self.path + (f"?{urlencode(said)}" if said else ""))

    def every(self, seconds: float, look: Callable[[], Awaitable[None]]) -> ui.timer:
        """Look again and again while the page is open. What fails once is tried again the next time; NiceGUI tells of a lost connection
        by itself."""
        return ui.timer(seconds, lambda: self._guarded(look), immediate=False)

    def when_before(self, agent: str, look: Callable[[], Awaitable[None]], *, at_least_every: float) -> None:
        """Look as soon as there is something new before the agent (PJSIP/1001), and every so many seconds, while the page is open; and
        at first, for what has come since the page was read."""

        async def look_for_ever() -> None:
            with self.card_bell.listening(agent) as rung:
                while True:
                    rung.clear()
                    await self._guarded(look)
                    await set_within(rung, at_least_every)

        task = background_tasks.create(look_for_ever(), name=f"desktop of {agent}")
        self.client.on_delete(lambda: task.cancel() and None)

    async def _guarded(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except SignedOut:
            self.sign_in_again()
        except Refused as refused:
            log.warning("portal_look_failed", path=self.path, why=refused.detail)

    def follow(self, campaign_id: int | None, told: Callable[[Message], None]) -> None:
        """Every message of the live feed while the page is open; `told` may draw. The kinds are those of GET /live: `counts`, `attempt`,
        `campaign`."""

        def tell(message: Message) -> None:
            with self.client:
                told(message)

        self.client.on_delete(self._hub.follow(self.caller, campaign_id, tell))


def sign_in_address(wanted: str) -> str:
    return f"{SIGN_IN}?{'to=' + quote(wanted)}" if wanted != "/" else SIGN_IN
