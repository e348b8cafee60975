"""The two lines to Asterisk, cut short: what would be sent is kept, what comes back is set by the test."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dialerd.asterisk.ami import Ami
from dialerd.asterisk.ari import Ari

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Action:
    name: str
    headers: Headers
    variables: Headers


@dataclass(frozen=True)
class Operation:
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


class CutAmi(Ami):
    """`refusals` says what an action raises, and `replies` what is answered, once each."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.up.set()
        self.actions: list[Action] = []
        self.refusals: defaultdict[str, list[Exception]] = defaultdict(list)
        self.replies: defaultdict[str, list[Headers]] = defaultdict(list)
        self.rows: list[Headers] = []

    async def action(
        self, name: str, headers: Headers, *, variables: Headers = MappingProxyType({}), timeout: float = 5.0
    ) -> Headers:
        self.actions.append(Action(name, dict(headers), dict(variables)))
        if self.refusals[name]:
            raise self.refusals[name].pop(0)
        return self.replies[name].pop(0) if self.replies[name] else {}

    async def list_action(self, name: str, headers: Headers, *, timeout: float = 10.0) -> list[Headers]:
        await self.action(name, headers)
        return self.rows


class CutAri(Ari):
    """`refusals` says what an operation raises, and `replies` what it returns, once each; `stored` are the recordings."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.up.set()
        self.operations: list[Operation] = []
        self.refusals: defaultdict[str, list[Exception]] = defaultdict(list)
        self.replies: defaultdict[str, list[Any]] = defaultdict(list)
        self.stored: dict[str, bytes] = {}

    async def call(self, operation: str, **params: Any) -> Any:
        self.operations.append(Operation(operation, params))
        if self.refusals[operation]:
            raise self.refusals[operation].pop(0)
        return self.replies[operation].pop(0) if self.replies[operation] else None

    async def download_recording(self, name: str, take: Callable[[bytes], None]) -> None:
        self.operations.append(Operation("download", {"name": name}))
        if self.refusals["download"]:
            raise self.refusals["download"].pop(0)
        sound = self.stored[name]
        for start in range(0, len(sound), 50):
            take(sound[start : start + 50])
