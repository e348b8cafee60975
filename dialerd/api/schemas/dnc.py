"""Do-not-call numbers as JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from dialerd.api.schemas.body import Body
from dialerd.api.schemas.leads import Region
from dialerd.imports import Policy
from dialerd.lead_sources.number_list import LONGEST_TEXT
from dialerd.store.dnc import DncChange, DncEntry

MOST_NUMBERS = 10_000
"""In one request. A file may have millions."""

Written = Annotated[str, StringConstraints(max_length=40)]
Remark = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]


class NumberIn(Body):
    """A number that is not to be called."""

    number: Annotated[Written, Field(examples=["+12025550101"])]
    """E.164, or as it is written in the account's country."""
    reason: Annotated[Remark, Field(examples=["asked by phone"])] = ""
    """Why: kept with the number."""
    source: Annotated[Remark, Field(examples=["support"])] = ""
    """Where the wish comes from. Empty: the API."""
    expires_at: Annotated[AwareDatetime, Field(examples=["2027-01-31T00:00:00Z"])] | None = None
    """From here on it forbids nothing. null: it holds until it is removed."""


class NumbersIn(Body):
    """Numbers that are not to be called."""

    numbers: Annotated[list[NumberIn], Field(min_length=1, max_length=MOST_NUMBERS)]
    """At most 10,000."""
    on_invalid: Policy = Policy.KEEP
    """What is done where some numbers cannot be used: the good ones are kept, or all are refused."""
    region: Annotated[Region, Field(examples=["GB"])] | None = None
    """Country (ISO 3166) of numbers that are written without one. null: the account's."""


class NumberAdded(BaseModel):
    """What the list says of the number now."""

    number: str = Field(description="E.164.", examples=["+12025550101"])
    change: DncChange = Field(description="`none`: it was there, and lasts as long or longer.")


class InvalidNumberOut(BaseModel):
    """A number that was not taken."""

    index: int = Field(description="Its place in what was sent, counted from 0.", examples=[3])
    field: str = Field(examples=["number"], description="Which of its fields.")
    value: str = Field(examples=["+120****"], description="What was sent, shortened and masked.")
    reason: str = Field(examples=["is no phone number"], description="Why it cannot be used.")


class NumbersAdded(BaseModel):
    """What came of it."""

    added: int = Field(description="Numbers that are new on the list.", examples=[98])
    prolonged: int = Field(description="Numbers that were on it, and last longer now.", examples=[1])
    invalid: list[InvalidNumberOut] = Field(description="Numbers that cannot be used.")


class EntryOut(BaseModel):
    """An entry of a do-not-call list."""

    number: str = Field(examples=["+12025550101"], description="E.164.")
    everybody: bool = Field(description="Whether it holds for all accounts; else for this one.")
    reason: str = Field(examples=["asked by phone"], description="Why.")
    source: str = Field(examples=["support"], description="Where the wish comes from.")
    added_by: str = Field(examples=["user anna"], description="Who added it.")
    added_at: datetime = Field(description="Since when it holds.")
    expires_at: datetime | None = Field(description="From here on it forbids nothing; null: never.")


class Verdict(BaseModel):
    """Whether a number may be called."""

    number: str = Field(examples=["+12025550101"], description="E.164.")
    forbidden: bool = Field(description="Whether calls to it are forbidden now.")
    entries: list[EntryOut] = Field(description="What forbids it.")


def entry_out(entry: DncEntry) -> EntryOut:
    values = {name: getattr(entry, name) for name in EntryOut.model_fields if hasattr(entry, name)}
    return EntryOut(**values, everybody=entry.account_id is None)
