"""What holds for every page: who may see it, that it loads nothing from elsewhere, fits a telephone, and takes no data for code."""

from http import HTTPStatus
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from dialerd.domain.roles import PERMISSIONS, Permission
from dialerd.portal import site
from dialerd.portal.frame import Page as PortalPage
from tests.portal.browser import settled, sign_in
from tests.portal.conftest import UserOf
from tests.portal.scene import LOGINS, Scene
from tests.portal.screenshots import pages_of

PHONE = {"width": 390, "height": 844}
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


# --- who may see it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", LOGINS)
async def test_a_page_is_shown_to_whom_it_is_for_and_to_nobody_else(user_of: UserOf, scene: Scene, login: str) -> None:
    user = await user_of(login)
    paths = [path for path, _ in pages_of(scene).values()]
    answers = {path: (await user.http_client.get(path)).status_code for path in paths}
    allowed = PERMISSIONS[LOGINS[login]]
    assert answers == {
        path: HTTPStatus.OK if _is_for(_page_at(path), allowed) else HTTPStatus.FORBIDDEN for path in paths
    }


def _is_for(page: PortalPage, allowed: frozenset[Permission]) -> bool:
    return page.needs is None or bool(page.needs & allowed)


def _page_at(path: str) -> PortalPage:
    parts = urlsplit(path).path.split("/")

    def fits(page: PortalPage) -> bool:
        wanted = page.path.split("/")
        return len(wanted) == len(parts) and all(
            one == other or one.startswith("{") for one, other in zip(wanted, parts, strict=True)
        )

    return min(filter(fits, site.PAGES), key=lambda page: page.path.count("{"))


async def test_there_is_a_picture_of_every_page(scene: Scene) -> None:
    pictured = {_page_at(path).path for path, _ in pages_of(scene).values()}
    assert pictured == {page.path for page in site.PAGES}


async def test_nobody_sees_anything_without_having_signed_in(user_of: UserOf, scene: Scene) -> None:
    user = await user_of("olga")
    user.http_client.cookies.clear()
    for path, _ in pages_of(scene).values():
        answer = await user.http_client.get(path)
        assert (path, answer.status_code) == (path, HTTPStatus.SEE_OTHER)
        assert answer.headers["location"].startswith("/sign-in")


async def test_what_is_not_there_is_said_in_words_by_page_and_api(user_of: UserOf) -> None:
    olga = await user_of("olga")
    page = await olga.http_client.get("/campaigns/999999")
    assert page.status_code == HTTPStatus.NOT_FOUND
    assert "there is no campaign 999999" in page.text
    api = await olga.http_client.get("/api/v1/nothing")
    assert (api.status_code, api.headers["content-type"]) == (HTTPStatus.NOT_FOUND, "application/problem+json")


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
async def test_no_page_loads_from_elsewhere_or_complains_and_each_fits_a_telephone(
    browser: Browser, address: str, scene: Scene
) -> None:
    context = await browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = await sign_in(context, address, "olga")
    asked: set[str] = set()
    trouble: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            trouble.append(f"{page.url}: {message.text}")

    page.on("request", lambda request: asked.add(request.url))
    page.on("pageerror", lambda error: trouble.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: trouble.append(f"{page.url}: {dialog.message}"))
    page.on("console", hear)
    too_wide = []
    for path, _ in pages_of(scene).values():
        await page.goto(f"{address}{path}")
        await settled(page)
        width = await page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            too_wide.append((path, width))
    assert trouble == []
    assert too_wide == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


async def test_after_the_sign_in_nobody_is_led_to_another_site(browser: Browser, address: str, scene: Scene) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    for trap in ("//example.com/", "https://example.com/", "javascript:alert(1)"):
        await page.goto(f"{address}/sign-in?to={trap}")
        await page.get_by_label("Login").fill("olga")
        await page.get_by_label("Password").fill("a sentence for tests")
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{address}/campaigns")


# --- its socket -------------------------------------------------------------------------------------------------------


async def test_the_page_of_another_site_gets_no_socket(address: str) -> None:
    url = address.replace("http", "ws") + SOCKET
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, origin="https://example.com"):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == HTTPStatus.FORBIDDEN
    async with connect(url, origin=address) as socket:  # type: ignore[arg-type]
        assert str(await socket.recv()).startswith("0")


async def test_pages_may_be_framed_by_nobody_and_load_from_here_alone(user_of: UserOf) -> None:
    olga = await user_of("olga")
    headers = (await olga.http_client.get("/account")).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
