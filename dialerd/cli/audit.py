"""`dialerd audit`: whether the laws were kept, judged by the carrier's record of calls."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from dialerd.audit import (
    INVARIANT_NAMES,
    LAW_NAMES,
    BadRecord,
    Findings,
    Record,
    Span,
    by_invariant,
    by_law,
    is_broken,
    read_record,
    violations_of,
)
from dialerd.cli.console import AsJson, out, plain, print_json, table
from dialerd.cli.session import Stores, in_store
from dialerd.errors import DialerdError
from dialerd.store.evidence import with_record

LONGEST_CAP = timedelta(days=7)
"""Calls of other campaigns count for as long as a cap for a number does."""


class UnusableRecord(DialerdError):
    """The record of calls cannot be used."""


def add_to(app: typer.Typer) -> None:
    app.command("audit")(audit)


def audit(
    context: typer.Context,
    record: Annotated[
        Path, typer.Option(help="The carrier's record of calls, as docs/audit.md says.", show_default=False)
    ],
    campaign: Annotated[
        list[str] | None, typer.Option(help="Name or id of a campaign, as often as you like. Default: every campaign.")
    ] = None,
    agents: Annotated[
        list[str] | None,
        typer.Option(metavar="QUEUE=EXTENSION,...", help="Everybody who was in the queue in that time, for law L4."),
    ] = None,
    precision: Annotated[
        float,
        typer.Option(min=0, max=60, help="Seconds by which the record's clock and the database's may be apart."),
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Judge by the carrier's record of calls whether every law and invariant was kept. Reads, and changes nothing.

    Exit status 0: nothing was found against any of them. 1: something was, or the record cannot be used.
    """
    seen = _read(record)
    members = dict(_queue_of(written) for written in agents or ())

    async def work(stores: Stores) -> Mapping[str, Findings]:
        ids = [(await stores.find_campaign(reference)).id for reference in campaign or ()]
        books = await stores.evidence.books(
            ids or None,
            agents=members,
            hold_margin_s=stores.settings.dialer.hold_margin.total_seconds(),
            since=min(call.invite for call in seen.calls) - LONGEST_CAP,
        )
        recorded, blur = _span_of(seen), timedelta(seconds=precision)
        evidence = with_record(books, seen, recorded=recorded, blur=blur)
        return {book.name: violations_of(each) for book, each in zip(books, evidence, strict=True)}

    found = in_store(context, work)
    _print(found, as_json=as_json)
    raise typer.Exit(int(any(is_broken(said) for each in found.values() for said in by_law(each).values())))


def _read(path: Path) -> Record:
    try:
        record = read_record(path)
    except BadRecord as failure:
        raise UnusableRecord(str(failure)) from None
    if not any(call.kind == "lead" for call in record.calls):
        raise UnusableRecord(f"{path} has no call to a lead: there is nothing to judge by")
    return record


def _span_of(record: Record) -> Span:
    """What happened before its first call and after its last, it does not tell."""
    return Span(start=min(call.invite for call in record.calls), end=max(call.end for call in record.calls))


def _queue_of(written: str) -> tuple[str, Sequence[str]]:
    queue, is_given, listed = written.partition("=")
    extensions = [extension.strip().removeprefix("PJSIP/") for extension in listed.split(",") if extension.strip()]
    if not (queue and is_given and extensions):
        raise typer.BadParameter(
            f"{written!r}: write the queue and its agents, like sales=1001,1002", param_hint="--agents"
        )
    return queue, extensions


def _print(found: Mapping[str, Findings], *, as_json: bool) -> None:
    if as_json:
        print_json({name: _as_values(each) for name, each in found.items()})
        return
    for name, each in found.items():
        out().print(plain(name))
        laws, invariants = by_law(each), by_invariant(each)
        rows = [(law, LAW_NAMES[law], said) for law, said in laws.items()]
        rows += [(one, INVARIANT_NAMES[one], said) for one, said in invariants.items() if one not in laws]
        out().print(table(("", "law or invariant", "verdict"), rows))
        out().print()


def _as_values(found: Findings) -> Mapping[str, object]:
    laws = by_law(found)
    return {"ok": not any(map(is_broken, laws.values())), "laws": laws, "invariants": by_invariant(found)}
