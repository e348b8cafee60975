"""Leads who call back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialerd.domain.offers import CallStage


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A call of a lead who calls back, and what agents (PJSIP/1001) do with it. No agents: it waits, or is over."""

    channel: str
    """As Asterisk names it, by its Uniqueid."""
    lead_id: int
    agents: Mapping[str, CallStage] = field(default_factory=dict)
