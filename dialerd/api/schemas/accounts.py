"""The account as JSON: what holds for all its campaigns."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dialerd.api.schemas.body import Body
from dialerd.api.schemas.caller_ids import CallerIdBody
from dialerd.domain.accounts import MOST_PAUSE_REASONS, Account, AccountRules, Limits, UnknownZone
from dialerd.domain.agent_wishes import LONGEST_REASON
from dialerd.domain.schedule import ScheduleRow

Count = Annotated[int, Field(strict=True)]
Prefix = Annotated[str, Field(max_length=16, examples=["+4420"])]


class LimitsChanges(Body):
    max_calls_per_second: Annotated[float, Field(strict=True, examples=[20])] = 0
    """The highest pace a campaign may set."""
    max_concurrency: Count = 0
    """The most calls in flight a campaign may set."""
    max_attempts: Count = 0
    """The most attempts a campaign may set."""
    max_pool: Count = 0
    """The most numbers that a pool may have."""


class AccountChanges(Body):
    """Only what is sent is changed. null takes away what may be missing."""

    default_region: Annotated[str, Field(max_length=2, examples=["GB"])] = ""
    """Country (ISO 3166) of numbers that are written without one."""
    time_zone: Annotated[str, Field(max_length=100, examples=["Europe/London"])] = ""
    """IANA zone, by which schedules of campaigns are read."""
    limits: LimitsChanges = LimitsChanges()
    """What a campaign may be set to at most."""
    caller_id: CallerIdBody | None = None
    """What campaigns show that have no number of their own, nor a queue with one."""
    business_hours: Annotated[tuple[ScheduleRow, ...], Field(max_length=100)] = ()
    """For campaigns without a schedule of their own. Empty: at any time."""
    unknown_zone: UnknownZone = UnknownZone.BLOCK
    """What becomes of a lead whose zone nothing tells."""
    lead_zone_trusted: Annotated[bool, Field(strict=True)] = False
    """Whether a lead's own zone replaces those of its number, instead of being one more that must be open."""
    max_calls_24h: Count | None = None
    """Most calls to one number in any 24 hours, of all campaigns together. null: no cap."""
    max_calls_7d: Count | None = None
    """The same in any 7 days."""
    abandon_lockout_h: Count = 0
    """Hours for which a number is left alone after a call to it was abandoned."""
    allowed_prefixes: Annotated[tuple[Prefix, ...], Field(max_length=1000)] | None = None
    """Beginnings of numbers that may be dialed. null: every ordinary number."""
    caller_id_prefixes: Annotated[Mapping[str, tuple[Prefix, ...]], Field(max_length=300)] = {}
    """Country (ISO 3166) -> beginnings of the numbers that may be shown to its people; a country that is not listed may see any."""
    profile: Annotated[str, Field(max_length=100, examples=["uk"])] = ""
    """Compliance profile of campaigns that name none."""
    pause_reasons: Annotated[
        tuple[Annotated[str, Field(max_length=LONGEST_REASON)], ...],
        Field(max_length=MOST_PAUSE_REASONS, examples=[["Break", "Lunch"]]),
    ] = ()
    """What an agent who pauses chooses from."""


class AccountOut(BaseModel):
    """What holds for all campaigns of the account."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    name: str
    default_region: str = Field(examples=["GB"])
    """Country (ISO 3166) of numbers that are written without one."""
    rules: AccountRules
    profiles: list[str]
    """The compliance profiles that there are."""


def changed(account: Account, sent: Mapping[str, Any]) -> Account:
    """The account with what was sent."""
    changes = dict(sent)
    region = changes.pop("default_region", account.default_region)
    if "limits" in changes:
        limits: LimitsChanges = changes["limits"]
        changes["limits"] = _limits(account.rules.limits, limits)
    if (shown := changes.get("caller_id")) is not None:
        changes["caller_id"] = shown.caller_id
    return replace(account, default_region=region, rules=replace(account.rules, **changes))


def _limits(limits: Limits, changes: LimitsChanges) -> Limits:
    return replace(limits, **{name: getattr(changes, name) for name in changes.model_fields_set})
