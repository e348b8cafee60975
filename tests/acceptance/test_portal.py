"""The two specifications' own tasks, done in the portal alone, in a real browser, on a real Asterisk: what somebody does who has read the
README and nothing else."""

import re
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import PreviewOrder
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import LONG_RING, PERSON, QUEUE, Desk, person_lead, some
from tests.daemon import running_web
from tests.lab import FOR_EVER, Lab
from tests.portal.browser import WIDE, chromium, settled, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

PASSWORD = "a sentence for tests"
AGENT = "1010"
POOL = ("+12025550110", "+12025550111", "+12025550112", "+12025550113")
PATIENCE_MS = 60_000


@pytest.fixture(autouse=True)
def patient() -> None:
    expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture
async def portal(desk: Desk) -> AsyncIterator[str]:
    """Its address. The first owner comes from the command line, as the README says; everybody else might come from the portal."""
    password = f"{PASSWORD}\n"
    await desk.cli("user", "add", "olga", "--role", "owner", "--password-stdin", given=password)
    async with running_web(desk.daemon) as address:
        yield address


async def signed_in(browser: Browser, address: str, login: str) -> Page:
    context = await browser.new_context(viewport=WIDE)
    page = await sign_in(context, address, login, password=PASSWORD)
    page.set_default_timeout(PATIENCE_MS)
    return page


async def test_a_campaign_is_built_run_watched_listened_to_and_stopped_in_the_portal_alone(
    desk: Desk, lab: Lab, browser: Browser, portal: str
) -> None:
    await desk.staff(AGENT, "1011")
    await lab.set_fates(talk_s=(4, 4), long_ring_s=FOR_EVER)
    *people, listed = some(4, PERSON)
    (waits,) = some(1, LONG_RING)
    await desk.until_queues_are_known()
    page = await signed_in(browser, portal, "olga")
    await put_on_the_list(page, listed)
    await fill_in_the_basics(page)
    await upload_leads_and_choose_numbers(page, [*people, listed, waits])
    await choose_routing_and_start(page)
    campaign = int(page.url.rpartition("/")[2])
    await expect(figure(page, "Successful")).to_have_text("3")
    await expect(figure(page, "Blocked")).to_have_text("1")
    await pause_and_resume(page)
    await act(page, "Stop")
    await expect(figure(page, "Retry queued")).to_have_text("1")
    await read_what_happened(page, people[0])
    await listen(page, desk, people[0])
    assert [await desk.outcomes(number) for number in people] == [[Outcome.CONNECTED]] * 3
    states = await desk.lead_states(campaign)
    assert (states[waits], states[listed]) == (LeadState.RETRY, LeadState.BLOCKED)
    assert sorted(desk.dialed()) == sorted([*people, waits])
    assert set(desk.shown()) == set(POOL)


async def put_on_the_list(page: Page, number: str) -> None:
    await go_to(page, "Do not call")
    await page.get_by_label("Phone number", exact=True).fill(number)
    await page.get_by_role("button", name="Add to the list").click()
    await page.get_by_text(f"{number} is on the list now.").wait_for()


async def fill_in_the_basics(page: Page) -> None:
    """Steps 2 and 3 of the quick start."""
    await go_to(page, "Campaigns")
    await page.get_by_text("New campaign", exact=True).first.click()
    await settled(page)
    await page.get_by_label("Name", exact=True).fill("Spring 2026 lead-qual batch 1")
    await page.get_by_role("radio", name="Progressive").click()
    await choose(page, "Queue", QUEUE)
    await page.get_by_label("Pacing (calls per second)").fill("3")
    await page.get_by_label("Concurrency (calls in flight)").fill("15")
    await go_on(page, "contacts")


async def upload_leads_and_choose_numbers(page: Page, numbers: Sequence[str]) -> None:
    """Step 4."""
    rows = "".join(f"{number},{9 - place},Ada\n" for place, number in enumerate(numbers))
    content = f"number,priority,first_name\n{rows}".encode()
    await page.locator("input[type=file]").set_input_files(
        {"name": "leads.csv", "mimeType": "text/csv", "buffer": content}
    )
    await page.get_by_role("button", name="Upload", exact=True).click()
    await page.get_by_text("1 of these leads are on a do-not-call list").wait_for()
    await choose(page, "Rotation", "Round-robin: each in turn")
    await choose(page, "Type", "Custom")
    for number in POOL:
        await page.get_by_label("Number (E.164)").fill(number)
        await page.get_by_role("button", name="Add", exact=True).click()
        await page.get_by_text(number, exact=True).wait_for()
    await expect(page.get_by_role("switch", name="Enabled")).to_be_checked()
    await go_on(page, "routing")


async def choose_routing_and_start(page: Page) -> None:
    """Steps 5 to 7."""
    await page.get_by_label("Ring timeout (s)", exact=True).fill("120")
    await page.get_by_label("Retries (attempts)").fill("3")
    await page.get_by_label("Cool-off (s)", exact=True).fill("1800")
    await page.get_by_role("switch", name="Record calls").click()
    await go_on(page, "schedule")
    await page.get_by_text("Nothing is in the way").wait_for()
    await page.get_by_role("button", name="Start now").click()
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.wait_for_url(re.compile(r"/campaigns/[0-9]+$"))
    await settled(page)


async def pause_and_resume(page: Page) -> None:
    """Steps 8 and 9: watch, pause, resume."""
    await act(page, "Pause")
    await expect(page.get_by_text("Paused", exact=True).first).to_be_visible()
    await act(page, "Resume")
    await expect(page.get_by_text("Running", exact=True).first).to_be_visible()


async def read_what_happened(page: Page, number: str) -> None:
    await go_to(page, "Activity")
    row = page.get_by_role("row").filter(has_text=number)
    await expect(row).to_contain_text("Connected")
    await expect(row).to_contain_text("101")


async def listen(page: Page, desk: Desk, number: str) -> None:
    await desk.until_recording_is(number, "stored")
    await go_to(page, "Recordings")
    sound = page.locator("audio").first
    await sound.wait_for()
    seconds = await sound.evaluate(
        """(sound) => new Promise((tell, fail) => {
            sound.onloadedmetadata = () => tell(sound.duration);
            sound.onerror = () => fail(sound.error.message);
            sound.load();
        })"""
    )
    assert seconds > 1


async def test_an_agent_logs_in_accepts_a_preview_talks_and_says_what_came_of_it_on_the_desktop_alone(
    desk: Desk, lab: Lab, browser: Browser, portal: str
) -> None:
    await desk.cli(
        "user", "add", "anna", "--role", "agent", "--agent", AGENT, "--password-stdin", given=f"{PASSWORD}\n"
    )
    await lab.set_fates(talk_s=(5, 5))
    (number,) = some(1, PERSON)
    campaign = await desk.campaign(
        [person_lead(number, ticket_id="T-17")],
        dial_mode=DialMode.PREVIEW,
        preview_order=PreviewOrder.ACCEPT_FIRST,
        offer_s=60,
    )
    await desk.until_queues_are_known()
    page = await signed_in(browser, portal, "anna")
    await page.get_by_role("button", name="Log in").first.click()
    await desk.start(campaign)
    await expect(page.get_by_role("heading", name="Ada Nguyen")).to_be_visible()
    await expect(page.get_by_text("T-17")).to_be_visible()
    await page.keyboard.press("a")
    await expect(page.get_by_text("You talk", exact=True)).to_be_visible()
    await page.get_by_label("Note").fill("wants the blue one")
    await page.get_by_role("button", name="Success").click()
    await expect(page.get_by_text("Said: Success")).to_be_visible()
    await desk.until_outcome(number)
    await desk.until_lead_is(campaign, number, LeadState.SUCCESS)
    (attempt,) = await desk.attempts(number)
    assert (attempt["disposition"], attempt["note"]) == ("success", "wants the blue one")
    assert desk.talk_of(number) > 1


# --- hands ------------------------------------------------------------------------------------------------------------


async def go_to(page: Page, way: str) -> None:
    await page.get_by_role("navigation", name="Menu").get_by_role("link", name=way, exact=True).click()
    await page.get_by_role("heading", level=1, name=way).wait_for()
    await settled(page)


async def choose(page: Page, label: str, option: str) -> None:
    await page.get_by_label(label, exact=True).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def go_on(page: Page, step: str) -> None:
    await page.get_by_role("button", name="Save and continue").click()
    await page.wait_for_url(f"**/edit?step={step}")
    await settled(page)


async def act(page: Page, action: str) -> None:
    """The button, and the one of the dialog that says what will happen."""
    await page.get_by_role("button", name=action).first.click()
    await page.get_by_role("dialog").get_by_role("button", name=action).click()


def figure(page: Page, name: str) -> Locator:
    """The number that stands over the name."""
    return page.locator(".d-figure").filter(has_text=name).locator(".d-figure-value")
