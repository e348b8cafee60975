"""What people do on pages, in NiceGUI's own harness: fields by their labels, buttons by their texts."""

import asyncio
from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.elements.dialog import Dialog
from nicegui.testing import User

PATIENCE = 300
"""Looks at the page, 0.1 s apart: a machine may be slow."""


def field(user: User, label: str) -> Any:
    """The first field of exactly this label: the harness sees what stands behind other tabs, too."""
    with user:
        found = [
            each
            for each in user.find(label).elements
            if label in (getattr(each, "label", None), getattr(each, "text", None)) and hasattr(each, "value")
        ]
    return min(found, key=lambda each: int(each.id))


def put(user: User, label: str, value: Any) -> None:
    with user:
        field(user, label).value = value


async def press(user: User, text: str) -> None:
    """The button, once it is there."""
    await user.should_see(kind=ui.button, content=text)
    user.find(kind=ui.button, content=text).click()


def press_icon(user: User, label: str) -> None:
    """A button without a text, by what it is called for who does not see it."""
    with user:
        (found,) = [each for each in user.find(kind=ui.button).elements if each.props.get("aria-label") == label]
        interaction = user.find(kind=ui.button)
    interaction.elements.intersection_update({found})
    interaction.click()


async def confirm(user: User, text: str) -> None:
    """The button of the dialog that asks whether one is sure; on the page there may be one of the same text."""
    await user.should_see(kind=Dialog)
    buttons = user.find(kind=ui.button, content=text)
    with user:
        buttons.elements.intersection_update({each for each in buttons.elements if _is_in_dialog(each)})
    buttons.click()


def _is_in_dialog(element: ui.element) -> bool:
    return any(isinstance(each, Dialog) for each in element.ancestors())


def is_enabled(user: User, text: str) -> bool:
    with user:
        (found,) = [each for each in user.find(kind=ui.button, content=text).elements if each.text == text]
        return bool(found.enabled)


async def until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(PATIENCE):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"in vain: {what}")


def told_at(user: User, label: str) -> str:
    """What is wrong with the field, as it says; empty for nothing."""
    return field(user, label).error or ""


def items(user: User, *names: str) -> list[dict[str, Any]]:
    """The rows of the first table that has these columns."""
    with user:
        for table in sorted(user.find(kind=ui.table).elements, key=lambda each: int(each.id)):
            if set(names) <= {column["name"] for column in table.columns}:
                return list(table.rows)
    return []


def rows(user: User, *names: str) -> list[tuple[Any, ...]]:
    """What stands in these columns of the table that has them."""
    return [tuple(row[name] for name in names) for row in items(user, *names)]
