"""Queues and agents as JSON."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

QueueName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_-]{2,40}$", description="A queue, as Asterisk calls it.", examples=["sales"])
]
SeenQueue = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$", examples=["sales"])]


class QueueOut(BaseModel):
    """A queue that Asterisk has."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    name: str = Field(examples=["sales"])
    strategy: str = Field(examples=["rrmemory"])
    """How it picks the agent whose phone rings, as Asterisk names it (ringall, rrmemory ...); empty: not told."""
    known: bool
    """Whether a daemon tells just now how it stands; else the figures below mean nothing."""
    waiting: int | None
    """Callers who wait; those whom dialerd lets wait for an agent are not counted."""
    agents: int
    free: int
    """Who could take a call now: idle, not paused, not in wrap-up."""
    paused: int
    in_call: int


class AgentOut(BaseModel):
    """An agent in a queue."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    interface: str = Field(description="The agent's phone, as the queue names it.", examples=["PJSIP/1001"])
    name: str
    state: str = Field(description="Asterisk's device state.", examples=["not_inuse"])
    paused: bool
    pause_reason: str
    in_call: bool
    """Whether the agent talks to a caller of a queue."""
    wrapup_until: datetime | None
    """Until when the agent finishes the last call."""
    seen_at: datetime
    """Since when it is so."""
    pbx: str
    """Which Asterisk; empty: not known yet."""
