"""Backup and restore, retention, completion: what keeps an installation well."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dialerd.domain.campaigns import CampaignAction
from dialerd.store.migrate import migrate
from tests.daemon import free_port
from tests.integration.cli.conftest import Dialerd

LEADS = "".join(f"+120255501{number},1,Ada{number}\n" for number in range(10, 30))


def in_database(dsn: str, *statements: str) -> list[Any]:
    """The first value of each one's answer, in its order."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(dsn)
        try:
            return [await connection.fetchval(statement) for statement in statements]
        finally:
            await connection.close()

    return asyncio.run(run())


TABLES = (
    "SELECT array_agg(oid::regclass::text) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
)


def content(dsn: str) -> dict[str, str]:
    """A checksum of each table's rows."""
    [tables] = in_database(dsn, TABLES)
    rows = "SELECT md5(coalesce(string_agg(one::text, E'\\n' ORDER BY one::text), '')) FROM {table} AS one"
    return dict(zip(tables, in_database(dsn, *(rows.format(table=table) for table in tables)), strict=True))


# --- backup and restore ------------------------------------------------------------------------------------------------


def test_what_is_restored_is_what_was_backed_up(
    dialerd: Dialerd, database: str, empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialerd.campaign(leads=LEADS)
    dialerd("dnc", "add", "+12025550199")
    before = content(database)
    file = tmp_path / "dialerd.backup"
    assert dialerd("backup", str(file), "--json").json == {"file": str(file), "bytes": file.stat().st_size}
    assert file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("DIALERD_DATABASE__DSN", empty_database)
    assert "campaigns that ran are paused: 0" in dialerd("restore", str(file)).out
    assert content(empty_database) == before
    assert "nothing to do" in dialerd("migrate").out
    assert "Spring" in dialerd("campaign", "list").out


def test_a_campaign_that_ran_is_paused_by_a_restore(
    dialerd: Dialerd, empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls that it has made since the backup are not in it: its leads would be called again."""
    dialerd.campaign(leads=LEADS)
    dialerd.in_stores(lambda stores: stores.campaigns.act(1, CampaignAction.START))
    dialerd("backup", str(tmp_path / "file"))
    monkeypatch.setenv("DIALERD_DATABASE__DSN", empty_database)
    assert dialerd("restore", str(tmp_path / "file"), "--json").json["campaigns_paused"] == 1
    assert dialerd("campaign", "list", "--json").json[0]["status"] == "paused"


def test_a_database_that_is_not_empty_is_replaced_by_force_alone(
    dialerd: Dialerd, database: str, tmp_path: Path
) -> None:
    dialerd.campaign(leads=LEADS)
    before = content(database)
    dialerd("backup", str(tmp_path / "file"))
    dialerd("dnc", "add", "+12025550199")
    assert "--force" in dialerd.refused("restore", str(tmp_path / "file"))
    dialerd("restore", str(tmp_path / "file"), "--force")
    assert content(database) == before


def test_a_backup_that_cannot_be_read_leaves_the_database_as_it_is(
    dialerd: Dialerd, database: str, tmp_path: Path
) -> None:
    dialerd.campaign(leads=LEADS)
    before = content(database)
    told = dialerd.refused("restore", dialerd.file("nonsense", "bad.backup"), "--force")
    assert "pg_restore" in told
    assert content(database) == before


def test_nothing_is_restored_under_the_feet_of_a_daemon(dialerd: Dialerd, database: str, tmp_path: Path) -> None:
    dialerd("backup", str(tmp_path / "file"))

    async def beside() -> str:
        connection = await asyncpg.connect(database, server_settings={"application_name": "dialerd"})
        try:
            return await asyncio.to_thread(dialerd.refused, "restore", str(tmp_path / "file"), "--force")
        finally:
            await connection.close()

    assert "stop its services first" in asyncio.run(beside())


def test_a_backup_is_not_written_over_another_one(dialerd: Dialerd, tmp_path: Path) -> None:
    file = dialerd.file("precious", "old.backup")
    assert "is there already" in dialerd.refused("backup", file, status=2)
    assert Path(file).read_text() == "precious"
    dialerd("backup", file, "--force")
    assert Path(file).read_bytes().startswith(b"PGDMP")
    assert "cannot be written" in dialerd.refused("backup", str(tmp_path / "nowhere" / "file"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.backup"]


# --- retention ---------------------------------------------------------------------------------------------------------

MOMENTS = """
    CREATE TABLE moments AS
    SELECT now() - interval '400 days' AS at UNION ALL SELECT now()
"""
OLD_AND_NEW = (
    "SELECT ensure_activity_partition(min(at)) FROM moments",
    "INSERT INTO activity (at, campaign_id, fact) SELECT at, 1, 'edited' FROM moments, generate_series(1, 3)",
    "INSERT INTO audit_log (at, actor, action, status) SELECT at, 'user anna', 'POST /x', 200 FROM moments",
    "INSERT INTO jobs (account_id, kind, state, created_by, ended_at) SELECT 1, 'dnc_upload', 'done', 'anna', at FROM moments",
    "DELETE FROM outbox",
    "INSERT INTO outbox (at, type, account_id, data) SELECT at, 'ping', 1, '{}' FROM moments",
    "INSERT INTO outbox (at, type, account_id, data) SELECT min(at), 'ping', 1, '{}' FROM moments",
    "INSERT INTO webhook_deliveries (webhook_id, outbox_id, stream) SELECT 1, min(id), 1 FROM outbox",
)
"""Of each kind one from more than a year ago, and one of today; one old event is still to be told."""
OLD_CALLS = (
    """INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, admitted_by, state, opened_at, ended_at,
                             outcome)
       SELECT gen_random_uuid(), campaign_id, leads.id, 1, number, 'sales', 'a', 1, '{}', 'ended', old.at, old.at, 'busy'
       FROM leads, (SELECT min(at) AS at FROM moments) AS old WHERE leads.id <= 3""",
    """INSERT INTO recordings (attempt_id, node, name, state, recorded_at, duration_s, bytes, sha256)
       SELECT id, 'a', 'x', (CASE lead_id WHEN 2 THEN 'deleted' ELSE 'stored' END)::recording_state, opened_at, 1, 1, ''
       FROM attempts WHERE lead_id IN (2, 3)""",
)
"""One without a recording, one whose recording is deleted, and one whose recording is there."""


def make_old(dsn: str) -> None:
    in_database(dsn, MOMENTS, *OLD_AND_NEW)


def test_what_is_old_goes_and_what_is_new_or_still_wanted_stays(dialerd: Dialerd, database: str) -> None:
    dialerd.campaign(leads=LEADS)
    make_old(database)
    in_database(database, *OLD_CALLS)
    wanted = {
        "activity": 3,
        "recordings": 1,
        "offers": 0,
        "attempts": 0,
        "outbox": 1,
        "jobs": 1,
        "audit_log": 1,
        "sessions": 0,
    }
    assert dialerd("purge", "--older-than", "90d", "--dry-run", "--json").json["rows"] == wanted
    dialerd("campaign", "cancel", "Spring")
    told = dialerd("purge", "--older-than", "90d", "--dry-run", "--json").json
    assert told["rows"] == wanted | {"attempts": 2}
    assert datetime.now(UTC) - datetime.fromisoformat(told["older_than"]) >= timedelta(days=90)
    assert dialerd("purge", "--older-than", "90d", "--json").json["rows"] == wanted | {"attempts": 2}
    left = in_database(
        database,
        "SELECT count(*) FROM activity WHERE at < now() - interval '90 days'",
        "SELECT count(*) FROM activity WHERE fact = 'edited'",
        "SELECT array_agg(lead_id) FROM attempts",
        "SELECT count(*) FROM outbox WHERE type = 'ping'",
        "SELECT count(*) FROM leads",
    )
    assert left == [0, 3, [3], 2, 20]
    assert set(dialerd("purge", "--older-than", "90d", "--json").json["rows"].values()) == {0}


def test_a_month_that_is_over_goes_as_a_whole(dialerd: Dialerd, database: str) -> None:
    dialerd.campaign()
    make_old(database)
    months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'activity'::regclass"
    [before] = in_database(database, months)
    dialerd("purge", "--older-than", "90d")
    assert in_database(database, months) == [before - 1]


@pytest.mark.parametrize(
    ("age", "said"), [("30d", "less than 35d"), ("soon", "no length of time"), ("9999999999d", "no length")]
)
def test_what_rules_still_look_at_is_not_removed(dialerd: Dialerd, age: str, said: str) -> None:
    assert said in dialerd.refused("purge", "--older-than", age, status=2)


# --- completion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(dialerd: Dialerd, shell: str) -> None:
    assert "_DIALERD_COMPLETE" in dialerd("completion", shell).out


def test_bash_completes_commands(dialerd: Dialerd) -> None:
    asked = "COMP_WORDS=(dialerd camp); COMP_CWORD=1; _dialerd_completion dialerd; echo ${COMPREPLY[@]}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = f"{dialerd('completion', 'bash').out}\n{asked}"
    completed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert "campaign" in completed.stdout.split(), completed.stderr


def test_migrations_make_the_functions_that_retention_needs(empty_database: str) -> None:
    asyncio.run(migrate(empty_database))
    assert in_database(empty_database, "SELECT drop_activity_months(now() - interval '90 days')") == [0]


# --- exit statuses and JSON --------------------------------------------------------------------------------------------


def test_every_command_that_says_something_says_it_as_json_too(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEADS)
    assert "Spring" in dialerd("campaign", "cancel", "Spring", "--json").json["message"]
    assert dialerd("dnc", "add", "+12025550199", "--json").json["message"]
    assert dialerd("dnc", "add", "+12025550198").out.startswith("+1")
    assert "is paused" not in dialerd.refused("campaign", "start", "Spring", "--json")


def test_help_tells_the_exit_statuses(dialerd: Dialerd) -> None:
    told = " ".join(dialerd("--help").out.split())
    assert "0 done; 1 refused, failed" in told
    assert "78 the settings are wrong" in told


# --- the web service and systemd ---------------------------------------------------------------------------------------


def test_the_web_service_tells_systemd_that_it_is_up_lives_and_ends(
    dialerd: Dialerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        said = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "200000",
            "DIALERD_WEB__PORT": str(free_port()),
        }
        service = subprocess.Popen([sys.executable, "-m", "dialerd.cli", "web"], env={**os.environ, **said})
        try:
            assert manager.recv(200).startswith(b"READY=1")
            assert [manager.recv(200), manager.recv(200)] == [b"WATCHDOG=1"] * 2
            service.send_signal(signal.SIGTERM)
            while (message := manager.recv(200)) == b"WATCHDOG=1":
                pass
            assert message.startswith(b"STOPPING=1")
            assert service.wait(60) == 0
        finally:
            service.kill()
            service.wait()
