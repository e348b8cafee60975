"""The form of a step of the campaign builder: fields that hold settings as the API writes them, and what it says of each beside it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.validation_element import ValidationElement

from dialerd.portal.builder_draft import Draft
from dialerd.portal.door import Refused
from dialerd.portal.forms import F, Form
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import length_text

say = texts("builder")

_PLACES: Mapping[str, str] = {
    "attempts": "max_attempts",
    "cool-offs": "cooloff_s",
    "ring timeout": "ring_timeout_s",
    "customer wait SLA": "customer_wait_sla_s",
    "agent dial timeout": "agent_dial_timeout_s",
    "wrap-up": "wrapup_s",
    "offer": "offer_s",
    "machine audit": "machine_audit_pct",
    "abandonment cap": "abandonment_cap_pct",
    "windows": "zones",
    "lead_window": "zones",
    "day_plan": "zones",
    "Dial By Timezone": "zones",
    "Dial by Schedule": "zones",
    "compliance profile": "profile",
    "sound": "greeting",
    "caller IDs": "caller_id_enabled",
}
"""What sentences of domain.campaigns begin with, where that is not the field's own name."""


def field_of(problem: str) -> str:
    """Which field a problem is about, as far as its beginning tells; else its first word. A profile's begins with the setting's name."""
    place, found, _ = problem.partition(": ")
    if not found or place.startswith("outcome "):
        return "outcome_rules" if found else problem.split()[0]
    if place in _PLACES:
        return _PLACES[place]
    head = place.partition(".")[0]
    return _PLACES.get(head) or (head.split()[0] if " is " in head else head.replace(" ", "_"))


class Part(Protocol):
    """Several fields that together hold one setting."""

    @property
    def value(self) -> Any:
        """As the API writes it."""


P = TypeVar("P", bound=Part)


class SettingsForm(Form):
    """Fields of these settings, by their names."""

    def __init__(self, settings: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
        super().__init__(say)
        self._settings = settings
        self._limits = limits
        self._readers: dict[str, Callable[[], Any]] = {}
        self._errors: dict[str, ui.label] = {}

    # --- fields ---

    def line(self, name: str) -> ui.input:
        field = self.text(name, self._settings[name])
        self._readers[name] = lambda: _stripped(field.value)
        return field

    def lines(self, name: str) -> ui.textarea:
        field = self.long_text(name, self._settings[name])
        self._readers[name] = lambda: _stripped(field.value)
        return field

    def whole(self, name: str, *, or_none: bool = False) -> ui.number:
        """A whole number; empty is null where that may be."""
        field = self._numbered(name)
        self._readers[name] = lambda: _whole(name, field.value, or_none=or_none)
        return field

    def decimal(self, name: str, *, or_none: bool = False) -> ui.number:
        field = self._numbered(name)
        self._readers[name] = lambda: _number(name, field.value, or_none=or_none)
        return field

    def seconds(self, name: str, *, or_none: bool = False) -> ui.number:
        """With how long that is, in people's words."""
        field = self.whole(name, or_none=or_none)

        def tell() -> None:
            field.suffix = length_text(field.value) if (field.value or 0) >= _LONG_S else ""

        field.on_value_change(tell)
        tell()
        return field

    def pick(self, name: str, options: Mapping[Any, str]) -> ui.select:
        """One out of a list. What is set already can always be chosen."""
        value = self._settings[name]
        field = self.choice(name, {**options, **({} if value in options else {value: str(value)})}, value)
        self._readers[name] = lambda: field.value
        return field

    def pick_or_write(self, name: str, options: Mapping[Any, str]) -> ui.select | ui.input:
        """A line to write in where nothing is known to choose from."""
        return self.pick(name, options) if options else self.line(name)

    def options(self, name: str, *, only: Sequence[str] | None = None) -> ui.radio:
        """One out of a few, each with what it means."""
        words = say.options(f"options.{name}")
        shown = {key: text for key, text in words.items() if only is None or key in only}
        value = self._settings[name]
        return self.radio(name, shown, value if value in shown else next(iter(shown)))

    def radio(self, name: str, options: Mapping[str, str], value: str) -> ui.radio:
        with ui.column().classes("d-choice") as group:
            title = ui.label(self._label(name)).classes("d-label")
            radio = ui.radio(dict(options), value=value)
            group.props(f"role=group aria-labelledby={title.html_id}")
            self._add_error(name)
        self._fields[name] = radio
        self._readers[name] = lambda: radio.value
        return radio

    def flag(self, name: str) -> ui.switch:
        switch = self.switch(name, self._settings[name])
        self._add_error(name)
        self._readers[name] = lambda: switch.value
        return switch

    def clock(self, name: str) -> ui.input:
        field = self.add(name, time_input(self._label(name), self._settings[name]))
        self._readers[name] = lambda: time_of_day(name, field.value)
        return field

    def part(self, name: str, part: P) -> P:
        """Drawn by itself, with one place below for what is wrong with it."""
        self._add_error(name)
        self._readers[name] = lambda: part.value
        return part

    def reads(self, name: str, read: Callable[[], Any]) -> None:
        """What the setting is, where more than its own field decides it."""
        self._readers[name] = read

    def forget(self, name: str) -> None:
        """It is no setting, only decides what others are."""
        del self._readers[name]

    def _numbered(self, name: str) -> ui.number:
        # No min and max: the field would quietly put another number there, where a refusal says what is wrong.
        return self.number(name, self._settings[name], step="any")

    def add(self, name: str, field: F) -> F:
        """With the account's limits in its help."""
        super().add(name, field)
        if "hint" in field.props and "{" in field.props["hint"]:
            field.props["hint"] = say(f"fields.{name}.help", **self._limits)
        return field

    def _add_error(self, name: str) -> None:
        label = ui.label().classes("d-error").props("role=alert")
        label.visible = False
        self._errors[name] = label

    # --- values ---

    def read(self) -> dict[str, Any]:
        """Every setting of the step, as the API writes it. Raises Refused for what is none yet."""
        found, problems = {}, []
        for name, reader in self._readers.items():
            try:
                found[name] = reader()
            except Unusable as unusable:
                problems.append(f"{unusable.name}: {unusable}")
        if problems:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", say("missing"), problems)
        return found

    def glance(self) -> dict[str, Any]:
        """What can be read of it now."""
        found = {}
        for name, reader in self._readers.items():
            try:
                found[name] = reader()
            except Unusable:
                continue
        return found

    # --- refusals ---

    def clear(self) -> None:
        super().clear()
        for label in self._errors.values():
            label.visible = False

    def _put(self, problem: str) -> bool:
        name = field_of(problem)
        sentence = problem.partition(": ")[2] or problem
        field = self._fields.get(name)
        if isinstance(field, ValidationElement) and _is_shown(field):
            field.error = sentence
            return True
        label = self._errors.get(name)
        if label is None or label.parent_slot is None or not _is_shown(label.parent_slot.parent):
            return False
        label.text = f"{label.text}\n{sentence}" if label.visible else sentence
        label.visible = True
        return True


_LONG_S = 120
_TIME = re.compile(r"([01][0-9]|2[0-3]|24(?=:00)):([0-5][0-9])")


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the parts of a step are drawn with. `shown`: the settings that stand in the fields."""

    visit: Visit
    account: Mapping[str, Any]
    draft: Draft
    shown: Mapping[str, Any]
    form: SettingsForm

    @property
    def zone(self) -> str:
        return str(self.account["rules"]["time_zone"])


class Unusable(Exception):
    """This is no value of that field."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


def _stripped(text: str | None) -> str:
    return (text or "").strip()


def time_input(label: str, value: str | None) -> ui.input:
    """Hours and minutes of 24 hours, whatever the browser's language: its own field for times would ask for am and pm in some."""
    field = ui.input(label or None, value=(value or "")[:5], placeholder="hh:mm")
    field.props("outlined dense mask=##:## inputmode=numeric" + (" stack-label" if label else ""))
    return field


def time_value(text: str | None) -> str:
    """As the API writes it: 24:00 is 00:00 there. Empty for what is no time."""
    found = _TIME.fullmatch((text or "").strip())
    return "" if found is None else f"{int(found[1]) % 24:02d}:{found[2]}:00"


def time_of_day(name: str, text: str | None) -> str:
    """Raises Unusable."""
    found = time_value(text)
    if not found:
        raise Unusable(name, say("hours.no_times"))
    return found


def _number(name: str, value: float | None, *, or_none: bool) -> float | None:
    if value is None and not or_none:
        raise Unusable(name, say("number_missing"))
    return value


def _whole(name: str, value: float | None, *, or_none: bool) -> int | None:
    number = _number(name, value, or_none=or_none)
    if number is not None and not float(number).is_integer():
        raise Unusable(name, say("not_whole"))
    return None if number is None else int(number)


def whole_or_none(name: str, value: float | None) -> int | None:
    return _whole(name, value, or_none=True)


def _is_shown(element: Element) -> bool:
    return all(each.visible for each in element.ancestors(include_self=True))
