"""The fields of a CRM source: where it is, which of its fields are which, how its pages follow, and where results go."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement

from dialerd.portal.door import Refused
from dialerd.portal.forms import Form
from dialerd.portal.texts import texts

say = texts("lead_import")

MANDATORY = ("leads_array", "first_name", "number")
OPTIONAL = (
    *("last_name", "priority", "ticket_id", "dial_retries", "first_cooloff", "cooloff", "notes"),
    *("skill", "extension", "time_zone"),
)

_MANY_LINES = {
    "headers.": "headers",
    "mapping.custom.": "custom",
    "results.headers.": "results.headers",
    "results.mapping.": "results.mapping",
}

Source = Mapping[str, Any]


class CrmFields:
    """The fields of a source, and what is wrong with one beside them."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._inputs: dict[str, ValueElement[Any]] = {}

    def draw(self, source: Source, *, changed: Any) -> None:
        form = self._form
        with ui.element("div").classes("d-crm-where"):
            method = form.choice("method", ["GET", "POST", "PUT"], "GET")
            url = form.text("url").props("placeholder=https://crm.example.com/leads")
        self._inputs = {"method": method, "url": url}
        for name in ("headers", "body"):
            self._inputs[name] = form.long_text(name).classes("d-mono-field")
        ui.label(say("crm.mapping")).classes("d-job-title")
        ui.label(say("crm.mapping_help")).classes("d-help")
        with ui.element("div").classes("d-grid"):
            self._draw_paths(MANDATORY)
        with ui.expansion(say("crm.optional")).classes("d-more"), ui.element("div").classes("d-grid"):
            self._draw_paths(OPTIONAL)
            self._inputs["custom"] = form.long_text("custom").classes("d-mono-field")
        self._draw_paging()
        with ui.expansion(say("crm.results")).classes("d-more"):
            self._draw_results()
        self.fill(source)
        method.on_value_change(self._show_some)
        self._inputs["paging"].on_value_change(self._show_some)
        for field in self._inputs.values():
            field.on_value_change(changed)

    def _draw_paths(self, names: Sequence[str]) -> None:
        for name in names:
            self._inputs[f"mapping.{name}"] = self._form.text(f"mapping.{name}").props("autocomplete=off")

    def _draw_paging(self) -> None:
        form = self._form
        with ui.element("div").classes("d-grid"):
            self._inputs["paging"] = form.choice("paging", say.options("paging"), "none")
            for name in ("next", "page_parameter"):
                self._inputs[f"paging.{name}"] = form.text(f"paging.{name}")
            self._inputs["paging.first_page"] = form.number("paging.first_page", 1, min=0, precision=0)

    def _draw_results(self) -> None:
        form = self._form
        ui.label(say("crm.results_help")).classes("d-help")
        with ui.element("div").classes("d-crm-where"):
            self._inputs["results.method"] = form.choice("results.method", ["POST", "PUT", "PATCH"], "POST")
            self._inputs["results.url"] = form.text("results.url")
        for name in ("headers", "mapping"):
            self._inputs[f"results.{name}"] = form.long_text(f"results.{name}").classes("d-mono-field")

    def _show_some(self) -> None:
        """What the method and the kind of paging make use of."""
        self._inputs["body"].visible = self._inputs["method"].value != "GET"
        kind = self._inputs["paging"].value
        for name, of in (("next", "next"), ("page_parameter", "page_parameter"), ("first_page", "page_parameter")):
            self._inputs[f"paging.{name}"].visible = kind == of

    # --- values ---

    def fill(self, source: Source) -> None:
        mapping, paging, results = source.get("mapping", {}), source.get("paging") or {}, source.get("results") or {}
        values = {
            "method": source.get("method", "GET"),
            "url": source.get("url", ""),
            "headers": _lines(source.get("headers", {}), ": "),
            "body": json.dumps(source["body"], indent=2) if "body" in source else "",
            "custom": _lines(mapping.get("custom", {}), " = "),
            "paging": next((name for name in ("next", "page_parameter") if name in paging), "none"),
            "paging.next": paging.get("next", ""),
            "paging.page_parameter": paging.get("page_parameter", ""),
            "paging.first_page": paging.get("first_page", 1),
            "results.method": results.get("method", "POST"),
            "results.url": results.get("url", ""),
            "results.headers": _lines(results.get("headers", {}), ": "),
            "results.mapping": _lines(results.get("mapping", {}), " = "),
            **{f"mapping.{name}": mapping.get(name, "") for name in (*MANDATORY, *OPTIONAL)},
        }
        for name, value in values.items():
            self._inputs[name].value = value
        self._show_some()

    def checked(self) -> dict[str, Any]:
        """The source. Raises Refused where its body is none that could be sent at all: all else is the API's to judge."""
        source = self.source()
        if isinstance(source.get("body"), str):
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-crm-source", "", [f"body: {say('crm.no_json')}"])
        return source

    def source(self) -> dict[str, Any]:
        """As the API has it: without what is empty, and without what is usual."""
        values = self._form.values()
        parts = {
            "method": values["method"] if values["method"] != "GET" else None,
            "url": values["url"] or None,
            "headers": _pairs(values["headers"], ":"),
            "body": _body(values["body"]) if values["method"] != "GET" else None,
            "mapping": self._mapping(values),
            "paging": self._paging_of(values),
            "results": _results(values),
        }
        return {name: value for name, value in parts.items() if value not in (None, {}) or name == "mapping"}

    def _mapping(self, values: Mapping[str, Any]) -> dict[str, Any]:
        paths = {name: values[f"mapping.{name}"] for name in (*MANDATORY, *OPTIONAL) if values[f"mapping.{name}"]}
        custom = _pairs(values["custom"], "=")
        return {**paths, "custom": custom} if custom else paths

    def _paging_of(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        if values["paging"] == "next":
            return {"next": values["paging.next"]}
        if values["paging"] == "page_parameter":
            first = values["paging.first_page"]
            usual = {"page_parameter": values["paging.page_parameter"]}
            return usual if first in (1, None) else {**usual, "first_page": first}
        return None


def _results(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing at all where the CRM is to be told nothing."""
    parts = {
        "method": values["results.method"] if values["results.method"] != "POST" else None,
        "url": values["results.url"] or None,
        "headers": _pairs(values["results.headers"], ":"),
        "mapping": _pairs(values["results.mapping"], "="),
    }
    return {name: value for name, value in parts.items() if value not in (None, {})}


def placed(problem: str) -> str:
    """A header and a field of one's own stand in a text of many lines, so its problem says which."""
    for begins, field in _MANY_LINES.items():
        if problem.startswith(begins):
            return f"{field}: {problem.removeprefix(begins)}"
    return problem


def _lines(pairs: Mapping[str, str], between: str) -> str:
    return "\n".join(f"{name}{between}{value}" for name, value in pairs.items())


def _pairs(text: str, between: str) -> dict[str, str]:
    """Of a text with one in each line. A line without the sign is a name without a value, of which the API says what is wrong."""
    split = (line.partition(between) for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in split}


def _body(text: str) -> Any:
    """Of JSON; what is none comes back as it is."""
    if not text:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
