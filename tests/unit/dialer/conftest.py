"""Every test of the dialer runs in virtual time."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

from tests.fakes.clock import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual time": VirtualTimeLoop}
