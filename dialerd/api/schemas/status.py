"""All at a glance, as JSON."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from dialerd.api.schemas.campaigns import CampaignSummary, ProgressOut
from dialerd.api.schemas.nodes import NodeOut
from dialerd.domain.campaigns import CampaignStatus


class CampaignLine(CampaignSummary):
    last_hour: ProgressOut


class DatabaseOut(BaseModel):
    """The database that answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    clock_ahead_s: float
    """By how much its clock is ahead of this server's. Windows are judged by the database's."""
    oldest_transaction_s: float
    """Since when somebody looks at rows without an end, which slows claims down; 0: nobody does."""


class StatusOut(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[CampaignLine]
    """Campaigns that are not over, and not drafts."""
    next: str | None
    """Ask for the next page with `after` = this; null: there is none."""
    campaigns: Mapping[CampaignStatus, int]
    """How many of the account's campaigns are in each status."""
    in_flight: int
    """Calls of the account that have not ended."""
    nodes: list[NodeOut]
    database: DatabaseOut
