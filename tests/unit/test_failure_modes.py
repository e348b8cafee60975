"""The table of tests/faults/README.md has a row for each way of failing, and names drills that exist."""

import re

import pytest

from tests.unit.test_sentences import TESTS, functions_of

MODES = range(1, 51)
TABLE = (TESTS / "faults" / "README.md").read_text(encoding="utf-8").partition("\n## What fails")[2]

_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_DRILL = re.compile(r"`((?:\.\./)?[\w/]+\.py)(?:::(?:\w+::)?(test_\w+))?`")

ROWS: list[tuple[str, str, str, str]] = _ROW.findall(TABLE)
NAMED = sorted({drill for _, _, drills, _ in ROWS for drill in _DRILL.findall(drills)})


def test_each_way_of_failing_has_its_row() -> None:
    assert [int(mode) for mode, *_ in ROWS] == list(MODES)


@pytest.mark.parametrize(("mode", "drills", "seen"), [(mode, drills, seen) for mode, _, drills, seen in ROWS])
def test_each_row_names_a_drill_and_what_was_seen(mode: str, drills: str, seen: str) -> None:
    assert _DRILL.findall(drills), f"F{mode}: name a drill"
    assert seen.strip(), f"F{mode}: say what was seen"


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_drill_that_is_named_exists(file: str, name: str) -> None:
    path = (TESTS / "faults" / file).resolve().relative_to(TESTS)
    assert (TESTS / path).is_file(), f"{file}: there is no such file any more: mend tests/faults/README.md"
    assert not name or name in functions_of(str(path)), f"{file}: no {name} any more: mend tests/faults/README.md"
