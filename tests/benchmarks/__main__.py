"""`make bench`: how fast dialerd dials and hands over, beside a bare loop that persists nothing, on one PBX and in one run; then what
an upload, a decision about a lead, a do-not-call list of ten million numbers and two hundred open desktops cost. Half an hour, and some
gigabytes of disk.

Machines are noisy, so what counts are the ratios and the far end's own clock. Prints a table; BENCH=file.json keeps the figures.
"""

import asyncio
import json
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import api, claim, csv_import, desktop, dnc
from tests.benchmarks.dialing import measure_rates
from tests.benchmarks.handover import measure_handover
from tests.daemon import running_daemon
from tests.lab import Lab

Figures = dict[str, object]
SETTINGS = {"DIALERD_TRUNK__MAX_CALLS_PER_SECOND": "1000", "DIALERD_LOG__LEVEL": "warning"}


async def main() -> None:
    console = Console()
    async with Lab.running(int(os.environ.get("LAB", "52"))) as lab:
        await lab.reset()
        async with running_daemon(lab, **SETTINGS) as daemon:
            figures: Figures = {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
            # The same few numbers are called for every rate: caps would stop that.
            await daemon.cli("account", "edit", "--unset", "max-calls-24h", "--unset", "max-calls-7d")
            figures |= await measure_handover(lab, daemon)
            figures |= await measure_rates(lab, daemon)
            figures["daemon_rss_mb"] = daemon.rss_mb()
        await lab.reset()
    figures |= await csv_import.measure_csv_import()
    figures |= await claim.measure_claim()
    figures |= await dnc.measure_dnc()
    figures |= await api.measure_api()
    figures |= await desktop.measure_desktops()
    console.print(_table(figures))
    if target := os.environ.get("BENCH"):
        Path(target).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


GOALS = {
    "ratio": ">= 0.9",
    "answer_to_agent_rings_p99_ms": "<= 25 (bare loop 7.4)",
    "gap_deviation_p99_ms": "<= 5",
    "most_invites_in_one_second": "<= 21",
    "daemon_cpu_ms_per_call": "<= 3",
    **csv_import.GOALS,
    **claim.GOALS,
    **api.GOALS,
    **desktop.GOALS,
}


def _table(figures: Figures) -> Table:
    table = Table("figure", "measured", "goal", title="dialerd bench")
    for name, value in figures.items():
        table.add_row(name, str(value), GOALS.get(name, ""))
    return table


if __name__ == "__main__":
    asyncio.run(main())
