"""The machine under the daemon: too few file descriptors, memory over a long life, a process or an event loop that stands still, and
settings that are changed while it runs."""

import asyncio
import gc
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from dialerd.asterisk.events import EventReader
from dialerd.asterisk.queue_monitor import QueueMonitor
from dialerd.clock import SYSTEM_CLOCK
from dialerd.dialer.vital_signs import BLOCKED_S, LOOK_S, SPARE_FILES, VitalSigns
from dialerd.domain.calls import AttemptState, hunt_channel_id, hunt_queue_channel_id
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HoldReason
from tests.acceptance.desk import BUSY, PATIENCE_S, PERSON, Desk, now, some
from tests.daemon import Daemon
from tests.lab import Lab

AGENTS = ("1010", "1011", "1012", "1013")


def told(daemon: Daemon, event: str) -> list[dict[str, Any]]:
    """The lines of its log with this event."""
    lines = daemon.log.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line["event"] == event]


# --- F42: file descriptors --------------------------------------------------------------------------------------------


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def allow_files(pid: int, most: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))


@pytest.mark.acceptance
async def test_a_daemon_that_runs_out_of_file_descriptors_starts_no_calls_serves_those_it_has_and_goes_on_afterwards(
    desk: Desk, lab: Lab
) -> None:
    """F42: the limit is lowered under the running daemon, first so that few are left, then below what is open."""
    pid, enough = desk.daemon.pid, resource.prlimit(desk.daemon.pid, resource.RLIMIT_NOFILE)[0]
    agents = await desk.staff(*AGENTS)
    await lab.set_fates(ring_s=(0.2, 0.2), talk_s=(8, 8))
    talker, *others = some(8, PERSON)
    campaign = await desk.dial([talker, *others], calls_per_second=2, concurrency=1)
    await desk.until_call_is(talker, AttemptState.CONNECTED)
    allow_files(pid, open_files(pid) + SPARE_FILES // 2)
    await desk.edit("--concurrency", "5")
    await desk.until_held(campaign, HoldReason.FILES_SHORT)
    assert "files" in await desk.daemon.get("/readyz")
    assert "hardly a file descriptor" in await desk.explained()
    allow_files(pid, open_files(pid))
    assert await desk.until_outcome(talker) is Outcome.CONNECTED
    await desk.until_silent()
    assert [call.dialed for call in lab.calls("lead")] == [talker.lstrip("+")]
    assert desk.talk_of(talker) > 5
    allow_files(pid, enough)
    await lab.set_fates(talk_s=(3, 3))
    await desk.until_completed(campaign)
    assert desk.daemon.pid == pid
    assert told(desk.daemon, "file_descriptors_run_short")
    assert told(desk.daemon, "file_descriptors_suffice_again")
    await desk.judge(campaign, agents=agents)


# --- F43: memory ------------------------------------------------------------------------------------------------------

EVENTS_A_CALL = 20
CALLS = 50_000
MOST_LEFT_BEHIND = 5_000
"""Blocks of memory that may be held on to after a million events: caches of the interpreter, not one for each call."""


def lead_news(attempt: UUID, number: int) -> list[tuple[str, dict[str, str]]]:
    """What AMI tells of one call that is hunted, queued and ended, and of two strangers meanwhile."""
    lead, near, far = str(attempt), str(hunt_channel_id(attempt, 1)), str(hunt_queue_channel_id(attempt, 1))
    agent = {"Queue": "q1", "Interface": f"PJSIP/{1001 + number % 100}"}
    stranger = {"Uniqueid": f"1700000000.{number}", "Channel": f"PJSIP/{number}", "Queue": "q1"}
    return [
        ("Newchannel", {"Uniqueid": lead, "Channel": f"PJSIP/carrier-{number:08x}"}),
        ("Newstate", {"Uniqueid": lead, "ChannelState": "5"}),
        ("Newstate", {"Uniqueid": lead, "ChannelState": "6"}),
        ("Newchannel", {"Uniqueid": near, "Channel": f"Local/q1@dialerd-hunt-{number:08x};1"}),
        ("Newchannel", {"Uniqueid": far, "Channel": f"Local/q1@dialerd-hunt-{number:08x};2"}),
        ("QueueCallerJoin", {"Queue": "q1", "Uniqueid": far, "Channel": f"Local/q1@dialerd-hunt-{number:08x};2"}),
        ("QueueCallerJoin", stranger),
        ("QueueMemberStatus", {**agent, "Status": "1", "Paused": "0"}),
        ("AgentCalled", {**agent, "Uniqueid": far}),
        ("QueueMemberStatus", {**agent, "Status": "6", "Paused": "0"}),
        ("AgentRingNoAnswer", {**agent, "Uniqueid": far}),
        ("AgentCalled", {**agent, "Uniqueid": far}),
        ("AgentConnect", {**agent, "Uniqueid": far}),
        ("UserEvent", {"UserEvent": "DialerdMessage", "Attempt": lead}),
        ("QueueCallerLeave", {"Queue": "q1", "Uniqueid": far}),
        ("QueueCallerAbandon", stranger),
        ("AgentComplete", {**agent, "Uniqueid": far}),
        ("Hangup", {"Uniqueid": near, "Cause": "16"}),
        ("Hangup", {"Uniqueid": far, "Cause": "16"}),
        ("Hangup", {"Uniqueid": lead, "Cause": "16", "TechCause": "SIP 200"}),
    ]


def live_through(reader: EventReader, queues: QueueMonitor, calls: int) -> int:
    """How many events said something of our calls."""
    understood = 0
    for number in range(calls):
        attempt = uuid4()
        reader.watch_lead(attempt)
        reader.watch_hunt(attempt, 1)
        reader.watch_menu_sound(attempt, 1)
        for name, headers in lead_news(attempt, number):
            queues.feed(name, headers)
            understood += reader.read_ami(name, headers) is not None
        reader.forget(attempt)
    return understood


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_a_million_events_leave_nothing_behind() -> None:
    """F43: what reads the events of calls and queues, over 50,000 calls with 20 events each."""
    reader, queues = EventReader(), QueueMonitor(now=time.monotonic)
    live_through(reader, queues, 1_000)
    gc.collect()
    before = sys.getallocatedblocks()
    understood = live_through(reader, queues, CALLS)
    gc.collect()
    assert understood >= 10 * CALLS
    assert CALLS * EVENTS_A_CALL == 1_000_000
    assert sys.getallocatedblocks() - before < MOST_LEFT_BEHIND


# --- F44: a process, or an event loop, that stands still --------------------------------------------------------------

STANDS_STILL_S = 3.0


@pytest.mark.acceptance
async def test_a_daemon_that_stood_still_says_for_how_long_makes_up_for_nothing_and_goes_on(
    desk: Desk, lab: Lab
) -> None:
    """F44: SIGSTOP for 3 s while it dials five calls a second, and SIGCONT."""
    agents = await desk.staff(*AGENTS)
    campaign = await desk.dial(some(50, BUSY), calls_per_second=5)
    await desk.until_seen(5)
    os.kill(desk.daemon.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    await lab.wait_for(lambda: time.monotonic() - stopped > STANDS_STILL_S, PATIENCE_S)
    os.kill(desk.daemon.pid, signal.SIGCONT)
    await desk.until_completed(campaign)
    [*_, longest] = sorted(line["seconds"] for line in told(desk.daemon, "event_loop_blocked"))
    assert longest >= STANDS_STILL_S - LOOK_S
    blocked_s = await desk.metric("dialerd_event_loop_blocked_seconds_total")
    assert blocked_s is not None
    assert blocked_s >= longest - 0.01
    await desk.judge(campaign, agents=agents)


async def test_a_call_that_does_not_give_way_to_the_event_loop_is_noticed() -> None:
    """F44: a synchronous call of more than a second."""
    signs = VitalSigns(SYSTEM_CLOCK, on_change=lambda: None)
    looking = asyncio.create_task(signs.run())
    await asyncio.sleep(0)
    time.sleep(BLOCKED_S + LOOK_S)
    for _ in range(3):  # the loop turns again, and finds how late it is
        await asyncio.sleep(0)
    looking.cancel()
    assert signs.blocked_s >= BLOCKED_S


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    """What the daemon has said since the last look."""
    said = []
    with suppress(BlockingIOError):
        while True:
            said.append(manager.recv(1000).decode())
    return said


@pytest.mark.acceptance
async def test_a_daemon_that_stands_still_gives_systemd_no_sign_of_life(
    daemon: Daemon, lab: Lab, manager: socket.socket
) -> None:
    """F44: WatchdogSec; who gives none is killed by systemd (test_daemon_dies.py has what follows from that)."""
    await daemon.stop()
    daemon.environment |= {"NOTIFY_SOCKET": str(manager.getsockname()), "WATCHDOG_USEC": "1000000"}
    await daemon.start()
    await lab.wait_for(lambda: "WATCHDOG=1" in heard(manager), PATIENCE_S)
    os.kill(daemon.pid, signal.SIGSTOP)
    heard(manager)
    stopped = time.monotonic()
    await lab.wait_for(lambda: time.monotonic() - stopped > STANDS_STILL_S, PATIENCE_S)
    assert heard(manager) == []
    os.kill(daemon.pid, signal.SIGCONT)
    await lab.wait_for(lambda: "WATCHDOG=1" in heard(manager), PATIENCE_S)
    assert await daemon.stop(signal.SIGABRT) == -signal.SIGABRT, "what systemd sends then"
    assert "in run_forever" in daemon.log.read_text(encoding="utf-8").rpartition("Fatal Python error: Aborted")[2], (
        "where it stood"
    )


# --- F45: settings that are read again --------------------------------------------------------------------------------


async def reload(desk: Desk, settings: str, outcome: str) -> dict[str, Any]:
    """Write the file, send SIGHUP, and wait until the daemon has told what came of it."""
    before = len(told(desk.daemon, outcome))
    (desk.daemon.folder / "dialerd.toml").write_text(settings, encoding="utf-8")
    os.kill(desk.daemon.pid, signal.SIGHUP)
    await desk.lab.wait_for(lambda: len(told(desk.daemon, outcome)) > before, PATIENCE_S)
    return told(desk.daemon, outcome)[-1]


@pytest.mark.acceptance
async def test_settings_that_cannot_be_used_change_nothing_and_others_are_in_force_as_far_as_a_running_daemon_can(
    desk: Desk, lab: Lab
) -> None:
    """F45: SIGHUP three times in the midst of dialing: a mistyped file, one that is none, and a good one."""
    config, pid = desk.file("dialerd.toml"), desk.daemon.pid
    await desk.daemon.stop()
    config.write_text("[trunk]\nmax_calls_per_second = 1.0\n", encoding="utf-8")
    desk.daemon.environment["DIALERD_CONFIG"] = str(config)
    await desk.daemon.start()
    assert desk.daemon.pid != pid
    agents, pid = await desk.staff(*AGENTS), desk.daemon.pid
    campaign = await desk.dial(some(40, BUSY), calls_per_second=20)
    await desk.until_seen(2)
    mistyped = await reload(desk, "[trunk]\nmax_calls_per_secnd = 10.0\n", "settings_not_reloaded")
    assert "trunk.max_calls_per_secnd: there is no such setting" in mistyped["why"]
    assert "is not TOML" in (await reload(desk, "[trunk", "settings_not_reloaded"))["why"]
    good = '[trunk]\nmax_calls_per_second = 10.0\n[log]\nlevel = "debug"\n[dialer]\nhold_margin = "9s"\n[ami]\nport = 5039\n'
    asked = now()
    reloaded = await reload(desk, good, "settings_reloaded")
    assert reloaded["in_force"] == ["log.level", "trunk.max_calls_per_second"]
    assert reloaded["at_the_next_start"] == ["ami.port"]
    await desk.until_completed(campaign)
    invites = [call.invite for call in desk.calls_in_order()]
    before, after = [one for one in invites if one < asked], [one for one in invites if one > asked]
    assert len(before) <= (asked - before[0]).total_seconds() + 2  # one a second, and those at both ends
    assert (after[-1] - after[0]) / (len(after) - 1) < timedelta(seconds=0.5)
    assert [line for line in desk.daemon.log.read_text(encoding="utf-8").splitlines() if '"level": "debug"' in line]
    assert desk.daemon.pid == pid
    await desk.judge(campaign, agents=agents)
