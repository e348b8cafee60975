"""Leads who call back: which agents their calls ring and talk to, kept from AMI events. Our dialplan (extensions_dialerd_hooks.conf) says
who calls, and which phone it rings by itself; of those that a queue rings, the queue's own events tell.

What happens while the link is away is not known afterwards: then nothing is told of the calls that go on.
"""

import re
from collections.abc import Callable, Mapping

from dialerd.asterisk.variables import CALLER_EVENT, CALLER_RINGS_EVENT, CALLER_TALKS_EVENT
from dialerd.domain.callers import Caller
from dialerd.domain.campaigns import is_interface
from dialerd.domain.offers import CallStage

Headers = Mapping[str, str]
_OF_AN_AGENT = frozenset({"AgentCalled", "AgentRingNoAnswer", "AgentConnect"})
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


class CallerMonitor:
    """`feed` gets every AMI event, in order; `on_change` is told what agents do with a call whenever that changes."""

    def __init__(self, *, on_change: Callable[[Caller], None]) -> None:
        self._on_change = on_change
        self._callers: dict[str, Caller] = {}

    def forget(self) -> None:
        """The link is gone."""
        for caller in list(self._callers.values()):
            self._put(caller, {})
        self._callers.clear()

    def feed(self, name: str, headers: Headers) -> None:
        if name == "UserEvent":
            self._told(headers)
            return
        caller = self._callers.get(headers.get("Uniqueid", ""))
        if caller is None:
            return
        agent = headers.get("Interface", "")
        if name in _OF_AN_AGENT and not is_interface(agent):
            return
        match name:
            case "AgentCalled":
                self._put(caller, {**caller.agents, agent: CallStage.RINGING})
            case "AgentRingNoAnswer":
                self._put(caller, {one: stage for one, stage in caller.agents.items() if one != agent})
            case "AgentConnect":
                self._put(caller, {agent: CallStage.TALKING})
            case "AgentComplete":
                self._put(caller, {})
            case "Hangup":
                self._put(caller, {})
                del self._callers[caller.channel]

    def _told(self, headers: Headers) -> None:
        """By our dialplan. An agent who talks tells it on the own channel, and names the caller's."""
        event, channel, agent = headers.get("UserEvent"), headers.get("Uniqueid", ""), headers.get("Agent", "")
        if event == CALLER_EVENT:
            lead = headers.get("Lead", "")
            if _ID.fullmatch(lead) and channel not in self._callers:
                self._callers[channel] = Caller(channel=channel, lead_id=int(lead))
        elif event == CALLER_RINGS_EVENT and (caller := self._callers.get(channel)):
            self._put(caller, {agent: CallStage.RINGING} if is_interface(agent) else {})
        elif (
            event == CALLER_TALKS_EVENT
            and is_interface(agent)
            and (caller := self._callers.get(headers.get("Caller", "")))
        ):
            self._put(caller, {agent: CallStage.TALKING})

    def _put(self, caller: Caller, agents: Mapping[str, CallStage]) -> None:
        if agents != caller.agents:
            self._callers[caller.channel] = changed = Caller(
                channel=caller.channel, lead_id=caller.lead_id, agents=agents
            )
            self._on_change(changed)
