"""All texts of the portal: one TOML file a noun and language beside this file. For another language, translate the files in `en/` into a
folder of its own."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGE = "en"


class Texts:
    """Of one file. `say("play")`, `say("leads_added", count=3)`; `say("fields.name.help")` is in the table [fields.name]."""

    def __init__(self, noun: str, texts: Mapping[str, Any]) -> None:
        self._noun = noun
        self._texts = texts

    def __call__(self, key: str, /, **values: object) -> str:
        found: Any = self._texts
        for part in key.split("."):
            found = found[part]
        if not isinstance(found, str):
            raise KeyError(f"{self._noun}.toml: {key} is no text")
        return found.format(**values) if values else found

    def has(self, key: str) -> bool:
        found: Any = self._texts
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return False
            found = found[part]
        return isinstance(found, str)

    def options(self, table: str) -> dict[str, str]:
        """A table of texts: what may be chosen, and how it is shown."""
        found: Any = self._texts
        for part in table.split("."):
            found = found[part]
        return {key: str(text) for key, text in found.items()}


@cache
def texts(noun: str) -> Texts:
    """Of `<noun>.toml`."""
    return Texts(noun, tomllib.loads((files(__name__) / LANGUAGE / f"{noun}.toml").read_text("utf-8")))
