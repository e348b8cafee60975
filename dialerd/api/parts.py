"""What the routes stand on, and how they reach it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from dialerd.clock import Clock
from dialerd.settings import Settings
from dialerd.store.stores import Stores


class Sounds(Protocol):
    """What is heard, where Asterisk keeps it."""

    def recording(self, name: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A stored recording (WAV), piece by piece. Raises NotFound, AsteriskUnavailable."""
        ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    stores: Stores
    settings: Settings
    clock: Clock
    sounds: Sounds | None = None
    """None where this process does not reach Asterisk."""


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def stores_of(request: Request) -> Stores:
    return parts_of(request).stores


TheParts = Annotated[Parts, Depends(parts_of)]
TheStores = Annotated[Stores, Depends(stores_of)]


def note_for_audit(request: Request, details: Mapping[str, object]) -> None:
    """What the audit log is to say of this request, beside its route: which fields were changed, never secrets."""
    request.state.audit_details = {**getattr(request.state, "audit_details", {}), **details}
