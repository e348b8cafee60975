"""What the routes stand on, and how they reach it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Protocol

from fastapi import Depends, Request

from dialerd.api.card_bell import CardBell
from dialerd.api.jobs import Jobs
from dialerd.clock import Clock
from dialerd.domain.recordings import RecordingFile, RecordingPlace
from dialerd.media.converter import Converter
from dialerd.settings import Settings
from dialerd.store.stores import Stores


class Sounds(Protocol):
    """What is heard, where Asterisk keeps it."""

    async def recording(self, place: RecordingPlace, file: RecordingFile) -> Path:
        """The whole WAV file, here for a while. Raises RecordingElsewhere, NoSound, AsteriskUnavailable."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    stores: Stores
    settings: Settings
    clock: Clock
    sounds: Sounds | None = None
    """None where this process does not reach Asterisk."""
    card_bell: CardBell = field(default_factory=CardBell)
    converter: Converter = field(default_factory=Converter)

    @cached_property
    def jobs(self) -> Jobs:
        """Whoever opens the application closes them."""
        return Jobs(self.stores.jobs)


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
