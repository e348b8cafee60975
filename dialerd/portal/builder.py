"""The campaign builder: a campaign from its name to its start in four steps, and whatever may be changed of it later."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from dialerd.domain.campaigns import CampaignAction, CampaignStatus
from dialerd.domain.roles import Permission
from dialerd.portal import builder_basics, builder_contacts, builder_routing, builder_schedule
from dialerd.portal.builder_draft import Draft, fitting, load, readable, save
from dialerd.portal.builder_form import SettingsForm, Step, Unusable, say
from dialerd.portal.builder_review import Launch, Review, facts_of
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.door import Refused
from dialerd.portal.frame import Page, heading
from dialerd.portal.visit import Visit
from dialerd.portal.words import count_text, now, status_word, time_text

STEPS: Mapping[str, Callable[[Step], Awaitable[None]]] = {
    "basics": builder_basics.draw,
    "contacts": builder_contacts.draw,
    "routing": builder_routing.draw,
    "schedule": builder_schedule.draw,
}
_NAMES = tuple(STEPS)
KEEP_S = 1.0
LOOK_S = 3.0


async def _show_new(visit: Visit) -> None:
    await _show(visit, Draft())


async def _show_edit(visit: Visit) -> None:
    await _show(visit, await load(visit, visit.id("campaign_id")))


async def _show(visit: Visit, draft: Draft) -> None:
    account = await visit.door.get("/account")
    wanted = visit.query.get("step", "")
    await Builder(visit, draft, account, wanted if wanted in STEPS and draft.id is not None else _NAMES[0]).draw()


class Builder:
    """One step of the wizard. The next one is a page of its own, so that each can be linked, reloaded, and gone back to."""

    def __init__(self, visit: Visit, draft: Draft, account: Mapping[str, Any], name: str) -> None:
        self._visit = visit
        self._draft = draft
        self._account = account
        self._name = name
        self._form: SettingsForm
        self._begun: Mapping[str, Any] = {}
        self._launch: Launch | None = None
        self._kept = _Kept(visit, f"dialerd.builder.{visit.caller.actor}.{draft.id or 'new'}.{name}")

    # --- drawing ---

    async def draw(self) -> None:
        title = say("new") if self._draft.id is None else say("edit", name=self._draft.settings["name"])
        heading(title, under=say("under"))
        self._draw_steps()
        self._draw_state()
        self._offer = ui.column().classes("d-field")
        self._offer.visible = False
        self._content = ui.column().classes("d-builder")
        self._draw_buttons()
        await self._fill(self._draft.settings)
        self._begun = self._form.glance()
        self._kept.ask(self._offer_kept)
        self._visit.every(KEEP_S, self._keep)

    def _draw_steps(self) -> None:
        with ui.element("nav").classes("d-steps") as nav, ui.element("ol"):
            nav.props["aria-label"] = say("steps_label")
            for number, name in enumerate(_NAMES, start=1):
                with ui.element("li"):
                    text = say("step_name", number=number, title=say(f"steps.{name}"))
                    button = ui.button(text, on_click=lambda name=name: self._go(name)).props("flat no-caps")
                    button.classes("d-step" + (" d-here" if name == self._name else ""))
                    if name == self._name:
                        button.props("aria-current=step")
                    elif self._draft.id is None:
                        button.disable()
                        button.tooltip(say("nothing_saved_yet"))

    def _draw_state(self) -> None:
        status = self._draft.status
        if status is CampaignStatus.CANCELLED:
            _banner(say("over"))
        elif status in (CampaignStatus.RUNNING, CampaignStatus.PAUSED):
            _banner(say("running", status=status_word(status).lower()))

    def _draw_buttons(self) -> None:
        place = _NAMES.index(self._name)
        with ui.row().classes("d-wizard-buttons"):
            if place:
                back = _NAMES[place - 1]
                ui.button(say("back"), icon="arrow_back", on_click=lambda: self._go(back)).props("flat no-caps")
            self._state = ui.label().classes("d-help").props("role=status")
            ui.space()
            ui.button(say("leave"), on_click=self._leave).props("flat no-caps")
            if self._name != _NAMES[-1]:
                following = _NAMES[place + 1]
                ui.button(say("close"), on_click=lambda: self._act(None)).props("outline no-caps")
                ui.button(say("go_on"), icon="arrow_forward", on_click=lambda: self._go(following)).props(
                    "unelevated no-caps"
                )

    async def _fill(self, settings: Mapping[str, Any]) -> None:
        """The fields of the step, with these settings in them."""
        self._content.clear()
        with self._content:
            self._form = SettingsForm(settings, self._account["rules"]["limits"])
            step = Step(visit=self._visit, account=self._account, draft=self._draft, shown=settings, form=self._form)
            await STEPS[self._name](step)
            if self._name == _NAMES[-1]:
                await self._draw_end(step)

    async def _draw_end(self, step: Step) -> None:
        review = Review(step, await facts_of(step), self._go)
        self._launch = Launch(step, self._act)
        self._visit.every(LOOK_S, review.look)
        await review.look()

    # --- what this browser keeps ---

    async def _keep(self) -> None:
        """What was entered and not saved, in the browser: its tab may be closed."""
        changed = self._changed(self._form.glance())
        self._state.text = say("unsaved") if changed else ""
        self._kept.keep({"etag": self._draft.etag, "at": now().isoformat(), "settings": changed} if changed else None)

    async def _offer_kept(self, kept: Mapping[str, Any]) -> None:
        """Only of what the campaign still is: what was entered beside other settings may not go with these."""
        settings = readable(kept.get("settings") or {})
        if kept.get("etag") != self._draft.etag or not settings:
            self._kept.forget()
            return
        self._offer.visible = True
        with self._offer, ui.column().classes("d-banner d-note"):
            ui.label(say("kept.title")).classes("d-h2")
            ui.label(say("kept.text", time=time_text(str(kept.get("at")), self._account["rules"]["time_zone"])))
            with ui.row().classes("d-buttons"):
                ui.button(say("kept.take"), on_click=lambda: self._take(settings)).props("unelevated no-caps")
                ui.button(say("kept.drop"), on_click=self._drop).props("flat no-caps")

    async def _take(self, settings: Mapping[str, Any]) -> None:
        self._offer.visible = False
        await self._fill({**self._draft.settings, **settings})

    def _drop(self) -> None:
        self._offer.visible = False
        self._kept.forget()

    # --- saving ---

    def _changed(self, entered: Mapping[str, Any]) -> dict[str, Any]:
        """Of what the fields began with; before the first save, all that is not usual."""
        return {name: value for name, value in entered.items() if name not in self._begun or value != self._begun[name]}

    async def _save(self) -> bool:
        """Whether all that was entered is on the server now. Raises Refused."""
        self._form.clear()
        entered = self._form.read()
        changes = entered if self._draft.id is None else self._changed(entered)
        more = fitting(self._draft.settings, changes)
        try:
            self._draft = await save(self._visit, self._draft, {**changes, **more})
        except Refused as refused:
            if refused.kind != "changed-meanwhile":
                raise
            if not await self._settle(changes):
                return False
        if more:
            note(say("fitted", what=", ".join(say(f"fields.{name}.label") for name in more)))
        self._begun = entered
        self._kept.forget()
        return True

    async def _settle(self, mine: Mapping[str, Any]) -> bool:
        """Somebody else has saved meanwhile: whether mine is saved on top of theirs. Raises Refused."""
        theirs = await load(self._visit, str(self._draft.id))
        before = self._draft.settings
        differ = [name for name, value in theirs.settings.items() if value != before[name]]
        if not await _choose(differ, list(mine)):
            self._kept.forget()
            ui.navigate.reload()
            return False
        self._draft = await save(self._visit, theirs, {**mine, **fitting(theirs.settings, mine)})
        return True

    async def _go(self, name: str) -> None:
        with self._visit.telling(self._form):
            if await self._save():
                ui.navigate.to(f"{self._draft.path}/edit?step={name}")

    async def _leave(self) -> None:
        """Without saving: this browser keeps what was entered."""
        ui.navigate.to("/campaigns" if self._draft.id is None else self._draft.path)

    async def _act(self, action: CampaignAction | None) -> None:
        """Save, and then do it; None: that is all."""
        with self._visit.telling(self._form):
            self._form.clear()
            body = self._body_of(action)
            if action is CampaignAction.START and not await self._sure():
                return
            if not await self._save():
                return
            if body is not None:
                await self._visit.door.post(f"{self._draft.path}/actions", body)
            ui.navigate.to(self._draft.path)

    def _body_of(self, action: CampaignAction | None) -> dict[str, str] | None:
        """Of the request. Raises Refused for a time at which nothing can start."""
        if action is not CampaignAction.SCHEDULE or self._launch is None:
            return None if action is None else {"action": action}
        try:
            return {"action": action, "at": self._launch.starts_at().isoformat()}
        except Unusable as unusable:
            raise Refused(422, "invalid-request", str(unusable), [f"{unusable.name}: {unusable}"]) from None

    async def _sure(self) -> bool:
        settings = {**self._draft.settings, **self._form.glance()}
        text = say(
            "launch.confirm",
            pace=f"{settings['calls_per_second']:g}",
            lines=settings["concurrency"],
            leads=count_text(self._draft.campaign["total"]),
        )
        return await confirm(say("launch.confirm_title", name=settings["name"]), text, say("launch.confirm_button"))


class _Kept:
    """A place in the browser's own storage for one step of one campaign, by whoever has signed in."""

    def __init__(self, visit: Visit, key: str) -> None:
        self._visit = visit
        self._key = json.dumps(key)
        self._last: Any = None

    def ask(self, told: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        """`told` hears what is kept, if anything."""

        async def hear(event: GenericEventArguments) -> None:
            try:
                kept = json.loads(str(event.args))
            except ValueError:
                kept = None
            if isinstance(kept, Mapping):
                await told(kept)

        ui.on("dialerd_kept", hear)
        self._run(f"const kept = localStorage.getItem({self._key}); if (kept) emitEvent('dialerd_kept', kept);")

    def keep(self, kept: Mapping[str, Any] | None) -> None:
        """None: nothing is to be kept any more. What is there from before stays until something was entered."""
        said = None if kept is None else kept["settings"]
        if said == self._last:
            return
        self._last = said
        if kept is None:
            self.forget()
        else:
            self._run(f"localStorage.setItem({self._key}, {json.dumps(json.dumps(kept))});")

    def forget(self) -> None:
        self._run(f"localStorage.removeItem({self._key});")

    def _run(self, code: str) -> None:
        self._visit.client.run_javascript(code)


async def _choose(theirs: list[str], mine: list[str]) -> bool:
    """Whether what was entered is to be saved on top of what somebody else has saved."""
    with ui.dialog().props("persistent") as dialog, ui.card().classes("d-dialog"):
        ui.label(say("collision.title")).classes("d-title").props("role=heading aria-level=2")
        ui.label(say("collision.text", theirs=_labels(theirs)))
        ui.label(say("collision.text_mine", mine=_labels(mine)))
        for key, answer, look in (("keep", True, "unelevated"), ("theirs", False, "outline")):
            with ui.column().classes("d-field"):
                ui.button(say(f"collision.{key}"), on_click=lambda answer=answer: dialog.submit(answer)).props(
                    f"{look} no-caps"
                )
                ui.label(say(f"collision.{key}_help")).classes("d-help")
    chosen = await dialog
    dialog.delete()
    return bool(chosen)


def _labels(names: list[str]) -> str:
    return ", ".join(say(f"fields.{name}.label") for name in names) or say("review.none")


def _banner(text: str) -> None:
    with ui.column().classes("d-banner d-note").props("role=note"):
        ui.label(text)


_BUILD = frozenset({Permission.BUILD})
PAGES = (
    Page(path="/campaigns/new", title=say("new"), show=_show_new, needs=_BUILD),
    Page(path="/campaigns/{campaign_id}/edit", title=say("edit_title"), show=_show_edit, needs=_BUILD),
)
