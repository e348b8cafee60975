"""What the database was not told, or has forgotten (laws L2 and L7)."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from dialerd.dialer.call_record import STORE_RETRY_S
from dialerd.dialer.rescuer import RETRY_S, SETTLING_S
from dialerd.domain.attempts import KeptCall, LostAttempt, OpenCall, PutBack
from dialerd.domain.calls import AttemptState, LeadAnswered, LeadLeft, LeadRang, OptedOut
from dialerd.domain.outcomes import Outcome
from tests.factories import ATTEMPT, a_call, a_connected_call, a_ringing_call, later
from tests.fakes.clock import pass_time, settle
from tests.fakes.node import NODE, FakeNode, a_node
from tests.fakes.telephony import a_lead_channel

OTHER = UUID("5b2c7a10-53c4-4d2c-8f5a-6a3f6f0c9b11")
AN_ENDED_CALL = replace(
    a_connected_call(), state=AttemptState.ENDED, outcome=Outcome.CONNECTED, ended_at=later(60), cause=16
)


async def place(node: FakeNode) -> None:
    node.tracker.place(a_call(), decision_s=0)
    await settle()


async def start_rescuer(node: FakeNode) -> "asyncio.Task[None]":
    rescue = node.tasks.create_task(node.rescuer.run())
    await settle()
    return rescue


async def look_for_long(node: FakeNode) -> None:
    """Longer than a call may be missing."""
    for _ in range(2):
        await node.rescuer.reconcile()
        await pass_time(SETTLING_S + 0.1)


# --- what is kept while the database is away ---------------------------------------------------------------------------


async def test_nothing_is_kept_while_the_database_takes_everything() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(LeadRang(), LeadAnswered(), LeadLeft(16))
        assert node.spool.writes == 0


async def test_while_the_database_is_away_the_newest_state_is_kept_once_and_forgotten_when_it_is_written() -> None:
    async with a_node() as node:
        await place(node)
        node.attempts.trouble.down = True
        await node.tell(LeadRang())
        await pass_time(5 * STORE_RETRY_S)
        assert [kept.state for kept in node.spool.kept] == [AttemptState.RINGING]
        await node.tell(LeadLeft(17))
        await pass_time(5 * STORE_RETRY_S)
        assert [(kept.state, kept.outcome) for kept in node.spool.kept] == [(AttemptState.ENDED, Outcome.BUSY)]
        assert node.spool.writes == 2
        node.attempts.trouble.down = False
        await pass_time(STORE_RETRY_S)
        assert (node.spool.kept, [call.outcome for call in node.attempts.closed]) == ([], [Outcome.BUSY])


async def test_who_has_opted_out_is_kept_though_nothing_else_has_changed() -> None:
    async with a_node() as node:
        await place(node)
        await node.tell(LeadRang(), LeadAnswered())
        node.attempts.trouble.down = True
        await node.tell(OptedOut())
        assert [kept.opted_out for kept in node.spool.kept] == [True]
        node.attempts.trouble.down = False
        await pass_time(STORE_RETRY_S)


# --- the next start writes it down -------------------------------------------------------------------------------------


async def test_the_next_start_closes_what_has_ended_instead_of_calling_it_unknown() -> None:
    async with a_node() as node:
        node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
        await node.spool.keep(KeptCall.of(AN_ENDED_CALL))
        rescue = await start_rescuer(node)
        await pass_time(2 * SETTLING_S)
        assert [(call.outcome, call.connected_at) for call in node.attempts.closed] == [
            (Outcome.CONNECTED, AN_ENDED_CALL.connected_at)
        ]
        assert node.spool.kept == []
        rescue.cancel()


async def test_what_goes_on_is_taken_up_from_where_it_was_kept() -> None:
    async with a_node() as node:
        node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
        await node.spool.keep(KeptCall.of(a_ringing_call()))
        rescue = await start_rescuer(node)
        assert [call.ringing_at for call in node.attempts.written] == [a_ringing_call().ringing_at]
        rescue.cancel()


async def test_an_opt_out_is_listed_and_what_the_database_knows_already_changes_nothing() -> None:
    async with a_node() as node:
        await node.spool.keep(KeptCall.of(replace(AN_ENDED_CALL, opted_out=True)))
        rescue = await start_rescuer(node)
        assert node.attempts.opted_out == {ATTEMPT: AN_ENDED_CALL.ended_at}
        assert (node.attempts.closed, node.spool.kept) == ([], [])
        rescue.cancel()


async def test_what_cannot_be_written_yet_is_written_at_the_next_look_and_nothing_is_dialed_before() -> None:
    async with a_node() as node:
        node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
        await node.spool.keep(KeptCall.of(AN_ENDED_CALL))
        node.attempts.closing_fails = True
        rescue = await start_rescuer(node)
        assert not node.rescuer.ready.is_set()
        node.attempts.closing_fails = False
        await pass_time(RETRY_S)
        assert node.rescuer.ready.is_set()
        assert [call.outcome for call in node.attempts.closed] == [Outcome.CONNECTED]
        rescue.cancel()


# --- a database that has forgotten -------------------------------------------------------------------------------------


async def test_every_call_of_this_life_is_put_back_with_all_that_has_become_of_it() -> None:
    async with a_node() as node:
        await place(node)
        node.tracker.place(a_call(id=OTHER, lead_id=2, opened_at=later(1)), decision_s=0)
        await node.tell(LeadRang(), of=OTHER)
        await node.tell(LeadLeft(17))
        node.journal.clear()
        node.attempts.lost = {ATTEMPT: PutBack.PUT_BACK, OTHER: PutBack.PUT_BACK}
        await node.lost_rows.put_back_recent()
        assert node.journal == ["put back", "close busy", "put back", "write ringing"]


async def test_of_one_whose_lead_is_gone_nothing_can_be_written() -> None:
    async with a_node() as node:
        await place(node)
        node.journal.clear()
        node.attempts.lost = {ATTEMPT: PutBack.NO_LEAD}
        await node.lost_rows.put_back_recent()
        assert node.journal == []


async def test_a_live_channel_of_ours_without_a_row_gets_its_row_again_and_is_followed() -> None:
    async with a_node() as node:
        node.telephony.put(a_lead_channel(a_call(), ringing=True, up=False))
        node.telephony.lost_attempts[ATTEMPT] = LostAttempt.of(a_call())
        node.attempts.lost[ATTEMPT] = PutBack.PUT_BACK
        rescue = await start_rescuer(node)
        assert node.call().state is AttemptState.RINGING
        assert not node.lost_rows.without_row
        rescue.cancel()


async def test_one_whose_lead_is_gone_holds_all_calls_until_its_own_end() -> None:
    async with a_node() as node:
        node.telephony.put(a_lead_channel(a_call()))
        node.telephony.lost_attempts[ATTEMPT] = LostAttempt.of(a_call())
        node.attempts.lost[ATTEMPT] = PutBack.NO_LEAD
        rescue = await start_rescuer(node)
        assert node.lost_rows.without_row == {ATTEMPT}
        node.telephony.channels.clear()
        await node.rescuer.reconcile()
        assert not node.lost_rows.without_row
        rescue.cancel()


async def test_channels_of_others_are_asked_once_and_left_alone() -> None:
    async with a_node() as node:
        node.telephony.put(a_lead_channel(a_call()))
        rescue = await start_rescuer(node)
        await node.rescuer.reconcile()
        assert node.journal.count("lost attempt") == 1
        rescue.cancel()


async def test_channels_whose_call_is_known_are_not_asked_at_all() -> None:
    async with a_node() as node:
        node.attempts.open = [OpenCall(call=a_call(), node="another")]
        node.telephony.put(a_lead_channel(a_call()))
        rescue = await start_rescuer(node)
        assert "lost attempt" not in node.journal
        rescue.cancel()


async def test_when_the_database_has_changed_asterisk_is_asked_again_for_everything() -> None:
    async with a_node() as node:
        node.telephony.opted_out = {ATTEMPT: later(0)}
        rescue = await start_rescuer(node)
        node.attempts.opted_out.clear()  # as a server that has lost it
        node.rescuer.database_changed()
        assert not node.rescuer.ready.is_set()
        await settle()
        assert node.rescuer.ready.is_set()
        assert node.attempts.opted_out == {ATTEMPT: later(0)}
        rescue.cancel()


# --- a row that was written though nobody was told (the answer to the commit was lost) ---------------------------------


async def test_an_attempt_of_this_life_that_was_never_placed_is_known_not_to_have_been() -> None:
    async with a_node() as node:
        rescue = await start_rescuer(node)
        node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
        await node.rescuer.reconcile()
        await look_for_long(node)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.NOT_PLACED]
        rescue.cancel()


async def test_one_of_an_earlier_life_may_have_been_placed() -> None:
    async with a_node() as node:
        node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
        rescue = await start_rescuer(node)
        await look_for_long(node)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]
        rescue.cancel()


async def test_and_so_may_one_of_another_daemon() -> None:
    async with a_node() as node:
        rescue = await start_rescuer(node)
        node.attempts.open = [OpenCall(call=a_call(), node="another")]
        await node.rescuer.reconcile()
        node.attempts.silent_nodes = {"another"}
        await node.rescuer.reconcile()
        await look_for_long(node)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]
        rescue.cancel()


async def test_one_whose_claim_is_answered_late_is_not_judged_before() -> None:
    """It would be due again, and called twice."""
    async with a_node() as node:
        rescue = await start_rescuer(node)
        with node.tracker.reserved(a_call().wanted) as reservation:
            node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
            await node.rescuer.reconcile()
            await look_for_long(node)
            assert node.attempts.closed == []
            reservation.attempt = ATTEMPT
            await place(node)
        await look_for_long(node)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.UNKNOWN]  # placed, and no channel is there
        rescue.cancel()


@pytest.mark.parametrize("later_claims", [True, False])
async def test_claims_that_began_later_do_not_put_the_judgement_off(later_claims: bool) -> None:
    async with a_node() as node:
        rescue = await start_rescuer(node)
        with node.tracker.reserved(a_call().wanted):
            node.attempts.open = [OpenCall(call=a_call(), node=NODE)]
            await node.rescuer.reconcile()
        if later_claims:
            with node.tracker.reserved(a_call().wanted):
                await look_for_long(node)
        else:
            await look_for_long(node)
        assert [call.outcome for call in node.attempts.closed] == [Outcome.NOT_PLACED]
        rescue.cancel()
