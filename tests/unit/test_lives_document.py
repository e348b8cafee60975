"""The diagrams in the documentation are those of the tables."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_printed_lives_are_those_of_the_tables() -> None:
    printed = subprocess.run(
        [sys.executable, DOCS / "print_lives.py"], check=True, capture_output=True, text=True
    ).stdout
    assert (DOCS / "lives.md").read_text(encoding="utf-8") == printed, "run `make docs`"
