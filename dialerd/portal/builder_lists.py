"""Lists within the form of a step: what follows an outcome, and what agents may say of a call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from nicegui import ui

from dialerd.portal.builder_form import say, whole_or_none

_RETRIES: Mapping[str, bool | None] = {"usual": None, "again": True, "final": False}


class OutcomeRules:
    """A row an outcome that a rule can change."""

    def __init__(self, rules: Mapping[str, Mapping[str, Any]]) -> None:
        outcomes = say.options("outcomes")
        with ui.element("div").classes("d-outcomes").props("role=table"):
            with ui.element("div").classes("d-outcome d-outcome-head").props("role=row"):
                for title in ("outcome", "retry", "delay", "most"):
                    ui.label(say(f"rules.{title}")).props("role=columnheader")
            self._rows = {outcome: _Rule(word, rules.get(outcome, {})) for outcome, word in outcomes.items()}

    @property
    def value(self) -> dict[str, dict[str, Any]]:
        """Only those that say something."""
        rules = {outcome: row.value for outcome, row in self._rows.items()}
        return {outcome: rule for outcome, rule in rules.items() if any(value is not None for value in rule.values())}


class _Rule:
    def __init__(self, outcome: str, rule: Mapping[str, Any]) -> None:
        retry = next(key for key, value in _RETRIES.items() if value is rule.get("retry"))
        with ui.element("div").classes("d-outcome").props("role=row"):
            ui.label(outcome).props("role=rowheader")
            self._retry = _named(ui.select(say.options("rules.retries"), value=retry), "retry", outcome)
            self._delay = _named(ui.number(value=rule.get("delay_s")), "delay", outcome)
            self._most = _named(ui.number(value=rule.get("max_attempts")), "most", outcome)

    @property
    def value(self) -> dict[str, Any]:
        return {
            "retry": _RETRIES[self._retry.value],
            "delay_s": whole_or_none("outcome_rules", self._delay.value),
            "max_attempts": whole_or_none("outcome_rules", self._most.value),
        }


def _named(field: Any, column: str, outcome: str) -> Any:
    field.props("outlined dense options-dense hide-bottom-space")
    field.props["aria-label"] = say("rules.of", title=say(f"rules.{column}"), outcome=outcome)
    return field


class Row(Protocol):
    def number(self, number: int) -> None:
        """Say where it stands now, for who cannot see it."""


R = TypeVar("R", bound=Row)


class Rows(Generic[R]):
    """What can be added and taken away. `draw` makes a row of its value; the text `remove` names the button that takes it away."""

    def __init__(
        self, values: Sequence[Any], draw: Callable[[Any], R], *, remove: str, changed: Callable[[], None] | None = None
    ) -> None:
        self._draw = draw
        self._remove = remove
        self._changed = changed
        self._rows: list[tuple[ui.row, ui.button, R]] = []
        self._box = ui.column().classes("d-rows")
        for value in values:
            self._put(value)
        self._number()

    def __iter__(self) -> Iterator[R]:
        return iter([row for _, _, row in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, value: Any) -> None:
        self._put(value)
        self._tell()

    def _put(self, value: Any) -> None:
        with self._box, ui.row().classes("d-line") as line:
            row = self._draw(value)
            button = ui.button(icon="delete_outline", on_click=lambda: self._take_away(line))
            button.props("flat round dense color=grey-7")
        self._rows.append((line, button, row))

    def _take_away(self, line: ui.row) -> None:
        self._rows = [each for each in self._rows if each[0] is not line]
        line.delete()
        self._tell()

    def _tell(self) -> None:
        self._number()
        if self._changed is not None:
            self._changed()

    def _number(self) -> None:
        for number, (_, button, row) in enumerate(self._rows, start=1):
            button.props["aria-label"] = say(self._remove, number=number)
            row.number(number)


class Dispositions:
    """A row a button of the agent's desktop."""

    def __init__(self, dispositions: Sequence[Mapping[str, str]]) -> None:
        self._rows = Rows(dispositions, _Disposition, remove="dispositions.remove")
        added = {"code": "", "title": "", "effect": "done"}
        add = ui.button(say("dispositions.add"), icon="add", on_click=lambda: self._rows.add(added))
        add.props("flat no-caps dense")

    @property
    def value(self) -> list[dict[str, str]]:
        return [row.value for row in self._rows]


class _Disposition:
    def __init__(self, value: Mapping[str, str]) -> None:
        self._code = ui.input(say("dispositions.code"), value=value["code"]).classes("d-code")
        self._title = ui.input(say("dispositions.name"), value=value["title"]).classes("d-grow")
        self._effect = ui.select(
            say.options("dispositions.effects"), label=say("dispositions.effect"), value=value["effect"]
        ).classes("d-grow")
        for field in self._fields:
            field.props("outlined dense options-dense hide-bottom-space")

    @property
    def _fields(self) -> Sequence[ui.element]:
        return self._code, self._title, self._effect

    def number(self, number: int) -> None:
        for field, name in zip(self._fields, ("code", "name", "effect"), strict=True):
            field.props["aria-label"] = say("dispositions.of", title=say(f"dispositions.{name}"), number=number)

    @property
    def value(self) -> dict[str, str]:
        return {
            "code": self._code.value.strip(),
            "title": self._title.value.strip(),
            "effect": self._effect.value,
        }
