"""Leads: uploaded as a whole or not at all and once, listed, counted, reset, deleted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.leads import FINAL, IN_FLIGHT, LEAD_TRANSITIONS, LeadEvent, LeadState, NewLead
from dialerd.domain.outcomes import Outcome
from dialerd.errors import IllegalTransition, LeadInFlight, LeadsClosed, NotFound, StoreBusy
from dialerd.store import activity as activity_module
from dialerd.store import leads as leads_module
from dialerd.store.leads import Duplicates, ImportReport, LeadRecord
from tests.factories import a_new_lead
from tests.integration.store.scene import Stores, some_leads

MISSING = 4711


async def test_a_lead_is_stored_as_it_was_given(stores: Stores) -> None:
    draft = await stores.a_draft()
    given = NewLead(
        number="+442079460123",
        first_name="José",
        last_name="Ωmega \N{GRINNING FACE}",
        priority=-3,
        ticket_id="T-1",
        note="says \"hi\", then;\ncomma, 'quote'",
        lead_type="warm",
        custom={"city": "Łódź", "=cmd": "@x"},
        max_attempts=2,
        cooloff_s=0,
        cooloff_2nd_s=10,
        cooloff_3rd_s=20,
        time_zone="Asia/Calcutta",
        alternate_numbers=("+447700900123", "+12025550123"),
        skill="billing",
        extension="201",
    )
    await stores.leads.add(draft.id, [given])
    (record,) = await stores.leads.list(draft.id)
    lead = record.lead
    stored = NewLead(
        number=lead.number,
        first_name=lead.first_name,
        last_name=lead.last_name,
        priority=record.priority,
        ticket_id=record.ticket_id,
        note=record.note,
        lead_type=record.lead_type,
        custom=record.custom,
        max_attempts=lead.max_attempts,
        cooloff_s=lead.cooloff_s,
        cooloff_2nd_s=lead.cooloff_2nd_s,
        cooloff_3rd_s=lead.cooloff_3rd_s,
        time_zone=lead.time_zone,
        alternate_numbers=lead.alternate_numbers,
        skill=record.skill,
        extension=record.extension,
    )
    assert stored == given
    assert (lead.state, lead.dials, lead.attempts_used) == (LeadState.ACTIVE, 0, 0)


async def test_the_report_counts_what_became_of_every_row(stores: Stores) -> None:
    draft = await stores.a_draft(leads=2)
    old, listed, listed_for_us, fresh, twice = (lead.number for lead in some_leads(6)[1:])
    await stores.dnc.add(listed)
    await stores.dnc.add(listed_for_us, draft.account_id)
    upload = [a_new_lead(number=number) for number in (old, listed, listed_for_us, fresh, twice, twice)]
    report = await stores.leads.add(draft.id, upload, source="spring.csv")
    assert report == ImportReport(added=4, duplicates=2, on_dnc=(listed, listed_for_us))
    counts = await stores.leads.counts(draft.id)
    assert (counts[LeadState.ACTIVE], counts[LeadState.BLOCKED], sum(counts.values())) == (4, 2, 6)
    line, *_ = await stores.activity.of_campaign(draft.id)
    assert line.details == {"source": "spring.csv", "added": 4, "renewed": 0, "duplicates": 2, "on_dnc": 2}


async def test_listed_numbers_are_flagged_and_never_due(stores: Stores) -> None:
    draft = await stores.a_draft()
    (lead,) = some_leads(1)
    await stores.dnc.add(lead.number)
    await stores.leads.add(draft.id, [lead])
    (record,) = await stores.leads.list(draft.id)
    assert (record.lead.state, record.on_dnc_at_import) == (LeadState.BLOCKED, True)


async def test_of_a_number_that_comes_twice_the_first_row_counts(stores: Stores) -> None:
    draft = await stores.a_draft()
    await stores.leads.add(draft.id, [a_new_lead(first_name="Ada"), a_new_lead(first_name="Ben")])
    (record,) = await stores.leads.list(draft.id)
    assert record.lead.first_name == "Ada"


async def test_leads_stand_in_line_as_they_stood_in_the_file(stores: Stores) -> None:
    draft = await stores.a_draft()
    upload = list(reversed(some_leads(50)))
    await stores.leads.add(draft.id, upload)
    assert [record.lead.number for record in await stores.leads.list(draft.id)] == [lead.number for lead in upload]


async def test_two_campaigns_may_call_the_same_number(stores: Stores) -> None:
    await stores.a_draft(leads=3)
    other = await stores.a_draft(leads=3, name="Autumn")
    assert sum((await stores.leads.counts(other.id)).values()) == 3


async def test_a_source_that_fails_half_way_leaves_nothing_behind(stores: Stores) -> None:
    draft = await stores.a_draft()

    async def source() -> AsyncIterator[NewLead]:
        for lead in some_leads(10):
            yield lead
        raise TimeoutError("the CRM went quiet")

    with pytest.raises(TimeoutError, match="the CRM went quiet"):
        await stores.leads.add(draft.id, source())
    assert sum((await stores.leads.counts(draft.id)).values()) == 0
    await stores.leads.add(draft.id, some_leads(1))


async def test_uploads_of_the_same_file_at_the_same_time_add_each_lead_once(stores: Stores) -> None:
    draft = await stores.a_draft()
    reports = await asyncio.gather(*(stores.leads.add(draft.id, some_leads(300)) for _ in range(3)))
    assert sum(report.added for report in reports) == 300
    assert sum(report.duplicates for report in reports) == 600


async def test_leads_of_a_running_campaign_are_closed_and_the_error_says_what_to_do(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    with pytest.raises(LeadsClosed, match="pause or stop"):
        await stores.leads.add(dialed.campaign.id, some_leads(5))
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    assert (await stores.leads.add(dialed.campaign.id, some_leads(5))).added == 4


async def test_an_upload_that_is_overtaken_by_a_start_is_refused(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)

    async def slow_source() -> AsyncIterator[NewLead]:
        for lead in some_leads(5):
            yield lead
        await stores.campaigns.act(draft.id, CampaignAction.START)

    with pytest.raises(LeadsClosed):
        await stores.leads.add(draft.id, slow_source())
    assert sum((await stores.leads.counts(draft.id)).values()) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_start_waits_for_an_upload_and_says_so_when_that_takes_long(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    async with stores.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM campaigns FOR KEY SHARE")
        with pytest.raises(StoreBusy):
            await stores.campaigns.act(draft.id, CampaignAction.START)


@pytest.mark.parametrize("reference", [MISSING])
async def test_leads_need_a_campaign(stores: Stores, reference: int) -> None:
    with pytest.raises(NotFound):
        await stores.leads.add(reference, some_leads(1))


async def test_lists_are_read_page_by_page_and_by_state(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=5)
    await dialed.dial(Outcome.BUSY)
    first = await stores.leads.list(dialed.campaign.id, limit=2)
    rest = await stores.leads.list(dialed.campaign.id, after_id=first[-1].lead.id)
    assert len(first) == 2
    assert len({record.lead.id for record in [*first, *rest]}) == 5
    assert len(await stores.leads.list(dialed.campaign.id, LeadState.ACTIVE)) == 4


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(leads_module, "EXPORT_PAGE", 3)
    return iter(())


@pytest.mark.usefixtures("small_pages")
async def test_an_export_has_every_lead_once(stores: Stores) -> None:
    draft = await stores.a_draft(leads=10)
    exported = [record.lead.number async for record in stores.leads.export(draft.id)]
    assert exported == [lead.number for lead in some_leads(10)]


async def test_a_reset_lead_is_due_at_once_with_all_its_attempts(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(max_attempts=1)
    call = await dialed.dial(Outcome.BUSY)
    assert (await stores.leads.get(call.lead_id)).lead.state is LeadState.FAILED
    record = await stores.leads.reset(call.lead_id)
    assert (record.lead.state, record.lead.attempts_used, record.not_before) == (LeadState.ACTIVE, 0, None)
    again = await dialed.open()
    assert again.lead_id == call.lead_id
    assert [line.fact for line in await stores.activity.of_lead(call.lead_id)] == ["opened", "ended", "reset", "opened"]


async def test_a_lead_that_is_being_called_cannot_be_reset(stores: Stores) -> None:
    call = await (await stores.a_dialed_campaign()).open()
    with pytest.raises(LeadInFlight):
        await stores.leads.reset(call.lead_id)
    with pytest.raises(NotFound):
        await stores.leads.reset(MISSING)


async def test_an_entry_that_has_expired_and_the_list_of_another_account_forbid_nothing(stores: Stores) -> None:
    draft = await stores.a_draft()
    other = await stores.accounts.create("other")
    expired, others, forbidden = (lead.number for lead in some_leads(3))
    for number, account, until in (
        (expired, None, "now() - interval '1 second'"),
        (others, other.id, "NULL"),
        (forbidden, draft.account_id, "now() + interval '1 day'"),
    ):
        await stores.pool.execute(
            f"INSERT INTO dnc_numbers (number, account_id, expires_at) VALUES ($1, $2, {until})",  # noqa: S608  ours
            number,
            account,
        )
    report = await stores.leads.add(draft.id, some_leads(3))
    assert report.on_dnc == (forbidden,)


# --- Idempotent by content ----------------------------------------------------------------------------------------------


async def test_the_same_content_is_uploaded_to_a_campaign_once_and_told_when_that_was(stores: Stores) -> None:
    draft = await stores.a_draft()
    await stores.leads.add(draft.id, some_leads(3), sha256="a1")
    again = await stores.leads.add(draft.id, some_leads(5), sha256="a1")
    assert (again.added, again.duplicates) == (0, 0)
    assert again.uploaded_before is not None
    assert sum((await stores.leads.counts(draft.id)).values()) == 3
    assert (await stores.leads.add(draft.id, some_leads(5), sha256="b2")).added == 2


async def test_the_same_content_may_be_uploaded_again_on_demand_and_to_another_campaign(stores: Stores) -> None:
    draft, other = await stores.a_draft(), await stores.a_draft(name="Autumn")
    await stores.leads.add(draft.id, some_leads(3), sha256="a1")
    assert (await stores.leads.add(draft.id, some_leads(5), sha256="a1", again=True)).added == 2
    assert (await stores.leads.add(other.id, some_leads(5), sha256="a1")).added == 5


async def test_of_two_who_upload_the_same_content_at_the_same_time_one_does(stores: Stores) -> None:
    draft = await stores.a_draft()
    uploads = (stores.leads.add(draft.id, some_leads(300), sha256="a1") for _ in range(3))
    reports = await asyncio.gather(*uploads)
    assert sorted(report.added for report in reports) == [0, 0, 300]
    assert sum(report.uploaded_before is not None for report in reports) == 2


async def test_content_that_was_refused_or_empty_does_not_count_as_uploaded(stores: Stores) -> None:
    draft = await stores.a_draft()

    async def failing() -> AsyncIterator[NewLead]:
        yield some_leads(1)[0]
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await stores.leads.add(draft.id, failing(), sha256="a1")
    assert (await stores.leads.add(draft.id, [], sha256="a1")).uploaded_before is None
    assert (await stores.leads.add(draft.id, some_leads(2), sha256="a1")).added == 2


# --- Numbers that the campaign has already ------------------------------------------------------------------------------


class InState:
    """Leads of a campaign that does not run, put into any state."""

    def __init__(self, stores: Stores, campaign_id: int) -> None:
        self._stores = stores
        self._campaign_id = campaign_id

    async def put(self, state: LeadState) -> LeadRecord:
        """The only lead, as if it had gone through three dials."""
        waits = state in (LeadState.COOLOFF, LeadState.VOICEMAIL)
        await self._stores.pool.execute(
            """
            UPDATE leads SET state = $1, dials = 3, attempts_used = 2, dead_numbers = ARRAY[number],
                not_before = CASE WHEN $2 THEN now() + interval '1 hour' END, held_by = CASE WHEN $2 THEN 'cooloff' END
            """,
            state,
            waits,
        )
        (record,) = await self._stores.leads.list(self._campaign_id, state)
        return record


@pytest.fixture
async def in_state(stores: Stores) -> InState:
    draft = await stores.a_draft(leads=1)
    return InState(stores, draft.id)


RENEWABLE = [state for state, moves in LEAD_TRANSITIONS.items() if LeadEvent.RENEWED in moves]
NEW_DATA = a_new_lead(
    number=some_leads(1)[0].number, first_name="Renewed", priority=7, skill="x", time_zone="Asia/Tokyo"
)


@pytest.mark.parametrize("state", RENEWABLE)
async def test_with_the_policy_always_a_lead_is_renewed_from_any_state_but_in_flight(
    state: LeadState, stores: Stores, in_state: InState
) -> None:
    before = await in_state.put(state)
    report = await stores.leads.add(before.lead.campaign_id, [NEW_DATA], duplicates=Duplicates.ALWAYS)
    assert (report.added, report.renewed, report.duplicates) == (0, 1, 0)
    after = await stores.leads.get(before.lead.id)
    assert after.lead == replace(
        before.lead,
        first_name="Renewed",
        last_name=NEW_DATA.last_name,
        time_zone="Asia/Tokyo",
        state=LeadState.ACTIVE,
        attempts_used=0,
        dead_numbers=(),
        dials_at_reset=3,
        new_since=after.due_at,
        skill="x",
    )
    assert (after.priority, after.skill, after.not_before, after.held_by) == (7, "x", None, None)
    assert after.due_at > before.due_at
    lines = await stores.activity.of_lead(before.lead.id)
    assert [(line.fact, line.details) for line in lines] == [("renewed", {"from": state})]


@pytest.mark.parametrize("policy", Duplicates)
@pytest.mark.parametrize("state", sorted(IN_FLIGHT))
async def test_a_lead_that_is_being_called_is_never_renewed(
    state: LeadState, policy: Duplicates, stores: Stores, in_state: InState
) -> None:
    before = await in_state.put(state)
    report = await stores.leads.add(before.lead.campaign_id, [NEW_DATA], duplicates=policy)
    assert (report.renewed, report.duplicates) == (0, 1)
    assert await stores.leads.get(before.lead.id) == before


@pytest.mark.parametrize("state", RENEWABLE)
async def test_with_the_policy_finished_only_a_lead_to_which_nothing_happens_any_more_is_renewed(
    state: LeadState, stores: Stores, in_state: InState
) -> None:
    before = await in_state.put(state)
    report = await stores.leads.add(before.lead.campaign_id, [NEW_DATA], duplicates=Duplicates.FINISHED)
    assert report.renewed == (state in FINAL)
    assert ((await stores.leads.get(before.lead.id)).lead.first_name == "Renewed") == (state in FINAL)


async def test_by_default_a_number_that_the_campaign_has_is_passed_over(stores: Stores, in_state: InState) -> None:
    before = await in_state.put(LeadState.FAILED)
    report = await stores.leads.add(before.lead.campaign_id, [NEW_DATA])
    assert (report.renewed, report.duplicates) == (0, 1)
    assert await stores.leads.get(before.lead.id) == before


async def test_a_renewed_lead_that_is_on_a_do_not_call_list_is_blocked_and_told(
    stores: Stores, in_state: InState
) -> None:
    before = await in_state.put(LeadState.FAILED)
    await stores.dnc.add(before.lead.number)
    report = await stores.leads.add(before.lead.campaign_id, [NEW_DATA], duplicates=Duplicates.ALWAYS)
    assert report.on_dnc == (before.lead.number,)
    after = await stores.leads.get(before.lead.id)
    assert (after.lead.state, after.on_dnc_at_import) == (LeadState.BLOCKED, True)


async def test_an_upload_that_renews_also_adds_and_takes_the_first_row_of_each_number(stores: Stores) -> None:
    draft = await stores.a_draft(leads=2)
    upload = [replace(lead, first_name=name) for name in ("first", "second") for lead in some_leads(4)]
    report = await stores.leads.add(draft.id, upload, duplicates=Duplicates.ALWAYS)
    assert (report.added, report.renewed, report.duplicates) == (2, 2, 4)
    assert {record.lead.first_name for record in await stores.leads.list(draft.id)} == {"first"}


async def test_a_renewed_lead_is_dialed_again_with_the_next_ordinal(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(max_attempts=1)
    first = await dialed.dial(Outcome.BUSY)
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    (lead,) = some_leads(1)
    await stores.leads.add(dialed.campaign.id, [lead], duplicates=Duplicates.FINISHED)
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.START)
    again = await dialed.open()
    assert again.lead_id == first.lead_id
    assert (await stores.leads.get(first.lead_id)).lead.dials == 2


# --- Reset and delete ---------------------------------------------------------------------------------------------------


async def test_a_reset_forgets_dead_numbers_and_counts_attempts_anew(stores: Stores, in_state: InState) -> None:
    before = await in_state.put(LeadState.FAILED)
    after = (await stores.leads.reset(before.lead.id)).lead
    assert (after.dead_numbers, after.dials, after.dials_at_reset, after.attempts_used) == ((), 3, 3, 0)


async def test_all_leads_of_a_state_can_be_reset(stores: Stores) -> None:
    draft = await stores.a_draft(leads=5)
    await stores.pool.execute("UPDATE leads SET state = 'failed' WHERE id % 2 = 0")
    failed = (await stores.leads.counts(draft.id))[LeadState.FAILED]
    assert await stores.leads.reset_all(draft.id, LeadState.FAILED) == failed
    assert (await stores.leads.counts(draft.id))[LeadState.ACTIVE] == 5
    with pytest.raises(LeadInFlight):
        await stores.leads.reset_all(draft.id, LeadState.RINGING)


@pytest.mark.parametrize("state", sorted(state for state in RENEWABLE))
async def test_a_deleted_lead_is_off_the_list_and_its_history_stays(
    state: LeadState, stores: Stores, in_state: InState
) -> None:
    before = await in_state.put(state)
    campaign = before.lead.campaign_id
    await stores.leads.delete(before.lead.id)
    assert await stores.leads.list(campaign) == []
    assert sum((await stores.leads.counts(campaign)).values()) == 0
    (kept,) = await stores.leads.list(campaign, LeadState.DELETED)
    assert (kept.lead.id, kept.not_before, kept.held_by) == (before.lead.id, None, None)
    lines = await stores.activity.of_lead(before.lead.id)
    assert [(line.fact, line.details) for line in lines] == [("deleted", {"from": state})]


async def test_a_number_that_was_deleted_may_come_again_as_a_new_lead(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    (old,) = await stores.leads.list(draft.id)
    for _ in range(2):
        (record,) = await stores.leads.list(draft.id)
        await stores.leads.delete(record.lead.id)
        assert (await stores.leads.add(draft.id, some_leads(1), duplicates=Duplicates.ALWAYS)).added == 1
    assert len(await stores.leads.list(draft.id, LeadState.DELETED)) == 2
    assert (await stores.leads.get(old.lead.id)).lead.state is LeadState.DELETED


async def test_a_lead_that_is_being_called_cannot_be_deleted(stores: Stores, in_state: InState) -> None:
    before = await in_state.put(LeadState.RINGING)
    with pytest.raises(LeadInFlight):
        await stores.leads.delete(before.lead.id)
    with pytest.raises(LeadInFlight):
        await stores.leads.delete_all(before.lead.campaign_id, LeadState.RINGING)
    assert await stores.leads.get(before.lead.id) == before


async def test_while_a_campaign_is_running_its_leads_cannot_be_deleted(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=2)
    lead = (await stores.leads.list(dialed.campaign.id))[0].lead
    with pytest.raises(LeadsClosed, match="pause or stop"):
        await stores.leads.delete(lead.id)
    with pytest.raises(LeadsClosed):
        await stores.leads.delete_all(dialed.campaign.id, LeadState.ACTIVE)
    await stores.campaigns.act(dialed.campaign.id, CampaignAction.PAUSE)
    assert await stores.leads.delete_all(dialed.campaign.id, LeadState.ACTIVE) == 2


async def test_what_was_deleted_is_neither_reset_nor_deleted_again(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1)
    (record,) = await stores.leads.list(draft.id)
    await stores.leads.delete(record.lead.id)
    with pytest.raises(IllegalTransition):
        await stores.leads.reset(record.lead.id)
    with pytest.raises(IllegalTransition):
        await stores.leads.delete(record.lead.id)
    with pytest.raises(IllegalTransition):
        await stores.leads.reset_all(draft.id, LeadState.DELETED)
    with pytest.raises(NotFound):
        await stores.leads.delete(MISSING)


# --- The call log -------------------------------------------------------------------------------------------------------


async def test_the_call_log_has_every_attempt_with_its_times(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_module, "LOG_PAGE", 2)
    dialed = await stores.a_dialed_campaign(leads=5)
    calls = [await dialed.dial(Outcome.BUSY, cause=17, tech_cause="486") for _ in range(4)]
    calls.append(await dialed.open())
    log = [entry async for entry in stores.activity.call_log(dialed.campaign.id)]
    assert [entry.attempt_id for entry in log] == [call.id for call in calls]
    assert [entry.number for entry in log] == [call.number for call in calls]
    assert (log[0].outcome, log[0].cause, log[0].tech_cause, log[0].talk_s) == (Outcome.BUSY, 17, "486", None)
    assert (log[-1].outcome, log[-1].ended_at) == (None, None)


async def test_the_call_log_tells_how_long_a_phone_rang_and_how_long_people_talked(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    await dialed.dial(Outcome.CONNECTED, agent="201")
    await stores.pool.execute(
        """
        UPDATE attempts SET ringing_at = opened_at, answered_at = opened_at + interval '4.5 s',
            connected_at = opened_at + interval '6 s', ended_at = opened_at + interval '66 s'
        """
    )
    (entry,) = [entry async for entry in stores.activity.call_log(dialed.campaign.id)]
    assert (entry.agent, entry.ring_s, entry.talk_s) == ("201", 4.5, 60.0)


# --- how many ------------------------------------------------------------------------------------------------------------


async def tallied(stores: Stores, campaign_id: int) -> dict[str, int]:
    return {state: leads for state, leads in (await stores.leads.counts(campaign_id)).items() if leads}


async def test_the_count_of_leads_follows_every_change_and_is_what_counting_them_says(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(leads=30)
    other = await stores.a_draft(leads=3, name="another")
    for _ in range(5):
        await dialed.open()
    campaign = dialed.campaign.id
    assert await tallied(stores, campaign) == {"active": 25, "dialing": 5}
    for change in (
        "UPDATE leads SET state = 'failed' WHERE state = 'dialing'",
        "UPDATE leads SET note = 'the same state'",
        "DELETE FROM leads WHERE id = (SELECT max(id) FROM leads WHERE state = 'active' AND campaign_id = $1)",
    ):
        await stores.pool.execute(change, *([campaign] if "$1" in change else []))
    for _ in range(2):
        assert await tallied(stores, campaign) == {"active": 24, "failed": 5}
        await stores.leads.sum_up_tallies()
    assert await tallied(stores, other.id) == {"active": 3}


async def test_the_count_of_leads_that_a_rule_holds_follows_every_change(stores: Stores) -> None:
    draft = await stores.a_draft(leads=6)
    for change in (
        "UPDATE leads SET held_by = 'lead_window', not_before = '2030-01-02'",
        "UPDATE leads SET held_by = 'number_cap' WHERE id % 2 = 0",
        "UPDATE leads SET not_before = '2030-01-01' WHERE id = (SELECT max(id) FROM leads WHERE held_by = 'number_cap')",
        "UPDATE leads SET held_by = NULL, not_before = NULL WHERE id = (SELECT min(id) FROM leads WHERE held_by = 'lead_window')",
        "DELETE FROM leads WHERE id = (SELECT min(id) FROM leads WHERE held_by = 'lead_window')",
    ):
        await stores.pool.execute(change)
    for _ in range(2):
        held = (await stores.campaigns.overview(draft.id)).held_leads
        assert [(one.rule, one.leads, one.until and one.until.day) for one in held] == [
            ("number_cap", 3, 1),
            ("lead_window", 1, 2),
        ]
        for state in ["retry", "active"] * 40:  # more rows than are left alone
            await stores.pool.execute("UPDATE leads SET state = $1::lead_state", state)
        await stores.leads.sum_up_tallies()
    assert await tallied(stores, draft.id) == {"active": 5}


async def test_many_rows_of_the_count_become_one_for_each_state_while_others_go_on(stores: Stores) -> None:
    draft = await stores.a_draft(leads=2)
    for state in ["retry", "active"] * 60:
        await stores.pool.execute("UPDATE leads SET state = $1::lead_state WHERE campaign_id = $2", state, draft.id)
    async with stores.pool.acquire() as meanwhile, meanwhile.transaction():
        await meanwhile.execute("UPDATE leads SET state = 'retry' WHERE campaign_id = $1", draft.id)
        await stores.leads.sum_up_tallies()
        assert await tallied(stores, draft.id) == {"active": 2}
    assert await tallied(stores, draft.id) == {"retry": 2}
    rows = await stores.pool.fetchval("SELECT count(*) FROM lead_tallies WHERE campaign_id = $1", draft.id)
    assert rows <= 4
