"""Which number a call shows: one of the campaign's pool by its rotation, or, without a pool, the queue's or the account's.

A number that rests, has reached its daily cap, or may not be shown in the country that is dialed is never chosen. If that
leaves none, the call waits until one is free again, or is not made at all. The next strategy is one more function, and
one more line in STRATEGIES.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias


class Rotation(StrEnum):
    """How a call gets its number out of the campaign's pool."""

    ROUND_ROBIN = "round_robin"  # the number that was shown longest ago
    RANDOM = "random"
    STICKY = "sticky"  # the number that this contact has seen before, on every retry and in later campaigns
    AREA_MATCHED = "area_matched"  # the number that begins most like the one that is dialed


class CallerIdType(StrEnum):
    ACCOUNT = "account"  # one of the account's main numbers
    CUSTOM = "custom"


@dataclass(frozen=True, kw_only=True)
class CallerId:
    number: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class PoolEntry:
    """A number that is to be in a campaign's pool. (A plain CallerId stands for a custom one that keeps its cap.)"""

    number: str
    name: str = ""
    """Of a custom number. What a number of the account is called, the account says."""
    type: CallerIdType = CallerIdType.CUSTOM
    daily_cap: int | None = None
    """None: the cap that it has, if it is in the pool already."""


@dataclass(frozen=True, kw_only=True)
class PoolNumber:
    """A number of the campaign's pool; `id` is its place in the order in which the pool was given."""

    id: int
    caller_id: CallerId
    uses: int
    turn: int = 0
    """The place of its last use among those of the pool; 0: it has not been used."""
    type: CallerIdType = CallerIdType.CUSTOM
    daily_cap: int | None = None
    """Most calls a day that show it, of all campaigns of the account. None: no cap."""
    uses_today: int = 0
    """Of all campaigns of the account, on the present day of the account's calendar."""
    resting_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NoCallerId:
    """No number may be shown now."""

    until: datetime | None
    """When the first of them is free again. None: not before somebody changes the pool or the rules."""
    why: str


LONGEST_NAME = 60
_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)


def is_number(text: str) -> bool:
    """Whether it can be shown: 3 to 15 digits, with or without a plus sign."""
    return _NUMBER.fullmatch(text) is not None


_PREFIX = re.compile(r"\+?[0-9]{1,15}", re.ASCII)


def is_prefix(text: str) -> bool:
    """Whether numbers that are shown can begin so."""
    return _PREFIX.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether it can stand beside a number; it may be empty."""
    return len(text) <= LONGEST_NAME and text.isprintable()


Prefixes: TypeAlias = Mapping[str, tuple[str, ...]]
"""Country (ISO 3166) -> beginnings of the numbers that may be shown to its people. A country that is not listed: any."""


def fallback(queue_number: CallerId | None, account_default: CallerId | None) -> CallerId | None:
    """What a campaign shows whose own caller ID is off: "the queue phone number, then account default caller ID"."""
    return queue_number or account_default


def choose(
    pool: Sequence[PoolNumber],
    rotation: Rotation,
    *,
    number: str,
    region: str | None,
    last_shown: str | None,
    prefixes: Prefixes,
    now: datetime,
    day_ends: datetime,
    draw: int,
) -> PoolNumber | NoCallerId:
    """The number of the pool (which has some) that a call to `number` (E.164) in the country `region` shows.

    `last_shown` is what this contact saw last; `day_ends` is when the account's day is over, and with it the daily caps;
    `draw` is any random integer of 64 bits. The same arguments always give the same number.
    """
    allowed = _allowed_of(pool, region, prefixes)
    if not allowed:
        return NoCallerId(until=None, why=_why_none_allowed(region, prefixes))
    call = _Call(allowed=allowed, number=number, last_shown=last_shown, now=now, day_ends=day_ends, draw=draw)
    return STRATEGIES[rotation](call)


def _allowed_of(pool: Sequence[PoolNumber], region: str | None, prefixes: Prefixes) -> Sequence[PoolNumber]:
    """Those that may be shown in that country. Where there are such rules, an unknown country forbids every number.

    Numbers and beginnings are compared as they are written: whoever shows national numbers allows national beginnings.
    """
    if region is None:
        return () if prefixes else pool
    if region not in prefixes:
        return pool
    return [one for one in pool if one.caller_id.number.startswith(prefixes[region])]


def _why_none_allowed(region: str | None, prefixes: Prefixes) -> str:
    if region is None:
        return "the country of the dialed number is not known, so no caller ID is known to be allowed there"
    beginnings = ", ".join(prefixes[region]) or "none"
    return f"none of its numbers may be shown in {region}: allowed beginnings are {beginnings}"


# --- the strategies ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Call:
    """All that a strategy may look at. `allowed` has at least one number, which need not be free."""

    allowed: Sequence[PoolNumber]
    number: str
    last_shown: str | None
    now: datetime
    day_ends: datetime
    draw: int


_Pick: TypeAlias = Callable[[Sequence[PoolNumber]], PoolNumber | None]


def round_robin(pool: Sequence[PoolNumber]) -> PoolNumber | None:
    """The number that was shown longest ago, the earlier one of those that never were; None where the pool is empty.

    One that has rested takes its turn like the others, and has nothing to catch up on. Turns survive a restart.
    """
    return min(pool, key=_turn, default=None)


def after_use(shown: PoolNumber, pool: Sequence[PoolNumber]) -> list[PoolNumber]:
    """The pool after one of its numbers has been shown once more; the database counts likewise."""
    last = max(number.turn for number in pool)
    used = replace(shown, uses=shown.uses + 1, turn=last + 1, uses_today=shown.uses_today + 1)
    return [used if number.id == shown.id else number for number in pool]


def _in_turn(call: _Call) -> PoolNumber | NoCallerId:
    return _one_of(call.allowed, round_robin, call)


def _at_random(call: _Call) -> PoolNumber | NoCallerId:
    def drawn(free: Sequence[PoolNumber]) -> PoolNumber | None:
        return sorted(free, key=lambda one: one.id)[call.draw % len(free)] if free else None

    return _one_of(call.allowed, drawn, call)


def _the_one_seen(call: _Call) -> PoolNumber | NoCallerId:
    """While the contact's number is not free its call waits: the promise is the same number on every retry."""
    seen = [one for one in call.allowed if one.caller_id.number == call.last_shown]
    return _one_of(seen or call.allowed, round_robin, call)


def _nearest(call: _Call) -> PoolNumber | NoCallerId:
    digits = call.number.removeprefix("+")
    code = _CALLING_CODE.match(digits)
    country = digits[: code.end()] if code else digits

    def most_alike(free: Sequence[PoolNumber]) -> PoolNumber | None:
        return min(free, key=lambda one: (-_likeness(one, digits, country), *_turn(one)), default=None)

    return _one_of(call.allowed, most_alike, call)


STRATEGIES: Mapping[Rotation, Callable[[_Call], PoolNumber | NoCallerId]] = {
    Rotation.ROUND_ROBIN: _in_turn,
    Rotation.RANDOM: _at_random,
    Rotation.STICKY: _the_one_seen,
    Rotation.AREA_MATCHED: _nearest,
}


def _turn(one: PoolNumber) -> tuple[int, int]:
    return one.turn, one.id


def _one_of(candidates: Sequence[PoolNumber], pick: _Pick, call: _Call) -> PoolNumber | NoCallerId:
    """What `pick` takes of those that are free; if none is, until when, and why."""
    free = [one for one in candidates if not (_rests(one, call) or _is_used_up(one))]
    return pick(free) or _none_free(candidates, call)


def _rests(one: PoolNumber, call: _Call) -> bool:
    return one.resting_until is not None and one.resting_until > call.now


def _is_used_up(one: PoolNumber) -> bool:
    return one.daily_cap is not None and one.uses_today >= one.daily_cap


def _none_free(candidates: Sequence[PoolNumber], call: _Call) -> NoCallerId:
    until = min(_free_again(one, call) for one in candidates)
    if len(candidates) > 1:
        return NoCallerId(
            until=until, why=f"all {len(candidates)} numbers it may show rest, or have reached a daily cap"
        )
    (one,) = candidates
    state = f"has reached its daily cap of {one.daily_cap}" if _is_used_up(one) else "rests"
    return NoCallerId(until=until, why=f"{one.caller_id.number}, the only number it may show, {state}")


def _free_again(one: PoolNumber, call: _Call) -> datetime:
    """When a number that is not free now will be."""
    rest_ends = one.resting_until or call.now
    return max(rest_ends, call.day_ends) if _is_used_up(one) else rest_ends


# A number's country calling code, as E.164 assigns them (ITU-T, list of country codes): no code begins with another one.
_CALLING_CODE = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}", re.ASCII)


def _likeness(one: PoolNumber, dialed: str, country: str) -> int:
    """How many digits both begin with; 0 where not even the country calling code is the same."""
    shown = one.caller_id.number.removeprefix("+")
    if not shown.startswith(country):
        return 0
    alike = 0
    for ours, theirs in zip(shown, dialed, strict=False):
        if ours != theirs:
            break
        alike += 1
    return alike
