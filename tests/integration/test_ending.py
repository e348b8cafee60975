"""A process that was told to end ends, whatever keeps it, and says what that was."""

import asyncio
import sys

import pytest

pytestmark = pytest.mark.integration

STUBBORN = """
import asyncio
from dialerd.ending import end_soon

async def stays():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def work():
    task = asyncio.create_task(stays(), name="stubborn")
    await asyncio.sleep(0)
    end_soon({within_s})
    task.cancel()

asyncio.run(work())
"""
FROZEN = """
import asyncio, time
from dialerd.ending import end_soon

def stands_still():
    time.sleep(60)

async def work():
    end_soon({within_s})
    stands_still()

asyncio.run(work())
"""
WILLING = """
import asyncio
from dialerd.ending import end_soon

async def work():
    end_soon({within_s})

asyncio.run(work())
"""


async def ended(program: str, within_s: float) -> tuple[int | None, str]:
    """The exit status, and what was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program.format(within_s=within_s)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_a_task_that_does_not_let_itself_be_cancelled_is_named_and_the_process_ends() -> None:
    status, said = await ended(STUBBORN, 1.0)
    assert status == 1
    assert "does_not_end" in said
    assert "stubborn" in said


async def test_where_a_process_stands_whose_event_loop_turns_no_more_is_told_and_it_ends() -> None:
    status, said = await ended(FROZEN, 1.0)
    assert status == 1
    assert "in stands_still" in said


async def test_who_ends_by_himself_in_time_says_nothing() -> None:
    assert await ended(WILLING, 60.0) == (0, "")
