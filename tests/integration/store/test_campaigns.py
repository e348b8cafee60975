"""Campaigns: made, edited, started, stopped, and owned by one daemon at a time."""

import asyncio
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import asyncpg
import pytest

from dialerd.domain.accounts import Limits
from dialerd.domain.attempts import Lease
from dialerd.domain.caller_id import CallerId, Rotation
from dialerd.domain.calls import DialMode, NoAgent
from dialerd.domain.campaigns import (
    Alternates,
    CampaignAction,
    CampaignStatus,
    Gate,
    MachineDetection,
    OnCap,
    PreviewOrder,
)
from dialerd.domain.dispositions import Disposition, DispositionEffect
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome, OutcomeRule
from dialerd.domain.pacing import HoldReason
from dialerd.domain.pacing import verdicts as verdicts_of
from dialerd.domain.schedule import DayPlan, LeadWindow, PlannedDay, parse_plan, parse_row, parse_window
from dialerd.errors import IllegalTransition, InvalidCampaign, NotFound, StartRefused
from dialerd.store.campaigns import CampaignStore
from dialerd.store.pool import BELL, connect
from tests.factories import a_situation, settings
from tests.integration.store.scene import LEASE, Stores, ended, some_leads

MISSING = 4711


# --- settings --------------------------------------------------------------------------------------------------------


async def test_a_new_campaign_is_a_draft_with_the_settings_that_were_given(stores: Stores) -> None:
    wanted = settings(calls_per_second=2.5, cooloff_2nd_s=7200, note="for José")
    campaign = await stores.campaigns.create(wanted)
    assert campaign.status is CampaignStatus.DRAFT
    assert await stores.campaigns.get_campaign(campaign.id) == campaign
    assert await stores.campaigns.find("Spring") == campaign
    assert campaign.settings == wanted


async def test_everything_that_is_wrong_is_said_at_once(stores: Stores) -> None:
    with pytest.raises(InvalidCampaign) as refused:
        await stores.campaigns.create(settings(queue="no such name!", concurrency=0), [CallerId(number="anonymous")])
    assert [problem.split(":")[0] for problem in refused.value.problems] == ["queue", "concurrency", "caller IDs"]
    assert await stores.campaigns.list() == []


async def test_two_campaigns_of_an_account_have_two_names(stores: Stores) -> None:
    await stores.a_draft()
    with pytest.raises(InvalidCampaign, match="Spring"):
        await stores.a_draft()
    await stores.accounts.create("other")
    await stores.campaigns.create(settings(), account="other")
    assert len(await stores.campaigns.list()) == 2


async def test_an_edit_changes_what_it_names_and_nothing_else(stores: Stores) -> None:
    draft = await stores.a_draft(concurrency=7)
    edited = await stores.campaigns.edit(draft.id, {"calls_per_second": 12.0, "cooloff_3rd_s": 60})
    assert edited.settings == settings(concurrency=7, calls_per_second=12.0, cooloff_3rd_s=60)
    assert await stores.campaigns.get_campaign(draft.id) == edited
    line, _ = await stores.activity.of_campaign(draft.id)
    assert (line.fact, line.details) == ("edited", {"calls_per_second": [1.0, 12.0], "cooloff_3rd_s": [None, 60]})


@pytest.mark.parametrize("changes", [{"concurrency": 51}, {"colour": "red"}, {"name": "Autumn"}])
async def test_an_edit_that_cannot_be_is_refused(stores: Stores, changes: dict[str, object]) -> None:
    await stores.a_draft(name="Autumn")
    draft = await stores.a_draft()
    with pytest.raises(InvalidCampaign):
        await stores.campaigns.edit(draft.id, changes)
    assert await stores.campaigns.get_campaign(draft.id) == draft


async def test_edits_at_the_same_time_do_not_undo_each_other(stores: Stores) -> None:
    draft = await stores.a_draft()
    await asyncio.gather(
        stores.campaigns.edit(draft.id, {"concurrency": 20}), stores.campaigns.edit(draft.id, {"wrapup_s": 9})
    )
    assert (await stores.campaigns.get_campaign(draft.id)).settings == settings(concurrency=20, wrapup_s=9)


async def test_what_does_not_exist_is_named(stores: Stores) -> None:
    with pytest.raises(NotFound, match="campaign 4711"):
        await stores.campaigns.get_campaign(MISSING)
    with pytest.raises(NotFound, match="campaign Winter"):
        await stores.campaigns.find("Winter")
    with pytest.raises(NotFound, match="campaign 4711"):
        await stores.campaigns.act(MISSING, CampaignAction.START)
    with pytest.raises(NotFound, match="account nobody"):
        await stores.campaigns.create(settings(), account="nobody")


# --- life ------------------------------------------------------------------------------------------------------------


async def test_a_start_is_refused_with_every_reason(stores: Stores) -> None:
    draft = await stores.a_draft(caller_id_enabled=True, profile="us", customer_wait_sla_s=9)
    await stores.pbx.note_queues({"support": "rrmemory"})
    await stores.pool.execute("UPDATE campaigns SET concurrency = 51")  # a row from before this limit
    for action in (CampaignAction.START, CampaignAction.SCHEDULE):
        with pytest.raises(StartRefused) as refused:
            await stores.campaigns.act(draft.id, action, starts_at=datetime.now(UTC))
        assert [re.split("[:( ]", reason)[0] for reason in refused.value.reasons] == [
            "concurrency",
            "customer_wait_sla_s",
            "no_agent",
            "leads",
            "caller",
            "queue",
        ]
    assert (await stores.campaigns.get_campaign(draft.id)).status is CampaignStatus.DRAFT


async def test_a_queue_that_asterisk_has_does_not_stand_in_the_way(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    await stores.pbx.note_queues({"support": "rrmemory", "sales": "rrmemory"})
    assert (await stores.campaigns.act(draft.id, CampaignAction.START)).status is CampaignStatus.RUNNING


async def test_what_asterisk_had_some_time_ago_proves_nothing_about_a_queue(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    await stores.pbx.note_queues({"support": "rrmemory"})
    await stores.pool.execute("UPDATE pbx_queues SET seen_at = now() - interval '3 minutes'")
    assert (await stores.campaigns.act(draft.id, CampaignAction.START)).status is CampaignStatus.RUNNING


async def test_a_campaign_that_lost_its_queue_is_not_resumed(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    await stores.pbx.note_queues({"support": "rrmemory"})
    with pytest.raises(StartRefused, match="queue sales"):
        await stores.campaigns.act(dialed.campaign.id, CampaignAction.RESUME)


async def test_a_profile_that_nobody_knows_stands_in_the_way(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1, profile="martian")
    with pytest.raises(StartRefused, match="there is none called martian; there are ca, none, uk, us"):
        await stores.campaigns.act(draft.id, CampaignAction.START)


async def test_the_two_windows_in_the_zone_of_the_lead_exclude_each_other(stores: Stores) -> None:
    windows: dict[str, Any] = {
        "lead_window": LeadWindow(start=time(9), end=time(17)),
        "day_plan": DayPlan(days=(PlannedDay(day=0, times=(time(9),)),)),
    }
    with pytest.raises(InvalidCampaign, match="exclude each other"):
        await stores.a_draft(**windows)
    draft = await stores.a_draft(leads=1, lead_window=windows["lead_window"])
    with pytest.raises(InvalidCampaign, match="exclude each other"):
        await stores.campaigns.edit(draft.id, {"day_plan": windows["day_plan"]})
    swapped = await stores.campaigns.edit(draft.id, {"lead_window": None, "day_plan": windows["day_plan"]})
    assert await stores.campaigns.get_campaign(draft.id) == swapped


async def test_every_setting_comes_back_as_it_was_stored(stores: Stores) -> None:
    wanted = settings(
        calls_per_second=0.25,
        dial_cycles=3,
        dial_cycles_time=time(5, 30),
        outcome_rules={
            Outcome.BUSY: OutcomeRule(delay_s=60, max_attempts=2),
            Outcome.REJECTED: OutcomeRule(retry=True),
        },
        alternates=Alternates.EACH_ATTEMPT,
        schedule=(parse_row("mon-fri 09:00-17:00 days 1-15 months 1,2"), parse_row("22:00-06:00")),
        day_plan=parse_plan(["0: 09:00, 13:00", "3: 10:30"], window_h=1.5),
        caller_id_enabled=True,
        rotation=Rotation.AREA_MATCHED,
        profile="uk",
        target_agent="PJSIP/1001",
        menu="main",
        offer_s=45,
        gate=Gate.RATE,
        greeting="custom/hello",
        agent_announcement="custom/wait",
        no_agent=NoAgent.MESSAGE_AT_SLA,
        mask_lead_caller_id=True,
        send_lead_data=True,
        recording=True,
        machine_detection=MachineDetection.HANG_UP,
        machine_audit_pct=7,
        abandonment_cap_pct=2.5,
        on_cap=OnCap.PAUSE,
        dispositions=(Disposition(code="sold", title="Sold", effect=DispositionEffect.DONE),),
    )
    campaign = await stores.campaigns.create(wanted)
    assert (await stores.campaigns.get_campaign(campaign.id)).settings == wanted
    edited = await stores.campaigns.edit(campaign.id, {"day_plan": None, "lead_window": parse_window("08:00-20:00")})
    assert await stores.campaigns.get_campaign(campaign.id) == edited
    assert edited.settings == replace(wanted, day_plan=None, lead_window=parse_window("08:00-20:00"))
    preview: dict[str, Any] = {
        "dial_mode": DialMode.PREVIEW,
        "preview_order": PreviewOrder.ACCEPT_FIRST,
        "gate": Gate.FREE_AGENTS,
        "machine_detection": MachineDetection.OFF,
        "no_agent": NoAgent.QUEUE,
    }
    again = await stores.campaigns.edit(campaign.id, preview)
    assert (await stores.campaigns.get_campaign(campaign.id)).settings == replace(edited.settings, **preview)
    assert again.settings.offers_before_dialing


async def test_a_campaign_without_rows_of_its_own_is_not_one_whose_schedule_is_empty(stores: Stores) -> None:
    for name, schedule in (("Spring", None), ("Autumn", ())):
        draft = await stores.a_draft(name=name, schedule=schedule)
        assert (await stores.campaigns.get_campaign(draft.id)).settings.schedule == schedule


async def test_the_limits_of_the_account_hold_for_its_campaigns(stores: Stores) -> None:
    account = await stores.accounts.get()
    await stores.a_draft(concurrency=40)
    limits = Limits(max_calls_per_second=2, max_concurrency=30, max_attempts=7, max_pool=1)
    await stores.accounts.save(replace(account, rules=replace(account.rules, limits=limits)))
    await stores.a_draft(name="Autumn", concurrency=30, max_attempts=7)
    with pytest.raises(InvalidCampaign) as refused:
        await stores.a_draft(name="Winter", concurrency=31, calls_per_second=2.5, max_attempts=8)
    assert refused.value.problems == (
        "calls per second: above 0, up to 2",
        "concurrency: from 1 to 30 calls in flight",
        "attempts: from 1 to 7 a lead",
    )
    with pytest.raises(InvalidCampaign, match="at most 1 numbers"):
        await stores.a_draft(name="Winter", caller_ids=[CallerId(number=f"+1202555019{n}") for n in range(2)])
    spring = await stores.campaigns.find("Spring")
    await stores.leads.add(spring.id, some_leads(1))
    with pytest.raises(StartRefused, match="concurrency: from 1 to 30"):
        await stores.campaigns.act(spring.id, CampaignAction.START)


# --- starting by itself ----------------------------------------------------------------------------------------------


async def test_a_scheduled_campaign_starts_by_itself_when_its_time_has_come(stores: Stores) -> None:
    starts_at = datetime.now(UTC) + timedelta(hours=1)
    draft = await stores.a_draft(leads=1)
    scheduled = await stores.campaigns.act(draft.id, CampaignAction.SCHEDULE, starts_at=starts_at)
    assert (scheduled.status, scheduled.starts_at) == (CampaignStatus.SCHEDULED, starts_at)
    assert await stores.campaigns.start_due() == 0
    await stores.pool.execute("UPDATE campaigns SET starts_at = now()")
    assert await stores.campaigns.start_due() == 1
    assert await stores.campaigns.start_due() == 0
    started = await stores.campaigns.get_campaign(draft.id)
    assert (started.status, started.starts_at) == (CampaignStatus.RUNNING, None)


async def test_of_many_daemons_one_starts_it(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    await stores.campaigns.act(draft.id, CampaignAction.SCHEDULE, starts_at=datetime.now(UTC))
    assert sum(await asyncio.gather(*(stores.campaigns.start_due() for _ in range(5)))) == 1


async def test_a_scheduled_campaign_that_cannot_start_says_why_and_starts_once_it_is_mended(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    await stores.campaigns.act(draft.id, CampaignAction.SCHEDULE, starts_at=datetime.now(UTC))
    await stores.pbx.note_queues({"support": "rrmemory"})
    await stores.campaigns.edit(draft.id, {"caller_id_enabled": True})
    for _ in range(2):
        assert await stores.campaigns.start_due() == 0
        overview = await stores.campaigns.overview(draft.id)
        assert (overview.campaign.status, overview.held_by) == (CampaignStatus.SCHEDULED, "start_refused")
        assert overview.hold_sentence is not None
        assert "number pool is empty" in overview.hold_sentence
        assert "no queue sales" in overview.hold_sentence
    await stores.campaigns.edit(draft.id, {"caller_id_enabled": False, "queue": "support"})
    assert await stores.campaigns.start_due() == 1
    overview = await stores.campaigns.overview(draft.id)
    assert (overview.campaign.status, overview.held_by, overview.hold_sentence) == (CampaignStatus.RUNNING, None, None)


async def test_one_scheduled_campaign_that_cannot_start_does_not_hold_up_the_others(stores: Stores) -> None:
    for name, queue in (("Spring", "sales"), ("Autumn", "support")):
        draft = await stores.a_draft(name=name, queue=queue, leads=1)
        await stores.campaigns.act(draft.id, CampaignAction.SCHEDULE, starts_at=datetime.now(UTC))
    await stores.pbx.note_queues({"support": "rrmemory"})
    assert await stores.campaigns.start_due() == 1
    assert (await stores.campaigns.find("Autumn")).status is CampaignStatus.RUNNING


# --- rules that change -----------------------------------------------------------------------------------------------


async def test_only_an_edit_of_a_rule_has_leads_judged_anew(stores: Stores) -> None:
    draft = await stores.a_draft()
    await stores.campaigns.edit(draft.id, {"concurrency": 20, "note": "for José", "cooloff_s": 60})
    assert not (await stores.campaigns.get_campaign(draft.id)).judge_anew
    await stores.campaigns.edit(draft.id, {"dial_cycles": 0})  # as it was
    assert not (await stores.campaigns.get_campaign(draft.id)).judge_anew
    await stores.campaigns.edit(draft.id, {"dial_cycles": 2})
    assert (await stores.campaigns.get_campaign(draft.id)).judge_anew
    await stores.campaigns.edit(draft.id, {"concurrency": 5})
    assert (await stores.campaigns.get_campaign(draft.id)).judge_anew


async def test_a_running_campaign_cannot_be_set_against_its_profile(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(caller_ids=[CallerId(number="+12025550199")])
    legal = {"profile": "us", "customer_wait_sla_s": 2, "no_agent": NoAgent.MESSAGE_AT_SLA}
    with pytest.raises(InvalidCampaign, match="us-abandoned-call"):
        await stores.campaigns.edit(dialed.campaign.id, {**legal, "customer_wait_sla_s": 3})
    with pytest.raises(InvalidCampaign, match="us-safe-harbour"):
        await stores.campaigns.edit(dialed.campaign.id, {**legal, "no_agent": NoAgent.QUEUE})
    edited = await stores.campaigns.edit(dialed.campaign.id, legal)
    assert edited.profile == "us"


# --- moves -----------------------------------------------------------------------------------------------------------


async def test_a_campaign_whose_leads_are_all_done_starts_again_when_one_is_reset(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.dial(Outcome.CONNECTED)
    assert await stores.campaigns.complete_campaign(dialed.lease)
    with pytest.raises(StartRefused, match="reset"):
        await stores.campaigns.act(dialed.campaign.id, CampaignAction.START)
    await stores.leads.reset(call.lead_id)
    again = await stores.campaigns.act(dialed.campaign.id, CampaignAction.START)
    assert again.status is CampaignStatus.RUNNING


async def test_an_action_that_the_status_does_not_know_changes_nothing(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    with pytest.raises(IllegalTransition):
        await stores.campaigns.act(draft.id, CampaignAction.PAUSE)
    assert (await stores.campaigns.get_campaign(draft.id)).status is CampaignStatus.DRAFT


async def test_every_move_is_written_down(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.CANCEL)
    lines = await stores.activity.of_campaign(dialed.campaign.id)
    assert [(line.fact, line.details.get("to")) for line in lines] == [
        ("status", "cancelled"),
        ("status", "running"),
        ("leads_added", None),
        ("created", None),
    ]
    assert (await stores.campaigns.overview(dialed.campaign.id)).ended_at is not None


async def test_only_running_campaigns_are_dialed(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.a_draft(name="Autumn")
    assert await stores.campaigns.dialable_campaigns() == [dialed.campaign]
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    assert await stores.campaigns.dialable_campaigns() == []


async def test_the_overview_counts_leads_and_open_attempts(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=4)
    await dialed.dial(Outcome.BUSY)
    await dialed.open()
    (overview,) = await stores.campaigns.list()
    assert {state: count for state, count in overview.leads.items() if count} == {
        LeadState.ACTIVE: 2,
        LeadState.DIALING: 1,
        LeadState.COOLOFF: 1,
    }
    assert (overview.open_attempts, overview.owner, overview.account) == (1, "one", "default")


@pytest.mark.parametrize("action", [CampaignAction.START, CampaignAction.PAUSE, CampaignAction.CANCEL])
async def test_the_bell_rings_when_the_status_changes(stores: Stores, action: CampaignAction) -> None:
    draft = await stores.a_draft(leads=1)
    if action is CampaignAction.PAUSE:
        await stores.campaigns.act(draft.id, CampaignAction.START)
    rung = asyncio.Event()
    async with stores.pool.acquire() as connection:
        await connection.add_listener(BELL, lambda *_: rung.set())
        await stores.campaigns.act(draft.id, action)
        async with asyncio.timeout(60):
            await rung.wait()
        await connection.reset()


# --- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.CANCELLED, Outcome.NOT_PLACED])
async def test_a_campaign_with_a_lead_to_be_called_again_is_not_complete(stores: Stores, outcome: Outcome) -> None:
    dialed = await stores.a_dialed_campaign()
    await dialed.dial(outcome)
    assert not await stores.campaigns.complete_campaign(dialed.lease)


async def test_a_campaign_is_complete_when_its_last_call_has_ended(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    assert not await stores.campaigns.complete_campaign(dialed.lease)
    await stores.attempts.close_attempt(ended(call, Outcome.CONNECTED))
    assert await stores.campaigns.complete_campaign(dialed.lease)
    assert (await stores.campaigns.get_campaign(dialed.campaign.id)).status is CampaignStatus.COMPLETED
    assert not await stores.campaigns.complete_campaign(dialed.lease)


async def test_a_node_that_has_lost_its_lease_completes_nothing(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await dialed.dial(Outcome.CONNECTED)
    await stores.campaigns.give_lease_back(dialed.lease)
    assert not await stores.campaigns.complete_campaign(dialed.lease)


# --- leases ----------------------------------------------------------------------------------------------------------


async def test_a_lease_is_held_by_one_node_and_renewed_under_its_epoch(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.nodes.register("two", "0")
    assert await take(stores, dialed.lease, "two") is None
    assert await take(stores, dialed.lease, "one") == dialed.lease


async def test_a_lease_that_was_given_back_goes_to_another_node_at_once(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.nodes.register("two", "0")
    await stores.campaigns.give_lease_back(dialed.lease)
    newer = await take(stores, dialed.lease, "two")
    assert newer is not None
    assert newer.epoch > dialed.lease.epoch
    await stores.campaigns.give_lease_back(dialed.lease)  # too late to matter
    assert await take(stores, dialed.lease, "one") is None


async def test_a_lease_that_ran_out_comes_back_under_a_new_epoch_even_to_the_same_node(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.pool.execute("UPDATE campaigns SET lease_until = now() - interval '1 second'")
    again = await take(stores, dialed.lease, "one")
    assert again is not None
    assert again.epoch > dialed.lease.epoch


async def test_of_many_nodes_that_reach_for_a_lease_one_gets_it(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.campaigns.give_lease_back(dialed.lease)
    nodes = [f"node-{number}" for number in range(8)]
    for node in nodes:
        await stores.nodes.register(node, "0")
    taken = await asyncio.gather(*(take(stores, dialed.lease, node) for node in nodes))
    assert sum(lease is not None for lease in taken) == 1


async def test_a_lease_is_not_taken_over_while_an_attempt_is_being_opened_under_it(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.nodes.register("two", "0")
    async with stores.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM campaigns FOR KEY SHARE")
        await stores.pool.execute("UPDATE campaigns SET lease_until = now() - interval '1 second'")
        assert await take(stores, dialed.lease, "two") is None
    assert await take(stores, dialed.lease, "two") is not None


async def test_why_nothing_is_dialed_is_told_until_it_is_dialed_again(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    until = datetime.now(UTC) + timedelta(minutes=5)
    verdicts = list(verdicts_of(a_situation(callers_waiting=1)))
    await stores.campaigns.note_hold(dialed.lease, HoldReason.CALLER_WAITING, "a caller is waiting", until, verdicts)
    held = await stores.campaigns.overview(dialed.campaign.id)
    assert (held.held_by, held.hold_sentence, held.hold_until) == ("caller_waiting", "a caller is waiting", until)
    assert [dict(verdict) for verdict in held.verdicts] == [asdict(verdict) for verdict in verdicts]
    await stores.campaigns.note_hold(dialed.lease, None, None, None)
    free = await stores.campaigns.overview(dialed.campaign.id)
    assert (free.held_by, free.hold_sentence, free.hold_until) == (None, None, None)


async def test_a_running_campaign_outside_its_schedule_is_shown_as_scheduled(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.campaigns.note_hold(dialed.lease, HoldReason.OUTSIDE_SCHEDULE, "its schedule is closed", None)
    overview = await stores.campaigns.overview(dialed.campaign.id)
    assert (overview.campaign.status, overview.shown_status) == (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED)


async def test_a_node_that_has_lost_its_lease_tells_nothing(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await stores.campaigns.give_lease_back(dialed.lease)
    await stores.campaigns.note_hold(dialed.lease, HoldReason.PACE, "too fast", None)
    assert (await stores.campaigns.overview(dialed.campaign.id)).held_by is None


async def take(stores: Stores, lease: Lease, node: str) -> Lease | None:
    return await stores.campaigns.take_lease(lease.campaign_id, node=node, duration=LEASE)


# --- number pools ----------------------------------------------------------------------------------------------------


async def test_a_number_that_stays_in_the_pool_keeps_its_count_and_a_new_one_is_no_favourite(stores: Stores) -> None:
    first, second, third = (CallerId(number=f"+1202555019{digit}") for digit in range(3))
    dialed = await stores.a_dialed_campaign(leads=9, caller_ids=[first, second])
    for _ in range(5):
        await dialed.open()
    await stores.caller_ids.replace(dialed.campaign.id, [third, second, first])
    pool = await stores.caller_ids.of_campaign(dialed.campaign.id)
    assert [(number.caller_id, number.uses) for number in pool] == [(third, 0), (second, 2), (first, 3)]
    assert [(await dialed.open()).caller_id for _ in range(4)] == [third, second, first, third]


@pytest.mark.parametrize(
    "numbers", [["+12025550199", "+12025550199"], ["12"], [f"+1202555{n:04d}" for n in range(100, 151)]]
)
async def test_a_pool_that_cannot_be_is_refused(stores: Stores, numbers: list[str]) -> None:
    draft = await stores.a_draft(caller_ids=[CallerId(number="+12025550198")])
    with pytest.raises(InvalidCampaign):
        await stores.caller_ids.replace(draft.id, [CallerId(number=number) for number in numbers])
    assert len(await stores.caller_ids.of_campaign(draft.id)) == 1


# --- the schema itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "impossible",
    [
        "UPDATE campaigns SET ended_at = now()",
        "UPDATE campaigns SET owner = 'one', lease_until = NULL",
        "UPDATE leads SET state = 'cooloff'",
        "UPDATE leads SET state = 'success', not_before = now(), held_by = 'cooloff'",
        "UPDATE leads SET not_before = now()",
        "UPDATE campaigns SET status = 'scheduled'",
        "UPDATE campaigns SET lead_window = '{}', day_plan = '{}'",
        "UPDATE leads SET number = '202555'",
        "UPDATE attempts SET state = 'ended'",
        "UPDATE attempts SET state = 'answered'",
        "UPDATE attempts SET state = 'connected', answered_at = now()",
        "UPDATE activity SET fact = 'nothing happened'",
    ],
)
async def test_the_database_refuses_what_cannot_be(stores: Stores, impossible: str) -> None:
    dialed = await stores.a_dialed_campaign(leads=1)
    await dialed.open()
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.RaiseError)):
        await stores.pool.execute(impossible)


async def test_leads_may_be_uploaded_again_after_completion(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await dialed.dial(Outcome.CONNECTED)
    await stores.campaigns.complete_campaign(dialed.lease)
    await stores.leads.add(dialed.campaign.id, some_leads(2))
    again = await stores.campaigns.act(dialed.campaign.id, CampaignAction.START)
    assert (await stores.campaigns.overview(again.id)).ended_at is None


async def test_a_start_at_a_time_has_to_name_the_time(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    with pytest.raises(InvalidCampaign, match="at what time"):
        await stores.campaigns.act(draft.id, CampaignAction.SCHEDULE)


async def test_a_lease_is_renewed_while_every_other_connection_is_busy(stores: Stores, database: str) -> None:
    """Slow claims must not cost the right to dial."""
    dialed = await stores.a_dialed_campaign()
    busy, vital = await connect(database, max_connections=1), await connect(database, max_connections=1)
    try:
        async with busy.acquire():
            campaigns = CampaignStore(busy, {}, vital=vital)
            renewed = await campaigns.take_lease(dialed.campaign.id, node="one", duration=LEASE)
        assert renewed == dialed.lease
    finally:
        busy.terminate()
        vital.terminate()
