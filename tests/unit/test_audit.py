"""The judge: it says `held` of a campaign that kept the laws, and names every kind of violation that is seeded into it."""

import ast
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dialerd import audit
from dialerd.audit import (
    AttemptRow,
    DncEntry,
    Evidence,
    FarEndCall,
    LeadRow,
    Rules,
    Span,
    Tolerances,
    crossed_answers,
    judge,
    longest_journey,
    read_calls,
)
from tests.factories import NOON, later

ADA, BEN, CID = "+12025550101", "+12025550102", "+12025550150"
CALLER = "12025550188"
HELD = dict.fromkeys(["L1", "L2", "L3", "L4", "L5", "L6", "L7"], "held")


def seconds(moment: float | None) -> datetime | None:
    return None if moment is None else later(moment)


def a_leg(kind: str, dialed: str, invite: float, answer: float | None, end: float, **changes: Any) -> FarEndCall:
    """Moments in seconds after noon."""
    plain = FarEndCall(
        call_id=f"{kind}-{dialed}-{invite}",
        kind=kind,
        invite=later(invite),
        ringing=None,
        answer=seconds(answer),
        end=later(end),
        dialed=dialed,
        caller_number="12025550199",
        hung_up_by="far_end",
        cause=16,
    )
    return replace(plain, **changes)


def to_lead(number: str, invite: float, answer: float | None, end: float, **changes: Any) -> FarEndCall:
    return a_leg("lead", number.lstrip("+"), invite, answer, end, **changes)


def to_agent(extension: str, shown: str, invite: float, answer: float | None, end: float) -> FarEndCall:
    return a_leg("agent", extension, invite, answer, end, caller_number=shown.lstrip("+"))


def calls_in(invite: float, answer: float | None, end: float) -> FarEndCall:
    return a_leg("inbound", "queue-sales", invite, answer, end, caller_number=CALLER)


def a_row(
    lead_id: int, ordinal: int, opened: float, answered: float | None, ended: float | None, outcome: str | None
) -> AttemptRow:
    return AttemptRow(
        lead_id=lead_id,
        number={1: ADA, 2: BEN, 3: CID}[lead_id],
        ordinal=ordinal,
        opened_at=later(opened),
        answered_at=seconds(answered),
        ended_at=seconds(ended),
        outcome=outcome,
    )


RULES = Rules(
    queue="sales",
    agents=("1001", "1002"),
    calls_per_second=2,
    concurrency=2,
    max_attempts=2,
    cooloff_s=10,
    allowed=(Span(start=later(0), end=later(60)),),
    imported=3,
)
ADA_TALKS = (to_lead(ADA, 1, 3, 10), to_agent("1001", ADA, 3.1, 4, 10))
BEN_TALKS = (to_lead(BEN, 1.6, 3, 12), to_agent("1002", BEN, 3.1, 4, 12))
CID_IS_BUSY = (to_lead(CID, 12.1, None, 12.2, cause=17), to_lead(CID, 22.3, None, 22.4, cause=17))
ADA_ROW = a_row(1, 1, 0.99, 3.01, 10.01, "connected")
BEN_ROW = a_row(2, 1, 1.59, 3.01, 12.01, "connected")
CID_ROWS = (a_row(3, 1, 12.09, None, 12.21, "busy"), a_row(3, 2, 22.29, None, 22.41, "busy"))
LEADS = (
    LeadRow(id=1, number=ADA, state="success"),
    LeadRow(id=2, number=BEN, state="success"),
    LeadRow(id=3, number=CID, state="failed"),
)


def evidence(*more: FarEndCall, **changes: Any) -> Evidence:
    """Two leads who talked to an agent, one who was busy twice; `more` calls, and whatever else is changed."""
    plain = Evidence(
        calls=(*ADA_TALKS, *BEN_TALKS, *CID_IS_BUSY),
        rules=RULES,
        leads=LEADS,
        attempts=(ADA_ROW, BEN_ROW, *CID_ROWS),
    )
    changed = replace(plain, **changes)
    return replace(changed, calls=(*changed.calls, *more))


def rules(**changes: Any) -> Rules:
    return replace(RULES, **changes)


def violated(law: str, found: Evidence) -> str:
    """The sentence of a law; the test fails if it was held."""
    verdict = judge(found)[law]
    assert verdict != "held"
    return verdict


def test_every_law_was_held_by_a_campaign_that_kept_them() -> None:
    assert judge(evidence()) == HELD


@pytest.mark.parametrize("outcome", ["voicemail", "menu_choice", "menu_left", "opted_out"])
def test_what_became_of_an_answer_without_an_agent_the_far_end_cannot_tell(outcome: str) -> None:
    row, call = a_row(1, 1, 0.99, 3.01, 10.01, outcome), to_lead(ADA, 1, 3, 10)
    state = "success" if outcome == "menu_choice" else "failed"
    leads = (LeadRow(id=1, number=ADA, state=state),)
    assert judge(evidence(calls=(call,), rules=rules(imported=1), leads=leads, attempts=(row,))) == HELD


def test_where_an_agent_has_said_what_it_came_to_the_leads_state_follows_that() -> None:
    said = replace(ADA_ROW, disposition="voicemail")
    machine = (replace(LEADS[0], state="voicemail"), *LEADS[1:])
    assert judge(evidence(attempts=(said, BEN_ROW, *CID_ROWS), leads=machine)) == HELD
    assert "is voicemail" in violated("L7", evidence(leads=machine))


def test_a_campaign_without_any_call_kept_every_law() -> None:
    idle = Evidence(calls=(), rules=rules(imported=0), leads=(), attempts=())
    assert judge(idle) == HELD


def test_the_judge_shares_no_code_with_what_it_judges() -> None:
    tree = ast.parse(Path(audit.__file__).read_text(encoding="utf-8"))
    ours = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    assert [name for name in ours if name.startswith("dialerd")] == ["dialerd.privacy"]


def test_numbers_are_masked_and_only_the_first_violations_are_told() -> None:
    strays = [to_lead(f"+1202555019{digit}", 30 + digit, None, 30.1 + digit) for digit in range(5)]
    sentence = violated("L2", evidence(*strays))
    assert sentence.startswith("INVITE to +120****0190 at 12:00:30.000 without an attempt; ")
    assert sentence.endswith("; and 2 more")


class TestL1DoNotCall:
    def test_a_call_after_the_number_was_listed(self) -> None:
        sentence = violated("L1", evidence(dnc=[DncEntry(number=CID, added_at=later(20))]))
        assert sentence == "INVITE to +120****0150 at 12:00:22.300, listed since 12:00:20.000"

    def test_a_call_in_the_instant_of_listing(self) -> None:
        violated("L1", evidence(dnc=[DncEntry(number=ADA, added_at=later(1))]))

    def test_a_number_listed_after_its_last_call(self) -> None:
        assert judge(evidence(dnc=[DncEntry(number=CID, added_at=later(22.31))])) == HELD

    def test_a_number_that_is_written_otherwise_is_the_same_number(self) -> None:
        violated("L1", evidence(dnc=[DncEntry(number="+1 (202) 555-0101", added_at=NOON)]))


class TestL2Once:
    def test_an_invite_without_a_row(self) -> None:
        assert "+120****0150 at 12:00:12.100 without" in violated("L2", evidence(attempts=(ADA_ROW, BEN_ROW)))

    def test_an_invite_before_its_row(self) -> None:
        early = replace(ADA_ROW, opened_at=later(1.01))
        assert "without an attempt" in violated("L2", evidence(attempts=(early, BEN_ROW, *CID_ROWS)))

    def test_an_invite_to_somebody_who_is_no_lead(self) -> None:
        assert "+4420****0123" in violated("L2", evidence(to_lead("+442079460123", 30, None, 31)))

    def test_two_invites_for_one_attempt(self) -> None:
        sentence = violated("L2", evidence(to_lead(CID, 30, None, 31)))
        assert sentence.startswith("2 INVITEs for attempt 2 of +120****0150, the second at 12:00:30.000")

    def test_an_attempt_without_an_invite(self) -> None:
        sentence = violated("L2", evidence(calls=(*ADA_TALKS, *CID_IS_BUSY)))
        assert sentence == "attempt 1 of +120****0102 at 12:00:01.590 has no INVITE"

    @pytest.mark.parametrize("outcome", ["not_placed", "unknown", "cancelled"])
    def test_an_attempt_of_which_nobody_can_say_that_it_left(self, outcome: str) -> None:
        row, lead = replace(BEN_ROW, answered_at=None, outcome=outcome), replace(LEADS[1], state="failed")
        found = evidence(
            calls=(*ADA_TALKS, *CID_IS_BUSY), attempts=(ADA_ROW, row, *CID_ROWS), leads=(LEADS[0], lead, LEADS[2])
        )
        assert judge(found) == HELD

    def test_an_unknown_attempt_that_did_leave(self) -> None:
        row = replace(CID_ROWS[1], outcome="unknown")
        assert judge(evidence(attempts=(ADA_ROW, BEN_ROW, CID_ROWS[0], row))) == HELD

    def test_an_invite_of_an_attempt_that_was_not_placed(self) -> None:
        row = replace(CID_ROWS[1], outcome="not_placed")
        sentence = violated("L2", evidence(attempts=(ADA_ROW, BEN_ROW, CID_ROWS[0], row)))
        assert sentence == "attempt 2 of +120****0150 is not_placed, but its INVITE came at 12:00:22.300"

    def test_an_invite_after_the_end_of_its_attempt(self) -> None:
        row = replace(CID_ROWS[1], ended_at=later(22.2), opened_at=later(22.1))
        assert "after its end" in violated("L2", evidence(attempts=(ADA_ROW, BEN_ROW, CID_ROWS[0], row)))

    def test_two_rows_for_one_ordinal(self) -> None:
        row = replace(CID_ROWS[1], ordinal=1)
        assert "2 rows for attempt 1 of lead 3" in violated(
            "L2", evidence(attempts=(ADA_ROW, BEN_ROW, CID_ROWS[0], row))
        )

    def test_two_calls_to_one_lead_at_a_time(self) -> None:
        assert "+120****0101 at 12:00:09.000 while" in violated("L2", evidence(to_lead(ADA, 9, None, 9.5)))


class TestL3Hours:
    def test_a_call_before_the_start(self) -> None:
        span = (Span(start=later(1.2)),)
        sentence = violated("L3", evidence(rules=rules(allowed=span)))
        assert sentence == "INVITE to +120****0101 at 12:00:01.000, outside the allowed spans"

    def test_a_call_during_a_pause(self) -> None:
        spans = (Span(start=later(0), end=later(10)), Span(start=later(20)))
        assert "12:00:12.100" in violated("L3", evidence(rules=rules(allowed=spans)))

    def test_a_call_that_was_decided_just_before_the_pause(self) -> None:
        spans = (Span(start=later(0), end=later(12)), Span(start=later(20)))
        assert judge(evidence(rules=rules(allowed=spans))) == HELD


class TestL4InboundFirst:
    def test_a_call_while_a_caller_waits(self) -> None:
        sentence = violated("L4", evidence(calls_in(11, 11.5, 14)))
        assert sentence == "INVITE to +120****0150 at 12:00:12.100 while a caller waited in sales"

    def test_a_caller_who_came_too_late_to_be_known(self) -> None:
        assert judge(evidence(calls_in(11, 11.95, 14))) == HELD

    def test_a_caller_who_has_an_agent_waits_no_more(self) -> None:
        assert judge(evidence(calls_in(11, 11.5, 14), to_agent("1001", CALLER, 11.5, 12.0, 14))) == HELD

    def test_an_agent_who_serves_another_caller_ends_no_wait(self) -> None:
        served = to_agent("1001", "12025550187", 11.5, 12.0, 14)
        assert "while a caller waited" in violated("L4", evidence(calls_in(11, 11.5, 14), served))

    def test_a_caller_who_gave_up_waits_no_more(self) -> None:
        assert judge(evidence(calls_in(10, 10.5, 12.0))) == HELD

    def test_a_caller_of_another_queue(self) -> None:
        assert judge(evidence(replace(calls_in(11, 11.5, 14), dialed="queue-support"))) == HELD

    def test_a_call_while_every_agent_is_on_the_phone(self) -> None:
        sentence = violated("L4", evidence(to_lead("+12025550151", 8, None, 8.1, cause=17)))
        assert sentence == "INVITE to +120****0151 at 12:00:08.000 while no agent was free"

    def test_an_agent_who_goes_from_call_to_call_was_not_free(self) -> None:
        next_one = to_agent("1001", "12025550187", 10, 10.5, 12)
        found = evidence(next_one, to_lead("+12025550151", 10.1, None, 10.2, cause=17))
        assert "while no agent was free" in violated("L4", found)

    def test_an_agent_who_was_free_a_moment_ago(self) -> None:
        both = (to_agent("1001", "12025550187", 12, 13, 15), to_agent("1002", "12025550186", 12.05, 13, 15))
        assert judge(evidence(*both)) == HELD

    def test_an_agent_who_is_promised_to_an_earlier_call(self) -> None:
        busy = to_agent("1002", "12025550187", 0, 0.5, 3)
        sentence = violated("L4", evidence(busy))
        assert sentence == "INVITE to +120****0102 at 12:00:01.600 as one of 2 unanswered calls for 1 free agents"


class TestL4ByWhatACallNeedsOfAgents:
    TALKS = (to_agent("1001", ADA, 0.1, 0.5, 10), to_lead(ADA, 1, 3, 10))
    ROW = a_row(1, 1, 0.05, 3.01, 10.01, "connected")

    def agent_first(self, *more: FarEndCall) -> Evidence:
        return evidence(
            *more,
            calls=self.TALKS,
            rules=rules(agents_wanted="on_line", imported=1),
            leads=LEADS[:1],
            attempts=(self.ROW,),
        )

    def test_an_agent_who_is_on_the_line_first(self) -> None:
        assert judge(self.agent_first()) == HELD

    def test_a_lead_dialed_before_its_agent_was_on_the_line(self) -> None:
        sentence = violated("L4", self.agent_first(to_lead(CID, 4, None, 4.2, cause=17), to_lead(BEN, 4.1, None, 4.2)))
        assert (
            "INVITE to +120****0102 at 12:00:04.100 as one of 2 unanswered calls with 1 agents on the line" in sentence
        )

    def test_a_lead_dialed_while_a_caller_waits_though_an_agent_is_on_the_line(self) -> None:
        assert "while a caller waited" in violated("L4", self.agent_first(calls_in(0, 0.2, 2)))

    def test_the_way_of_an_agent_to_the_phone_is_no_journey_of_an_invite(self) -> None:
        assert longest_journey(self.agent_first()) == timedelta()

    def test_but_the_way_back_of_the_news_that_the_phone_rings_tells_how_busy_the_machine_is(self) -> None:
        rang = replace(self.TALKS[1], ringing=later(1.1))
        heard = replace(self.ROW, ringing_at=later(1.5))
        assert longest_journey(
            replace(self.agent_first(), calls=(self.TALKS[0], rang), attempts=(heard,))
        ) == timedelta(seconds=0.4)

    def test_by_rate_alone_one_free_agent_is_enough(self) -> None:
        busy = to_agent("1002", "12025550187", 0, 0.5, 3)
        assert judge(evidence(busy, rules=rules(agents_wanted="any")))["L4"] == "held"
        both = (busy, to_agent("1001", "12025550186", 0, 0.5, 3))
        assert "while no agent was free" in violated("L4", evidence(*both, rules=rules(agents_wanted="any")))

    def test_a_voice_menu_needs_none(self) -> None:
        busy = tuple(to_agent(agent, "12025550187", 0, 0.5, 60) for agent in RULES.agents)
        assert judge(evidence(*busy, calls_in(0, 0.1, 60), rules=rules(agents_wanted="none")))["L4"] == "held"


class TestL5Pace:
    def test_two_calls_too_close_together(self) -> None:
        sentence = violated("L5", evidence(to_lead("+12025550151", 12.4, None, 12.45, cause=17)))
        assert sentence == "2 INVITEs within 0.300 s up to 12:00:12.400, where 2/s allow 1"

    def test_jitter_on_the_way_is_no_haste(self) -> None:
        assert judge(evidence(to_lead("+12025550151", 12.55, None, 12.6, cause=17)))["L5"] == "held"

    def test_a_burst_whose_every_gap_is_nearly_right(self) -> None:
        """Jitter is forgiven once, not with every call: many small advances are a higher rate."""
        burst = [to_lead("+12025550151", 30 + n * 0.45, None, 30.1 + n * 0.45, cause=17) for n in range(5)]
        assert "INVITEs within" in violated("L5", evidence(*burst))

    def test_a_lull_earns_nothing(self) -> None:
        catching_up = [to_lead("+12025550151", 50 + n * 0.1, None, 50.05 + n * 0.1, cause=17) for n in range(3)]
        assert "2 INVITEs within 0.100 s" in violated("L5", evidence(*catching_up))

    @pytest.mark.parametrize("first", [10.0, 10.01, 11.7])
    def test_an_even_stream_at_the_set_rate(self, first: float) -> None:
        stream = [to_lead(CID, first + n / 7, None, first + 0.1 + n / 7) for n in range(1000)]
        found = evidence(calls=stream, rules=rules(calls_per_second=7))
        assert judge(found)["L5"] == "held"

    def test_a_slow_road_excuses_what_arrives_close_together_but_not_what_was_decided_so(self) -> None:
        late = replace(CID_IS_BUSY[0], invite=later(22.0), end=later(22.1))
        found = evidence(calls=(*ADA_TALKS, *BEN_TALKS, late, CID_IS_BUSY[1]), attempts=(ADA_ROW, BEN_ROW, *CID_ROWS))
        assert "2 INVITEs within 0.300 s" in violated("L5", found)
        measured = longest_journey(found)
        assert measured == timedelta(seconds=9.91)
        slow = Tolerances(journey=measured)
        assert judge(replace(found, tolerances=slow))["L5"] == "held"
        hasty = replace(CID_ROWS[1], opened_at=later(12.5))
        found = replace(found, attempts=(ADA_ROW, BEN_ROW, CID_ROWS[0], hasty), tolerances=slow)
        assert violated("L5", found) == "2 attempts opened within 0.410 s up to 12:00:12.500, where 2/s allow 1"

    def test_more_calls_at_once_than_set(self) -> None:
        sentence = violated("L5", evidence(rules=rules(concurrency=1)))
        assert sentence == "2 calls at once at 12:00:01.600, where 1 are set"

    def test_a_call_that_the_pbx_has_just_ended_is_not_in_flight(self) -> None:
        follower = to_lead("+12025550151", 9.98, None, 9.99, cause=17)
        assert judge(evidence(follower))["L5"] == "held"
        assert "3 calls at once" in violated("L5", evidence(replace(follower, invite=later(9.9))))


class TestL6Attempts:
    def test_more_attempts_than_the_campaign_allows(self) -> None:
        sentence = violated("L6", evidence(rules=rules(max_attempts=1)))
        assert sentence == "INVITE 2 to +120****0150 at 12:00:22.300, of 1 allowed"

    def test_more_attempts_than_the_lead_allows(self) -> None:
        strict = replace(LEADS[2], max_attempts=1)
        violated("L6", evidence(leads=(*LEADS[:2], strict)))

    def test_a_lead_that_allows_more_than_the_campaign(self) -> None:
        generous = replace(LEADS[2], max_attempts=2)
        assert judge(evidence(leads=(*LEADS[:2], generous), rules=rules(max_attempts=1))) == HELD

    def test_an_unknown_attempt_counts_though_the_far_end_saw_nothing(self) -> None:
        third = a_row(3, 3, 40, None, 41, "unknown")
        sentence = violated("L6", evidence(attempts=(ADA_ROW, BEN_ROW, *CID_ROWS, third)))
        assert sentence == "attempt 3 of +120****0150, of 2 allowed"

    def test_a_call_that_was_not_placed_does_not_count(self) -> None:
        third = a_row(3, 3, 40, None, 41, "not_placed")
        assert judge(evidence(attempts=(ADA_ROW, BEN_ROW, *CID_ROWS, third))) == HELD

    def test_a_second_call_before_the_cooloff_is_over(self) -> None:
        sentence = violated("L6", evidence(rules=rules(cooloff_s=11)))
        assert sentence == "INVITE to +120****0150 at 12:00:22.300, 10.100 s after its last call; its cool-off is 11 s"

    def test_the_first_cooloff_of_the_lead_comes_before_the_campaigns(self) -> None:
        assert judge(evidence(leads=(*LEADS[:2], replace(LEADS[2], cooloff_s=9)), rules=rules(cooloff_s=60))) == HELD
        violated("L6", evidence(leads=(*LEADS[:2], replace(LEADS[2], cooloff_s=11))))

    @pytest.mark.parametrize(
        ("campaign", "lead", "kept"),
        [(None, None, True), (11, None, False), (None, 11, False), (9, 11, True), (11, 9, False)],
    )
    def test_the_second_cooloff_of_the_campaign_comes_before_the_leads(
        self, campaign: int | None, lead: int | None, kept: bool
    ) -> None:
        third = to_lead(CID, 32.5, None, 32.6, cause=17)
        found = evidence(
            third,
            attempts=(ADA_ROW, BEN_ROW, *CID_ROWS, a_row(3, 3, 32.49, None, 32.61, "busy")),
            leads=(*LEADS[:2], replace(LEADS[2], cooloff_2nd_s=lead)),
            rules=rules(max_attempts=3, cooloff_2nd_s=campaign),
        )
        assert (judge(found)["L6"] == "held") is kept

    def test_after_a_stop_the_lead_is_due_at_once(self) -> None:
        stopped = replace(CID_ROWS[0], outcome="cancelled")
        calls = (*ADA_TALKS, *BEN_TALKS, replace(CID_IS_BUSY[0], hung_up_by="pbx"), CID_IS_BUSY[1])
        found = evidence(calls=calls, attempts=(ADA_ROW, BEN_ROW, stopped, CID_ROWS[1]), rules=rules(cooloff_s=60))
        assert judge(found) == HELD


class TestL7Accounted:
    def test_a_lead_that_got_lost(self) -> None:
        sentence = violated("L7", evidence(rules=rules(imported=4)))
        assert sentence == "4 leads were imported, and the states sum to 3"

    @pytest.mark.parametrize("state", ["dialing", "ringing", "answered"])
    def test_a_lead_that_is_still_in_flight(self, state: str) -> None:
        assert f"+120****0150 is still {state}" in violated(
            "L7", evidence(leads=(*LEADS[:2], replace(LEADS[2], state=state)))
        )

    def test_a_state_that_nobody_knows(self) -> None:
        assert "no known state" in violated("L7", evidence(leads=(*LEADS[:2], replace(LEADS[2], state="limbo"))))

    def test_an_attempt_without_an_outcome(self) -> None:
        row = a_row(3, 2, 22.29, None, None, None)
        sentence = violated("L7", evidence(attempts=(ADA_ROW, BEN_ROW, CID_ROWS[0], row)))
        assert sentence == "attempt 2 of +120****0150, opened at 12:00:22.290, has no outcome"

    def test_a_lead_that_talked_and_is_not_a_success(self) -> None:
        leads = (replace(LEADS[0], state="failed"), *LEADS[1:])
        assert "is failed, but its last outcome is connected" in violated("L7", evidence(leads=leads))

    def test_a_success_without_a_talk(self) -> None:
        leads = (*LEADS[:2], replace(LEADS[2], state="success"))
        assert "is success, but its last outcome is busy" in violated("L7", evidence(leads=leads))

    def test_a_blocked_lead_that_is_on_no_list(self) -> None:
        leads = (*LEADS[:2], replace(LEADS[2], state="blocked"))
        assert "is blocked, but on no list" in violated("L7", evidence(leads=leads))
        assert judge(evidence(leads=leads, dnc=[DncEntry(number=CID, added_at=later(30))])) == HELD

    def test_an_answer_that_the_rows_do_not_have(self) -> None:
        row = replace(ADA_ROW, answered_at=None)
        sentence = violated("L7", evidence(attempts=(row, BEN_ROW, *CID_ROWS)))
        assert (
            sentence == "attempt 1 of +120****0101 has no answer, and the far end saw an answer (INVITE 12:00:01.000)"
        )

    def test_an_answer_that_the_far_end_did_not_give(self) -> None:
        row = replace(CID_ROWS[0], answered_at=later(12.15))
        assert "has an answer, and the far end saw no answer" in violated(
            "L7", evidence(attempts=(ADA_ROW, BEN_ROW, row, CID_ROWS[1]))
        )

    def test_a_connected_call_without_an_agent(self) -> None:
        calls = (ADA_TALKS[0], *BEN_TALKS, *CID_IS_BUSY)
        sentence = violated("L7", evidence(calls=calls))
        assert "ended connected, and the far end saw abandoned or hung_up (INVITE 12:00:01.000)" in sentence

    def test_a_connected_call_whose_agent_saw_another_number(self) -> None:
        calls = (ADA_TALKS[0], replace(ADA_TALKS[1], caller_number=CALLER), *BEN_TALKS, *CID_IS_BUSY)
        assert "ended connected" in violated("L7", evidence(calls=calls))

    def test_a_connected_call_whose_agent_came_too_late(self) -> None:
        calls = (ADA_TALKS[0], to_agent("1001", ADA, 10.1, 10.2, 12), *BEN_TALKS, *CID_IS_BUSY)
        assert "ended connected" in violated("L7", evidence(calls=calls))

    def test_a_talk_that_was_written_down_as_abandoned(self) -> None:
        row, lead = replace(ADA_ROW, outcome="abandoned"), replace(LEADS[0], state="abandoned")
        found = evidence(attempts=(row, BEN_ROW, *CID_ROWS), leads=(lead, *LEADS[1:]))
        assert "ended abandoned, and the far end saw connected" in violated("L7", found)

    def test_an_agent_who_answered_as_the_lead_hung_up_may_be_either(self) -> None:
        row, lead = replace(ADA_ROW, outcome="hung_up"), replace(LEADS[0], state="failed")
        calls = (ADA_TALKS[0], to_agent("1001", ADA, 3.1, 9.9, 10.1), *BEN_TALKS, *CID_IS_BUSY)
        found = evidence(calls=calls, attempts=(row, BEN_ROW, *CID_ROWS), leads=(lead, *LEADS[1:]))
        assert judge(found) == HELD

    @pytest.mark.parametrize(
        ("cause", "outcome"),
        [
            (17, "busy"),
            (34, "congestion"),
            (1, "invalid_number"),
            (21, "rejected"),
            (19, "no_answer"),
            (18, "no_answer"),
        ],
    )
    def test_an_outcome_agrees_with_the_cause_that_the_far_end_gave(self, cause: int, outcome: str) -> None:
        calls = (*ADA_TALKS, *BEN_TALKS, *(replace(call, cause=cause) for call in CID_IS_BUSY))
        rows = [replace(row, outcome=outcome) for row in CID_ROWS]
        assert judge(evidence(calls=calls, attempts=(ADA_ROW, BEN_ROW, *rows))) == HELD
        wrong = [replace(row, outcome="hung_up") for row in CID_ROWS]
        assert f"the far end saw {outcome}" in violated(
            "L7", evidence(calls=calls, attempts=(ADA_ROW, BEN_ROW, *wrong))
        )

    def test_a_call_that_the_pbx_gave_up_is_no_answer(self) -> None:
        calls = (*ADA_TALKS, *BEN_TALKS, *(replace(call, hung_up_by="pbx") for call in CID_IS_BUSY))
        rows = [replace(row, outcome="no_answer") for row in CID_ROWS]
        assert judge(evidence(calls=calls, attempts=(ADA_ROW, BEN_ROW, *rows))) == HELD
        assert "saw cancelled or no_answer" in violated("L7", evidence(calls=calls))

    def test_an_answer_that_crossed_the_end_of_the_ringing_may_be_unseen(self) -> None:
        crossed = to_lead(CID, 22.3, 27.29, 27.31, hung_up_by="pbx")
        calls = (*ADA_TALKS, *BEN_TALKS, CID_IS_BUSY[0], crossed)
        row = replace(CID_ROWS[1], ended_at=later(27.3), outcome="no_answer")
        found = evidence(calls=calls, attempts=(ADA_ROW, BEN_ROW, CID_ROWS[0], row))
        assert judge(found) == HELD
        assert crossed_answers(found) == 1
        assert crossed_answers(evidence()) == 0


HEADER = "call_id,kind,invite,ringing,answer,end,dialed,caller_number,caller_name,hung_up_by,cause\n"


def test_the_far_ends_record_is_read(tmp_path: Path) -> None:
    record = tmp_path / "calls.csv"
    line = (
        '"x-1",lead,1772452801.000,,1772452803.000,1772452810.000,12025550101,"12025550199","A ""B"", C",far_end,16\n'
    )
    record.write_text(HEADER + line)
    assert read_calls(record) == [replace(to_lead(ADA, 1, 3, 10), call_id="x-1")]


def test_a_line_that_is_not_whole_is_not_passed_over(tmp_path: Path) -> None:
    record = tmp_path / "calls.csv"
    record.write_text(HEADER + '"x-1",lead,1772452801.000,,17724\n')
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_calls(record)


def test_a_long_record_is_judged_in_reasonable_time() -> None:
    began = NOON
    calls = [to_lead(CID, n / 2, None, n / 2 + 0.1, cause=17) for n in range(20_000)]
    found = evidence(calls=calls, rules=rules(allowed=(Span(start=began - timedelta(days=1)),)))
    assert judge(found)["L5"] == "held"
