"""Signing in and out, tokens, and what nobody may."""

import httpx
import pytest

from dialerd.domain.roles import PERMISSIONS, Role
from dialerd.store.stores import Stores

pytestmark = pytest.mark.integration

PASSWORD = "correct horse battery staple"


async def a_user(stores: Stores, login: str = "anna", role: Role = Role.ADMIN) -> None:
    account = await stores.accounts.get()
    await stores.users.create(account.id, login, PASSWORD, role=role)


async def test_without_token_or_session_nothing_is_told(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get("/api/v1/campaigns/1")
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-signed-in")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_token_says_who_one_is_and_what_one_may_do(owner: httpx.AsyncClient) -> None:
    me = (await owner.get("/api/v1/session")).json()
    assert (me["actor"], me["role"], set(me["permissions"])) == ("token owner", "owner", set(PERMISSIONS[Role.OWNER]))


async def test_who_signs_in_has_a_session_until_signing_out(nobody: httpx.AsyncClient, stores: Stores) -> None:
    await a_user(stores)
    signed = await nobody.post("/api/v1/session", json={"login": "Anna", "password": PASSWORD})
    assert signed.status_code == 200
    assert "httponly" in signed.headers["set-cookie"].lower()
    assert (await nobody.get("/api/v1/session")).json()["actor"] == "user anna"
    assert (await nobody.delete("/api/v1/session")).status_code == 204
    assert (await nobody.get("/api/v1/session")).status_code == 401


async def test_after_five_wrong_passwords_the_right_one_is_not_looked_at(
    nobody: httpx.AsyncClient, stores: Stores
) -> None:
    await a_user(stores)
    for _ in range(5):
        wrong = await nobody.post("/api/v1/session", json={"login": "anna", "password": "guess"})
        assert (wrong.status_code, wrong.json()["type"]) == (401, "/problems/sign-in-refused")
    locked = await nobody.post("/api/v1/session", json={"login": "anna", "password": PASSWORD})
    assert (locked.status_code, "too many wrong passwords" in locked.json()["detail"]) == (401, True)


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null"])
async def test_a_page_of_another_site_changes_nothing(nobody: httpx.AsyncClient, stores: Stores, origin: str) -> None:
    await a_user(stores)
    await nobody.post("/api/v1/session", json={"login": "anna", "password": PASSWORD})
    refused = await nobody.post("/api/v1/campaigns", json={"name": "list", "queue": "q1"}, headers={"Origin": origin})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-permitted")


async def test_a_request_with_an_idempotency_key_is_done_once(owner: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "a1"}
    first = await owner.post("/api/v1/campaigns", json={"name": "list", "queue": "q1"}, headers=key)
    again = await owner.post("/api/v1/campaigns", json={"name": "list", "queue": "q1"}, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    other = await owner.post("/api/v1/campaigns", json={"name": "other", "queue": "q1"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
