import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dialerd import __version__
from dialerd.cli import app
from tests.integration.cli.conftest import Dialerd


def test_the_tables_are_made_once(empty_database: str, dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_DATABASE__DSN", empty_database)
    assert "run `dialerd migrate`" in dialerd.refused("campaign", "list")
    assert "applied: 001_core.sql" in dialerd("migrate").out
    assert "nothing to do" in dialerd("migrate").out
    dialerd("campaign", "list")


def test_without_a_dsn_a_command_has_a_database_of_its_own(
    reachable_folder: Path, dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIALERD_DATABASE__DSN")
    monkeypatch.setenv("DIALERD_DATABASE__STATE_DIR", str(reachable_folder / "own"))
    dialerd.campaign(leads="+12025550101,1,Ada\n")
    assert "Spring" in dialerd("campaign", "list").out


def test_wrong_settings_end_with_the_status_that_systemd_does_not_restart(
    dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_AMI__PORT", "many")
    told = dialerd.refused("campaign", "list", status=78)
    assert "DIALERD_AMI__PORT" in told
    dialerd.refused("run", status=78)


def test_a_daemon_without_logins_does_not_start(dialerd: Dialerd) -> None:
    told = dialerd.refused("run", status=78)
    assert "ami.secret: missing" in told
    assert "ari.password: missing" in told


def test_a_database_that_cannot_be_reached_is_told(dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_DATABASE__DSN", "postgresql://nobody:sesame@127.0.0.1:1/none")
    told = dialerd.refused("campaign", "list")
    assert "database cannot be reached" in told
    assert "sesame" not in told


def test_a_check_names_what_is_missing_and_goes_on(dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_ARI__BASE_URL", "http://127.0.0.1:1")
    answer = dialerd.answer("check", "--json")
    assert answer.status == 1
    verdicts = {verdict["what"]: verdict["ok"] for verdict in answer.json}
    assert verdicts == {
        "database": True,
        "schema": True,
        "clock": True,
        "old transactions": True,
        "compliance profiles": True,
        "AMI": False,
        "ARI": False,
        "web": True,
    }


def test_a_check_names_the_campaign_whose_profile_is_gone_and_the_file_that_cannot_be_read(
    dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_ARI__BASE_URL", "http://127.0.0.1:1")
    dialerd.campaign()
    dialerd.in_stores(lambda stores: stores.campaigns.edit(1, {"profile": "mine"}))
    out = dialerd.answer("check").out
    assert "FAILED  compliance profiles: Spring asks for mine, which is not known" in out
    monkeypatch.setenv("DIALERD_COMPLIANCE__PROFILE_FILE", dialerd.file("id = 1", "mine.toml"))
    (profiles,) = [one for one in dialerd.answer("check", "--json").json if one["what"] == "compliance profiles"]
    assert not profiles["ok"]
    assert "mine.toml" in profiles["says"]


def test_a_check_names_the_campaign_whose_voice_menu_is_not_there(
    dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_ARI__BASE_URL", "http://127.0.0.1:1")
    dialerd("campaign", "create", "Spring", "--target", "menu", "--menu", "appointment", "--queue", "sales")
    assert "FAILED  voice menus: Spring leads to appointment, which there is not" in dialerd.answer("check").out
    dialerd("menu", "import", dialerd.file(dialerd("menu", "sample").out, "menu.toml"))
    assert "ok      voice menus: appointment known" in dialerd.answer("check").out
    dialerd("campaign", "cancel", "Spring")
    assert "voice menus" not in dialerd.answer("check").out


def test_a_check_sees_a_database_without_tables(
    empty_database: str, dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_DATABASE__DSN", empty_database)
    monkeypatch.setenv("DIALERD_ARI__BASE_URL", "http://127.0.0.1:1")
    answer = dialerd.answer("check")
    assert "FAILED  schema: 001_core.sql" in answer.out
    assert "dialerd migrate" in answer.out


def test_secrets_are_hidden_when_settings_are_shown(dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_AMI__SECRET", "sesame")
    shown = dialerd("config", "show").out + dialerd("config", "show", "--json").out
    assert "ami.port" in shown
    assert "sesame" not in shown
    assert "postgresql://" not in shown


def test_help_is_there_for_every_command() -> None:
    for arguments in (
        ["--help"],
        ["campaign", "create", "--help"],
        ["campaign", "edit", "--help"],
        ["campaign", "schedule", "--help"],
        ["account", "edit", "--help"],
        ["explain", "lead", "--help"],
        ["leads", "import", "--help"],
        ["menu", "import", "--help"],
        ["agent", "disposition", "--help"],
        ["recordings", "list", "--help"],
        ["status", "--help"],
    ):
        assert CliRunner().invoke(app, arguments).exit_code == 0


@pytest.mark.integration
def test_the_module_is_the_program_and_ends_without_a_traceback() -> None:
    def dialerd(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "DIALERD_HTTP__PORT": "none"}
        command = [sys.executable, "-m", "dialerd.cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert dialerd("--version").stdout == f"dialerd {__version__}\n"
    wrong = dialerd("campaign", "list")
    assert (wrong.returncode, wrong.stdout) == (78, "")
    assert "DIALERD_HTTP__PORT" in wrong.stderr
    assert dialerd("nonsense").returncode == 2
