"""Options that several commands share, and how their values are read."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from dialerd.domain.caller_id import LONGEST_NAME, CallerId, is_name, is_number
from dialerd.domain.campaigns import interface_of
from dialerd.domain.dispositions import Disposition, DispositionEffect
from dialerd.domain.outcomes import Outcome, OutcomeRule
from dialerd.domain.schedule import ScheduleError
from dialerd.domain.timezones import instants_of

T = TypeVar("T")

CampaignRef = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Name or id of the campaign.", show_default=False)]
CsvFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file to read.", show_default=False)]
Encoding = Annotated[str, typer.Option(help="Encoding of the file, such as utf-8 or cp1252.")]
Region = Annotated[
    str | None,
    typer.Option(help="Country (ISO 3166, like GB) of numbers written without one. Default: the account's."),
]

HIGHEST_ID = 2**63 - 1


def caller_id(text: str) -> CallerId:
    """NUMBER or NUMBER=NAME. Raises BadParameter: a caller ID goes into the call as it is."""
    number, _, name = text.partition("=")
    number = re.sub(r"[ ().-]", "", number)
    if not is_number(number):
        raise typer.BadParameter(f"{number!r} is not a number: 3 to 15 digits", param_hint="--caller-id")
    if not is_name(name) or set(name) & set('"<>,\\'):
        raise typer.BadParameter(
            f'the name may have {LONGEST_NAME} characters, and none of " < > , \\', param_hint="--caller-id"
        )
    return CallerId(number=number, name=name.strip())


def interface(text: str, option: str) -> str:
    """PJSIP/1001, or 1001 alone. Raises BadParameter: it names a phone that is rung."""
    written = interface_of(text)
    if written is None:
        raise typer.BadParameter(
            f"{text!r} is not an agent's phone as a queue names it, such as PJSIP/1001 or 1001", param_hint=option
        )
    return written


@contextmanager
def reading(option: str) -> Iterator[None]:
    """What a parser of the domain finds wrong with a schedule is said of the option. Raises BadParameter."""
    try:
        yield
    except ScheduleError as wrong:
        raise typer.BadParameter(str(wrong), param_hint=option) from None


def read(parse: Callable[[str], T], text: str, option: str) -> T:
    """What the option says, by a parser of the domain. Raises BadParameter with its reason."""
    with reading(option):
        return parse(text)


def taken_away(names: Sequence[str], known: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """What `--unset` makes of the fields behind those names. Raises BadParameter for a name that is not known."""
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"can be {', '.join(known)}, not {unknown[0]!r}", param_hint="--unset")
    return {field: value for name in names for field, value in known[name].items()}


def time_of_day(text: str, option: str) -> time:
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9]", text, re.ASCII):
        raise typer.BadParameter(f"{text!r} is not a time of day like 09:30", param_hint=option)
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def moment(text: str, zone: str, option: str) -> datetime:
    """A date and time as the zone's clocks show it, or with an offset of its own. In UTC."""
    try:
        written = datetime.fromisoformat(text.strip())
        return written.astimezone(UTC) if written.tzinfo else instants_of(written, zone)[0]
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a moment like '2027-03-01 09:00'", param_hint=option) from None


def outcome_rule(text: str) -> tuple[Outcome, OutcomeRule]:
    """`busy: retry, delay 300, max 2`, `rejected: retry` or `no_answer: final`. Raises BadParameter."""
    name, colon, said = (part.strip() for part in text.partition(":"))
    if not colon or name not in list(Outcome):
        outcomes = ", ".join(Outcome)
        raise _unreadable_rule(text, f"begins with an outcome and a colon; the outcomes are {outcomes}")
    rule, kinds = OutcomeRule(), set()
    for word in (word.strip() for word in said.split(",")):
        written = re.fullmatch(r"(retry|final|(?:delay|max) ([0-9]{1,9}))", word, re.ASCII)
        if not written:
            raise _unreadable_rule(text, f"{word!r} is none of: retry, final, delay SECONDS, max ATTEMPTS")
        kind = word.partition(" ")[0].replace("final", "retry")
        if kind in kinds:
            raise _unreadable_rule(text, f"{word!r} comes on top of another word about the same")
        kinds.add(kind)
        if word.startswith("delay"):
            rule = replace(rule, delay_s=int(written[2]))
        elif word.startswith("max"):
            rule = replace(rule, max_attempts=int(written[2]))
        else:
            rule = replace(rule, retry=word == "retry")
    return Outcome(name), rule


def outcome_rules(texts: Sequence[str]) -> Mapping[Outcome, OutcomeRule]:
    """A rule for each outcome that is named. Raises BadParameter, also where one is named twice."""
    found: dict[Outcome, OutcomeRule] = {}
    for text in texts:
        outcome, rule = outcome_rule(text)
        if outcome in found:
            raise _unreadable_rule(text, f"there is another rule for {outcome} already")
        found[outcome] = rule
    return found


def dispositions(texts: Sequence[str]) -> tuple[Disposition, ...]:
    """Each `sold=Sold:done`. Raises BadParameter; what is wrong with the list as a whole says the domain."""
    return tuple(_disposition(text) for text in texts)


def _disposition(text: str) -> Disposition:
    said, colon, effect = (part.strip() for part in text.rpartition(":"))
    code, equals, title = (part.strip() for part in said.partition("="))
    if not (colon and equals) or effect not in list(DispositionEffect):
        raise typer.BadParameter(
            f"{text!r} cannot be read: write CODE=TITLE:EFFECT, such as sold=Sold:done; the effects are "
            + ", ".join(DispositionEffect),
            param_hint="--disposition",
        )
    return Disposition(code=code, title=title, effect=DispositionEffect(effect))


def refuse_unknown_profile(name: str | None, known: Collection[str]) -> None:
    """Raises BadParameter for a compliance profile that there is not."""
    if name is not None and name not in known:
        told = f"there is no profile {name!r}; there are {', '.join(sorted(known))}"
        raise typer.BadParameter(told, param_hint="--profile")


def _unreadable_rule(text: str, why: str) -> typer.BadParameter:
    return typer.BadParameter(f"{text!r} cannot be read: {why}", param_hint="--outcome")
