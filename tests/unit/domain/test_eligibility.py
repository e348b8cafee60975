"""Whether a lead may be called now."""

import json

import pytest

from dialerd.domain.eligibility import Admitted, Refused, Rule, check
from dialerd.domain.leads import LeadEvent
from tests.factories import NOON, a_candidate, a_lead, settings


def test_a_lead_that_no_rule_holds_is_admitted_with_the_evidence() -> None:
    verdict = check(a_candidate(lead=a_lead(attempts_used=1)), settings(max_attempts=3), now=NOON)
    assert isinstance(verdict, Admitted)
    assert verdict.facts == {
        "dnc": {"listed": False},
        "attempts": {"used": 1, "allowed": 3},
        "checked_at": "2026-03-02T12:00:00+00:00",
    }


def test_the_evidence_can_be_kept_as_json() -> None:
    verdict = check(a_candidate(), settings(), now=NOON)
    assert isinstance(verdict, Admitted)
    assert json.loads(json.dumps(verdict.facts)) == verdict.facts


def test_a_number_on_a_do_not_call_list_blocks_its_lead() -> None:
    verdict = check(a_candidate(on_dnc_list=True), settings(), now=NOON)
    assert verdict == Refused(rule=Rule.DNC, event=LeadEvent.ON_DNC_LIST)


@pytest.mark.parametrize("used", [3, 4])
def test_a_lead_without_attempts_left_is_given_up(used: int) -> None:
    verdict = check(a_candidate(lead=a_lead(attempts_used=used)), settings(max_attempts=3), now=NOON)
    assert verdict == Refused(rule=Rule.ATTEMPTS, event=LeadEvent.EXHAUSTED)


def test_a_leads_own_limit_is_the_one_that_counts() -> None:
    patient = a_lead(attempts_used=3, max_attempts=4)
    assert isinstance(check(a_candidate(lead=patient), settings(max_attempts=3), now=NOON), Admitted)


def test_do_not_call_comes_before_every_other_rule() -> None:
    verdict = check(a_candidate(lead=a_lead(attempts_used=9), on_dnc_list=True), settings(), now=NOON)
    assert isinstance(verdict, Refused)
    assert verdict.rule is Rule.DNC
