"""An agent's work over REST: cards are seen, waited for, accepted and skipped, and it is said what a talk has come to.

The daemon's part (to lay a card, to dial) is played through the stores.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from dialerd.api.routes import agents
from dialerd.domain.callers import Caller
from dialerd.domain.calls import AttemptState, DialMode
from dialerd.domain.campaigns import PreviewOrder
from dialerd.domain.offers import CallStage, Offer
from dialerd.domain.outcomes import Outcome
from dialerd.domain.roles import Role
from dialerd.store.offers import CARDS
from dialerd.store.pool import Pool, listen
from tests.integration.api.conftest import ADDRESS, ClientOf
from tests.integration.store.neighbours import neighbours, silent
from tests.integration.store.scene import Dialed, ended
from tests.integration.store.scene import Stores as Scene

pytestmark = pytest.mark.integration

ANNA, BEN = "PJSIP/1001", "PJSIP/1002"
PREVIEW: dict[str, Any] = {"dial_mode": DialMode.PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST}


@pytest.fixture
def scene(pool: Pool) -> Scene:
    return Scene(pool)


@pytest.fixture
def anna(client_of: ClientOf) -> httpx.AsyncClient:
    return client_of(Role.AGENT)


@pytest.fixture
def supervisor(client_of: ClientOf) -> httpx.AsyncClient:
    return client_of(Role.SUPERVISOR)


async def laid(dialed: Dialed, agent: str = ANNA) -> Offer:
    claim = await dialed.stores.offers.offer_next(dialed.campaign, dialed.lease, agents=[agent])
    assert claim.offer is not None
    return claim.offer


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


# --- whose card it is ------------------------------------------------------------------------------------------------


async def test_an_agent_sees_the_own_card_and_a_supervisor_sees_any(
    anna: httpx.AsyncClient, supervisor: httpx.AsyncClient, scene: Scene
) -> None:
    offer = await laid(await scene.a_dialed_campaign(**PREVIEW))
    card = (await anna.get("/api/v1/agents/me/card")).json()
    assert (card["id"], card["agent"], card["lead_id"]) == (offer.id, ANNA, offer.lead_id)
    assert card["number"].startswith("+")
    for written in ("1001", "PJSIP/1001", "PJSIP%2F1001"):
        assert (await supervisor.get(f"/api/v1/agents/{written}/card")).json() == card
    listed = (await supervisor.get("/api/v1/cards")).json()
    assert listed == (await anna.get("/api/v1/cards")).json() == {"items": [card], "next": None}


async def test_a_number_that_the_campaign_masks_is_on_no_card(anna: httpx.AsyncClient, scene: Scene) -> None:
    await laid(await scene.a_dialed_campaign(**PREVIEW, mask_lead_caller_id=True))
    assert (await anna.get("/api/v1/agents/me/card")).json()["number"] == ""


async def test_an_agent_acts_for_no_other_phone(anna: httpx.AsyncClient, scene: Scene) -> None:
    await laid(await scene.a_dialed_campaign(**PREVIEW), BEN)
    for method, path in (
        ("GET", "card"),
        ("POST", "card/accept"),
        ("POST", "card/skip"),
        ("GET", "talk"),
        ("GET", "desk"),
    ):
        assert kind(await anna.request(method, f"/api/v1/agents/1002/{path}")) == (403, "not-permitted")
    said = await anna.post("/api/v1/agents/1002/disposition", json={"code": "success"})
    assert kind(said) == (403, "not-permitted")
    assert (await anna.get("/api/v1/cards")).json()["items"] == []


async def test_who_has_no_phone_and_what_is_no_phone_is_told(supervisor: httpx.AsyncClient) -> None:
    assert kind(await supervisor.get("/api/v1/agents/me/card")) == (404, "not-found")
    for nonsense in ("a%00b", "x/y/z", "%F0%9F%93%9E", "-"):
        refused = await supervisor.get(f"/api/v1/agents/{nonsense}%20/card")
        assert kind(refused) == (422, "invalid-request")


async def test_cards_are_listed_page_by_page(supervisor: httpx.AsyncClient, scene: Scene) -> None:
    dialed = await scene.a_dialed_campaign(3, **PREVIEW)
    for agent in ("PJSIP/1003", ANNA, BEN):
        await laid(dialed, agent)
    first = (await supervisor.get("/api/v1/cards?limit=2")).json()
    rest = (await supervisor.get("/api/v1/cards", params={"limit": 2, "after": first["next"]})).json()
    assert [card["agent"] for card in first["items"] + rest["items"]] == [ANNA, BEN, "PJSIP/1003"]
    assert rest["next"] is None


async def test_cards_and_talks_of_another_account_are_not_there(supervisor: httpx.AsyncClient, scene: Scene) -> None:
    await scene.accounts.create("other")
    dialed = await scene.dialing(await scene.a_draft(2, account="other", **PREVIEW))
    await laid(dialed)
    assert kind(await supervisor.get("/api/v1/agents/1001/card")) == (404, "not-found")
    assert kind(await supervisor.post("/api/v1/agents/1001/card/accept")) == (409, "offer-closed")
    assert kind(await supervisor.post("/api/v1/agents/1001/card/skip")) == (409, "offer-closed")
    assert (await supervisor.get("/api/v1/cards")).json()["items"] == []
    await scene.offers.accept(ANNA)
    talks = await scene.dialing(await scene.a_draft(1, account="other", name="talks"))
    call = await talks.dial(Outcome.CONNECTED, agent=ANNA)
    assert kind(await supervisor.get("/api/v1/agents/1001/talk")) == (404, "not-found")
    said = {"code": "success", "attempt_id": str(call.id)}
    assert kind(await supervisor.post("/api/v1/agents/1001/disposition", json=said)) == (404, "not-found")


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_a_card_that_was_accepted_lies_there_no_more(anna: httpx.AsyncClient, scene: Scene) -> None:
    offer = await laid(await scene.a_dialed_campaign(**PREVIEW))
    accepted = await anna.post("/api/v1/agents/me/card/accept", json={"card": offer.id})
    assert (accepted.status_code, accepted.json()["state"], accepted.json()["lead_id"]) == (
        200,
        "accepted",
        offer.lead_id,
    )
    assert kind(await anna.post("/api/v1/agents/me/card/accept")) == (409, "offer-closed")
    assert kind(await anna.get("/api/v1/agents/me/card")) == (404, "not-found")


async def test_a_card_that_was_not_seen_is_not_accepted_in_the_place_of_the_one_that_was(
    anna: httpx.AsyncClient, scene: Scene
) -> None:
    dialed = await scene.a_dialed_campaign(2, **PREVIEW)
    seen = await laid(dialed)
    await scene.offers.skip(ANNA)
    other = await laid(dialed)
    for answer in ("accept", "skip"):
        assert kind(await anna.post(f"/api/v1/agents/me/card/{answer}", json={"card": seen.id})) == (
            409,
            "offer-closed",
        )
    assert (await anna.get("/api/v1/agents/me/card")).json()["id"] == other.id


async def test_a_card_that_was_skipped_goes_to_another_agent(anna: httpx.AsyncClient, scene: Scene) -> None:
    dialed = await scene.a_dialed_campaign(**PREVIEW)
    offer = await laid(dialed)
    assert (await anna.post("/api/v1/agents/me/card/skip")).json()["state"] == "skipped"
    assert (await laid(dialed, BEN)).lead_id == offer.lead_id


# --- the desk: card, call and talk ----------------------------------------------------------------------------------


async def desk(client: httpx.AsyncClient, agent: str = "me") -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/v1/agents/{agent}/desk")).raise_for_status().json()
    return found


async def test_before_an_agent_without_work_lies_nothing(anna: httpx.AsyncClient) -> None:
    assert await desk(anna) == {"agent": ANNA, "card": None, "call": None, "talk": None}


async def test_an_agent_sees_the_lead_on_the_card_at_the_ring_and_in_the_talk(
    anna: httpx.AsyncClient, scene: Scene
) -> None:
    dialed = await scene.a_dialed_campaign(**PREVIEW)
    await laid(dialed)
    card = (await desk(anna))["card"]
    await anna.post("/api/v1/agents/me/card/accept")
    shown = await desk(anna)
    assert (shown["card"], shown["call"]["stage"], shown["call"]["attempt_id"]) == (None, "accepted", None)
    await scene.pool.execute("UPDATE leads SET not_before = NULL, held_by = NULL")  # as the daemon dials it
    call, now = await dialed.open(), datetime.now(UTC)
    assert (await desk(anna))["call"]["stage"] == "accepted"
    ringing = replace(call, state=AttemptState.ANSWERED, answered_at=now, agent_ringing_at=now, agent=ANNA)
    await scene.attempts.record_progress(ringing)
    rings = (await desk(anna))["call"]
    assert (rings["stage"], rings["lead_answered"], rings["attempt_id"]) == ("ringing", True, str(call.id))
    await scene.attempts.record_progress(replace(ringing, state=AttemptState.CONNECTED, connected_at=now))
    shown = await desk(anna)
    assert (shown["call"]["stage"], shown["talk"]["attempt_id"]) == ("talking", str(call.id))
    for told in (rings, shown["call"]):
        same = ("lead_id", "campaign", "queue", "number", "name", "ticket_id", "note", "custom", "attempts")
        assert {name: told[name] for name in same} == {name: card[name] for name in same}
    await scene.attempts.close_attempt(ended(ringing, Outcome.CONNECTED))
    shown = await desk(anna)
    assert (shown["call"], shown["talk"]["attempt_id"]) == (None, str(call.id))


async def test_a_call_that_rings_another_agent_by_now_is_nobody_elses(
    anna: httpx.AsyncClient, supervisor: httpx.AsyncClient, scene: Scene
) -> None:
    dialed = await scene.a_dialed_campaign(**PREVIEW)
    await laid(dialed)
    await scene.offers.accept(ANNA)
    await scene.pool.execute("UPDATE leads SET not_before = NULL, held_by = NULL")
    call, now = await dialed.open(), datetime.now(UTC)
    answered: dict[str, Any] = {"state": AttemptState.ANSWERED, "answered_at": now, "agent_ringing_at": now}
    await scene.attempts.record_progress(replace(call, agent=BEN, **answered))
    assert (await desk(anna))["call"] is None
    assert (await desk(supervisor, "1002"))["call"]["stage"] == "ringing"


async def test_a_lead_that_was_accepted_and_never_dialed_is_awaited_no_more(
    anna: httpx.AsyncClient, scene: Scene
) -> None:
    await laid(await scene.a_dialed_campaign(**PREVIEW))
    await scene.offers.accept(ANNA)
    await scene.pool.execute("UPDATE leads SET not_before = NULL, held_by = NULL, due_at = now()")
    assert (await desk(anna))["call"] is None


async def test_a_number_that_the_campaign_masks_is_in_no_call(anna: httpx.AsyncClient, scene: Scene) -> None:
    call = await (await scene.a_dialed_campaign(mask_lead_caller_id=True)).open()
    await scene.attempts.record_progress(replace(call, agent_ringing_at=datetime.now(UTC), agent=ANNA))
    assert (await desk(anna))["call"]["number"] == ""


async def test_a_call_of_another_account_is_not_there(anna: httpx.AsyncClient, scene: Scene) -> None:
    await scene.accounts.create("other")
    call = await (await scene.dialing(await scene.a_draft(1, account="other"))).open()
    await scene.attempts.record_progress(replace(call, agent_ringing_at=datetime.now(UTC), agent=ANNA))
    assert (await desk(anna))["call"] is None
    assert (await scene.offers.call(ANNA)) is not None


async def test_a_lead_who_calls_back_is_before_the_agent_whom_the_call_rings_and_who_talks(
    anna: httpx.AsyncClient, scene: Scene
) -> None:
    dialed = await scene.a_dialed_campaign()
    lead = (await dialed.dial(Outcome.CONNECTED, agent=BEN)).lead_id
    for stage in CallStage:
        if stage is not CallStage.ACCEPTED:
            await scene.callers.note("one", Caller(channel="1.1", lead_id=lead, agents={ANNA: stage}))
            call = (await desk(anna))["call"]
            assert (call["stage"], call["lead_id"], call["attempt_id"]) == (stage, lead, None)
            assert (call["calls_back"], call["lead_answered"], call["attempts"]) == (True, True, 1)
            assert call["last_outcome"] == "connected"
    await scene.callers.note("one", Caller(channel="1.1", lead_id=lead))
    assert (await desk(anna))["call"] is None


async def test_a_caller_of_whom_two_daemons_tell_is_before_the_agent_until_both_know_better(
    anna: httpx.AsyncClient, scene: Scene
) -> None:
    await neighbours(scene, "one", "two")
    lead = (await (await scene.a_dialed_campaign()).dial(Outcome.CONNECTED, agent=ANNA)).lead_id
    for node in ("one", "two"):
        await scene.callers.note(node, Caller(channel="1.1", lead_id=lead, agents={ANNA: CallStage.RINGING}))
    await scene.callers.forget("one")
    assert (await desk(anna))["call"]["lead_id"] == lead
    await silent(scene, "two", timedelta(seconds=16))
    assert (await desk(anna))["call"] is None


async def test_the_number_of_a_lead_who_calls_back_is_masked_as_the_campaign_wants_and_other_accounts_see_nothing(
    anna: httpx.AsyncClient, scene: Scene
) -> None:
    masked = await scene.a_dialed_campaign(mask_lead_caller_id=True)
    lead = (await masked.dial(Outcome.CONNECTED, agent=ANNA)).lead_id
    await scene.callers.note("one", Caller(channel="1.1", lead_id=lead, agents={ANNA: CallStage.RINGING}))
    assert (await desk(anna))["call"]["number"] == ""
    await scene.callers.note("one", Caller(channel="1.1", lead_id=lead))
    await scene.accounts.create("other")
    others = await scene.dialing(await scene.a_draft(1, account="other", name="theirs"))
    lead = (await others.dial(Outcome.CONNECTED, agent=ANNA)).lead_id
    await scene.callers.note("one", Caller(channel="1.2", lead_id=lead, agents={ANNA: CallStage.TALKING}))
    assert (await desk(anna))["call"] is None


async def test_of_a_lead_who_is_deleted_while_calling_back_nothing_is_told(
    anna: httpx.AsyncClient, scene: Scene
) -> None:
    await scene.callers.note("one", Caller(channel="1.1", lead_id=10**17, agents={ANNA: CallStage.RINGING}))
    assert (await desk(anna))["call"] is None


async def test_postgres_tells_of_a_card_that_is_gone_and_of_each_step_of_a_call_either_way(
    scene: Scene, database: str
) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    listens = asyncio.Event()
    listening = asyncio.create_task(listen(database, listens.set, channel=CARDS, on_word=told.put_nowait))
    await listens.wait()
    dialed = await scene.a_dialed_campaign(**PREVIEW)
    await laid(dialed, BEN)
    await scene.offers.accept(BEN)
    assert [await told.get(), await told.get()] == [BEN, BEN]
    await scene.pool.execute("UPDATE leads SET not_before = NULL, held_by = NULL")
    call, now = await dialed.open(), datetime.now(UTC)
    await scene.attempts.record_progress(replace(call, state=AttemptState.RINGING, ringing_at=now))
    rung: dict[str, Any] = {"state": AttemptState.ANSWERED, "answered_at": now, "agent_ringing_at": now}
    await scene.attempts.record_progress(replace(call, agent=BEN, **rung))
    assert await told.get() == BEN
    await scene.attempts.record_progress(replace(call, agent=ANNA, **rung))
    assert {await told.get(), await told.get()} == {ANNA, BEN}
    connected = replace(call, agent=ANNA, **{**rung, "state": AttemptState.CONNECTED, "connected_at": now})
    await scene.attempts.record_progress(connected)
    await scene.attempts.record_progress(connected)  # which is no news
    assert await told.get() == ANNA
    await scene.attempts.close_attempt(ended(connected, Outcome.CONNECTED))
    assert await told.get() == ANNA
    both = {ANNA: CallStage.RINGING, BEN: CallStage.RINGING}
    for stages, news in (({ANNA: CallStage.RINGING}, [ANNA]), (both, [BEN]), ({BEN: CallStage.TALKING}, [ANNA, BEN])):
        await scene.callers.note("one", Caller(channel="1.1", lead_id=call.lead_id, agents=stages))
        assert sorted([await told.get() for _ in news]) == news
    assert told.empty()
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


# --- waiting ---------------------------------------------------------------------------------------------------------


async def test_who_waits_for_a_card_has_it_as_soon_as_it_lies(
    app: FastAPI, anna: httpx.AsyncClient, scene: Scene, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "POLL_S", 1000.0)
    bell, listens = app.state.parts.card_bell, asyncio.Event()
    dialed = await scene.a_dialed_campaign(**PREVIEW)
    listening = asyncio.create_task(listen(database, listens.set, channel=CARDS, on_word=bell.ring))
    await listens.wait()
    waiting = asyncio.create_task(anna.get("/api/v1/agents/me/card?wait_s=30"))
    await somebody_listens(bell.listens_for, ANNA)
    offer = await laid(dialed)
    assert (await waiting).json()["id"] == offer.id
    assert not bell.listens_for(ANNA)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


async def test_where_no_bell_rings_the_card_is_found_all_the_same(
    app: FastAPI, anna: httpx.AsyncClient, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "POLL_S", 0.05)
    dialed = await scene.a_dialed_campaign(**PREVIEW)
    waiting = asyncio.create_task(anna.get("/api/v1/agents/me/card?wait_s=30"))
    await somebody_listens(app.state.parts.card_bell.listens_for, ANNA)
    offer = await laid(dialed)
    assert (await waiting).json()["id"] == offer.id


async def test_who_has_waited_in_vain_is_told_so(anna: httpx.AsyncClient) -> None:
    assert kind(await anna.get("/api/v1/agents/me/card?wait_s=0.1")) == (404, "not-found")
    for nonsense in ("-1", "31", "inf", "nan", "soon"):
        assert (await anna.get(f"/api/v1/agents/me/card?wait_s={nonsense}")).status_code == 422


async def somebody_listens(listens_for: Callable[[str], bool], agent: str) -> None:
    async with asyncio.timeout(60):
        while not listens_for(agent):
            await asyncio.to_thread(lambda: None)  # a turn of the loop, in which the request goes on


# --- dispositions ----------------------------------------------------------------------------------------------------


async def talked(scene: Scene, agent: str = ANNA, calls: int = 1) -> list[UUID]:
    dialed = await scene.a_dialed_campaign(calls)
    return [(await dialed.dial(Outcome.CONNECTED, agent=agent)).id for _ in range(calls)]


async def test_what_is_said_of_the_last_talk_is_kept(anna: httpx.AsyncClient, scene: Scene) -> None:
    _, last = await talked(scene, calls=2)
    talk = (await anna.get("/api/v1/agents/me/talk")).json()
    assert (talk["attempt_id"], talk["said"]) == (str(last), None)
    assert {"code": "wrong_number", "title": "Wrong number", "effect": "failed"} in talk["dispositions"]
    said = await anna.post("/api/v1/agents/me/disposition", json={"code": "wrong_number", "note": "a bakery"})
    assert said.json() == {"attempt_id": str(last), "code": "wrong_number", "lead_state": "failed"}
    kept = (await anna.get("/api/v1/agents/me/talk")).json()["said"]
    assert (kept["code"], kept["note"], kept["by"]) == ("wrong_number", "a bakery", ANNA)


async def test_what_is_said_while_they_talk_takes_effect_at_the_end(anna: httpx.AsyncClient, scene: Scene) -> None:
    dialed = await scene.a_dialed_campaign()
    call, now = await dialed.open(), datetime.now(UTC)
    facts: dict[str, Any] = {"answered_at": now, "connected_at": now, "agent": ANNA}
    await scene.attempts.record_progress(replace(call, state=AttemptState.CONNECTED, **facts))
    said = await anna.post("/api/v1/agents/me/disposition", json={"code": "success"})
    assert said.json() == {"attempt_id": str(call.id), "code": "success", "lead_state": None}


async def test_a_personal_callback_is_agreed_by_any_clock(anna: httpx.AsyncClient, scene: Scene) -> None:
    (attempt,) = await talked(scene)
    at = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    given = {"code": "callback", "callback_at": at.isoformat(), "personal": True, "attempt_id": str(attempt)}
    assert (await anna.post("/api/v1/agents/me/disposition", json=given)).status_code == 200
    said = (await anna.get("/api/v1/agents/me/talk")).json()["said"]
    assert (datetime.fromisoformat(said["callback_at"]), said["callback_agent"]) == (at, ANNA)


async def test_of_another_agents_talk_an_agent_says_nothing(anna: httpx.AsyncClient, scene: Scene) -> None:
    (attempt,) = await talked(scene, BEN)
    for call in (attempt, uuid4()):
        said = await anna.post("/api/v1/agents/me/disposition", json={"code": "success", "attempt_id": str(call)})
        assert kind(said) == (404, "not-found")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"code": "rubbish"}, "there is no disposition 'rubbish'"),
        ({"code": "callback"}, "say at what time"),
        ({"code": "callback", "callback_at": "2020-01-01T00:00:00Z"}, "is over"),
        ({"code": "callback", "callback_at": "2099-01-01T00:00:00"}, "timezone"),
        ({"code": "success", "note": "a\0b"}, "NUL"),
        ({"code": "success", "note": "a" * 2001}, "2000"),
        ({"code": "success", "by": "PJSIP/1002"}, "by"),
        ({"code": "success", "personal": True}, "agrees no callback"),
    ],
)
async def test_what_cannot_be_said_is_refused_with_the_reason(
    anna: httpx.AsyncClient, scene: Scene, given: dict[str, Any], wrong: str
) -> None:
    await talked(scene)
    refused = await anna.post("/api/v1/agents/me/disposition", json=given)
    assert refused.status_code == 422
    assert wrong in refused.json()["detail"]


async def test_the_dispositions_of_a_campaign_are_listed(supervisor: httpx.AsyncClient, scene: Scene) -> None:
    draft = await scene.a_draft()
    listed = (await supervisor.get(f"/api/v1/campaigns/{draft.id}/dispositions")).json()
    assert [each["code"] for each in listed["items"]] == [each.code for each in draft.settings.dispositions]
    await scene.accounts.create("other")
    theirs = await scene.a_draft(account="other", name="theirs")
    assert kind(await supervisor.get(f"/api/v1/campaigns/{theirs.id}/dispositions")) == (404, "not-found")


async def test_nobody_works_without_being_somebody(nobody: httpx.AsyncClient, client_of: ClientOf) -> None:
    assert nobody.base_url == ADDRESS
    assert (await nobody.get("/api/v1/agents/1001/card")).status_code == 401
    looks = client_of(Role.READ_ONLY)
    assert (await looks.get("/api/v1/agents/1001/card")).status_code == 403
