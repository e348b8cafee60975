"""Attempts that were made, in a database that has lost its newest rows (law L2), and the servers between which it changes."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from dialerd.domain.attempts import LostAttempt, PutBack
from dialerd.domain.calls import AttemptState, Call, DialMode
from dialerd.domain.leads import LeadState
from dialerd.domain.outcomes import Outcome
from dialerd.errors import StoreBusy, StoreUnavailable
from dialerd.store import servers
from dialerd.store.pool import Connection, connect
from dialerd.store.servers import KnownServer
from tests.integration.store.scene import Dialed, Stores, ended

ROW = (
    "SELECT lead_id, ordinal, number, node, state, flow, queue, opened_at, caller_id_number FROM attempts WHERE id = $1"
)


async def lose(stores: Stores, call: Call) -> None:
    """As if the transaction that opened it had never been."""
    await stores.pool.execute("DELETE FROM attempts WHERE id = $1", call.id)
    await stores.pool.execute(
        "UPDATE leads SET state = 'active', dials = dials - 1, attempts_used = attempts_used - 1, not_before = NULL, "
        "held_by = NULL WHERE id = $1",
        call.lead_id,
    )


async def the_lead(dialed: Dialed) -> asyncpg.Record:
    row = await dialed.stores.pool.fetchrow("SELECT state, dials, attempts_used FROM leads")
    assert row is not None
    return row


async def test_a_lost_attempt_is_written_down_again_as_it_was(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    before = await stores.pool.fetchrow(ROW, call.id)
    await lose(stores, call)
    assert await stores.attempts.put_back(LostAttempt.of(call), "one") is PutBack.PUT_BACK
    assert await stores.pool.fetchrow(ROW, call.id) == before
    assert tuple(await the_lead(dialed)) == (LeadState.DIALING, 1, 1)
    assert not (await dialed.claim()).opened


async def test_and_closed_as_it_ended(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await lose(stores, call)
    await stores.attempts.put_back(LostAttempt.of(call), "one")
    await stores.attempts.close_attempt(ended(call, Outcome.CONNECTED))
    assert tuple(await the_lead(dialed)) == (LeadState.SUCCESS, 1, 1)


@pytest.mark.parametrize("is_over", [False, True])
async def test_one_that_is_known_is_left_as_it_is(stores: Stores, is_over: bool) -> None:
    dialed = await stores.a_dialed_campaign(cooloff_s=60)
    call = await (dialed.dial(Outcome.BUSY) if is_over else dialed.open())
    before = await the_lead(dialed)
    assert await stores.attempts.put_back(LostAttempt.of(call), "two") is PutBack.KNOWN
    assert await the_lead(dialed) == before


async def test_a_lead_that_was_to_wait_is_in_flight_all_the_same(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await lose(stores, call)
    await stores.pool.execute(
        "UPDATE leads SET state = 'cooloff', held_by = 'cooloff', not_before = now() + interval '1 hour'"
    )
    assert await stores.attempts.put_back(LostAttempt.of(call), "one") is PutBack.PUT_BACK
    assert (await the_lead(dialed))["state"] == LeadState.DIALING


@pytest.mark.parametrize("changes", [{"lead_id": 999}, {"campaign_id": 999}, {"number": "+12025550177"}])
async def test_of_a_lead_that_is_not_there_nothing_can_be_written(stores: Stores, changes: dict[str, object]) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await lose(stores, call)
    lost = replace(LostAttempt.of(call), **changes)  # type: ignore[arg-type]
    assert await stores.attempts.put_back(lost, "one") is PutBack.NO_LEAD
    assert tuple(await the_lead(dialed)) == (LeadState.ACTIVE, 0, 0)


async def test_while_another_attempt_of_the_lead_is_open_it_has_to_wait(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await lose(stores, call)
    other = await dialed.open()
    with pytest.raises(StoreBusy, match="open"):
        await stores.attempts.put_back(LostAttempt.of(call), "one")
    await stores.attempts.close_attempt(ended(other, Outcome.UNKNOWN))
    assert await stores.attempts.put_back(LostAttempt.of(call), "one") is PutBack.PUT_BACK


async def test_two_daemons_that_put_the_same_attempt_back_write_it_once(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign()
    call = await dialed.open()
    await lose(stores, call)
    became = await asyncio.gather(
        *(stores.attempts.put_back(LostAttempt.of(call), node) for node in ("one", "two")), return_exceptions=True
    )
    assert became.count(PutBack.PUT_BACK) == 1
    assert tuple(await the_lead(dialed)) == (LeadState.DIALING, 1, 1)


async def test_what_rings_its_agent_first_has_not_dialed_its_lead(stores: Stores) -> None:
    dialed = await stores.a_dialed_campaign(dial_mode=DialMode.AGENT_FIRST)
    call = await dialed.open()
    await lose(stores, call)
    await stores.attempts.put_back(LostAttempt.of(call), "one")
    [row] = await stores.attempts.open_calls()
    assert row.call.state is AttemptState.PREPARING


# --- whether it is still the same server -------------------------------------------------------------------------------


async def seen(database: str, server: KnownServer) -> None:
    connection = await asyncpg.connect(database)
    try:
        await server.greet(connection)
    finally:
        await connection.close()


async def test_a_server_that_goes_on_writing_is_the_same(stores: Stores, database: str) -> None:
    server = KnownServer()
    for _ in range(3):
        await seen(database, server)
        await stores.nodes.register("one", "0")
    assert not server.changed


@pytest.mark.parametrize(
    ("column", "before"),
    [("timeline", "'FFFFFFFF'"), ("written", "(pg_current_wal_lsn() - '0/0')::bigint + 1000000000")],
)
async def test_another_timeline_or_less_than_was_written_is_a_change(
    database: str, monkeypatch: pytest.MonkeyPatch, column: str, before: str
) -> None:
    server = KnownServer()
    ask = servers._sql.server_state

    async def as_it_was(connection: "Connection") -> dict[str, object]:
        row = await ask(connection)
        return {**dict(row), column: await connection.fetchval(f"SELECT {before}")}

    monkeypatch.setattr(servers._sql, "server_state", as_it_was)
    await seen(database, server)
    monkeypatch.undo()
    await seen(database, server)
    assert server.changed
    server.accept()
    await seen(database, server)
    assert not server.changed


async def test_nobody_gets_through_to_a_changed_server_until_that_is_accepted(database: str) -> None:
    server = KnownServer()
    server.changed = True
    with pytest.raises(StoreUnavailable, match="put back"):
        await connect(database, greet=server.guard)
    server.accept()
    pool = await connect(database, greet=server.guard)
    assert await pool.fetchval("SELECT 1") == 1
    pool.terminate()
