"""What systemd is told, and what it asks for: ready, stopping, a status line, a sign of life. Elsewhere: nothing."""

import asyncio
import os
import socket
from datetime import timedelta


def ready(status: str) -> bool:
    """The start is over: units that wait for us may go on."""
    return notify(f"READY=1\nSTATUS={_one_line(status)}")


def stopping(status: str) -> bool:
    return notify(f"STOPPING=1\nSTATUS={_one_line(status)}")


def say(status: str) -> bool:
    """The line that `systemctl status` shows."""
    return notify(f"STATUS={_one_line(status)}")


def alive() -> bool:
    """The sign of life that the watchdog waits for."""
    return notify("WATCHDOG=1")


def watchdog_interval() -> timedelta | None:
    """How often to give a sign of life: half of what the unit's WatchdogSec allows. None: nobody waits for it."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        allowed = int(os.environ["WATCHDOG_USEC"])
    except (KeyError, ValueError):
        return None
    return timedelta(microseconds=allowed) / 2 if allowed > 0 else None


async def stay_alive(every: timedelta) -> None:
    """Give signs of life for as long as the event loop turns. Never ends."""
    while True:
        alive()
        await asyncio.sleep(every.total_seconds())


def notify(message: str) -> bool:
    """Send to the socket that systemd named (sd_notify(3)); whether there was one and it took the message.

    A service manager that does not listen is no reason to stop making calls, so nothing is raised.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagrams:
            datagrams.setblocking(False)
            return datagrams.sendto(message.encode(), address) > 0
    except OSError:
        return False


def _one_line(text: str) -> str:
    return " ".join(text.split())
