"""What is said of a lead: of the rules that let it be called or not, and of what has happened to it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dialerd.portal.campaign_words import held_word
from dialerd.portal.texts import texts
from dialerd.portal.words import lead_word, moment, now, outcome_word, time_text

say = texts("lead")

Told = Mapping[str, Any]


def sentence(text: str) -> str:
    """The API tells commands between backticks."""
    plain = text.replace("`", '"')
    return f"{plain[:1].upper()}{plain[1:]}."


# --- rules ------------------------------------------------------------------------------------------------------------


def rule_text(rule: Told, zone: str) -> str:
    """What it says of this lead now; of a refusal, until when."""
    key = f"rules.{rule['rule']}.{'allows' if rule['allows'] else 'forbids'}"
    text = say(key) if say.has(key) else rule["rule"]
    if rule["allows"]:
        return text
    until = time_text(rule["until"], zone)
    return f"{text} {say('now.until', at=until) if until else say('now.for_good')}"


def rule_facts(facts: Told, zone: str) -> str:
    """What it rests on, but for what its sentence says already."""
    return ", ".join(
        f"{say(f'facts.{name}') if say.has(f'facts.{name}') else name}: {_value(name, value, zone)}"
        for name, value in facts.items()
        if value not in (None, "", [], {}) and not isinstance(value, bool)
    )


def _value(name: str, value: Any, zone: str) -> str:
    if name in ("since", "abandoned_at"):
        return time_text(value, zone)
    if isinstance(value, Mapping):
        return ", ".join(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).replace(" of any", "")


def next_text(told: Told, zone: str) -> str:
    """When it may be called next, as things stand: its own time, that of every rule, and that of the number which is free first."""
    at = _next(told)
    if at is None:
        return say("now.next_unknown")
    return say("now.next", at=time_text(at, zone)) if at else say("now.next_at_once")


def _next(told: Told) -> str | None:
    """Empty: at once. None: not before something else changes."""
    refusing = [rule for rule in told["rules"] if not rule["allows"]]
    general = _latest(rule["until"] for rule in refusing if rule["number"] is None)
    numbers = {rule["number"] for rule in told["rules"] if rule["number"] is not None}
    each = [_latest(rule["until"] for rule in refusing if rule["number"] == number) for number in numbers]
    known = [until for until in each if until is not None]
    if general is None or (each and not known):
        return None
    own = told["not_before"] if _is_ahead(told["not_before"]) else ""
    return _latest((own, general, _earliest(known)))


def _is_ahead(text: str | None) -> bool:
    at = moment(text)
    return at is not None and at > now()


def _latest(times: Iterable[str | None]) -> str | None:
    """Empty for none; None if one of them is."""
    found = list(times)
    if None in found:
        return None
    return max((text for text in found if text), key=_at, default="")


def _earliest(times: Sequence[str]) -> str:
    """Empty is the earliest."""
    return "" if "" in times else min(times, key=_at, default="")


def _at(text: str | None) -> float:
    at = moment(text)
    return at.timestamp() if at else 0.0


# --- its life ---------------------------------------------------------------------------------------------------------


def life_text(line: Told, zone: str) -> tuple[str, str]:
    """What happened, and how."""
    key = f"life.facts.{line['fact']}"
    told = {
        name: _detail(name, value, zone) for name, value in line["details"].items() if value not in (None, "", False)
    }
    more = [say(f"life.details.{name}", value=value) for name, value in told.items() if say.has(f"life.details.{name}")]
    return say(key) if say.has(key) else line["fact"], " · ".join(more)


def _detail(name: str, value: Any, zone: str) -> str:
    if name in ("not_before", "until"):
        return time_text(value, zone)
    if name in ("lead_state", "from"):
        return lead_word(value)
    if name == "outcome":
        return outcome_word(value)
    return held_word(value) if name == "rule" else str(value).replace("_", " ") if name == "disposition" else str(value)
