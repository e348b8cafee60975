"""`dialerd agent`: cards as an agent sees, accepts and skips them, and what an agent says of a talk.

The daemon's part (to lay a card, to dial) is played through the stores.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from dialerd.compliance import profiles
from dialerd.domain.calls import AttemptState, DialMode
from dialerd.domain.campaigns import PreviewOrder
from dialerd.domain.leads import NewLead
from dialerd.domain.outcomes import Outcome
from dialerd.store.offers import OfferStore
from tests.factories import a_new_lead
from tests.integration.cli.conftest import Dialerd
from tests.integration.store.scene import Dialed, Stores

ANNA, BEN = "PJSIP/1001", "PJSIP/1002"
LEAD = a_new_lead(
    first_name="Ada",
    last_name="Lovelace",
    ticket_id="T-1",
    note="likes engines",
    lead_type="warm",
    custom={"city": "London"},
)


async def _a_preview(stores: Stores, lead: NewLead, **changes: Any) -> Dialed:
    settings = {"dial_mode": DialMode.PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST, **changes}
    draft = await stores.a_draft(**settings)
    await stores.leads.add(draft.id, [lead])
    return await stores.dialing(draft)


def a_card(dialerd: Dialerd, *, agent: str = ANNA, lead: NewLead = LEAD, **changes: Any) -> None:
    """A lead's card lies before the agent."""

    async def work(stores: Stores) -> None:
        dialed = await _a_preview(stores, lead, **changes)
        claim = await OfferStore(stores.pool, profiles()).offer_next(dialed.campaign, dialed.lease, agents=[agent])
        assert claim.offer is not None

    dialerd.in_stores(work)


def its_time_is_over(dialerd: Dialerd, database: str) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute("UPDATE offers SET expires_at = now() - interval '1 s'")
        await connection.close()

    asyncio.run(work())


# --- cards ------------------------------------------------------------------------------------------------------------


def test_an_agent_sees_the_card_that_lies_before_them(dialerd: Dialerd) -> None:
    a_card(dialerd)
    card = dialerd("agent", "offer", "1001", "--json").json
    assert (card["campaign"], card["name"], card["number"]) == ("Spring", "Ada Lovelace", LEAD.number)
    assert (card["ticket_id"], card["note"], card["custom"]) == ("T-1", "likes engines", {"city": "London"})
    assert (card["offer"]["agent"], card["attempts"], card["last_outcome"]) == (ANNA, 0, None)
    assert 20 < card["seconds_left"] <= 30
    lines = [" ".join(line.split()) for line in dialerd("agent", "offer", ANNA).out.splitlines()]
    for line in (
        "campaign Spring",
        "name Ada Lovelace",
        "ticket T-1",
        "type warm",
        "note likes engines",
        "city London",
    ):
        assert line in lines


def test_a_number_that_the_campaign_masks_is_on_no_card(dialerd: Dialerd) -> None:
    a_card(dialerd, mask_lead_caller_id=True)
    assert dialerd("agent", "offer", "1001", "--json").json["number"] == ""
    shown = dialerd("agent", "offer", "1001").out
    assert "hidden" in shown
    assert "5550101" not in shown


def test_the_agents_before_whom_a_card_lies_are_listed(dialerd: Dialerd) -> None:
    assert dialerd("agent", "list", "--json").json == []
    a_card(dialerd)
    assert [card["offer"]["agent"] for card in dialerd("agent", "list", "--json").json] == [ANNA]
    line = dialerd("agent", "list").out.splitlines()[1].split()
    assert line[:5] == [ANNA, "Spring", "1", "Ada", "Lovelace"]


def test_a_card_is_accepted_once(dialerd: Dialerd) -> None:
    a_card(dialerd)
    assert f"lead 1 is accepted: {ANNA} will ring" in dialerd("agent", "accept", "1001").out
    assert "lies before this agent no more" in dialerd.refused("agent", "accept", "1001")
    assert "lies before this agent no more" in dialerd.refused("agent", "skip", "1001")
    assert "there is no card for agent PJSIP/1001" in dialerd.refused("agent", "offer", "1001")


def test_a_card_that_is_skipped_leaves_the_lead_to_others(dialerd: Dialerd) -> None:
    a_card(dialerd)
    assert "lead 1 is skipped" in dialerd("agent", "skip", "1001").out
    assert "there is no card" in dialerd.refused("agent", "offer", "1001")
    (lead,) = dialerd("leads", "list", "Spring", "--json").json
    assert (lead["state"], lead["held_by"]) == ("active", None)


def test_a_card_whose_time_is_over_is_answered_too_late(dialerd: Dialerd, database: str) -> None:
    a_card(dialerd)
    its_time_is_over(dialerd, database)
    for command in ("accept", "skip"):
        assert "its time is over" in dialerd.refused("agent", command, "1001")
    assert "there is no card for agent PJSIP/1001" in dialerd.refused("agent", "offer", "1001")
    assert dialerd("agent", "list", "--json").json == []


def test_nobody_answers_the_card_of_another(dialerd: Dialerd) -> None:
    a_card(dialerd, agent=BEN)
    for command in ("offer", "accept", "skip"):
        dialerd.refused("agent", command, "1001")
    dialerd("agent", "accept", "1002")


def test_a_lead_whose_card_lies_before_an_agent_explains_itself(dialerd: Dialerd) -> None:
    a_card(dialerd)
    assert "its card lies before an agent" in dialerd("explain", "lead", "1", "--json").json["why"]


@pytest.mark.parametrize("command", [("offer",), ("accept",), ("skip",), ("disposition",)])
def test_an_agent_is_named_by_their_phone_at_every_door(dialerd: Dialerd, command: tuple[str, ...]) -> None:
    code = ("success",) if command == ("disposition",) else ()
    for agent in ("PJSIP/1001&PJSIP/1002", "Anna Smith", "", "PJSIP/", "${CHANNEL}", "PJSIP/1\nX: y"):
        assert "PJSIP/1001 or 1001" in dialerd.refused("agent", *command, agent, *code, status=2)


def test_what_others_wrote_on_a_card_cannot_steer_the_terminal(dialerd: Dialerd) -> None:
    a_card(dialerd, lead=a_new_lead(note="\x1b[2J[red]x[/red]", custom={"\x1b]0;": "\x1b[2J"}))
    shown = dialerd("agent", "offer", "1001").out
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown


# --- dispositions -----------------------------------------------------------------------------------------------------


def talked(dialerd: Dialerd, *, calls: int = 1, agent: str = ANNA, **changes: Any) -> list[UUID]:
    """Talks of the agent that are over."""

    async def work(stores: Stores) -> list[UUID]:
        dialed = await stores.a_dialed_campaign(calls, **changes)
        return [(await dialed.dial(Outcome.CONNECTED, agent=agent)).id for _ in range(calls)]

    return dialerd.in_stores(work)


def talking(dialerd: Dialerd) -> UUID:
    """A talk of the agent that goes on."""

    async def work(stores: Stores) -> UUID:
        dialed = await stores.a_dialed_campaign()
        call, now = await dialed.open(), datetime.now(UTC)
        facts: dict[str, Any] = {"answered_at": now, "connected_at": now, "agent": ANNA}
        await stores.attempts.record_progress(replace(call, state=AttemptState.CONNECTED, **facts))
        return call.id

    return dialerd.in_stores(work)


def lead_of(dialerd: Dialerd, place: int = 0) -> dict[str, Any]:
    lead: dict[str, Any] = dialerd("leads", "list", "Spring", "--json").json[place]
    return lead


def test_a_disposition_is_of_the_last_talk_of_the_agent(dialerd: Dialerd) -> None:
    first, last = talked(dialerd, calls=2)
    told = dialerd("agent", "disposition", "1001", "wrong_number", "--note", "a bakery").out
    assert told.strip() == f"call {last} is wrong_number; its lead is failed"
    log = {call["attempt_id"]: call for call in dialerd("leads", "calls", "Spring", "--format", "json").json}
    assert (log[str(last)]["disposition"], log[str(last)]["note"]) == ("wrong_number", "a bakery")
    assert log[str(first)]["disposition"] is None


def test_a_disposition_may_name_its_call(dialerd: Dialerd) -> None:
    first, _ = talked(dialerd, calls=2)
    assert (
        f"call {first} is do_not_call"
        in dialerd("agent", "disposition", "1001", "do_not_call", "--attempt", str(first)).out
    )
    assert [lead_of(dialerd, place)["state"] for place in (0, 1)] == ["blocked", "success"]
    assert dialerd("dnc", "check", "+12025550100", "--json").json["forbidden"] or lead_of(dialerd)["held_by"] == "dnc"


def test_what_is_said_during_a_talk_takes_effect_at_its_end(dialerd: Dialerd) -> None:
    attempt = talking(dialerd)
    told = dialerd("agent", "disposition", "1001", "voicemail").out
    assert told.strip() == f"call {attempt} is voicemail; it takes effect at its end"
    assert lead_of(dialerd)["state"] == "answered"


def test_a_callback_is_agreed_at_a_time_of_the_account_with_this_agent_or_any(dialerd: Dialerd) -> None:
    talked(dialerd)
    dialerd("account", "edit", "--time-zone", "Asia/Tokyo")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0, second=0)
    there = tomorrow + timedelta(hours=9)
    said = ("--callback-at", f"{there:%Y-%m-%d %H:%M}")
    told = dialerd("agent", "disposition", "1001", "callback", *said, "--personal").out
    assert f"to be called back at {there:%Y-%m-%d %H:%M}:00 JST" in told
    lead = lead_of(dialerd)
    assert (lead["state"], lead["not_before"], lead["held_by"]) == ("cooloff", tomorrow.isoformat(), "callback")
    assert lead["callback_agent"] == ANNA
    why = dialerd("explain", "lead", "1", "--json").json["why"]
    assert why.startswith("it is to be called back, and waits until")
    assert why.endswith(f"by {ANNA}")
    dialerd("agent", "disposition", "1001", "callback", *said)
    assert lead_of(dialerd)["callback_agent"] is None


def test_a_code_that_the_campaign_does_not_have_is_answered_with_those_it_has(dialerd: Dialerd) -> None:
    talked(dialerd)
    told = dialerd.refused("agent", "disposition", "1001", "maybe")
    assert "there is no disposition 'maybe'" in told
    assert "success, not_interested, voicemail, callback" in told
    dialerd("campaign", "edit", "Spring", "--disposition", "sold=Sold:done")
    assert "there are sold" in dialerd.refused("agent", "disposition", "1001", "success")
    assert "is sold" in dialerd("agent", "disposition", "1001", "sold").out


def in_days(days: float) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("callback",), 1, "say at what time the lead is to be called back"),
        (("callback", "--callback-at", in_days(-1)), 1, "is over, name a time to come"),
        (("callback", "--callback-at", in_days(91)), 1, "within 90 days"),
        (("callback", "--callback-at", "tomorrow"), 2, "is not a moment like"),
        (("callback", "--callback-at", "0001-01-01 00:00"), 2, "is not a moment like"),
        (("success", "--callback-at", in_days(1)), 1, "success agrees no callback"),
        (("success", "--personal"), 1, "success agrees no callback"),
        (("success", "--note", "n" * 2001), 1, "note: 2000 characters at most"),
        (("success", "--attempt", str(uuid4())), 1, "there is no attempt"),
        (("success", "--attempt", "last"), 2, "--attempt"),
        (("",), 1, "there is no disposition ''"),
    ],
)
def test_what_cannot_be_said_of_a_talk_is_told_and_changes_nothing(
    dialerd: Dialerd, options: tuple[str, ...], status: int, words: str
) -> None:
    talked(dialerd)
    before = lead_of(dialerd)
    assert words in dialerd.refused("agent", "disposition", "1001", *options, status=status)
    assert lead_of(dialerd) == before


def test_an_agent_who_has_not_talked_has_nothing_to_say(dialerd: Dialerd) -> None:
    talked(dialerd, agent=BEN)
    assert f"there is no talk of agent {ANNA}" in dialerd.refused("agent", "disposition", "1001", "success")


def test_nothing_is_said_of_a_call_in_which_nobody_talked(dialerd: Dialerd) -> None:
    async def work(stores: Stores) -> UUID:
        return (await (await stores.a_dialed_campaign()).dial(Outcome.BUSY)).id

    attempt = dialerd.in_stores(work)
    told = dialerd.refused("agent", "disposition", "1001", "success", "--attempt", str(attempt))
    assert "nobody has talked in this call" in told
