"""A Postgres that a drill may stop, kill, starve and fill up: its own server, apart from the one that the other tests share.

The daemon comes to it as a user without special rights, as in production; the drill is the superuser.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlencode

import asyncpg

from dialerd.store.migrate import migrate
from dialerd.store.postgres_binaries import Binaries, find_binaries

PATIENCE_S = 60.0
POLL_S = 0.02
SUPERUSER, USER, DATABASE = "postgres", "dialerd", "drill"

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Death: TypeAlias = Literal["fast", "immediate", "kill -9"]
_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill -9": signal.SIGKILL}


@dataclass(kw_only=True)
class OwnPostgres:
    """One data directory in `folder`; runs between `start` and `die`."""

    folder: Path
    binaries: Binaries
    uid: int | None
    gid: int | None
    """As whom it runs, for it does not as root; None: as ourselves."""
    settings: Mapping[str, str] = field(default_factory=dict)
    tables: Path | None = None
    """Where the tables lie, if not in the data directory."""
    wal: Path | None = None
    """Where its log of changes lies, if not there."""
    _process: asyncio.subprocess.Process | None = None

    @property
    def dsn(self) -> str:
        """The daemon's way in."""
        return self._dsn(USER, DATABASE)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    async def superuser(self, database: str = DATABASE, **settings: str) -> Session:
        """A session that nothing but itself ends: the caller closes it."""
        named = {"application_name": "drill", **settings}
        return await asyncpg.connect(self._dsn(SUPERUSER, database), timeout=5, server_settings=named)

    @asynccontextmanager
    async def session(self, **settings: str) -> AsyncIterator[Session]:
        """Somebody else's, of the superuser; gone afterwards, with all that it holds."""
        session = await self.superuser(**settings)
        try:
            yield session
        finally:
            session.terminate()

    async def start(self) -> None:
        """Returns once it takes connections. After `kill -9` what is left of the old server has to go first."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self._process is None or self._process.returncode is not None:
                    self._process = await self._spawn()
                with suppress(OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, TimeoutError):
                    session = await self.superuser("postgres")
                    session.terminate()
                    return
                await asyncio.sleep(POLL_S)

    async def die(self, how: Death) -> None:
        """Returns once the server's main process has ended."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(_SIGNALS[how])
            await self._process.wait()

    async def initialize(self) -> None:
        """It runs, and has a migrated database."""
        await asyncio.to_thread(self._initdb)
        await self.start()
        session = await self.superuser("postgres")
        try:
            await session.execute(f"CREATE ROLE {USER} LOGIN")
            place = "pg_default" if self.tables is None else "small"
            if self.tables is not None:
                await session.execute(f"CREATE TABLESPACE small LOCATION '{self.tables}'")
            await session.execute(f"CREATE DATABASE {DATABASE} OWNER {USER} TABLESPACE {place}")
        finally:
            await session.close()
        await migrate(self.dsn)

    def _dsn(self, user: str, database: str) -> str:
        return f"postgresql:///{database}?" + urlencode({"host": str(self.folder), "user": user})

    def _initdb(self) -> None:
        command = [str(self.binaries.initdb), "-D", str(self._data), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
        options = ["--locale=C.UTF-8", "--no-instructions", "--no-sync", "--wal-segsize=1"]
        options += ["--waldir", str(self.wal / "wal")] if self.wal else []
        subprocess.run(
            [*command, *options], check=True, capture_output=True, cwd=self.folder, user=self.uid, group=self.gid
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    async def _spawn(self) -> asyncio.subprocess.Process:
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), **self.settings}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                self.binaries.postgres,
                *("-D", str(self._data), *options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self.uid,
                group=self.gid,
            )


@asynccontextmanager
async def own_postgres(**settings: str) -> AsyncIterator[OwnPostgres]:
    """To be initialized; gone afterwards. `settings` are those of postgresql.conf."""
    folder = Path(tempfile.mkdtemp(prefix="dialerd-"))
    folder.chmod(0o755)
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    uid, gid = (owner.pw_uid, owner.pw_gid) if owner else (None, None)
    if uid is not None and gid is not None:
        os.chown(folder, uid, gid)
    server = OwnPostgres(folder=folder, binaries=find_binaries(), uid=uid, gid=gid, settings=settings)
    try:
        yield server
    finally:
        await server.die("immediate")
        shutil.rmtree(folder)


@dataclass(frozen=True, kw_only=True)
class SmallDisk:
    folder: Path

    def fill(self) -> None:
        """To the last byte."""
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            for piece in (1_000_000, 4096, 1):
                with suppress(OSError):
                    while ballast.write(b"-" * piece):
                        pass

    def relieve(self) -> None:
        (self.folder / "ballast").unlink()


@contextmanager
def small_disk(server: OwnPostgres, name: str, *, megabytes: int) -> Iterator[SmallDisk]:
    """Mounted into the server's folder, and the server's own."""
    folder = server.folder / name
    folder.mkdir()
    with mounted(folder, megabytes=megabytes, owner=f"uid={server.uid},gid={server.gid}") as disk:
        yield disk


@contextmanager
def mounted(folder: Path, *, megabytes: int, owner: str = "uid=0") -> Iterator[SmallDisk]:
    """A file system in memory. Root alone can mount."""
    options = f"size={megabytes}m,mode=0700,{owner}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield SmallDisk(folder=folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
