"""What came of a lead, in the words of the CRM that it came from: the request by which the CRM is told."""

import json
from collections.abc import Mapping
from typing import Any

import jmespath
from pydantic import SecretStr

from dialerd.errors import DialerdError
from dialerd.guarded_http.client import Request
from dialerd.lead_sources.crm_api import CANNOT_EVALUATE, filled_headers
from dialerd.lead_sources.crm_source import read_source


class NoResultsWanted(DialerdError):
    """The campaign's CRM source does not say any more where results go."""


def result_request(source: Mapping[str, Any], message: Mapping[str, Any], secrets: Mapping[str, SecretStr]) -> Request:
    """`source` is a stored CRM source, `message` an event as a webhook is sent it. Raises NoResultsWanted, InvalidCrmSource,
    SettingsError for a secret that is not there."""
    results = read_source(source).results if source else None
    if results is None:
        raise NoResultsWanted
    usual = {"Content-Type": "application/json"}
    body = _mapped(results.mapping, message) if results.mapping else message
    return Request(
        method=results.method,
        url=results.url,
        headers=filled_headers(results.headers, secrets, usual),
        body=json.dumps(body, allow_nan=False).encode(),
    )


def _mapped(mapping: Mapping[str, str], message: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for key, path in mapping.items():
        *outer, last = key.split(".")
        inner = body
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = _value(path, message)
    return body


def _value(path: str, message: Mapping[str, Any]) -> Any:
    """null where the path leads nowhere, or does not fit what is there: the rest of the result is worth being told."""
    try:
        return jmespath.search(path, message)
    except CANNOT_EVALUATE:
        return None
