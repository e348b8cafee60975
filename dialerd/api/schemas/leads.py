"""Leads as JSON."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from dialerd.api.schemas.body import Body
from dialerd.domain.leads import LeadState
from dialerd.domain.phone import is_region
from dialerd.imports import Policy
from dialerd.lead_sources.crm_source import custom_name
from dialerd.lead_sources.csv_file import ALTERNATES
from dialerd.store.leads import Duplicates, LeadRecord

MOST_LEADS = 10_000
"""In one request. A file may have millions."""

Text = Annotated[str, StringConstraints(max_length=10_000)]
Short = Annotated[str, StringConstraints(max_length=200)]
Count = Annotated[int, Field(ge=-(10**9), le=10**9)]


def _region(code: str) -> str:
    if not is_region(code):
        raise ValueError("is no country: write its two letters, like GB")
    return code


Region = Annotated[str, StringConstraints(max_length=2), AfterValidator(_region)]

COLUMN_OF: Mapping[str, str] = {
    "max_attempts": "retries",
    "cooloff_s": "cool_off",
    "cooloff_2nd_s": "cool_off_2nd",
    "cooloff_3rd_s": "cool_off_3rd",
    "lead_type": "type",
}
"""What a CSV file calls the same; the other names are the same there."""
_FIELD_OF = {column: name for name, column in COLUMN_OF.items()} | dict.fromkeys(ALTERNATES, "alternate_numbers")


class LeadIn(Body):
    """A lead to be added. What its values have to be is the same as in a CSV file."""

    number: Annotated[Short, Field(examples=["+12025550101"])]
    """E.164, or as it is written in the account's country."""
    first_name: Annotated[Text, Field(examples=["Ada"])]
    """Shown to the agent."""
    last_name: Annotated[Text, Field(examples=["Nguyen"])] = ""
    """Shown to the agent."""
    priority: Annotated[Count, Field(examples=[10])] = 0
    """Higher is dialed first."""
    ticket_id: Annotated[Text, Field(examples=["T-1001"])] = ""
    """Passed to the agent."""
    note: Text = ""
    """Free text for the agent."""
    lead_type: Text = ""
    """A tag."""
    max_attempts: Count | None = None
    """Most attempts for this lead. null: the campaign's."""
    cooloff_s: Count | None = None
    """Seconds to wait after the first failed dial. null: the campaign's."""
    cooloff_2nd_s: Count | None = None
    """The same after the second."""
    cooloff_3rd_s: Count | None = None
    """The same after the third."""
    time_zone: Annotated[Short, Field(examples=["America/New_York"])] | None = None
    """IANA name of the zone in which the lead lives."""
    alternate_numbers: Annotated[list[Short], Field(max_length=len(ALTERNATES))] = Field(default_factory=list)
    """More numbers of the same lead, in the order in which they are tried."""
    skill: Text = ""
    """Passed on with the call."""
    extension: Short = ""
    """Passed on with the call."""
    custom: Annotated[
        dict[Annotated[str, AfterValidator(custom_name)], Text], Field(max_length=100, examples=[{"city": "Oslo"}])
    ] = Field(default_factory=dict)
    """Fields of its own."""

    def as_columns(self) -> dict[str, str]:
        """As a CSV file has it: of a list without own fields that are called like ours."""
        values: dict[str, Any] = self.model_dump(exclude={"alternate_numbers", "custom"}, exclude_none=True)
        columns = {COLUMN_OF.get(name, name): str(value) for name, value in values.items()}
        columns |= dict(zip(ALTERNATES, self.alternate_numbers, strict=False))
        return {**self.custom, **columns}


class LeadsIn(Body):
    """Leads to be added: all of them in one transaction."""

    leads: Annotated[list[LeadIn], Field(min_length=1, max_length=MOST_LEADS)]
    """At most 10,000."""
    duplicates: Duplicates = Duplicates.NEVER
    """Numbers that the campaign has already: passed over; or their leads begin anew, always or if nothing happens to them any more."""
    on_invalid: Policy = Policy.KEEP
    """What is done where some leads cannot be used: the good ones are kept, or all are refused."""
    region: Annotated[Region, Field(examples=["GB"])] | None = None
    """Country (ISO 3166) of numbers that are written without one. null: the account's."""
    source: Annotated[Short, Field(examples=["nightly export"])] = ""
    """Where they come from, for the campaign's activity."""


class InvalidLead(BaseModel):
    """A lead that was not taken."""

    index: int = Field(description="Its place in what was sent, counted from 0.", examples=[3])
    field: str = Field(description="Which of its fields.", examples=["number"])
    value: str = Field(description="What was sent, shortened; phone numbers are masked.", examples=["+120****"])
    reason: str = Field(description="Why it cannot be used.", examples=["is no phone number"])


class AddedLeads(BaseModel):
    """What came of it."""

    added: int = Field(description="Leads that are new.", examples=[98])
    renewed: int = Field(description="Leads that the campaign had, and that begin anew.", examples=[0])
    duplicates: int = Field(description="Leads that changed nothing: known before, or sent twice.", examples=[1])
    invalid: list[InvalidLead] = Field(description="Leads that cannot be used, each flaw on its own.")
    on_dnc: list[int] = Field(
        description="Which of them are on a do-not-call list, by their place: stored, and blocked.", examples=[[17]]
    )


def field_of(column: str) -> str:
    return _FIELD_OF.get(column, column)


class LeadOut(BaseModel):
    """A lead. Who may not see leads gets it without name, number, and all that may tell of the person (null)."""

    id: int = Field(examples=[42])
    campaign_id: int = Field(examples=[7])
    state: LeadState = Field(description="Where it is in its life.")
    priority: int = Field(description="Higher is dialed first.", examples=[10])
    dials: int = Field(description="Every attempt that there was.", examples=[2])
    attempts_used: int = Field(description="Those that count against its limit.", examples=[2])
    max_attempts: int | None = Field(description="Its own limit; null: the campaign's.")
    cooloff_s: int | None = Field(description="Its own first cool-off; null: the campaign's.")
    cooloff_2nd_s: int | None = Field(description="The second.")
    cooloff_3rd_s: int | None = Field(description="The third.")
    not_before: datetime | None = Field(description="It is not dialed before this.")
    held_by: str | None = Field(description="The rule that says so, or that has ended it.", examples=["cooloff"])
    due_at: datetime = Field(description="When it became due: its place in the line.")
    created_at: datetime = Field(description="When it came.")
    new_since: datetime = Field(description="When it came, or was last made new.")
    changed_at: datetime = Field(description="When something last happened to it.")
    on_dnc_at_import: bool = Field(description="Whether it was on a do-not-call list when it came.")
    time_zone: str | None = Field(description="As the list said it.", examples=["Europe/London"])
    number: str | None = Field(description="E.164.", examples=["+12025550101"])
    first_name: str | None = Field(examples=["Ada"], description="For the agent.")
    last_name: str | None = Field(examples=["Nguyen"], description="For the agent.")
    alternate_numbers: list[str] | None = Field(description="More numbers, in the order in which they are tried.")
    dead_numbers: list[str] | None = Field(description="Those of its numbers that turned out to be none.")
    ticket_id: str | None = Field(examples=["T-1001"], description="For the agent.")
    note: str | None = Field(description="For the agent.")
    lead_type: str | None = Field(description="A tag.")
    custom: dict[str, str] | None = Field(description="Fields of its own.")
    skill: str | None = Field(description="Passed on with the call.")
    extension: str | None = Field(description="Passed on with the call.")
    callback_agent: str | None = Field(description="Who is to call back.", examples=["PJSIP/1001"])


_OF_THE_PERSON = (
    *(
        "number",
        "first_name",
        "last_name",
        "alternate_numbers",
        "dead_numbers",
        "ticket_id",
        "note",
        "lead_type",
        "custom",
    ),
    *("skill", "extension", "callback_agent"),
)
_OF_THE_RECORD = frozenset(field.name for field in fields(LeadRecord))
"""The others are of its lead."""


def lead_out(record: LeadRecord, *, seen: bool, last_line: datetime | None) -> LeadOut:
    """`seen`: whether the caller may see of whom it tells. `last_line`: the time of the last line of its activity; None: it has none."""
    names = LeadOut.model_fields.keys() - {"changed_at"}
    values = {name: getattr(record if name in _OF_THE_RECORD else record.lead, name) for name in names}
    values["changed_at"] = last_line or record.lead.new_since
    return LeadOut.model_validate(values if seen else values | dict.fromkeys(_OF_THE_PERSON))


class Which(StrEnum):
    """States by which leads may be reset or deleted: all in which they are not being called."""

    ACTIVE = "active"
    RETRY = "retry"
    COOLOFF = "cooloff"
    VOICEMAIL = "voicemail"
    SUCCESS = "success"
    FAILED = "failed"
    BLOCKED = "blocked"
    ABANDONED = "abandoned"


class ResetIn(Body):
    """Which leads are to begin anew."""

    state: Annotated[Which, Field(examples=["failed"])]
    """All that are in this state."""


class Changed(BaseModel):
    """How many leads were changed."""

    changed: int = Field(examples=[120])


class RuleOut(BaseModel):
    """What one rule says of a lead."""

    rule: str = Field(examples=["lead_window"])
    number: str | None = Field(description="Masked; null: the rule asks for no number.", examples=["+120****0101"])
    allows: bool = Field(description="Whether it allows the call.")
    until: datetime | None = Field(description="Of a refusal: when it is looked at again; null: not by itself.")
    facts: dict[str, Any] = Field(description="What it rests on.")


class Explanation(BaseModel):
    """Why a lead is not called now. Numbers are masked."""

    lead_id: int = Field(examples=[42])
    campaign_id: int = Field(examples=[7])
    number: str = Field(examples=["+120****0101"])
    state: LeadState
    attempts_used: int = Field(description="Those that count against its limit.", examples=[2])
    held_by: str | None = Field(description="The rule that was noted as holding it.", examples=["cooloff"])
    not_before: datetime | None = Field(description="Until when that rule holds it.")
    why: str = Field(description="In one sentence.", examples=["it was dialed without success, and cools off"])
    rules: list[RuleOut] = Field(description="Every rule in order, as it stands now.")
    history: list[dict[str, Any]] = Field(description="What happened to it, from its first line.")
