import asyncio
import csv
import io
import json
import os
import pwd
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.console import Console

from tests.integration.cli.conftest import Dialerd

NUMBER = "+12025550101"


def listed(dialerd: Dialerd, *arguments: str) -> list[str]:
    return [entry["number"] for entry in dialerd("dnc", "search", *arguments, "--json").json]


def entry_of(dialerd: Dialerd, number: str = NUMBER) -> dict[str, Any]:
    (entry,) = dialerd("dnc", "search", number, "--json").json
    assert isinstance(entry, dict)
    return entry


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


# --- One number --------------------------------------------------------------------------------------------------------


def test_a_number_is_added_found_and_removed(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "202-555-0101", "--reason", "asked by mail")
    assert "was before" in dialerd("dnc", "add", NUMBER).out
    (entry,) = dialerd("dnc", "search", "--json").json
    assert (entry["number"], entry["reason"]) == (NUMBER, "asked by mail")
    dialerd("dnc", "remove", "+1 202 555 0101")
    assert listed(dialerd) == []
    assert "not on that list" in dialerd.refused("dnc", "remove", NUMBER)


def test_an_entry_says_who_added_it_and_from_where_the_wish_came(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", NUMBER, "--source", "letter")
    entry = entry_of(dialerd)
    assert (entry["source"], entry["added_by"]) == ("letter", pwd.getpwuid(os.getuid()).pw_name)


def test_the_list_for_everybody_is_another_one(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", NUMBER, "--everybody")
    dialerd.refused("dnc", "remove", NUMBER)
    assert "everybody" in dialerd("dnc", "search").out
    dialerd("dnc", "remove", NUMBER, "--everybody")


def test_what_is_no_number_is_refused(dialerd: Dialerd) -> None:
    for number in ("911", "abc", "", "+1202", "+12025550101;drop", "+1202555\x000101", "9" * 50):
        assert "is no phone number" in dialerd.refused("dnc", "add", number, status=2)


@pytest.mark.parametrize("option", ["--reason", "--source"])
def test_a_reason_or_source_that_is_no_line_of_text_is_refused(dialerd: Dialerd, option: str) -> None:
    for value in ("a\nb", "a\x00b", "x" * 501):
        assert option in dialerd.refused("dnc", "add", NUMBER, option, value, status=2)
    assert listed(dialerd) == []


# --- Until when --------------------------------------------------------------------------------------------------------


def test_an_entry_expires_at_the_end_of_a_day_in_the_accounts_zone(dialerd: Dialerd) -> None:
    dialerd("account", "edit", "--time-zone", "America/New_York")
    dialerd("dnc", "add", NUMBER, "--expires", "2099-01-31")
    assert entry_of(dialerd)["expires_at"] == "2099-02-01T05:00:00+00:00"
    assert "2099-02-01 00:00:00 EST" in dialerd("dnc", "search").out


@pytest.mark.parametrize(("lasting", "days"), [("30d", 30), ("4w", 28), ("48h", 2)])
def test_an_entry_can_hold_for_some_time(dialerd: Dialerd, lasting: str, days: int) -> None:
    dialerd("dnc", "add", NUMBER, "--for", lasting)
    expires_at = datetime.fromisoformat(entry_of(dialerd)["expires_at"])
    assert abs(expires_at - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)


def test_an_end_that_is_over_or_is_none_is_refused(dialerd: Dialerd) -> None:
    assert "is over already" in dialerd.refused("dnc", "add", NUMBER, "--expires", in_days(-2), status=2)
    for option, value in (("--expires", "soon"), ("--for", "0d"), ("--for", "-1d"), ("--for", "30"), ("--for", "1y")):
        assert option in dialerd.refused("dnc", "add", NUMBER, f"{option}={value}", status=2)
    both = dialerd.refused("dnc", "add", NUMBER, "--for", "1d", "--expires", in_days(2), status=2)
    assert "either until when or for how long" in both
    assert listed(dialerd) == []


def test_adding_a_number_again_makes_no_entry_weaker(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", NUMBER, "--for", "2d", "--reason", "short")
    assert "not for as long" in dialerd("dnc", "add", NUMBER, "--reason", "for good").out
    assert "nothing is changed" in dialerd("dnc", "add", NUMBER, "--for", "90d", "--reason", "again").out
    entry = entry_of(dialerd)
    assert (entry["reason"], entry["expires_at"]) == ("for good", None)


# --- Check, search -----------------------------------------------------------------------------------------------------


def test_a_check_says_whether_by_which_list_why_since_when_and_until_when(dialerd: Dialerd) -> None:
    assert "is on no do-not-call list" in dialerd("dnc", "check", NUMBER).out
    assert dialerd("dnc", "check", NUMBER, "--json").json == {"number": NUMBER, "forbidden": False, "entries": []}
    dialerd("dnc", "add", NUMBER, "--reason", "asked by mail", "--expires", "2099-01-31")
    dialerd("dnc", "add", NUMBER, "--everybody", "--reason", "register")
    told = dialerd("dnc", "check", "(202) 555-0101").out
    assert f"{NUMBER} must not be called" in told
    everybodys, ours = told.splitlines()[2:]
    assert re.fullmatch(r"everybody +register +command line .+ removed *", everybodys)
    assert re.fullmatch(r"default +asked by mail +command line .+ 2099-02-01 00:00:00 UTC *", ours)
    answer = dialerd("dnc", "check", NUMBER, "--json").json
    assert (answer["forbidden"], len(answer["entries"])) == (True, 2)


def test_a_search_takes_the_beginning_of_a_number_or_a_whole_one(dialerd: Dialerd) -> None:
    for number in (NUMBER, "+12025550102", "+442079460101"):
        dialerd("dnc", "add", number)
    assert listed(dialerd, "+44 20") == ["+442079460101"]
    assert listed(dialerd, "202-555-0102") == ["+12025550102"]
    assert listed(dialerd, "--limit", "2") == [NUMBER, "+12025550102"]
    assert listed(dialerd, "--limit", "2", "--after", "+12025550102") == ["+442079460101"]
    dialerd.refused("dnc", "search", "%", status=2)
    dialerd.refused("dnc", "search", "--after", "%", status=2)


def test_a_search_takes_a_part_of_the_reason_or_the_source(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", NUMBER, "--reason", "Court order")
    dialerd("dnc", "add", "+12025550102", "--source", "the court")
    dialerd("dnc", "add", "+12025550103")
    assert listed(dialerd, "--text", "COURT") == [NUMBER, "+12025550102"]
    assert listed(dialerd, "--text", "%") == []
    assert "--text" in dialerd.refused("dnc", "search", "--text", "a\x00", status=2)


# --- Import ------------------------------------------------------------------------------------------------------------


def test_a_file_is_added_whole_or_not_at_all(dialerd: Dialerd) -> None:
    file = dialerd.file("# by mail\n202-555-0101\n202-555-0102\n12\n202-555-0102\n", "numbers.txt")
    assert "1 rows cannot be used" in dialerd.refused("dnc", "import", file)
    assert listed(dialerd) == []
    assert "2 numbers are new" in dialerd("dnc", "import", file, "--on-bad-rows", "keep").out
    assert listed(dialerd) == [NUMBER, "+12025550102"]


def test_a_table_has_its_numbers_in_a_column(dialerd: Dialerd) -> None:
    dialerd("dnc", "import", dialerd.file("name;number\nAda;+12025550101\n"))
    assert listed(dialerd) == [NUMBER]


def test_what_a_file_does_not_say_the_options_say(dialerd: Dialerd) -> None:
    file = dialerd.file(f"number,reason\n{NUMBER},moved\n", "may.csv")
    dialerd("dnc", "import", file, "--reason", "unused", "--expires", "2099-01-31")
    entry = entry_of(dialerd)
    assert (entry["reason"], entry["source"]) == ("moved", "may.csv")
    assert entry["expires_at"] == "2099-02-01T00:00:00+00:00"


def test_the_same_file_again_changes_nothing(dialerd: Dialerd) -> None:
    file = dialerd.file(f"{NUMBER}\n+12025550102\n", "numbers.txt")
    assert dialerd("dnc", "import", file, "--json").json == {"added": 2, "prolonged": 0, "bad_rows": 0}
    before = dialerd("dnc", "search", "--json").json
    assert dialerd("dnc", "import", file, "--json").json == {"added": 0, "prolonged": 0, "bad_rows": 0}
    assert dialerd("dnc", "search", "--json").json == before


def test_an_import_that_lasts_longer_says_so(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", NUMBER, "--for", "1d")
    told = dialerd("dnc", "import", dialerd.file(NUMBER, "numbers.txt")).out
    assert "0 numbers are new on the do-not-call list; 1 were on it and last longer now" in told


def test_who_watches_an_import_sees_the_rows_and_their_rate(dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr("dialerd.cli.dnc.err", lambda: terminal)
    dialerd("dnc", "import", dialerd.file("+12025550101\n" * 1500, "numbers.txt"))
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert re.search(r"adding to the list.*1,500 rows.*a second.*0:00:", shown)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("number\n", "has no number in it"),
        ("name,phone\nAda,+12025550101\n", "the header has no column 'number'"),
        ("number,reason\n+12025550101,M\xfcller\n", "line 2 is not utf-8"),
        ("number\n+1202555\x000101\n", "1 rows cannot be used"),
        ("number,reason\n+12025550101,a\x00b\n", "1 rows cannot be used"),
        ("number,expires_at\n+12025550101,2016-01-31\n", "1 rows cannot be used"),
        ("hello world\nthis is no list\n", "the header has no column 'number'"),
        ("+12025550101\n" + "9" * 1_000_001, "longer than 1000000 characters"),
    ],
)
def test_a_file_that_is_no_list_is_told_and_nothing_is_stored(dialerd: Dialerd, content: str, told: str) -> None:
    path = dialerd.folder / "list.csv"
    path.write_bytes(content.encode("latin-1"))
    assert told in dialerd.refused("dnc", "import", str(path))
    assert listed(dialerd) == []


def test_bad_rows_are_reported_with_line_column_and_reason(dialerd: Dialerd) -> None:
    report = dialerd.folder / "report.csv"
    file = dialerd.file(f"number,expires_at\n{NUMBER},\nabc,soon\n")
    dialerd("dnc", "import", file, "--on-bad-rows", "keep", "--report", str(report))
    lines = [(row["line"], row["column"]) for row in csv.DictReader(report.read_text().splitlines())]
    assert lines == [("3", "number"), ("3", "expires_at")]


# --- Export, purge -----------------------------------------------------------------------------------------------------


def test_an_export_is_a_table_that_can_be_imported_again(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", NUMBER, "--reason", "=HYPERLINK(1)", "--source", "letter", "--expires", "2099-01-31")
    dialerd("dnc", "add", "+442079460101")
    dialerd("dnc", "add", "+12025550102", "--everybody")
    file = dialerd.folder / "list.csv"
    assert "2 entries are in" in dialerd("dnc", "export", "--output", str(file)).out
    first, second = csv.DictReader(file.read_text().splitlines())
    assert list(first) == ["number", "list", "reason", "source", "added_by", "added_at", "expires_at"]
    assert (first["number"], first["list"], first["reason"]) == (NUMBER, "default", "'=HYPERLINK(1)")
    assert second["expires_at"] == ""
    before = [{**entry_of(dialerd, number), "added_at": None} for number in (NUMBER, "+442079460101")]
    for number in (NUMBER, "+442079460101"):
        dialerd("dnc", "remove", number)
    dialerd("dnc", "import", str(file), "--for", "1d", "--reason", "unused")
    assert [{**entry_of(dialerd, number), "added_at": None} for number in (NUMBER, "+442079460101")] == before


def test_an_export_goes_to_standard_output_and_can_be_json(dialerd: Dialerd) -> None:
    assert dialerd("dnc", "export", "--format", "json").json == []
    assert dialerd("dnc", "export").out.splitlines() == ["number,list,reason,source,added_by,added_at,expires_at"]
    for number in (NUMBER, "+12025550102"):
        dialerd("dnc", "add", number, "--everybody", "--reason", "=1+1")
    entries = dialerd("dnc", "export", "--everybody", "--format", "json").json
    assert [(entry["number"], entry["list"], entry["reason"]) for entry in entries] == [
        (NUMBER, "everybody", "=1+1"),
        ("+12025550102", "everybody", "=1+1"),
    ]
    assert json.loads(dialerd("dnc", "export", "--format", "json").out) == []


def test_a_file_that_cannot_be_written_is_told(dialerd: Dialerd, tmp_path: Path) -> None:
    assert "cannot be written" in dialerd.refused("dnc", "export", "--output", str(tmp_path / "no" / "list.csv"))


async def expire(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE dnc_numbers SET expires_at = now() WHERE expires_at IS NOT NULL")
    await connection.close()


def test_what_has_expired_forbids_nothing_is_not_exported_and_can_be_purged(dialerd: Dialerd, database: str) -> None:
    dialerd("dnc", "add", NUMBER, "--for", "1h")
    dialerd("dnc", "add", "+12025550102")
    asyncio.run(expire(database))
    assert not dialerd("dnc", "check", NUMBER, "--json").json["forbidden"]
    assert listed(dialerd) == [NUMBER, "+12025550102"]
    assert NUMBER not in dialerd("dnc", "export").out
    assert NUMBER in dialerd("dnc", "export", "--expired").out
    assert "0 expired entries are removed" in dialerd("dnc", "purge", "--everybody").out
    assert "1 expired entries are removed" in dialerd("dnc", "purge").out
    assert listed(dialerd) == ["+12025550102"]
