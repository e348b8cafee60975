import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.phone import InvalidNumber, normalize
from dialerd.lead_sources import number_list
from dialerd.lead_sources.base import BadRow, UnreadableSource
from dialerd.lead_sources.number_list import Given, InvalidEntry, ListedNumber, e164, expiry, read_numbers, text

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class File:
    """A file with this content, read as a list."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "numbers.txt"

    def rows(
        self, content: str | bytes, *, encoding: str = "utf-8", zone: str = "UTC", **defaults: str
    ) -> list[ListedNumber | BadRow]:
        self._path.write_bytes(content.encode() if isinstance(content, str) else content)
        wishes = Given(region="US", zone=zone, now=NOW, **defaults)  # type: ignore[arg-type]
        return list(read_numbers(self._path, wishes, encoding=encoding))

    def numbers(self, content: str | bytes, **how: str) -> list[str]:
        rows = self.rows(content, **how)
        assert not [row for row in rows if isinstance(row, BadRow)]
        return [row.number for row in rows if isinstance(row, ListedNumber)]

    def flaws(self, content: str | bytes, **how: str) -> list[tuple[int, str, str, str]]:
        """Line, column, value and reason of everything that is wrong."""
        bad = [row for row in self.rows(content, **how) if isinstance(row, BadRow)]
        return [(row.line, flaw.column, flaw.value, flaw.reason) for row in bad for flaw in row.flaws]

    def problems(self, content: str | bytes, **how: str) -> str:
        with pytest.raises(UnreadableSource) as refused:
            self.rows(content, **how)
        return "\n".join(refused.value.problems)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


# --- Numbers -----------------------------------------------------------------------------------------------------------


def test_plain_lines_are_numbers(file: File) -> None:
    rows = file.rows("# asked on Monday\n202-555-0101\n\n+44 20 7946 0101\r\n", reason="asked us", source="desk")
    assert rows == [
        ListedNumber(2, "+12025550101", "asked us", "desk", None),
        ListedNumber(4, "+442079460101", "asked us", "desk", None),
    ]


def test_of_a_table_the_column_number_is_taken(file: File) -> None:
    assert file.numbers('why;Number\n"a;b";202-555-0101\n') == ["+12025550101"]


def test_a_number_in_e164_is_taken_though_nobody_could_be_called_there(file: File) -> None:
    assert file.numbers("+9991\n+999123456789012\n") == ["+9991", "+999123456789012"]


def judged(judge: Callable[[str, str], str], written: str) -> str:
    """The number, or why it is none."""
    try:
        return judge(written, "US")
    except InvalidNumber as invalid:
        return invalid.why


@pytest.mark.parametrize(
    "written", ["+999", "+9991234567890123", "+0123456", "+", "++12025550101", "+1202555010\u0661", "+12025550101\n"]
)
def test_what_only_looks_like_e164_is_judged_as_any_number(written: str) -> None:
    assert judged(e164, written) == judged(normalize, written)


@given(st.text(alphabet="+0123456789 -abc\x00", max_size=20))
def test_what_is_listed_is_always_something_that_the_list_can_hold(written: str) -> None:
    try:
        number = e164(written, "US")
    except InvalidNumber:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{3,14}", number, re.ASCII)


def test_a_list_is_read_row_by_row_however_long_it_is(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"+12025550101\n" * 1000 + b"\xff\n")
    rows = read_numbers(path, Given(region="US", zone="UTC", now=NOW))
    assert next(rows) == ListedNumber(1, "+12025550101", "", "", None)
    with pytest.raises(UnreadableSource, match="line 1001"):
        list(rows)


# --- What else a table says --------------------------------------------------------------------------------------------


def test_reason_source_and_end_of_a_table_count_instead_of_what_is_given(file: File) -> None:
    content = "Number,Expires At,REASON,source\n+12025550101,2027-01-31T12:00:00+01:00,moved,mail\n+12025550102,,,\n"
    assert file.rows(content, reason="given", source="given") == [
        ListedNumber(2, "+12025550101", "moved", "mail", datetime(2027, 1, 31, 11, tzinfo=UTC)),
        ListedNumber(3, "+12025550102", "", "", None),
    ]


def test_an_empty_end_means_until_removed_whatever_is_given(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("number,expires_at\n+12025550101,\n")
    (row,) = read_numbers(path, Given(region="US", zone="UTC", now=NOW, expires_at=datetime(2030, 1, 1, tzinfo=UTC)))
    assert isinstance(row, ListedNumber)
    assert row.expires_at is None


def test_a_text_loses_the_apostrophe_that_kept_a_spreadsheet_from_reading_it_as_a_formula(file: File) -> None:
    (row,) = file.rows("number,reason\n+12025550101,'=cmd()\n")
    assert isinstance(row, ListedNumber)
    assert row.reason == "=cmd()"


def test_everything_that_is_wrong_with_a_row_is_told_at_once(file: File) -> None:
    content = f"number,reason,source,expires_at\nabc,a\x07b,{'x' * 501},31/01/2027\n"
    assert file.flaws(content) == [
        (2, "number", "abc", "has letters in it"),
        (2, "reason", "a\N{REPLACEMENT CHARACTER}b", "has a line break or a control character in it"),
        (2, "source", "x" * 40, "is longer than 500 characters"),
        (2, "expires_at", "31/01/2027", "is neither a day like 2027-01-31 nor a time like 2027-01-31T12:00"),
    ]


def test_a_row_that_has_expired_is_told_and_not_taken_for_one_that_forbids(file: File) -> None:
    assert file.flaws("number,expires_at\n+12025550101,2016-01-31\n") == [
        (2, "expires_at", "2016-01-31", "is over already")
    ]


# --- Ends --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "zone", "ends"),
    [
        ("2027-01-31", "UTC", datetime(2027, 2, 1, tzinfo=UTC)),
        ("20270131", "UTC", datetime(2027, 2, 1, tzinfo=UTC)),
        ("2027-01-31", "America/New_York", datetime(2027, 2, 1, 5, tzinfo=UTC)),
        ("2026-06-01", "UTC", datetime(2026, 6, 2, tzinfo=UTC)),  # today, which is not over
        ("2028-02-29", "Asia/Kolkata", datetime(2028, 2, 29, 18, 30, tzinfo=UTC)),
        ("2027-01-31T12:00", "Europe/Berlin", datetime(2027, 1, 31, 11, tzinfo=UTC)),
        ("2027-01-31 12:00:30", "UTC", datetime(2027, 1, 31, 12, 0, 30, tzinfo=UTC)),
        ("2027-01-31T12:00Z", "Europe/Berlin", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2026-10-25T02:30", "Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),  # twice: the later one
        ("2027-03-28T02:30", "Europe/Berlin", datetime(2027, 3, 28, 1, tzinfo=UTC)),  # never: the first moment after it
    ],
)
def test_an_end_is_a_whole_day_of_the_accounts_zone_or_a_time(written: str, zone: str, ends: datetime) -> None:
    assert expiry(written, zone=zone, now=NOW) == ends


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2026-05-31", "is over already"),
        ("2026-06-01T12:00", "is over already"),
        ("0001-01-01T00:00+05:00", "is too far away"),
        ("9999-12-31", "is too far away"),
        ("2027-02-29", "is neither a day"),
        ("2027-13-01", "is neither a day"),
        ("tomorrow", "is neither a day"),
        ("46053", "is neither a day"),  # how spreadsheets store days
        ("", "is neither a day"),
        ("2027-01-31\x00", "is neither a day"),
    ],
)
def test_what_is_no_end_or_is_over_is_refused(written: str, why: str) -> None:
    with pytest.raises(InvalidEntry, match=why):
        expiry(written, zone="UTC", now=NOW)


def test_a_reason_is_one_line_of_text(file: File) -> None:
    assert text("Bitte nicht mehr anrufen – 100 %") == "Bitte nicht mehr anrufen – 100 %"
    for bad in ("a\nb", "a\x00b", "a\x1b[2Jb", "a\udcffb", "x" * 501):
        with pytest.raises(InvalidEntry):
            text(bad)


# --- What is no list ---------------------------------------------------------------------------------------------------


def test_what_is_no_number_is_told_with_its_line(file: File) -> None:
    good, bad, wide = file.rows("number,why\n2025550101,x\n12,x\n2025550102,x,y\n")
    assert isinstance(good, ListedNumber)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.flaws[0].column, bad.flaws[0].value) == (3, "number", "****")
    assert isinstance(wide, BadRow)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("+1202555010A", "has letters in it"),
        ("+12025550101234567890", "too long"),
        ("1" * 41, "longer than 40 characters"),
        ("+120255\x0050101", r"has '\x00' in it"),
        ("2025550101.0", "written as a decimal number: format the spreadsheet's column as text"),
        ("=HYPERLINK(2025550101)", "has letters in it"),
        ("+12025550101,+12025550102", "has ',' in it"),
    ],
)
def test_lines_of_other_things_are_told_one_by_one(file: File, written: str, why: str) -> None:
    ((line, column, _, reason),) = file.flaws(f"+12025550101\n{written}\n")
    assert (line, column) == (2, "number")
    assert reason.startswith(why)


@pytest.mark.parametrize("content", ["", "\n", "\ufeff"])
def test_an_empty_file_is_told(content: str, file: File) -> None:
    assert "is empty" in file.problems(content)


@pytest.mark.parametrize("content", ["number\n", "number,reason\r\n\r\n", "# nobody has asked yet\n"])
def test_a_file_without_a_single_number_is_told(content: str, file: File) -> None:
    assert "has no number in it" in file.problems(content)


def test_a_table_without_the_column_is_told_so_and_not_row_by_row(file: File) -> None:
    assert "the header has no column 'number'" in file.problems("name;phone\nAda;+12025550101\n")


def test_a_table_that_names_the_column_twice_is_refused(file: File) -> None:
    assert "2 times" in file.problems("number,Number\n+12025550101,+12025550102\n")


def test_another_encoding_has_to_be_named(file: File) -> None:
    content = "number,reason\n+12025550101,Müller\n".encode("cp1252")
    assert "line 2 is not utf-8" in file.problems(content)
    assert file.numbers(content, encoding="cp1252") == ["+12025550101"]
    assert "is no encoding" in file.problems(content, encoding="klingon")


def test_a_file_of_a_spreadsheet_with_its_mark_is_read(file: File) -> None:
    assert file.numbers("\ufeffnumber\r\n+12025550101\r\n") == ["+12025550101"]
    assert file.numbers("number\r\n+12025550101\r\n".encode("utf-16")) == ["+12025550101"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="No such file"):
        list(read_numbers(tmp_path / "nowhere", Given(region="US", zone="UTC", now=NOW)))


def test_a_file_in_which_nearly_nothing_is_a_number_is_given_up(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_list, "MOST_BAD_ROWS", 3)
    assert len(file.flaws("+12025550101\n" + "x\n" * 3)) == 3
    assert "more than 3 rows cannot be used" in file.problems("+12025550101\n" + "x\n" * 4)
