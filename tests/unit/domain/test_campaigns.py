"""What makes the settings of a campaign wrong, and what people see of its status."""

from datetime import UTC, time

import pytest

from dialerd.domain.accounts import AccountRules, Limits
from dialerd.domain.calls import CallFlow, DialMode, NoAgent
from dialerd.domain.campaigns import (
    CAMPAIGN_TRANSITIONS,
    CampaignAction,
    CampaignStatus,
    Gate,
    MachineDetection,
    PreviewOrder,
    Target,
    is_interface,
    possible_actions,
    problems,
    shown_status,
    working_hours,
)
from dialerd.domain.dispositions import Disposition, DispositionEffect
from dialerd.domain.outcomes import SETTLED, Outcome, OutcomeRule
from dialerd.domain.pacing import HoldReason
from dialerd.domain.schedule import DayPlan, LeadWindow, PlannedDay, ScheduleRow
from tests.factories import a_campaign, settings

OFFICE_HOURS = ScheduleRow(start=time(9), end=time(17))
EVENINGS = ScheduleRow(start=time(18), end=time(20))
NO_ROW = ScheduleRow(start=time(9), end=time(9))
DAYTIME = LeadWindow(start=time(9), end=time(20))
PLAN = DayPlan(days=(PlannedDay(day=0, times=(time(9), time(13))), PlannedDay(day=2, times=(time(10),))))


MENU: dict[str, object] = {"target": Target.MENU, "menu": "confirm"}
PREVIEW: dict[str, object] = {"dial_mode": DialMode.PREVIEW}
AGENT_FIRST: dict[str, object] = {"dial_mode": DialMode.AGENT_FIRST}
DONE = Disposition(code="done", title="Done", effect=DispositionEffect.DONE)


@pytest.mark.parametrize("status", CampaignStatus)
def test_people_may_do_all_that_can_happen_but_complete_a_campaign(status: CampaignStatus) -> None:
    possible = set(possible_actions(status))
    assert possible == CAMPAIGN_TRANSITIONS[status].keys() - {CampaignAction.COMPLETE}


def test_the_defaults_are_fine() -> None:
    assert problems(settings()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 200},
        {"queue": "a-_9"},
        {"calls_per_second": 0.001},
        {"calls_per_second": 20},
        {"concurrency": 1},
        {"concurrency": 50},
        {"max_attempts": 1},
        {"max_attempts": 5},
        {"cooloff_s": 0},
        {"cooloff_2nd_s": 30 * 86_400},
        {"ring_timeout_s": 5},
        {"customer_wait_sla_s": 0},
        {"agent_dial_timeout_s": 1},
        {"wrapup_s": 3600},
        {"dial_cycles": 100},
        {"dial_cycles_time": time(23, 59)},
        {"schedule": ()},
        {"schedule": (OFFICE_HOURS, EVENINGS)},
        {"lead_window": DAYTIME},
        {"day_plan": PLAN},
        {"outcome_rules": {Outcome.BUSY: OutcomeRule(delay_s=0, max_attempts=100)}},
        {"outcome_rules": {Outcome.ABANDONED: OutcomeRule(retry=True, delay_s=30 * 86_400)}},
        {"target": Target.AGENT, "target_agent": "PJSIP/1001"},
        {"target": Target.LAST_AGENT},
        {**AGENT_FIRST, "target": Target.AGENT, "target_agent": "SIP/1001"},
        {**AGENT_FIRST, "target": Target.LAST_AGENT},
        {**PREVIEW, "preview_order": PreviewOrder.DIAL_FIRST},
        {**PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST},
        {**MENU, "queue": ""},
        {**MENU, "gate": Gate.RATE},
        {**MENU, "queue": "", "no_agent": NoAgent.MESSAGE_AT_SLA, "customer_wait_sla_s": 0},
        {"gate": Gate.RATE},
        {"gate": Gate.RATE, "target": Target.LAST_AGENT},
        {"offer_s": 5},
        {"offer_s": 600},
        {"greeting": "custom/please-wait", "agent_announcement": "beep"},
        {"no_agent": NoAgent.MESSAGE_AT_SLA, "customer_wait_sla_s": 1},
        {"no_agent": NoAgent.MESSAGE, "customer_wait_sla_s": 0},
        {"mask_lead_caller_id": True, "send_lead_data": True, "recording": True},
        {"machine_detection": MachineDetection.LISTEN},
        {"machine_detection": MachineDetection.HANG_UP, "machine_audit_pct": 0},
        {**PREVIEW, "machine_detection": MachineDetection.HANG_UP, "machine_audit_pct": 100},
        {"abandonment_cap_pct": 0.1},
        {"abandonment_cap_pct": 100.0},
        {"dispositions": (DONE,)},
    ],
)
def test_the_limits_themselves_are_allowed(change: dict[str, object]) -> None:
    assert problems(settings(**change)) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"queue": ""}, "queue"),
        ({"queue": "s"}, "queue"),
        ({"queue": "q" * 41}, "queue"),
        ({"queue": "sales,evil"}, "queue"),
        ({"queue": "sales\nApplication: System"}, "queue"),
        ({"queue": "vertrieb-ü"}, "queue"),
        ({"calls_per_second": 0}, "calls per second"),
        ({"calls_per_second": 0.0004}, "calls per second"),
        ({"calls_per_second": -1}, "calls per second"),
        ({"calls_per_second": 20.1}, "calls per second"),
        ({"calls_per_second": float("nan")}, "calls per second"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 51}, "concurrency"),
        ({"max_attempts": 0}, "attempts"),
        ({"max_attempts": 6}, "attempts"),
        ({"cooloff_s": -1}, "cool-offs"),
        ({"cooloff_2nd_s": -1}, "cool-offs"),
        ({"cooloff_3rd_s": 30 * 86_400 + 1}, "cool-offs"),
        ({"ring_timeout_s": 4}, "ring timeout"),
        ({"customer_wait_sla_s": 61}, "customer wait SLA"),
        ({"agent_dial_timeout_s": 0}, "agent dial timeout"),
        ({"wrapup_s": 3601}, "wrap-up"),
        ({"dial_cycles": -1}, "dial cycles"),
        ({"dial_cycles": 101}, "dial cycles"),
        ({"dial_cycles_time": time(10, 0, 1)}, "dial cycles time"),
        ({"dial_cycles_time": time(10, tzinfo=UTC)}, "dial cycles time"),
        ({"schedule": (OFFICE_HOURS, NO_ROW)}, "schedule: row 2"),
        ({"lead_window": LeadWindow(start=time(9), end=time(9))}, "Dial By Timezone"),
        ({"day_plan": DayPlan(days=())}, "Dial by Schedule"),
        ({"day_plan": DayPlan(days=(PlannedDay(day=0, times=()),))}, "Dial by Schedule"),
        ({"outcome_rules": {Outcome.BUSY: OutcomeRule()}}, "outcome busy"),
        ({"outcome_rules": {Outcome.BUSY: OutcomeRule(delay_s=-1)}}, "outcome busy"),
        ({"outcome_rules": {Outcome.BUSY: OutcomeRule(delay_s=30 * 86_400 + 1)}}, "outcome busy"),
        ({"outcome_rules": {Outcome.BUSY: OutcomeRule(max_attempts=0)}}, "outcome busy"),
        ({"outcome_rules": {Outcome.BUSY: OutcomeRule(max_attempts=101)}}, "outcome busy"),
        ({"target": Target.AGENT}, "target agent"),
        ({"target": Target.AGENT, "target_agent": "1001"}, "target agent"),
        ({"target": Target.AGENT, "target_agent": "PJSIP/1001,60,m"}, "target agent"),
        ({**MENU, "menu": ""}, "menu"),
        ({**MENU, **PREVIEW}, "target"),
        ({**MENU, **AGENT_FIRST}, "target"),
        ({**PREVIEW, "target": Target.AGENT, "target_agent": "PJSIP/1001"}, "target"),
        ({**PREVIEW, "target": Target.LAST_AGENT}, "target"),
        ({**PREVIEW, "queue": ""}, "queue"),
        ({**MENU, "queue": "s"}, "queue"),
        ({"target": Target.LAST_AGENT, "queue": ""}, "queue"),
        ({**PREVIEW, "gate": Gate.RATE}, "gate"),
        ({**AGENT_FIRST, "gate": Gate.RATE}, "gate"),
        ({"offer_s": 4}, "offer"),
        ({"offer_s": 601}, "offer"),
        ({"greeting": "../secret"}, "greeting"),
        ({"greeting": "hello&world"}, "greeting"),
        ({"agent_announcement": "beep,tt"}, "agent announcement"),
        ({"customer_wait_sla_s": -1}, "customer wait SLA"),
        ({"no_agent": NoAgent.MESSAGE_AT_SLA, "customer_wait_sla_s": 0}, "customer wait SLA"),
        ({**MENU, "no_agent": NoAgent.MESSAGE_AT_SLA, "customer_wait_sla_s": 0}, "customer wait SLA"),
        ({**MENU, "machine_detection": MachineDetection.LISTEN}, "machine detection"),
        ({**AGENT_FIRST, "machine_detection": MachineDetection.HANG_UP}, "machine detection"),
        (
            {
                **PREVIEW,
                "preview_order": PreviewOrder.ACCEPT_FIRST,
                "machine_detection": MachineDetection.LISTEN,
            },
            "machine detection",
        ),
        ({"machine_audit_pct": -1}, "machine audit"),
        ({"machine_audit_pct": 101}, "machine audit"),
        ({"abandonment_cap_pct": 0.0}, "abandonment cap"),
        ({"abandonment_cap_pct": -3.0}, "abandonment cap"),
        ({"abandonment_cap_pct": 100.1}, "abandonment cap"),
        ({"abandonment_cap_pct": float("nan")}, "abandonment cap"),
        ({"dispositions": ()}, "dispositions"),
        ({"dispositions": (DONE, DONE)}, "dispositions"),
    ],
)
def test_each_wrong_setting_is_named_once(change: dict[str, object], named: str) -> None:
    [sentence] = problems(settings(**change))
    assert sentence.startswith(f"{named}: ")


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(problems(settings(name="", queue="", concurrency=0))) == 3


def test_what_is_wrong_is_said_with_what_to_do_about_it() -> None:
    wrong = settings(
        dial_mode=DialMode.AGENT_FIRST,
        gate=Gate.RATE,
        machine_detection=MachineDetection.LISTEN,
        no_agent=NoAgent.MESSAGE_AT_SLA,
        customer_wait_sla_s=0,
    )
    assert problems(wrong) == [
        "gate: in dial mode agent_first each call has an agent of its own, so choose free_agents",
        "customer wait SLA: with message_at_sla give agents 1 second or more, or nobody ever talks to one",
        "machine detection: switch it off where no lead waits for an agent: with voice menus, and agent-first",
    ]


@pytest.mark.parametrize(
    ("change", "flow", "offers_first"),
    [
        ({}, CallFlow.PROGRESSIVE, False),
        ({"target": Target.LAST_AGENT}, CallFlow.PROGRESSIVE, False),
        (MENU, CallFlow.MENU, False),
        (AGENT_FIRST, CallFlow.AGENT_FIRST, False),
        (PREVIEW, CallFlow.PREVIEW, False),
        ({**PREVIEW, "preview_order": PreviewOrder.ACCEPT_FIRST}, CallFlow.AGENT_FIRST, True),
        ({"preview_order": PreviewOrder.ACCEPT_FIRST}, CallFlow.PROGRESSIVE, False),
    ],
)
def test_dial_mode_target_and_order_come_to_one_flow(
    change: dict[str, object], flow: CallFlow, offers_first: bool
) -> None:
    chosen = settings(**change)
    assert (chosen.flow, chosen.offers_before_dialing) == (flow, offers_first)


@pytest.mark.parametrize("text", ["PJSIP/1001", "SIP/anna.b", "IAX2/desk_1+2"])
def test_an_agents_phone_is_named_as_the_queue_names_it(text: str) -> None:
    assert is_interface(text)


@pytest.mark.parametrize(
    "text",
    ["", "1001", "PJSIP/", "/1001", "PJSIP/1001@trunk", "PJSIP/1&PJSIP/2", "Local/1@x/n", "PJSIP/1\nVariable: x=1"],
)
def test_what_could_be_more_than_a_phone_is_none(text: str) -> None:
    """Law L10."""
    assert not is_interface(text)


@pytest.mark.parametrize("outcome", sorted(SETTLED))
def test_nothing_can_be_chosen_about_an_outcome_that_is_settled(outcome: Outcome) -> None:
    [sentence] = problems(settings(outcome_rules={outcome: OutcomeRule(retry=True)}))
    assert sentence == f"outcome {outcome}: has no rule of its own: nothing can be chosen about it"


def test_dial_by_timezone_and_dial_by_schedule_by_timezone_are_mutually_exclusive() -> None:
    [sentence] = problems(settings(lead_window=DAYTIME, day_plan=PLAN))
    assert sentence.startswith("windows: ")
    assert "exclude each other" in sentence


# --- the account's limits --------------------------------------------------------------------------------------------

NARROW = Limits(max_calls_per_second=2, max_concurrency=3, max_attempts=2)
WIDE = Limits(max_calls_per_second=100, max_concurrency=500, max_attempts=10)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"calls_per_second": 2.5}, "calls per second: above 0, up to 2"),
        ({"concurrency": 4}, "concurrency: from 1 to 3 calls in flight"),
        ({"max_attempts": 3}, "attempts: from 1 to 2 a lead"),
    ],
)
def test_an_account_may_have_narrower_limits_and_the_error_says_which(change: dict[str, object], sentence: str) -> None:
    within = {"calls_per_second": 2, "concurrency": 3, "max_attempts": 2}
    assert problems(settings(**within), NARROW) == []
    assert problems(settings(**within | change), NARROW) == [sentence]


def test_or_wider_ones() -> None:
    great = settings(calls_per_second=100, concurrency=500, max_attempts=10)
    assert problems(great, WIDE) == []
    assert len(problems(great)) == 3


# --- what the account says, and the campaign overrides ---------------------------------------------------------------


def test_business_hours_are_the_accounts_unless_the_campaign_overrides_them() -> None:
    account = AccountRules(business_hours=(OFFICE_HOURS,))
    assert working_hours(settings(), account) == (OFFICE_HOURS,)
    assert working_hours(settings(schedule=(EVENINGS,)), account) == (EVENINGS,)
    assert working_hours(settings(schedule=()), account) == ()


def test_so_is_the_compliance_profile() -> None:
    account = AccountRules(profile="uk")
    assert a_campaign(account=account).profile == "uk"
    assert a_campaign(account=account, settings=settings(profile="us")).profile == "us"


# --- the status that people see --------------------------------------------------------------------------------------


def test_a_running_campaign_is_shown_as_scheduled_while_outside_its_windows() -> None:
    """ "Scheduled (running but outside the current schedule window)"."""
    assert shown_status(CampaignStatus.RUNNING, HoldReason.OUTSIDE_SCHEDULE) is CampaignStatus.SCHEDULED
    assert shown_status(CampaignStatus.RUNNING, "outside_schedule") is CampaignStatus.SCHEDULED


@pytest.mark.parametrize("held_by", [None, *sorted(set(HoldReason) - {HoldReason.OUTSIDE_SCHEDULE})])
def test_whatever_else_holds_it_it_runs(held_by: HoldReason | None) -> None:
    assert shown_status(CampaignStatus.RUNNING, held_by) is CampaignStatus.RUNNING


@pytest.mark.parametrize("status", sorted(set(CampaignStatus) - {CampaignStatus.RUNNING}))
def test_every_other_status_is_shown_as_it_is(status: CampaignStatus) -> None:
    assert shown_status(status, HoldReason.OUTSIDE_SCHEDULE) is status
