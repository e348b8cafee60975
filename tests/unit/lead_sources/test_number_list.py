from pathlib import Path

import pytest

from dialerd.lead_sources.base import BadRow, UnreadableSource
from dialerd.lead_sources.number_list import ListedNumber, read_numbers


def numbers(folder: Path, content: str, region: str = "US") -> list[ListedNumber | BadRow]:
    path = folder / "numbers.txt"
    path.write_text(content, encoding="utf-8")
    return list(read_numbers(path, default_region=region))


def test_plain_lines_are_numbers(tmp_path: Path) -> None:
    assert numbers(tmp_path, "# asked on Monday\n202-555-0101\n\n+44 20 7946 0101\n") == [
        ListedNumber(line=2, number="+12025550101"),
        ListedNumber(line=4, number="+442079460101"),
    ]


def test_of_a_table_the_column_number_is_taken(tmp_path: Path) -> None:
    assert numbers(tmp_path, 'why;Number\n"a;b";202-555-0101\n') == [ListedNumber(line=2, number="+12025550101")]


def test_what_is_no_number_is_told_with_its_line(tmp_path: Path) -> None:
    good, bad, wide = numbers(tmp_path, "number,why\n2025550101,x\n12,x\n2025550102,x,y\n"[:-1])
    assert isinstance(good, ListedNumber)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.flaws[0].column, bad.flaws[0].value) == (3, "number", "****")
    assert isinstance(wide, BadRow)


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_is_told(content: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="is empty"):
        numbers(tmp_path, content)
