"""How an import treats bad rows and numbers that are known, and where numbers without a country are."""

from typing import Any

from nicegui import ui

from dialerd.portal.forms import Form
from dialerd.portal.texts import texts

say = texts("lead_import")


class ImportManner:
    def __init__(self, form: Form) -> None:
        self._form = form

    def draw(self) -> None:
        with ui.element("div").classes("d-grid"):
            self._form.choice("on_bad_rows", say.options("on_bad_rows"), "refuse")
            self._form.choice("duplicates", say.options("duplicates"), "never")
            self._form.text("region").props("maxlength=2 autocomplete=off")

    def query(self) -> dict[str, Any]:
        """As the API's routes of imports have it."""
        return {
            "on_bad_rows": self._form["on_bad_rows"],
            "duplicates": self._form["duplicates"],
            "region": self._form["region"].strip().upper() or None,
        }
