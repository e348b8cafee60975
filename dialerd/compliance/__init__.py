"""Where compliance profiles come from: the files beside this one, and a file of one's own.

A profile is one TOML file; docs/compliance.md says what may be in it. What is wrong with a file is told all at once. One's own
profile may extend those that are shipped, with rules beside theirs or, under the same id, instead of theirs; but it has an
id of its own, so that `us` means the same wherever it is read.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from dialerd.domain.abandonment import AbandonmentRule, Period
from dialerd.domain.compliance import (
    ANYWHERE,
    BOUND_SETTINGS,
    Bound,
    Caps,
    Demand,
    HoursRule,
    Profile,
    Rule,
    SettingRule,
    narrowed,
)
from dialerd.domain.phone import is_region
from dialerd.domain.schedule import ScheduleError, ScheduleRow, parse_row
from dialerd.errors import SettingsError
from dialerd.toml_file import UnreadableToml, parse_toml


def profiles(extra: Path | None = None) -> Mapping[str, Profile]:
    """Every profile by its id: the shipped ones, and that of the file `extra`.

    Raises SettingsError with everything that is wrong with that file.
    """
    known = dict(_shipped_profiles())
    if extra is not None:
        profile = _profile(str(extra), _text_of(extra), known)
        known[profile.id] = profile
    return MappingProxyType(known)


@cache
def _shipped_profiles() -> Mapping[str, Profile]:
    known: dict[str, Profile] = {}
    for name, text in _shipped():
        profile = _profile(name, text, known)
        known[profile.id] = profile
    return MappingProxyType(known)


def _shipped() -> Iterator[tuple[str, str]]:
    files = sorted(resources.files(__name__).iterdir(), key=lambda file: file.name)
    return ((file.name, file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".toml"))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as failure:
        raise SettingsError(f"{path}: cannot be read: {failure.strerror}") from None
    except UnicodeDecodeError as failure:
        raise SettingsError(f"{path}: is not TOML: {failure}") from None


# --- what may be in a file --------------------------------------------------------------------------------------------


def _row(written: object) -> object:
    if not isinstance(written, str):
        return written
    try:
        return parse_row(written)
    except ScheduleError as unreadable:
        raise ValueError(str(unreadable)) from None


def _country(written: object) -> object:
    if isinstance(written, str) and written != ANYWHERE and not is_region(written):
        raise ValueError(f"{written!r} is no country: two capitals as in ISO 3166, like GB, or {ANYWHERE} for all")
    return written


def _setting(written: object) -> object:
    if written not in BOUND_SETTINGS:
        raise ValueError(f"a setting that a rule may limit: {', '.join(BOUND_SETTINGS)}")
    return written


def _listed(written: object) -> object:
    return [written] if isinstance(written, str) else written


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Source = Annotated[list[Text], Field(min_length=1)]
Country = Annotated[str, BeforeValidator(_country)]
Part = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Area = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")]
Beginning = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{0,14}$")]
Setting = Annotated[str, BeforeValidator(_setting)]
Row = Annotated[ScheduleRow, BeforeValidator(_row)]


class _Table(BaseModel):
    """A key that is not listed is a mistyped one, and an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _RuleTable(_Table):
    title: Text
    source: Source
    verified_on: date | None = None
    """Where it is another day than the profile's."""


class _HoursTable(_RuleTable):
    kind: Literal["hours"]
    where: Annotated[list[Part], Field(min_length=1)]
    hours: Annotated[list[Row], Field(min_length=1)]
    closed_on: list[date] = []


class _CapsTable(_RuleTable):
    kind: Literal["caps"]
    max_calls_24h: Annotated[int, Field(ge=1)] | None = None
    max_calls_7d: Annotated[int, Field(ge=1)] | None = None
    abandon_lockout_h: Annotated[int, Field(ge=0, le=8760)] = 0


class _SettingTable(_RuleTable):
    kind: Literal["setting"]
    setting: Setting
    at_least: int | None = None
    at_most: int | None = None


class _AbandonmentTable(_RuleTable):
    kind: Literal["abandonment"]
    cap: Annotated[float, Field(gt=0, le=1)]
    """A share: 0.03 is 3 %."""
    limit_s: Annotated[float, Field(gt=0, le=60)]
    period: Period


class _DemandTable(_RuleTable):
    kind: Literal["demand"]
    demand: Demand


_AnyRule = Annotated[
    _HoursTable | _CapsTable | _SettingTable | _AbandonmentTable | _DemandTable, Field(discriminator="kind")
]


class _File(_Table):
    id: Id
    version: Text
    title: Text
    source: Source
    verified_on: date
    extends: Annotated[list[Id], BeforeValidator(_listed)] = []
    regions: list[Country] = []
    margin_min: Annotated[int, Field(ge=0, le=120)] = 0
    """Minutes by which every window of this file is narrowed at both ends."""
    areas: dict[Area, Annotated[list[Beginning], Field(min_length=1)]] = {}
    rules: dict[Id, _AnyRule] = {}


# --- from a file to a profile -----------------------------------------------------------------------------------------


def _profile(name: str, text: str, known: Mapping[str, Profile]) -> Profile:
    file = _parsed(name, text)
    problems = [*_problems(file, known)]
    if problems:
        raise _refusal(name, problems)
    profile = _merged(file, [known[base] for base in file.extends])
    problems = [*_uncovered(profile)]
    if problems:
        raise _refusal(name, problems)
    return profile


def _parsed(name: str, text: str) -> _File:
    try:
        return _File.model_validate(parse_toml(text))
    except UnreadableToml as why:
        raise SettingsError(f"{name}: {why}") from None
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        raise _refusal(name, [_sentence(error) for error in errors]) from None


def _sentence(error: ErrorDetails) -> str:
    """pydantic names the kind of a rule as a step of its own; in the file there is none."""
    path = [str(step) for step in error["loc"]]
    if path[0] == "rules" and len(path) > 2:
        del path[2]
    place = ".".join(path)
    if error["type"] == "extra_forbidden":
        return f"{place}: there is no such key; is it mistyped?"
    return f"{place}: {error['msg'].removeprefix('Value error, ').replace('Input should be', 'should be')}"


def _problems(file: _File, known: Mapping[str, Profile]) -> Iterator[str]:
    """What one part of the file cannot see for itself."""
    if file.id in known:
        yield f"id: {file.id} is shipped with dialerd; give yours another one, and let it extend {file.id}"
    for base in file.extends:
        if base not in known:
            yield f"extends: there is no profile {base}; there are {', '.join(known)}"
    if not file.regions and not file.extends:
        yield f"regions: name the countries whose numbers may be called, or {ANYWHERE} for all"
    yield from _twice(file)
    for rule_id, rule in file.rules.items():
        yield from (f"rules.{rule_id}{problem}" for problem in _problems_of_rule(rule, file.margin_min))


def _twice(file: _File) -> Iterator[str]:
    seen: dict[str, str] = {}
    for area, beginnings in file.areas.items():
        for beginning in beginnings:
            if beginning in seen:
                yield f"areas.{area}: {beginning} is in {seen[beginning]} already"
            seen[beginning] = area


def _problems_of_rule(rule: _AnyRule, margin_min: int) -> Iterator[str]:
    match rule:
        case _HoursTable():
            for row in rule.hours:
                try:
                    narrowed(row, margin_min=margin_min)
                except ValueError as narrow:
                    yield f".hours: {narrow}"
        case _CapsTable(max_calls_24h=None, max_calls_7d=None, abandon_lockout_h=0):
            yield ": say max_calls_24h, max_calls_7d or abandon_lockout_h"
        case _SettingTable(at_least=None, at_most=None):
            yield ": say at_least or at_most"
        case _SettingTable(at_least=int(least), at_most=int(most)) if least > most:
            yield ": at_least is above at_most, so no value would do"


def _merged(file: _File, bases: list[Profile]) -> Profile:
    """A rule that has the id of an inherited one takes its place."""
    areas = {beginning: area for base in bases for beginning, area in base.areas.items()}
    areas |= {beginning: area for area, beginnings in file.areas.items() for beginning in beginnings}
    rules = {rule.id: rule for base in bases for rule in base.rules}
    rules |= {rule_id: _rule(rule_id, table, file) for rule_id, table in file.rules.items()}
    regions = dict.fromkeys([*(region for base in bases for region in base.regions), *file.regions])
    return Profile(
        id=file.id,
        version=file.version,
        title=file.title,
        source=tuple(file.source),
        verified_on=file.verified_on,
        regions=tuple(regions),
        areas=MappingProxyType(areas),
        rules=tuple(rules.values()),
    )


def _rule(rule_id: str, table: _AnyRule, file: _File) -> Rule:
    return Rule(
        id=rule_id,
        version=file.version,
        title=table.title,
        source=tuple(table.source),
        verified_on=table.verified_on or file.verified_on,
        binds=_binds(table, file.margin_min),
    )


def _binds(table: _AnyRule, margin_min: int) -> Bound:
    match table:
        case _HoursTable():
            rows = tuple(narrowed(row, margin_min=margin_min) for row in table.hours)
            return HoursRule(where=tuple(table.where), rows=rows, closed_on=tuple(sorted(set(table.closed_on))))
        case _CapsTable():
            return Caps(
                max_calls_24h=table.max_calls_24h,
                max_calls_7d=table.max_calls_7d,
                abandon_lockout=timedelta(hours=table.abandon_lockout_h),
            )
        case _SettingTable():
            return SettingRule(setting=table.setting, at_least=table.at_least, at_most=table.at_most)
        case _AbandonmentTable():
            return AbandonmentRule(cap=table.cap, limit=timedelta(seconds=table.limit_s), period=table.period)
        case _DemandTable():
            return table.demand


def _uncovered(profile: Profile) -> Iterator[str]:
    """Places that are named in vain, mistyped ones above all: their rule would never hold."""
    areas = set(profile.areas.values())
    listed = {area[:2] for area in areas}
    named = {part: rule.id for rule in profile.rules if isinstance(rule.binds, HoursRule) for part in rule.binds.where}
    for part, rule_id in named.items():
        if part[:2] not in profile.regions and ANYWHERE not in profile.regions:
            yield f"rules.{rule_id}.where: {part} is in none of the profile's regions"
        elif part[2:] and part[:2] in listed and part not in areas:
            yield f"rules.{rule_id}.where: no number is in {part}; the parts of {part[:2]} that have numbers are in areas"


def _refusal(name: str, problems: list[str]) -> SettingsError:
    listed = [f"  - {problem}" for problem in problems]
    return SettingsError("\n".join([f"{name}: the compliance profile cannot be used:", *listed]))
