"""Accounts: what one says is kept as it was said, refused where it cannot be, and in force for all of its campaigns at once."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dialerd.domain.accounts import Account, AccountRules, Limits, UnknownZone
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import NoAgent
from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.eligibility import Rule
from dialerd.domain.outcomes import Outcome
from dialerd.domain.schedule import parse_row
from dialerd.errors import InvalidAccount, NotFound
from dialerd.store.pool import BELL
from tests.integration.store.scene import Stores, closed_now


async def test_a_new_account_has_the_limits_of_the_specification(stores: Stores) -> None:
    account = await stores.accounts.create("other")
    assert account == Account(id=account.id, name="other", default_region="US", rules=AccountRules())
    assert await stores.accounts.create("other") == account
    assert [one.name for one in await stores.accounts.list()] == ["default", "other"]


async def test_everything_that_an_account_says_comes_back_as_it_was_stored(stores: Stores) -> None:
    rules = AccountRules(
        time_zone="Europe/Berlin",
        limits=Limits(max_calls_per_second=2.5, max_concurrency=3, max_attempts=4, max_pool=5),
        caller_id=CallerId(number="+442079460123", name="Us"),
        business_hours=(parse_row("mon-fri 09:00-17:00 days 2-9 months 1,3"), parse_row("22:00-06:00")),
        unknown_zone=UnknownZone.ACCOUNT,
        lead_zone_trusted=True,
        max_calls_24h=None,
        max_calls_7d=7,
        abandon_lockout_h=0,
        allowed_prefixes=("+44", "+1202"),
        caller_id_prefixes={"GB": ("+44", "0")},
        profile="uk",
    )
    wanted = replace(await stores.accounts.get(), default_region="GB", rules=rules)
    await stores.accounts.save(wanted)
    assert await stores.accounts.get() == wanted


async def test_everything_that_is_wrong_with_it_is_said_at_once_and_nothing_is_stored(stores: Stores) -> None:
    account = await stores.accounts.get()
    wrong = replace(account.rules, time_zone="Mars/Olympus", max_calls_24h=0, allowed_prefixes=("44",))
    with pytest.raises(InvalidAccount) as refused:
        await stores.accounts.save(replace(account, rules=wrong))
    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        "time zone",
        "most calls to a number in 24 hours",
        "allowed prefixes",
    ]
    assert await stores.accounts.get() == account


async def test_an_account_that_is_not_there_is_named(stores: Stores) -> None:
    with pytest.raises(NotFound, match="account nobody"):
        await stores.accounts.get("nobody")
    with pytest.raises(NotFound, match="account nobody"):
        await stores.accounts.save(Account(id=4711, name="nobody"))


async def test_its_rules_are_in_force_on_the_next_call(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, cooloff_s=0)
    await dialed.dial(Outcome.BUSY)
    await save(stores, max_calls_24h=1, allowed_prefixes=("+44",))
    await stores.attempts.release_waiting(dialed.campaign.id)
    claim = await dialed.claim(look_at=2)
    assert {passed.refusal.rule for passed in claim.passed} == {Rule.DESTINATION}
    assert claim.opened == ()


async def test_its_business_hours_hold_for_campaigns_without_a_schedule_of_their_own(stores: Stores) -> None:
    await save(stores, business_hours=closed_now())
    plain, other = [await stores.a_dialed_campaign(name=name, schedule=schedule) for name, schedule in OWN_SCHEDULES]
    assert (claim := await plain.claim()).forbidden is not None
    assert claim.forbidden.rule is Rule.SCHEDULE
    assert (await other.claim()).opened


OWN_SCHEDULES = [("Spring", None), ("Autumn", ())]


async def test_its_profile_holds_for_campaigns_that_name_none(stores: Stores) -> None:
    await save(stores, profile="uk", caller_id=CallerId(number="+442079460123"))
    plain, other = [
        await stores.a_dialed_campaign(
            name=name, profile=profile, customer_wait_sla_s=2, no_agent=NoAgent.MESSAGE_AT_SLA
        )
        for name, profile in OWN_PROFILES
    ]
    assert (plain.campaign.profile, other.campaign.profile) == ("uk", "none")
    (passed,) = (await plain.claim()).passed  # an American number, which the British rules do not cover
    assert passed.refusal.rule is Rule.LEGAL_HOURS
    assert (await other.claim()).opened


OWN_PROFILES = [("Spring", None), ("Autumn", "none")]


async def test_after_a_change_its_leads_are_judged_anew_but_not_those_of_others(stores: Stores) -> None:
    await stores.accounts.create("other")
    drafts = [await stores.a_draft(name=name) for name in ("Spring", "Autumn")]
    foreign = await stores.a_draft(account="other")
    await stores.campaigns.act(drafts[1].id, CampaignAction.CANCEL)
    await save(stores, max_calls_24h=9)
    judged = [(await stores.campaigns.get_campaign(one.id)).judge_anew for one in (*drafts, foreign)]
    assert judged == [True, False, False]


async def test_the_bell_rings_when_it_changes(stores: Stores) -> None:
    rung = asyncio.Event()
    async with stores.pool.acquire() as connection:
        await connection.add_listener(BELL, lambda *_: rung.set())
        await save(stores, max_calls_7d=3)
        async with asyncio.timeout(60):
            await rung.wait()
        await connection.reset()


async def save(stores: Stores, **changes: Any) -> None:
    account = await stores.accounts.get()
    await stores.accounts.save(replace(account, rules=replace(account.rules, **changes)))
