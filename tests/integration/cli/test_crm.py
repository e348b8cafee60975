import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.fake_crm import FakeCrm, Reply, says
from tests.integration.cli.conftest import Dialerd

ADA = {"name": {"first": "Ada"}, "phone": "+12025550101", "score": 7, "town": "Oslo"}
BEN = {"name": {"first": "Ben"}, "phone": "+12025550102", "score": 3, "town": "Lyon"}
CLEO = {"name": {"first": "Cleo"}, "phone": "202-555-0103"}
BAD = {"name": {"first": "Dee"}, "phone": "911"}


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCrm]:
    monkeypatch.setenv("DIALERD_CRM__ALLOWED_NETWORKS", '["127.0.0.1/32"]')
    monkeypatch.setenv("DIALERD_CRM__SECRETS__CRM", "hush")
    with FakeCrm().running() as crm:
        crm.answers["/leads"] = says({"data": [ADA, BEN]})
        yield crm


def source(crm: FakeCrm, dialerd: Dialerd, **changes: str) -> str:
    lines = {
        "url": f'"{crm.url()}"',
        "headers.Authorization": '"Bearer {secret:crm}"',
        "mapping.leads_array": '"data"',
        "mapping.first_name": '"name.first"',
        "mapping.number": '"$.phone"',
        "mapping.priority": '"score"',
        "mapping.custom.city": '"town"',
        **changes,
    }
    return dialerd.file("".join(f"{key} = {value}\n" for key, value in lines.items()), "crm.toml")


def with_source(crm: FakeCrm, dialerd: Dialerd, **changes: str) -> None:
    dialerd.campaign()
    dialerd("crm", "set", "Spring", source(crm, dialerd, **changes), "--no-sample")


def leads(dialerd: Dialerd) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dialerd("leads", "list", "Spring", "--json", "--full-numbers").json
    return found


def test_before_a_source_is_saved_some_leads_are_shown(dialerd: Dialerd, crm: FakeCrm) -> None:
    dialerd.campaign()
    crm.answers["/leads"] = says({"data": [ADA, BEN, CLEO, BAD, ADA, ADA]})
    answer = dialerd("crm", "set", "Spring", source(crm, dialerd))
    for word in ("Ada", "+120****0101", "Oslo", "Cleo", "dialerd crm sync"):
        assert word in answer.out
    assert "an emergency number" in answer.err
    assert "5550101" not in answer.out
    assert leads(dialerd) == []


def test_a_source_that_is_wrong_is_refused_with_everything_that_is(dialerd: Dialerd, crm: FakeCrm) -> None:
    dialerd.campaign()
    wrong = {"method": '"DELETE"', "mapping.number": '"foo(phone)"', "headers.X-Token": '"hush"', "veryfy": "true"}
    told = dialerd.refused("crm", "set", "Spring", source(crm, dialerd, **wrong))
    for place in ("method: ", "mapping.number: ", "headers.X-Token: ", "veryfy: "):
        assert f"  - {place}" in told
    assert "hush" not in told
    assert crm.seen == []


def test_a_source_is_not_saved_if_the_crm_does_not_answer_or_no_lead_fits(dialerd: Dialerd, crm: FakeCrm) -> None:
    dialerd.campaign()
    crm.answers["/leads"] = Reply(status=401, body=b"hush is wrong")
    told = dialerd.refused("crm", "set", "Spring", source(crm, dialerd))
    assert "127.0.0.1 answers with status 401 (Unauthorized): look at the credential" in told
    assert "hush" not in told
    crm.answers["/leads"] = says({"data": [BAD]})
    told = dialerd.refused("crm", "set", "Spring", source(crm, dialerd))
    assert "an emergency number" in told
    assert "--no-sample" in told
    assert "there is no CRM source" in dialerd.refused("crm", "show", "Spring")


def test_a_source_can_be_saved_without_asking(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    assert crm.seen == []
    assert "data" in dialerd("crm", "show", "Spring").out


def test_a_source_is_shown_without_its_secrets(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    dialerd("crm", "sync", "Spring")
    shown = dialerd("crm", "show", "Spring")
    stored = dialerd("crm", "show", "Spring", "--json")
    assert "mapping.custom.city" in shown.out
    assert stored.json["source"]["headers"] == {"Authorization": "Bearer {secret:crm}"}
    assert stored.json["synced_at"]
    assert "hush" not in shown.out + stored.out


def test_a_preview_shows_leads_and_stores_none(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    crm.answers["/leads"] = says({"data": [ADA, BAD, BEN]})
    assert "Ada" in dialerd("crm", "preview", "Spring").out
    told = dialerd("crm", "preview", "Spring", "--limit", "2", "--json").json
    assert [(lead["first_name"], lead["number"]) for lead in told["leads"]] == [("Ada", "+120****0101")]
    assert [row["line"] for row in told["bad_rows"]] == [2]
    assert leads(dialerd) == []


def test_a_crm_without_leads_is_told(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    crm.answers["/leads"] = says({"data": []})
    assert "the CRM has no leads now" in dialerd("crm", "preview", "Spring").out
    assert "0 leads are added" in dialerd("crm", "sync", "Spring").out


def test_sync_pulls_leads_from_the_crm_with_the_secret_of_the_settings(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    assert "2 leads are added" in dialerd("crm", "sync", "Spring").out
    assert [(lead["number"], lead["priority"], lead["custom"]) for lead in leads(dialerd)] == [
        ("+12025550101", 7, {"city": "Oslo"}),
        ("+12025550102", 3, {"city": "Lyon"}),
    ]
    assert crm.seen[0].headers["authorization"] == "Bearer hush"


def test_a_sync_passes_over_what_the_campaign_has_and_what_came_twice(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    dialerd("crm", "sync", "Spring")
    crm.answers["/leads"] = says({"data": [ADA, CLEO, CLEO]})
    told = dialerd("crm", "sync", "Spring", "--json").json
    assert told == {"added": 1, "renewed": 0, "duplicates": 2, "on_dnc": 0, "bad_rows": 0}
    assert dialerd("crm", "sync", "Spring", "--duplicates", "always", "--json").json["renewed"] == 2


def test_leads_on_a_do_not_call_list_are_stored_and_blocked(dialerd: Dialerd, crm: FakeCrm) -> None:
    dialerd("dnc", "add", "+12025550102")
    with_source(crm, dialerd)
    assert "1 are on a do-not-call list" in dialerd("crm", "sync", "Spring").out
    assert [lead["state"] for lead in leads(dialerd)] == ["active", "blocked"]


def test_a_sync_with_a_bad_lead_is_refused_whole_unless_it_may_be_left_out(
    dialerd: Dialerd, crm: FakeCrm, tmp_path: Path
) -> None:
    with_source(crm, dialerd)
    crm.answers["/leads"] = says({"data": [ADA, BAD]})
    report = tmp_path / "report.csv"
    told = dialerd.refused("crm", "sync", "Spring", "--report", str(report))
    assert "1 leads cannot be used, so nothing was stored" in told
    assert report.read_text().splitlines()[1].startswith("2,number,")
    assert leads(dialerd) == []
    assert dialerd("crm", "show", "Spring", "--json").json["synced_at"] is None
    assert "1 leads are added; 1 cannot be used" in dialerd("crm", "sync", "Spring", "--on-bad-rows", "keep").out


def test_a_sync_takes_the_attempts_that_the_account_allows(dialerd: Dialerd, crm: FakeCrm) -> None:
    dialerd("account", "edit", "--max-attempts", "8")
    with_source(crm, dialerd, **{"mapping.dial_retries": '"tries"'})
    crm.answers["/leads"] = says({"data": [{**ADA, "tries": 9}]})
    assert "from 1 to 8" in dialerd.refused("crm", "sync", "Spring")
    crm.answers["/leads"] = says({"data": [{**ADA, "tries": 8}]})
    assert dialerd("crm", "preview", "Spring", "--json").json["bad_rows"] == []
    dialerd("crm", "sync", "Spring")
    assert leads(dialerd)[0]["max_attempts"] == 8


def test_a_page_that_fails_leaves_nothing_behind(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd, **{"paging.next": '"next"'})
    crm.answers |= {"/leads": says({"data": [ADA], "next": "/more"}), "/more": Reply(status=404)}
    assert "status 404" in dialerd.refused("crm", "sync", "Spring")
    assert leads(dialerd) == []


def test_sync_is_disabled_while_the_campaign_runs(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    dialerd("crm", "sync", "Spring")
    dialerd("campaign", "start", "Spring")
    asked = len(crm.seen)
    assert "pause or stop it" in dialerd.refused("crm", "sync", "Spring")
    assert len(crm.seen) == asked


def test_sync_is_disabled_when_there_is_no_mapping_or_no_secret(
    dialerd: Dialerd, crm: FakeCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialerd.campaign()
    assert "there is no CRM source" in dialerd.refused("crm", "sync", "Spring")
    dialerd("crm", "set", "Spring", source(crm, dialerd), "--no-sample")
    monkeypatch.delenv("DIALERD_CRM__SECRETS__CRM")
    assert "crm.secrets.crm: missing" in dialerd.refused("crm", "sync", "Spring", status=78)
    assert crm.seen == []


def test_the_inside_is_not_asked_unless_the_settings_allow_it(
    dialerd: Dialerd, crm: FakeCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_source(crm, dialerd)
    monkeypatch.delenv("DIALERD_CRM__ALLOWED_NETWORKS")
    told = dialerd.refused("crm", "sync", "Spring")
    assert "127.0.0.1 is not a public address" in told
    assert "crm.allowed_networks" in told
    assert crm.connections == 0


def test_numbers_without_a_country_are_of_the_region_that_is_named(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    crm.answers["/leads"] = says({"data": [{"name": {"first": "Zed"}, "phone": "020 7946 0101"}]})
    dialerd.refused("crm", "sync", "Spring")
    dialerd("crm", "sync", "Spring", "--region", "GB")
    assert leads(dialerd)[0]["number"] == "+442079460101"


def test_a_source_that_is_removed_leaves_its_leads(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    dialerd("crm", "sync", "Spring")
    dialerd("crm", "remove", "Spring")
    assert "there is no CRM source" in dialerd.refused("crm", "show", "Spring")
    assert len(leads(dialerd)) == 2


def test_what_a_crm_says_cannot_steer_a_terminal(dialerd: Dialerd, crm: FakeCrm) -> None:
    with_source(crm, dialerd)
    crm.answers["/leads"] = says({"data": [{**ADA, "town": "\x1b]0;x"}, {**BEN, "town": "[red]\u202e"}]})
    answer = dialerd("crm", "preview", "Spring")
    assert "\x1b" not in answer.out + answer.err
    assert "\u202e" not in answer.out
    crm.answers["/leads"] = Reply(body=json.dumps({"\x1b[31mdata": []}).encode())
    assert "\x1b" not in dialerd.refused("crm", "preview", "Spring")


def test_the_help_shows_a_source_that_can_be_saved(dialerd: Dialerd, crm: FakeCrm) -> None:
    help_lines = dialerd("crm", "set", "--help").out.splitlines()
    begin = next(place for place, line in enumerate(help_lines) if "method =" in line)
    end = next(place for place, line in enumerate(help_lines) if "first_page" in line) + 1
    dialerd.campaign()
    file = dialerd.file("\n".join(line.strip() for line in help_lines[begin:end]), "crm.toml")
    dialerd("crm", "set", "Spring", file, "--no-sample")
    assert dialerd("crm", "show", "Spring", "--json").json["source"]["mapping"]["custom"] == {"city": "address.city"}
