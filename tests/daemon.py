"""A dialerd of its own against the laboratory's PBX: the daemon as a process, its CLI, an embedded Postgres that syncs to disk."""

import asyncio
import csv
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from tests.lab import DIALERD_AMI_LOGIN, DIALERD_ARI_LOGIN, Lab, LabError

BYTECODE = Path(tempfile.gettempdir()) / f"dialerd-bytecode-{os.getuid()}"
ANSWERS_WITHIN_S = 10.0
ENDS_WITHIN_S = 60.0
"""Longer than a daemon that is told to end takes by itself (`dialerd.ending`), with the patience of tests for calls that ring."""
AS_INSTALLED = {"PYTHONPYCACHEPREFIX": str(BYTECODE), "PYTHONDONTWRITEBYTECODE": ""}
"""An installed package has bytecode, wherever the sources are that run here, and whatever is usual on this machine. Without it each
command takes a second longer to start."""


def free_port() -> int:
    """Out of the range from which the kernel hands ports out: nobody gets it by chance before it is bound."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class CommandFailed(Exception):
    """A command refused; its message is what the user was told."""


class Daemon:
    """Everything a user has: the command, its settings in the environment, and the daemon, which may be killed and started again."""

    def __init__(self, lab: Lab, folder: Path, overrides: Mapping[str, str]) -> None:
        self.folder = folder
        self.http_port = free_port()
        self.log = folder / "daemon.log"
        self.environment = {
            **os.environ,
            **AS_INSTALLED,
            "DIALERD_DATABASE__STATE_DIR": str(folder / "state"),
            "DIALERD_AMI__HOST": lab.pbx_address,
            "DIALERD_AMI__USER": DIALERD_AMI_LOGIN[0],
            "DIALERD_AMI__SECRET": DIALERD_AMI_LOGIN[1],
            "DIALERD_ARI__BASE_URL": f"http://{lab.pbx_address}:8088",
            "DIALERD_ARI__USER": DIALERD_ARI_LOGIN[0],
            "DIALERD_ARI__PASSWORD": DIALERD_ARI_LOGIN[1],
            "DIALERD_HTTP__PORT": str(self.http_port),
            **overrides,
        }
        self._lab = lab
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start `dialerd run`, and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "dialerd.cli", "run", env=self.environment, stdout=log, stderr=log
            )
        await self._lab.wait_for(self.is_ready, timeout_s=60)

    async def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit status."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signum)
        process, self._process = self._process, None
        return await ended(process, self.log)

    def send_signal(self, signum: signal.Signals) -> None:
        """Without waiting for what it does."""
        os.kill(self.pid, signum)

    async def is_ready(self) -> bool:
        if self._process is None or self._process.returncode is not None:
            raise RuntimeError(f"dialerd has ended: {self.log.read_text(encoding='utf-8')[-4000:]}")
        return " 200 " in (await self.get("/readyz")).partition("\r\n")[0]

    async def get(self, path: str) -> str:
        """The whole HTTP answer; empty while nobody listens, or answers."""
        with suppress(OSError):
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.http_port)
                with closing(writer):
                    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                    return (await reader.read()).decode()
        return ""

    async def cli(self, *arguments: str, given: str = "") -> str:
        """Run one `dialerd` command as a user would, `given` on its standard input; what it printed. Raises CommandFailed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dialerd.cli", *arguments),
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(given.encode())
        if process.returncode != 0:
            raise CommandFailed(f"dialerd {' '.join(arguments)}: {err.decode()}{out.decode()}")
        return out.decode()

    async def import_leads(self, campaign: str, numbers: Iterable[str]) -> None:
        path = self.folder / f"{campaign}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["number", "priority", "first_name"])
            rows.writerows([number, 0, "Bench"] for number in numbers)
        await self.cli("leads", "import", campaign, str(path))

    @property
    def pid(self) -> int:
        assert self._process is not None, "start() first"
        return self._process.pid

    def cpu_s(self) -> float:
        """Processor seconds that the daemon has used so far, user and system, without its Postgres."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


@asynccontextmanager
async def running_daemon(lab: Lab, **overrides: str) -> AsyncIterator[Daemon]:
    """A ready daemon with an empty database; `overrides` are settings as environment variables. Its log is shown if the test fails."""
    with tempfile.TemporaryDirectory(prefix="dialerd-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the embedded Postgres runs as another user
        daemon = Daemon(lab, folder, overrides)
        try:
            await daemon.start()
            yield daemon
        except BaseException:
            sys.stderr.write(daemon.log.read_text(encoding="utf-8")[-8000:])
            raise
        finally:
            await daemon.stop()


@asynccontextmanager
async def running_web(daemon: Daemon, **overrides: str) -> AsyncIterator[str]:
    """`dialerd web` beside a daemon, over the same database: its address, once it answers. Its log is shown if the test fails."""
    async with web_process({**daemon.environment, **overrides}, daemon.folder) as address:
        yield address


@asynccontextmanager
async def web_process(environment: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    """`dialerd web` with these variables: its address, once it answers. Its log is in the folder, and shown if something fails."""
    port = free_port()
    log = folder / "web.log"
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "dialerd.cli", "web"),
            env={**environment, "DIALERD_WEB__PORT": str(port)},
            stdout=file,
            stderr=file,
        )
    try:
        async with asyncio.timeout(60):
            while not await _listens(port):
                if process.returncode is not None:
                    raise RuntimeError("dialerd web has ended")
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    except BaseException:
        sys.stderr.write(log.read_text(encoding="utf-8")[-8000:])
        raise
    finally:
        if process.returncode is None:
            process.terminate()
        await ended(process, log)


async def ended(process: asyncio.subprocess.Process, log: Path) -> int:
    """The exit status. One that does not end in time is killed, after it has said in its log where it stood; raises LabError."""
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            return await process.wait()
    except TimeoutError:
        pass
    process.send_signal(signal.SIGCONT)  # a test may have failed while it was frozen
    process.send_signal(signal.SIGABRT)
    await process.wait()
    raise LabError(f"dialerd did not end: {log.read_text(encoding='utf-8')[-8000:]}")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
