"""`dialerd agent`: what an agent does where there is no desktop: look at a lead's card, accept or skip it, say what a talk was."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from dialerd.cli.console import AsJson, facts, local, out, print_json, say, table
from dialerd.cli.options import interface, moment
from dialerd.cli.session import Stores, in_store
from dialerd.domain.offers import Offer
from dialerd.store.offers import Card

app = typer.Typer(help="Act as an agent: cards of leads, and what a talk has come to.", no_args_is_help=True)

AgentRef = Annotated[
    str,
    typer.Argument(
        metavar="AGENT", help="The agent's phone, as the queue names it: PJSIP/1001, or 1001.", show_default=False
    ),
]


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
