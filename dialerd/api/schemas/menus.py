"""Voice menus as JSON."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from dialerd.api.schemas.body import Body
from dialerd.domain.menus import MAX_NODES, MenuAction, VoiceMenu
from dialerd.store.menus import menu_data

Text = Annotated[str, StringConstraints(max_length=200)]
MAX_CHOICES = 12
"""As many as a phone has keys."""


class MenuChoice(Body):
    """What a key does."""

    action: MenuAction = Field(description="What happens.", examples=["end"])
    result: Text = Field(default="", description="What is written down of the lead.", examples=["confirmed"])
    sound: Text = Field(
        default="",
        description="Played before the call ends, or while agents are rung.",
        examples=["dialerd-media/1/thanks"],
    )
    goto: Text = Field(default="", description="For the action `goto`: which node.", examples=["cancel"])


class MenuNode(Body):
    """What a lead hears, and what each key means then."""

    prompt: Text = Field(description="Sound, as Asterisk names it.", examples=["dialerd-media/1/ask"])
    choices: Annotated[dict[Text, MenuChoice], Field(max_length=MAX_CHOICES)] = Field(
        description="By key: 0 to 9, * and #.", examples=[{"1": {"action": "end", "result": "confirmed"}}]
    )
    invalid_sound: Text = Field(
        default="", description="Played before the prompt after a wrong key.", examples=["dialerd-media/1/pardon"]
    )
    wait: float = Field(
        default=5,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds for a key, from the end of the prompt: 1 to 60.",
        examples=[5],
    )
    tries: int = Field(
        default=3,
        ge=0,
        le=1000,
        strict=True,
        description="How often the prompt is played to who presses nothing, or a wrong key: 1 to 10.",
        examples=[3],
    )
    give_up: MenuChoice = Field(
        default=MenuChoice(action=MenuAction.END), description="What happens after the last try: end, queue or opt_out."
    )


class MenuIn(Body):
    nodes: Annotated[dict[Text, MenuNode], Field(max_length=MAX_NODES)] = Field(
        description="By name; the menu begins with `start`.",
        examples=[
            {"start": {"prompt": "dialerd-media/1/ask", "choices": {"1": {"action": "end", "result": "confirmed"}}}}
        ],
    )


class MenuOut(BaseModel):
    name: str = Field(description="What campaigns call it.", examples=["appointment"])
    nodes: dict[str, MenuNode] = Field(description="By name; the menu begins with `start`.")


def menu_out(menu: VoiceMenu) -> MenuOut:
    return MenuOut.model_validate(menu_data(menu))
