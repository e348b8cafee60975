"""Dispositions: what an agent says of a call. What the network and the dialer saw of it is its outcome, which stays what it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dialerd.errors import InvalidDisposition


class DispositionEffect(StrEnum):
    """What it means for the lead."""

    DONE = "done"  # nothing more is to be done
    FAILED = "failed"  # this lead leads nowhere
    RETRY = "retry"  # again after the cool-off
    VOICEMAIL = "voicemail"  # it was a machine: "treated like cool-off until timeout"
    CALLBACK = "callback"  # again at the time that was agreed
    OPT_OUT = "opt_out"  # onto the do-not-call list


@dataclass(frozen=True, kw_only=True)
class Disposition:
    code: str
    title: str
    """What the button says."""
    effect: DispositionEffect


DISPOSITIONS = (
    Disposition(code="success", title="Success", effect=DispositionEffect.DONE),
    Disposition(code="not_interested", title="Not interested", effect=DispositionEffect.DONE),
    Disposition(code="voicemail", title="Voicemail", effect=DispositionEffect.VOICEMAIL),
    Disposition(code="callback", title="Call back", effect=DispositionEffect.CALLBACK),
    Disposition(code="try_again", title="Try again", effect=DispositionEffect.RETRY),
    Disposition(code="wrong_number", title="Wrong number", effect=DispositionEffect.FAILED),
    Disposition(code="do_not_call", title="Do not call", effect=DispositionEffect.OPT_OUT),
)
"""Of campaigns that have no list of their own."""

MAX_DISPOSITIONS = 30
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def problems_of_dispositions(dispositions: Sequence[Disposition]) -> list[str]:
    """Everything that is wrong with the list, each as a sentence that says what to do. Empty: nothing is."""
    codes = [disposition.code for disposition in dispositions]
    checks = [
        (bool(codes), "name at least one"),
        (len(codes) <= MAX_DISPOSITIONS, f"{MAX_DISPOSITIONS} at most"),
        (len(set(codes)) == len(codes), "each code once"),
        (
            all(_CODE.fullmatch(code) for code in codes),
            "a code is small letters, digits or '_', up to 40, a letter first",
        ),
        (all(0 < len(d.title.strip()) <= 60 for d in dispositions), "each has a title of up to 60 characters"),
    ]
    return [sentence for holds, sentence in checks if not holds]


LONGEST_CALLBACK = timedelta(days=90)
LONGEST_NOTE = 2000


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody has said of a talk."""

    code: str
    by: str
    note: str = ""
    callback_at: datetime | None = None
    callback_agent: str | None = None
    """Interface of the agent who is to call back. None: any agent."""


def find(dispositions: Sequence[Disposition], code: str) -> Disposition | None:
    return next((disposition for disposition in dispositions if disposition.code == code), None)


def check(said: Said, dispositions: Sequence[Disposition], *, now: datetime) -> None:
    """Whether it can be said of a talk in a campaign with these dispositions. Raises InvalidDisposition."""
    disposition = find(dispositions, said.code)
    if disposition is None:
        possible = ", ".join(each.code for each in dispositions)
        raise InvalidDisposition(f"there is no disposition {said.code!r} in this campaign; there are {possible}")
    if len(said.note) > LONGEST_NOTE:
        raise InvalidDisposition(f"note: {LONGEST_NOTE} characters at most, these are {len(said.note)}")
    if disposition.effect is DispositionEffect.CALLBACK:
        _check_callback(said, now)
    elif said.callback_at is not None or said.callback_agent is not None:
        raise InvalidDisposition(f"{said.code} agrees no callback: leave its time and its agent out")


def _check_callback(said: Said, now: datetime) -> None:
    if said.callback_at is None:
        raise InvalidDisposition(f"{said.code}: say at what time the lead is to be called back")
    if said.callback_at <= now:
        raise InvalidDisposition(f"{said.code}: {said.callback_at.isoformat()} is over, name a time to come")
    if said.callback_at > now + LONGEST_CALLBACK:
        raise InvalidDisposition(f"{said.code}: within {LONGEST_CALLBACK.days} days at most")
