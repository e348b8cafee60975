"""Forms: fields with their help, and what the API says of each beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement
from nicegui.elements.mixins.value_element import ValueElement

from dialerd.portal.dialogs import show_refusal
from dialerd.portal.door import Refused
from dialerd.portal.texts import Texts

F = TypeVar("F", bound=ValueElement[Any])


class Form:
    """Fields by the API's names. Labels and help are the texts `fields.<name>.label` and `fields.<name>.help`."""

    def __init__(self, say: Texts) -> None:
        self._say = say
        self._fields: dict[str, ValueElement[Any]] = {}
        self._banner = ui.column().classes("d-banner").props("role=alert")
        self._banner.visible = False

    # --- fields ---

    def text(self, name: str, value: str = "", **options: Any) -> ui.input:
        return self.add(name, ui.input(self._label(name), value=value, **options).props("outlined dense"))

    def long_text(self, name: str, value: str = "") -> ui.textarea:
        return self.add(name, ui.textarea(self._label(name), value=value).props("outlined dense autogrow"))

    def number(self, name: str, value: float | None, **options: Any) -> ui.number:
        return self.add(name, ui.number(self._label(name), value=value, **options).props("outlined dense"))

    def choice(
        self, name: str, options: Sequence[str] | Mapping[Any, str], value: Any, *, many: bool = False
    ) -> ui.select:
        chosen = ui.select(
            list(options) if not isinstance(options, Mapping) else dict(options),
            label=self._label(name),
            value=value,
            multiple=many,
        )
        return self.add(name, chosen.props("outlined dense options-dense" + (" use-chips" if many else "")))

    def switch(self, name: str, value: bool) -> ui.switch:
        """Its help stands below, as it has no line for it."""
        with ui.column().classes("d-switch"):
            switch = ui.switch(self._label(name), value=value)
            if self._say.has(f"fields.{name}.help"):
                ui.label(self._say(f"fields.{name}.help")).classes("d-help")
        self._fields[name] = switch
        return switch

    def add(self, name: str, field: F) -> F:
        """Any field that has a value; one of Quasar's gets its help as a hint."""
        if self._say.has(f"fields.{name}.help"):
            field.props["hint"] = self._say(f"fields.{name}.help")
        if isinstance(field, ValidationElement):
            field.classes("d-field")
            field.on_value_change(lambda: setattr(field, "error", None))
        self._fields[name] = field
        return field

    def _label(self, name: str) -> str:
        return self._say(f"fields.{name}.label")

    # --- values ---

    def __getitem__(self, name: str) -> Any:
        return self._fields[name].value

    def values(self) -> dict[str, Any]:
        """Text without the spaces around it; whole numbers as such."""
        return {name: _plain(field.value) for name, field in self._fields.items()}

    # --- refusals ---

    def refuse(self, refused: Refused) -> None:
        """What is one field's stands at that field, all else above them."""
        self.clear()
        rest = [problem for problem in refused.problems if not self._put(problem)]
        if rest or not refused.problems:
            with self._banner:
                show_refusal(refused.detail, rest)
            self._banner.visible = True

    def clear(self) -> None:
        self._banner.clear()
        self._banner.visible = False
        for field in self._fields.values():
            if isinstance(field, ValidationElement):
                field.error = None

    def _put(self, problem: str) -> bool:
        place, found, sentence = problem.partition(": ")
        name = place.replace(" ", "_")
        name = name if name in self._fields else name.partition(".")[0]
        return bool(found) and self.refuse_field(name, self._in_words(name, sentence))

    def _in_words(self, name: str, sentence: str) -> str:
        """A pattern tells people nothing: the text `fields.<name>.wrong` does, where there is one."""
        wrong = f"fields.{name}.wrong"
        return self._say(wrong) if "should match pattern" in sentence and self._say.has(wrong) else sentence

    def refuse_field(self, name: str, sentence: str) -> bool:
        """Whether there is such a field, which says it now."""
        field = self._fields.get(name)
        if not isinstance(field, ValidationElement):
            return False
        field.error = sentence
        return True


class Reworded:
    """A form whose fields are called otherwise than the API calls them: `reword` makes of `place: sentence` what the form knows."""

    def __init__(self, form: Form, reword: Callable[[str], str]) -> None:
        self._form = form
        self._reword = reword

    def refuse(self, refused: Refused) -> None:
        problems = [self._reword(problem) for problem in refused.problems]
        self._form.refuse(Refused(refused.status, refused.kind, refused.detail, problems))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
