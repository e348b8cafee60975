"""The referee: judges everything that was ever dialed from a database, by the records of a laboratory's far end.

It takes the far end's records, and settings, lists and attempts as they stand in the database, and shares no code with what decides
about calls (dialerd/audit). `python -m tests.faults.referee --lab N --dsn DSN` prints a verdict for each campaign, and ends with
status 0 only if every law and every invariant was held.
"""

import argparse
import asyncio
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from dialerd.audit import (
    INVARIANT_NAMES,
    LAW_NAMES,
    Findings,
    Span,
    by_invariant,
    by_law,
    is_broken,
    read_record,
    violations_of,
)
from dialerd.compliance import profiles
from dialerd.store.evidence import CampaignBook, EvidenceStore, with_record
from dialerd.store.pool import Pool, connect
from tests.first_sounds import with_first_sounds
from tests.lab import LAB_NUMBER, Lab

HOLD_MARGIN_S = 5.0
"""As DIALERD_DIALER__HOLD_MARGIN has it, or more."""


async def books_of(
    pool: Pool, agents: Mapping[str, Sequence[str]], campaigns: Sequence[int] | None = None
) -> Sequence[CampaignBook]:
    """Of some campaigns, or of all. `agents`: queue -> extensions of everybody who was ever in it."""
    return await EvidenceStore(pool, profiles()).books(campaigns, agents=agents, hold_margin_s=HOLD_MARGIN_S)


def recorded_by(lab: Lab) -> Span | None:
    """A test may have emptied the record: what came before, it does not tell."""
    return Span(start=lab.record_since) if lab.record_since else None


async def findings(lab: Lab, pool: Pool, *, daemons_have_gone: bool = False) -> Mapping[str, Findings]:
    """By the campaign's name. To be asked when everything is silent. `daemons_have_gone`: what is open waits to be taken up."""
    record = with_first_sounds(lab, read_record(lab.calls_csv))
    books = await books_of(pool, lab.members_ever)
    evidence = with_record(books, record, recorded=recorded_by(lab))
    if daemons_have_gone:
        evidence = [replace(each, at_work=frozenset()) for each in evidence]
    return {book.name: violations_of(each) for book, each in zip(books, evidence, strict=True)}


async def referee(lab: Lab, pool: Pool, *, but: Collection[str] = (), daemons_have_gone: bool = False) -> list[str]:
    """What was broken, as sentences; empty: nothing. `but`: laws that the record cannot tell of."""
    found = await findings(lab, pool, daemons_have_gone=daemons_have_gone)
    return [
        f"{name}: {law}: {said}"
        for name, of_campaign in found.items()
        for law, said in by_law(of_campaign).items()
        if is_broken(said) and law not in but
    ]


async def _told(number: int, dsn: str) -> bool:
    pool = await connect(dsn, max_connections=2, application_name="referee")
    try:
        async with Lab.running(number) as lab:
            found = await findings(lab, pool)
    finally:
        pool.terminate()
    verdicts = [_print(name, each) for name, each in found.items()]
    return all(verdicts)


def _print(name: str, found: Findings) -> bool:
    """Whether everything was held."""
    told = {**by_invariant(found), **by_law(found)}
    names = {**INVARIANT_NAMES, **LAW_NAMES}
    sys.stdout.write(f"{name}\n" + "".join(f"  {each:5} {names[each]}: {said}\n" for each, said in told.items()))
    return not any(map(is_broken, told.values()))


def main() -> int:
    asked = argparse.ArgumentParser(description="Judge everything that was dialed from a database.")
    asked.add_argument("--lab", type=int, default=LAB_NUMBER, help="number of the laboratory")
    asked.add_argument("--dsn", required=True, help="of the database")
    options = asked.parse_args()
    return 0 if asyncio.run(_told(options.lab, options.dsn)) else 1


if __name__ == "__main__":
    sys.exit(main())
