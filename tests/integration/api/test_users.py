"""Users: who makes, changes and takes away whom, and what passwords are taken."""

import asyncio
import json
from typing import Any

import asyncpg
import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from dialerd.domain.roles import Permission, Role
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ADDRESS, ClientOf

pytestmark = pytest.mark.integration

PASSWORD = "seven purple bicycles"
NEW = "nine yellow submarines"


def a_user(login: str = "anna", **changes: Any) -> dict[str, Any]:
    return {"login": login, "password": PASSWORD, "role": "agent", **changes}


async def made(client: httpx.AsyncClient, login: str = "anna", **changes: Any) -> int:
    answer = await client.post("/api/v1/users", json=a_user(login, **changes))
    assert answer.status_code == 201, answer.text
    user_id: int = answer.json()["id"]
    return user_id


def browser(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=ADDRESS)


async def sign_in(client: httpx.AsyncClient, login: str = "anna", password: str = PASSWORD) -> int:
    return (await client.post("/api/v1/session", json={"login": login, "password": password})).status_code


async def test_a_user_is_made_listed_changed_and_disabled(owner: httpx.AsyncClient) -> None:
    user_id = await made(owner, name="Anna", agent="PJSIP/2001")
    shown = (await owner.get(f"/api/v1/users/{user_id}")).json()
    assert (shown["login"], shown["role"], shown["agent"], shown["disabled"]) == ("anna", "agent", "PJSIP/2001", False)
    changed = await owner.patch(f"/api/v1/users/{user_id}", json={"role": "supervisor"})
    assert (changed.json()["role"], changed.json()["name"]) == ("supervisor", "Anna")
    assert (await owner.delete(f"/api/v1/users/{user_id}")).status_code == 204
    assert (await owner.get(f"/api/v1/users/{user_id}")).json()["disabled"] is True


async def test_users_are_listed_page_by_page(owner: httpx.AsyncClient) -> None:
    ids = [await made(owner, login) for login in ("ada", "ben", "cid")]
    first = (await owner.get("/api/v1/users", params={"limit": 2})).json()
    second = (await owner.get("/api/v1/users", params={"limit": 2, "after": first["next"]})).json()
    assert [user["id"] for user in first["items"] + second["items"]] == ids
    assert second["next"] is None


async def test_a_login_and_a_phone_are_taken_once(owner: httpx.AsyncClient) -> None:
    first = await made(owner, agent="PJSIP/2001")
    assert (await owner.post("/api/v1/users", json=a_user("ANNA"))).json()["type"] == "/problems/already-there"
    assert (await owner.post("/api/v1/users", json=a_user("ben", agent="PJSIP/2001"))).status_code == 409
    await owner.delete(f"/api/v1/users/{first}")
    await made(owner, "ben", agent="PJSIP/2001")
    assert (await owner.patch(f"/api/v1/users/{first}", json={"disabled": False})).status_code == 409


async def test_an_admin_neither_makes_nor_touches_owners(client_of: ClientOf, owner: httpx.AsyncClient) -> None:
    admin = client_of(Role.ADMIN)
    boss = await made(owner, "boss", role="owner")
    anna = await made(admin, role="admin")
    answers = [
        await admin.post("/api/v1/users", json=a_user("eve", role="owner")),
        await admin.patch(f"/api/v1/users/{anna}", json={"role": "owner"}),
        await admin.patch(f"/api/v1/users/{boss}", json={"name": "mine"}),
        await admin.put(f"/api/v1/users/{boss}/password", json={"password": NEW}),
        await admin.delete(f"/api/v1/users/{boss}"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5


async def test_a_token_that_may_little_but_manage_users_makes_nobody_who_may_more(app: FastAPI, stores: Stores) -> None:
    account = await stores.accounts.get()
    scopes = [Permission.MANAGE_USERS, Permission.VIEW]
    secret, _ = await stores.users.create_token(account.id, "narrow", role=Role.OWNER, created_by="test", scopes=scopes)
    async with browser(app) as narrow:
        narrow.headers["Authorization"] = f"Bearer {secret}"
        assert (await narrow.post("/api/v1/users", json=a_user("eve", role="admin"))).status_code == 403
        assert (await narrow.post("/api/v1/users", json=a_user("eve", role="read_only"))).status_code == 201


@pytest.mark.parametrize("change", [{"role": "admin"}, {"disabled": True}])
async def test_the_last_owner_stays(owner: httpx.AsyncClient, change: dict[str, Any]) -> None:
    last = await made(owner, role="owner")
    refused = await owner.patch(f"/api/v1/users/{last}", json=change)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/last-owner")
    assert (await owner.delete(f"/api/v1/users/{last}")).status_code == 409
    await made(owner, "ben", role="owner")
    assert (await owner.patch(f"/api/v1/users/{last}", json=change)).status_code == 200


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 12"),
        ("anna12345678", "the login, or little more"),
        ("Password1234", "guessed first"),
        ("qwertyuiop asdfg", "guessed first"),
        ("abcabcabcabcabc", "over and over"),
        ("ä" * 600, "over and over"),
    ],
)
async def test_a_bad_password_is_refused_with_the_reason(owner: httpx.AsyncClient, password: str, why: str) -> None:
    refused = await owner.post("/api/v1/users", json=a_user(password=password))
    assert (refused.status_code, why in refused.json()["detail"]) == (422, True), refused.text
    assert password not in refused.text


@pytest.mark.parametrize("field", ["name", "password", "login"])
@pytest.mark.parametrize("text", ["nul\0 in the middle of it", "\ud800 half a character"])
async def test_what_cannot_be_stored_is_told(owner: httpx.AsyncClient, field: str, text: str) -> None:
    body = json.dumps(a_user(**{field: text}))
    answer = await owner.post("/api/v1/users", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text


async def test_a_new_password_or_role_ends_the_sessions(owner: httpx.AsyncClient, app: FastAPI) -> None:
    user_id = await made(owner)
    async with browser(app) as anna:
        for change in (
            owner.put(f"/api/v1/users/{user_id}/password", json={"password": PASSWORD}),
            owner.patch(f"/api/v1/users/{user_id}", json={"role": "supervisor"}),
            owner.patch(f"/api/v1/users/{user_id}", json={"disabled": True}),
        ):
            assert await sign_in(anna) == 200
            assert (await change).status_code < 300
            assert (await anna.get("/api/v1/session")).status_code == 401
        assert await sign_in(anna) == 401


async def test_one_changes_the_own_password_by_the_old_one(owner: httpx.AsyncClient, app: FastAPI) -> None:
    await made(owner)
    async with browser(app) as anna, browser(app) as elsewhere:
        assert (await sign_in(anna), await sign_in(elsewhere)) == (200, 200)
        wrong = await anna.put("/api/v1/session/password", json={"old": "guess", "new": NEW})
        right = await anna.put("/api/v1/session/password", json={"old": PASSWORD, "new": NEW})
        assert (wrong.status_code, right.status_code) == (403, 204)
        assert (await anna.get("/api/v1/session")).status_code == 200
        assert (await elsewhere.get("/api/v1/session")).status_code == 401
        assert (await sign_in(elsewhere), await sign_in(elsewhere, password=NEW)) == (401, 200)


async def test_who_was_locked_out_is_let_in_again(owner: httpx.AsyncClient, app: FastAPI) -> None:
    user_id = await made(owner)
    async with browser(app) as anna:
        for _ in range(5):
            await sign_in(anna, password="guess")
        assert await sign_in(anna) == 401
        await owner.patch(f"/api/v1/users/{user_id}", json={"unlock": True})
        assert await sign_in(anna) == 200


async def test_a_hash_of_the_past_is_renewed_at_the_next_sign_in(
    owner: httpx.AsyncClient, app: FastAPI, pool: Pool
) -> None:
    await made(owner)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await pool.execute("UPDATE users SET password_hash = $1", weak)
    async with browser(app) as anna:
        assert (await sign_in(anna), await sign_in(anna)) == (200, 200)
    assert "m=8," not in await pool.fetchval("SELECT password_hash FROM users")


async def test_however_a_letter_is_composed_it_is_the_same_password(owner: httpx.AsyncClient, app: FastAPI) -> None:
    await made(owner, password="drei gr\u00fcne \u00c4pfel")
    async with browser(app) as anna:
        assert await sign_in(anna, password="drei gru\u0308ne A\u0308pfel") == 200


async def test_two_owners_who_disable_each_other_at_once_leave_one(stores: Stores, pool: Pool) -> None:
    account = await stores.accounts.get()
    ids = [(await stores.users.create(account.id, login, PASSWORD, role=Role.OWNER)).id for login in ("ada", "ben")]
    both = [stores.users.change(user_id, account.id, {"disabled": True}) for user_id in ids]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each).__name__ for each in results if isinstance(each, Exception)] == ["LastOwner"]


async def test_the_database_itself_knows_the_roles(pool: Pool) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("INSERT INTO users (account_id, login, role, password_hash) VALUES (1, 'x', 'king', '')")
