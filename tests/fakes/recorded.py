"""What Asterisk really said, from `tests/recordings/`, with the ids that dialerd would have given its channels."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from dialerd.domain.calls import hunt_channel_id, hunt_queue_channel_id
from tests.factories import ATTEMPT

FOLDER = Path(__file__).parents[1] / "recordings"

Headers = Mapping[str, str]


def recorded(name: str) -> list[tuple[str, Headers]]:
    """The events of a recording, in order: their names and headers. Its one lead is ATTEMPT, its one hunt the first."""
    text = (FOLDER / f"{name}.ami").read_text()
    for theirs, ours in _ids(text).items():
        text = text.replace(theirs, ours)
    return list(_events(text))


def _ids(text: str) -> dict[str, str]:
    """Each channel of ours was made by an Originate, and Asterisk's answer names it by that action's id."""
    ids: dict[str, str] = {}
    for name, headers in _events(text):
        channel, uniqueid = headers.get("Channel", ""), headers.get("Uniqueid", "")
        if name == "Newchannel" and uniqueid.count("-") == 4:
            ids[uniqueid] = _our_id(channel)
    for name, headers in _events(text):
        if name == "OriginateResponse":
            ids[f"ActionID: {headers['ActionID']}\n"] = f"ActionID: {ids[headers['Uniqueid']]}\n"
    return ids


def _our_id(channel: str) -> str:
    if channel.endswith(";1"):
        return str(hunt_channel_id(ATTEMPT, 1))
    return str(hunt_queue_channel_id(ATTEMPT, 1) if channel.endswith(";2") else ATTEMPT)


def _events(text: str) -> Iterator[tuple[str, Headers]]:
    for message in text.split("\n\n"):
        headers = dict(line.split(": ", 1) for line in message.splitlines() if ": " in line)
        if "Event" in headers:
            yield headers["Event"], headers
