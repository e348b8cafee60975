"""The daemons of this database, and which of them are to start no call any more."""

from dialerd.domain.roles import Permission
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.frame import Page, heading
from dialerd.portal.tables import Column, Row, draw_table, put_rows
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, count_text

say = texts("nodes")

LOOK_S = 3.0
_COLOURS = {"alive": "green", "draining": "amber", "silent": "red"}


async def _show(visit: Visit) -> None:
    heading(say("title"), under=say("under"))
    nodes = _Nodes(visit)
    nodes.draw()
    await nodes.load()
    visit.every(LOOK_S, nodes.load)


class _Nodes:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._columns = (
            Column(name="id", label=say("name"), show=lambda node: node["id"]),
            Column(name="state", label=say("state"), show=_state, colour=lambda node: _COLOURS[node["state"]]),
            Column(
                name="campaigns", label=say("campaigns"), show=lambda node: count_text(node["campaigns"]), align="right"
            ),
            Column(name="calls", label=say("calls"), show=lambda node: count_text(node["open_calls"]), align="right"),
            Column(name="started", label=say("started"), show=lambda node: ago_text(node["started_at"])),
            Column(name="version", label=say("version"), show=lambda node: node["version"]),
            Column(name="pbx", label=say("pbx"), show=lambda node: node["pbx"] or say("unknown")),
            Column(name="do", label="", show=self._choice, do=self._drain_or_not, align="right"),
        )

    def draw(self) -> None:
        self._table = draw_table(self._columns, empty=say("none"))

    async def load(self) -> None:
        put_rows(self._table, self._columns, await self._visit.door.all("/nodes"))

    def _choice(self, node: Row) -> str:
        if not self._visit.may(Permission.OPERATE):
            return ""
        return say("undrain" if node["draining"] else "drain")

    async def _drain_or_not(self, node: Row) -> None:
        wish = "undrain" if node["draining"] else "drain"
        if await confirm(say(f"{wish}_title", name=node["id"]), say(f"{wish}_text"), say(wish)):
            with self._visit.telling():
                await self._visit.door.post(f"/nodes/{node['id']}/{wish}")
                note(say(f"{wish}_done", name=node["id"]))
                await self.load()


def _state(node: Row) -> str:
    if node["state"] == "silent":
        return say("silent", when=ago_text(node["heartbeat_at"]))
    return say(node["state"])


PAGES = (Page(path="/nodes", title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),)
