"""All texts of the portal are in its files, and every file is read."""

import re
from pathlib import Path

import pytest

from dialerd import portal
from dialerd.portal.texts import LANGUAGE, texts

FOLDER = Path(portal.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))
_NAMED = re.compile(r'^(\w+) = texts(?:_of)?\("(\w+)"\)', re.MULTILINE)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_every_text_that_a_page_names_is_there(module: Path) -> None:
    source = module.read_text("utf-8")
    missing = [
        f"{noun}.toml: {key}"
        for name, noun in _NAMED.findall(source)
        for key in re.findall(rf'\b{name}\("([a-z0-9_.]+)"[,)]', source)
        if not texts(noun).has(key)
    ]
    assert missing == []


def test_every_file_of_texts_belongs_to_a_page() -> None:
    read = {noun for module in MODULES for _, noun in _NAMED.findall(module.read_text("utf-8"))}
    assert {file.stem for file in (FOLDER / "texts" / LANGUAGE).glob("*.toml")} == read
