"""Migrations: each once, in order, by whoever comes first; and the schema that they make speaks the words of the domain."""

import asyncio
import zipfile
from dataclasses import replace
from enum import StrEnum
from importlib import resources
from pathlib import Path

import asyncpg
import pytest

from dialerd.domain.caller_id import CallerIdType, Rotation
from dialerd.domain.calls import AnsweredBy, AttemptState, CallFlow, DialMode, NoAgent
from dialerd.domain.campaigns import Alternates, CampaignStatus, Gate, MachineDetection, OnCap, PreviewOrder, Target
from dialerd.domain.leads import LeadState
from dialerd.domain.offers import OfferState
from dialerd.domain.outcomes import Outcome
from dialerd.domain.recordings import RecordingState
from dialerd.errors import MigrationChanged, MigrationFailed
from dialerd.store.migrate import Migration, migrate, migrations
from dialerd.store.pool import Pool
from dialerd.store.sql_files import sql_folder

EXTRA = Migration(name="999_extra.sql", sql="CREATE TABLE extra (id int); INSERT INTO extra VALUES (1)")
BROKEN = Migration(name="999_extra.sql", sql="CREATE TABLE extra (id int); SELECT 1 / 0")


async def test_five_daemons_that_migrate_at_once_apply_each_file_once(empty_database: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database) for _ in range(5)))
    assert sorted(applied, key=len) == [[], [], [], [], [migration.name for migration in migrations()]]


async def test_a_second_run_changes_nothing(database: str) -> None:
    assert await migrate(database) == []


async def test_a_new_file_is_applied_to_an_old_database(database: str) -> None:
    assert await migrate(database, [*migrations(), EXTRA]) == [EXTRA.name]


async def test_a_changed_file_is_refused_by_name_and_nothing_is_applied(database: str) -> None:
    first, *others = migrations()
    changed = replace(first, sql=first.sql + "\n-- just one more thought")
    with pytest.raises(MigrationChanged, match=first.name):
        await migrate(database, [changed, *others, EXTRA])
    assert await tables(database, "extra") == []


async def test_a_file_that_fails_leaves_no_trace_and_can_be_mended(database: str) -> None:
    with pytest.raises(MigrationFailed, match=r"^999_extra\.sql failed: division by zero"):
        await migrate(database, [*migrations(), BROKEN])
    assert await tables(database, "extra") == []
    assert await migrate(database, [*migrations(), EXTRA]) == [EXTRA.name]


async def test_an_older_daemon_leaves_a_newer_database_alone(database: str) -> None:
    await migrate(database, [*migrations(), EXTRA])
    assert await migrate(database) == []


async def test_activity_has_a_partition_for_this_month_and_the_next(database: str) -> None:
    assert len(await tables(database, "activity_2%")) == 2


def test_an_installed_package_brings_its_own_sql(monkeypatch: pytest.MonkeyPatch, packaged: Path) -> None:
    monkeypatch.setattr(resources, "files", lambda _: packaged)
    assert sql_folder() == packaged / "sql"


def test_migrations_are_read_from_a_package_that_is_not_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "dialerd.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for migration in migrations():
            bundle.writestr(f"migrations/{migration.name}", migration.sql)
    with zipfile.ZipFile(archive) as bundle:
        assert migrations(zipfile.Path(bundle, "migrations/")) == migrations()


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    (tmp_path / "sql").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("campaign_status", CampaignStatus),
        ("dial_mode", DialMode),
        ("lead_state", LeadState),
        ("attempt_state", AttemptState),
        ("outcome", Outcome),
        ("rotation", Rotation),
        ("alternates", Alternates),
        ("caller_id_type", CallerIdType),
        ("call_flow", CallFlow),
        ("target", Target),
        ("gate", Gate),
        ("preview_order", PreviewOrder),
        ("no_agent", NoAgent),
        ("machine_detection", MachineDetection),
        ("on_cap", OnCap),
        ("answered_by", AnsweredBy),
        ("offer_state", OfferState),
        ("recording_state", RecordingState),
    ],
)
async def test_an_enum_of_the_database_has_the_words_of_the_domain(
    pool: Pool, type_name: str, words: type[StrEnum]
) -> None:
    stored = await pool.fetchval(
        "SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = $1::text::regtype",
        type_name,
    )
    assert sorted(stored) == sorted(words)


@pytest.mark.parametrize("type_name", ["attempt_state", "lead_state"])
async def test_the_states_of_a_call_stand_in_the_order_of_its_life(pool: Pool, type_name: str) -> None:
    """`record_progress` compares them: forward is greater."""
    of_both = [AttemptState.DIALING, AttemptState.RINGING, AttemptState.ANSWERED]
    life = list(AttemptState) if type_name == "attempt_state" else of_both
    stored = await pool.fetchval(f"SELECT enum_range(NULL::{type_name})::text[]")
    assert [word for word in stored if word in life] == [str(state) for state in life]


async def tables(dsn: str, pattern: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE $1", pattern)
        return [row["relname"] for row in rows]
    finally:
        await connection.close()
