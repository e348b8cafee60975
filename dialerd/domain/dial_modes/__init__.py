"""The dial modes: each one file with a transition table and `step`. Adding one is a file, and a line in DIAL_MODES."""

from collections.abc import Callable, Mapping
from datetime import datetime

from dialerd.domain.calls import Call, CallCommand, CallEvent, DialMode
from dialerd.domain.dial_modes import progressive

Step = Callable[[Call, CallEvent, datetime], tuple[Call, list[CallCommand]]]

DIAL_MODES: Mapping[DialMode, Step] = {DialMode.PROGRESSIVE: progressive.step}
