"""A file of the user's, dropped or chosen, that goes from the browser straight to the API."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from dialerd.portal.door import Refused, address_of, refusal_of
from dialerd.portal.texts import texts
from dialerd.portal.visit import ShowsRefusal, Visit

say = texts("files")

Taken = Callable[[Any], Awaitable[None]]


class FileDrop(ui.element, component="file_drop.js"):
    """`taken` gets the API's answer; what it refuses is told by `form`. The file stays chosen, so that it can be sent once more in
    another way."""

    def __init__(self, visit: Visit, taken: Taken, *, accept: str = ".csv,.txt,text/csv") -> None:
        super().__init__()
        self.props["texts"] = say.options("drop")
        self.props["accept"] = accept
        self.classes("d-drop-box")
        self.form: ShowsRefusal | None = None
        self.name = ""
        """Of the file that is chosen; empty: none is."""
        self._visit = visit
        self._taken = taken
        self.on("chosen", self._choose)
        self.on("sent", self._sent)

    def close(self, closed: bool) -> None:
        """Whether no file is taken now."""
        self.props["closed"] = closed

    def send(self, path: str, **query: Any) -> None:
        """To that route of the API."""
        self.run_method("send", address_of(path, **query))

    def _choose(self, event: GenericEventArguments) -> None:
        self.name = str(event.args)

    async def _sent(self, event: GenericEventArguments) -> None:
        status, body = int(event.args["status"]), str(event.args["body"])
        with self._visit.telling(self.form):
            await self._taken(_answer(status, body))


def _answer(status: int, body: str) -> Any:
    """Raises Refused."""
    if not status:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not-sent", say("not_sent"), ())
    if status >= HTTPStatus.BAD_REQUEST:
        raise refusal_of(status, body)
    return json.loads(body)
