"""A lead's other numbers are tried as the campaign says; each number is judged for itself.

The judge knows a lead by its first number only, so these tests ask the far end's record themselves.
"""

from datetime import timedelta

import pytest

from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from tests.acceptance.desk import NAME, QUEUE, Desk, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance


async def import_lead(desk: Desk, first: str, second: str, *options: str) -> None:
    """A campaign with one lead of two numbers; a cool-off would last an hour."""
    file = desk.csv_file(["number", "priority", "first_name", "number_2"], [first, 0, "Ada", second])
    await desk.cli("campaign", "create", NAME, "--queue", QUEUE, "--calls-per-second", "10", *options)
    await desk.cli("leads", "import", NAME, file)


async def test_when_the_first_number_is_none_the_second_is_dialed_at_once(desk: Desk) -> None:
    await desk.staff("1010")
    [dead], [alive] = some(1, [80]), some(1, [0])
    await import_lead(desk, dead, alive)
    await desk.act("start")
    await desk.until_completed(1)
    assert desk.dialed() == [dead, alive]
    first, second = desk.calls_in_order()
    assert second.invite - first.end < timedelta(seconds=5)
    assert await desk.outcomes_of(1) == [Outcome.INVALID_NUMBER, Outcome.CONNECTED]
    assert desk.talk_of(alive) > 0.5
    lead = (await desk.leads(1))[dead].lead
    assert lead.state is LeadState.SUCCESS
    assert lead.dead_numbers == (dead,)


async def test_the_numbers_take_turns_if_each_attempt_is_to_try_another(desk: Desk) -> None:
    await desk.staff("1010")
    [one], [other] = some(1, [50]), some(1, [51])
    await import_lead(desk, one, other, "--alternates", "each_attempt", "--max-attempts", "4", "--cooloff", "1")
    await desk.act("start")
    await desk.until_completed(1)
    assert desk.dialed() == [one, other, one, other]
    assert (await desk.lead_states(1))[one] is LeadState.FAILED


async def test_other_numbers_are_left_alone_where_they_are_off(desk: Desk) -> None:
    await desk.staff("1010")
    [dead], [alive] = some(1, [80]), some(1, [0])
    await import_lead(desk, dead, alive, "--alternates", "off")
    await desk.act("start")
    await desk.until_completed(1)
    assert desk.dialed() == [dead]
    assert (await desk.lead_states(1))[dead] is LeadState.FAILED


async def test_a_number_that_was_listed_after_the_upload_is_passed_over_for_the_leads_other_one(
    desk: Desk, lab: Lab
) -> None:
    await desk.staff("1010")
    [listed], [other] = some(1, [0]), some(1, [1])
    await import_lead(desk, listed, other)
    await desk.cli("dnc", "add", listed)
    await desk.act("start")
    await desk.until_completed(1)
    assert desk.dialed() == [other]
    assert (await desk.lead_states(1))[listed] is LeadState.SUCCESS
