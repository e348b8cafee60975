"""What is done with a campaign: start, pause, stop and cancel it, clone and delete it. Each says first what it will do."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from dialerd.domain.campaigns import CampaignAction, CampaignStatus
from dialerd.domain.roles import Permission
from dialerd.portal.campaign_words import number_text
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.form_dialog import form_dialog
from dialerd.portal.forms import Form
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import count_text

say = texts("campaign_actions")

Changed = Callable[[], Awaitable[None]]

ICONS = {"play": "play_arrow", "pause": "pause", "stop": "stop", "cancel": "block"}
_DELETABLE = frozenset({CampaignStatus.DRAFT, CampaignStatus.COMPLETED, CampaignStatus.CANCELLED})
_PLAYS = (CampaignAction.RESUME, CampaignAction.START)
_PLACES = (("play", "pause"), ("stop",), ("cancel",))
_DANGEROUS = frozenset({CampaignAction.STOP, CampaignAction.CANCEL})


def actions_of(visit: Visit, campaign: Mapping[str, Any]) -> dict[str, CampaignAction]:
    """The buttons that it has now, and what each does: as its status allows and the user may."""
    possible = frozenset(campaign["possible_actions"])
    found = {"play": next((action for action in _PLAYS if action in possible), None)}
    found |= {action.value: action for action in (CampaignAction.PAUSE, CampaignAction.STOP) if action in possible}
    if not visit.may(Permission.STEER):
        found = {}
    if CampaignAction.CANCEL in possible and visit.may(Permission.BUILD):
        found["cancel"] = CampaignAction.CANCEL
    return {button: action for button, action in found.items() if action is not None}


def may_delete(visit: Visit, campaign: Mapping[str, Any]) -> bool:
    return visit.may(Permission.BUILD) and campaign["status"] in _DELETABLE


def draw_buttons(visit: Visit, campaign_now: Callable[[], Mapping[str, Any]], changed: Changed) -> None:
    """Play or Pause, Stop, Cancel."""
    for button, action in actions_of(visit, campaign_now()).items():
        drawn = _draw(visit, campaign_now, changed, button, action)
        drawn.props("no-caps " + ("unelevated" if button in _PLACES[0] else "outline"))
        drawn.text = say(f"{action}.button")


def draw_icons(visit: Visit, campaign_now: Callable[[], Mapping[str, Any]], changed: Changed) -> None:
    """The same in a list: each always in its place, and named with the campaign for who does not see the icon."""
    actions, name = actions_of(visit, campaign_now()), campaign_now()["name"]
    for place in _PLACES if actions else ():
        button = next((each for each in place if each in actions), None)
        if button is None:
            ui.element("span").classes("d-no-button")
            continue
        drawn = _draw(visit, campaign_now, changed, button, actions[button]).props("flat dense round")
        name_button(drawn, say("of_campaign", action=say(f"{actions[button]}.button"), name=name))


def _draw(
    visit: Visit, campaign_now: Callable[[], Mapping[str, Any]], changed: Changed, button: str, action: CampaignAction
) -> ui.button:
    drawn = ui.button(icon=ICONS[button], on_click=lambda: act(visit, campaign_now(), action, changed))
    return drawn.props("color=negative") if action is CampaignAction.CANCEL else drawn


def name_button(button: ui.button, text: str) -> None:
    """For who does not see its icon, and who does not know it."""
    button.props["aria-label"] = button.props["title"] = text
    button.update()


async def act(visit: Visit, campaign: Mapping[str, Any], action: CampaignAction, changed: Changed) -> None:
    """After a look at what it will do. A start that is refused is so with every reason.

    Dialogs stand in the page itself: the row that the button was in may be drawn anew meanwhile."""
    with visit.client:
        title = say("ask", action=say(f"{action}.button"), name=campaign["name"])
        danger = action in _DANGEROUS
        if not await confirm(title, told(campaign, action), say(f"{action}.sure"), back=say("back"), danger=danger):
            return
        with visit.telling():
            await visit.door.post(f"/campaigns/{campaign['id']}/actions", {"action": action})
            note(say(f"{action}.done", name=campaign["name"]))
        await changed()


def told(campaign: Mapping[str, Any], action: CampaignAction) -> str:
    """What the action will do with this campaign as it stands."""
    if action is CampaignAction.STOP and campaign["status"] == CampaignStatus.SCHEDULED:
        return say("stop.unstarted")
    return say(
        f"{action}.text",
        due=count_text(sum(campaign["leads"][state] for state in ("active", "retry"))),
        calls=count_text(campaign["in_flight"]),
        pace=number_text(campaign["calls_per_second"]),
        lines=campaign["concurrency"],
    )


async def clone(visit: Visit, campaign: Mapping[str, Any]) -> None:
    """Under a name of its own; then the new one is shown."""
    made: dict[str, Any] = {}

    async def save(form: Form) -> None:
        made.update(await visit.door.post(f"/campaigns/{campaign['id']}/clone", form.values()))

    def draw(form: Form) -> None:
        form.text("name", say("clone.name", name=campaign["name"]))

    with visit.client:
        if await form_dialog(visit, say, say("clone.title", name=campaign["name"]), draw, save):
            ui.navigate.to(f"/campaigns/{made['id']}")


async def delete(visit: Visit, campaign: Mapping[str, Any]) -> None:
    with visit.client:
        title, text = say("ask", action=say("delete.button"), name=campaign["name"]), say("delete.text")
        if not await confirm(title, text, say("delete.button"), back=say("back"), danger=True):
            return
        with visit.telling():
            await visit.door.delete(f"/campaigns/{campaign['id']}")
            ui.navigate.to("/campaigns")
