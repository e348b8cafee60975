"""What a CRM source is: where to ask, how its JSON maps to leads, how its pages follow one another; and what is wrong with one.

A credential is never part of it: a header says `{secret:NAME}`, and the settings say what that is.
"""

import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from dialerd.errors import DialerdError
from dialerd.guarded_http.public_address import url_problem
from dialerd.lead_sources.csv_file import ALIASES, COLUMNS, OURS
from dialerd.lead_sources.csv_table import canonical
from dialerd.toml_file import UnreadableToml, read_toml

LONGEST_PATH = 200
LONGEST_BODY = 100_000
MOST_CUSTOM = 100
SECRET = re.compile(r"\{secret:([A-Za-z0-9_]{1,64})\}", re.ASCII)
HEADER_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]{0,4000}")

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_NOT_OURS_TO_SET = re.compile(
    r"host|content-length|transfer-encoding|accept-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*"
)
_CREDENTIAL = re.compile(r"auth|cookie|token|secret|passw|api[-_]?key|hapikey|session", re.IGNORECASE)
_MULTI_SELECT = frozenset({"multi_select_list", "multi_select_dict"})


class InvalidCrmSource(DialerdError):
    """The source cannot be used so; nothing was stored. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(["the CRM source cannot be used:", *(f"  - {problem}" for problem in problems)]))
        self.problems = tuple(problems)


def _path(written: str) -> str:
    """As JMESPath has it; `$.a.b`, as other dialects begin, means a.b."""
    path = "@" if written.strip() in ("$", "$.") else re.sub(r"^\$\.?", "", written.strip())
    if len(path) > LONGEST_PATH:
        raise ValueError(f"is longer than {LONGEST_PATH} characters")
    try:
        nodes = list(_nodes(_compiled(path).parsed))
    except (JMESPathError, PendingDeprecationWarning, RecursionError) as malformed:
        raise ValueError(_why_no_path(malformed)) from None
    if unknown := {str(n["value"]) for n in nodes if n["type"] == "function_expression"} - set(
        Functions.FUNCTION_TABLE
    ):
        raise ValueError(f"calls {', '.join(sorted(unknown))}, which is no function of JMESPath")
    # Each of them can double a list, so that a short path could fill the memory.
    if sum(node["type"] in _MULTI_SELECT for node in nodes) > 2:
        raise ValueError("has more than two selections of several values")
    return path


def _compiled(path: str) -> ParsedResult:
    """Raises PendingDeprecationWarning for a literal that is no JSON, which would be taken for text."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", PendingDeprecationWarning)
        return jmespath.compile(path)


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("children", ()):
        if isinstance(child, Mapping):
            yield from _nodes(child)


def _why_no_path(malformed: Exception) -> str:
    place = getattr(malformed, "lex_position", None)
    where = f" at character {place + 1}" if isinstance(place, int) else ""
    return (
        f"is not a path{where}: write names with dots between, like data.leads; "
        'a name with other characters than letters, digits and _ in double quotes, like "first-name"'
    )


def _url(written: str) -> str:
    if problem := url_problem(written):
        raise ValueError(problem)
    if "{secret:" in written:
        raise ValueError("has a secret in it, which belongs into a header")
    open_secrets = [name for name, _ in parse_qsl(urlsplit(written).query) if _CREDENTIAL.search(name)]
    if open_secrets:
        raise ValueError(f"has a credential in {', '.join(open_secrets)}: send it in a header, as {{secret:NAME}}")
    return written


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("is no name of a header")
    if _NOT_OURS_TO_SET.fullmatch(name.lower()):
        raise ValueError("is set by dialerd itself")
    return name


def _header_value(value: str) -> str:
    if not HEADER_VALUE.fullmatch(value):
        raise ValueError("is too long, or has a character that a header cannot carry")
    if "{secret" in SECRET.sub("", value):
        raise ValueError("write {secret:NAME}, where NAME has letters, digits and _")
    return value


def _body(body: JsonValue) -> JsonValue:
    try:
        text = json.dumps(body, allow_nan=False)
    except (ValueError, RecursionError):
        raise ValueError("cannot be written as JSON") from None
    if len(text) > LONGEST_BODY:
        raise ValueError(f"is longer than {LONGEST_BODY} characters")
    if "{secret:" in text:
        raise ValueError("has a secret in it, which belongs into a header")
    return body


def custom_name(name: str) -> str:
    """Of a field of its own that a lead may have. Raises ValueError."""
    if not name.strip() or not name.isprintable() or len(name) > 64:
        raise ValueError("is no name: up to 64 characters that can be printed")
    if canonical(name) in {*COLUMNS, *OURS, *ALIASES}:
        raise ValueError("is the name of what every lead has; choose another one")
    return name


_JmesPath = Annotated[str, AfterValidator(_path)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class CrmMapping(_Part):
    """Where in the answer the leads are, and where in each of them what is. Paths of JMESPath."""

    leads_array: _JmesPath
    first_name: _JmesPath
    number: _JmesPath
    last_name: _JmesPath | None = None
    priority: _JmesPath | None = None
    ticket_id: _JmesPath | None = None
    dial_retries: _JmesPath | None = None
    first_cooloff: _JmesPath | None = None
    """Seconds to wait after the first failed dial."""
    cooloff: _JmesPath | None = None
    """Seconds to wait after the second failed dial."""
    notes: _JmesPath | None = None
    skill: _JmesPath | None = None
    extension: _JmesPath | None = None
    time_zone: _JmesPath | None = None
    custom: dict[Annotated[str, AfterValidator(custom_name)], _JmesPath] = Field(
        default_factory=dict, max_length=MOST_CUSTOM
    )


class CrmPaging(_Part):
    """Either by a link to the `next` page, or by the number of the page as a parameter of the URL."""

    next: _JmesPath | None = None
    page_parameter: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[\]-]{1,64}$")] | None = None
    first_page: Annotated[int, Field(ge=0, le=1_000_000)] = 1


def _result_key(key: str) -> str:
    if len(key) > LONGEST_PATH or not all(part and part.isprintable() for part in key.split(".")):
        raise ValueError("is no name of a field: names with dots between, like properties.call_result")
    return key


_Headers = Annotated[
    dict[Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_value)]],
    Field(max_length=50),
]


class CrmResults(_Part):
    """Where the CRM wants to be told what came of a lead, and in which words."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    url: Annotated[str, AfterValidator(_url)]
    headers: _Headers = Field(default_factory=dict)
    mapping: dict[Annotated[str, AfterValidator(_result_key)], _JmesPath] = Field(
        default_factory=dict, max_length=MOST_CUSTOM
    )
    """A field of the body (dots: of an object in it) -> where in the event its value is. Empty: the event as it is."""


class CrmSource(_Part):
    method: Literal["GET", "POST", "PUT"] = "GET"
    url: Annotated[str, AfterValidator(_url)]
    headers: _Headers = Field(default_factory=dict)
    body: Annotated[JsonValue, AfterValidator(_body)] = None
    mapping: CrmMapping
    paging: CrmPaging | None = None
    results: CrmResults | None = None

    def as_json(self) -> dict[str, Any]:
        """What `read_source` takes: as it is stored and shown. It says which secrets are used, not what they are."""
        return self.model_dump(mode="json", exclude_defaults=True)


def read_source(values: Mapping[str, Any]) -> CrmSource:
    """Raises InvalidCrmSource with everything that is wrong."""
    problems = _contradictions(values)
    try:
        source = CrmSource.model_validate(dict(values))
    except ValidationError as invalid:
        problems = [_sentence(error) for error in invalid.errors(include_url=False, include_input=False)] + problems
    else:
        if not problems:
            return source
    raise InvalidCrmSource(problems)


def read_source_file(path: Path) -> CrmSource:
    """From TOML. Raises InvalidCrmSource."""
    try:
        values = read_toml(path)
    except UnreadableToml as why:
        raise InvalidCrmSource([f"{path} {why}"]) from None
    return read_source(values)


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """What is wrong between values that may each be right."""
    paging, results = values.get("paging"), values.get("results")
    problems = []
    if values.get("method", "GET") == "GET" and values.get("body") is not None:
        problems.append("body: a GET has none; choose POST or PUT")
    problems += _header_problems(values, "headers")
    if isinstance(paging, dict):
        problems += _paging_problems(paging)
    if isinstance(results, dict):
        problems += [*_header_problems(results, "results.headers"), *_result_problems(results)]
    return problems


def _header_problems(values: Mapping[str, Any], place: str) -> list[str]:
    headers = values.get("headers")
    if not isinstance(headers, dict):
        return []
    names = [str(name).lower() for name in headers]
    return [
        *(f"{place}.{name}: {_IN_THE_OPEN}" for name, value in headers.items() if _is_open(name, value)),
        *(f"{place}.{name}: stands there twice" for name in sorted({n for n in names if names.count(n) > 1})),
    ]


def _result_problems(results: Mapping[str, Any]) -> list[str]:
    """A field cannot be a value and an object at once."""
    mapping = results.get("mapping")
    keys = [key for key in mapping if isinstance(key, str)] if isinstance(mapping, dict) else []
    return [
        f"results.mapping.{key}: is an object, for there is {other}, too"
        for key in keys
        for other in keys
        if other.startswith(f"{key}.")
    ]


_IN_THE_OPEN = "looks like a credential: put it into crm.secrets of the settings, and write {secret:NAME} here"


def _is_open(name: object, value: object) -> bool:
    return bool(_CREDENTIAL.search(str(name))) and not SECRET.search(str(value))


def _paging_problems(paging: Mapping[str, Any]) -> list[str]:
    by_link, by_number = paging.get("next") is not None, paging.get("page_parameter") is not None
    if by_link == by_number:
        return ["paging: name either next or page_parameter"]
    return ["paging.first_page: only with page_parameter"] if by_link and "first_page" in paging else []


def _sentence(error: ErrorDetails) -> str:
    place = ".".join(str(step) for step in error["loc"] if step != "[key]")
    words = {
        "missing": "is missing",
        "extra_forbidden": "there is no such key; is it mistyped?",
        "string_type": "has to be text",
    }
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    return f"{place}: {words.get(error['type'], said)}"
