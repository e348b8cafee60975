"""When each call's first sound came, so that the referee can tell silence from records (law L9).

An ear that listens for nothing else (docker/both/ear.py) runs for as long as this process uses the laboratory: once started it costs
a look at each packet of a call that has not heard anything yet.
"""

import atexit
import csv
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dialerd.audit import FarEndCall, Record
from tests.lab import LAB_SCRIPT, PATIENCE_S, Lab, LabError

FILE = "first_sounds.csv"
"""Beside the record of calls."""

_ears: dict[int, tuple["subprocess.Popen[str]", datetime]] = {}
"""By the number of the laboratory: the process, and since when it listens."""


def hear(lab: Lab) -> None:
    """Listen from now on, if nobody does. Quick where somebody does."""
    ear, _ = _ears.get(lab.number, (None, None))
    if ear is not None and ear.poll() is None:
        return
    started = subprocess.Popen(
        [sys.executable, str(LAB_SCRIPT), "hear", "--lab", str(lab.number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_stop, started)
    assert started.stdout is not None
    is_told, _, _ = select.select([started.stdout], [], [], PATIENCE_S)
    if not is_told or started.stdout.readline().strip() != "listening":
        raise LabError(f"the ear for first sounds did not start: another process may use laboratory {lab.number}")
    _ears[lab.number] = started, datetime.now(UTC)


def _stop(ear: "subprocess.Popen[str]") -> None:
    assert ear.stdin is not None
    ear.stdin.close()
    ear.wait(10)


def with_first_sounds(lab: Lab, record: Record) -> Record:
    """The record, with what was heard in the calls that began since somebody listens; as it is where nobody does."""
    ear, since = _ears.get(lab.number, (None, None))
    if ear is None or since is None or ear.poll() is not None:
        return record
    heard = dict(reversed(list(_first_sounds(lab.calls_csv.with_name(FILE)))))
    calls = [_with_sound(call, heard) if call.invite > since else call for call in record.calls]
    return replace(record, calls=calls, tells=record.tells | {"sounds"})


def _with_sound(call: FarEndCall, heard: dict[str, datetime]) -> FarEndCall:
    return replace(call, heard=heard.get(call.call_id), listened=True)


def _first_sounds(file: Path) -> Iterator[tuple[str, datetime]]:
    with file.open(newline="", encoding="utf-8") as lines:
        rows: Sequence[Sequence[str]] = list(csv.reader(lines))
    yield from ((call, datetime.fromtimestamp(float(epoch_s), UTC)) for call, epoch_s in rows)
