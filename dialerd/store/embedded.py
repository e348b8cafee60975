"""A Postgres of our own, for evaluation and tests: started in the state directory where no DSN is configured.

The server is a child of this process, listens on a unix socket that only its own user and root can reach, and dies with
us. A second process finds it running and shares it; when the one that started it goes, the other starts it anew.
"""

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
import structlog

from dialerd.errors import DialerdError, SettingsError, StoreUnavailable
from dialerd.settings import DatabaseSettings
from dialerd.store.postgres_binaries import Binaries, copied_to, find_binaries

log = structlog.get_logger(__name__)

NAME = "dialerd"
"""Of the database, and of its only user."""
START_TRIES = 5
START_TIMEOUT_S = 60.0
"""Also covers the recovery after a crash, and the shutdown of a server whose process has just died."""
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02
WATCH_S = 0.5
LOG_LIMIT = 10_000_000
"""Bytes of the server's log; a start that finds more begins a new one."""
SOCKET_LIMIT = 107
"""Bytes that the path of a unix socket may have."""

_SOCKET_NAME = ".s.PGSQL.5432"
_SAFETY = ("fsync", "synchronous_commit", "full_page_writes")


@asynccontextmanager
async def database(settings: DatabaseSettings) -> AsyncIterator[str]:
    """The DSN of the configured database, else of one of our own: that of a running dialerd, or one for as long as we live.

    Raises what `embedded_postgres` raises.
    """
    if settings.dsn is not None:
        yield settings.dsn.get_secret_value()
        return
    async with embedded_postgres(settings.state_dir) as dsn:
        yield dsn


@asynccontextmanager
async def embedded_postgres(state_dir: Path, *, durable: bool = True) -> AsyncIterator[str]:
    """The DSN of a running server, which is kept running meanwhile. `durable=False` is for tests: faster, and not safe.

    Raises SettingsError where none can run, StoreUnavailable where it does not come up in time.
    """
    server = _Server(_Home.of(state_dir), durable=durable)
    await server.ensure()
    watcher = asyncio.create_task(server.keep_running(), name="embedded-postgres")
    try:
        yield server.dsn
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        await server.stop()


@dataclass(frozen=True, kw_only=True)
class _Home:
    """The server's folder and the user it runs as: ourselves, or for root somebody with fewer rights."""

    folder: Path
    uid: int
    gid: int

    @classmethod
    def of(cls, state_dir: Path) -> "_Home":
        folder = state_dir.resolve() / "postgres"
        try:
            folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            user = _server_user(folder)
            _make_private(folder, user)
        except PermissionError as refused:
            raise SettingsError(f"{folder} belongs to somebody else: run as that user or as root") from refused
        home = cls(folder=folder, uid=user.pw_uid, gid=user.pw_gid)
        if not home.can_reach(folder):
            raise SettingsError(
                f"the user {user.pw_name}, as whom Postgres must run, cannot enter {folder}: choose another state directory"
            )
        return home

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def can_reach(self, path: Path) -> bool:
        return all(self._may_enter(folder) for folder in (path, *path.parents))

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return bool(status.st_mode >> shift & 1)

    def socket_folder(self) -> Path:
        """In our folder; where its path is too long for a socket, in a short one that a link in our folder leads to."""
        folder = self.folder / "run"
        if len(os.fsencode(folder / _SOCKET_NAME)) > SOCKET_LIMIT:
            if not folder.exists():
                folder.unlink(missing_ok=True)
                folder.symlink_to(tempfile.mkdtemp(prefix="dialerd-"))
            folder = folder.readlink()
        _make_private(folder, pwd.getpwuid(self.uid))
        return folder

    def major(self) -> int | None:
        """The version that the data directory was written by."""
        version = self.data / "PG_VERSION"
        return int(version.read_text()) if version.exists() else None

    def server_pid(self) -> int | None:
        """The process that serves the data directory now. A number that has gone to another process does not count."""
        pid, arguments = self._pid_file()
        return pid if os.fsencode(self.data) in arguments else None

    def forget_recycled_pid(self) -> None:
        """Postgres judges a pid file by itself, but takes any living process of its user for a server."""
        pid, arguments = self._pid_file()
        if arguments and os.fsencode(self.data) not in arguments:
            log.info("stale_pid_file_removed", pid=pid)
            (self.data / "postmaster.pid").unlink()

    def _pid_file(self) -> tuple[int | None, list[bytes]]:
        """The number in it, and how that process was called; nothing where there is none."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            return pid, Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None, []


def _server_user(folder: Path) -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for place in (folder, folder.parent):  # whoever it has been made for, for example the service
        if place.exists() and (owner := place.stat().st_uid) != 0:
            return pwd.getpwuid(owner)
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _make_private(folder: Path, owner: pwd.struct_passwd) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    folder.chmod(0o700)


class _Server:
    def __init__(self, home: _Home, *, durable: bool) -> None:
        self._home = home
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = home.folder

    @property
    def dsn(self) -> str:
        return f"postgresql:///{NAME}?" + urlencode({"host": str(self._socket), "user": NAME})

    async def ensure(self) -> None:
        """The server runs: somebody else's, or else ours. Two processes that come at once go one after the other."""
        with (self._home.folder / "lock").open("w") as lock:
            await _locked(lock.fileno())
            self._socket = self._home.socket_folder()
            if await self._is_up() or await self._predecessor_answers():
                return
            binaries = await asyncio.to_thread(self._ready_binaries)
            for _ in range(START_TRIES):
                self._process = self._start(binaries)
                if await self._comes_up(self._process):
                    await self._create_database()
                    return
            raise SettingsError(f"Postgres does not start: {self._last_words()}")

    async def keep_running(self) -> None:
        """Start it anew when it has gone: with the process that had started it, or by an accident."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._is_running():
                continue
            log.warning("embedded_postgres_gone")
            try:
                await self.ensure()
            except DialerdError as failure:
                log.error("embedded_postgres_failed", why=str(failure))

    async def stop(self) -> None:
        """A fast shutdown of a server that is ours: sessions are ended, nothing is lost."""
        if self._process is None:
            return
        for signal_number in (signal.SIGINT, signal.SIGQUIT):
            self._process.send_signal(signal_number)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, STOP_TIMEOUT_S)
                return

    def _is_running(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return True
        self._process = None
        return self._home.server_pid() is not None

    async def _is_up(self) -> bool:
        try:
            connection = await self._connect("postgres")
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            return False
        except asyncpg.TooManyConnectionsError:
            return True
        await connection.close(timeout=STOP_TIMEOUT_S)
        return True

    async def _connect(self, database: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(host=str(self._socket), port=5432, user=NAME, database=database, timeout=5)

    async def _predecessor_answers(self) -> bool:
        """Wait for a server that is starting, or is closing since its process has died. False: there is none any more."""
        async with _in_time("another server of this state directory neither answers nor ends"):
            while self._home.server_pid() is not None:
                if await self._is_up():
                    return True
                await asyncio.sleep(POLL_S)
        return False

    def _ready_binaries(self) -> Binaries:
        """What can serve the data directory, which is made if there is none."""
        home = self._home
        binaries = find_binaries(home.major())
        if not home.can_reach(binaries.folder):
            binaries = copied_to(home.folder, binaries)
        if not home.data.exists():
            self._initialize(binaries)
        return binaries

    def _initialize(self, binaries: Binaries) -> None:
        """Under another name first: what carries the right one is complete."""
        unfinished = self._home.data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["--auth-local=trust", "--auth-host=reject", f"--username={NAME}", "--encoding=UTF8"]
        options += ["--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
        options += [] if self._durable else ["--no-sync"]
        with tempfile.TemporaryFile() as said:
            initdb = self._spawn([str(binaries.initdb), "-D", str(unfinished), *options], output=said.fileno())
            if initdb.wait() != 0:
                said.seek(0)
                raise SettingsError(f"initdb could not make {unfinished}: {said.read().decode(errors='replace')}")
        unfinished.rename(self._home.data)

    def _start(self, binaries: Binaries) -> "subprocess.Popen[bytes]":
        self._home.forget_recycled_pid()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": '"' + str(self._socket).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            # Without the details of errors, which quote what is in the rows.
            "log_error_verbosity": "terse",
            **dict.fromkeys(_SAFETY, "on" if self._durable else "off"),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log_file = self._home.folder / "log"
        too_long = log_file.exists() and log_file.stat().st_size > LOG_LIMIT
        with log_file.open("wb" if too_long else "ab") as output:
            return self._spawn([str(binaries.postgres), "-D", str(self._home.data), *options], output=output.fileno())

    def _spawn(self, command: list[str], *, output: int) -> "subprocess.Popen[bytes]":
        """A child in a session of its own, so that Ctrl-C in a terminal does not reach it before we are done with it."""
        home, us = self._home, [str(os.getpid()), str(self._home.uid), str(self._home.gid), str(int(signal.SIGINT))]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("dies_with_parent.py")), *us, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=home.folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )

    async def _comes_up(self, process: "subprocess.Popen[bytes]") -> bool:
        """False: it has ended instead, for example because sessions of a killed predecessor still have its memory."""
        async with _in_time("the embedded Postgres does not answer"):
            while not await self._is_up():
                if process.poll() is not None:
                    return False
                await asyncio.sleep(POLL_S)
        return True

    async def _create_database(self) -> None:
        connection = await self._connect("postgres")
        try:
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", NAME):
                await connection.execute(f"CREATE DATABASE {NAME}")
        finally:
            await connection.close(timeout=STOP_TIMEOUT_S)

    def _last_words(self) -> str:
        log_file = self._home.folder / "log"
        return " / ".join(log_file.read_text(errors="replace").splitlines()[-3:]) if log_file.exists() else "no log"


@asynccontextmanager
async def _in_time(complaint: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            yield
    except TimeoutError:
        raise StoreUnavailable(complaint) from None


async def _locked(lock: int) -> None:
    """Until the file is closed."""
    async with _in_time("another process has been starting the embedded Postgres for too long"):
        while True:
            with suppress(BlockingIOError):
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            await asyncio.sleep(POLL_S)
