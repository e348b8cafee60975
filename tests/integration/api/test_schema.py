"""The API's description of itself: complete, true of every answer (schemathesis), and shown by a page that asks nobody else."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, cast

import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dialerd.api.parts import Parts
from dialerd.api.problems import MEDIA_TYPE
from dialerd.api.web import create_web
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles
from dialerd.domain.roles import Role
from dialerd.settings import Settings, WebSettings
from dialerd.store.pool import Pool, connect
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ADDRESS
from tests.integration.api.first_words import FirstWords
from tests.integration.api.test_matrix import application

pytestmark = pytest.mark.integration

DESCRIPTION = application().openapi()
METHODS = ("get", "put", "post", "delete", "patch", "head")


@dataclass(frozen=True)
class Operation:
    name: str
    told: dict[str, Any]


def operations() -> Iterator[Operation]:
    for path, item in DESCRIPTION["paths"].items():
        for method, told in item.items():
            if method in METHODS:
                yield Operation(f"{method.upper()} {path}", told)


def test_every_operation_says_what_it_is_for() -> None:
    silent = [each.name for each in operations() if not (each.told.get("summary") and each.told.get("tags"))]
    assert silent == []


def test_every_operation_says_how_it_is_refused_and_by_which_document() -> None:
    wrong = [
        f"{each.name}: {status}"
        for each in operations()
        for status in ("401", "403", "422", "429", "503")
        if MEDIA_TYPE not in each.told["responses"].get(status, {}).get("content", {})
    ]
    assert wrong == []


def test_every_parameter_and_field_is_described_or_has_an_example() -> None:
    parameters = [
        f"{each.name}: {parameter['name']}"
        for each in operations()
        for parameter in each.told.get("parameters", ())
        if not (parameter.get("description") or _speaks(parameter["schema"]))
    ]
    fields = [
        f"{name}.{field}"
        for name, schema in DESCRIPTION["components"]["schemas"].items()
        for field, told in schema.get("properties", {}).items()
        if not _speaks(told)
    ]
    assert (parameters, fields) == ([], [])


def _speaks(told: dict[str, Any]) -> bool:
    """A choice of words speaks for itself, and so does what is described elsewhere."""
    return any(
        told.get(key) for key in ("description", "examples", "example", "enum", "const", "$ref", "anyOf", "oneOf")
    )


def test_what_may_be_repeated_says_so() -> None:
    repeatable = [each.name for each in operations() if "Idempotency-Key" in str(each.told.get("parameters"))]
    assert "POST /api/v1/campaigns" in repeatable
    assert "POST /api/v1/tokens" not in repeatable


async def test_the_page_of_the_documentation_loads_nothing_from_elsewhere(nobody: httpx.AsyncClient) -> None:
    page = await nobody.get("/api/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert (page.status_code, all(each.startswith("/api/") for each in loaded)) == (200, True)
    assert {(await nobody.get(each)).status_code for each in loaded} == {200}
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'self' 'sha256-[^']+';", policy)
    assert "http" not in policy


SEED = 20261122
EXAMPLES = 4
"""Of each operation such that fit the description, and as many that do not."""
CHECKED = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
)
"""Left out: what asks for more requests of its own (that is for the matrix), and that all is taken that fits the description: of what is
sent, the rules of the trade refuse much that has the right form."""
ABOVE_ALL_GUESSES = 4_000_000_000_000_000_000


class Prober:
    """Sends what schemathesis thinks of to an application over a database of its own, as an owner who cannot ask too often."""

    def __init__(self, runner: asyncio.Runner, database: str) -> None:
        self._runner = runner
        self._pool, app, secret = runner.run(self._opened(database))
        headers = {"Authorization": f"Bearer {secret}"}
        self._client = httpx.AsyncClient(transport=FirstWords(app), base_url=ADDRESS, headers=headers)
        self.statuses: Counter[int] = Counter()

    @staticmethod
    async def _opened(database: str) -> tuple[Pool, FastAPI, str]:
        pool = await connect(database)
        stores = Stores(pool, profiles())
        settings = Settings(web=WebSettings(requests_per_minute=1_000_000))
        # Or one of the guesses would revoke it.
        await pool.execute(f"ALTER TABLE tokens ALTER COLUMN id RESTART WITH {ABOVE_ALL_GUESSES}")
        account = await stores.accounts.get()
        secret, _ = await stores.users.create_token(account.id, "prober", role=Role.OWNER, created_by="test")
        return pool, create_web(Parts(stores=stores, settings=settings, clock=SYSTEM_CLOCK)), secret

    def probe(self, operation: Any, mode: GenerationMode) -> list[str]:
        """What is wrong with the answers."""
        found: list[str] = []

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            response = self._runner.run(self._send(case))
            try:
                case.validate_response(response, checks=list(CHECKED))
            except BaseExceptionGroup as failed:
                found.extend(f"{mode}: {each}" for each in failed.exceptions)

        # There may be nothing that would not fit.
        with contextlib.suppress(Unsatisfiable):
            one()
        return found

    async def _send(self, case: Any) -> httpx.Response:
        """As `requests` would, for which schemathesis prepares it."""
        asked: Any = requests.Request(**case.as_transport_kwargs(base_url=ADDRESS)).prepare()
        # Who asks is known here: schemathesis would guess a token.
        guessed = ("authorization", "cookie")
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in guessed}
        # Nor does anything come to those who wait.
        url = httpx.URL(asked.url)
        url = url.copy_set_param("wait_s", "0") if re.fullmatch(r"[0-9.]+", url.params.get("wait_s", "")) else url
        response = await self._client.request(asked.method, url, headers=headers, content=asked.body)
        response.elapsed = timedelta()
        self.statuses[response.status_code] += 1
        return response

    async def close(self) -> None:
        self._pool.terminate()


@pytest.mark.parametrize("noun", sorted({tag for each in operations() for tag in each.told["tags"]}))
def test_every_answer_is_as_the_description_says_whatever_is_sent(database: str, noun: str) -> None:
    schema = schemathesis.openapi.from_dict(DESCRIPTION).include(tag=noun)
    found: list[str] = []
    with asyncio.Runner() as runner:
        prober = Prober(runner, database)
        for each in schema.get_all_operations():
            operation = cast(Any, each).ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                found += [f"{operation.label}: {problem}" for problem in prober.probe(operation, mode)]
        runner.run(prober.close())
    assert prober.statuses.total() > 0
    assert prober.statuses[HTTPStatus.UNAUTHORIZED] == 0 or noun == "session"
    assert not found, f"{len(found)} of {prober.statuses}:\n" + "\n\n".join(found)
