import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dialerd import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd listens on, in both forms that it may have."""
    address = f"@dialerd-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield listening


def test_every_message_arrives(manager: socket.socket) -> None:
    assert systemd.ready("node a\nREADY=0")
    assert systemd.say("dialing")
    assert systemd.alive()
    assert systemd.stopping("no new calls")
    assert [manager.recv(100).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=node a READY=0",
        "STATUS=dialing",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=no new calls",
    ]


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all"])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not systemd.ready("node a")


@pytest.mark.parametrize(
    ("allowed", "pid", "interval"),
    [
        pytest.param("30000000", str(os.getpid()), timedelta(seconds=15), id="ours"),
        ("30000000", None, timedelta(seconds=15)),
        ("30000000", "1", None),
        ("soon", None, None),
        ("0", None, None),
        (None, None, None),
    ],
)
def test_the_sign_of_life_is_due_twice_as_often_as_the_watchdog_barks(
    allowed: str | None, pid: str | None, interval: timedelta | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", allowed), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert systemd.watchdog_interval() == interval
