"""Agents' work: cards of leads, talks' results, the queues that they serve. An agent acts for the own phone; a supervisor for any."""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from dialerd.api.auth import permitted
from dialerd.api.parts import Parts, TheParts, TheStores, note_for_audit
from dialerd.api.routing import router
from dialerd.api.schemas.agents import (
    CardIn,
    CardOut,
    DeskOut,
    DisposedOut,
    DispositionIn,
    OfferOut,
    PresenceIn,
    PresenceOut,
    SeatOut,
    TalkOut,
    WishOut,
    call_out,
    card_out,
    offer_out,
    talk_out,
    wish_out,
)
from dialerd.api.schemas.body import AfterName, Limit, Page, page_of
from dialerd.clock import set_within
from dialerd.domain.campaigns import interface_of
from dialerd.domain.roles import Caller, Permission, Role
from dialerd.errors import InvalidRequest, NotFound, NotPermitted
from dialerd.store.dispositions import Talk
from dialerd.store.offers import Card

agents = router("agents")

Worker = Annotated[Caller, permitted(Permission.WORK)]
ME = "me"
LONGEST_WAIT_S = 30
POLL_S = 5.0
"""Between two looks of who waits, where no bell rings."""


def _phone(
    caller: Worker,
    agent: Annotated[
        str,
        Path(
            max_length=80,
            description="The agent's phone, as the queue names it: PJSIP/1001, or 1001; `me`: one's own.",
            examples=["1001"],
        ),
    ],
) -> str:
    """Raises NotPermitted for somebody else's, NotFound for who has none, InvalidRequest for what is none."""
    if agent == ME:
        if not caller.agent:
            raise NotFound("phone of", caller.actor)
        return caller.agent
    phone = interface_of(agent)
    if phone is None:
        raise InvalidRequest(["agent: a phone as a queue names it, such as PJSIP/1001 or 1001"])
    if caller.role is Role.AGENT and phone != caller.agent:
        raise NotPermitted("an agent acts for the own phone: use `me`")
    return phone


Phone = Annotated[str, Depends(_phone)]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        allow_inf_nan=False,
        description="Seconds to wait for a card where none lies.",
        examples=[25],
    ),
]


@agents.get("/cards", summary="The cards that lie before agents")
async def list_cards(caller: Worker, stores: TheStores, after: AfterName = "", limit: Limit = 100) -> Page[CardOut]:
    """By agent. Who is an agent sees the own one."""
    if caller.role is Role.AGENT:
        card = await _card(stores, caller.agent, caller.account_id) if caller.agent > after else None
        return Page(items=[card_out(card)] if card else [], next=None)
    found = await stores.offers.cards(account_id=caller.account_id, after=after, limit=limit + 1)
    return page_of([card_out(card) for card in found], limit, lambda card: card.agent)


@agents.get("/agents/{agent:path}/card", summary="The card that lies before an agent")
async def get_card(phone: Phone, caller: Worker, parts: TheParts, wait_s: Wait = 0) -> CardOut:
    """404 where none lies; with `wait_s`, after having waited so long for one."""
    card = await _card_in_time(parts, phone, caller.account_id, wait_s)
    if card is None:
        raise NotFound("card for agent", phone)
    return card_out(card)


@agents.post("/agents/{agent:path}/card/accept", summary="Accept the card: the agent's phone rings for the lead")
async def accept(phone: Phone, caller: Worker, stores: TheStores, given: CardIn | None = None) -> OfferOut:
    """409 where its time is over, the call has ended, or another card lies there."""
    meant = given.card if given else None
    return offer_out(await stores.offers.accept(phone, offer=meant, account_id=caller.account_id))


@agents.post("/agents/{agent:path}/card/skip", summary="Leave the lead to another agent")
async def skip(phone: Phone, caller: Worker, stores: TheStores, given: CardIn | None = None) -> OfferOut:
    """409 as above."""
    meant = given.card if given else None
    return offer_out(await stores.offers.skip(phone, offer=meant, account_id=caller.account_id))


@agents.get("/agents/{agent:path}/talk", summary="An agent's talk that goes on, or the last one")
async def get_talk(phone: Phone, caller: Worker, stores: TheStores) -> TalkOut:
    return talk_out(await stores.dispositions.last_talk(phone, account_id=caller.account_id))


@agents.get("/agents/{agent:path}/desk", summary="All that lies before an agent: card, call and talk")
async def get_desk(phone: Phone, caller: Worker, stores: TheStores) -> DeskOut:
    """In one answer, for a desktop. Each is null where there is none."""
    card = await _card(stores, phone, caller.account_id)
    call = await stores.offers.call(phone, account_id=caller.account_id)
    talk = await _talk(stores, phone, caller.account_id)
    return DeskOut(
        agent=phone,
        card=card_out(card) if card else None,
        call=call_out(call) if call else None,
        talk=talk_out(talk) if talk else None,
    )


@agents.post("/agents/{agent:path}/disposition", summary="Say what a talk has come to")
async def dispose(
    given: DispositionIn, phone: Phone, caller: Worker, stores: TheStores, request: Request
) -> DisposedOut:
    """While it goes on this is kept until its end; the last word counts, until the lead is called again."""
    note_for_audit(request, {"code": given.code})
    talk = await stores.dispositions.last_talk(phone, attempt=given.attempt_id, account_id=caller.account_id)
    state = await stores.dispositions.dispose(
        talk.attempt_id,
        given.code,
        by=phone,
        note=given.note,
        callback_at=given.callback_at,
        callback_agent=phone if given.personal else None,
    )
    return DisposedOut(attempt_id=talk.attempt_id, code=given.code, lead_state=state)


@agents.get("/agents/{agent:path}/presence", summary="In which queues an agent is, and whether paused")
async def get_presence(phone: Phone, caller: Worker, stores: TheStores) -> PresenceOut:
    """Of the queues that campaigns of the account are bound to. With the last wish, and whether it was carried out."""
    account = await stores.accounts.get(caller.account)
    last = await stores.agents.last_wish(account.id, phone)
    return PresenceOut(
        agent=phone,
        queues=[SeatOut.model_validate(seat) for seat in await stores.agents.seats(account.id, phone)],
        pause_reasons=list(account.rules.pause_reasons),
        last_wish=wish_out(last) if last else None,
    )


@agents.post(
    "/agents/{agent:path}/presence",
    status_code=HTTPStatus.ACCEPTED,
    summary="Log an agent in to queues or out of them, pause, go on",
)
async def wish_presence(
    given: PresenceIn, phone: Phone, caller: Worker, stores: TheStores, request: Request
) -> WishOut:
    """A daemon carries it out within moments: `last_wish` of the presence says so, or why not. After 10 s it is refused."""
    note_for_audit(request, given.model_dump(mode="json"))
    account = await stores.accounts.get(caller.account)
    wish = await stores.agents.wish(
        account, phone, given.action, queue=given.queue, reason=given.reason, by=caller.actor
    )
    return wish_out(wish)


async def _card_in_time(parts: Parts, agent: str, account_id: int, wait_s: float) -> Card | None:
    """Woken by the bell, with a look now and then behind it."""
    until = parts.clock.monotonic() + wait_s
    with parts.card_bell.listening(agent) as rung:
        while True:
            rung.clear()
            card = await _card(parts.stores, agent, account_id)
            left_s = until - parts.clock.monotonic()
            if card is not None or left_s <= 0:
                return card
            await set_within(rung, min(left_s, POLL_S))


async def _talk(stores: TheStores, agent: str, account_id: int) -> Talk | None:
    with suppress(NotFound):
        return await stores.dispositions.last_talk(agent, account_id=account_id)
    return None


async def _card(stores: TheStores, agent: str, account_id: int) -> Card | None:
    with suppress(NotFound):
        return await stores.offers.card(agent, account_id=account_id)
    return None
