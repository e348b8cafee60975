"""Voice menus: what a lead hears, which keys there are, and what each of them means."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from nicegui import ui

from dialerd.domain.menus import KEYS, START, MenuAction
from dialerd.domain.roles import Permission
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.forms import Form
from dialerd.portal.frame import Page, heading, section
from dialerd.portal.tables import Column, draw_table
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit

say = texts("menus")

LIST = "/voice-menus"
_ENDS = (MenuAction.END, MenuAction.QUEUE, MenuAction.OPT_OUT)


# --- the list ---------------------------------------------------------------------------------------------------------


async def _show(visit: Visit) -> None:
    with heading(say("title"), under=say("under")):
        if visit.may(Permission.BUILD):
            ui.button(say("add"), icon="add", on_click=lambda: ui.navigate.to(f"{LIST}/new")).props(
                "unelevated no-caps"
            )
    columns = (
        Column(
            name="name", label=say("name"), show=lambda menu: menu["name"], to=lambda menu: f"{LIST}/{menu['name']}"
        ),
        Column(name="keys", label=say("keys"), show=lambda menu: _keys_of(menu["nodes"].get(START, {}))),
        Column(name="nodes", label=say("nodes"), show=lambda menu: str(len(menu["nodes"])), align="right"),
    )
    draw_table(columns, await visit.door.all("/menus"), key="name", empty=say("none"))


def _keys_of(node: Mapping[str, Any]) -> str:
    """`1 confirmed, 9 Never call again`: what is written down, else what the key does."""
    return ", ".join(
        f"{key} {choice['result'] or say('actions.' + choice['action'])}"
        for key, choice in node.get("choices", {}).items()
    )


# --- one of them ------------------------------------------------------------------------------------------------------


async def _show_new(visit: Visit) -> None:
    editor = _Editor(visit, "", {START: _new_node()}, None, await _sounds(visit))
    editor.draw()


async def _show_one(visit: Visit) -> None:
    answer = await visit.door.ask("GET", f"/menus/{visit.id('name')}")
    editor = _Editor(visit, answer.body["name"], answer.body["nodes"], answer.etag, await _sounds(visit))
    editor.draw()


async def _sounds(visit: Visit) -> dict[str, str]:
    """What may be played: the account's own. A menu may name others that Asterisk has."""
    return {sound["sound"]: sound["name"] for sound in await visit.door.all("/media")}


def _new_node() -> dict[str, Any]:
    return {
        "prompt": "",
        "choices": {"1": _new_choice()},
        "invalid_sound": "",
        "wait": 5,
        "tries": 3,
        "give_up": _new_choice(),
    }


def _new_choice() -> dict[str, Any]:
    return {"action": MenuAction.END.value, "result": "", "sound": "", "goto": ""}


class _Editor:
    """The menu as the API has it, changed in place by its fields; what has another shape then is drawn anew."""

    def __init__(
        self, visit: Visit, name: str, nodes: Mapping[str, Any], etag: str | None, sounds: Mapping[str, str]
    ) -> None:
        self._visit = visit
        self._name = name
        self._nodes: dict[str, dict[str, Any]] = deepcopy(dict(nodes))
        self._etag = etag
        self._sounds = sounds

    def draw(self) -> None:
        with heading(self._name or say("add"), under=say("under")):
            if self._name:
                ui.button(say("remove"), icon="delete", on_click=self._remove).props("outline no-caps color=negative")
            ui.button(say("save"), icon="save", on_click=self._save).props("unelevated no-caps")
        self._form = Form(say)
        if not self._name:
            self._form.text("name")
        self._parts = ui.column().classes("d-menu-nodes")
        self._draw_nodes()
        ui.button(say("add_node"), icon="add", on_click=self._add_node).props("outline no-caps").classes("self-start")

    def _draw_nodes(self) -> None:
        self._parts.clear()
        with self._parts:
            for name in self._nodes:
                self._draw_node(name)

    def _draw_node(self, name: str) -> None:
        node = self._nodes[name]
        with section(say("node", name=name), help=say("first") if name == START else ""):
            with ui.element("div").classes("d-grid"):
                self._sound(say("prompt"), node, "prompt")
                self._sound(say("invalid_sound"), node, "invalid_sound")
                _number(say("wait"), node, "wait", 1, 60)
                _number(say("tries"), node, "tries", 1, 10)
            for key in node["choices"]:
                self._draw_choice(name, key)
            with ui.row().classes("d-row"):
                self._draw_add_key(name)
            ui.label(say("give_up")).classes("d-help")
            with ui.row().classes("d-row d-menu-choice"):
                self._draw_fields(node["give_up"], _ENDS)
            if name != START:
                remove = ui.button(say("remove_node"), on_click=lambda: self._remove_node(name))
                remove.props("flat no-caps color=negative")

    def _draw_choice(self, name: str, key: str) -> None:
        node = self._nodes[name]
        with ui.row().classes("d-row d-menu-choice"):
            ui.label(key).classes("d-menu-key")
            self._draw_fields(node["choices"][key], tuple(MenuAction))

            def remove() -> None:
                del node["choices"][key]
                self._draw_nodes()

            button = ui.button(icon="close", on_click=remove).props("flat round dense")
            button.props["aria-label"] = say("remove_key", key=key)

    def _draw_fields(self, choice: dict[str, Any], actions: tuple[MenuAction, ...]) -> None:
        options = {action.value: say(f"actions.{action}") for action in actions}
        action = ui.select(options, label=say("action"), value=choice["action"]).props("outlined dense")
        result = ui.input(say("result"), value=choice["result"]).props("outlined dense")
        sound = self._sound(say("sound"), choice, "sound")
        others = list(self._nodes)
        goto = ui.select(others, label=say("goto"), value=choice["goto"] if choice["goto"] in others else None)
        goto.props("outlined dense")

        def put() -> None:
            round_about = action.value in (MenuAction.GOTO, MenuAction.REPEAT)
            goto.visible, sound.visible = action.value == MenuAction.GOTO, not round_about
            choice["action"], choice["result"] = action.value, result.value.strip()
            choice["goto"] = goto.value or "" if goto.visible else ""
            if round_about:
                choice["sound"] = ""

        for field in (action, result, goto):
            field.on_value_change(put)
        put()

    def _sound(self, label: str, holder: dict[str, Any], field: str) -> ui.select:
        options = {"": say("no_sound"), **self._sounds}
        options.setdefault(holder[field], holder[field])
        chosen = ui.select(options, label=label, value=holder[field], with_input=True, new_value_mode="add-unique")
        chosen.on_value_change(lambda event: holder.update({field: event.value or ""}))
        return chosen.props("outlined dense")

    def _draw_add_key(self, name: str) -> None:
        choices = self._nodes[name]["choices"]
        left = [key for key in KEYS if key not in choices]
        key = ui.select(left, label=say("key"), value=left[0] if left else None).props("outlined dense")

        def add() -> None:
            if key.value is not None:
                choices[str(key.value)] = _new_choice()
                self._draw_nodes()

        ui.button(say("add_key"), icon="dialpad", on_click=add).props("flat no-caps").set_enabled(bool(left))

    async def _add_node(self) -> None:
        name = f"part{len(self._nodes)}"
        while name in self._nodes:
            name += "a"
        self._nodes[name] = _new_node()
        self._draw_nodes()

    def _remove_node(self, name: str) -> None:
        del self._nodes[name]
        self._draw_nodes()

    async def _save(self) -> None:
        name = self._name or self._form["name"].strip()
        with self._visit.telling(self._form):
            self._form.clear()
            path = f"/menus/{name}"
            if not self._name and await self._is_there(name):
                self._form.refuse_field("name", say("is_there"))
                return
            answer = await self._visit.door.ask("PUT", path, body={"nodes": self._nodes}, etag=self._etag)
            self._etag = answer.etag
            note(say("saved"))
            if not self._name:
                ui.navigate.to(f"{LIST}/{name}")

    async def _is_there(self, name: str) -> bool:
        return any(menu["name"] == name for menu in await self._visit.door.all("/menus"))

    async def _remove(self) -> None:
        if await confirm(say("remove"), say("remove_text"), say("remove"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(f"/menus/{self._name}")
                ui.navigate.to(LIST)


def _number(label: str, holder: dict[str, Any], field: str, least: int, most: int) -> None:
    number = ui.number(label, value=holder[field], min=least, max=most, precision=0).props("outlined dense")
    number.on_value_change(lambda event: holder.update({field: int(event.value or 0)}))


PAGES = (
    Page(path=LIST, title=say("title"), show=_show, needs=frozenset({Permission.VIEW})),
    Page(path=f"{LIST}/new", title=say("add"), show=_show_new, needs=frozenset({Permission.BUILD})),
    Page(path=f"{LIST}/{{name}}", title=say("title"), show=_show_one, needs=frozenset({Permission.BUILD})),
)
