"""A real browser: Chromium of the distribution, without a screen."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from tests.portal.scene import PASSWORD

CHROMIUM = "chromium"
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
"""Its own sandbox is not to be had as root, and it meets no page but ours; a container may have next to no shared memory."""
WIDE: ViewportSize = {"width": 1440, "height": 900}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    executable = shutil.which(CHROMIUM)
    if executable is None:
        raise RuntimeError("the browser tests need Chromium: `make test-tools` installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        try:
            yield browser
        finally:
            await browser.close()


async def sign_in(context: BrowserContext, address: str, login: str, *, password: str = PASSWORD) -> Page:
    """As a user does. The page that comes first is open then."""
    page = await context.new_page()
    await page.goto(f"{address}/sign-in")
    await page.get_by_label("Login").fill(login)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


async def settled(page: Page) -> None:
    """Its socket stands, and its heading is there."""
    await page.get_by_role("heading", level=1).first.wait_for()
    await page.wait_for_function("() => window.socket && window.socket.connected")
