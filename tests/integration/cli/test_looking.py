import pytest

from dialerd.domain.outcomes import Outcome
from tests.integration.cli.conftest import Dialerd
from tests.integration.store.scene import Stores

TWO = "+12025550101,1,Ada\n+12025550102,5,Ben\n"


def test_the_status_tells_how_far_a_campaign_is_and_why_it_does_not_dial(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=TWO)
    assert "no call now" not in dialerd("status").out
    dialerd("campaign", "start", "Spring")
    assert "Spring: no call now, no daemon dials it" in dialerd("status").out
    (line,) = dialerd("status", "--json").json
    assert line["leads"]["active"] == 2
    assert line["last_hour"] == {
        "placed_last_minute": 0,
        "placed": 0,
        "answered": 0,
        "connected": 0,
        "abandoned": 0,
    }


def test_the_status_tells_the_abandonment_rate_where_somebody_has_answered(dialerd: Dialerd) -> None:
    async def work(stores: Stores) -> None:
        dialed = await stores.a_dialed_campaign(4, abandonment_cap_pct=3.0)
        for outcome in (Outcome.CONNECTED, Outcome.ABANDONED, Outcome.CONNECTED, Outcome.BUSY):
            await dialed.dial(outcome)

    dialerd.campaign("Quiet")
    dialerd.in_stores(work)
    told = dialerd("status").out
    assert "Spring: abandoned are 1 of 3 answered calls (33.3%, cap 3%); 2 reached an agent in time" in told
    assert "Quiet: abandoned" not in told
    ledgers = {one["name"]: one["abandonment"] for one in dialerd("status", "--json").json}
    assert ledgers["Quiet"] == {"answered": 0, "in_time": 0, "abandoned": 0, "rate": 0.0, "cap": None}
    assert ledgers["Spring"]["rate"] == pytest.approx(1 / 3)
    assert dialerd("campaign", "show", "Spring", "--json").json["abandonment"] == ledgers["Spring"]


def test_a_watch_is_for_people(dialerd: Dialerd) -> None:
    assert "--watch" in dialerd.refused("status", "--watch", "--json", status=2)


def test_a_campaign_explains_itself(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=TWO)
    assert "has not been started" in dialerd("explain", "campaign", "Spring").out
    dialerd("campaign", "start", "Spring")
    assert "no daemon dials it" in dialerd("explain", "campaign", "Spring", "--json").json["why"]
    dialerd("campaign", "pause", "Spring")
    assert "paused" in dialerd("explain", "campaign", "Spring", "--json").json["why"]


def test_a_lead_explains_itself_by_its_rule_or_by_its_campaign(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "+12025550102")
    dialerd.campaign(leads=TWO)
    free, blocked = (str(lead["id"]) for lead in dialerd("leads", "list", "Spring", "--json").json)
    assert "it is on a do-not-call list" in dialerd("explain", "lead", blocked).out
    why = dialerd("explain", "lead", free, "--json").json
    assert "its campaign: it has not been started" in why["why"]
    assert why["number"] == "+120****0101"
    assert "there is no lead" in dialerd.refused("explain", "lead", "999")


def test_times_are_shown_in_the_zone_of_the_account(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert " UTC" in dialerd("campaign", "show", "Spring").out
    dialerd("account", "edit", "--time-zone", "Asia/Tokyo")
    assert " JST" in dialerd("campaign", "show", "Spring").out


def test_an_account_is_changed_only_to_what_exists(dialerd: Dialerd) -> None:
    dialerd("account", "edit", "--region", "GB", "--caller-id", "+442079460100=Acme")
    account = dialerd("account", "show", "--json").json
    assert (account["default_region"], account["rules"]["caller_id"]["name"]) == ("GB", "Acme")
    for option, value in (("--region", "UK"), ("--time-zone", "Mars/X"), ("--caller-id", "x")):
        assert option in dialerd.refused("account", "edit", option, value, status=2)
    assert "there is no account acme" in dialerd.refused("--account", "acme", "account", "show")
