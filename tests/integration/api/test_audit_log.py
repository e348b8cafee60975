"""The audit log: all that was changed or refused, who has failed to sign in, and never a secret."""

import io
import json
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from dialerd import log
from dialerd.domain.roles import Role
from dialerd.settings import LogSettings
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ADDRESS, ClientOf
from tests.integration.api.other_account import OtherAccount

pytestmark = pytest.mark.integration

PASSWORD, NEW, GUESS = "seven purple bicycles", "nine yellow submarines", "a guess that was wrong"


async def entries(client: httpx.AsyncClient, **wanted: str | int) -> list[dict[str, object]]:
    answer = await client.get("/api/v1/audit-log", params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


async def a_user(owner: httpx.AsyncClient) -> int:
    body = {"login": "anna", "password": PASSWORD, "role": "admin"}
    user_id: int = (await owner.post("/api/v1/users", json=body)).json()["id"]
    return user_id


async def test_a_change_is_told_with_what_it_was_and_is(owner: httpx.AsyncClient) -> None:
    user_id = await a_user(owner)
    await owner.patch(f"/api/v1/users/{user_id}", json={"role": "agent"})
    entry = (await entries(owner))[0]
    assert (entry["actor"], entry["action"], entry["status"]) == ("token owner", "PATCH /api/v1/users/{user_id}", 200)
    assert entry["target"] == {"user_id": str(user_id)}
    assert entry["details"] == {"login": "anna", "changed": {"role": ["admin", "agent"]}, "unlocked": False}


async def test_what_was_refused_is_told_too(owner: httpx.AsyncClient, client_of: ClientOf) -> None:
    await client_of(Role.AGENT).post("/api/v1/users", json={})
    await a_user(owner)
    refused = await entries(owner, refused="true")
    assert [(entry["actor"], entry["status"]) for entry in refused] == [("token agent", 403)]
    assert [entry["status"] for entry in await entries(owner, refused="false")] == [201]


async def test_a_sign_in_that_failed_is_told_and_a_login_of_nobody_is_not(
    owner: httpx.AsyncClient, nobody: httpx.AsyncClient, pool: Pool
) -> None:
    await a_user(owner)
    await nobody.post("/api/v1/session", json={"login": "Anna", "password": GUESS})
    await nobody.post("/api/v1/session", json={"login": "password-in-the-wrong-field", "password": GUESS})
    failed = await entries(owner, actor="nobody")
    assert [(entry["details"], entry["status"]) for entry in failed] == [({"login": "Anna"}, 401)]
    assert "wrong-field" not in str(await pool.fetch("SELECT * FROM audit_log"))


async def test_it_is_read_page_by_page_the_newest_first(owner: httpx.AsyncClient) -> None:
    for name in ("one", "two", "three"):
        await owner.post("/api/v1/tokens", json={"name": name, "role": "read_only"})
    first = (await owner.get("/api/v1/audit-log", params={"limit": 2})).json()
    second = (await owner.get("/api/v1/audit-log", params={"limit": 2, "after": first["next"]})).json()
    told = [entry["details"]["name"] for entry in first["items"] + second["items"]]
    assert (told, second["next"]) == (["three", "two", "one"], None)


async def test_it_is_filtered(owner: httpx.AsyncClient) -> None:
    await a_user(owner)
    await owner.post("/api/v1/tokens", json={"name": "one", "role": "read_only"})
    assert len(await entries(owner, action="POST /api/v1/users")) == 1
    assert await entries(owner, actor="user ben") == []
    assert await entries(owner, since="2090-01-01T00:00:00Z") == []
    assert len(await entries(owner, until="2090-01-01T00:00:00Z")) == 2


async def test_another_account_reads_nothing_of_it(
    owner: httpx.AsyncClient, app: FastAPI, pool: Pool, stores: Stores
) -> None:
    await a_user(owner)
    await OtherAccount.made(pool, stores)
    other = await stores.accounts.get("other")
    secret, _ = await stores.users.create_token(other.id, "o", role=Role.OWNER, created_by="test")
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS, headers=headers) as stranger:
        assert await entries(stranger) == []


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, down to the least."""
    stream = io.StringIO()
    log.configure(LogSettings(level="debug", format="json"), stream)
    yield stream
    log.configure(LogSettings(level="critical", format="console"))


async def test_no_secret_is_found_in_any_row_answer_or_line_of_the_log(
    owner: httpx.AsyncClient, nobody: httpx.AsyncClient, pool: Pool, database: str, logged: io.StringIO
) -> None:
    """After a run through everything that has to do with secrets, also where it goes wrong."""
    told: list[str] = []

    async def ask(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> httpx.Response:
        answer = await client.request(
            method, f"/api/v1{path}", json=body, headers={"Idempotency-Key": f"{method}{path}{len(told)}"}
        )
        told.append(answer.text)
        return answer

    user = {"login": "anna", "password": PASSWORD, "role": "admin"}
    user_id = (await ask(owner, "POST", "/users", user)).json()["id"]
    await ask(owner, "POST", "/users", user)
    await ask(owner, "POST", "/users", {**user, "login": "two words", "surplus": PASSWORD})
    token = await ask(owner, "POST", "/tokens", {"name": "nightly", "role": "admin"})
    secret = token.json()["secret"]
    told[-1] = token.text.replace(secret, "")
    await ask(nobody, "POST", "/session", {"login": "anna", "password": GUESS})
    signed_in = await ask(nobody, "POST", "/session", {"login": "anna", "password": PASSWORD})
    cookie = signed_in.cookies["dialerd_session"]
    await ask(nobody, "PUT", "/session/password", {"old": GUESS, "new": NEW})
    await ask(nobody, "PUT", "/session/password", {"old": PASSWORD, "new": NEW})
    await ask(owner, "PUT", f"/users/{user_id}/password", {"password": PASSWORD})
    for path in ("/session", "/sessions", "/users", "/tokens", "/audit-log", "/account"):
        await ask(owner, "GET", path)
    found = [*told, logged.getvalue(), *(await _all_rows(pool))]
    for hidden in (PASSWORD, NEW, GUESS, secret, cookie, database, owner.headers["Authorization"].split()[1]):
        assert not [text for text in found if hidden in text or json.dumps(hidden) in text]


async def _all_rows(pool: Pool) -> list[str]:
    tables = await pool.fetch("SELECT relname FROM pg_stat_user_tables")
    return [str(await pool.fetch(f'SELECT * FROM "{row["relname"]}"')) for row in tables]  # noqa: S608 - our own tables
