"""The dial modes: each one file with its table of moves. Adding one is a file, and a line in TABLES."""

from collections.abc import Mapping
from datetime import datetime

from dialerd.domain.call_moves import Stepped, Table, walk
from dialerd.domain.calls import Call, CallEvent, CallFlow
from dialerd.domain.dial_modes import agent_first, menu, preview, progressive

TABLES: Mapping[CallFlow, Table] = {
    CallFlow.PROGRESSIVE: progressive.TABLE,
    CallFlow.MENU: menu.TABLE,
    CallFlow.PREVIEW: preview.TABLE,
    CallFlow.AGENT_FIRST: agent_first.TABLE,
}


def step(call: Call, event: CallEvent, now: datetime) -> Stepped:
    """The call after `event`, and what is to be done about it."""
    return walk(TABLES[call.flow], call, event, now)
