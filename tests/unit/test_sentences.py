"""The table of the specifications' sentences in tests/README.md names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SECTION = (TESTS / "README.md").read_text(encoding="utf-8").partition("\n## The specifications' sentences\n")[2]

_ROW = re.compile(r'^\| (".*) \| (.*) \|$', re.MULTILINE)
_HEAD = "| Sentence | Test |\n|---|---|\n"
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")

ROWS: list[tuple[str, str]] = _ROW.findall(SECTION.partition("\n## ")[0])
NAMED = sorted({test for _, tests in ROWS for test in _TEST.findall(tests)})


@cache
def functions_of(file: str) -> frozenset[str]:
    """Those of a file that pytest could collect, whatever they are parametrized with."""
    body = ast.parse((TESTS / file).read_text(encoding="utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    found = [*body, *(node for each in classes for node in each.body)]
    return frozenset(node.name for node in found if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_every_line_of_the_tables_is_read() -> None:
    """A row that is written otherwise would be passed over in silence."""
    lines = [line for line in SECTION.replace(_HEAD, "").splitlines() if line.startswith("|")]
    assert len(ROWS) == len(lines) > 0


@pytest.mark.parametrize(("sentence", "tests"), ROWS, ids=[sentence for sentence, _ in ROWS])
def test_every_sentence_has_a_test(sentence: str, tests: str) -> None:
    assert _TEST.sub("", tests).replace(",", "").strip() == "", f"{sentence}: write `file.py::test_name`, `...`"
    assert _TEST.findall(tests), f"{sentence}: name a test"


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_a_sentence_names_exists(file: str, name: str) -> None:
    assert (TESTS / file).is_file(), f"{file}: there is no such file of tests any more: mend tests/README.md"
    assert name in functions_of(file), f"{file}: there is no {name} any more: mend tests/README.md"
