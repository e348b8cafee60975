"""An agent's work as JSON: the card, the talk, what is said of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dialerd.api.schemas.body import HIGHEST_ID, Body
from dialerd.domain.agent_wishes import LONGEST_REASON, ToldWish, WishAction, WishState
from dialerd.domain.dispositions import LONGEST_NOTE, Disposition, Said
from dialerd.domain.leads import LeadState
from dialerd.domain.offers import CallStage, Offer
from dialerd.domain.outcomes import Outcome
from dialerd.store.dispositions import Talk
from dialerd.store.offers import AgentCall, Card

_AGENT = "The agent's phone, as the queue names it."


class LeadOnCard(BaseModel):
    """What an agent may know of a lead."""

    campaign_id: int = Field(description="Id of the campaign.", examples=[7])
    campaign: str = Field(description="Its name.", examples=["Summer offer"])
    queue: str = Field(description="The queue that it is bound to.", examples=["sales"])
    lead_id: int = Field(description="Id of the lead.", examples=[4711])
    attempt_id: UUID | None = Field(
        description="The call that is being dialed; null: the lead is dialed once an agent has accepted."
    )
    number: str = Field(description="Empty where the campaign masks it.", examples=["+12025550123"])
    name: str = Field(description="Name of the lead.", examples=["Ada Lovelace"])
    ticket_id: str = Field(description="As the list of leads had it.", examples=["T-17"])
    note: str = Field(description="As the list of leads had it.", examples=["likes tea"])
    lead_type: str = Field(description="As the list of leads had it.", examples=["warm"])
    custom: Mapping[str, str] = Field(description="Fields of the list's own.", examples=[{"city": "London"}])
    attempts: int = Field(description="That have counted so far.", examples=[1])
    last_outcome: Outcome | None = Field(description="Of the call before; null: there was none.")
    last_disposition: str | None = Field(description="What was said of it.", examples=["try_again"])


class CardOut(LeadOnCard):
    """A lead before an agent."""

    id: int = Field(description="Of the card: say it when you accept or skip what you have seen.", examples=[12])
    agent: str = Field(description=_AGENT, examples=["PJSIP/1001"])
    expires_at: datetime = Field(description="When it goes to another agent.")


class CallOut(LeadOnCard):
    """A call that goes on with an agent, or is to."""

    stage: CallStage = Field(description="accepted: the agent is to be rung. ringing: the agent's phone rings.")
    since: datetime = Field(description="Since when it is so far.")
    lead_answered: bool = Field(description="Whether the lead is on the line.")
    calls_back: bool = Field(description="Whether the lead has called, and no campaign: then there is no attempt.")


class OfferOut(BaseModel):
    """A card that was answered."""

    id: int = Field(description="Of the card.", examples=[12])
    agent: str = Field(description=_AGENT, examples=["PJSIP/1001"])
    campaign_id: int = Field(description="Id of the campaign.", examples=[7])
    lead_id: int = Field(description="Id of the lead.", examples=[4711])
    state: str = Field(description="What it is now.", examples=["accepted"])


class CardIn(Body):
    card: Annotated[int, Field(ge=1, le=HIGHEST_ID)] | None = Field(
        default=None,
        description="Id of the card that you mean: if another one lies there by now, nothing happens. null: whichever lies there.",
        examples=[12],
    )


class DispositionOut(BaseModel):
    """One of those that agents may choose from."""

    code: str = Field(description="What it is called in rows and reports.", examples=["success"])
    title: str = Field(description="What the button says.", examples=["Success"])
    effect: str = Field(description="What it means for the lead.", examples=["done"])


class SaidOut(BaseModel):
    """What was said of a talk."""

    code: str = Field(description="The disposition.", examples=["callback"])
    by: str = Field(description="Who said it.", examples=["PJSIP/1001"])
    note: str = Field(description="What else is to be known.", examples=["asks for Ben"])
    callback_at: datetime | None = Field(description="When the lead is to be called back.")
    callback_agent: str | None = Field(description="By whom; null: by any agent.", examples=["PJSIP/1001"])


class TalkOut(BaseModel):
    """What an agent may say something of."""

    attempt_id: UUID = Field(description="Id of the call.")
    campaign_id: int = Field(description="Id of the campaign.", examples=[7])
    campaign: str = Field(description="Its name.", examples=["Summer offer"])
    lead_id: int = Field(description="Id of the lead.", examples=[4711])
    lead: str = Field(description="Name of the lead.", examples=["Ada Lovelace"])
    number: str = Field(description="Empty where the campaign masks it.", examples=["+12025550123"])
    connected_at: datetime = Field(description="When the two began to talk.")
    ended_at: datetime | None = Field(description="null: they still talk.")
    dispositions: list[DispositionOut] = Field(description="To choose from.")
    said: SaidOut | None = Field(description="What has been said of it until now.")


class DispositionIn(Body):
    """What a talk has come to."""

    code: str = Field(max_length=40, description="Of the campaign's dispositions.", examples=["callback"])
    note: str = Field(
        default="", max_length=LONGEST_NOTE, description="What else is to be known.", examples=["asks for Ben"]
    )
    callback_at: AwareDatetime | None = Field(
        default=None,
        description="When to call back, with its offset from UTC; for dispositions that agree a callback, and no others.",
    )
    personal: bool = Field(
        default=False, strict=True, description="Whether this agent calls back, rather than any.", examples=[False]
    )
    attempt_id: UUID | None = Field(
        default=None, description="The agent's talk in this call. null: the one that goes on, or else the last."
    )


class DisposedOut(BaseModel):
    """What was kept."""

    attempt_id: UUID = Field(description="Id of the call.")
    code: str = Field(description="The disposition.", examples=["callback"])
    lead_state: LeadState | None = Field(
        description="What has become of the lead; null: they still talk, and it takes effect at the end."
    )


class DeskOut(BaseModel):
    """All that lies before an agent."""

    agent: str = Field(description=_AGENT, examples=["PJSIP/1001"])
    card: CardOut | None = Field(description="To be accepted or skipped; null: none.")
    call: CallOut | None = Field(description="That goes on, rings, or is to ring; null: none.")
    talk: TalkOut | None = Field(
        description="The one that goes on, or else the last, of which something may be said; null: none yet."
    )


class PresenceIn(Body):
    """What the agent wishes to be."""

    action: WishAction = Field(
        description="login, logout: in the queue or out of it. pause, unpause: in it, and rung or not.",
        examples=["pause"],
    )
    queue: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{2,40}$",
        description="One that campaigns of the account are bound to. null: all of these.",
        examples=["sales"],
    )
    reason: str = Field(
        default="",
        max_length=LONGEST_REASON,
        description="Of a pause: one of the account's `pause_reasons`, or empty.",
        examples=["Lunch"],
    )


class WishOut(BaseModel):
    """What was wished, and what has become of it. A daemon carries it out within moments, or it is refused."""

    id: int = Field(description="Of the wish: later ones have higher ids.", examples=[31])
    agent: str = Field(description=_AGENT, examples=["PJSIP/1001"])
    action: WishAction = Field(description="What was wished.", examples=["pause"])
    queue: str | None = Field(description="In which queue; null: in all of the account's.", examples=["sales"])
    reason: str = Field(description="Of a pause.", examples=["Lunch"])
    by: str = Field(description="Who wished it.", examples=["user ben"])
    wished_at: datetime = Field(description="When.")
    state: WishState = Field(description="waiting: for a daemon.", examples=["done"])
    done_at: datetime | None = Field(description="When a daemon carried it out.")
    refused: str = Field(
        description="Why it was not carried out, as a sentence. Empty: it was, or it still waits.",
        examples=["PJSIP/1001 is a fixed member of sales: pause instead"],
    )


class SeatOut(BaseModel):
    """A queue that the agent may serve, and the agent in it."""

    model_config = ConfigDict(from_attributes=True)

    queue: str = Field(description="As Asterisk calls it.", examples=["sales"])
    campaigns: list[str] = Field(
        description="The account's campaigns that are bound to it.", examples=[["Summer offer"]]
    )
    known: bool = Field(description="Whether a daemon tells just now how it stands; else the rest means nothing.")
    member: bool = Field(description="Whether the agent is in it.")
    fixed: bool = Field(description="Whether by Asterisk's own files: then there is no logout, only a pause.")
    paused: bool = Field(description="Whether the agent is paused in it.")
    pause_reason: str = Field(description="What was said at the pause. Empty: nothing.", examples=["Lunch"])
    state: str | None = Field(
        description="Asterisk's device state of the phone; null: no member.", examples=["not_inuse"]
    )
    in_call: bool = Field(description="Whether the agent talks to a caller of a queue.")
    wrapup_until: datetime | None = Field(description="Until when the agent finishes the last call.")
    calls_taken: int | None = Field(
        description="Out of this queue, since Asterisk began to count; null: no member.", examples=[17]
    )


class PresenceOut(BaseModel):
    """In which queues the agent is, and how."""

    agent: str = Field(description=_AGENT, examples=["PJSIP/1001"])
    queues: list[SeatOut] = Field(description="Those that the agent may serve, by name.")
    pause_reasons: list[str] = Field(
        description="To choose from at a pause: the account's.",
        examples=[["Break", "Lunch", "Training", "Back office"]],
    )
    last_wish: WishOut | None = Field(description="The last one of the agent, and what has become of it; null: none.")


def card_out(card: Card) -> CardOut:
    offer = card.offer
    return CardOut(
        id=offer.id,
        agent=offer.agent,
        campaign_id=offer.campaign_id,
        campaign=card.campaign,
        queue=offer.queue,
        lead_id=offer.lead_id,
        attempt_id=offer.attempt_id,
        number=card.number,
        name=card.name,
        ticket_id=card.ticket_id,
        note=card.note,
        lead_type=card.lead_type,
        custom=card.custom,
        attempts=card.attempts,
        last_outcome=card.last_outcome,
        last_disposition=card.last_disposition,
        expires_at=offer.expires_at,
    )


def call_out(call: AgentCall) -> CallOut:
    return CallOut.model_validate(call, from_attributes=True)


def offer_out(offer: Offer) -> OfferOut:
    return OfferOut(
        id=offer.id,
        agent=offer.agent,
        campaign_id=offer.campaign_id,
        lead_id=offer.lead_id,
        state=offer.state,
    )


def disposition_out(disposition: Disposition) -> DispositionOut:
    return DispositionOut(code=disposition.code, title=disposition.title, effect=disposition.effect)


def talk_out(talk: Talk) -> TalkOut:
    return TalkOut(
        attempt_id=talk.attempt_id,
        campaign_id=talk.campaign_id,
        campaign=talk.campaign,
        lead_id=talk.lead_id,
        lead=talk.lead,
        number=talk.number,
        connected_at=talk.connected_at,
        ended_at=talk.ended_at,
        dispositions=[disposition_out(each) for each in talk.dispositions],
        said=_said_out(talk.said) if talk.said else None,
    )


def _said_out(said: Said) -> SaidOut:
    return SaidOut(
        code=said.code,
        by=said.by,
        note=said.note,
        callback_at=said.callback_at,
        callback_agent=said.callback_agent,
    )


def wish_out(wish: ToldWish) -> WishOut:
    return WishOut(
        id=wish.id,
        agent=wish.agent,
        action=wish.action,
        queue=wish.queue,
        reason=wish.reason,
        by=wish.by,
        wished_at=wish.wished_at,
        state=wish.state,
        done_at=wish.done_at,
        refused=wish.refused,
    )
