import asyncio
import csv
import io
import json
from pathlib import Path

import asyncpg
import pytest

from tests.benchmarks.csv_import import write_list
from tests.integration.cli.conftest import HEADER, Dialerd

THREE = "+12025550101,1,Ada\n+12025550102,5,Ben\n+12025550103,3,Cleo\n"
BAD = "202-555-0104,1,Dee\n911,x,\n(202) 555-0104,1,Dee\n"


def states(dialerd: Dialerd, campaign: str = "Spring") -> dict[str, int]:
    leads = dialerd("campaign", "show", campaign, "--json").json["leads"]
    return {state: count for state, count in leads.items() if count}


def test_the_sample_can_be_imported(dialerd: Dialerd) -> None:
    dialerd.campaign()
    sample = dialerd("leads", "sample").out
    assert "3 leads are added" in dialerd("leads", "import", "Spring", dialerd.file(sample)).out


@pytest.mark.timeout(600)
def test_a_single_upload_may_have_200_000_rows(dialerd: Dialerd, tmp_path: Path) -> None:
    """ "Up to around 200,000 rows per single upload"."""
    dialerd.campaign()
    file = tmp_path / "long.csv"
    write_list(file, 200_000)
    assert "200000 leads are added" in dialerd("leads", "import", "Spring", str(file)).out
    assert states(dialerd) == {"active": 200_000}


def test_a_file_with_a_bad_row_is_refused_whole_and_every_flaw_is_told(dialerd: Dialerd) -> None:
    dialerd.campaign()
    told = dialerd.refused("leads", "import", "Spring", dialerd.file(HEADER + THREE + BAD))
    assert "an emergency number" in told
    assert "is not a whole number" in told
    assert "is missing" in told
    assert "the same number as in line 5" in told
    assert "2 rows cannot be used, so nothing was stored" in told
    assert states(dialerd) == {}


def test_bad_rows_can_be_left_out(dialerd: Dialerd) -> None:
    dialerd.campaign()
    file = dialerd.file(HEADER + THREE + BAD)
    answer = dialerd("leads", "import", "Spring", file, "--on-bad-rows", "keep", "--json")
    told = {"added": 4, "renewed": 0, "duplicates": 0, "on_dnc": 0, "bad_rows": 2, "uploaded_before": None}
    assert answer.json == told
    assert states(dialerd) == {"active": 4}


def test_the_report_has_every_row_that_was_not_taken_as_it_is(dialerd: Dialerd, tmp_path: Path) -> None:
    dialerd.campaign()
    dialerd("dnc", "add", "+12025550102")
    report = tmp_path / "report.csv"
    file = dialerd.file(HEADER + THREE + BAD)
    dialerd("leads", "import", "Spring", file, "--on-bad-rows", "keep", "--report", str(report))
    rows = list(csv.reader(io.StringIO(report.read_text())))
    assert rows[0] == ["line", "column", "value", "reason"]
    assert [(row[0], row[1]) for row in rows[1:]] == [
        ("3", "number"),
        ("6", "number"),
        ("6", "priority"),
        ("6", "first_name"),
        ("7", "number"),
    ]
    assert rows[1][2:] == ["'+120****0102", "on a do-not-call list: stored, and blocked"]


def test_a_refused_file_has_a_report_too(dialerd: Dialerd, tmp_path: Path) -> None:
    dialerd.campaign()
    report = tmp_path / "report.csv"
    dialerd.refused("leads", "import", "Spring", dialerd.file(HEADER + BAD), "--report", str(report))
    assert len(report.read_text().splitlines()) == 5


def test_leads_on_a_do_not_call_list_are_stored_and_blocked(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("dnc", "add", "+12025550102")
    assert (
        "1 of them are on a do-not-call list" in dialerd("leads", "import", "Spring", dialerd.file(HEADER + THREE)).out
    )
    assert states(dialerd) == {"active": 2, "blocked": 1}


def test_numbers_that_the_campaign_has_are_not_added_again(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    again = dialerd("leads", "import", "Spring", dialerd.file(HEADER + THREE + "+12025550104,1,Dee\n"), "--json").json
    assert (again["added"], again["duplicates"]) == (1, 3)


def test_a_file_that_was_imported_before_is_not_imported_again_unless_it_is_asked_for(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    file = dialerd.file(HEADER + THREE, name="renamed.csv")
    told = dialerd("leads", "import", "Spring", file).out
    assert "nothing is added: this very file was imported on 20" in told
    assert "--again" in told
    again = dialerd("leads", "import", "Spring", file, "--again", "--json").json
    assert (again["duplicates"], again["uploaded_before"]) == (3, None)


def test_leads_that_the_campaign_has_can_be_renewed_by_an_import(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "+12025550102")
    dialerd.campaign(leads=THREE)
    dialerd("dnc", "remove", "+12025550102")
    file = dialerd.file(HEADER + THREE.replace("Ben", "Benno"))
    finished = dialerd("leads", "import", "Spring", file, "--duplicates", "finished").out
    assert "0 leads are added; 1 leads are new again; 2 were leads of the campaign before" in finished
    assert states(dialerd) == {"active": 3}
    everything = dialerd("leads", "import", "Spring", file, "--duplicates", "always", "--again", "--json").json
    assert (everything["renewed"], everything["duplicates"]) == (3, 0)
    assert "Benno" in dialerd("leads", "list", "Spring").out


def test_numbers_without_a_country_are_of_the_accounts_unless_one_is_named(dialerd: Dialerd) -> None:
    dialerd.campaign()
    file = dialerd.file(HEADER + "020 7946 0101,1,Zed\n")
    dialerd.refused("leads", "import", "Spring", file)
    dialerd("leads", "import", "Spring", file, "--region", "GB")
    dialerd("account", "edit", "--region", "GB")
    dialerd("leads", "import", "Spring", dialerd.file(HEADER + "020 7946 0102,1,Yan\n"))
    numbers = [lead["number"] for lead in dialerd("leads", "list", "Spring", "--json", "--full-numbers").json]
    assert numbers == ["+442079460101", "+442079460102"]


def test_no_leads_come_in_while_the_campaign_runs(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    dialerd("campaign", "start", "Spring")
    told = dialerd.refused("leads", "import", "Spring", dialerd.file(HEADER + "+12025550109,1,Ida\n"))
    assert "pause or stop it" in told


def test_a_file_that_is_none_is_told(dialerd: Dialerd, tmp_path: Path) -> None:
    dialerd.campaign()
    latin = tmp_path / "latin.csv"
    latin.write_bytes((HEADER + "+12025550101,1,José\n").encode("latin-1"))
    assert "--encoding" in dialerd.refused("leads", "import", "Spring", str(latin))
    dialerd("leads", "import", "Spring", str(latin), "--encoding", "cp1252")
    assert "No such file" in dialerd.refused("leads", "import", "Spring", str(tmp_path / "missing.csv"))
    assert "no column 'number'" in dialerd.refused("leads", "import", "Spring", dialerd.file("a,b\n1,2\n"))
    assert "no row" in dialerd.refused("leads", "import", "Spring", dialerd.file(HEADER))


def test_a_report_that_cannot_be_written_is_told(dialerd: Dialerd, tmp_path: Path) -> None:
    dialerd.campaign()
    target = str(tmp_path / "no" / "report.csv")
    told = dialerd.refused("leads", "import", "Spring", dialerd.file(HEADER + THREE), "--report", target)
    assert "cannot be written" in told


def test_lists_mask_numbers_unless_they_are_asked_for(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    assert "+120****0101" in dialerd("leads", "list", "Spring").out
    assert "5550101" not in dialerd("leads", "list", "Spring", "--json").out
    assert "+12025550101" in dialerd("leads", "list", "Spring", "--full-numbers").out


def test_a_list_can_be_paged_and_narrowed_to_a_state(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    first, second = dialerd("leads", "list", "Spring", "--limit", "2", "--json").json
    (third,) = dialerd("leads", "list", "Spring", "--after", str(second["id"]), "--json").json
    assert first["id"] < second["id"] < third["id"]
    assert dialerd("leads", "list", "Spring", "--state", "failed", "--json").json == []


def test_an_export_comes_in_again_as_it_went_out(dialerd: Dialerd, tmp_path: Path) -> None:
    content = (
        "number,priority,first_name,last_name,retries,ticket_id,cool_off,cool_off_2nd,cool_off_3rd,note,type,"
        "time_zone,skill,extension,number_2,number_4,Shoe size\n"
        '+12025550101,-3,=Ada,@Nguyen,3,+T-1,60,120,180,"two\nlines, and ""quotes""",-x,'
        "Asia/Calcutta,=billing,#201,+12025550111,+12025550112,=38\n"
        "+12025550102,5,Ben,,,,,,,,,,,,,,\n"
    )
    dialerd.campaign("Spring")
    dialerd("leads", "import", "Spring", dialerd.file(content))
    exported = tmp_path / "export.csv"
    dialerd("leads", "export", "Spring", "--output", str(exported))
    dialerd.campaign("Summer")
    dialerd("leads", "import", "Summer", str(exported))
    before, after = (dialerd("leads", "list", name, "--json", "--full-numbers").json for name in ("Spring", "Summer"))
    own = {"id", "campaign_id", "created_at", "due_at", "new_since"}
    assert [{k: v for k, v in lead.items() if k not in own} for lead in after] == [
        {k: v for k, v in lead.items() if k not in own} for lead in before
    ]
    assert before[0]["custom"] == {"Shoe size": "=38"}
    assert before[0]["alternate_numbers"] == ["+12025550111", "+12025550112"]


def test_no_text_of_an_export_is_a_formula(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("leads", "import", "Spring", dialerd.file("number,priority,first_name,=x\n+12025550101,1,=cmd(),@y\n"))
    header, row = csv.reader(io.StringIO(dialerd("leads", "export", "Spring").out))
    assert "'=x" in header
    assert row[2] == "'=cmd()"
    assert "'@y" in row


def test_an_export_can_be_of_one_state(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "+12025550102")
    dialerd.campaign(leads=THREE)
    _, row = csv.reader(io.StringIO(dialerd("leads", "export", "Spring", "--state", "blocked").out))
    assert row[0] == "+12025550102"


def test_leads_can_be_made_new_again_by_state_or_by_id(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "+12025550102")
    dialerd.campaign(leads=THREE)
    dialerd("dnc", "remove", "+12025550102")
    assert "1 leads are new" in dialerd("leads", "reset", "Spring", "--state", "blocked").out
    assert states(dialerd) == {"active": 3}
    first = dialerd("leads", "list", "Spring", "--json").json[0]["id"]
    dialerd("leads", "reset", "Spring", "--lead", str(first))


def test_a_reset_names_its_leads_and_only_those_of_the_campaign(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    dialerd.campaign("Summer")
    first = str(dialerd("leads", "list", "Spring", "--json").json[0]["id"])
    assert "either --state or --lead" in dialerd.refused("leads", "reset", "Spring", status=2)
    assert "being called" in dialerd.refused("leads", "reset", "Spring", "--state", "ringing", status=2)
    assert "there is no lead" in dialerd.refused("leads", "reset", "Summer", "--lead", first)


def test_an_import_takes_the_attempts_that_the_account_allows(dialerd: Dialerd) -> None:
    dialerd.campaign()
    file = dialerd.file("number,priority,first_name,retries\n+12025550101,1,Ada,6\n")
    assert "from 1 to 5" in dialerd.refused("leads", "import", "Spring", file)


def test_an_export_can_be_json_with_every_lead_of_the_state(dialerd: Dialerd, tmp_path: Path) -> None:
    dialerd.campaign(leads=THREE)
    leads = dialerd("leads", "export", "Spring", "--format", "json").json
    assert [lead["number"] for lead in leads] == ["+12025550101", "+12025550102", "+12025550103"]
    assert dialerd("leads", "export", "Spring", "--format", "json", "--state", "failed").json == []
    target = tmp_path / "leads.json"
    told = dialerd("leads", "export", "Spring", "--format", "json", "--output", str(target)).out
    assert "3 leads are in" in told
    assert len(json.loads(target.read_text())) == 3


def test_deleted_leads_are_gone_from_lists_and_exports_unless_they_are_asked_for(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    first = dialerd("leads", "list", "Spring", "--json").json[0]["id"]
    assert "1 leads are deleted" in dialerd("leads", "delete", "Spring", "--lead", str(first)).out
    assert len(dialerd("leads", "list", "Spring", "--json").json) == 2
    assert len(dialerd("leads", "export", "Spring").out.splitlines()) == 3
    assert "+12025550101,1,Ada" in dialerd("leads", "export", "Spring", "--state", "deleted").out
    assert "2 leads are deleted" in dialerd("leads", "delete", "Spring", "--state", "active").out
    assert dialerd("leads", "list", "Spring", "--json").json == []


def test_while_a_campaign_is_running_its_leads_are_not_deleted(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    dialerd("campaign", "start", "Spring")
    assert "pause or stop it" in dialerd.refused("leads", "delete", "Spring", "--state", "active")
    assert "either --state or --lead" in dialerd.refused("leads", "delete", "Spring", status=2)
    assert "being called" in dialerd.refused("leads", "delete", "Spring", "--state", "dialing", status=2)


def test_nothing_is_deleted_if_one_of_the_leads_is_of_another_campaign(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=THREE)
    dialerd.campaign("Summer", leads="+12025550109,1,Ida\n")
    ours, *_ = (lead["id"] for lead in dialerd("leads", "list", "Spring", "--json").json)
    (theirs,) = (lead["id"] for lead in dialerd("leads", "list", "Summer", "--json").json)
    dialerd.refused("leads", "delete", "Spring", "--lead", str(ours), "--lead", str(theirs))
    assert states(dialerd) == {"active": 3}


async def test_the_call_log_can_be_exported_and_no_text_of_it_is_a_formula(dialerd: Dialerd, database: str) -> None:
    await asyncio.to_thread(dialerd.campaign, leads=THREE)
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, caller_id_number, queue, node, epoch, admitted_by,
                              state, opened_at, ringing_at, answered_at, connected_at, ended_at, agent, outcome, cause, tech_cause)
        SELECT gen_random_uuid(), campaign_id, id, 1, number, '+442079460100', 'sales', 'one', 1, '{}',
               'ended', t, t + interval '1 s', t + interval '3 s', t + interval '4 s', t + interval '64 s', '=cmd()',
               'connected', 16, '@200'
        FROM leads, (SELECT timestamptz '2026-03-01 12:00:00+00') AS moment (t) ORDER BY id LIMIT 1
        """
    )
    await connection.close()
    (row,) = csv.DictReader(io.StringIO((await asyncio.to_thread(dialerd, "leads", "calls", "Spring")).out))
    assert (row["number"], row["caller_id"]) == ("+12025550101", "+442079460100")
    assert (row["agent"], row["tech_cause"]) == ("'=cmd()", "'@200")
    assert (row["opened_at"], row["ring_s"], row["talk_s"]) == ("2026-03-01T12:00:00.000+00:00", "2.0", "60.0")
    (call,) = (await asyncio.to_thread(dialerd, "leads", "calls", "Spring", "--format", "json")).json
    assert (call["outcome"], call["cause"], call["agent"]) == ("connected", 16, "=cmd()")
