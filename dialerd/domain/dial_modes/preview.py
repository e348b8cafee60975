"""Preview: the lead is dialed while an agent looks at the card; "on answer the call is held until an agent accepts".

The card goes from agent to agent until one accepts; then that agent's phone is rung. A lead who waits has the same promises as
in progressive mode.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from dialerd.domain.call_moves import (
    HOLD_MARGIN,
    SERVED,
    UNANSWERED,
    WAITING,
    Moves,
    Stepped,
    Table,
    answer,
    begin_to_wait,
    dial,
    dial_failed,
    hold,
    hunt,
    nobody,
    patience_of,
    placed,
    refused,
    ring,
    serve,
    to,
)
from dialerd.domain.calls import (
    AcceptTimedOut,
    AttemptState,
    Call,
    CardAccepted,
    CardOffered,
    CardSkipped,
    ChannelMade,
    DialFailed,
    DialRefused,
    ExtendHold,
    LeadAnswered,
    LeadHeld,
    LeadRang,
    NobodyToOffer,
    OfferCard,
    OfferDue,
    OfferLapsed,
    Opened,
    Remind,
    WithdrawCard,
)

LOOK_AGAIN = timedelta(seconds=1)
"""After no agent was free for the card."""


def _begin(call: Call, event: Opened, now: datetime) -> Stepped:
    dialed, commands = dial(call, event, now)
    return (replace(dialed, offers=1), [*commands, OfferCard(1)]) if commands else (call, [])


def _offered(call: Call, event: CardOffered, _: datetime) -> Stepped:
    if event.offer != call.offers or call.accepted:
        return call, [WithdrawCard(event.offer)]
    return replace(call, offered_to=event.agent), []


def _withdraw(call: Call, event: CardOffered, _: datetime) -> Stepped:
    """The lead is elsewhere by now: in the queue, with the message, or gone."""
    return call, [WithdrawCard(event.offer)]


def _wait_for_an_agent(call: Call, event: NobodyToOffer, _: datetime) -> Stepped:
    return call, [Remind(after=LOOK_AGAIN, event=OfferDue(event.offer))]


def _offer_again(call: Call, event: OfferDue, _: datetime) -> Stepped:
    if event.offer != call.offers or call.accepted or call.offered_to is not None:
        return call, []
    offer = max(1, call.offers)  # a daemon may have died before the first
    return replace(call, offers=offer), [OfferCard(offer)]


def _declined(call: Call, event: CardSkipped | OfferLapsed, _: datetime) -> Stepped:
    """On to the next agent. Who was faster than the news of the offer is not known, and may be asked once more."""
    if event.offer != call.offers or call.accepted:
        return call, []
    offer, declined = call.offers + 1, call.declined | ({call.offered_to} if call.offered_to else set())
    return replace(call, offers=offer, offered_to=None, declined=declined), [OfferCard(offer)]


def _accept(call: Call, event: CardAccepted, _: datetime) -> Stepped:
    """The agent's phone is rung as soon as the lead is there, who then waits for it as long as for any agent."""
    if call.accepted:
        return call, []
    accepted = replace(call, accepted=True, offered_to=None, wanted_agent=event.agent)
    if not call.held or call.hunting:
        return accepted, []
    hunting, commands = hunt(accepted)
    return hunting, [ExtendHold(call.agent_dial_timeout + HOLD_MARGIN), *commands]


def _hold(call: Call, event: LeadHeld, now: datetime) -> Stepped:
    """Until an agent accepts; as in progressive mode where one has."""
    held, commands = hold(call, event, now)
    if commands:
        return held, commands
    if call.accepted or call.hunting:
        return serve(call, event, now)
    waiting = begin_to_wait(held)
    if call.held:
        return waiting, []
    return waiting, [patience_of(waiting, now), Remind(after=call.agent_dial_timeout, event=AcceptTimedOut())]


def _accept_timed_out(call: Call, _: AcceptTimedOut, __: datetime) -> Stepped:
    return (call, []) if call.accepted or call.hunting else nobody(replace(call, accepted=True))


_CARD: Moves = {
    CardOffered: to(_offered),
    NobodyToOffer: to(_wait_for_an_agent),
    OfferDue: to(_offer_again),
    CardSkipped: to(_declined),
    OfferLapsed: to(_declined),
    CardAccepted: to(_accept),
}

TABLE: Table = {
    AttemptState.DIALING: {
        Opened: to(_begin),
        ChannelMade: to(placed),
        LeadRang: to(ring, AttemptState.RINGING),
        LeadAnswered: to(answer, AttemptState.ANSWERED),
        LeadHeld: to(_hold, AttemptState.ANSWERED),
        DialFailed: to(dial_failed),
        DialRefused: to(refused, AttemptState.ENDED),
        **_CARD,
        **UNANSWERED,
    },
    AttemptState.RINGING: {
        LeadAnswered: to(answer, AttemptState.ANSWERED),
        LeadHeld: to(_hold, AttemptState.ANSWERED),
        **_CARD,
        **UNANSWERED,
    },
    AttemptState.ANSWERED: {
        **_CARD,
        **WAITING,
        LeadHeld: to(_hold),
        AcceptTimedOut: to(_accept_timed_out, AttemptState.MESSAGE),
    },
    **{state: {**moves, CardOffered: to(_withdraw)} for state, moves in SERVED.items()},
}
