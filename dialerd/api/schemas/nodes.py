"""Daemons as JSON."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from dialerd.domain.nodes import NodeState
from dialerd.store.nodes import Node

NodeName = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["dialer-1"])]


class NodeOut(BaseModel):
    """A daemon of this database."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str = Field(examples=["dialer-1"])
    state: NodeState
    """silent: stopped, dead, or cut off from the database. draining: it lives, and starts no call any more."""
    draining: bool
    version: str
    started_at: datetime
    heartbeat_at: datetime
    silent_for_s: float
    """Since its last sign of life."""
    pbx: str
    """Which Asterisk it dials through (entity id); empty: not known yet."""
    campaigns: int
    """How many it dials, of all accounts."""
    open_calls: int


def node_out(node: Node) -> NodeOut:
    return NodeOut(
        id=node.id,
        state=node.state,
        draining=node.draining,
        version=node.version,
        started_at=node.started_at,
        heartbeat_at=node.heartbeat_at,
        silent_for_s=round(node.silent_for.total_seconds(), 1),
        pbx=node.pbx,
        campaigns=node.campaigns,
        open_calls=node.open_calls,
    )
