"""A call in flight, and what is still to be done about it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dialerd.domain.attempts import KeptCall
from dialerd.domain.calls import (
    AskToDial,
    Call,
    CallCommand,
    DialLead,
    ExtendHold,
    HangUpHunt,
    HangUpLead,
    HoldAgent,
    HuntAgent,
    JoinLegs,
    KeepAgent,
    MoveToMessage,
    MoveToQueue,
    NoteOptOut,
    OfferCard,
    PlayGreeting,
    PlayInMenu,
    Remind,
    WithdrawCard,
)


@dataclass(frozen=True)
class LiftHoldLimit:
    """Legs that talk must not be cut by the dead man's handle of the dialplan."""


StoreCommand = AskToDial | OfferCard | WithdrawCard | NoteOptOut
PbxCommand = (
    HuntAgent
    | HoldAgent
    | JoinLegs
    | HangUpHunt
    | PlayInMenu
    | ExtendHold
    | LiftHoldLimit
    | PlayGreeting
    | MoveToQueue
    | MoveToMessage
    | HangUpLead
)
Todo = PbxCommand | DialLead | KeepAgent | Remind


@dataclass
class TrackedCall:
    call: Call
    written: Call
    """The call as its row is known to be."""
    kept: KeptCall | None = None
    """What was last kept of it on disk, because the database could not take it."""
    decision_s: float = 0.0
    """How long the decision to open it took."""
    being_placed: bool = False
    dialed_at: float | None = None
    """When the lead was dialed, by the monotonic clock; 0: by an earlier daemon. None: not yet, so that its end says nothing of the
    trunk."""
    todo: "asyncio.Queue[list[Todo]]" = field(default_factory=asyncio.Queue)
    asked: "asyncio.Queue[list[StoreCommand]]" = field(default_factory=asyncio.Queue)
    """What the store is to do or to tell."""
    stepped: asyncio.Event = field(default_factory=asyncio.Event)
    """Something has happened to it."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """What follows from the newest step has been asked of the PBX: now the row is to follow."""
    reminders: list[asyncio.TimerHandle] = field(default_factory=list)
    hunts: set[int] = field(default_factory=set)
    """The hunts that may still ring or hold an agent."""
    waits_since: float | None = None
    """When the person began to wait for an agent, by the monotonic clock; so is the next."""
    agent_waits_since: float | None = None
    """When an agent began to wait for the person."""
    both_since: float | None = None
    """Since when both are on the line."""
    task: "asyncio.Task[None] | None" = None

    def order(self, commands: list[CallCommand], of_our_own: list[Todo]) -> None:
        """Hand out what follows from a step, each to the task that does it."""
        store, todo = list[StoreCommand](), list[Todo]()
        for command in commands:
            if isinstance(command, StoreCommand):
                store.append(command)
            else:
                todo.append(command)
        self.todo.put_nowait([*todo, *of_our_own])
        self.asked.put_nowait(store)
        self.stepped.set()

    def later(self, after_s: float, do: Callable[..., None], *args: object) -> None:
        """Unless the call is over by then."""
        self.reminders.append(asyncio.get_running_loop().call_later(after_s, do, *args))
