"""The judge: it says `held` of a campaign that kept the laws, and names every kind of violation that is seeded into it."""

import ast
import re
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from dialerd import audit
from dialerd.audit import (
    AttemptRow,
    BadRecord,
    DncEntry,
    Evidence,
    FarEndCall,
    LeadRow,
    LeadWindows,
    Rules,
    Span,
    Tolerances,
    by_invariant,
    crossed_answers,
    is_broken,
    judge,
    longest_journey,
    read_calls,
    read_record,
    violations_of,
)
from dialerd.audit.evidence import Window
from tests.factories import NOON, later

ADA, BEN, CID = "+12025550101", "+12025550102", "+12025550150"
CALLER = "12025550188"
HELD = dict.fromkeys(["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L9", "INV4"], "held")


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
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in Path(audit.__file__).parent.glob("*.py")]
    asked = {
        node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    ours = {name for name in asked if name.startswith("dialerd") and not name.startswith("dialerd.audit")}
    assert ours == {"dialerd.privacy"}


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
        busy = tuple(to_agent(agent, "12025550187", 0, 0.5, 60) for agent in ("1001", "1002"))
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

    @pytest.mark.parametrize(("refused", "held"), [(2, True), (3, False)])
    def test_two_refusals_of_the_trunk_cost_a_lead_no_attempt(self, refused: int, held: bool) -> None:
        """Beyond the one attempt that is allowed; a further refusal is the number's own."""
        times = [12.1 + 11 * n for n in range(refused + 1)]
        causes = [*[34] * refused, 17]
        calls = [to_lead(CID, at, None, at + 0.1, cause=cause) for at, cause in zip(times, causes, strict=True)]
        rows = [
            a_row(3, n, at - 0.01, None, at + 0.11, "congestion" if cause == 34 else "busy")
            for n, (at, cause) in enumerate(zip(times, causes, strict=True), start=1)
        ]
        found = evidence(
            calls=(*ADA_TALKS, *BEN_TALKS, *calls), attempts=(ADA_ROW, BEN_ROW, *rows), rules=rules(max_attempts=1)
        )
        assert (judge(found)["L6"] == "held") is held

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

    def test_where_numbers_are_masked_any_agent_may_have_talked_to_the_lead(self) -> None:
        calls = (ADA_TALKS[0], replace(ADA_TALKS[1], caller_number="12025550199"), *BEN_TALKS, *CID_IS_BUSY)
        assert "ended connected" in violated("L7", evidence(calls=calls))
        assert judge(evidence(calls=calls, rules=rules(masks_leads=True))) == HELD

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


class TestL3Windows:
    """Noon is 12:00 UTC on 2 March 2026, a Monday: 7:00 in New York, and 12:00 in London."""

    MONDAY = Window(start=time(9), end=time(17), weekdays=frozenset({"mon"}))

    def test_a_call_within_the_campaigns_hours(self) -> None:
        assert judge(evidence(rules=rules(schedule=(self.MONDAY,)))) == HELD

    @pytest.mark.parametrize(
        "window",
        [
            Window(start=time(12, 1), end=time(17)),
            Window(start=time(9), end=time(12)),
            Window(start=time(9), end=time(17), weekdays=frozenset({"tue", "sun"})),
            Window(start=time(9), end=time(17), month_days=(3, 31)),
            Window(start=time(9), end=time(17), months=frozenset({4})),
            Window(start=time(22), end=time(6)),
        ],
    )
    def test_a_call_outside_the_campaigns_hours(self, window: Window) -> None:
        sentence = violated("L3", evidence(rules=rules(schedule=(window,))))
        assert sentence.startswith("INVITE to +120****0101 at 12:00:01.000, outside the campaign's hours in UTC; ")

    def test_a_window_may_go_over_midnight(self) -> None:
        overnight = Window(start=time(22), end=time(13), weekdays=frozenset({"sun"}))
        assert judge(evidence(rules=rules(schedule=(overnight,)))) == HELD
        assert "outside" in violated("L3", evidence(rules=rules(schedule=(overnight,), zone="Asia/Tokyo")))

    def test_a_call_that_could_still_be_ringing_when_the_window_closes(self) -> None:
        closes = (Window(start=time(9), end=time(12, 1)),)
        assert judge(evidence(rules=rules(schedule=closes, ring_timeout_s=30))) == HELD
        sentence = violated("L3", evidence(rules=rules(schedule=closes, ring_timeout_s=45)))
        assert sentence == "INVITE to +120****0150 at 12:00:22.300, outside the campaign's hours in UTC"

    def test_the_leads_own_morning_is_that_of_its_number(self) -> None:
        """All three are in Washington."""
        early = LeadWindows(daily=Window(start=time(7), end=time(8)))
        assert judge(evidence(rules=rules(lead_windows=early))) == HELD
        late = LeadWindows(daily=Window(start=time(8), end=time(20)))
        sentence = violated("L3", evidence(rules=rules(lead_windows=late)))
        assert "outside the lead's hours in America/New_York" in sentence

    def test_the_zone_that_a_lead_came_with_is_one_more_that_has_to_be_open(self) -> None:
        early = LeadWindows(daily=Window(start=time(7), end=time(8)))
        abroad = (replace(LEADS[0], time_zone="Europe/London"), *LEADS[1:])
        assert "in Europe/London" in violated("L3", evidence(leads=abroad, rules=rules(lead_windows=early)))

    def test_or_counts_alone_where_the_account_trusts_it(self) -> None:
        noon = LeadWindows(daily=Window(start=time(12), end=time(13)), own_zone_only=True)
        abroad = tuple(replace(lead, time_zone="Europe/London") for lead in LEADS)
        assert judge(evidence(leads=abroad, rules=rules(lead_windows=noon))) == HELD

    def test_a_plan_of_days_begins_when_the_lead_came(self) -> None:
        came = tuple(replace(lead, came_at=NOON - timedelta(days=2)) for lead in LEADS)
        on_the_second_day = LeadWindows(plan={2: [time(7)]})
        assert judge(evidence(leads=came, rules=rules(lead_windows=on_the_second_day))) == HELD
        for plan in ({1: [time(7)]}, {2: [time(8), time(18)]}):
            found = evidence(leads=came, rules=rules(lead_windows=LeadWindows(plan=plan)))
            assert "outside the lead's hours" in violated("L3", found)

    def test_where_nobody_knows_the_zone_nothing_can_be_said(self) -> None:
        late = LeadWindows(daily=Window(start=time(8), end=time(20)), own_zone_only=True)
        leads = tuple(replace(lead, time_zone="Mars/Olympus") for lead in LEADS)
        assert judge(evidence(leads=leads, rules=rules(lead_windows=late))) == HELD


class TestL6Caps:
    def test_more_calls_to_a_number_in_a_day_than_the_cap(self) -> None:
        sentence = violated("L6", evidence(rules=rules(max_calls_24h=1)))
        assert sentence == "INVITE to +120****0150 at 12:00:22.300, the 2th within 24 h, where 1 are allowed"
        assert judge(evidence(rules=rules(max_calls_24h=2, max_calls_7d=2))) == HELD

    def test_calls_of_other_campaigns_count_for_the_number(self) -> None:
        other = replace(a_row(1, 1, -3600.5, None, -3599, "busy"), lead_id=99)
        earlier = to_lead(ADA, -3600, None, -3599, cause=17)
        assert "INVITE to +120****0101" in violated(
            "L6", evidence(earlier, others=[other], rules=rules(max_calls_24h=2, max_calls_7d=1))
        )
        assert judge(evidence(earlier, others=[other], rules=rules(max_calls_24h=2))) == HELD

    def test_a_day_later_a_call_counts_no_more(self) -> None:
        other = replace(a_row(1, 1, -90_000.5, None, -89_999, "busy"), lead_id=99)
        earlier = to_lead(ADA, -90_000, None, -89_999, cause=17)
        assert judge(evidence(earlier, others=[other], rules=rules(max_calls_24h=2))) == HELD

    def test_a_number_is_left_alone_after_an_abandoned_call(self) -> None:
        other = replace(a_row(1, 1, -3600.5, -3599, -3590, "abandoned"), lead_id=99)
        earlier = to_lead(ADA, -3600, -3599, -3590)
        found = evidence(earlier, others=[other], rules=rules(abandon_lockout=timedelta(hours=2)))
        assert "INVITE to +120****0101 at 12:00:01.000, 3602 s after a call to it was abandoned" in violated(
            "L6", found
        )
        assert judge(evidence(earlier, others=[other], rules=rules(abandon_lockout=timedelta(hours=1)))) == HELD

    def test_an_outcome_with_a_cool_off_of_its_own(self) -> None:
        assert judge(evidence(rules=rules(cooloff_s=60, cooloff_after={"busy": 10}))) == HELD
        assert "its cool-off is 11 s" in violated("L6", evidence(rules=rules(cooloff_after={"busy": 11})))

    def test_another_number_of_the_lead_may_be_tried_at_once_where_there_is_no_such_number(self) -> None:
        other = "+12025550151"
        calls = (
            *ADA_TALKS,
            *BEN_TALKS,
            to_lead(CID, 12.1, None, 12.2, cause=1),
            to_lead(other, 12.6, None, 12.7, cause=17),
        )
        rows = (
            replace(CID_ROWS[0], outcome="invalid_number"),
            replace(CID_ROWS[1], number=other, opened_at=later(12.59), ended_at=later(12.71)),
        )
        assert judge(evidence(calls=calls, attempts=(ADA_ROW, BEN_ROW, *rows))) == HELD
        busy = (replace(rows[0], outcome="busy"), rows[1])
        assert "its cool-off is" in violated("L6", evidence(calls=calls, attempts=(ADA_ROW, BEN_ROW, *busy)))

    def test_a_lead_that_was_made_new_begins_to_count_anew(self) -> None:
        anew = replace(LEADS[2], dials_before=1, came_at=later(15))
        assert judge(evidence(leads=(*LEADS[:2], anew), rules=rules(max_attempts=1, cooloff_s=60))) == HELD

    def test_a_callback_that_was_agreed_gives_one_attempt_more(self) -> None:
        agreed = replace(CID_ROWS[0], disposition="callback", gave_attempt=True)
        assert (
            judge(evidence(attempts=(ADA_ROW, BEN_ROW, agreed, CID_ROWS[1]), rules=rules(max_attempts=1, cooloff_s=60)))
            == HELD
        )


class TestL9AndInv6NoSilence:
    def waits(self, heard: float | None, *more: FarEndCall, until: float = 20, listened: bool = True) -> Evidence:
        """Ada answers at 3 and waits; what became of her is no matter here."""
        call = to_lead(ADA, 1, 3, until, heard=seconds(heard), listened=listened)
        row = a_row(1, 1, 0.99, 3.01, until, "hung_up")
        lead = LeadRow(id=1, number=ADA, state="failed")
        return evidence(calls=(call, *more), rules=rules(imported=1, promise_s=2.0), leads=(lead,), attempts=(row,))

    def test_who_hears_something_in_time(self) -> None:
        assert judge(self.waits(heard=5.9))["L9"] == "held"

    def test_who_never_hears_anything(self) -> None:
        assert violated("L9", self.waits(heard=None)) == (
            "+120****0101 answered at 12:00:03.000, met no agent in time, and never heard anything; 2 s are promised"
        )

    def test_who_hears_something_too_late(self) -> None:
        assert "heard nothing before 12:00:06.500" in violated("L9", self.waits(heard=6.5))

    def test_who_meets_an_agent_in_time_though_none_of_them_speaks(self) -> None:
        assert judge(self.waits(None, to_agent("1001", ADA, 3.1, 5, 20)))["L9"] == "held"
        assert "met no agent in time" in violated("L9", self.waits(None, to_agent("1001", ADA, 3.1, 7, 20)))
        assert "met no agent in time" in violated("L9", self.waits(None, to_agent("1001", CALLER, 3.1, 5, 20)))

    def test_who_hangs_up_before(self) -> None:
        assert judge(self.waits(None, until=5.5))["L9"] == "held"

    def test_where_nobody_listened_silence_is_not_proved(self) -> None:
        assert judge(self.waits(None, listened=False))["L9"] == "held"

    def test_a_record_without_sounds_does_not_tell(self) -> None:
        mute = replace(self.waits(None), tells=frozenset({"agents", "ends"}))
        assert judge(mute)["L9"] == "not told: the record does not say when a lead heard something (column heard)"


class TestInv4AbandonedCalls:
    def dialed(self, abandoned: int, talked: int, *more: FarEndCall, **changes: Any) -> Evidence:
        """So many leads talk to an agent, then so many wait for ten seconds and none comes."""
        talks = [
            leg
            for n in range(talked)
            for leg in (
                to_lead(f"+1202555{n:04d}", n, n + 0.5, n + 0.9),
                to_agent("1001", f"+1202555{n:04d}", n + 0.5, n + 0.6, n + 0.9),
            )
        ]
        waits = [to_lead(f"+1202556{n:04d}", 500 + n, 501 + n, 511 + n) for n in range(abandoned)]
        return evidence(calls=(*talks, *waits, *more), rules=rules(**{"abandonment_cap": 0.03, "sla_s": 2, **changes}))

    def test_as_many_as_the_cap_allows(self) -> None:
        assert judge(self.dialed(3, 97))["INV4"] == "held"

    def test_one_more_than_the_cap_allows(self) -> None:
        sentence = violated("INV4", self.dialed(4, 96))
        assert sentence.endswith(
            "4 abandoned of 100 answered calls at 12:08:34.000, with 0 agents lost; 3 % are allowed"
        )

    def test_at_every_moment_and_not_only_at_the_end(self) -> None:
        """In the end it is 1 of 61, but it was 1 of 1."""
        first = to_lead("+12025570000", -20, -19, -9)
        assert "1 abandoned of 1 answered calls" in violated("INV4", self.dialed(0, 60, first))

    def test_a_campaign_without_a_cap_is_held_to_none(self) -> None:
        assert judge(self.dialed(50, 0, abandonment_cap=None))["INV4"] == "held"

    def test_who_leaves_before_the_sla_is_over_is_not_abandoned(self) -> None:
        assert judge(self.dialed(0, 10, to_lead("+12025570000", 600, 601, 602.9)))["INV4"] == "held"

    def test_an_agent_who_comes_later_than_the_rule_allows_comes_too_late(self) -> None:
        late = (to_lead(ADA, 600, 601, 620), to_agent("1001", ADA, 601, 605, 620))
        assert judge(self.dialed(0, 10, *late))["INV4"] == "held"
        assert "1 abandoned of 11" in violated("INV4", self.dialed(0, 10, *late, agent_limit_s=2.0))

    def test_an_agent_who_was_lost_may_cost_one_call(self) -> None:
        rejected = to_agent("1001", "+12025560000", 501, None, 502)
        assert judge(self.dialed(1, 10, rejected))["INV4"] == "held"
        taken = to_agent("1002", CALLER, 501, 501.5, 520)
        assert judge(self.dialed(2, 10, rejected, taken))["INV4"] == "held"
        assert "3 abandoned" in violated("INV4", self.dialed(3, 10, rejected, taken))


class TestTheInvariants:
    """Each is caught where it is violated, and no other is blamed."""

    def broken(self, found: Evidence) -> set[str]:
        return {name for name, said in by_invariant(violations_of(found)).items() if is_broken(said)}

    def test_all_are_held_by_a_campaign_that_kept_them(self) -> None:
        assert set(by_invariant(violations_of(evidence())).values()) == {"held"}

    def test_two_invites_for_one_attempt(self) -> None:
        assert self.broken(evidence(to_lead(BEN, 30, None, 31), rules=rules(max_attempts=3))) == {"INV1"}

    def test_a_lost_attempt(self) -> None:
        assert self.broken(evidence(to_lead("+12025550160", 30, None, 31, cause=17))) == {"INV2"}

    def test_a_lost_lead(self) -> None:
        assert self.broken(evidence(leads=LEADS[:2])) == {"INV3"}

    @pytest.mark.parametrize(
        "changes",
        [
            {"dnc": [DncEntry(number=CID, added_at=NOON)]},
            {"rules": rules(allowed=(Span(start=later(5)),))},
            {"rules": rules(schedule=(Window(start=time(13), end=time(14)),))},
            {"rules": rules(max_calls_7d=1)},
            {"rules": rules(concurrency=1)},
            {"rules": rules(cooloff_s=30)},
        ],
    )
    def test_a_call_to_a_listed_number_outside_the_hours_or_above_a_cap(self, changes: dict[str, Any]) -> None:
        assert self.broken(evidence(**changes)) == {"INV5"}


class TestACampaignAmongOthers:
    OTHER = replace(a_row(1, 1, 30, None, 31, "busy"), lead_id=50)

    def test_calls_of_another_campaign_are_none_of_this_one(self) -> None:
        theirs = to_lead(ADA, 30.1, None, 31, cause=17)
        assert judge(evidence(theirs, others=[self.OTHER])) == HELD
        assert "2 INVITEs for attempt 1" in violated("L2", evidence(theirs))

    def test_but_two_campaigns_may_not_call_a_number_at_the_same_time(self) -> None:
        theirs = replace(self.OTHER, opened_at=later(5))
        found = evidence(to_lead(ADA, 5.1, None, 6, cause=17), others=[theirs])
        assert "while an earlier call to it lasted" in violated("L2", found)


class TestSettingsThatHaveChanged:
    @pytest.mark.parametrize(
        "changes",
        [{"max_attempts": 1}, {"cooloff_s": 60}, {"concurrency": 1}, {"calls_per_second": 0.001}, {"max_calls_24h": 1}],
    )
    def test_calls_from_before_are_not_held_to_them(self, changes: dict[str, Any]) -> None:
        assert judge(evidence(rules=rules(**changes))) != HELD
        assert judge(evidence(rules=rules(settled_at=later(25), **changes))) == HELD

    def test_calls_from_after_are(self) -> None:
        settled = rules(settled_at=later(15), max_attempts=1, cooloff_s=60)
        assert "INVITE 2 to +120****0150" in violated("L6", evidence(rules=settled))
        assert "cool-off" not in violated("L6", evidence(rules=settled)), "its first call was made before"


class TestWhatIsOpen:
    OPEN = replace(CID_ROWS[1], ended_at=None, outcome=None, node="a")

    def found(self, at_work: frozenset[str] | None, **changes: Any) -> Evidence:
        leads = (*LEADS[:2], replace(LEADS[2], state="dialing"))
        return evidence(
            **{"attempts": (ADA_ROW, BEN_ROW, CID_ROWS[0], self.OPEN), "leads": leads, "at_work": at_work, **changes}
        )

    def test_a_daemon_that_has_gone_leaves_its_calls_open(self) -> None:
        assert judge(self.found(frozenset({"b"}))) == HELD

    def test_one_that_is_at_work_has_to_have_noticed_the_end(self) -> None:
        assert "has no outcome" in violated("L7", self.found(frozenset({"a"})))
        assert "has no outcome" in violated("L7", self.found(None))

    def test_a_call_may_still_go_on(self) -> None:
        assert judge(self.found(frozenset({"a"}), calls=(*ADA_TALKS, *BEN_TALKS, CID_IS_BUSY[0]))) == HELD


class TestWhatARecordTells:
    def test_of_agents_it_may_know_nothing(self) -> None:
        poor = evidence(calls=[leg for leg in evidence().calls if leg.kind == "lead"], tells=frozenset())
        told = judge(poor)
        assert told["L4"] == "not told: the record has no calls to agents (column kind)"
        assert {law for law, said in told.items() if said == "held"} == {
            "L1",
            "L2",
            "L3",
            "L5",
            "L6",
            "L7",
            "L9",
            "INV4",
        }
        assert not any(map(is_broken, told.values()))

    def test_nor_need_anybody_know_who_was_in_the_queue(self) -> None:
        assert judge(evidence(rules=rules(agents=None)))["L4"] == "not told: it is not known who was in the queue"
        assert "while a caller waited" in violated("L4", evidence(calls_in(11, 11.5, 14), rules=rules(agents=None)))

    def test_what_happened_before_its_first_line_it_does_not_tell(self) -> None:
        short = evidence(calls=CID_IS_BUSY, recorded=Span(start=later(12), end=later(30)))
        assert judge(short)["L2"] == "held"
        assert "has no INVITE" in violated("L2", replace(short, recorded=None))

    def test_its_clock_may_be_coarse(self) -> None:
        coarse = [replace(leg, invite=leg.invite.replace(microsecond=0)) for leg in evidence().calls]
        assert "without an attempt" in violated("L2", evidence(calls=coarse))
        blurred = Tolerances(journey=timedelta(seconds=1.04), blur=timedelta(seconds=1))
        assert judge(evidence(calls=coarse, tolerances=blurred)) == HELD


HEADER = "call_id,kind,invite,ringing,answer,end,dialed,caller_number,caller_name,hung_up_by,cause\n"


def test_the_far_ends_record_is_read(tmp_path: Path) -> None:
    record = tmp_path / "calls.csv"
    line = (
        '"x-1",lead,1772452801.000,,1772452803.000,1772452810.000,12025550101,"12025550199","A ""B"", C",far_end,16\n'
    )
    record.write_text(HEADER + line)
    assert read_calls(record) == [replace(to_lead(ADA, 1, 3, 10), call_id="x-1")]


LINE = "x-1,lead,1772452801.000,,1772452803.000,1772452810.000,12025550101,12025550199,,far_end,16\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("x-1,lead,1772452801.000,,17724\n", "line 2: it does not have as many columns as the first line"),
        (LINE.replace("\n", ",more\n"), "line 2: it does not have as many columns as the first line"),
        (LINE + LINE.replace("1772452801.000", "noon"), "line 3, column invite: 'noon' is no moment"),
        (LINE.replace("1772452801.000", ""), "line 2, column invite: nothing stands there"),
        (LINE.replace("1772452801.000", "1e999"), "line 2, column invite: '1e999' is no moment"),
        (
            LINE.replace("1772452801.000", "2026-03-02T12:00:01"),
            "line 2, column invite: '2026-03-02T12:00:01' does not say in which zone",
        ),
        (LINE.replace("lead", "friend"), "line 2, column kind: 'friend' is none of lead, agent, inbound"),
        (LINE.replace("far_end", "nobody"), "line 2, column hung_up_by: 'nobody' is none of far_end, pbx"),
        (LINE.replace(",16", ",sixteen"), "line 2, column cause: 'sixteen' is no number"),
        (LINE.replace("12025550101", ""), "line 2, column dialed: nothing stands there"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_with_its_place(tmp_path: Path, content: str, complaint: str) -> None:
    record = tmp_path / "calls.csv"
    record.write_text(HEADER + content)
    with pytest.raises(BadRecord, match=re.escape(complaint)) as refused:
        read_calls(record)
    assert str(refused.value).startswith(str(record))


def test_a_file_that_is_no_record_is_told(tmp_path: Path) -> None:
    record = tmp_path / "calls.csv"
    for content, complaint in (
        (b"", "there is no column dialed, invite, answer, end"),
        (b"dialed,invite\n", "there is no column answer, end; the first line has to name the columns"),
        (HEADER.encode() + b"\xff\n", "is not written in UTF-8"),
        (HEADER.encode() + b'"\n', "is no CSV file"),
    ):
        record.write_bytes(content)
        with pytest.raises(BadRecord, match=complaint):
            read_record(record)
    with pytest.raises(BadRecord, match="cannot be read: No such file"):
        read_record(tmp_path / "nothing.csv")


def test_a_carriers_record_needs_four_columns_and_says_what_it_does_not_tell(tmp_path: Path) -> None:
    record = tmp_path / "cdr.csv"
    record.write_text(
        "\ufeffdialed,invite,answer,end\n+12025550101,2026-03-02T13:00:01+01:00,,2026-03-02T12:00:03Z\n",
        encoding="utf-8",
    )
    read = read_record(record)
    assert read.tells == frozenset()
    [call] = read.calls
    assert (call.kind, call.invite, call.answer, call.end, call.hung_up_by, call.cause) == (
        *("lead", later(1), None, later(3), "", 0),
    )


def test_a_record_may_tell_when_something_was_heard(tmp_path: Path) -> None:
    record = tmp_path / "calls.csv"
    listening = [LINE.replace("\n", f",{heard}\n") for heard in ("1772452804.5", "never", "")]
    record.write_text(HEADER.replace("\n", ",heard\n") + "".join(listening))
    read = read_record(record)
    assert read.tells == {"agents", "ends", "sounds"}
    assert [(call.heard, call.listened) for call in read.calls] == [(later(4.5), True), (None, True), (None, False)]


def test_a_long_record_is_judged_in_reasonable_time() -> None:
    began = NOON
    calls = [to_lead(CID, n / 2, None, n / 2 + 0.1, cause=17) for n in range(20_000)]
    found = evidence(calls=calls, rules=rules(allowed=(Span(start=began - timedelta(days=1)),)))
    assert judge(found)["L5"] == "held"
