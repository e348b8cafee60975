"""`dialerd agent`: what an agent does where there is no desktop: log in to queues, pause, look at a lead's card, accept or skip it,
say what a talk was."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from dialerd.cli.audited import audited, commander
from dialerd.cli.console import AsJson, facts, local, out, print_json, say, table
from dialerd.cli.doors import FAILED
from dialerd.cli.options import interface, moment
from dialerd.cli.session import Stores, in_store
from dialerd.domain.agent_wishes import Seat, ToldWish, WishAction, WishState
from dialerd.domain.offers import Offer
from dialerd.store.offers import Card

app = typer.Typer(help="Act as an agent: queues, cards of leads, and what a talk has come to.", no_args_is_help=True)

AgentRef = Annotated[
    str,
    typer.Argument(
        metavar="AGENT", help="The agent's phone, as the queue names it: PJSIP/1001, or 1001.", show_default=False
    ),
]

QueueOption = Annotated[
    str | None, typer.Option("--queue", help="One queue. Default: all that campaigns of the account are bound to.")
]
LOOK_S = 0.2


# --- queues -----------------------------------------------------------------------------------------------------------


@app.command("presence")
def presence(context: typer.Context, agent: AgentRef, as_json: AsJson = False) -> None:
    """Show in which queues an agent is, whether paused, and what has become of the last wish."""
    phone = interface(agent, "AGENT")

    async def work(stores: Stores) -> tuple[Sequence[Seat], ToldWish | None]:
        account = await stores.account()
        return await stores.agents.seats(account.id, phone), await stores.agents.last_wish(account.id, phone)

    seats, wish = in_store(context, work)
    if as_json:
        print_json({"agent": phone, "queues": seats, "last_wish": wish})
        return
    rows = [(seat.queue, *_standing(seat), seat.calls_taken, ", ".join(seat.campaigns)) for seat in seats]
    out().print(table(("queue", "agent is", "phone", "calls taken", "campaigns"), rows))
    if wish is not None:
        say(f"last wish: {_outcome(wish)}")


@app.command("login")
def login(context: typer.Context, agent: AgentRef, queue: QueueOption = None, as_json: AsJson = False) -> None:
    """Put an agent into queues, to be rung for their calls."""
    _wish(context, agent, WishAction.LOGIN, queue, as_json=as_json)


@app.command("logout")
def logout(context: typer.Context, agent: AgentRef, queue: QueueOption = None, as_json: AsJson = False) -> None:
    """Take an agent out of queues. Who is a member by Asterisk's own files can only be paused."""
    _wish(context, agent, WishAction.LOGOUT, queue, as_json=as_json)


@app.command("pause")
def pause(
    context: typer.Context,
    agent: AgentRef,
    queue: QueueOption = None,
    reason: Annotated[str, typer.Option(help="One of the account's pause reasons: see `dialerd account show`.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let an agent be rung no more; a talk goes on."""
    _wish(context, agent, WishAction.PAUSE, queue, reason, as_json=as_json)


@app.command("unpause")
def unpause(context: typer.Context, agent: AgentRef, queue: QueueOption = None, as_json: AsJson = False) -> None:
    """Let an agent be rung again."""
    _wish(context, agent, WishAction.UNPAUSE, queue, as_json=as_json)


def _wish(
    context: typer.Context, agent: str, action: WishAction, queue: str | None, reason: str = "", *, as_json: bool
) -> None:
    """Wait until a daemon has carried it out, or none has in time."""
    phone = interface(agent, "AGENT")

    async def work(stores: Stores) -> ToldWish:
        account = await stores.account()
        async with audited(stores, f"agent {action}", {"agent": phone}, {"queue": queue, "reason": reason}):
            wish = await stores.agents.wish(account, phone, action, queue=queue, reason=reason, by=commander())
        while wish.state is WishState.WAITING:
            await asyncio.sleep(LOOK_S)
            wish = await stores.agents.told(account.id, phone, wish.id)
        return wish

    wish = in_store(context, work)
    if as_json:
        print_json(wish)
    else:
        say(_outcome(wish))
    if wish.state is WishState.REFUSED:
        raise typer.Exit(FAILED)


def _outcome(wish: ToldWish) -> str:
    where, why = wish.queue or "all queues", f" ({wish.reason})" if wish.reason else ""
    became = f"refused: {wish.refused}" if wish.refused else wish.state
    return f"{wish.agent}: {wish.action}{why}, {where}: {became}"


def _standing(seat: Seat) -> tuple[str, str | None]:
    if not seat.known:
        return "not known: no daemon tells", None
    if not seat.member:
        return "not in it", None
    paused = f"paused ({seat.pause_reason})" if seat.pause_reason else "paused"
    told = paused if seat.paused else "in a call" if seat.in_call else "in it"
    return told + (", by Asterisk's own files" if seat.fixed else ""), seat.state


# --- cards ------------------------------------------------------------------------------------------------------------


@app.command("list")
def list_agents(context: typer.Context, as_json: AsJson = False) -> None:
    """List the agents before whom a card lies."""

    async def work(stores: Stores) -> Sequence[Card]:
        return await stores.offers.cards()

    cards = in_store(context, work)
    if as_json:
        print_json([_values(card) for card in cards])
    else:
        rows = [(card.offer.agent, card.campaign, card.offer.lead_id, card.name, _left_s(card)) for card in cards]
        out().print(table(("agent", "campaign", "lead", "name", "seconds left"), rows))


@app.command("offer")
def offer(context: typer.Context, agent: AgentRef, as_json: AsJson = False) -> None:
    """Show the card that lies before an agent: who it is, and what is known of them."""
    phone = interface(agent, "AGENT")
    card = in_store(context, lambda stores: stores.offers.card(phone))
    if as_json:
        print_json(_values(card))
    else:
        out().print(facts(_described(card)))


@app.command("accept")
def accept(context: typer.Context, agent: AgentRef) -> None:
    """Take the lead of the card: the agent's phone rings for it."""
    phone = interface(agent, "AGENT")
    answered: Offer = in_store(context, lambda stores: stores.offers.accept(phone))
    say(f"lead {answered.lead_id} is accepted: {phone} will ring")


@app.command("skip")
def skip(context: typer.Context, agent: AgentRef) -> None:
    """Leave the lead of the card to another agent."""
    phone = interface(agent, "AGENT")
    answered: Offer = in_store(context, lambda stores: stores.offers.skip(phone))
    say(f"lead {answered.lead_id} is skipped")


def _left_s(card: Card) -> int:
    return max(0, round((card.offer.expires_at - datetime.now(UTC)).total_seconds()))


def _values(card: Card) -> dict[str, Any]:
    return {**asdict(card), "seconds_left": _left_s(card)}


def _described(card: Card) -> dict[str, object]:
    return {
        "campaign": card.campaign,
        "lead": card.offer.lead_id,
        "name": card.name,
        "number": card.number or "hidden",
        "ticket": card.ticket_id,
        "type": card.lead_type,
        "note": card.note,
        **card.custom,
        "attempts so far": card.attempts,
        "last outcome": card.last_outcome,
        "last disposition": card.last_disposition,
        "the lead is": "being dialed" if card.offer.attempt_id else "dialed once the card is accepted",
        "seconds left": _left_s(card),
    }


# --- dispositions -----------------------------------------------------------------------------------------------------


@app.command("disposition")
def disposition(
    context: typer.Context,
    agent: AgentRef,
    code: Annotated[str, typer.Argument(help="What it was, by the campaign's codes, such as success or callback.")],
    note: Annotated[str, typer.Option(help="What else is to be known of it.")] = "",
    callback_at: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="When to call back, by the account's clock: '2027-03-01 09:00'."),
    ] = None,
    personal: Annotated[bool, typer.Option("--personal", help="This agent calls back, rather than any.")] = False,
    attempt: Annotated[
        UUID | None, typer.Option(help="Of this call. Default: the agent's talk that goes on, or else the last.")
    ] = None,
) -> None:
    """Say what a talk has come to. While it goes on this is kept until its end; the last word counts."""
    phone = interface(agent, "AGENT")

    async def work(stores: Stores) -> str:
        zone = await stores.zone()
        at = moment(callback_at, zone, "--callback-at") if callback_at else None
        talk = attempt or (await stores.dispositions.last_talk(phone)).attempt_id
        state = await stores.dispositions.dispose(
            talk, code, by=phone, note=note, callback_at=at, callback_agent=phone if personal else None
        )
        when = f", to be called back at {local(at, zone)}" if at else ""
        return f"call {talk} is {code}{when}; " + (f"its lead is {state}" if state else "it takes effect at its end")

    say(in_store(context, work))
