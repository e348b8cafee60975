"""Tokens: shown once, never stronger than who has made them, and out of force at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dialerd.domain.roles import Permission, Role
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ADDRESS, ClientOf

pytestmark = pytest.mark.integration


def with_secret(app: FastAPI, secret: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers)


def a_token(**changes: Any) -> dict[str, Any]:
    return {"name": "nightly", "role": "supervisor", **changes}


async def test_a_token_is_shown_once_and_works_until_it_is_revoked(owner: httpx.AsyncClient, app: FastAPI) -> None:
    made = (await owner.post("/api/v1/tokens", json=a_token(scopes=["view"]))).json()
    listed = (await owner.get("/api/v1/tokens")).text
    assert '"nightly"' in listed
    assert made["secret"] not in listed
    async with with_secret(app, made["secret"]) as program:
        me = (await program.get("/api/v1/session")).json()
        assert (me["actor"], me["permissions"]) == ("token nightly", ["view"])
        assert (await owner.delete(f"/api/v1/tokens/{made['id']}")).status_code == 204
        assert (await program.get("/api/v1/session")).status_code == 401
    assert (await owner.delete(f"/api/v1/tokens/{made['id']}")).status_code == 204


async def test_a_token_that_has_expired_is_nobody(owner: httpx.AsyncClient, app: FastAPI, pool: Pool) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = (await owner.post("/api/v1/tokens", json=a_token(expires_at=ends))).json()
    async with with_secret(app, made["secret"]) as program:
        assert (await program.get("/api/v1/session")).status_code == 200
        await pool.execute("UPDATE tokens SET expires_at = now() - interval '1 s' WHERE id = $1", made["id"])
        assert (await program.get("/api/v1/session")).status_code == 401
    past = await owner.post("/api/v1/tokens", json=a_token(name="past", expires_at="2020-01-01T00:00:00Z"))
    assert past.status_code == 422


async def test_a_name_is_given_once_among_those_in_force(owner: httpx.AsyncClient) -> None:
    first = await owner.post("/api/v1/tokens", json=a_token())
    again = await owner.post("/api/v1/tokens", json=a_token())
    assert (first.status_code, again.status_code) == (201, 409)
    await owner.delete(f"/api/v1/tokens/{first.json()['id']}")
    assert (await owner.post("/api/v1/tokens", json=a_token())).status_code == 201


async def test_an_admin_makes_no_token_of_an_owner(client_of: ClientOf) -> None:
    assert (await client_of(Role.ADMIN).post("/api/v1/tokens", json=a_token(role="owner"))).status_code == 403
    assert (await client_of(Role.ADMIN).post("/api/v1/tokens", json=a_token(role="admin"))).status_code == 201


async def test_a_token_makes_none_that_may_more_than_itself(app: FastAPI, stores: Stores) -> None:
    account = await stores.accounts.get()
    scopes = [Permission.MANAGE_TOKENS, Permission.VIEW]
    secret, _ = await stores.users.create_token(account.id, "narrow", role=Role.ADMIN, created_by="test", scopes=scopes)
    async with with_secret(app, secret) as narrow:
        assert (await narrow.post("/api/v1/tokens", json=a_token(role="admin"))).status_code == 403
        wide = a_token(role="admin", scopes=["view", "export"])
        assert (await narrow.post("/api/v1/tokens", json=wide)).status_code == 403
        within = a_token(role="admin", scopes=["view"])
        assert (await narrow.post("/api/v1/tokens", json=within)).status_code == 201


async def test_the_secret_is_not_kept_for_an_idempotency_key(owner: httpx.AsyncClient, pool: Pool) -> None:
    key = {"Idempotency-Key": "a1"}
    first = await owner.post("/api/v1/tokens", json=a_token(), headers=key)
    again = await owner.post("/api/v1/tokens", json=a_token(), headers=key)
    assert (first.status_code, again.status_code) == (201, 409)
    assert await pool.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_a_token_has_neither_password_nor_sessions(owner: httpx.AsyncClient) -> None:
    change = {"old": "seven purple bicycles", "new": "nine yellow submarines"}
    answers = [
        await owner.get("/api/v1/sessions"),
        await owner.delete("/api/v1/sessions"),
        await owner.put("/api/v1/session/password", json=change),
    ]
    assert [answer.status_code for answer in answers] == [403] * 3
