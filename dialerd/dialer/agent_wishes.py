"""Carries out what agents wish to be in the queues of this daemon's Asterisk: logged in or out, paused or not.

Each step may be taken twice without harm, so after a crash the next life begins the wish anew. Who wishes is told what became of it; and
where nobody carries it out in time, that nobody did.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from dialerd.dialer.ports import QueueMembers, WishRows
from dialerd.dialer.watch import watch
from dialerd.domain.agent_wishes import Answer, Seating, Wish, WishAction
from dialerd.errors import AsteriskUnavailable, DialerdError

log = structlog.get_logger(__name__)

LOOK_S = 3.0
"""Between two looks, where no bell rings. Well within the time that a wish has."""


class AgentWishes:
    def __init__(self, *, rows: WishRows, members: QueueMembers, node: str) -> None:
        self._rows = rows
        self._members = members
        self._node = node
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Somebody may have wished something; or Asterisk can be reached again."""
        self._bell.set()

    async def run(self) -> None:
        """Never ends."""
        await watch(self._bell, self.look, every_s=LOOK_S, trouble="wishes_of_agents_not_carried_out")

    async def look(self) -> None:
        """In their order. Where Asterisk is away they wait, until it is too late for them."""
        for wish in await self._rows.open_wishes(self._node):
            answer, why = await self._carry_out(wish)
            await self._rows.answer(wish.id, self._node, answer, why)
            log.info("wish_of_agent", agent=wish.agent, action=wish.action, queues=wish.queues, answer=answer, why=why)

    async def _carry_out(self, wish: Wish) -> tuple[Answer, str]:
        """What came of it, and why. Raises AsteriskUnavailable."""
        try:
            found = {queue: await self._seat(wish, queue) for queue in wish.queues}
        except AsteriskUnavailable:
            raise
        except DialerdError as refusal:
            return Answer.REFUSED, f"Asterisk refuses it: {refusal}"
        return _answer(wish, found)

    async def _seat(self, wish: Wish, queue: str) -> Seating:
        match wish.action:
            case WishAction.LOGIN:
                return await self._members.add(queue, wish.agent, wish.name)
            case WishAction.LOGOUT:
                return await self._members.remove(queue, wish.agent)
            case WishAction.PAUSE:
                return await self._members.pause(queue, wish.agent, wish.reason)
            case WishAction.UNPAUSE:
                return await self._members.unpause(queue, wish.agent)


def _answer(wish: Wish, found: Mapping[str, Seating]) -> tuple[Answer, str]:
    """Who is to be out and is not there, or in and there already, is where he wished to be."""
    if fixed := _where(found, Seating.FIXED):
        return Answer.REFUSED, f"{wish.agent} is a fixed member of {', '.join(fixed)}: pause instead"
    done = {Seating.DONE, Seating.THERE_ALREADY}
    if wish.action is WishAction.LOGOUT:
        done.add(Seating.NO_MEMBER)
    if done & set(found.values()):
        return Answer.DONE, ""
    if no_member := _where(found, Seating.NO_MEMBER):
        return Answer.ELSEWHERE, f"{wish.agent} is not in {', '.join(no_member)}: log in first"
    return Answer.ELSEWHERE, f"Asterisk has no queue {', '.join(found)}"


def _where(found: Mapping[str, Seating], what: Seating) -> Sequence[str]:
    return [queue for queue, seating in found.items() if seating is what]
