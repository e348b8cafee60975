"""What the deliverer needs of the outside. The daemon hands the real ones in, tests hand fakes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from dialerd.domain.webhooks import Parcel
from dialerd.guarded_http.client import Request


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The receiver has it."""

    status: int


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The receiver does not have it. `status` is None where none came; `after` is the rest that it asks for."""

    error: str = field(repr=False)
    status: int | None = None
    after: timedelta | None = None


Send = Callable[[Request], Awaitable[Taken | Refused]]
"""One request, once. It ends within its time limits, whatever the other side does."""
ForCrm = Callable[[Mapping[str, Any], Mapping[str, Any]], Request]
"""The request by which a CRM (its source) is told of an event (as a webhook is sent it). Raises DialerdError if it cannot be made."""


class Deliveries(Protocol):
    async def with_due(self) -> Sequence[int]: ...

    async def take(
        self, webhook_id: int, *, most: int, lease: timedelta, give_up_after: timedelta
    ) -> Sequence[Parcel]: ...

    async def note_delivered(self, delivery_id: int, status: int) -> None: ...

    async def note_failed(
        self,
        delivery_id: int,
        error: str,
        *,
        status: int | None,
        retry_in: timedelta,
        rest: timedelta,
        dead: bool = False,
    ) -> None: ...

    async def disable(self, webhook_id: int, why: str) -> None: ...

    async def clean(self, *, give_up_after: timedelta) -> int: ...


class Events(Protocol):
    async def clean(self, *, keep_for: timedelta, keep_dead_for: timedelta) -> int: ...
