from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.lead_sources.crm_source import CrmSource, InvalidCrmSource, read_source, read_source_file

MAPPING = {"leads_array": "data.leads", "first_name": "first", "number": "phone"}
SECRET = "{secret:crm}"

TOML = """
method = "POST"
url = "https://crm.example.com/api/leads?status=open"
headers.Authorization = "Bearer {secret:crm_token}"
body = { filter = { open = true }, limit = 100 }

[mapping]
leads_array = "$.data.leads"
first_name = "$.first"
number = "phones[0].e164"
last_name = "last"
priority = "score"
ticket_id = "id"
dial_retries = "tries"
first_cooloff = "wait.first"
cooloff = "wait.second"
notes = "join(', ', remarks)"
skill = "skill"
extension = "owner.extension"
time_zone = "zone"
custom.city = 'address."home-town"'

[paging]
page_parameter = "page"
first_page = 0
"""


def values(**changes: Any) -> dict[str, Any]:
    return {"url": "https://crm.example.com/leads", "mapping": MAPPING, **changes}


def a_source(**changes: Any) -> CrmSource:
    return read_source(values(**changes))


def problems(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidCrmSource) as told:
        a_source(**changes)
    return told.value.problems


def problem(**changes: Any) -> str:
    (only,) = problems(**changes)
    return only


def test_a_file_says_method_url_headers_body_mapping_and_paging(tmp_path: Path) -> None:
    file = tmp_path / "crm.toml"
    file.write_text(TOML)
    source = read_source_file(file)
    assert source.method == "POST"
    assert source.body == {"filter": {"open": True}, "limit": 100}
    assert source.mapping.leads_array == "data.leads"
    assert source.mapping.custom == {"city": 'address."home-town"'}
    assert source.paging is not None
    assert source.paging.first_page == 0
    assert read_source(source.as_json()) == source


@pytest.mark.parametrize("key", ["leads_array", "first_name", "number"])
def test_mandatory_mapping_keys_are_leads_array_first_name_and_number(key: str) -> None:
    mapping = {name: path for name, path in MAPPING.items() if name != key}
    assert problem(mapping=mapping) == f"mapping.{key}: is missing"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = problems(
        method="GET",
        url="ftp://crm.example.com/",
        headers={"Authorization": "Bearer hush", "Bad Name": "x", "Host": "x", "X-Line": "a\nb"},
        body={"a": 1},
        mapping={"leads_array": "a[", "number": "first_of(phones)", "frist_name": "x", "custom": {"number": "x"}},
        paging={"next": "links.next", "page_parameter": "page"},
        verify=False,
    )
    places = {problem.partition(": ")[0] for problem in told}
    assert places == {
        "url",
        "headers.Bad Name",
        "headers.Host",
        "headers.X-Line",
        "headers.Authorization",
        "body",
        "mapping.leads_array",
        "mapping.first_name",
        "mapping.number",
        "mapping.frist_name",
        "mapping.custom.number",
        "paging",
        "verify",
    }
    assert "hush" not in str(told)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "is not a path"),
        ("a.", "is not a path"),
        ("a..b", "is not a path at character 3"),
        ("home-town", "in double quotes"),
        ("a b", "is not a path"),
        ("`{`", "is not a path"),
        ("$..number", "is not a path"),
        ("foo(a)", "calls foo, which is no function"),
        ("leads[?upper(name) == 'x'].first(@)", "calls first, upper, which is no function"),
        ("(" * 150, "is not a path"),
        ("a" * 201, "longer than 200"),
        ("[@,@][] | [@,@][] | [@,@][]", "more than two selections"),
    ],
)
def test_syntax_errors_and_unknown_functions_are_told_when_saving(path: str, why: str) -> None:
    assert why in problem(mapping={**MAPPING, "number": path})


@pytest.mark.parametrize(
    ("written", "meant"),
    [("$", "@"), ("$.", "@"), ("$.a.b", "a.b"), ("$[0].a", "[0].a"), ("a.b", "a.b"), ("@", "@"), (" $.a ", "a")],
)
def test_a_path_that_begins_with_a_dollar_is_accepted(written: str, meant: str) -> None:
    assert a_source(mapping={**MAPPING, "leads_array": written}).mapping.leads_array == meant


@given(st.text(max_size=40))
def test_whatever_is_written_for_a_path_is_one_or_a_problem(path: str) -> None:
    try:
        source = a_source(mapping={**MAPPING, "number": path})
    except InvalidCrmSource:
        assert problem(mapping={**MAPPING, "number": path}).startswith("mapping.number: ")
    else:
        assert read_source(source.as_json()) == source


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["Authorization", "authorization", "X-Api-Key", "Cookie", "X-Auth-Token", "X-SECRET"]
)
def test_a_credential_is_named_not_written(header: str) -> None:
    assert "{secret:NAME}" in problem(headers={header: "hush"})
    assert a_source(headers={header: f"Bearer {SECRET}"}).headers == {header: f"Bearer {SECRET}"}


@pytest.mark.parametrize("value", ["{secret:}", "{secret:a b}", "{secret", "{secret:a-b}"])
def test_a_secret_that_is_named_wrongly_is_told(value: str) -> None:
    assert "write {secret:NAME}" in str(problems(headers={"X-Tenant": value}))


def test_a_credential_stands_in_no_other_place() -> None:
    assert "belongs into a header" in problem(url="https://crm.example.com/?a={secret:crm}")
    assert "access_token" in problem(url="https://crm.example.com/?access_token=hush")
    assert "belongs into a header" in problem(method="POST", body={"login": {"pass": SECRET}})
    assert "a user or a password" in problem(url="https://ada:hush@crm.example.com/")


@pytest.mark.parametrize(
    "name", ["Host", "Content-Length", "Transfer-Encoding", "Accept-Encoding", "Proxy-Authorization", "TE"]
)
def test_headers_that_steer_the_connection_are_ours(name: str) -> None:
    assert "is set by dialerd itself" in str(problems(headers={name: SECRET}))


def test_a_header_stands_once_whatever_its_capitals() -> None:
    assert problem(headers={"X-Tenant": "1", "x-tenant": "2"}) == "headers.x-tenant: stands there twice"


# --- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["DELETE", "get", 5])
def test_methods_are_get_post_and_put(method: object) -> None:
    assert problem(method=method).startswith("method: should be 'GET', 'POST' or 'PUT'")


def test_a_get_has_no_body() -> None:
    assert problem(body={"a": 1}).startswith("body: a GET has none")


@pytest.mark.parametrize("body", [{"at": object()}, {"x": float("nan")}, ["a" * 100_001]])
def test_a_body_is_json_of_a_moderate_size(body: object) -> None:
    assert problem(method="POST", body=body).startswith("body")


@pytest.mark.parametrize(
    "paging",
    [
        {},
        {"next": "a", "page_parameter": "b"},
        {"next": "a", "first_page": 2},
        {"page_parameter": "a b"},
        {"page_parameter": "p", "first_page": -1},
        "next",
    ],
)
def test_pages_follow_by_link_or_by_number(paging: object) -> None:
    assert problem(paging=paging).startswith("paging")


@pytest.mark.parametrize("name", ["number", "First Name", "phone", "dialerd_state", "", " ", "a\nb", "x" * 65])
def test_a_field_of_its_own_has_a_name_of_its_own(name: str) -> None:
    assert problem(mapping={**MAPPING, "custom": {name: "a"}}).startswith("mapping.custom.")


@pytest.mark.parametrize(
    ("content", "why"), [("a = ", "is not TOML"), (b"\xff\xfe", "is not TOML"), ("", "url: is missing")]
)
def test_a_file_that_is_none_is_told(content: str | bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "crm.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidCrmSource, match=why):
        read_source_file(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidCrmSource, match="No such file"):
        read_source_file(tmp_path / "crm.toml")
