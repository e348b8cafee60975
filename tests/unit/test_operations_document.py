"""What is said in docs/operations.md of alerts, and what stands in docs/hooks.md of the dialplan, are there and no others."""

import re
from pathlib import Path

from dialerd.asterisk import variables

ROOT = Path(__file__).parents[2]


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    rules = "".join(file.read_text() for file in (ROOT / "docker" / "prometheus" / "rules").glob("*.yml"))
    wanted = set(re.findall(r"runbook: docs/operations\.md#([\w-]+)", rules))
    assert wanted
    assert wanted == set(re.findall(r"^### ([\w-]+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))


def test_every_hook_is_in_the_dialplan_and_in_the_document() -> None:
    dialplan = (ROOT / "asterisk-config" / "extensions_dialerd_hooks.conf").read_text()
    document = (ROOT / "docs" / "hooks.md").read_text()
    for context in variables.HOOK_CONTEXTS:
        assert f"[{context}]" in dialplan
        assert context in document
