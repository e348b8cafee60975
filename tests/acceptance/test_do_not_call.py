"""No call goes to a number on a do-not-call list, however late it was added (law L1)."""

from datetime import timedelta

import pytest

from dialerd.domain.leads import LeadState
from tests.acceptance.desk import BUSY, NAME, QUEUE, Desk, now, person_lead, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance


async def test_a_number_that_is_listed_while_the_campaign_runs_is_not_dialed(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    *others, last = some(20, BUSY)
    campaign = await desk.dial([*others, person_lead(last, priority=-1)], calls_per_second=2)
    await desk.until_seen(1)
    await desk.cli("dnc", "add", last, "--reason", "asked us to stop")
    await desk.until_completed(campaign)
    assert desk.calls_to(last) == []
    assert (await desk.lead_states(campaign))[last] is LeadState.BLOCKED
    assert len(lab.calls("lead")) == len(others)
    await desk.judge(campaign, agents=agents)


async def test_a_list_that_is_imported_for_everybody_holds_in_the_midst_of_a_run(desk: Desk) -> None:
    agents = await desk.staff("1010", "1011")
    leads = some(40, BUSY)
    listed = leads[1::2]
    campaign = await desk.dial(leads, calls_per_second=5)
    await desk.until_seen(2)
    await desk.cli("dnc", "import", desk.csv_file(["number"], *([number] for number in listed)), "--everybody")
    in_force = now()
    await desk.until_completed(campaign)
    assert [row for number in listed for row in await desk.attempts(number) if row["opened_at"] > in_force] == []
    states = await desk.lead_states(campaign)
    blocked = {number for number, state in states.items() if state is LeadState.BLOCKED}
    assert blocked
    assert blocked <= set(listed)
    assert [desk.calls_to(number) for number in blocked] == [[]] * len(blocked)
    # An entry carries the moment at which its import began, and cannot be seen before its end.
    await desk.judge(campaign, agents=agents, but={"L1"})


async def test_a_number_that_is_listed_during_its_cool_off_is_not_dialed_again(desk: Desk) -> None:
    agents = await desk.staff("1010")
    [number] = some(1, BUSY)
    campaign = await desk.dial([number], max_attempts=3, cooloff_s=3)
    await desk.until_lead_is(campaign, number, LeadState.COOLOFF)
    await desk.pause(campaign)
    await desk.cli("dnc", "add", number)
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert len(desk.calls_to(number)) == 1
    assert (await desk.lead_states(campaign))[number] is LeadState.BLOCKED
    await desk.judge(campaign, agents=agents)


async def test_numbers_that_were_listed_before_the_upload_are_told_and_never_dialed(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010")
    listed, other = some(2, BUSY)
    await desk.cli("dnc", "add", listed)
    await desk.cli("campaign", "create", NAME, "--queue", QUEUE, "--max-attempts", "1", "--calls-per-second", "10")
    said = await desk.cli(
        "leads",
        "import",
        NAME,
        desk.csv_file(["number", "priority", "first_name"], [listed, 9, "Ada"], [other, 1, "Ben"]),
    )
    assert "1 of them are on a do-not-call list, and blocked" in said
    await desk.act("start")
    await desk.until_completed(1)
    assert [call.dialed for call in lab.calls("lead")] == [other.lstrip("+")]
    assert (await desk.leads(1))[listed].on_dnc_at_import
    await desk.judge(1, agents=agents)


async def test_an_entry_forbids_calls_until_it_has_expired_and_no_longer(desk: Desk) -> None:
    agents = await desk.staff("1010")
    briefly, longer = some(2, BUSY)
    await desk.cli("dnc", "add", longer, "--for", "1d")
    expires = now() + timedelta(seconds=10)
    await desk.cli("dnc", "add", briefly, "--expires", expires.isoformat())
    campaign = await desk.campaign([briefly, longer])
    assert set((await desk.lead_states(campaign)).values()) == {LeadState.BLOCKED}
    await desk.until_over(expires)
    assert "2 leads are new again" in await desk.cli("leads", "reset", NAME, "--state", "blocked")
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert desk.dialed() == [briefly]
    assert desk.calls_to(briefly)[0].invite > expires
    assert (await desk.lead_states(campaign))[longer] is LeadState.BLOCKED
    # The judge knows no end of an entry.
    await desk.judge(campaign, agents=agents, but={"L1"})
