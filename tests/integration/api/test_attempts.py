"""Attempts over the API: searched, paged, exported."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dialerd.domain.calls import Call
from dialerd.domain.outcomes import Outcome
from dialerd.domain.roles import Role
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf
from tests.integration.store import scene

pytestmark = pytest.mark.integration

AGENT = "PJSIP/1001"
OUTCOMES = (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.REJECTED)


async def three_calls(pool: Pool) -> list[Call]:
    """The oldest first, a minute apart, of which the second had an agent, who says what came of it."""
    dialed = await scene.Stores(pool).a_dialed_campaign(leads=3)
    calls = [await dialed.dial(outcome) for outcome in OUTCOMES]
    for minutes, call in enumerate(calls):
        opened_at = datetime(2026, 11, 1, 12, minutes, tzinfo=UTC)
        await pool.execute("UPDATE attempts SET opened_at = $2 WHERE id = $1", call.id, opened_at)
    await pool.execute(
        "UPDATE attempts SET agent = $2, disposition = 'sale', disposed_at = now(), note = '=1+1' WHERE id = $1",
        calls[1].id,
        AGENT,
    )
    return calls


async def found(client: httpx.AsyncClient, **wanted: Any) -> list[str]:
    """Ids, over all pages."""
    ids: list[str] = []
    following: str | None = None
    while True:
        after = {} if following is None else {"after": following}
        page = (await client.get("/api/v1/attempts", params={**wanted, **after})).json()
        ids += [attempt["attempt_id"] for attempt in page["items"]]
        following = page["next"]
        if following is None:
            return ids


async def test_attempts_come_page_by_page_the_newest_first(owner: httpx.AsyncClient, pool: Pool) -> None:
    calls = await three_calls(pool)
    assert await found(owner, limit=1) == [str(call.id) for call in reversed(calls)]
    one = (await owner.get(f"/api/v1/attempts/{calls[1].id}")).json()
    assert (one["outcome"], one["agent"], one["disposition"], one["number"]) == (
        *("no_answer", AGENT, "sale"),
        calls[1].number,
    )


async def test_an_attempt_names_lead_and_agent(owner: httpx.AsyncClient, pool: Pool, stores: Stores) -> None:
    calls = await three_calls(pool)
    path = f"/api/v1/attempts/{calls[1].id}"
    lead = (await owner.get(f"/api/v1/leads/{calls[1].lead_id}")).json()
    one = (await owner.get(path)).json()
    assert one["lead_name"] == f"{lead['first_name']} {lead['last_name']}".strip() != ""
    assert one["agent_name"] is None
    await pool.execute(
        "INSERT INTO pbx_agents (node, queue, interface, name, state, paused, pause_reason, in_call, seen_at)"
        " SELECT node, queue, agent, 'Desk 1', 'inuse', false, '', true, now() FROM attempts WHERE id = $1",
        calls[1].id,
    )
    assert (await owner.get(path)).json()["agent_name"] == "Desk 1"
    account = await stores.accounts.get()
    await stores.users.create(account.id, "anna", "a sentence for tests", role=Role.AGENT, name="Anna", agent=AGENT)
    assert (await owner.get(path)).json()["agent_name"] == "Anna"


async def test_attempts_are_searched(owner: httpx.AsyncClient, pool: Pool) -> None:
    calls = await three_calls(pool)
    first, second, third = (str(call.id) for call in calls)
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    searches: list[tuple[dict[str, Any], list[str]]] = [
        ({"campaign_id": calls[0].campaign_id}, [third, second, first]),
        ({"campaign_id": 999}, []),
        ({"lead_id": calls[0].lead_id}, [first]),
        ({"number": calls[2].number}, [third]),
        ({"agent": AGENT}, [second]),
        ({"outcome": "busy"}, [first]),
        ({"disposition": "sale"}, [second]),
        ({"campaign_id": calls[0].campaign_id, "outcome": "rejected"}, [third]),
        ({"agent": AGENT, "outcome": "busy"}, []),
        ({"lead_id": calls[0].lead_id, "agent": AGENT}, []),
        ({"since": (noon + timedelta(minutes=1)).isoformat()}, [third, second]),
        ({"until": (noon + timedelta(minutes=1)).isoformat()}, [first]),
    ]
    for wanted, ids in searches:
        assert await found(owner, limit=1, **wanted) == ids, wanted


async def test_an_export_has_the_columns_of_the_call_log_and_no_formula(owner: httpx.AsyncClient, pool: Pool) -> None:
    calls = await three_calls(pool)
    exported = await owner.get("/api/v1/attempts/export", params={"outcome": "no_answer"})
    header, row = exported.text.splitlines()
    assert header.startswith("attempt_id,lead_id,ordinal,number")
    assert (row.startswith(str(calls[1].id)), "'=1+1" in row, calls[1].number in row) == (True, True, True)


async def test_another_accounts_attempts_are_not_there(owner: httpx.AsyncClient, pool: Pool) -> None:
    (call, *_) = await three_calls(pool)
    await pool.execute("INSERT INTO accounts (name) VALUES ('other')")
    await pool.execute("UPDATE campaigns SET account_id = (SELECT id FROM accounts WHERE name = 'other')")
    assert await found(owner) == []
    assert await found(owner, lead_id=call.lead_id) == []
    assert (await owner.get(f"/api/v1/attempts/{call.id}")).status_code == 404
    assert len((await owner.get("/api/v1/attempts/export")).text.splitlines()) == 1


async def test_who_sees_no_leads_sees_no_attempts(client_of: ClientOf, pool: Pool) -> None:
    await three_calls(pool)
    for role in (Role.READ_ONLY, Role.AGENT):
        assert (await client_of(role).get("/api/v1/attempts")).status_code == 403
        assert (await client_of(role).get("/api/v1/attempts/export")).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/attempts/none",
        "/attempts?after=1",
        f"/attempts?after={9 * 10**16}.{'f' * 32}x",
        "/attempts?agent=%00",
        "/attempts?number=nonsense",
        "/attempts?since=2026-11-01T00:00:00",
    ],
)
async def test_nonsense_is_refused_and_breaks_nothing(owner: httpx.AsyncClient, path: str) -> None:
    assert (await owner.get(f"/api/v1{path}")).status_code in (404, 422)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00"])
async def test_the_ends_of_time_are_no_trouble(owner: httpx.AsyncClient, moment: str) -> None:
    for name in ("since", "until"):
        assert (await owner.get(f"/api/v1/attempts?{name}={moment}")).status_code == 200
    assert (await owner.get(f"/api/v1/attempts?after={'9' * 17}.{'f' * 32}")).status_code in (200, 422)
