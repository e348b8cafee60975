"""`dialerd compliance`, as a user meets it."""

import json
from pathlib import Path
from types import SimpleNamespace

from typer.testing import CliRunner, Result

from dialerd.cli.compliance import app
from dialerd.compliance import profiles
from dialerd.errors import NotFound

OWN = """
id = "own"
title = "Ours"
version = "3"
source = ["our lawyer"]
verified_on = 2026-05-01
extends = "us"
"""


def run(*arguments: str, own: Path | None = None) -> Result:
    session = SimpleNamespace(settings=SimpleNamespace(compliance=SimpleNamespace(profile_file=own)))
    return CliRunner().invoke(app, list(arguments), obj=session)


def test_the_list_names_every_profile_ones_own_too(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN, encoding="utf-8")
    answer = run("list", own=own)
    assert answer.exit_code == 0
    first_words = [line.split()[0] for line in answer.stdout.splitlines()]
    assert first_words == ["profile", "ca", "none", "uk", "us", "own"]


def test_every_rule_is_shown_with_what_it_binds_and_its_source() -> None:
    told = run("show", "us").stdout
    for text in (
        "us-fl-hours",
        "US-FL: 08:05-19:55",
        "US-RI: mon-fri 09:05-17:55; sat 10:05-16:55, not on",
        "ring_timeout_s >= 20",
        "customer_wait_sla_s <= 2",
        "3 calls to a number in 24 hours, 7 calls to a number in 7 days",
        "a caller ID is shown",
        "unknown_zone = block",
        "abandoned <= 3% of answered in each 30 days from the first start; an agent within 2 seconds",
        "no_agent = message_at_sla",
        "47 CFR 64.1200(c)(1)",
        "Not legal advice",
    ):
        assert text in told
    uk = run("show", "uk").stdout
    assert "none for 72 hours after an abandoned one" in uk
    assert "abandoned <= 3% of answered on each day; an agent within 2 seconds" in uk
    assert "Ofcom withdrew this safe level in 2017" in uk
    assert "abandoned <= 5% of answered in each month; an agent within 2 seconds" in run("show", "ca").stdout


def test_as_json_every_rule_is_there_with_its_dates() -> None:
    told = json.loads(run("show", "us", "--json").stdout)
    by_id = {rule["id"]: rule for rule in told["rules"]}
    assert set(by_id) == {rule.id for rule in profiles()["us"].rules}
    assert "2026-11-26" in by_id["us-ri-hours"]["closed_on"]
    assert {entry["id"] for entry in json.loads(run("list", "--json").stdout)} == set(profiles())


def test_a_profile_that_is_not_there_is_told() -> None:
    assert isinstance(run("show", "mars").exception, NotFound)
