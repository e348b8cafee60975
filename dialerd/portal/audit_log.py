"""Who has changed what, and who has failed to sign in."""

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.portal.frame import Page, heading
from dialerd.portal.tables import Column, PagedTable, Row
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import time_text

say = texts("audit_log")

REFUSED = 400


async def _show(visit: Visit) -> None:
    zone = await visit.zone()
    heading(say("title"), under=say("under", zone=zone))
    with ui.row().classes("d-row"):
        by = ui.input(say("actor"), value=visit.query.get("actor", ""), placeholder="user anna")
        what = ui.input(say("action_begins"), value=visit.query.get("action", ""), placeholder="DELETE")
        only = ui.checkbox(say("only_refused"), value="refused" in visit.query)
        button = ui.button(say("search"), icon="search").props("unelevated no-caps")
    table = PagedTable(visit, "/audit-log", _columns(zone), empty=say("none"))

    async def search() -> None:
        wanted = {
            "actor": (by.value or "").strip() or None,
            "action": (what.value or "").strip() or None,
            "refused": only.value or None,
        }
        visit.note_in_address(**wanted)
        await table.search(**wanted)

    button.on_click(search)
    for field in (by, what):
        field.props("outlined dense clearable").on("keydown.enter", search)
    await search()


def _columns(zone: str) -> tuple[Column, ...]:
    return (
        Column(name="at", label=say("at"), show=lambda entry: time_text(entry["at"], zone, seconds=True)),
        Column(name="actor", label=say("actor"), show=lambda entry: entry["actor"]),
        Column(name="action", label=say("action"), show=_action),
        Column(name="details", label=say("details"), show=_details),
        Column(name="status", label=say("result"), show=_result, colour=_colour),
        Column(name="address", label=say("address"), show=lambda entry: entry["address"] or say("here")),
    )


def _action(entry: Row) -> str:
    """With what stood in its route."""
    action = str(entry["action"])
    for name, value in entry["target"].items():
        action = action.replace(f"{{{name}}}", str(value)).replace(f"{{{name}:path}}", str(value))
    return action.replace("/api/v1", "")


def _details(entry: Row) -> str:
    return "; ".join(f"{name}: {_plain(value)}" for name, value in entry["details"].items())


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return " → ".join(_plain(inner) for inner in value)
    return "" if value is None else str(value)


def _is_refused(entry: Row) -> bool:
    return bool(entry["status"] >= REFUSED or entry["status"] == 1)


def _result(entry: Row) -> str:
    return say("refused", status=entry["status"]) if _is_refused(entry) else say("done")


def _colour(entry: Row) -> str:
    return "red" if _is_refused(entry) else "green"


PAGES = (Page(path="/audit-log", title=say("title"), show=_show, needs=frozenset({Permission.VIEW_AUDIT})),)
