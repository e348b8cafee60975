"""Leads come from a CRM, are taken off, made new again, and carried over into another campaign; and are dialed accordingly."""

import pytest

from dialerd.domain.leads import LeadState
from tests.acceptance.desk import BUSY, NAME, QUEUE, Desk, some
from tests.fakes.fake_crm import FakeCrm, Reply, Seen, says

pytestmark = pytest.mark.acceptance

SOURCE = """
url = "{url}"
headers.Authorization = "Bearer {{secret:crm}}"
[mapping]
leads_array = "data"
first_name = "name"
number = "phone"
priority = "score"
[paging]
page_parameter = "page"
"""


async def test_the_leads_of_every_page_of_a_crm_are_dialed(desk: Desk) -> None:
    agents = await desk.staff("1010")
    leads = some(4, [50])
    contacts = [{"name": "Ada", "phone": number, "score": score} for score, number in enumerate(leads)]

    def page(request: Seen) -> Reply:
        place = 2 * (int(request.query["page"][0]) - 1)
        return says({"data": contacts[place : place + 2]})

    desk.daemon.environment["DIALERD_CRM__ALLOWED_NETWORKS"] = '["127.0.0.1/32"]'
    desk.daemon.environment["DIALERD_CRM__SECRETS__CRM"] = "hush"
    with FakeCrm().running() as crm:
        crm.answers["/leads"] = page
        source = desk.file("crm.toml")
        source.write_text(SOURCE.format(url=crm.url()), encoding="utf-8")
        await desk.cli("campaign", "create", NAME, "--queue", QUEUE, "--max-attempts", "1", "--calls-per-second", "5")
        await desk.cli("crm", "set", NAME, str(source), "--no-sample")
        assert "4 leads are added" in await desk.cli("crm", "sync", NAME)
        assert {request.headers["authorization"] for request in crm.seen} == {"Bearer hush"}
    await desk.act("start")
    await desk.until_completed(1)
    assert desk.dialed() == leads[::-1]  # the highest priority first
    await desk.judge(1, agents=agents)


async def test_deleted_leads_are_not_dialed_and_those_that_are_made_new_again_are_dialed_again(desk: Desk) -> None:
    await desk.staff("1010", "1011")
    kept, deleted, never = some(3, BUSY)
    campaign = await desk.campaign([kept, deleted, never])
    await desk.cli("leads", "delete", NAME, "--lead", str((await desk.leads(campaign))[never].lead.id))
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert sorted(desk.dialed()) == sorted([kept, deleted])
    await desk.cli("leads", "delete", NAME, "--lead", str((await desk.leads(campaign))[deleted].lead.id))
    assert "1 leads are new again" in await desk.cli("leads", "reset", NAME, "--state", "failed")
    await desk.start(campaign)
    await desk.until_completed(campaign)
    assert [len(desk.calls_to(number)) for number in (kept, deleted, never)] == [2, 1, 0]
    # The judge is shown neither deleted leads nor that one has begun anew: the far end's record has told all there is.


async def test_the_leads_that_failed_are_exported_and_dialed_by_another_campaign(desk: Desk) -> None:
    await desk.staff("1010", "1011")
    failed, reached = some(2, BUSY), some(1, [0])
    first = await desk.dial([*failed, *reached], name="first")
    await desk.until_completed(first)
    export = desk.file("failed.csv")
    assert "2 leads are in" in await desk.cli("leads", "export", "first", "--state", "failed", "--output", str(export))
    await desk.cli("campaign", "create", "second", "--queue", QUEUE, "--max-attempts", "1", "--calls-per-second", "5")
    assert "2 leads are added" in await desk.cli("leads", "import", "second", str(export))
    await desk.act("start", "second")
    await desk.until_completed(2)
    assert {number: len(desk.calls_to(number)) for number in (*failed, *reached)} == {
        **dict.fromkeys(failed, 2),
        **dict.fromkeys(reached, 1),
    }
    assert set((await desk.lead_states(2)).values()) == {LeadState.FAILED}
