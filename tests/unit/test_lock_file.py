"""The lock and the project's own list of dependencies say the same."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "constraints.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]

_PIN = re.compile(r"^([a-z0-9-]+)==([0-9][\w.]*)(?: ; [^\\]+)? \\$", re.MULTILINE)
_LINE = re.compile(rf"{_PIN.pattern}|^    --hash=sha256:[0-9a-f]{{64}}(?: \\)?$|^ *#.*$")


@pytest.mark.parametrize("line", REQUIREMENTS)
def test_every_dependency_is_locked_at_a_version_it_allows(line: str) -> None:
    wanted = Requirement(line)
    locked = dict(_PIN.findall(LOCK))
    assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)])


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    assert [line for line in LOCK.splitlines() if not _LINE.match(line)] == []


def test_what_the_documents_make_of_it_for_pip_names_every_package_with_its_version() -> None:
    """`pip install -c` takes a lock with hashes for a demand that the wheel has one, too, and refuses it."""
    found = re.search(r"`grep -oE '([^']+)' constraints\.txt > versions\.txt`", (ROOT / "docs/install.md").read_text())
    assert found
    lines = [line for line in LOCK.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert re.findall(found[1], LOCK, re.MULTILINE) == [line.split()[0] for line in lines]


def test_every_locked_package_has_a_hash() -> None:
    blocks = re.split(r"(?m)^(?=[a-z0-9-]+==)", LOCK)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_address() -> None:
    assert not re.search(r"://|@ |file:|index|find-links", LOCK)
