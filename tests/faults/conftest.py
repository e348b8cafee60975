"""Drills use what acceptance tests use: a laboratory, a daemon on a database that outlives it, and a desk to work at. Those of a line to
Asterisk have their daemon behind it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.acceptance.conftest import daemon as daemon
from tests.acceptance.conftest import desk as desk
from tests.acceptance.conftest import lab as lab
from tests.acceptance.conftest import pytest_pyfunc_call as pytest_pyfunc_call
from tests.acceptance.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.faults.lines import AMI_PORT, ARI_PORT
from tests.faults.proxy import FaultProxy
from tests.lab import Lab


@pytest_asyncio.fixture
async def ami_line(lab: Lab) -> AsyncIterator[FaultProxy]:
    async with FaultProxy.to(lab.pbx_address, AMI_PORT) as line:
        yield line


@pytest_asyncio.fixture
async def ari_line(lab: Lab) -> AsyncIterator[FaultProxy]:
    async with FaultProxy.to(lab.pbx_address, ARI_PORT) as line:
        yield line
