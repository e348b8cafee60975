"""Leads: uploaded as a whole or not at all, listed, counted, reset."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.leads import LeadState, NewLead
from dialerd.domain.outcomes import Outcome
from dialerd.errors import LeadInFlight, LeadsClosed, NotFound, StoreBusy
from dialerd.store import leads as leads_module
from dialerd.store.leads import ImportReport
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
    assert line.details == {"source": "spring.csv", "added": 4, "duplicates": 2, "on_dnc": 2}


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
