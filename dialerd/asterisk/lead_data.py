"""What of a lead's own data may leave for Asterisk, and in which form: nothing in it can be read as anything but text (law L10)."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from dialerd.domain.calls import Call

MAX_FIELDS = 10
"""Custom fields of a lead that the agent's phone is sent."""
MAX_NAME = 30
"""Letters of a field's name."""
MAX_VALUE = 180
"""Bytes of a value as it is sent, percent-encoded."""
MAX_BYTES = 700
"""Bytes of all these headers together: with them an INVITE still fits into one UDP packet, or two."""
MAX_PLAIN = 60
TELLING_DIGITS = 7
"""So many digits of a number in a row give it away."""

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._*#+-]")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")
_NO_DIGIT = re.compile(r"[^0-9]")


def plain(text: str) -> str:
    """A skill or an extension for a variable that any dialplan may use: letters, digits and what stands on a phone's keys."""
    return _NOT_PLAIN.sub("", text)[:MAX_PLAIN]


def phone_headers(call: Call) -> list[tuple[str, str]]:
    """Names (to follow `X-Dialerd-`) and percent-encoded values for the agent's phone; none where the campaign does not want that.

    Where agents must not see the lead's number, no value that holds it is sent either.
    """
    if not call.send_lead_data:
        return []
    room, found = MAX_BYTES, []
    for name, text in _fields(call):
        value = _encoded(text)
        room -= len(f"X-Dialerd-{name}: {value}\r\n")
        if value and room >= 0 and not (call.mask_number and _tells(text, call.number)):
            found.append((name, value))
    return found


def _fields(call: Call) -> Iterator[tuple[str, str]]:
    lead = call.lead
    yield "Attempt", str(call.id)
    yield "Name", lead.name
    yield "Ticket", lead.ticket_id
    yield "Skill", lead.skill
    yield "Extension", lead.extension
    for name, value in list(lead.custom.items())[:MAX_FIELDS]:
        if tag := _NOT_IN_A_NAME.sub("-", name).strip("-")[:MAX_NAME]:
            yield f"Custom-{tag}", value


def _encoded(text: str) -> str:
    """Percent-encoded UTF-8, cut between letters where it is too long."""
    sent = ""
    for letter in text:
        piece = quote(letter, safe="", errors="replace")
        if len(sent) + len(piece) > MAX_VALUE:
            break
        sent += piece
    return sent


def _tells(text: str, number: str) -> bool:
    return _NO_DIGIT.sub("", number)[-TELLING_DIGITS:] in _NO_DIGIT.sub("", text)
