"""Numbers that calls show, as JSON."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dialerd.api.schemas.body import Body
from dialerd.domain.caller_id import LONGEST_NAME, CallerId, CallerIdType, PoolEntry, PoolNumber
from dialerd.store.caller_ids import HIGHEST_CAP

Number = Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$", examples=["+12025550199"])]
"""As it is shown: 3 to 15 digits, with or without a plus sign."""
Name = Annotated[str, Field(max_length=LONGEST_NAME, examples=["Example Ltd"])]
ShownNumber = Annotated[str, Path(pattern=r"^\+?[0-9]{3,15}$", examples=["+12025550199"])]
DailyCap = Annotated[int, Field(strict=True, ge=1, le=HIGHEST_CAP, examples=[100])]


class CallerIdBody(Body):
    """A number, and the name beside it."""

    model_config = ConfigDict(from_attributes=True)

    number: Number
    name: Name = ""

    @property
    def caller_id(self) -> CallerId:
        return CallerId(number=self.number, name=self.name)


class PoolEntryIn(Body):
    """A number that a campaign is to show."""

    number: Number
    name: Name = ""
    """Of a custom number. What a number of the account is called, the account says."""
    type: CallerIdType = CallerIdType.CUSTOM
    daily_cap: DailyCap | None = None
    """Most calls a day that show it, all campaigns of the account counted. null: the cap that it has."""

    @property
    def entry(self) -> PoolEntry:
        return PoolEntry(number=self.number, name=self.name, type=self.type, daily_cap=self.daily_cap)


class PoolIn(Body):
    numbers: Annotated[list[PoolEntryIn], Field(max_length=1000)]
    """In place of all there were, in this order. One that stays keeps its count, its cap and its rest."""


class PoolNumberChanges(Body):
    """Only what is sent is changed."""

    daily_cap: DailyCap | None = None
    """Most calls a day that show it. null: no cap."""
    resting_until: AwareDatetime | None = None
    """It is shown in no call until then, within a year from now. null: it does not rest."""


class PoolNumberOut(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    number: Number
    name: str
    type: CallerIdType
    uses: int
    """Calls of this campaign that have shown it."""
    uses_today: int
    """Calls of all campaigns of the account, on the present day of its calendar."""
    daily_cap: int | None
    resting_until: datetime | None


class PoolOut(BaseModel):
    """A pool has at most as many numbers as the account allows, so it comes as a whole."""

    items: list[PoolNumberOut]


class NumberName(Body):
    name: Name = ""
    """Shown beside the number."""


class QueueNumberOut(BaseModel):
    queue: str = Field(examples=["sales"])
    number: Number
    name: str


class PrefixesIn(Body):
    prefixes: Annotated[list[Annotated[str, Field(pattern=r"^\+?[0-9]{1,15}$")]], Field(min_length=1, max_length=1000)]
    """Beginnings of the numbers that people in that country may see."""


class PrefixesOut(BaseModel):
    country: str = Field(description="ISO 3166", examples=["GB"])
    prefixes: list[str] = Field(examples=[["+4420", "+44161"]])


def pool_number_out(one: PoolNumber) -> PoolNumberOut:
    return PoolNumberOut(
        number=one.caller_id.number,
        name=one.caller_id.name,
        type=one.type,
        uses=one.uses,
        uses_today=one.uses_today,
        daily_cap=one.daily_cap,
        resting_until=one.resting_until,
    )
