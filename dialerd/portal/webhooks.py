"""Programs elsewhere that are told what happens, and what could not be told."""

from typing import Any

from nicegui import ui

from dialerd.domain.roles import Permission
from dialerd.domain.webhooks import EventType
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.form_dialog import form_dialog, show_secret
from dialerd.portal.forms import Form
from dialerd.portal.frame import Page, heading
from dialerd.portal.tables import Column, PagedTable, Row
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import ago_text, time_text

say = texts("webhooks")

LOOK_S = 5.0


# --- the list ---------------------------------------------------------------------------------------------------------


async def _show(visit: Visit) -> None:
    campaigns = {one["id"]: one["name"] for one in await visit.door.all("/campaigns")}
    hooks = _Webhooks(visit, campaigns)
    with heading(say("title"), under=say("under")):
        ui.button(say("add"), icon="add", on_click=hooks.add).props("unelevated no-caps")
    hooks.draw()
    await hooks.table.load()
    visit.every(LOOK_S, hooks.table.load)


class _Webhooks:
    def __init__(self, visit: Visit, campaigns: dict[int, str]) -> None:
        self._visit = visit
        self._campaigns = campaigns

    def draw(self) -> None:
        columns = (
            Column(name="name", label=say("name"), show=_name, to=lambda hook: f"/webhooks/{hook['id']}"),
            Column(name="url", label=say("url"), show=lambda hook: hook["url"]),
            Column(name="campaign", label=say("campaign"), show=self._campaign_of),
            Column(name="state", label=say("state"), show=_state, colour=_colour),
            Column(name="waiting", label=say("waiting"), show=lambda hook: str(hook["waiting"]), align="right"),
            Column(name="dead", label=say("dead"), show=lambda hook: str(hook["dead"]), align="right"),
            Column(name="told", label=say("told"), show=lambda hook: ago_text(hook["last_told_at"]) or say("never")),
        )
        self.table = PagedTable(self._visit, "/webhooks", columns, empty=say("none"))

    def _campaign_of(self, hook: Row) -> str:
        return self._campaigns.get(hook["campaign_id"], "") if hook["campaign_id"] else say("all_campaigns")

    async def add(self) -> None:
        made: dict[str, Any] = {}

        def draw(form: Form) -> None:
            form.text("name")
            form.text("url").props("type=url")
            form.choice("events", _events(), [EventType.ATTEMPT_ENDED], many=True)
            form.choice("campaign_id", {0: say("all_campaigns"), **self._campaigns}, 0)

        async def save(form: Form) -> None:
            sent = {**form.values(), "campaign_id": form["campaign_id"] or None}
            made.update(await self._visit.door.post("/webhooks", sent))

        if await form_dialog(self._visit, say, say("add"), draw, save):
            await self.table.load()
            await show_secret(say("secret"), say("secret_text"), made["secret"])


def _events() -> dict[str, str]:
    """What a webhook may ask for: a ping it is sent unasked."""
    wanted = (each for each in EventType if each is not EventType.PING)
    return {each: say(f"events.{each.replace('.', '_')}") for each in wanted}


def _name(hook: Row) -> str:
    return hook["name"] or say("unnamed", id=hook["id"])


def _state(hook: Row) -> str:
    if not hook["enabled"]:
        return say("disabled")
    return say("failing", times=hook["failures"]) if hook["failures"] else say("enabled")


def _colour(hook: Row) -> str:
    if not hook["enabled"]:
        return "grey"
    return "red" if hook["failures"] else "green"


# --- one of them ------------------------------------------------------------------------------------------------------


async def _show_one(visit: Visit) -> None:
    hook = await visit.door.get(f"/webhooks/{visit.id('webhook_id')}")
    one = _Webhook(visit, hook)
    with heading(_name(hook), under=hook["url"]):
        one.draw_buttons()
    if why := hook["disabled_why"] or hook["last_error"]:
        with ui.column().classes("d-banner"):
            ui.label(why)
    await one.draw_deliveries()


class _Webhook:
    def __init__(self, visit: Visit, hook: Row) -> None:
        self._visit = visit
        self._hook = hook
        self._path = f"/webhooks/{hook['id']}"

    def draw_buttons(self) -> None:
        ui.button(say("test"), icon="send", on_click=self._test).props("outline no-caps")
        if self._hook["kind"] == "crm":
            return
        ui.button(say("edit"), icon="edit", on_click=self._edit).props("outline no-caps")
        ui.button(say("new_secret"), icon="key", on_click=self._new_secret).props("outline no-caps")
        ui.button(say("remove"), icon="delete", on_click=self._remove).props("outline no-caps color=negative")

    async def draw_deliveries(self) -> None:
        zone = await self._visit.zone()
        columns = (
            Column(
                name="time", label=say("time", zone=zone), show=lambda one: time_text(one["time"], zone, seconds=True)
            ),
            Column(name="type", label=say("event"), show=lambda one: say(f"events.{one['type'].replace('.', '_')}")),
            Column(
                name="state",
                label=say("state"),
                show=lambda one: say(f"states.{one['state']}"),
                colour=_delivery_colour,
            ),
            Column(name="tries", label=say("tries"), show=lambda one: str(one["tries"]), align="right"),
            Column(name="error", label=say("error"), show=lambda one: one["error"]),
            Column(
                name="again", label="", show=lambda one: say("again") if one["state"] == "dead" else "", do=self._again
            ),
        )
        self._table = PagedTable(self._visit, f"{self._path}/deliveries", columns, empty=say("no_deliveries"))
        with ui.row().classes("d-buttons"):
            ui.button(say("all_again"), icon="replay", on_click=self._all_again).props("outline no-caps")
            ui.button(say("drop"), icon="delete_sweep", on_click=self._drop).props("outline no-caps color=negative")
        await self._table.load()
        self._visit.every(LOOK_S, self._table.load)

    async def _test(self) -> None:
        with self._visit.telling():
            await self._visit.door.post(f"{self._path}/test")
            note(say("tested"))
            await self._table.load()

    async def _edit(self) -> None:
        def draw(form: Form) -> None:
            form.text("name", self._hook["name"])
            form.text("url", self._hook["url"]).props("type=url")
            form.choice("events", _events(), self._hook["events"], many=True)
            form.switch("enabled", self._hook["enabled"])

        async def save(form: Form) -> None:
            await self._visit.door.patch(self._path, form.values())

        if await form_dialog(self._visit, say, say("edit"), draw, save):
            ui.navigate.reload()

    async def _new_secret(self) -> None:
        if await confirm(say("new_secret"), say("new_secret_text"), say("new_secret")):
            with self._visit.telling():
                made = await self._visit.door.post(f"{self._path}/secret")
                await show_secret(say("secret"), say("secret_text"), made["secret"])

    async def _remove(self) -> None:
        if await confirm(say("remove"), say("remove_text"), say("remove"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(self._path)
                ui.navigate.to("/webhooks")

    async def _again(self, delivery: Row) -> None:
        with self._visit.telling():
            await self._visit.door.post(f"{self._path}/deliveries/{delivery['id']}/replay")
            await self._table.load()

    async def _all_again(self) -> None:
        with self._visit.telling():
            answer = await self._visit.door.post(f"{self._path}/deliveries/replay")
            note(say("again_count", count=answer["deliveries"]))
            await self._table.load()

    async def _drop(self) -> None:
        if await confirm(say("drop"), say("drop_text"), say("drop"), danger=True):
            with self._visit.telling():
                await self._visit.door.delete(f"{self._path}/deliveries")
                await self._table.load()


def _delivery_colour(delivery: Row) -> str:
    return {"waiting": "amber", "delivered": "green", "dead": "red"}.get(delivery["state"], "grey")


_NEEDS = frozenset({Permission.MANAGE_WEBHOOKS})
PAGES = (
    Page(path="/webhooks", title=say("title"), show=_show, needs=_NEEDS),
    Page(path="/webhooks/{webhook_id}", title=say("title"), show=_show_one, needs=_NEEDS),
)
