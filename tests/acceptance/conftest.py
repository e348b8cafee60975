"""What acceptance tests share: a laboratory at its beginning, a daemon of its own for each test, and a desk to work at."""

import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dialerd.store.pool import Pool
from tests.acceptance.desk import Desk
from tests.daemon import Daemon, running_daemon
from tests.lab import Lab

LOG_TAIL = 12_000
IMPATIENT = {"DIALERD_DIALER__HOLD_MARGIN": "2s", "DIALERD_DIALER__DRAIN_TIMEOUT": "2s"}


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[Lab]:
    """Leads pick up soon and talk shortly; agents pick up at once. A PBX that a test has restarted has a new session."""
    async with Lab.running() as lab:
        first = lab.pbx
        await lab.reset()
        await lab.set_fates(ring_s=(0.2, 0.4), talk_s=(1, 1.5), voice=False)
        await lab.set_agents(ring_s=(0.1, 0.2))
        yield lab
        await lab.reset()
        if lab.pbx is not first:
            await lab.pbx.close()


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str) -> AsyncIterator[Daemon]:
    """Ready, on a database that outlives it, and with less patience than usual. Its log is shown if the test fails."""
    async with running_daemon(lab, DIALERD_DATABASE__DSN=as_url(database), **IMPATIENT) as daemon:
        yield daemon
        sys.stderr.write(daemon.log.read_text(encoding="utf-8")[-LOG_TAIL:])


def as_url(dsn: str) -> str:
    """With the two slashes that settings ask for, also where the host is not between them but a socket's folder."""
    return f"postgresql:///{dsn.partition(':')[2].lstrip('/')}"


@pytest.fixture
def desk(lab: Lab, daemon: Daemon, pool: Pool) -> Desk:
    return Desk(lab, daemon, pool)
