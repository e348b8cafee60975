"""The web application over a real Postgres, and a client for each role."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from fastapi import FastAPI

from dialerd.api.parts import Parts
from dialerd.api.web import create_web
from dialerd.clock import SYSTEM_CLOCK
from dialerd.compliance import profiles
from dialerd.domain.roles import Role
from dialerd.settings import Settings
from dialerd.store import users
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores

ADDRESS = "http://dialerd.test"

ClientOf = Callable[[Role], httpx.AsyncClient]


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a guesser long would take a test long, too."""
    monkeypatch.setattr(users, "_hasher", PasswordHasher(time_cost=1, memory_cost=16, parallelism=1))


@pytest.fixture
def stores(pool: Pool) -> Stores:
    return Stores(pool, profiles())


@pytest.fixture
def app(stores: Stores) -> FastAPI:
    return create_web(Parts(stores=stores, settings=Settings(), clock=SYSTEM_CLOCK))


@pytest_asyncio.fixture
async def client_of(app: FastAPI, stores: Stores) -> AsyncIterator[ClientOf]:
    """Of a program with a token of that role, in the account `default`."""
    account = await stores.accounts.get()
    secrets = {
        role: (await stores.users.create_token(account.id, role, role=role, created_by="test", agent=agent))[0]
        for role, agent in zip(Role, ("", "", "", "PJSIP/1001", ""), strict=True)
    }
    clients: list[httpx.AsyncClient] = []

    def of(role: Role) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {secrets[role]}"}
        clients.append(httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers))
        return clients[-1]

    yield of
    for client in clients:
        await client.aclose()


@pytest.fixture
def owner(client_of: ClientOf) -> httpx.AsyncClient:
    return client_of(Role.OWNER)


@pytest_asyncio.fixture
async def nobody(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        yield client
