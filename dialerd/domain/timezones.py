"""Time zones: the only door to pytz, which bundles the whole zone database with the legacy names that number plans still use.

Where clocks change, a time of day may not happen at all (the gap in spring) or twice (the fold in autumn), so nothing here
goes from a wall clock to an instant without saying which. The other way round is always exact. The database of pytz knows
changes to the end of 2037; after that a zone keeps its last offset.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

import pytz

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
# Of all spans the first has no beginning, and the last no end. (Both in UTC, like every limit of a span.)
_ALWAYS, _FOR_EVER = datetime.min, datetime.max  # noqa: DTZ901
# Clocks are never further from UTC than 15:56 (Manila before 1845), and a gap was never longer than the day that Samoa left out.
_FARTHEST = timedelta(days=2)


class OffsetSpan(NamedTuple):
    """The time during which clocks stay at one distance from UTC: from `begin` up to `end`, both in UTC without a tzinfo."""

    begin: datetime
    end: datetime
    offset: timedelta


def is_zone(name: str) -> bool:
    """Whether the name is in the IANA database, legacy names included."""
    return name in pytz.all_timezones_set


def in_zone(moment: datetime, name: str) -> datetime:
    """The same moment on the clocks of the zone. `moment` is aware; `name` has to be a zone."""
    return moment.astimezone(pytz.timezone(name))


def local(moment: datetime | None, zone: str) -> str:
    """The moment in that zone, with the zone's name, so that nobody has to guess."""
    return in_zone(moment, zone).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else "-"


def canonical(name: str) -> str:
    """The zone of which `name` is a legacy or second name, else the name itself: Asia/Calcutta is Asia/Kolkata.

    Two names with the same canonical one have had the same clocks ever since 1970. It is there to compare, not to show: the database
    also lets cities of several countries share one zone.
    """
    return _links().get(name, name)


def naive_utc(moment: datetime) -> datetime:
    """The aware moment in UTC, without its tzinfo: what is added to and compared many times over. A naive one raises TypeError."""
    return _NAIVE_EPOCH + (moment - _EPOCH)


def wall_clock(moment: datetime, name: str) -> datetime:
    """What clocks in the zone show at the aware moment, without a tzinfo."""
    utc = naive_utc(moment)
    return utc + next(offset_spans(name, utc)).offset


def offset_spans(name: str, since: datetime) -> Iterator[OffsetSpan]:
    """From the span in which `since` (UTC, no tzinfo) lies to the last, which ends with `datetime.max`."""
    begins, spans = _spans(name)
    return islice(spans, bisect_right(begins, since) - 1, None)


def instants_of(wall: datetime, name: str) -> tuple[datetime, ...]:
    """When clocks in the zone show `wall` (no tzinfo): one aware moment in UTC, or both of a fold, the earlier first.

    A time that a gap leaves out counts as the first moment after the gap.
    """
    near = [span for span in offset_spans(name, wall - _FARTHEST) if span.begin <= wall + _FARTHEST]
    found = [wall - span.offset for span in near if span.begin <= wall - span.offset < span.end]
    if not found:
        found = [next(span.begin for span in near if span.begin > wall - span.offset)]
    return tuple(moment.replace(tzinfo=UTC) for moment in found)


@lru_cache(maxsize=1024)  # there are some 600 names
def _spans(name: str) -> tuple[list[datetime], tuple[OffsetSpan, ...]]:
    """All spans of the zone, and when each begins."""
    begins, offsets = _changes(pytz.timezone(name))
    ends = [*begins[1:], _FOR_EVER]
    return begins, tuple(map(OffsetSpan, begins, ends, offsets))


def _changes(zone: tzinfo) -> tuple[list[datetime], list[timedelta]]:
    """Since when (UTC) which offset holds. pytz has no public way to ask; a test compares this with what it converts."""
    times: list[datetime] | None = getattr(zone, "_utc_transition_times", None)
    if times is None:  # a zone whose clocks never changed
        return [_ALWAYS], [zone.utcoffset(None) or timedelta()]
    offsets: list[timedelta] = [info[0] for info in vars(type(zone))["_transition_info"]]
    return [_ALWAYS, *times[1:]], offsets  # what holds first also holds before


@lru_cache(maxsize=1)
def _links() -> Mapping[str, str]:
    """Second name -> name. In the database's text form a link is a line `L <name> <second name>`."""
    database = files(pytz).joinpath("zoneinfo", "tzdata.zi").read_text(encoding="utf-8")
    links = (line.split() for line in database.splitlines() if line.startswith("L "))
    return {second: name for _, name, second in links}
