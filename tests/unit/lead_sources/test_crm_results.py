"""A CRM is told what came of a lead in its own words, where it wants to be told it."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from dialerd.errors import SettingsError
from dialerd.lead_sources.crm_results import NoResultsWanted, result_request
from dialerd.lead_sources.crm_source import InvalidCrmSource, read_source

URL = "https://crm.example.com/results"
MESSAGE = {"id": "7", "lead_id": 9, "data": {"number": "+12025550123", "menu_result": "confirmed", "note": None}}
SECRETS = {"crm": SecretStr("hush")}


def a_source(**results: Any) -> dict[str, Any]:
    mapping = {"leads_array": "data", "first_name": "name", "number": "phone"}
    return {"url": "https://crm.example.com/leads", "mapping": mapping, "results": {"url": URL, **results}}


def test_without_a_mapping_the_crm_is_told_what_a_webhook_is_told() -> None:
    request = result_request(a_source(), MESSAGE, {})
    assert (request.method, request.url, json.loads(request.body or b"")) == ("POST", URL, MESSAGE)
    assert request.headers == {"Content-Type": "application/json"}


def test_the_mapping_makes_the_body_with_objects_in_objects() -> None:
    mapping = {
        "phone": "data.number",
        "properties.call.said": "data.menu_result || 'nothing'",
        "properties.call.id": "id",
        "properties.missing": "data.weather",
        "properties.odd": "abs(data.number)",
    }
    request = result_request(a_source(mapping=mapping, method="PATCH"), MESSAGE, {})
    assert request.method == "PATCH"
    assert json.loads(request.body or b"") == {
        "phone": "+12025550123",
        "properties": {"call": {"said": "confirmed", "id": "7"}, "missing": None, "odd": None},
    }


def test_headers_have_their_secrets_and_a_missing_one_is_told_by_name() -> None:
    source = a_source(headers={"Authorization": "Bearer {secret:crm}", "content-type": "text/json"})
    headers = result_request(source, MESSAGE, SECRETS).headers
    assert headers == {"Authorization": "Bearer hush", "content-type": "text/json"}
    with pytest.raises(SettingsError, match=r"crm\.secrets\.crm: missing"):
        result_request(source, MESSAGE, {})


@pytest.mark.parametrize("source", [{}, {key: value for key, value in a_source().items() if key != "results"}])
def test_a_source_that_wants_no_results_is_told_none(source: dict[str, Any]) -> None:
    with pytest.raises(NoResultsWanted):
        result_request(source, MESSAGE, {})


def test_everything_that_is_wrong_with_it_is_told_at_once_with_its_place() -> None:
    wrong = a_source(
        url="ftp://crm.example.com/",
        method="GET",
        headers={"Authorization": "hush"},
        mapping={"a..b": "data", "c": "data[", "d": "id", "d.e": "id"},
    )
    with pytest.raises(InvalidCrmSource) as refused:
        read_source(wrong)
    told = "\n".join(refused.value.problems)
    assert "hush" not in told
    for place in ("results.url", "results.method", "results.headers.Authorization", "results.mapping.a..b"):
        assert f"{place}: " in told
    assert "results.mapping.d: is an object, for there is d.e, too" in told
