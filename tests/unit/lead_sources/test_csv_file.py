import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.domain.leads import NewLead
from dialerd.lead_sources.base import BadRow, GoodRow, UnreadableSource
from dialerd.lead_sources.csv_file import judge_fields, read_leads, sample_csv
from dialerd.lead_sources.csv_table import guarded

HEADER = "number,priority,first_name\n"


class Source:
    """Reads a file with this content."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "leads.csv"

    def rows(self, content: str | bytes, *, region: str = "US", encoding: str = "utf-8") -> list[GoodRow | BadRow]:
        self._path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(read_leads(self._path, default_region=region, encoding=encoding))

    def leads(self, content: str | bytes, *, region: str = "US", encoding: str = "utf-8") -> list[NewLead]:
        rows = self.rows(content, region=region, encoding=encoding)
        assert not [row for row in rows if isinstance(row, BadRow)]
        return [row.lead for row in rows if isinstance(row, GoodRow)]

    def flaws(self, content: str | bytes, *, encoding: str = "utf-8") -> list[tuple[int, str, str, str]]:
        """Line, column, value and reason of everything that is wrong."""
        bad = [row for row in self.rows(content, encoding=encoding) if isinstance(row, BadRow)]
        return [(row.line, flaw.column, flaw.value, flaw.reason) for row in bad for flaw in row.flaws]

    def problems(self, content: str | bytes, *, encoding: str = "utf-8") -> str:
        with pytest.raises(UnreadableSource) as refused:
            self.rows(content, encoding=encoding)
        return "\n".join(refused.value.problems)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_every_column_of_the_specification_is_read(source: Source) -> None:
    content = (
        "number,priority,first_name,last_name,retries,ticket_id,cool_off,cool_off_2nd,cool_off_3rd,note,type,City\n"
        '202-555-0101,7,Ada,Nguyen,3,T-1,60,120,180,"likes, mornings",vip,Oslo\n'
    )
    assert source.leads(content) == [
        NewLead(
            number="+12025550101",
            priority=7,
            first_name="Ada",
            last_name="Nguyen",
            max_attempts=3,
            ticket_id="T-1",
            cooloff_s=60,
            cooloff_2nd_s=120,
            cooloff_3rd_s=180,
            note="likes, mornings",
            lead_type="vip",
            custom={"City": "Oslo"},
        )
    ]


def test_what_is_optional_may_be_missing(source: Source) -> None:
    content = "number,priority,first_name,retries,cool_off\n+12025550101,0,Ada,,\n"
    assert source.leads(content) == [NewLead(number="+12025550101", first_name="Ada")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_tells_the_delimiter(delimiter: str, source: Source) -> None:
    content = "number,priority,first_name\n+12025550101,1,Ada\n".replace(",", delimiter)
    assert [lead.first_name for lead in source.leads(content)] == ["Ada"]


def test_a_byte_order_mark_crlf_other_spellings_and_blank_rows_do_no_harm(source: Source) -> None:
    content = "\ufeffNumber; Priority ;First Name\r\n\r\n;;\r\n020 7946 0101;3.0; Ada \r\n"
    (lead,) = source.leads(content, region="GB")
    assert (lead.number, lead.priority, lead.first_name) == ("+442079460101", 3, "Ada")


def test_a_value_in_quotation_marks_may_have_lines(source: Source) -> None:
    rows = source.rows('number,priority,first_name,note\n2025550101,1,Ada,"two\nlines"\n2025550102,1,Ben,\n')
    assert [row.line for row in rows] == [2, 4]


def test_all_that_is_wrong_with_a_row_is_told_at_once(source: Source) -> None:
    content = "number,priority,first_name,retries,cool_off,ticket_id\n911,high,,6,-1," + "x" * 101 + "\n"
    told = {column: reason for _, column, _, reason in source.flaws(content)}
    assert told == {
        "number": "an emergency number",
        "priority": "is not a whole number from -1000000 to 1000000",
        "first_name": "is missing",
        "retries": "is not a whole number from 1 to 5",
        "cool_off": "is not a whole number from 0 to 2592000",
        "ticket_id": "is longer than 100 characters",
    }


def test_a_bad_number_is_not_repeated_in_full(source: Source) -> None:
    ((line, column, value, _),) = source.flaws(HEADER + "+12025550101222,1,Ada\n")
    assert (line, column, value) == (2, "number", "+1202****1222")


def test_a_second_row_with_the_same_number_names_the_first(source: Source) -> None:
    rows = HEADER + "2025550101,1,Ada\n2025550102,1,Ben\n(202) 555-0101,9,Ada\n"
    assert source.flaws(rows) == [(4, "number", "+120****0101", "the same number as in line 2")]


def test_a_row_of_another_width_is_told_with_what_may_have_happened(source: Source) -> None:
    flaws = source.flaws(HEADER + "2025550101,1\n2025550102,1,Nguyen, Ada\n2025550103,1,Ben\n")
    assert [line for line, *_ in flaws] == [2, 3]
    assert flaws[0][3] == "has 2 values where the header names 3 columns"
    assert "quotation marks" in flaws[1][3]


def test_a_quotation_mark_that_is_not_closed_swallows_no_row_in_silence(source: Source) -> None:
    ((line, _, _, reason),) = source.flaws(HEADER + '2025550101,1,"Ada\n2025550102,1,Ben\n')
    assert line == 2
    assert "lines 2 to 3" in reason


def test_after_a_malformed_row_the_next_one_is_read(source: Source) -> None:
    rows = source.rows(HEADER + '2025550101,1,"A"da\n2025550102,1,' + "x" * 200_000 + "\n2025550103,1,Ben\n")
    assert [(row.line, type(row)) for row in rows] == [(2, BadRow), (3, BadRow), (4, GoodRow)]


@pytest.mark.parametrize("name", ["A\x00da", "A\x1b[2Jda", '"A\r\nda"', "A\u2028da"])
def test_control_characters_stay_outside(name: str, source: Source) -> None:
    ((_, column, value, _),) = source.flaws(HEADER + f"2025550101,1,{name}\n")
    assert column == "first_name"
    assert value.isprintable()


def test_the_header_is_judged_as_a_whole(source: Source) -> None:
    told = source.problems("priority,Number,number,,a\x07b\n1,2,3,4,5\n")
    assert "no column 'first_name'" in told
    assert "names 'number' 2 times" in told
    assert "column 4 has no name" in told
    assert "cannot be the name" in told


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \r\n"])
def test_an_empty_file_is_told(content: str, source: Source) -> None:
    assert "is empty" in source.problems(content)


def test_a_header_alone_is_a_file_without_leads(source: Source) -> None:
    assert source.rows(HEADER) == []


def test_a_file_that_is_not_utf_8_is_refused_unless_its_encoding_is_named(source: Source) -> None:
    content = (HEADER + "2025550101,1,Ada\n2025550102,1,José\n").encode("cp1252")
    assert "line 3 is not utf-8" in source.problems(content)
    assert source.leads(content, encoding="cp1252")[1].first_name == "José"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_file_that_says_by_its_first_bytes_what_it_is_is_read_so(encoding: str, source: Source) -> None:
    content = (HEADER + "2025550101,1,José\r\n2025550102,1,Łukasz\r\n").encode(encoding)
    assert [lead.first_name for lead in source.leads(content)] == ["José", "Łukasz"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_sixteen_bit_characters_without_a_mark_are_read_by_their_name(encoding: str, source: Source) -> None:
    content = (HEADER + "2025550101,1,José\n").encode(encoding)
    assert "cannot be the name of a column" in source.problems(content) or "is not utf-8" in source.problems(content)
    assert source.leads(content, encoding=encoding)[0].first_name == "José"


def test_a_file_that_is_cut_off_inside_a_character_is_told(source: Source) -> None:
    assert "is not utf-16" in source.problems((HEADER + "2025550101,1,José").encode("utf-16")[:-1])


def test_an_encoding_that_does_not_exist_is_told(source: Source) -> None:
    assert "'klingon' is no encoding" in source.problems(HEADER, encoding="klingon")


def test_an_endless_line_is_not_read_into_memory(source: Source) -> None:
    assert "line 2 is longer than" in source.problems(HEADER + "x" * 1_000_001)


@pytest.mark.parametrize("name", [".", "missing.csv"])
def test_a_path_that_is_no_file_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="cannot be read"):
        list(read_leads(tmp_path / name, default_region="US"))


def test_the_sample_can_be_imported_as_it_is(source: Source) -> None:
    assert len(source.leads(sample_csv())) == 3


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_a_formula_is_disarmed_on_the_way_out_and_comes_back_as_it_was(value: str, source: Source) -> None:
    assert guarded(value) == f"'{value}"
    content = f"number,priority,first_name,note\n2025550101,1,Ada,{guarded(value)}\n"
    assert source.leads(content)[0].note == value


@pytest.mark.parametrize("value", ["", "Ada", "'quoted'", "1-1"])
def test_other_values_leave_as_they_are(value: str) -> None:
    assert guarded(value) == value


def test_columns_that_an_export_adds_are_passed_over(source: Source) -> None:
    content = "number,priority,first_name,dialerd_state,dialerd_attempts\n2025550101,1,Ada,failed,3\n"
    assert source.leads(content)[0].custom == {}


def test_every_other_column_of_a_lead_is_read(source: Source) -> None:
    content = (
        "number,priority,first_name,time_zone,skill,extension,number_2,number_3,Number 5\n"
        "+12025550101,1,Ada,Asia/Calcutta,billing,201,(202) 555-0111,,+442079460123\n"
    )
    (lead,) = source.leads(content)
    assert (lead.time_zone, lead.skill, lead.extension) == ("Asia/Calcutta", "billing", "201")
    assert lead.alternate_numbers == ("+12025550111", "+442079460123")


def test_more_numbers_of_a_lead_are_tried_in_the_order_of_their_names_and_none_twice(source: Source) -> None:
    content = (
        "number_3,number_2,number,priority,first_name,number_4\n"
        "2025550103,2025550102,2025550101,1,Ada,+1 202 555 0101\n"
    )
    (lead,) = source.leads(content)
    assert lead.alternate_numbers == ("+12025550102", "+12025550103")


def test_an_alternate_number_may_be_called_so(source: Source) -> None:
    (lead,) = source.leads("number,priority,first_name,Alt Number\n2025550101,1,Ada,2025550102\n")
    assert lead.alternate_numbers == ("+12025550102",)


def test_what_is_wrong_with_the_other_columns_is_told_and_no_number_is_repeated_in_full(source: Source) -> None:
    content = (
        "number,priority,first_name,time_zone,extension,number_2,retries\n"
        "2025550101,1,Ada,Europe/Atlantis,20 1,+1202555010299,+12025550103\n"
    )
    told = {column: (value, reason) for _, column, value, reason in source.flaws(content)}
    assert told["time_zone"] == ("Europe/Atlantis", "is no time zone: write it like Europe/London")
    assert "is no extension" in told["extension"][1]
    assert told["number_2"] == ("+1202****0299", "too long (country code +1)")
    assert told["retries"] == ("+120****0103", "is not a whole number from 1 to 5")


def test_premium_and_satellite_numbers_are_refused_with_the_reason(source: Source) -> None:
    flaws = source.flaws(HEADER + "+19005550123,1,Ada\n+881612345678,1,Ben\n")
    assert ["premium" in flaws[0][3], "satellite" in flaws[1][3]] == [True, True]


@pytest.mark.parametrize(
    "header", ["phone number,contact name,City", "Phone_Number;Contact Name;City", "Phone,Name,City"]
)
def test_a_list_of_phone_number_contact_name_and_custom_fields_needs_no_priority(header: str, source: Source) -> None:
    delimiter = ";" if ";" in header else ","
    (lead,) = source.leads(f"{header}\n" + delimiter.join(["2025550101", "Ada Nguyen", "Oslo"]) + "\n")
    assert lead == NewLead(number="+12025550101", first_name="Ada Nguyen", custom={"City": "Oslo"})


def test_a_list_of_the_first_kind_needs_its_priority(source: Source) -> None:
    assert "no column 'priority'" in source.problems("number,first_name\n2025550101,Ada\n")
    assert "no column 'priority'" in source.problems("phone,first_name\n2025550101,Ada\n")


def test_another_spelling_beside_the_column_itself_is_a_field_of_its_own(source: Source) -> None:
    (lead,) = source.leads("number,priority,first_name,name,phone\n2025550101,1,Ada,Nguyen Ltd,none\n")
    assert (lead.first_name, lead.custom) == ("Ada", {"name": "Nguyen Ltd", "phone": "none"})


def test_two_spellings_of_one_column_are_told(source: Source) -> None:
    told = source.problems("phone,Phone Number,name\n1,2,3\n")
    assert "names 'number' 2 times: 'phone', 'Phone Number'" in told


def test_the_accounts_limit_of_attempts_holds_for_a_lead(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("number,priority,first_name,retries\n2025550101,1,Ada,9\n", encoding="utf-8")
    (refused,) = read_leads(file, default_region="US")
    (taken,) = read_leads(file, default_region="US", most_attempts=10)
    assert isinstance(refused, BadRow)
    assert isinstance(taken, GoodRow)


def test_who_asks_is_told_in_which_line_each_number_stood(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(HEADER + "2025550101,1,Ada\n\n2025550102,1,Ben\n2025550101,1,Ada\n", encoding="utf-8")
    lines: dict[str, int] = {}
    list(read_leads(file, default_region="US", lines=lines))
    assert lines == {"+12025550101": 2, "+12025550102": 4}


# --- Rows of other sources ----------------------------------------------------------------------------------------------


def test_fields_of_any_source_are_judged_as_those_of_a_file() -> None:
    values = {"number": "202-555-0101", "first_name": "Ada", "retries": "3", "skill": "billing", "Shoe size": "38"}
    assert judge_fields(7, values, "US") == GoodRow(
        line=7,
        lead=NewLead(
            number="+12025550101", first_name="Ada", max_attempts=3, skill="billing", custom={"Shoe size": "38"}
        ),
    )


def test_without_a_number_and_a_name_there_is_no_lead() -> None:
    row = judge_fields(7, {"priority": "x"}, "US")
    assert isinstance(row, BadRow)
    assert [(flaw.column, flaw.reason) for flaw in row.flaws[:2]] == [
        ("number", "is missing"),
        ("first_name", "is missing"),
    ]
    assert row.flaws[2].column == "priority"


def test_only_a_file_loses_the_apostrophe_before_a_formula() -> None:
    row = judge_fields(1, {"number": "2025550101", "first_name": "'=x"}, "US")
    assert isinstance(row, GoodRow)
    assert row.lead.first_name == "'=x"


# --- Files that people and programs really send -------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str, source: Source) -> None:
    content = end.join(["number,priority,first_name", "2025550101,1,Ada", "2025550102,1,Ben"])
    rows = source.rows(content.encode())
    assert [(type(row), row.line) for row in rows] == [(GoodRow, 2), (GoodRow, 3)]


@pytest.mark.parametrize(
    "number", ["2025550101.0", "2025550101,0", "2.025550101E9", "2.02556E+09", "+12025550101.00", "12025550101.5"]
)
def test_a_number_that_a_spreadsheet_made_a_decimal_is_refused(number: str, source: Source) -> None:
    ((_, column, _, reason),) = source.flaws(HEADER + f'"{number}",1,Ada\n')
    assert column == "number"
    assert "decimal" in reason or "has" in reason


@pytest.mark.parametrize("number", ["9" * 30, "9" * 41, "1" * 10_000, "+" + "9" * 25, "-1", "0", "1e999", "NaN", "∞"])
def test_a_huge_or_odd_number_is_a_bad_row_and_no_more(number: str, source: Source) -> None:
    ((line, column, value, _),) = source.flaws(HEADER + f"{number},1,Ada\n")
    assert (line, column) == (2, "number")
    assert len(value) <= 40


@pytest.mark.parametrize("priority", ["9" * 13, "1000001", "1.5", "1e3", "0x10", "\u0661", "--1", "1_000", " "])
def test_a_priority_is_a_whole_number_in_plain_digits(priority: str, source: Source) -> None:
    ((_, column, _, reason),) = source.flaws(HEADER + f"2025550101,{priority},Ada\n")
    assert column == "priority"
    assert "whole number" in reason or "missing" in reason


def test_a_value_of_a_million_characters_is_refused_clearly_and_the_next_row_is_read(source: Source) -> None:
    rows = source.rows(HEADER + "2025550101,1," + "x" * 900_000 + "\n2025550102,1,Ben\n")
    first, second = rows
    assert isinstance(first, BadRow)
    assert "longer than 131072 characters" in first.flaws[0].reason
    assert isinstance(second, GoodRow)


def test_where_a_value_of_many_lines_never_ends_no_line_of_it_is_taken_for_a_lead(source: Source) -> None:
    told = source.problems(HEADER + '2025550101,1,"Ada\n' + "2025550102,1,Ben\n" * 10_000)
    assert told == "line 2 opens a quotation mark that is not closed in 131072 characters"


def test_a_name_of_a_column_that_is_a_million_characters_long_is_told_in_short(source: Source) -> None:
    told = source.problems("number,priority,first_name," + "x" * 500_000 + "\n")
    assert "cannot be the name of a column" in told
    assert len(told) < 500


def test_a_quotation_mark_that_is_never_closed_takes_no_good_row_with_it_unseen(source: Source) -> None:
    rows = source.rows(HEADER + '2025550101,1,"Ada\n' + "2025550102,1,Ben\n" * 20)
    (row,) = rows
    assert isinstance(row, BadRow)
    assert "lines 2 to 22" in row.flaws[0].reason


@pytest.mark.parametrize("column", ["number", "priority", "first_name", "note", "City"])
def test_a_nul_is_refused_wherever_it_stands(column: str, source: Source) -> None:
    row = {"number": "2025550101", "priority": "1", "first_name": "Ada", "note": "x", "City": "x"}
    row[column] = row[column][:1] + "\x00" + row[column][1:]
    ((_, told, value, _),) = source.flaws(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    assert told == column
    assert "\x00" not in value


def test_a_binary_file_is_refused_as_a_whole(source: Source) -> None:
    assert source.problems(b"PK\x03\x04\x14\x00\x06\x00" + bytes(range(256)) * 20)


@pytest.mark.parametrize(
    "header", ["number,priority,first_name", "number;priority;first_name\r\n", "\ufeffnumber\tpriority\tfirst_name\r"]
)
def test_a_header_without_rows_has_no_leads_however_it_is_written(header: str, source: Source) -> None:
    assert source.rows(header.encode()) == []


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEADER + text).encode()))
def test_whatever_is_in_a_file_its_rows_are_good_or_bad_or_it_is_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("any") / "leads.csv"
    file.write_bytes(content)
    try:
        rows = list(read_leads(file, default_region="US"))
    except UnreadableSource:
        return
    assert all(row.line >= 2 for row in rows)
    assert all(
        flaw.reason and flaw.value.isprintable() for row in rows if isinstance(row, BadRow) for flaw in row.flaws
    )


@given(
    text=st.text(st.characters(categories=["L", "N", "P", "S"]) | st.sampled_from("'=+-@\n"), min_size=1, max_size=30)
)
def test_any_text_that_is_written_with_the_guard_is_no_formula_and_comes_back_as_it_was(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("guarded") / "leads.csv"
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(
            [("number", "priority", "first_name", "note"), ("2025550101", 1, "x", guarded(text))]
        )
    (row,) = read_leads(file, default_region="US")
    assert isinstance(row, GoodRow)
    assert row.lead.note == text.strip()
    assert not guarded(text).startswith(("=", "+", "-", "@"))
