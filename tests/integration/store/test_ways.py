"""Attempts of every flow: what a call is opened with, what its row keeps, and what an end leaves behind."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from dialerd.domain.abandonment import Ledger
from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AnsweredBy, AttemptState, Call, CallFlow, DialMode, KeptAgent, LeadCard, NoAgent
from dialerd.domain.campaigns import CampaignAction, MachineDetection, Target
from dialerd.domain.leads import LeadEvent, LeadState
from dialerd.domain.menus import VoiceMenu
from dialerd.domain.outcomes import Outcome
from dialerd.domain.recordings import RecordingState, recording_name
from dialerd.errors import NotFound
from dialerd.store.call_rows import is_audited
from dialerd.store.menus import menu_of
from tests.factories import ANNA, BEN, a_new_lead, settings
from tests.integration.store.scene import Dialed, Stores, closed_now, ended

AGENT_FIRST: dict[str, Any] = {"dial_mode": DialMode.AGENT_FIRST}
MENU = menu_of(
    {
        "name": "main",
        "nodes": {
            "start": {
                "prompt": "custom/welcome",
                "choices": {"1": {"action": "end", "result": "confirmed"}, "9": {"action": "opt_out"}},
            }
        },
    }
)


# --- opening ---------------------------------------------------------------------------------------------------------


async def test_a_call_carries_the_leads_card_and_the_campaigns_promises(stores: Stores) -> None:
    draft = await stores.a_draft(
        greeting="custom/hello",
        agent_announcement="custom/wait",
        no_agent=NoAgent.MESSAGE,
        offer_s=45,
        mask_lead_caller_id=True,
        send_lead_data=True,
    )
    lead = a_new_lead(last_name="Lovelace", ticket_id="T1", skill="french", extension="77", custom={"plan": "gold"})
    await stores.leads.add(draft.id, [lead])
    call = await (await stores.dialing(draft)).open()
    assert call.lead == LeadCard(
        name="Ada Lovelace", ticket_id="T1", skill="french", extension="77", custom={"plan": "gold"}
    )
    assert (call.greeting, call.agent_announcement, call.no_agent) == ("custom/hello", "custom/wait", NoAgent.MESSAGE)
    assert (call.offer_time, call.mask_number, call.send_lead_data) == (timedelta(seconds=45), True, True)
    assert (call.flow, call.state, call.recording, call.wanted_agent) == (
        CallFlow.PROGRESSIVE,
        AttemptState.DIALING,
        "",
        None,
    )


async def test_in_agent_first_the_lead_is_not_dialed_yet_when_the_attempt_is_opened(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(**AGENT_FIRST)).open()
    assert (call.flow, call.state) == (CallFlow.AGENT_FIRST, AttemptState.PREPARING)
    assert await restored(stores, call) == replace(call, hunts=1)
    assert await lead_state(stores, call) is LeadState.DIALING


async def test_a_recorded_call_has_a_name_of_its_own_in_the_folder_of_its_day(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(recording=True)).open()
    assert call.recording == recording_name(call.id, call.opened_at)
    assert await restored(stores, call) == call


@pytest.mark.parametrize("audit", [0, 30, 100])
async def test_of_the_machines_that_are_hung_up_on_the_audited_share_is_not(stores: Stores, audit: int) -> None:
    dialed = await stores.a_dialed_campaign(
        leads=40, concurrency=50, machine_detection=MachineDetection.HANG_UP, machine_audit_pct=audit
    )
    calls = await dialed.open_all(most=40, look_at=40)
    assert all(call.detect_machine for call in calls)
    assert [call.drop_machine for call in calls] == [call.id.int % 100 >= audit for call in calls]


def test_about_as_many_are_audited_as_the_campaign_says() -> None:
    chosen = settings(machine_audit_pct=5)
    audited = sum(is_audited(uuid4(), chosen) for _ in range(10_000))
    assert 350 < audited < 650


@pytest.mark.parametrize(
    ("detection", "detects", "drops"),
    [
        (MachineDetection.OFF, False, False),
        (MachineDetection.LISTEN, True, False),
        (MachineDetection.HANG_UP, True, True),
    ],
)
async def test_a_machine_is_dropped_only_where_the_campaign_says_so(
    stores: Stores, detection: MachineDetection, detects: bool, drops: bool
) -> None:
    call = await (await stores.a_dialed_campaign(machine_detection=detection, machine_audit_pct=0)).open()
    assert (call.detect_machine, call.drop_machine) == (detects, drops)


async def test_a_named_agent_is_wanted_for_every_call(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(target=Target.AGENT, target_agent=ANNA)).open()
    assert call.wanted_agent == ANNA
    assert (await restored(stores, call)).wanted_agent == ANNA


async def test_the_agent_who_last_spoke_to_the_lead_is_wanted_and_else_nobody(stores: Stores) -> None:
    """ "The agent who last spoke to this lead", whatever campaign that was in."""
    first = await stores.a_dialed_campaign(name="Before", cooloff_s=0)
    spoke = await first.dial(Outcome.CONNECTED, agent=ANNA)
    await stores.pool.execute(
        "UPDATE attempts SET opened_at = opened_at - interval '1 hour', connected_at = now() - interval '1 hour'"
    )
    second = await stores.a_dialed_campaign(leads=2, name="Now", target=Target.LAST_AGENT)
    calls = {call.number: call.wanted_agent for call in await second.open_all(most=2, look_at=2)}
    assert calls.pop(spoke.number) == ANNA
    assert list(calls.values()) == [None]


async def test_of_several_talks_the_newest_counts_and_one_with_an_agent_who_was_not_seen_does_not(
    stores: Stores,
) -> None:
    dialed = await stores.a_dialed_campaign(target=Target.LAST_AGENT)
    for hours, agent in ((3, ANNA), (2, BEN), (1, "unknown")):
        call = await dialed.dial(Outcome.CONNECTED, agent=agent)
        ago = timedelta(hours=hours)
        await stores.pool.execute("UPDATE attempts SET connected_at = now() - $2::interval WHERE id = $1", call.id, ago)
        await stores.leads.reset(call.lead_id)
    assert (await dialed.open()).wanted_agent == BEN


async def test_a_talk_in_another_account_is_nobodys_business(stores: Stores) -> None:
    await stores.accounts.create("other")
    elsewhere = await stores.dialing(await stores.a_draft(1, account="other"))
    await elsewhere.dial(Outcome.CONNECTED, agent=ANNA)
    here = await stores.a_dialed_campaign(name="Here", target=Target.LAST_AGENT)
    assert (await here.open()).wanted_agent is None


async def test_an_agent_who_has_stayed_gets_the_next_lead(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=3, **AGENT_FIRST, target=Target.AGENT, target_agent=BEN)
    kept = KeptAgent(campaign_id=dialed.campaign.id, leg=uuid4(), queue="sales", agent=ANNA)
    (opened,) = (await dialed.claim(kept=kept, most=3, look_at=3)).opened
    call = opened.call
    assert (call.kept_leg, call.agent, call.wanted_agent) == (kept.leg, ANNA, None)
    assert (call.state, call.agent_leg(1)) == (AttemptState.PREPARING, kept.leg)
    known = await restored(stores, call)
    assert (known.kept_leg, known.agent) == (kept.leg, ANNA)


async def test_a_voice_menu_comes_with_the_call_and_again_after_a_restart(stores: Stores) -> None:
    call = await (await a_menu_campaign(stores)).open()
    assert (call.flow, call.menu, call.queue) == (CallFlow.MENU, MENU, "")
    in_menu = replace(
        call, state=AttemptState.MENU, answered_at=call.opened_at, menu_node="start", menu_result="confirmed"
    )
    await stores.attempts.record_progress(in_menu)
    assert await restored(stores, call) == replace(in_menu, hunts=1)
    assert await lead_state(stores, call) is LeadState.ANSWERED


async def test_without_its_menu_nothing_is_dialed(stores: Stores) -> None:
    dialed = await a_menu_campaign(stores)
    await stores.pool.execute("DELETE FROM menus")
    with pytest.raises(NotFound, match="voice menu main"):
        await dialed.open()
    assert await stores.attempts.open_calls() == []


# --- before the lead is dialed ---------------------------------------------------------------------------------------


async def test_with_an_agent_on_the_line_the_lead_is_dialed_and_the_row_says_so(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(**AGENT_FIRST)).open()
    assert await stores.attempts.begin_dialing(call)
    assert (await restored(stores, call)).state is AttemptState.DIALING


async def test_a_lead_is_not_dialed_twice_whoever_asks(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(**AGENT_FIRST)).open()
    assert sorted(await asyncio.gather(*(stores.attempts.begin_dialing(call) for _ in range(5)))) == [False] * 4 + [
        True
    ]


async def test_a_number_listed_while_an_agent_was_rung_is_not_dialed(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign(**AGENT_FIRST)).open()
    await stores.dnc.add(call.number)
    assert not await stores.attempts.begin_dialing(call)
    assert (await restored(stores, call)).state is AttemptState.PREPARING


@pytest.mark.parametrize("changes", [{"schedule": closed_now()}, {"profile": "uk", "customer_wait_sla_s": 2}])
async def test_hours_that_have_closed_meanwhile_forbid_the_dial(stores: Stores, changes: dict[str, Any]) -> None:
    dialed = await stores.a_dialed_campaign(**AGENT_FIRST, no_agent=NoAgent.MESSAGE_AT_SLA)
    call = await dialed.open()
    await account_shows_a_number(stores)
    await stores.campaigns.edit(dialed.campaign.id, changes)
    assert not await stores.attempts.begin_dialing(call)


@pytest.mark.parametrize("action", [CampaignAction.PAUSE, CampaignAction.STOP, CampaignAction.CANCEL])
async def test_a_campaign_that_was_halted_meanwhile_dials_no_lead(stores: Stores, action: CampaignAction) -> None:
    dialed = await stores.a_dialed_campaign(**AGENT_FIRST)
    call = await dialed.open()
    await stores.campaigns.act(dialed.campaign.id, action)
    assert not await stores.attempts.begin_dialing(call)


async def test_the_attempt_itself_does_not_use_up_what_it_needs(stores: Stores) -> None:
    """Its caps and its attempts were asked when it was opened; now they count this very call."""
    account = await stores.accounts.get()
    await stores.accounts.save(replace(account, rules=replace(account.rules, max_calls_24h=1)))
    call = await (await stores.a_dialed_campaign(**AGENT_FIRST, max_attempts=1, dial_cycles=1)).open()
    assert await stores.attempts.begin_dialing(call)


async def test_a_list_that_changes_in_the_same_instant_is_obeyed_or_too_late_but_never_in_between(
    stores: Stores,
) -> None:
    dialed = await stores.a_dialed_campaign(leads=20, concurrency=50, **AGENT_FIRST)
    for call in await dialed.open_all(most=20, look_at=20):
        begun, _ = await asyncio.gather(stores.attempts.begin_dialing(call), stores.dnc.add(call.number))
        assert (await restored(stores, call)).state is (AttemptState.DIALING if begun else AttemptState.PREPARING)
        assert not await stores.attempts.begin_dialing(call)


async def test_a_call_whose_lead_was_not_dialed_after_all_gives_the_attempt_back(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(**AGENT_FIRST, max_attempts=1)
    call = await dialed.open()
    step = await stores.attempts.close_attempt(ended(call, Outcome.NOT_PLACED))
    assert step is not None
    assert (step.event, step.counts) == (LeadEvent.PUT_BACK, False)
    assert (await stores.leads.get(call.lead_id)).lead.attempts_used == 0


# --- opting out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.OPTED_OUT, Outcome.UNKNOWN, Outcome.ABANDONED])
async def test_who_has_opted_out_is_listed_and_blocked_with_the_end_of_the_call(
    stores: Stores, outcome: Outcome
) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await stores.attempts.close_attempt(replace(ended(call, outcome), opted_out=True))
    (entry,) = await stores.dnc.in_force(call.number, dialed.campaign.account_id)
    assert (entry.account_id, entry.source, entry.expires_at) == (dialed.campaign.account_id, "opt-out", None)
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.state, lead.held_by) == (LeadState.BLOCKED, "dnc")


async def test_an_opt_out_outlasts_an_entry_that_would_have_ended(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call, account = await dialed.open(), dialed.campaign.account_id
    await stores.dnc.add(call.number, account, expires_at=datetime.now(UTC) + timedelta(days=1))
    await stores.attempts.close_attempt(ended(call, Outcome.OPTED_OUT))
    assert [entry.expires_at for entry in await stores.dnc.in_force(call.number, account)] == [None]


async def test_in_a_voice_menu_the_entry_says_in_which(stores: Stores) -> None:
    dialed = await a_menu_campaign(stores)
    call = await dialed.open()
    await stores.attempts.close_attempt(replace(ended(call, Outcome.OPTED_OUT), opted_out=True))
    (entry,) = await stores.dnc.in_force(call.number, dialed.campaign.account_id)
    assert entry.reason == "pressed the key in voice menu main"


async def test_a_key_that_was_pressed_while_no_daemon_listened_counts_once(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.dial(Outcome.NO_ANSWER)
    at = datetime.now(UTC)
    told = await asyncio.gather(*(stores.attempts.opt_out(call.id, at) for _ in range(4)))
    assert sorted(told) == [False, False, False, True]
    lead = await stores.leads.get(call.lead_id)
    assert (lead.lead.state, lead.not_before, lead.held_by) == (LeadState.BLOCKED, None, "dnc")
    assert [line.fact for line in await stores.activity.of_lead(call.lead_id)].count("opted_out") == 1


async def test_such_a_key_leaves_a_call_that_goes_on_alone_but_its_number_is_listed(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    assert await stores.attempts.opt_out(call.id, datetime.now(UTC))
    assert await lead_state(stores, call) is LeadState.DIALING
    assert await stores.dnc.contains(call.number, dialed.campaign.account_id)


async def test_an_attempt_that_is_not_ours_changes_nothing(stores: Stores) -> None:
    assert not await stores.attempts.opt_out(UUID(int=7), datetime.now(UTC))
    assert await stores.dnc.count() == 0


# --- what an end leaves behind ---------------------------------------------------------------------------------------


async def test_the_ledger_counts_who_answered_in_the_transaction_that_ends_the_call(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=6, abandonment_cap_pct=3.0)
    now = datetime.now(UTC)
    long_ago = now - timedelta(seconds=10)
    await dialed.dial(Outcome.CONNECTED)
    await dialed.dial(Outcome.CONNECTED, answered_at=long_ago, connected_at=now)  # late, but there is no legal limit
    await dialed.dial(Outcome.ABANDONED, answered_at=long_ago)
    await dialed.dial(Outcome.HUNG_UP)
    await dialed.dial(Outcome.NO_ANSWER)
    await dialed.dial(Outcome.VOICEMAIL)
    found = await stores.campaigns.abandonment(dialed.campaign)
    assert (found.ledger, found.cap, found.rule) == (Ledger(answered=4, in_time=1, abandoned=1), 0.03, None)
    assert await stores.pool.fetchval("SELECT count(*) FROM attempts WHERE in_time IS NOT NULL") == 4


async def test_under_a_profile_who_waits_beyond_its_limit_is_abandoned_though_an_agent_came(stores: Stores) -> None:
    """47 CFR 64.1200(a)(7): two seconds, and 3 of 100 in each 30 days of the campaign."""
    dialed = await stores.a_dialed_campaign()
    await account_shows_a_number(stores)
    call = await dialed.open()
    legal = {"profile": "us", "customer_wait_sla_s": 2, "no_agent": NoAgent.MESSAGE_AT_SLA, "abandonment_cap_pct": 1.0}
    campaign = await stores.campaigns.edit(dialed.campaign.id, legal)
    now = datetime.now(UTC)
    late = ended(call, Outcome.CONNECTED, answered_at=now - timedelta(seconds=3), connected_at=now)
    await stores.attempts.close_attempt(late)
    found = await stores.campaigns.abandonment(campaign)
    assert (found.ledger, found.cap) == (Ledger(answered=1, in_time=0, abandoned=1), 0.01)
    assert found.rule is not None
    assert found.rule.limit == timedelta(seconds=2)
    without_own = replace(campaign, settings=replace(campaign.settings, abandonment_cap_pct=None))
    assert (await stores.campaigns.abandonment(without_own)).cap == 0.03
    assert await stores.pool.fetchval(
        "SELECT period_start = started_at FROM abandonment JOIN campaigns ON campaigns.id = campaign_id"
    )


async def test_the_ledger_of_yesterday_is_not_that_of_today(stores: Stores) -> None:
    """A call belongs to the day on which it was opened, also where it has ended only now."""
    dialed = await stores.a_dialed_campaign()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await dialed.dial(Outcome.ABANDONED, opened_at=yesterday, answered_at=yesterday + timedelta(seconds=10))
    found = await stores.campaigns.abandonment(dialed.campaign)
    assert (found.ledger, found.cap) == (Ledger(), None)
    assert found.until is not None
    assert timedelta(0) < found.until - datetime.now(UTC) <= timedelta(days=1)
    assert await stores.pool.fetchval("SELECT abandoned FROM abandonment") == 1


async def test_of_several_who_end_a_call_one_counts_it(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(recording=True)
    await stores.pool.execute("UPDATE leads SET ticket_id = 'T1'")
    end = ended(await dialed.open(), Outcome.CONNECTED)
    steps = await asyncio.gather(*(stores.attempts.close_attempt(end) for _ in range(6)))
    assert sum(step is not None for step in steps) == 1
    assert (await stores.campaigns.abandonment(dialed.campaign)).ledger.answered == 1
    assert len(await stores.recordings.of_campaign(dialed.campaign.id)) == 1
    assert len(await crm_results(stores)) == 1


@pytest.mark.parametrize(
    ("outcome", "expected"), [(Outcome.CONNECTED, True), (Outcome.ABANDONED, False), (Outcome.NO_ANSWER, False)]
)
async def test_a_recording_is_expected_of_a_talk(stores: Stores, outcome: Outcome, expected: bool) -> None:
    dialed = await stores.a_dialed_campaign(recording=True)
    call = await dialed.dial(outcome)
    found = await stores.recordings.of_campaign(dialed.campaign.id)
    assert [(one.recording.attempt_id, one.recording.name, one.state, one.node) for one in found] == (
        [(call.id, call.recording, RecordingState.PENDING, "one")] if expected else []
    )


async def test_a_recording_is_expected_of_a_voice_menu_too_but_of_no_call_that_was_not_to_be_recorded(
    stores: Stores,
) -> None:
    dialed = await a_menu_campaign(stores, recording=True)
    call = await dialed.dial(Outcome.MENU_LEFT)
    assert (await stores.recordings.of_attempt(call.id)).recording.recorded_at == call.ended_at
    plain = await stores.a_dialed_campaign(leads=3, name="Plain")
    await stores.leads.reset(call.lead_id)
    unrecorded = await plain.dial(Outcome.CONNECTED)
    with pytest.raises(NotFound, match="recording"):
        await stores.recordings.of_attempt(unrecorded.id)


async def test_what_was_chosen_in_the_menu_is_kept_on_the_lead_and_queued_for_the_crm(stores: Stores) -> None:
    dialed = await a_menu_campaign(stores)
    call = await dialed.open()
    end = replace(ended(call, Outcome.MENU_CHOICE), menu_result="confirmed", menu_node="start")
    await stores.attempts.close_attempt(end)
    assert await stores.pool.fetchval("SELECT result FROM leads") == "confirmed"
    (result,) = await crm_results(stores)
    assert (result["menu_result"], result["outcome"], result["lead_state"]) == ("confirmed", "menu_choice", "success")


@pytest.mark.parametrize(("outcome", "told"), [(Outcome.NO_ANSWER, 1), (Outcome.NOT_PLACED, 0)])
async def test_of_a_lead_with_a_ticket_the_crm_is_told_every_call_that_was_one(
    stores: Stores, outcome: Outcome, told: int
) -> None:
    draft = await stores.a_draft()
    await stores.leads.add(draft.id, [a_new_lead(ticket_id="T1")])
    await (await stores.dialing(draft)).dial(outcome)
    results = await crm_results(stores)
    assert [result["ticket_id"] for result in results] == ["T1"] * told


async def test_of_a_lead_that_no_crm_knows_nothing_is_told(stores: Stores) -> None:
    await (await stores.a_dialed_campaign()).dial(Outcome.NO_ANSWER)
    assert await crm_results(stores) == []


async def test_the_call_log_says_how_long_who_waited_and_whether_the_promise_was_kept(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=3, customer_wait_sla_s=3, agent_dial_timeout_s=4, recording=True)
    now = datetime.now(UTC)
    ago = {seconds: now - timedelta(seconds=seconds) for seconds in (2, 5, 7)}
    talk = {"answered_at": ago[7], "agent_ringing_at": ago[7], "connected_at": ago[5], "agent": ANNA}
    await dialed.dial(Outcome.CONNECTED, **talk, answered_by=AnsweredBy.HUMAN)
    await dialed.dial(Outcome.ABANDONED, answered_at=ago[7], agent_ringing_at=ago[5], ended_at=now)
    await dialed.dial(Outcome.BUSY)
    quick, slow, busy = [call async for call in stores.activity.call_log(dialed.campaign.id)]
    assert (quick.customer_wait_s, quick.customer_wait_sla_met, quick.agent_ring_s, quick.agent_sla_met) == (
        2,
        True,
        2,
        True,
    )
    assert (quick.flow, quick.answered_by, quick.abandoned) == (CallFlow.PROGRESSIVE, AnsweredBy.HUMAN, False)
    assert (quick.recording_state, quick.recording_s, quick.disposition) == (RecordingState.PENDING, None, None)
    assert (slow.customer_wait_s, slow.customer_wait_sla_met, slow.agent_sla_met, slow.abandoned) == (
        7,
        False,
        False,
        True,
    )
    assert (busy.customer_wait_s, busy.customer_wait_sla_met, busy.agent_ring_s, busy.agent_sla_met) == (None,) * 4
    assert (busy.abandoned, busy.recording) == (None, None)


# --- steps -----------------------------------------------------------------------------------------------------------


async def a_menu_campaign(stores: Stores, menu: VoiceMenu = MENU, **changes: Any) -> Dialed:
    await stores.menus.put(menu)
    return await stores.a_dialed_campaign(target=Target.MENU, menu=menu.name, queue="", **changes)


async def restored(stores: Stores, call: Call) -> Call:
    """As a daemon that starts now finds it."""
    (found,) = [known.call for known in await stores.attempts.open_calls() if known.call.id == call.id]
    return found


async def lead_state(stores: Stores, call: Call) -> LeadState:
    return (await stores.leads.get(call.lead_id)).lead.state


async def crm_results(stores: Stores) -> list[dict[str, Any]]:
    return [row["result"] for row in await stores.pool.fetch("SELECT result FROM crm_results ORDER BY id")]


async def account_shows_a_number(stores: Stores) -> None:
    account = await stores.accounts.get()
    rules = replace(account.rules, caller_id=CallerId(number="+12025550199"))
    await stores.accounts.save(replace(account, rules=rules))
