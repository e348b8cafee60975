"""What the portal asks and tells in dialogs and short notes."""

from collections.abc import Sequence

from nicegui import ui

from dialerd.portal.door import Refused
from dialerd.portal.texts import texts

say = texts("frame")


def note(text: str) -> None:
    """It worked."""
    ui.notify(text, type="positive", position="bottom", timeout=4000)


def warn(text: str) -> None:
    ui.notify(text, type="warning", position="bottom", timeout=8000)


async def confirm(title: str, text: str, button: str, *, back: str = "", danger: bool = False) -> bool:
    """Whether the user goes on. The text says what will happen; `back` is on the button that does nothing, where "Cancel" might be taken
    for something else."""
    with ui.dialog() as dialog, ui.card().classes("d-dialog"):
        ui.label(title).classes("d-title").props("role=heading aria-level=2")
        ui.label(text).classes("d-prose")
        with ui.row().classes("d-buttons"):
            ui.button(back or say("cancel"), on_click=lambda: dialog.submit(False)).props("flat no-caps")
            ui.button(button, on_click=lambda: dialog.submit(True)).props(
                f"unelevated no-caps autofocus color={'negative' if danger else 'primary'}"
            )
    chosen = await dialog
    dialog.delete()
    return bool(chosen)


def tell_refusal(refused: Refused) -> None:
    """In a dialog, with every single reason."""
    with ui.dialog(value=True) as dialog, ui.card().classes("d-dialog").props("role=alertdialog"):
        ui.label(say("refused")).classes("d-title").props("role=heading aria-level=2")
        show_refusal(refused.detail, refused.problems)
        with ui.row().classes("d-buttons"):
            ui.button(say("close"), on_click=dialog.close).props("flat no-caps autofocus")
    dialog.on("hide", dialog.delete)


def show_refusal(detail: str, problems: Sequence[str]) -> None:
    if problems:
        with ui.element("ul").classes("d-reasons"):
            for problem in problems:
                with ui.element("li"):
                    ui.label(problem)
    else:
        ui.label(detail).classes("d-prose")
