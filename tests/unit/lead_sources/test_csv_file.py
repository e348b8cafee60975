from pathlib import Path

import pytest

from dialerd.domain.leads import NewLead
from dialerd.lead_sources.base import BadRow, GoodRow, UnreadableSource
from dialerd.lead_sources.csv_file import guarded, read_leads, sample_csv

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


def test_a_file_of_sixteen_bit_characters_can_be_read_by_its_name(source: Source) -> None:
    content = (HEADER + "2025550101,1,José\n").encode("utf-16")
    assert "is not utf-8" in source.problems(content)
    assert source.leads(content, encoding="utf-16")[0].first_name == "José"


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
