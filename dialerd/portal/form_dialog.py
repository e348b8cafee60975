"""A form in a dialog: what is added or edited beside a list; and the secret that may come of it."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from dialerd.portal.forms import Form
from dialerd.portal.texts import Texts, texts
from dialerd.portal.visit import Visit

say = texts("frame")

_IN_A_LINE = "(event) => event.target.matches('input:not([role=combobox])') && emit()"
"""Enter saves; but in a text of several lines it ends the line, and in a list it chooses."""


async def form_dialog(
    visit: Visit, labels: Texts, title: str, draw: Callable[[Form], None], save: Callable[[Form], Awaitable[None]]
) -> bool:
    """Whether it was saved. `draw` puts the fields into the form; what the API refuses in `save` is told beside them, and the dialog
    stays."""
    with ui.dialog().props("persistent") as dialog, ui.card().classes("d-dialog") as card:
        ui.label(title).classes("d-title").props("role=heading aria-level=2")
        form = Form(labels)
        draw(form)

        async def try_it() -> None:
            with visit.telling(form):
                form.clear()
                await save(form)
                dialog.submit(True)

        card.on("keydown.enter", try_it, js_handler=_IN_A_LINE)
        with ui.row().classes("d-buttons"):
            ui.button(say("cancel"), on_click=lambda: dialog.submit(False)).props("flat no-caps")
            ui.button(say("save"), on_click=try_it).props("unelevated no-caps")
    saved = await dialog
    dialog.delete()
    return bool(saved)


async def show_secret(title: str, text: str, secret: str) -> None:
    """What is shown once, and never again."""
    with ui.dialog().props("persistent") as dialog, ui.card().classes("d-dialog"):
        ui.label(title).classes("d-title").props("role=heading aria-level=2")
        ui.label(text).classes("d-prose")
        shown = ui.input(value=secret).props("readonly outlined dense").classes("d-field d-mono")
        shown.props["aria-label"] = title
        with ui.row().classes("d-buttons"):
            copy = ui.button(say("copy"), icon="content_copy").props("outline no-caps")
            copy.on_click(lambda: ui.clipboard.write(secret))
            ui.button(say("kept"), on_click=dialog.close).props("unelevated no-caps")
    await dialog
    dialog.delete()
