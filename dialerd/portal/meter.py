"""Bars that fill: how far something is, against what it may be."""

from collections.abc import Sequence

from nicegui import ui


class Meter:
    """A bar of one or several parts. `put` draws their shares of the whole, 0 to 1 each; `mark` is a line across it, such as a cap."""

    def __init__(self, label: str, colours: Sequence[str] = ("teal",)) -> None:
        with ui.element("div").classes("d-meter").props("role=img") as self._bar:
            self._parts = [ui.element("div").classes(f"d-meter-part d-{colour}") for colour in colours]
            self._mark = ui.element("div").classes("d-meter-mark")
        self._mark.visible = False
        self._label = label
        self._drawn: object = None

    def put(self, text: str, *shares: float, mark: float | None = None, colour: str = "") -> None:
        """`text` is what those are told who do not see it. `colour`: instead of its own, of the first part."""
        if self._drawn == (wanted := (text, shares, mark, colour)):
            return
        self._drawn = wanted
        self._bar.props["aria-label"] = f"{self._label}: {text}"
        self._bar.update()
        for part, share in zip(self._parts, shares, strict=True):
            part.style(f"width: {_percent(share)}")
        if colour:
            self._parts[0].classes(replace=f"d-meter-part d-{colour}")
        self._mark.visible = mark is not None
        if mark is not None:
            self._mark.style(f"left: {_percent(mark)}")


def _percent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.1f}%"
