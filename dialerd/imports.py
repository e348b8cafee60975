"""How leads and do-not-call numbers come in, whichever door they come by: rows are judged in a thread while they flow into the
database, which takes all of them or none; what is wrong is told row by row."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from dialerd.domain.accounts import Account
from dialerd.domain.leads import NewLead
from dialerd.errors import DialerdError
from dialerd.guarded_http.public_address import host_of
from dialerd.lead_sources.base import BadRow, GoodRow
from dialerd.lead_sources.crm_api import SAMPLE, read_sample
from dialerd.lead_sources.crm_api import read_leads as read_crm_leads
from dialerd.lead_sources.crm_source import CrmSource, read_source
from dialerd.lead_sources.csv_file import judge_fields, read_leads
from dialerd.lead_sources.csv_table import UTF_8
from dialerd.lead_sources.number_list import Given, ListedNumber, judge_number, read_numbers
from dialerd.settings import CrmSettings
from dialerd.store.dnc import DncImport, NewDncRow
from dialerd.store.leads import Duplicates, ImportReport
from dialerd.store.stores import Stores
from dialerd.store.upload import BeforeCommit

BATCH = 500

Row = TypeVar("Row")
Advance = Callable[[int], None]


class Policy(StrEnum):
    """What is done with an import that has bad rows."""

    REFUSE = "refuse"  # nothing of it is stored
    KEEP = "keep"  # the good rows are


class RowsRefused(DialerdError):
    """Some rows cannot be used, so none was stored."""


class BadRows(Protocol):
    """A list, or what keeps fewer of them."""

    def append(self, row: BadRow, /) -> None: ...

    def __len__(self) -> int:
        """How many there were."""
        ...


class FirstBadRows:
    """The first rows of however many there are."""

    def __init__(self, most: int) -> None:
        self.rows: list[BadRow] = []
        self._most = most
        self._count = 0

    def append(self, row: BadRow, /) -> None:
        self._count += 1
        if len(self.rows) < self._most:
            self.rows.append(row)

    def __len__(self) -> int:
        return self._count


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How an import of leads is to be done."""

    region: str | None = None
    """Country (ISO 3166) of numbers that are written without one. None: the account's."""
    encoding: str = UTF_8
    policy: Policy = Policy.REFUSE
    duplicates: Duplicates = Duplicates.NEVER
    again: bool = False
    """Also what was imported to this campaign before."""
    leave_out: str = "leave them out by --on-bad-rows keep"
    """How the one who imports says that the good rows are wanted nevertheless."""


def _nobody_watches(_: int) -> None:
    return None


# --- Leads ------------------------------------------------------------------------------------------------------------


async def import_leads(
    stores: Stores,
    account: Account,
    campaign_id: int,
    file: Path,
    *,
    source: str,
    manner: Manner,
    bad: BadRows,
    lines: dict[str, int] | None = None,
    advance: Advance = _nobody_watches,
    before_commit: BeforeCommit[ImportReport] | None = None,
) -> ImportReport:
    """From a CSV file. In which line each number stood is put into `lines`. Raises UnreadableSource, RowsRefused, and what
    LeadStore.add does."""
    rows = read_leads(
        file,
        default_region=manner.region or account.default_region,
        encoding=manner.encoding,
        most_attempts=account.rules.limits.max_attempts,
        lines=lines,
    )
    good = good_rows(rows, bad=bad, policy=manner.policy, advance=advance, leave_out=manner.leave_out)
    return await stores.leads.add(
        campaign_id,
        _leads(good),
        source=source,
        duplicates=manner.duplicates,
        sha256=await asyncio.to_thread(sha256_of, file),
        again=manner.again,
        before_commit=before_commit,
    )


async def add_leads(
    stores: Stores,
    account: Account,
    campaign_id: int,
    leads: Sequence[Mapping[str, str]],
    *,
    source: str,
    manner: Manner,
    bad: BadRows,
    places: dict[str, int],
) -> ImportReport:
    """Leads as text by the names of a CSV file's columns, counted from 0; where each number stood first is put into `places`. Raises
    RowsRefused, and what LeadStore.add does."""
    region, most_attempts = manner.region or account.default_region, account.rules.limits.max_attempts

    def judged() -> Iterator[GoodRow | BadRow]:
        for index, values in enumerate(leads):
            row = judge_fields(index, values, region, most_attempts=most_attempts)
            if isinstance(row, GoodRow):
                places.setdefault(row.lead.number, index)
            yield row

    good = good_rows(
        judged(), bad=bad, policy=manner.policy, advance=_nobody_watches, what="leads", leave_out=manner.leave_out
    )
    return await stores.leads.add(campaign_id, _leads(good), source=source, duplicates=manner.duplicates)


async def sync_leads(
    stores: Stores,
    account: Account,
    campaign_id: int,
    settings: CrmSettings,
    *,
    manner: Manner,
    bad: BadRows,
    advance: Advance = _nobody_watches,
    before_commit: BeforeCommit[ImportReport] | None = None,
) -> ImportReport:
    """From the campaign's CRM. Raises NotFound where it has none, RowsRefused, and what read_leads and LeadStore.add do."""
    stored = await stores.crm_sources.get(campaign_id)
    source = read_source(stored.source)
    found = read_crm_leads(
        source,
        settings,
        default_region=manner.region or account.default_region,
        most_attempts=account.rules.limits.max_attempts,
    )
    async with aclosing(found) as rows:
        good = sifted(
            _one_by_one(rows, advance),
            bad=bad,
            policy=manner.policy,
            what="leads",
            mend="mend them in the CRM",
            leave_out=manner.leave_out,
        )
        imported = await stores.leads.add(
            campaign_id,
            _leads(good),
            source=f"CRM {host_of(source.url)}",
            duplicates=manner.duplicates,
            before_commit=before_commit,
        )
    await stores.crm_sources.note_sync(campaign_id, stored.source)
    return imported


async def sample_leads(
    account: Account, source: CrmSource, settings: CrmSettings, *, region: str | None = None, size: int = SAMPLE
) -> list[GoodRow | BadRow]:
    """The first leads of a CRM; nothing is stored. Raises what read_sample does."""
    return await read_sample(
        source,
        settings,
        default_region=region or account.default_region,
        most_attempts=account.rules.limits.max_attempts,
        size=size,
    )


async def _leads(rows: AsyncIterable[GoodRow]) -> AsyncIterator[NewLead]:
    async for row in rows:
        yield row.lead


async def _one_by_one(rows: AsyncIterable[Row], advance: Advance) -> AsyncIterator[list[Row]]:
    async for row in rows:
        advance(1)
        yield [row]


# --- Numbers ----------------------------------------------------------------------------------------------------------


async def import_numbers(
    stores: Stores,
    account_id: int | None,
    file: Path,
    given: Given,
    *,
    added_by: str,
    policy: Policy,
    bad: BadRows,
    encoding: str = UTF_8,
    advance: Advance = _nobody_watches,
    all_read: Callable[[], None] = lambda: None,
    leave_out: str = Manner.leave_out,
    before_commit: BeforeCommit[DncImport] | None = None,
) -> DncImport:
    """Onto the account's do-not-call list, or onto everybody's (None). `all_read` is told when the last row is on its way. Raises
    UnreadableSource, RowsRefused, and what DncStore.add_many does."""
    rows = read_numbers(file, given, encoding=encoding)
    good = good_rows(rows, bad=bad, policy=policy, advance=advance, leave_out=leave_out)
    return await stores.dnc.add_many(
        _listed(good, all_read), account_id, added_by=added_by, before_commit=before_commit
    )


async def add_numbers(
    stores: Stores,
    account_id: int,
    numbers: Sequence[NewDncRow],
    region: str,
    *,
    added_by: str,
    policy: Policy,
    bad: BadRows,
    leave_out: str,
) -> DncImport:
    """Numbers as they are written, in `region` where they name no country; counted from 0. Raises RowsRefused, and what
    DncStore.add_many does."""
    judged = (judge_number(index, row, region) for index, row in enumerate(numbers))
    good = good_rows(judged, bad=bad, policy=policy, advance=_nobody_watches, what="numbers", leave_out=leave_out)
    return await stores.dnc.add_many(_listed(good, lambda: None), account_id, added_by=added_by)


async def _listed(good: AsyncIterator[ListedNumber], all_read: Callable[[], None]) -> AsyncIterator[NewDncRow]:
    async for row in good:
        yield row[1:]
    all_read()


# --- Rows -------------------------------------------------------------------------------------------------------------


def good_rows(
    rows: Iterator[Row | BadRow],
    *,
    bad: BadRows,
    policy: Policy,
    advance: Advance,
    what: str = "rows",
    leave_out: str = Manner.leave_out,
) -> AsyncIterator[Row]:
    """Those of a file, which is read in a thread. As `sifted` says."""
    return sifted(_batches(rows, advance), bad=bad, policy=policy, what=what, leave_out=leave_out)


async def sifted(
    batches: AsyncIterable[Iterable[Row | BadRow]],
    *,
    bad: BadRows,
    policy: Policy,
    what: str = "rows",
    mend: str = "mend them",
    leave_out: str = Manner.leave_out,
) -> AsyncIterator[Row]:
    """The good rows; the bad ones are put into `bad`. Raises RowsRefused after the last row if the policy says so.

    `what` they are and how to `mend` them or to `leave_out` is said there.
    """
    async for batch in batches:
        for row in batch:
            if isinstance(row, BadRow):
                bad.append(row)
            elif not (len(bad) and policy is Policy.REFUSE):
                yield row
    if len(bad) and policy is Policy.REFUSE:
        raise RowsRefused(f"{len(bad)} {what} cannot be used, so nothing was stored: {mend}, or {leave_out}")


async def _batches(rows: Iterator[Row], advance: Advance) -> AsyncIterator[list[Row]]:
    while batch := await asyncio.to_thread(list, islice(rows, BATCH)):
        advance(len(batch))
        yield batch


def sha256_of(file: Path) -> str | None:
    """What stands for the content of the file. None where it cannot be read twice, or not at all: its reader will say so."""
    if not file.is_file():
        return None
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None
