"""Which number a lead's phone shows: the campaign's by its rotation, or the queue's, or the account's; and which it never shows."""

from collections import Counter

import pytest

from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.eligibility import Rule
from tests.acceptance.desk import BUSY, NAME, Desk, now, some, zone_far_from_midnight
from tests.lab import FarEndCall

pytestmark = pytest.mark.acceptance

WASHINGTON, NEW_YORK, LONDON = "+12025550199", "+12125550199", "+442079460199"
POOL = (WASHINGTON, NEW_YORK, LONDON)
NAMES = {WASHINGTON: "Acme", NEW_YORK: "Acme New York", LONDON: "Acme London"}
SHOW_POOL = [option for number in POOL for option in ("--caller-id", f"{number}={NAMES[number]}")]


def as_shown(call: FarEndCall) -> tuple[str, str]:
    return f"+{call.caller_number.lstrip('+')}", call.caller_name


# --- rotation ---------------------------------------------------------------------------------------------------------


async def test_round_robin_shows_each_number_as_often_also_after_a_restart_of_the_daemon(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011")
    campaign = await desk.campaign(some(15, BUSY), calls_per_second=2)
    await desk.edit(*SHOW_POOL, "--rotation", "round_robin")
    await desk.start(campaign)
    await desk.until_seen(4)
    await desk.pause(campaign)
    await desk.until_silent()
    await desk.daemon.stop()
    await desk.daemon.start()
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert desk.shown() == [*POOL] * 5
    assert {as_shown(call) for call in desk.lab.calls("lead")} == set(NAMES.items())
    await desk.judge(campaign, agents=agents)


async def test_random_shows_numbers_of_the_pool_only(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011", "1012")
    campaign = await desk.campaign(some(15, BUSY))
    await desk.edit(*SHOW_POOL, "--rotation", "random")
    await desk.start(campaign)
    await desk.until_completed(campaign)
    shown = desk.shown()
    assert len(shown) == 15
    assert 1 < len(set(shown)) <= len(POOL)
    assert set(shown) <= set(POOL)
    await desk.judge(campaign, agents=agents)


async def test_sticky_shows_a_contact_the_same_number_on_every_retry_and_in_a_later_campaign(desk: Desk) -> None:
    await desk.staff("1010", "1011")
    leads = some(4, BUSY)
    first = await desk.campaign(leads, max_attempts=2, cooloff_s=1, name="first")
    await desk.edit(*SHOW_POOL, "--rotation", "sticky", name="first")
    await desk.start(first)
    await desk.until_completed(first)
    await desk.daemon.stop()
    await desk.daemon.start()
    second = await desk.campaign(reversed(leads), name="second")
    await desk.edit(*reversed_options(SHOW_POOL), "--rotation", "sticky", name="second")
    await desk.start(second)
    await desk.until_completed(second)
    saw = {number: [as_shown(call) for call in desk.calls_to(number)] for number in leads}
    assert [len(calls) for calls in saw.values()] == [3] * len(leads)
    assert [len(set(calls)) for calls in saw.values()] == [1] * len(leads)
    assert len({calls[0] for calls in saw.values()}) == len(POOL)


def reversed_options(options: list[str]) -> list[str]:
    """The same pool in another order."""
    pairs = list(zip(options[::2], options[1::2], strict=True))
    return [part for pair in reversed(pairs) for part in pair]


async def test_area_matched_shows_the_number_that_begins_most_like_the_one_that_is_dialed(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011")
    wanted = {
        "+12025550150": WASHINGTON,
        "+12125550150": NEW_YORK,
        "+12135550150": NEW_YORK,
        "+442079460050": LONDON,
        "+441632960050": LONDON,
    }
    campaign = await desk.campaign(wanted)
    await desk.edit(*SHOW_POOL, "--rotation", "area_matched")
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert dict(zip(desk.dialed(), desk.shown(), strict=True)) == wanted
    await desk.judge(campaign, agents=agents)


# --- without a pool ---------------------------------------------------------------------------------------------------


async def test_with_its_caller_id_off_a_campaign_shows_the_queues_number_and_without_one_the_accounts(
    desk: Desk,
) -> None:
    await desk.staff("1010")
    [by_queue], [by_account] = some(1, [50]), some(1, [51])
    await desk.cli("caller-ids", "queue", "set", "q1", "+12025550111=Sales")
    await desk.cli("account", "edit", "--caller-id", "+12025550122=House")
    first = await desk.campaign([by_queue], name="first")
    await desk.edit(*SHOW_POOL, name="first")
    await desk.edit("--no-caller-ids", name="first")
    await desk.start(first)
    await desk.until_completed(first)
    await desk.cli("caller-ids", "queue", "remove", "q1")
    await desk.until_completed(await desk.dial([by_account], name="second"))
    assert [as_shown(call) for call in desk.calls_in_order()] == [
        ("+12025550111", "Sales"),
        ("+12025550122", "House"),
    ]


# --- numbers that are not to be shown ---------------------------------------------------------------------------------


async def test_a_number_that_has_reached_its_daily_cap_in_all_campaigns_together_is_not_shown_any_more(
    desk: Desk,
) -> None:
    await desk.staff("1010", "1011")
    await desk.cli("account", "edit", "--time-zone", zone_far_from_midnight(["UTC", "America/Los_Angeles"]))
    *leads, last = some(7, [50])
    campaigns = {}
    for name, share in (("first", leads[:3]), ("second", leads[3:])):
        campaigns[name] = await desk.campaign(share, name=name)
        await desk.edit("--caller-id", WASHINGTON, "--caller-id", NEW_YORK, name=name)
        await desk.cli("caller-ids", "cap", name, WASHINGTON, "2")
    for campaign in campaigns.values():
        await desk.start(campaign)
        await desk.until_completed(campaign)
    assert Counter(desk.shown()) == {WASHINGTON: 2, NEW_YORK: 4}
    third = await desk.campaign([last])
    await desk.edit("--caller-id", WASHINGTON)
    await desk.cli("caller-ids", "cap", NAME, WASHINGTON, "2")
    await desk.start(third)
    waiting = await desk.until_lead_waits(third, last, Rule.CALLER_ID)
    assert waiting.not_before is not None
    assert waiting.not_before > now()
    told = await desk.explained_lead(third, last)
    [why] = [rule["facts"]["why"] for rule in told["rules"] if rule["rule"] == Rule.CALLER_ID]
    assert why.endswith("the only number it may show, has reached its daily cap of 2")
    await desk.cli("caller-ids", "cap", NAME, WASHINGTON, "3")
    await desk.until_completed(third)
    assert desk.calls_to(last)[0].caller_number.endswith(WASHINGTON.lstrip("+"))


async def test_a_number_that_rests_is_not_shown_until_it_is_woken(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011")
    campaign = await desk.campaign(some(40, BUSY), calls_per_second=2)
    await desk.edit("--caller-id", WASHINGTON, "--caller-id", NEW_YORK)
    await desk.cli("caller-ids", "rest", NAME, WASHINGTON, "--for", "1h")
    await desk.start(campaign)
    await desk.until_seen(4)
    woken = now()
    await desk.cli("caller-ids", "wake", NAME, WASHINGTON)
    await desk.lab.wait_for(lambda: WASHINGTON in desk.shown())
    await desk.pause(campaign)
    await desk.until_silent()
    first = next(call for call in desk.calls_in_order() if as_shown(call)[0] == WASHINGTON)
    assert first.invite > woken
    assert (await desk.overview(campaign)).campaign.status is CampaignStatus.PAUSED
    await desk.judge(campaign, agents=agents)
