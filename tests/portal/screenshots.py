"""Pictures of every page, in light and dark: `make screenshots`. `python -m tests.portal.screenshots /campaigns` draws some."""

import argparse
import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, ViewportSize

from dialerd.store.embedded import embedded_postgres
from dialerd.store.migrate import migrate
from dialerd.store.pool import connect
from tests.portal.browser import WIDE, chromium, settled, sign_in
from tests.portal.scene import NODE, Scene, set_scene
from tests.portal.server import parts_over, served

FOLDER = Path("docs/screenshots")
PICTURES = Path("docs/pictures")
"""Of the README."""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

_AT_WORK = """
    WITH alive AS (UPDATE nodes SET heartbeat_at = now() + interval '1 hour')
    UPDATE campaigns SET owner = $1, lease_until = now() + interval '1 hour', held_by = 'caller_waiting',
        hold_reason = 'a caller waits in the bound queue' WHERE status = 'running'
"""
"""A daemon that dials, for as long as the pictures take."""


def pages_of(scene: Scene) -> dict[str, tuple[str, str]]:
    """Where each is, and who looks at it."""
    return {
        "campaigns": ("/campaigns", "olga"),
        "campaign": (f"/campaigns/{scene.running}?span=day", "olga"),
        "campaign-new": ("/campaigns/new", "olga"),
        "campaign-contacts": (f"/campaigns/{scene.draft}/edit?step=contacts", "olga"),
        "campaign-routing": (f"/campaigns/{scene.draft}/edit?step=routing", "olga"),
        "campaign-schedule": (f"/campaigns/{scene.draft}/edit?step=schedule", "olga"),
        "leads": (f"/campaigns/{scene.running}/leads", "olga"),
        "lead": (f"/leads/{scene.lead}", "olga"),
        "activity": ("/activity", "olga"),
        "call": (f"/activity/{scene.attempt}", "olga"),
        "recordings": ("/recordings", "olga"),
        "queues": ("/queues", "sue"),
        "desktop": ("/desktop", "anna"),
        "desktop-choose": ("/desktop", "sue"),
        "do-not-call": ("/do-not-call", "olga"),
        "do-not-call-agent": ("/do-not-call", "anna"),
        "caller-ids": ("/caller-ids", "olga"),
        "media": ("/media", "olga"),
        "voice-menus": ("/voice-menus", "olga"),
        "voice-menu-new": ("/voice-menus/new", "olga"),
        "voice-menu": ("/voice-menus/appointment", "olga"),
        "webhooks": ("/webhooks", "olga"),
        "webhook": (f"/webhooks/{scene.webhook}", "olga"),
        "users": ("/users", "olga"),
        "tokens": ("/tokens", "olga"),
        "audit-log": ("/audit-log", "olga"),
        "nodes": ("/nodes", "olga"),
        "settings": ("/settings", "olga"),
        "own-account": ("/account", "anna"),
    }


async def draw(folder: Path, only: Sequence[str], serve_at: int | None) -> None:
    """`only`: paths to draw as the owner; none: all pages. `serve_at`: a port on which the scene is served afterwards, until Ctrl-C."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dialerd-pictures-") as state:
        Path(state).chmod(0o755)
        async with embedded_postgres(Path(state), durable=False) as dsn:
            await migrate(dsn)
            pool = await connect(dsn)
            parts = parts_over(pool)
            scene = await set_scene(pool, parts.stores)
            await pool.execute(_AT_WORK, NODE)
            async with served(parts, serve_at or 0) as address, chromium() as browser:
                wanted = {_name_of(path): (path, "olga") for path in only} or pages_of(scene)
                for name, (path, login) in wanted.items():
                    for scheme in SCHEMES:
                        file = folder / f"{name}-{scheme}.png"
                        await _draw_one(browser, f"{address}{path}", login, scheme, file)
                if not only:
                    await _draw_for_the_readme(browser, address, scene)
                if serve_at is not None:
                    print(address, scene, flush=True)
                    await asyncio.Event().wait()
            pool.terminate()


async def _draw_for_the_readme(browser: Browser, address: str, scene: Scene) -> None:
    campaign = f"{address}/campaigns/{scene.running}?span=day"
    await _draw_one(browser, campaign, "olga", "light", PICTURES / "campaign.png", height=1300)
    await _draw_one(browser, f"{address}/desktop", "anna", "light", PICTURES / "desktop.png", height=900)


async def _draw_one(
    browser: Browser, url: str, login: str, scheme: Literal["light", "dark"], file: Path, *, height: int | None = None
) -> None:
    """`height`: of the screen, of which a picture is taken; None: of the whole page, however long."""
    screen: ViewportSize = {**WIDE, "height": height} if height else WIDE
    context = await browser.new_context(viewport=screen, color_scheme=scheme)
    page = await sign_in(context, url.split("/", 3)[0] + "//" + url.split("/", 3)[2], login)
    await page.goto(url)
    await settled(page)
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=file, full_page=height is None, animations="disabled")
    await context.close()


def _name_of(path: str) -> str:
    return re.sub("[^a-z0-9]+", "-", path.lower()).strip("-") or "home"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", help="only these, such as /campaigns")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--serve", type=int, metavar="PORT", help="go on serving the scene there")
    options = parser.parse_args()
    asyncio.run(draw(options.folder, options.paths, options.serve))
