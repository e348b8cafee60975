"""Puts agents into queues and takes them out, pauses them and lets them go on: the AMI actions, and what Asterisk answers."""

from collections.abc import Mapping

from dialerd.asterisk.ami import Ami, AmiForbidden, AmiRefused
from dialerd.domain.agent_wishes import Seating

MAX_NAME = 60
_NOT_IN_A_NAME = frozenset(";|,")
"""They part fields where Asterisk keeps its members over a restart, and in its queue log."""
_MEANS: Mapping[str, Seating] = {
    "Unable to add interface: Already there": Seating.THERE_ALREADY,
    "Unable to add interface to queue: No such queue": Seating.NO_QUEUE,
    "Unable to remove interface from queue: No such queue": Seating.NO_QUEUE,
    "Unable to remove interface: Not there": Seating.NO_MEMBER,
    "Interface not found": Seating.NO_MEMBER,
    "Member not dynamic": Seating.FIXED,
}
"""Asterisk's words (tried on 22.10.1). A pause does not tell a queue that is not there from a member who is not."""


class QueueMembers:
    """Fulfils the dialer's port of the same name. Raises AsteriskUnavailable where nothing is known of what came of it, and AmiRefused
    where Asterisk refuses it for another reason than those that Seating knows."""

    def __init__(self, ami: Ami) -> None:
        self._ami = ami

    async def add(self, queue: str, agent: str, name: str) -> Seating:
        shown = "".join(c for c in name if c.isprintable() and c not in _NOT_IN_A_NAME).strip()[:MAX_NAME]
        said = {"Queue": queue, "Interface": agent, "StateInterface": agent, "Paused": "false"}
        return await self._act("QueueAdd", {**said, **({"MemberName": shown} if shown else {})})

    async def remove(self, queue: str, agent: str) -> Seating:
        return await self._act("QueueRemove", {"Queue": queue, "Interface": agent})

    async def pause(self, queue: str, agent: str, reason: str) -> Seating:
        said = {"Queue": queue, "Interface": agent, "Paused": "true"}
        return await self._act("QueuePause", {**said, **({"Reason": reason} if reason else {})})

    async def unpause(self, queue: str, agent: str) -> Seating:
        return await self._act("QueuePause", {"Queue": queue, "Interface": agent, "Paused": "false"})

    async def _act(self, action: str, headers: Mapping[str, str]) -> Seating:
        try:
            await self._ami.action(action, headers)
        except AmiForbidden as forbidden:
            raise AmiForbidden(f"the AMI user may not run {action}: give it the class agent, by write") from forbidden
        except AmiRefused as refusal:
            if refusal.message not in _MEANS:
                raise
            return _MEANS[refusal.message]
        return Seating.DONE
