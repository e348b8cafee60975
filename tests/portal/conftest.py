"""Pages over a real Postgres with a scene in it: without a browser by NiceGUI's own harness, and in Chromium."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from nicegui import Client, background_tasks, ui
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals
from nicegui.testing.user_navigate import UserNavigate
from nicegui.testing.user_notify import UserNotify
from playwright.async_api import Browser, BrowserContext, Page, expect

from dialerd.api.auth import COOKIE
from dialerd.api.parts import Parts
from dialerd.api.web import create_web
from dialerd.portal import site
from dialerd.store import users
from dialerd.store.pool import Pool
from tests.portal.browser import WIDE, chromium, sign_in
from tests.portal.hands import PATIENCE
from tests.portal.scene import PASSWORD, Scene, set_scene
from tests.portal.server import parts_over, served

ADDRESS = "http://dialerd.test"
HERE = Path(__file__).parent

REAL = {name: getattr(ui, name) for name in ("navigate", "notify", "download")}
"""The harness puts its own in their places whenever a `User` is touched, were it by whoever looks for garbage after a failed test."""
DRAWS = "wait for result of page"
"""So NiceGUI calls the task that draws a page."""
SLOW_S = 300
"""For a test with a browser, on a machine of which others take most."""
BROWSER_WAITS_MS = 90_000

UserOf = Callable[[str], Awaitable[User]]
PageOf = Callable[[str], Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SLOW_S))


class PatientUser(User):
    """As long as it takes: the harness itself waits for a third of a second. And where several people have pages open, each hears what
    the own page says: the harness tells all of it to whom it has touched last. `everybody`: the users of the test."""

    def __init__(self, client: httpx.AsyncClient, everybody: list["PatientUser"]) -> None:
        super().__init__(client)
        self._everybody = everybody
        self.notify = _Notes(self)
        self.navigate = _Ways(self)

    async def open(self, path: str, *, clear_forward_history: bool = True) -> Client:
        """Until all of the page stands there: one that takes long is sent as far as it is, and the rest afterwards."""
        client = await super().open(path, clear_forward_history=clear_forward_history)
        drawing = [task for task in background_tasks.running_tasks if task.get_name().startswith(DRAWS)]
        if drawing:
            await asyncio.wait(drawing)
        return client

    def of_this_page(self) -> "PatientUser":
        """Whose page it is that speaks."""
        return next((user for user in self._everybody if user.client is ui.context.client), self)

    async def should_see(self, *args: Any, retries: int = PATIENCE, **options: Any) -> None:
        await super().should_see(*args, retries=retries, **options)

    async def should_not_see(self, *args: Any, retries: int = PATIENCE, **options: Any) -> None:
        await super().should_not_see(*args, retries=retries, **options)


class _Notes(UserNotify):
    def __init__(self, user: PatientUser) -> None:
        super().__init__()
        self._user = user

    def __call__(self, message: str, **_: Any) -> None:
        self._user.of_this_page().notify.messages.append(message)


class _Ways(UserNavigate):
    def to(self, target: Any, new_tab: bool = False) -> None:
        user = self.user
        assert isinstance(user, PatientUser)
        UserNavigate.to(user.of_this_page().navigate, target, new_tab)


@pytest.fixture(autouse=True)
def patient_browser() -> None:
    expect.set_options(timeout=BROWSER_WAITS_MS)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a guesser long would take a test long, too."""
    monkeypatch.setattr(users, "_hasher", PasswordHasher(time_cost=1, memory_cost=16, parallelism=1))


@pytest.fixture
def parts(pool: Pool) -> Parts:
    return parts_over(pool)


@pytest_asyncio.fixture
async def scene(pool: Pool, parts: Parts) -> Scene:
    return await set_scene(pool, parts.stores, leads=120)


# --- without a browser ------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def user_of(parts: Parts, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UserOf]:
    """Somebody of the scene, signed in. `await user.open(path)`, `await user.should_see(text)`, `user.find(text).click()`."""
    monkeypatch.setitem(os.environ, "NICEGUI_USER_SIMULATION", "true")
    for name, real in REAL.items():
        monkeypatch.setattr(ui, name, real)
    with nicegui_reset_globals():
        async with site.opened(create_web(parts)) as app:
            transport = httpx.ASGITransport(app)
            users: list[PatientUser] = []

            async def of(login: str) -> User:
                secret, _ = await parts.stores.users.sign_in(
                    login, PASSWORD, lifetime=parts.settings.web.session_lifetime
                )
                client = httpx.AsyncClient(transport=transport, base_url=ADDRESS, cookies={COOKIE: secret})
                users.append(PatientUser(client, users))
                return users[-1]

            yield of
            for user in users:
                await user.http_client.aclose()
        await parts.jobs.close()


# --- in Chromium ------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def address(parts: Parts, scene: Scene) -> AsyncIterator[str]:
    """Where the site is served, with the scene."""
    with nicegui_reset_globals():
        async with served(parts) as where:
            for name, real in REAL.items():
                setattr(ui, name, real)
            yield where


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture
async def context(browser: Browser) -> BrowserContext:
    context = await browser.new_context(viewport=WIDE)
    context.set_default_timeout(BROWSER_WAITS_MS)
    return context


@pytest.fixture
def page_of(context: BrowserContext, address: str) -> PageOf:
    """The page of a browser in which somebody of the scene has signed in: the first that comes after that."""

    async def of(login: str) -> Page:
        return await sign_in(context, address, login)

    return of
