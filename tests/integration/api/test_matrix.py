"""Every route of the application by every role and by nobody, and the things of another account: found in the application itself, so
that a new route is judged from its first day."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from dialerd.api.parts import Parts
from dialerd.api.routing import Route
from dialerd.api.web import create_web
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles
from dialerd.domain.roles import PERMISSIONS, Permission, Role
from dialerd.settings import Settings
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ADDRESS, ClientOf
from tests.integration.api.first_words import FirstWords
from tests.integration.api.other_account import OtherAccount

pytestmark = pytest.mark.integration

OPEN = {
    ("GET", "/api/docs"),
    ("GET", "/api/openapi.json"),
    ("HEAD", "/api/openapi.json"),
    ("POST", "/api/v1/session"),
}
"""All that nobody has to sign in for."""
FILES = {"/api/docs/files"}
OF_WHOEVER_SIGNED_IN = {
    ("GET", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("PUT", "/api/v1/session/password"),
    ("GET", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions"),
}
"""What is one's own, so that no permission is asked for."""


@dataclass(frozen=True)
class Case:
    method: str
    path: str
    route: Route

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def ids(self) -> Sequence[str]:
        """What the path names by an id. Names and numbers are of the caller's account by themselves."""
        names = [parameter.name for parameter in self.route.dependant.path_params]
        return [name for name in names if name.endswith("_id")]

    def address_in(self, other: OtherAccount) -> str:
        """Of what the other account has. What is named beside an id may be called anything."""
        ids = {name: str(other.ids[name]) for name in self.ids}
        return re.sub(r"{(\w+)(:path)?}", lambda found: ids.get(found[1], "12025550199"), self.path)

    @property
    def permissions(self) -> frozenset[Permission]:
        return self.route.demand.permissions

    async def ask(self, client: httpx.AsyncClient) -> httpx.Response:
        """With ids that mean nothing, and a body that cannot be read: what is permitted is asked before all that."""
        address = re.sub(r"{\w+(:path)?}", "%00nonsense", self.path)
        headers = {"Content-Type": "application/json"}
        return await client.request(self.method, address, content=b"{", headers=headers)


def application() -> FastAPI:
    """Only to be looked at."""
    stores = Stores(cast(Pool, None), profiles())
    return create_web(Parts(stores=stores, settings=Settings(), clock=SYSTEM_CLOCK))


def cases() -> Iterator[Case]:
    for context in iter_route_contexts(application().routes):
        route = context.original_route
        if isinstance(route, Route):
            for method in sorted(route.methods or ()):
                if (method, context.path) not in OPEN:
                    yield Case(method, str(context.path), route)


CASES = sorted(cases(), key=str)


def test_every_route_is_known_to_this_test() -> None:
    """What is no Route of ours asks nobody who calls it."""
    others = {
        (method, context.path)
        for context in iter_route_contexts(application().routes)
        if not isinstance(context.original_route, Route)
        for method in sorted(context.methods or {"(files)"})
    }
    assert others <= OPEN | {("(files)", path) for path in FILES}


def test_every_route_declares_who_may_call_it() -> None:
    undeclared = {(case.method, case.path) for case in CASES if not case.permissions}
    assert undeclared == OF_WHOEVER_SIGNED_IN
    assert all(case.route.demand.caller for case in CASES)


def brief(app: FastAPI, headers: Mapping[str, str]) -> httpx.AsyncClient:
    """A client that does not wait for the end of what has none."""
    return httpx.AsyncClient(transport=FirstWords(app), base_url=ADDRESS, headers=dict(headers))


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == HTTPStatus.FORBIDDEN and answer.json()["type"] == "/problems/not-permitted"


@pytest.mark.parametrize("role", Role)
async def test_a_role_may_do_what_its_permissions_say_and_nothing_else(
    app: FastAPI, client_of: ClientOf, role: Role
) -> None:
    client = brief(app, client_of(role).headers)
    wrong = []
    for case in CASES:
        answer = await case.ask(client)
        allowed = case.permissions <= PERMISSIONS[role]
        # Of one's own, what is told to a token is that it has neither password nor sessions.
        own_of_a_person = not case.permissions and "neither a password nor sessions" in answer.text
        if refused(answer) is allowed and not own_of_a_person:
            wrong.append(f"{case}: {answer.status_code} {answer.text[:200]}")
        if answer.status_code >= 500 and answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            wrong.append(f"{case}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


async def test_nobody_may_do_anything(app: FastAPI) -> None:
    nobody = brief(app, {})
    answers = [(str(case), (await case.ask(nobody)).status_code) for case in CASES]
    assert [each for each in answers if each[1] != HTTPStatus.UNAUTHORIZED] == []


async def test_a_token_with_no_scope_may_do_nothing(app: FastAPI, stores: Stores) -> None:
    account = await stores.accounts.get()
    secret, _ = await stores.users.create_token(account.id, "bare", role=Role.OWNER, created_by="test", scopes=[])
    bare = brief(app, {"Authorization": f"Bearer {secret}"})
    answers = [(str(case), await case.ask(bare)) for case in CASES if case.permissions]
    assert [name for name, answer in answers if not refused(answer)] == []


async def test_what_belongs_to_another_account_is_not_there(
    app: FastAPI, client_of: ClientOf, pool: Pool, stores: Stores
) -> None:
    """Whatever a path names by an id: an owner of the one account meets 404 at each thing of the other."""
    other, owner = await OtherAccount.made(pool, stores), brief(app, client_of(Role.OWNER).headers)
    least = Least(app.openapi())
    shown = []
    for case in (case for case in CASES if case.ids):
        body, query = least.body(case), least.query(case)
        answer = await owner.request(case.method, case.address_in(other), json=body, params=query)
        if answer.status_code != HTTPStatus.NOT_FOUND:
            shown.append(f"{case}: {answer.status_code} {answer.text[:300]}")
    assert not shown, "\n".join(shown)
    assert await other.fingerprint(pool) == other.before


class Least:
    """The least that each operation takes, by its own description."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._description = description

    def query(self, case: Case) -> dict[str, Any]:
        parameters = self._operation(case).get("parameters", ())
        wanted = [each for each in parameters if each["in"] == "query" and each.get("required")]
        return {each["name"]: self._sample(each["schema"]) for each in wanted}

    def _operation(self, case: Case) -> dict[str, Any]:
        """Some are not told, such as HEAD."""
        told: dict[str, Any] = self._description["paths"][case.path.replace(":path}", "}")].get(case.method.lower(), {})
        return told

    def body(self, case: Case) -> Any:
        """None where it takes no JSON."""
        content = self._operation(case).get("requestBody", {}).get("content", {})
        return self._sample(content["application/json"]["schema"]) if "application/json" in content else None

    def _sample(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self._sample(self._description["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        for told in ("examples", "enum"):
            if schema.get(told):
                return schema[told][0]
        if "const" in schema or "example" in schema:
            return schema.get("const", schema.get("example"))
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return self._sample(choices[0])
        return self._of_type(schema)

    def _of_type(self, schema: dict[str, Any]) -> Any:
        fields = schema.get("properties", {})
        match schema.get("type"):
            case "object":
                # Where nothing is required, one field, so that there is something to do.
                wanted = schema.get("required") or list(fields)[:1]
                return {name: self._sample(fields[name]) for name in wanted}
            case "array":
                return [self._sample(schema["items"])] if schema.get("minItems") else []
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
        return "text"
