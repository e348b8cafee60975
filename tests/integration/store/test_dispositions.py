"""What agents say of their talks: kept during the talk, applied with its end or afterwards, and the last word counts."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dialerd.domain.attempts import Claim
from dialerd.domain.calls import AttemptState, Call
from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.dispositions import DISPOSITIONS
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.errors import InvalidDisposition, NotFound
from dialerd.store.leads import LeadRecord
from tests.factories import ANNA, BEN
from tests.integration.store.scene import Dialed, Stores, ended, somebody_waits

STATES = [
    ("success", LeadState.SUCCESS),
    ("not_interested", LeadState.SUCCESS),
    ("voicemail", LeadState.VOICEMAIL),
    ("callback", LeadState.COOLOFF),
    ("try_again", LeadState.COOLOFF),
    ("wrong_number", LeadState.FAILED),
    ("do_not_call", LeadState.BLOCKED),
]


@pytest.mark.parametrize(("code", "state"), STATES)
async def test_said_after_the_talk_it_is_applied_at_once(stores: Stores, code: str, state: LeadState) -> None:
    call = await a_talk(await stores.a_dialed_campaign())
    assert await say(stores, call, code) is state
    lead = await lead_of(stores, call)
    assert (lead.lead.state, await result_of(stores)) == (state, code)
    line = (await stores.activity.of_lead(call.lead_id))[-1]
    assert (line.fact, line.details["disposition"], line.details["lead_state"]) == ("disposed", code, state)


@pytest.mark.parametrize(("code", "state"), STATES)
async def test_said_during_the_talk_it_is_applied_when_the_talk_ends(
    stores: Stores, code: str, state: LeadState
) -> None:
    call = await in_talk(await stores.a_dialed_campaign())
    assert await say(stores, call, code) is None
    assert (await lead_of(stores, call)).lead.state is LeadState.ANSWERED
    await stores.attempts.close_attempt(end_of(call))
    assert ((await lead_of(stores, call)).lead.state, await result_of(stores)) == (state, code)


@pytest.mark.parametrize("during", [True, False])
async def test_a_callback_waits_for_its_time_and_then_for_its_agent(stores: Stores, during: bool) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await (in_talk(dialed) if during else a_talk(dialed))
    at = in_hours(2)
    await stores.dispositions.dispose(call.id, "callback", by="anna", callback_at=at, callback_agent=BEN)
    await stores.attempts.close_attempt(end_of(call))
    lead = await lead_of(stores, call)
    assert (lead.not_before, lead.held_by, lead.lead.callback_agent) == (at, "callback", BEN)
    assert await dialed.claim() == Claim()
    await time_has_come(stores, dialed)
    again = await dialed.open()
    assert (again.lead_id, again.wanted_agent) == (call.lead_id, BEN)
    assert (await lead_of(stores, call)).lead.callback_agent is None


async def test_a_callback_for_any_agent_wants_nobody(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await say(stores, await a_talk(dialed), "callback")
    await time_has_come(stores, dialed)
    assert (await dialed.open()).wanted_agent is None


@pytest.mark.parametrize("during", [True, False])
async def test_a_callback_takes_place_though_the_attempts_are_used_up_and_is_the_last(
    stores: Stores, during: bool
) -> None:
    dialed = await stores.a_dialed_campaign(max_attempts=1)
    call = await (in_talk(dialed) if during else a_talk(dialed))
    await say(stores, call, "callback")
    await stores.attempts.close_attempt(end_of(call))
    assert (await lead_of(stores, call)).lead.max_attempts == 2
    await time_has_come(stores, dialed)
    await dialed.dial(Outcome.NO_ANSWER)
    assert (await lead_of(stores, call)).lead.state is LeadState.FAILED


async def test_a_callback_that_is_taken_back_takes_its_attempt_with_it(stores: Stores) -> None:
    call = await a_talk(await stores.a_dialed_campaign(max_attempts=1))
    await say(stores, call, "callback")
    await say(stores, call, "callback")
    assert (await lead_of(stores, call)).lead.max_attempts == 2
    assert await say(stores, call, "try_again") is LeadState.FAILED
    assert (await lead_of(stores, call)).lead.max_attempts == 1


@pytest.mark.parametrize(("first", "_"), STATES)
@pytest.mark.parametrize(("last", "state"), STATES)
async def test_the_last_word_counts(stores: Stores, first: str, _: LeadState, last: str, state: LeadState) -> None:
    call = await a_talk(await stores.a_dialed_campaign())
    await say(stores, call, first)
    assert await say(stores, call, last) is state
    lead = await lead_of(stores, call)
    assert (lead.lead.state, await result_of(stores)) == (state, last)
    assert (lead.not_before is not None) == (state in (LeadState.COOLOFF, LeadState.VOICEMAIL))


async def test_who_has_told_the_agent_not_to_be_called_stays_on_the_list_whatever_is_said_later(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await a_talk(dialed)
    await say(stores, call, "do_not_call")
    await say(stores, call, "success")
    (entry,) = await stores.dnc.in_force(call.number, dialed.campaign.account_id)
    assert (entry.source, entry.added_by, entry.reason) == ("opt-out", "anna", "told the agent (do_not_call)")


async def test_an_opt_out_during_the_talk_is_listed_with_its_end(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await in_talk(dialed)
    await say(stores, call, "do_not_call")
    assert not await stores.dnc.contains(call.number, dialed.campaign.account_id)
    await stores.attempts.close_attempt(end_of(call))
    assert await stores.dnc.contains(call.number, dialed.campaign.account_id)


async def test_when_the_lead_has_been_called_again_it_is_too_late(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await a_talk(dialed)
    await say(stores, call, "callback")
    await time_has_come(stores, dialed)
    await dialed.open()
    with pytest.raises(InvalidDisposition, match="called again"):
        await say(stores, call, "success")


async def test_a_lead_that_was_made_new_since_is_left_alone(stores: Stores) -> None:
    call = await a_talk(await stores.a_dialed_campaign())
    await stores.leads.reset(call.lead_id)
    assert await say(stores, call, "wrong_number") is LeadState.ACTIVE
    assert (await lead_of(stores, call)).lead.state is LeadState.ACTIVE


async def test_a_campaign_that_was_complete_goes_on_for_a_callback(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await a_talk(dialed)
    assert await stores.campaigns.complete_campaign(dialed.lease)
    await say(stores, call, "success")
    assert (await stores.campaigns.get_campaign(dialed.campaign.id)).status is CampaignStatus.COMPLETED
    await say(stores, call, "callback")
    assert (await stores.campaigns.get_campaign(dialed.campaign.id)).status is CampaignStatus.RUNNING


@pytest.mark.parametrize("turn", range(10))
async def test_a_word_in_the_instant_of_the_talks_end_is_applied_once(stores: Stores, turn: int) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await in_talk(dialed)
    both = [say(stores, call, "callback"), stores.attempts.close_attempt(end_of(call))]
    await asyncio.gather(*(both if turn % 2 else reversed(both)))
    lead = await lead_of(stores, call)
    assert (lead.lead.state, lead.held_by, await result_of(stores)) == (LeadState.COOLOFF, "callback", "callback")
    assert lead.lead.attempts_used == 1


async def test_a_word_that_comes_while_the_end_is_being_written_is_not_lost(stores: Stores) -> None:
    call = await in_talk(await stores.a_dialed_campaign())
    async with stores.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM leads FOR UPDATE")
        ending = asyncio.create_task(stores.attempts.close_attempt(end_of(call)))
        await somebody_waits(stores, 1)
        saying = asyncio.create_task(say(stores, call, "wrong_number"))
        await somebody_waits(stores, 2)
    await ending
    assert await saying is LeadState.FAILED
    assert (await lead_of(stores, call)).lead.state is LeadState.FAILED


# --- what cannot be said ---------------------------------------------------------------------------------------------


async def test_a_word_that_the_campaign_does_not_have_is_answered_with_those_that_it_has(stores: Stores) -> None:
    call = await a_talk(await stores.a_dialed_campaign())
    with pytest.raises(InvalidDisposition, match=r"no disposition 'maybe' .* there are success, not_interested"):
        await stores.dispositions.dispose(call.id, "maybe", by="anna")


@pytest.mark.parametrize(
    ("code", "how", "why"),
    [
        ("callback", {}, "say at what time"),
        ("callback", {"callback_at": timedelta(seconds=-1)}, "is over"),
        ("callback", {"callback_at": timedelta(days=91)}, "within 90 days"),
        ("callback", {"callback_at": timedelta(hours=1), "callback_agent": "anna)&"}, "such as PJSIP/1001"),
        ("success", {"callback_at": timedelta(hours=1)}, "agrees no callback"),
        ("success", {"callback_agent": ANNA}, "agrees no callback"),
        ("success", {"note": "x" * 2001}, "2000 characters at most"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    stores: Stores, code: str, how: dict[str, Any], why: str
) -> None:
    call = await a_talk(await stores.a_dialed_campaign())
    now = datetime.now(UTC)
    how = {name: now + value if isinstance(value, timedelta) else value for name, value in how.items()}
    with pytest.raises(InvalidDisposition, match=why):
        await stores.dispositions.dispose(call.id, code, by="anna", **how)
    assert (await lead_of(stores, call)).lead.state is LeadState.SUCCESS


async def test_of_a_call_without_a_talk_nothing_can_be_said(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).dial(Outcome.ABANDONED)
    with pytest.raises(InvalidDisposition, match="nobody has talked"):
        await say(stores, call, "success")
    with pytest.raises(NotFound, match="attempt"):
        await stores.dispositions.dispose(UUID(int=7), "success", by="anna")


# --- the talk --------------------------------------------------------------------------------------------------------


async def test_an_agent_finds_the_newest_talk_whether_it_is_over_or_not(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2, name="Spring")
    with pytest.raises(NotFound, match="talk of agent PJSIP/anna"):
        await stores.dispositions.last_talk(ANNA)
    over = await a_talk(dialed)
    talk = await stores.dispositions.last_talk(ANNA)
    assert (talk.attempt_id, talk.campaign, talk.lead, talk.number) == (over.id, "Spring", "Ada", over.number)
    assert (talk.ended_at, talk.dispositions, talk.said) == (over.ended_at, DISPOSITIONS, None)
    present = await in_talk(dialed)
    await say(stores, present, "success")
    talk = await stores.dispositions.last_talk(ANNA)
    assert (talk.attempt_id, talk.ended_at) == (present.id, None)
    assert talk.said is not None
    assert (talk.said.code, talk.said.by, talk.said.note) == ("success", "anna", "")


async def test_a_masked_number_is_masked_here_too(stores: Stores) -> None:
    await a_talk(await stores.a_dialed_campaign(mask_lead_caller_id=True))
    assert (await stores.dispositions.last_talk(ANNA)).number == ""


async def test_the_crm_is_told_what_was_said(stores: Stores) -> None:
    call = await a_talk(await stores.a_dialed_campaign())
    await stores.dispositions.dispose(call.id, "success", by="anna", note="wants two")
    (row,) = await stores.pool.fetch("SELECT attempt_id, result FROM crm_results")
    told = row["result"]
    assert (row["attempt_id"], told["disposition"], told["note"]) == (call.id, "success", "wants two")
    (logged,) = [call async for call in stores.activity.call_log(call.campaign_id)]
    assert (logged.disposition, logged.note) == ("success", "wants two")


# --- steps -----------------------------------------------------------------------------------------------------------


async def say(stores: Stores, call: Call, code: str) -> LeadState | None:
    """As Anna, who agrees callbacks for any agent in two hours."""
    at = in_hours(2) if code == "callback" else None
    return await stores.dispositions.dispose(call.id, code, by="anna", callback_at=at)


async def in_talk(dialed: Dialed) -> Call:
    now = datetime.now(UTC)
    call = replace(await dialed.open(), state=AttemptState.CONNECTED, answered_at=now, connected_at=now, agent=ANNA)
    await dialed.stores.attempts.record_progress(call)
    return call


def end_of(call: Call) -> Call:
    return ended(call, Outcome.CONNECTED, agent=ANNA)


async def a_talk(dialed: Dialed) -> Call:
    """One that is over."""
    call = end_of(await in_talk(dialed))
    await dialed.stores.attempts.close_attempt(call)
    return call


async def time_has_come(stores: Stores, dialed: Dialed) -> None:
    await stores.pool.execute("UPDATE leads SET not_before = now() WHERE not_before IS NOT NULL")
    assert await stores.attempts.release_waiting(dialed.campaign.id) == 1


async def lead_of(stores: Stores, call: Call) -> LeadRecord:
    return await stores.leads.get(call.lead_id)


async def result_of(stores: Stores) -> str:
    return str(await stores.pool.fetchval("SELECT result FROM leads"))


def in_hours(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)
