"""How the portal shows what the API tells: times, lengths, numbers, and the colours of states."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dialerd.portal.texts import texts

say = texts("words")

STATUS_COLOURS = {
    "draft": "grey",
    "scheduled": "blue",
    "running": "green",
    "paused": "amber",
    "stopped": "orange",
    "completed": "teal",
    "cancelled": "red",
}
LEAD_COLOURS = {
    "active": "blue",
    "dialing": "amber",
    "ringing": "amber",
    "answered": "green",
    "retry": "orange",
    "cooloff": "grey",
    "voicemail": "grey",
    "success": "teal",
    "failed": "red",
    "blocked": "red",
    "abandoned": "red",
    "deleted": "grey",
}

OUTCOME_COLOURS = {
    "connected": "green",
    "menu_choice": "green",
    "abandoned": "red",
    "opted_out": "red",
    "invalid_number": "red",
    "rejected": "orange",
    "congestion": "orange",
}
"""Others are grey."""


def strategy_text(strategy: str) -> str:
    """How a queue picks the agent whose phone rings; one that is new to us as Asterisk names it. Empty where it is not told."""
    known = f"strategies.{strategy}"
    told = f"{say(known)} ({strategy})" if say.has(known) else strategy
    return say("strategy", told=told) if strategy else ""


def status_word(status: str) -> str:
    return say(f"status.{status}")


def lead_word(state: str) -> str:
    return say(f"lead.{state}")


def outcome_word(outcome: str | None) -> str:
    return say(f"outcome.{outcome}") if outcome else ""


def result_word(call: Mapping[str, Any]) -> str:
    """What came of a call; of one under way, how far it is."""
    if call["outcome"]:
        return outcome_word(call["outcome"])
    if call["connected_at"]:
        return say("talking")
    return lead_word("answered" if call["answered_at"] else "ringing" if call["ringing_at"] else "dialing")


def result_colour(call: Mapping[str, Any]) -> str:
    return OUTCOME_COLOURS.get(call["outcome"], "grey") if call["outcome"] else "blue"


def mode_word(mode: str) -> str:
    return say(f"mode.{mode}")


def now() -> datetime:
    return datetime.now(UTC)


def moment(text: str | None) -> datetime | None:
    """Of a time as the API writes it."""
    return datetime.fromisoformat(text) if text else None


def time_text(text: str | None, zone: str = "UTC", *, seconds: bool = False) -> str:
    """On the clock of the zone; empty for none."""
    at = moment(text)
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M" + (":%S" if seconds else "")) if at else ""


def ago_text(text: str | None) -> str:
    """`3 min ago`, `in 2 h`; empty for none."""
    at = moment(text)
    if at is None:
        return ""
    seconds = (now() - at).total_seconds()
    return say("ago" if seconds >= 0 else "ahead", length=length_text(abs(seconds)))


def length_text(seconds: float | None) -> str:
    """`12 s`, `3 min`, `2 h`, `4 d`; empty for none."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds)} s"


def clock_text(seconds: float | None) -> str:
    """`1:05`: of a call; empty for none."""
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def count_text(number: int) -> str:
    """With thin groups of three: 1 000 000."""
    return f"{number:,}".replace(",", "\u202f")


def share_text(share: float | None) -> str:
    """0.031 is `3.1 %`; empty for none."""
    return "" if share is None else f"{share * 100:.1f} %"


def name_of(lead: Mapping[str, Any]) -> str:
    return f"{lead.get('first_name', '')} {lead.get('last_name', '')}".strip()


def digits_typed(text: str) -> str:
    """Of a number, without what people write between the digits."""
    return "".join(sign for sign in text if sign not in " -().")
