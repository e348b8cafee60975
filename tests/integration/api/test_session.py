"""Signing in and out, tokens, and what nobody may."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from dialerd.api.auth import COOKIE
from dialerd.api.parts import Parts
from dialerd.api.web import create_web
from dialerd.clock import SYSTEM_CLOCK, Clock
from dialerd.domain.roles import PERMISSIONS, Role
from dialerd.errors import SignInRefused
from dialerd.settings import Settings, WebSettings
from dialerd.store import users
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from dialerd.store.users import MOST_SESSIONS
from tests.integration.api.conftest import ADDRESS

pytestmark = pytest.mark.integration

PASSWORD = "correct horse battery staple"


async def a_user(stores: Stores, login: str = "anna", role: Role = Role.ADMIN) -> None:
    account = await stores.accounts.get()
    await stores.users.create(account.id, login, PASSWORD, role=role)


def from_address(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=ADDRESS)


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


async def sign_in(client: httpx.AsyncClient, password: str = PASSWORD, **how: Any) -> httpx.Response:
    return await client.post("/api/v1/session", json={"login": "anna", "password": password}, **how)


async def test_after_five_wrong_passwords_the_right_one_is_not_looked_at(
    nobody: httpx.AsyncClient, stores: Stores, pool: Pool
) -> None:
    await a_user(stores)
    guesses = [await sign_in(nobody, "guess") for _ in range(5)]
    assert {(each.status_code, each.json()["type"]) for each in guesses} == {(401, "/problems/sign-in-refused")}
    locked = await sign_in(nobody)
    stranger = await nobody.post("/api/v1/session", json={"login": "ben", "password": "guess"})
    # Whether there is such a login, and whether it is closed, is told to nobody.
    assert locked.status_code == 401
    assert locked.json() == guesses[0].json() == stranger.json()
    await pool.execute("UPDATE users SET locked_until = now() - interval '1 s'")
    assert (await sign_in(nobody)).status_code == 200


async def test_guesses_at_once_are_no_way_around_the_lock(stores: Stores, pool: Pool) -> None:
    """The right one is refused that was read before the lock, and is found right after it."""
    await a_user(stores)
    lock = "UPDATE users SET failures = 5, locked_until = now() + interval '1 hour'"

    async def is_right_after_the_lock(*_: object) -> bool:
        await pool.execute(lock)
        return True

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(users, "_is_right", is_right_after_the_lock)
        with pytest.raises(SignInRefused):
            await stores.users.sign_in("anna", PASSWORD, lifetime=timedelta(hours=1))


async def test_an_address_that_fails_often_has_to_wait_whatever_the_logins(app: FastAPI, stores: Stores) -> None:
    now = [0.0]
    app.state.parts = replace(app.state.parts, clock=Clock(monotonic=lambda: now[0]))
    await a_user(stores)
    async with from_address(app, "192.0.2.1") as guesser, from_address(app, "192.0.2.2") as other:
        answers = []
        for number in range(30):
            now[0] += 3.1
            guess = {"login": f"user{number}", "password": "guess"}
            answers.append((await guesser.post("/api/v1/session", json=guess)).status_code)
        assert 20 <= answers.index(429) <= 22
        refused = await sign_in(guesser)
        assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
        assert (await sign_in(other)).status_code == 200
        now[0] += 60
        assert (await sign_in(guesser)).status_code == 200


async def test_sign_ins_in_quick_succession_are_slowed(app: FastAPI, stores: Stores) -> None:
    app.state.parts = replace(app.state.parts, clock=Clock(monotonic=lambda: 0.0))
    await a_user(stores)
    async with from_address(app, "192.0.2.1") as eager:
        answers = [(await sign_in(eager)).status_code for _ in range(21)]
    assert answers == [200] * 20 + [429]


async def test_who_asks_too_often_is_told_when_to_go_on(stores: Stores) -> None:
    settings = Settings(web=WebSettings(requests_per_minute=10))
    app = create_web(Parts(stores=stores, settings=settings, clock=Clock(monotonic=lambda: 0.0)))
    await a_user(stores)
    async with from_address(app, "192.0.2.1") as anna:
        assert (await sign_in(anna)).status_code == 200
        answers = [await anna.get("/api/v1/session") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "6"
    assert answers[-1].json()["type"] == "/problems/too-many-requests"


async def test_a_session_that_was_slipped_in_is_not_taken_over(nobody: httpx.AsyncClient, stores: Stores) -> None:
    await a_user(stores)
    nobody.cookies.set(COOKIE, "chosen-by-somebody-else", domain="dialerd.test")
    first = (await sign_in(nobody)).cookies[COOKIE]
    nobody.cookies.clear()
    second = (await sign_in(nobody, headers={"Cookie": f"{COOKIE}={first}"})).cookies[COOKIE]
    nobody.cookies.clear()
    answers = [
        (await nobody.get("/api/v1/session", headers={"Cookie": f"{COOKIE}={secret}"})).status_code
        for secret in ("chosen-by-somebody-else", first, second)
    ]
    assert answers == [401, 401, 200]


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
async def test_the_cookie_is_only_for_us_and_only_for_requests(
    app: FastAPI, stores: Stores, scheme: str, secure: bool
) -> None:
    await a_user(stores)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://dialerd.test") as client:
        cookie = (await sign_in(client)).headers["set-cookie"].lower()
    assert ("httponly" in cookie, "samesite=strict" in cookie, "; secure" in cookie) == (True, True, secure)
    assert PASSWORD not in cookie


async def test_behind_a_proxy_its_scheme_and_its_client_are_believed(app: FastAPI, stores: Stores, pool: Pool) -> None:
    """As uvicorn is told by `dialerd web` with web.behind_proxy."""
    await a_user(stores)
    proxied = ProxyHeadersMiddleware(app, trusted_hosts="127.0.0.1,::1")  # type: ignore[arg-type]
    transport = httpx.ASGITransport(proxied, client=("127.0.0.1", 1))  # type: ignore[arg-type]
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "Host": "dialer.example"}
    async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=forwarded) as client:
        signed_in = await sign_in(client, headers={"Origin": "https://dialer.example"})
        assert (signed_in.status_code, "secure" in signed_in.headers["set-cookie"].lower()) == (200, True)
        assert signed_in.headers["strict-transport-security"]
        cookie = {"Cookie": f"{COOKIE}={signed_in.cookies[COOKIE]}"}
        foreign = await client.delete("/api/v1/session", headers={**cookie, "Origin": "http://dialer.example"})
        own = await client.delete("/api/v1/session", headers={**cookie, "Origin": "https://dialer.example"})
    assert (foreign.status_code, own.status_code) == (403, 204)
    assert "192.0.2.7" in await pool.fetchval("SELECT string_agg(address, ' ') FROM audit_log")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_a_browser_says_of_the_site_counts_also_at_the_sign_in(
    nobody: httpx.AsyncClient, stores: Stores, site: str
) -> None:
    await a_user(stores)
    assert (await sign_in(nobody, headers={"Sec-Fetch-Site": site})).status_code == 403
    assert (await sign_in(nobody, headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200


async def test_a_form_of_another_site_is_not_read_as_json(nobody: httpx.AsyncClient, stores: Stores) -> None:
    await a_user(stores)
    body = json.dumps({"login": "anna", "password": PASSWORD})
    answer = await nobody.post("/api/v1/session", content=body, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422


async def test_a_program_with_a_token_may_say_what_origin_it_likes(owner: httpx.AsyncClient) -> None:
    answer = await owner.delete("/api/v1/session", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 204


async def test_ones_sessions_are_listed_and_end_together(app: FastAPI, stores: Stores) -> None:
    await a_user(stores)
    async with from_address(app, "192.0.2.1") as here, from_address(app, "192.0.2.2") as there:
        await sign_in(here)
        await sign_in(there)
        listed = (await here.get("/api/v1/sessions")).json()["items"]
        assert [(each["address"], each["current"]) for each in listed] == [("192.0.2.1", True), ("192.0.2.2", False)]
        assert (await here.delete("/api/v1/sessions")).status_code == 204
        assert [(await each.get("/api/v1/session")).status_code for each in (here, there)] == [401, 401]


async def test_a_session_ends_by_itself_and_a_user_has_only_so_many(stores: Stores, pool: Pool) -> None:
    await a_user(stores)
    hour = timedelta(hours=1)
    secrets = [(await stores.users.sign_in("anna", PASSWORD, lifetime=hour))[0] for _ in range(MOST_SESSIONS + 2)]
    assert await pool.fetchval("SELECT count(*) FROM sessions") == MOST_SESSIONS
    assert await stores.users.of_session(secrets[-1]) is not None
    assert await stores.users.of_session(secrets[0]) is None
    await pool.execute("UPDATE sessions SET expires_at = now() - interval '1 s'")
    assert await stores.users.of_session(secrets[-1]) is None


async def test_every_answer_tells_browsers_what_not_to_do(app: FastAPI, nobody: httpx.AsyncClient) -> None:
    @app.get("/api/v1/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    for path in ("/api/v1/session", "/api/v1/broken", "/api/docs", "/api/openapi.json", "/nowhere"):
        headers = (await nobody.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers
    assert (await nobody.get("/api/v1/session")).headers["cache-control"] == "no-store"
    problem = (await nobody.get("/api/v1/broken")).json()
    assert (problem["type"], problem["status"]) == ("/problems/internal-error", 500)
    assert "ZeroDivision" not in str(problem)


@pytest.mark.parametrize(
    ("host", "status"), [("dialer.example:8443", 401), ("DIALER.example", 401), ("evil.example", 421), ("a@b", 421)]
)
async def test_only_the_hosts_that_are_named_are_served(stores: Stores, host: str, status: int) -> None:
    settings = Settings(web=WebSettings(hosts=("dialer.example",)))
    app = create_web(Parts(stores=stores, settings=settings, clock=SYSTEM_CLOCK))
    async with from_address(app, "192.0.2.1") as client:
        answer = await client.get("/api/v1/session", headers={"Host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    nobody: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    sent: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        while len(sent) < 1000:
            sent.append(1)
            yield b" " * 2**14

    told = {"Content-Length": str(2**30), "Content-Type": "application/json"}
    answers = [
        await owner.post("/api/v1/users", content=pieces(), headers=told),
        await nobody.post("/api/v1/session", content=b" " * 2**15, headers={"Content-Type": "application/json"}),
    ]
    assert [(each.status_code, each.json()["type"]) for each in answers] == [(413, "/problems/too-large")] * 2
    assert sent == []
    untold = await owner.post("/api/v1/users", content=pieces(), headers={"Content-Type": "application/json"})
    assert (untold.status_code, len(sent) < 100) == (413, True)


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
