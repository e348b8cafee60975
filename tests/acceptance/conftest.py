"""What acceptance tests share: a laboratory at its beginning, a daemon of its own for each test, and a desk to work at."""

import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from dialerd.store.pool import Pool
from tests.acceptance.desk import Desk, LawBroken
from tests.daemon import Daemon, running_daemon
from tests.first_sounds import hear
from tests.lab import Lab, SpoiledEvidence
from tests.starvation import Starvation

LOG_TAIL = 12_000
HAS_PASSED = pytest.StashKey[bool]()
IMPATIENT = {"DIALERD_DIALER__HOLD_MARGIN": "2s", "DIALERD_DIALER__DRAIN_TIMEOUT": "2s"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """So that fixtures know afterwards whether their test has passed."""
    report = yield
    if report.when == "call":
        item.stash[HAS_PASSED] = report.passed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """What failed while the machine stood still is no evidence; a broken law is one all the same."""
    with Starvation() as starvation:
        try:
            return (yield)
        except LawBroken:
            raise
        except (Exception, pytest.fail.Exception) as failure:
            if said := starvation.said():
                raise SpoiledEvidence(said) from failure
            raise


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[Lab]:
    """Leads pick up soon and talk shortly; agents pick up at once. A PBX that a test has restarted has a new session."""
    async with Lab.running() as lab:
        first = lab.pbx
        hear(lab)
        await lab.reset()
        await lab.set_fates(ring_s=(0.2, 0.4), talk_s=(2, 2.5), voice=False)
        await lab.set_agents(ring_s=(0.1, 0.2))
        yield lab
        await lab.reset()
        if lab.pbx is not first:
            await lab.pbx.close()


@pytest_asyncio.fixture
async def daemon(lab: Lab, database: str) -> AsyncIterator[Daemon]:
    async with impatient_daemon(lab, database) as daemon:
        yield daemon


@asynccontextmanager
async def impatient_daemon(lab: Lab, database: str, **environment: str) -> AsyncIterator[Daemon]:
    """Ready, on a database that outlives it, and with less patience than usual. Its log is shown if the test fails."""
    environment = {"DIALERD_DATABASE__DSN": as_url(database), **IMPATIENT, **environment}
    async with running_daemon(lab, **environment) as daemon:
        yield daemon
        sys.stderr.write(daemon.log.read_text(encoding="utf-8")[-LOG_TAIL:])


def as_url(dsn: str) -> str:
    """With the two slashes that settings ask for, also where the host is not between them but a socket's folder."""
    return f"postgresql:///{dsn.partition(':')[2].lstrip('/')}"


@pytest_asyncio.fixture
async def desk(request: pytest.FixtureRequest, lab: Lab, daemon: Daemon, pool: Pool) -> AsyncIterator[Desk]:
    """After a test that has passed the referee judges everything that was dialed, whatever the test itself has looked at. What its
    records cannot tell, the test says by `@pytest.mark.beyond_the_record(L7="why")`, or to `desk.judge`."""
    desk = Desk(lab, daemon, pool)
    for marker in request.node.iter_markers("beyond_the_record"):
        desk.waived |= marker.kwargs.keys()
    yield desk
    if request.node.stash.get(HAS_PASSED, False):
        await desk.conclude()
