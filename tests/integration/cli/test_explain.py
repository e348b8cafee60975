"""If nothing dials, the reason is one command away and right: a scene for every rule, in which it holds what it can hold.

The daemon's part (a look at the line, the note of why no call starts) is played through the stores.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from dialerd.domain.calls import Call
from dialerd.domain.campaigns import CampaignStatus
from dialerd.domain.eligibility import DAY, NO_CALLER_ID_PAUSE, Rule
from dialerd.domain.outcomes import Outcome
from dialerd.domain.pacing import HOLD_SENTENCES, HoldReason, Situation, decide, verdicts
from dialerd.domain.schedule import Weekday
from dialerd.domain.timezones import in_zone, instants_of
from tests.factories import a_situation
from tests.integration.cli.conftest import HEADER, Answer, Dialerd
from tests.integration.store.scene import LEASE, Dialed, Stores, ended

NEW_YORK = "America/New_York"
NUMBER, MASKED = "+12025550101", "+120****0101"
NOWHERE = "+80000000000"
"""A number of no country, which tells no time zone."""


def _day(now: datetime, days: int, zone: str) -> str:
    """The name of the day that many days from now, as a schedule has it."""
    return list(Weekday)[(in_zone(now, zone).date() + timedelta(days=days)).weekday()]


def _nine_o_clock(now: datetime, days: int, zone: str) -> datetime:
    day = in_zone(now, zone).date() + timedelta(days=days)
    return instants_of(datetime.combine(day, time(9)), zone)[0]


def _hour_later(now: datetime, hours: int) -> str:
    return f"{in_zone(now + timedelta(hours=hours), NEW_YORK).hour:02d}:00"


# --- what the scenes are made of --------------------------------------------------------------------------------------


def on_the_list(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", NUMBER)


def placed_before(outcome: Outcome) -> Callable[[Dialerd], None]:
    """A call to the lead has ended so, and its cool-off is over."""

    async def work(stores: Stores) -> None:
        dialed = await _dialed(stores)
        await dialed.dial(outcome)
        await stores.attempts.release_waiting(dialed.campaign.id)

    return lambda dialerd: dialerd.in_stores(work)


def placed_by_another_campaign(outcome: Outcome | None) -> Callable[[Dialerd], None]:
    """A call to the same number has ended so, or (None) goes on."""

    async def work(stores: Stores) -> None:
        dialed = await _dialed(stores, "Summer")
        await (dialed.dial(outcome) if outcome else dialed.open())

    def play(dialerd: Dialerd) -> None:
        dialerd.campaign("Summer", leads=f"{NUMBER},1,Ada\n")
        dialerd("campaign", "start", "Summer")
        dialerd.in_stores(work)

    return play


def fewer_attempts_than_were_made(dialerd: Dialerd) -> None:
    placed_before(Outcome.NO_ANSWER)(dialerd)
    dialerd("campaign", "edit", "Spring", "--max-attempts", "1")


def no_number_may_be_shown(dialerd: Dialerd) -> None:
    dialerd("caller-ids", "allow", "US", "+1303")


def nothing(_: Dialerd) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A lead that one rule holds back. `until` None: for good."""

    settings: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    number: str = NUMBER
    play: Callable[[Dialerd], None] = nothing
    facts: dict[str, object] = field(default_factory=dict)
    until: datetime | None = None
    state: str = "active"


def scenes(now: datetime) -> dict[Rule, Scene]:
    return {
        Rule.ATTEMPTS: Scene(
            settings=("--max-attempts", "2", "--cooloff", "0"),
            play=fewer_attempts_than_were_made,
            facts={"used": 1, "allowed": 1},
            state="failed",
        ),
        Rule.DIAL_CYCLES: Scene(
            settings=("--dial-cycles", "1", "--cooloff", "0"),
            play=placed_before(Outcome.NO_ANSWER),
            facts={"dials": 1, "allowed": 1},
            until=now.replace(hour=0, minute=0, second=0, microsecond=0) + DAY,
            state="retry",
        ),
        Rule.DNC: Scene(play=on_the_list, facts={"listed": True}, state="blocked"),
        Rule.DESTINATION: Scene(
            account=("--allow-prefix", "+44"), facts={"kind": "ordinary", "country": "US"}, state="blocked"
        ),
        Rule.CALLED_NOW: Scene(play=placed_by_another_campaign(None), until=now + timedelta(seconds=15)),
        Rule.NUMBER_CAP: Scene(
            settings=("--cooloff", "0"),
            account=("--max-calls-24h", "1"),
            play=placed_before(Outcome.NO_ANSWER),
            facts={"in_24_h": "1 of 1", "in_168_h": "1 of 10"},
            until=now + DAY,
            state="retry",
        ),
        Rule.ABANDON_LOCKOUT: Scene(
            play=placed_by_another_campaign(Outcome.ABANDONED), until=now + timedelta(hours=72)
        ),
        Rule.LEAD_ZONE: Scene(
            settings=("--lead-window", "00:00-24:00"), number=NOWHERE, facts={"zones": []}, state="blocked"
        ),
        Rule.LEAD_WINDOW: Scene(
            settings=("--lead-window", f"{_hour_later(now, 3)}-{_hour_later(now, 4)}"),
            facts={"zones": [NEW_YORK]},
            until=now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3),
        ),
        Rule.DAY_PLAN: Scene(
            settings=("--plan-day", "2: 09:00"), facts={"zones": [NEW_YORK]}, until=_nine_o_clock(now, 2, NEW_YORK)
        ),
        Rule.LEGAL_HOURS: Scene(
            settings=("--profile", "mine"),
            facts={"zones": [NEW_YORK], "rules": {"mine-hours": "7"}},
            until=_nine_o_clock(now, 3, NEW_YORK),
        ),
        Rule.CALLER_ID: Scene(
            settings=("--caller-id", "+12025550199"), play=no_number_may_be_shown, until=now + NO_CALLER_ID_PAUSE
        ),
    }


OF_CAMPAIGN = {Rule.PROFILE, Rule.SCHEDULE}
"""While these refuse no lead is looked at: the campaign is held, and they have their scenes below."""


def own_profile(now: datetime) -> str:
    return f"""
id = "mine"
title = "House rules"
version = "7"
source = ["the house"]
verified_on = 2026-01-01
regions = ["US"]

[rules.mine-hours]
kind = "hours"
title = "One day a week"
source = ["the house"]
where = ["US"]
hours = ["{_day(now, 3, NEW_YORK)} 09:00-17:00"]
"""


# --- the rules of a lead ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule not in OF_CAMPAIGN])
def test_a_lead_that_a_rule_holds_back_says_which_on_what_fact_until_when_and_is_counted(
    dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch, rule: Rule
) -> None:
    now = datetime.now(UTC)
    scene = scenes(now)[rule]
    monkeypatch.setenv("DIALERD_COMPLIANCE__PROFILE_FILE", dialerd.file(own_profile(now), "mine.toml"))
    lead = _played(dialerd, scene)
    before = _explained(dialerd, lead, rule)
    assert f"; now {rule} forbids it" in before["why"]

    assert _passed_over(dialerd) == rule
    held = dialerd("explain", "lead", lead, "--json").json
    assert (held["held_by"], held["state"]) == (rule, scene.state)
    assert f"(rule: {rule})" in held["why"]
    assert _is_about(held["not_before"], scene.until)

    said = _explained(dialerd, lead, rule)["verdict"]
    assert scene.facts.items() <= said["facts"].items()
    assert _is_about(said["until"], scene.until)
    _is_counted(dialerd, rule, scene)


def test_a_cooloff_is_counted_and_told_like_a_rule(dialerd: Dialerd) -> None:
    lead = _played(dialerd, Scene(settings=("--cooloff", "600")))
    dialerd.in_stores(lambda stores: _dial(stores, Outcome.NO_ANSWER))
    (held,) = dialerd("explain", "campaign", "Spring", "--json").json["held_leads"]
    assert (held["rule"], held["leads"]) == ("cooloff", 1)
    told = dialerd("explain", "lead", lead, "--json").json
    assert "it was dialed without success, and cools off until" in told["why"]
    assert _is_about(told["not_before"], datetime.now(UTC) + timedelta(seconds=600))


def test_a_lead_whose_cooloff_is_over_is_due_though_nobody_dials_it(dialerd: Dialerd) -> None:
    lead = _played(dialerd, Scene(settings=("--cooloff", "0")))
    dialerd.in_stores(lambda stores: _dial(stores, Outcome.NO_ANSWER))
    dialerd("campaign", "pause", "Spring")
    told = dialerd("explain", "lead", lead, "--json").json
    assert told["state"] == "cooloff"
    assert told["why"].startswith("it is due again, and waits for its turn; its campaign: it is paused")


def test_a_lead_in_flight_says_so_and_one_that_is_done_says_how_it_ended(dialerd: Dialerd) -> None:
    lead = _played(dialerd, Scene(settings=("--outcome", "busy: final")))
    call = dialerd.in_stores(_open)
    assert dialerd("explain", "lead", lead, "--json").json["why"] == "it is being called"
    dialerd.in_stores(lambda stores: _close(stores, call))
    assert "its number or its answer was final" in dialerd("explain", "lead", lead).out


def test_a_lead_with_another_number_that_may_be_called_is_not_said_to_be_forbidden(dialerd: Dialerd) -> None:
    dialerd.campaign()
    header = "number,priority,first_name,number_2\n"
    dialerd("leads", "import", "Spring", dialerd.file(f"{header}{NUMBER},1,Ada,+12025550102\n"))
    dialerd("dnc", "add", NUMBER)
    lead = str(dialerd("leads", "list", "Spring", "--json").json[0]["id"])
    told = dialerd("explain", "lead", lead, "--json").json
    refusals = [(said["rule"], said["number"]) for said in told["rules"] if not said["allows"]]
    assert refusals == [("dnc", MASKED)]
    assert "forbids" not in told["why"]
    dialerd("dnc", "add", "+12025550102")
    assert "now dnc forbids it for good" in dialerd("explain", "lead", lead, "--json").json["why"]


def test_a_lead_in_no_trouble_hears_yes_from_every_rule_in_their_order(dialerd: Dialerd) -> None:
    lead = _played(dialerd, Scene(settings=("--dial-cycles", "3", "--lead-window", "00:00-24:00")))
    rules = dialerd("explain", "lead", lead, "--json").json["rules"]
    assert all(said["allows"] and said["until"] is None for said in rules)
    asked = [said["rule"] for said in rules]
    assert asked == [rule for rule in Rule if rule not in (Rule.DAY_PLAN, Rule.LEGAL_HOURS)]


# --- the rules of a campaign ------------------------------------------------------------------------------------------


def test_a_profile_that_is_gone_holds_the_campaign_and_each_lead_says_so(
    dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as while_it_is_there:
        file = dialerd.file(own_profile(datetime.now(UTC)), "mine.toml")
        while_it_is_there.setenv("DIALERD_COMPLIANCE__PROFILE_FILE", file)
        lead = _played(dialerd, Scene(settings=("--profile", "mine")))
    assert dialerd.in_stores(_forbidden) is Rule.PROFILE
    said = _explained(dialerd, lead, Rule.PROFILE)
    assert said["verdict"]["facts"] == {"unknown": "mine"}
    assert "now profile forbids it; its campaign: " in said["why"]
    assert "somebody changes it" in dialerd("explain", "lead", lead).out


def test_a_schedule_that_is_closed_holds_the_campaign_and_each_lead_says_until_when(dialerd: Dialerd) -> None:
    now = datetime.now(UTC)
    lead = _played(dialerd, Scene(settings=("--schedule", f"{_day(now, 3, 'UTC')} 09:00-10:00")))
    assert dialerd.in_stores(_forbidden) is Rule.SCHEDULE
    said = _explained(dialerd, lead, Rule.SCHEDULE)
    assert said["verdict"]["facts"] == {"zone": "UTC"}
    assert _is_about(said["verdict"]["until"], _nine_o_clock(now, 3, "UTC"))
    opens = f"{_nine_o_clock(now, 3, 'UTC'):%Y-%m-%d} 09:00:00 UTC"
    assert f"now schedule forbids it until {opens}" in said["why"]


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a daemon sees when it notes the reason, and the fact that it leaves."""

    situation: Situation
    fact: object = None


AT_EASE = Held(situation=a_situation())
"""The campaign's own situation would allow a call: what is in the way is known from the database."""
HELD: dict[HoldReason, Held] = {
    HoldReason.NOT_RUNNING: Held(situation=a_situation(running=False)),
    HoldReason.OUTSIDE_SCHEDULE: Held(situation=a_situation(opens_in=3600.0), fact={"opens_in_s": 3600.0}),
    HoldReason.NO_LEASE: Held(situation=a_situation(owns_lease=False)),
    HoldReason.ASTERISK_DOWN: Held(situation=a_situation(asterisk_up=False)),
    HoldReason.CLOCKS_DIFFER: Held(situation=a_situation(node_holds={HoldReason.CLOCKS_DIFFER})),
    HoldReason.SPOOL_BROKEN: Held(situation=a_situation(node_holds={HoldReason.SPOOL_BROKEN})),
    HoldReason.CALLS_LOST: Held(situation=a_situation(node_holds={HoldReason.CALLS_LOST})),
    HoldReason.NAME_LOST: Held(situation=a_situation(node_holds={HoldReason.NAME_LOST})),
    HoldReason.FILES_SHORT: Held(situation=a_situation(node_holds={HoldReason.FILES_SHORT})),
    HoldReason.TRUNK_FAILING: Held(situation=a_situation(trunk_wait=30.0)),
    HoldReason.QUEUE_UNKNOWN: Held(situation=a_situation(queue_known=False)),
    HoldReason.CALLER_WAITING: Held(situation=a_situation(callers_waiting=2), fact={"callers": 2}),
    HoldReason.NO_FREE_AGENT: Held(situation=a_situation(agent_there=False)),
    HoldReason.ABANDONMENT: Held(situation=a_situation(halted=True)),
    HoldReason.CONCURRENCY: Held(situation=a_situation(in_flight=10), fact={"in_flight": 10, "allowed": 10}),
    HoldReason.TRUNK_SLOWED: Held(
        situation=a_situation(pace_wait=0.5, trunk_slowed=True, trunks={"carrier": "3.1 of 20 calls a second"}),
        fact={"carrier": "3.1 of 20 calls a second"},
    ),
    HoldReason.PACE: Held(situation=a_situation(pace_wait=0.5)),
    HoldReason.PROFILE_UNKNOWN: AT_EASE,
    HoldReason.STORE_BUSY: AT_EASE,
    HoldReason.STORE_FULL: AT_EASE,
    HoldReason.NO_LEAD_DUE: AT_EASE,
}


@pytest.mark.parametrize("reason", [reason for reason in HoldReason if reason is not HoldReason.STORE_DOWN])
def test_a_campaign_that_starts_no_call_says_which_rule_forbids_it_and_on_what_fact(
    dialerd: Dialerd, reason: HoldReason
) -> None:
    held = HELD[reason]
    decision = decide(held.situation)
    assert held is AT_EASE or (decision and decision.reason is reason)
    until = datetime.now(UTC) + timedelta(hours=1) if reason is HoldReason.OUTSIDE_SCHEDULE else None
    _played(dialerd, Scene())
    dialerd.in_stores(lambda stores: _note(stores, reason, held, until))

    told = dialerd("explain", "campaign", "Spring", "--json").json
    assert (told["held_by"], told["hold_sentence"], told["owner"]) == (reason, HOLD_SENTENCES[reason], "one")
    assert told["why"].startswith(HOLD_SENTENCES[reason])
    assert _is_about(told["hold_until"], until)
    refused = [(said["reason"], said["fact"]) for said in told["verdicts"] if not said["allows"]]
    assert refused == ([] if held is AT_EASE else [(reason, held.fact)])
    assert [said["reason"] for said in told["verdicts"]] == [said.reason for said in verdicts(held.situation)]
    outside = reason is HoldReason.OUTSIDE_SCHEDULE
    assert told["shown_status"] == (CampaignStatus.SCHEDULED if outside else CampaignStatus.RUNNING)
    assert f"Spring: no call now, {HOLD_SENTENCES[reason]}" in dialerd("status").out
    assert HOLD_SENTENCES[reason] in dialerd("campaign", "show", "Spring").out


def test_a_database_that_cannot_be_asked_is_the_reason(dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can note HoldReason.STORE_DOWN down; the command meets the same trouble, and tells it."""
    monkeypatch.setenv("DIALERD_DATABASE__DSN", "postgresql://nobody@127.0.0.1:1/none")
    assert "the database cannot be reached" in dialerd.refused("explain", "campaign", "Spring")


def test_every_rule_of_the_next_call_is_shown_to_people_with_its_verdict(dialerd: Dialerd) -> None:
    _played(dialerd, Scene())
    dialerd.in_stores(lambda stores: _note(stores, HoldReason.CALLER_WAITING, HELD[HoldReason.CALLER_WAITING], None))
    shown = dialerd("explain", "campaign", "Spring").out
    assert shown.count("FORBIDS") == 1
    assert shown.count("allows") == len(list(verdicts(a_situation()))) - 1
    assert "callers: 2" in shown


def test_a_campaign_that_nobody_dials_says_what_to_start(dialerd: Dialerd) -> None:
    _played(dialerd, Scene())
    for command in (("explain", "campaign", "Spring"), ("status",), ("campaign", "show", "Spring")):
        assert "no daemon dials it: start one with `dialerd run`" in dialerd(*command).out


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("pause", "it is paused: `dialerd campaign resume` goes on"),
        ("stop", "it is stopped: `dialerd campaign resume` goes on"),
        ("cancel", "it was given up"),
    ],
)
def test_a_campaign_that_is_not_run_says_why(dialerd: Dialerd, act: str, words: str) -> None:
    _played(dialerd, Scene())
    dialerd("campaign", act, "Spring")
    assert dialerd("explain", "campaign", "Spring", "--json").json["why"] == words


def test_a_scheduled_campaign_that_could_not_start_at_its_time_says_what_is_missing(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=f"{NUMBER},1,Ada\n")
    dialerd("campaign", "schedule", "Spring", "--at", f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d %H:%M}")
    assert "it starts by itself at" in dialerd("explain", "campaign", "Spring").out
    assert "no call now" not in dialerd("status").out
    dialerd("leads", "delete", "Spring", "--state", "active")
    dialerd.in_stores(_let_its_time_come)
    reason = "the campaign cannot start: leads: "
    assert f"at that time {reason}" in dialerd("explain", "campaign", "Spring", "--json").json["why"]
    assert f"Spring: no call now, {reason}" in dialerd("status").out
    assert reason in dialerd("campaign", "show", "Spring").out


# --- what is not shown ------------------------------------------------------------------------------------------------


def test_no_full_phone_number_is_ever_shown(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("campaign", "edit", "Spring", "--caller-id", "+12025550199=Acme")
    dialerd("leads", "import", "Spring", dialerd.file(f"{HEADER}{NUMBER},1,{NUMBER}\n"))
    lead = str(dialerd("leads", "list", "Spring", "--json").json[0]["id"])
    dialerd("campaign", "start", "Spring")
    dialerd.in_stores(lambda stores: _dial(stores, Outcome.NO_ANSWER))
    answers = _everything(dialerd, lead)
    dialerd("caller-ids", "rest", "Spring", "+12025550199", "--for", "2h")
    answers += _everything(dialerd, lead)
    shown = "".join(answer.out for answer in answers)
    assert MASKED in shown
    assert "+120****0199" in shown
    assert "2025550101" not in shown
    assert "2025550199" not in shown


# --- helpers of the scenes --------------------------------------------------------------------------------------------


def _played(dialerd: Dialerd, scene: Scene) -> str:
    """The id of the lead; its campaign runs."""
    if scene.account:
        dialerd("account", "edit", *scene.account)
    dialerd("campaign", "create", "Spring", "--queue", "sales", *scene.settings)
    dialerd("leads", "import", "Spring", dialerd.file(f"{HEADER}{scene.number},1,Ada\n"))
    lead = str(dialerd("leads", "list", "Spring", "--json").json[0]["id"])
    dialerd("campaign", "start", "Spring")
    scene.play(dialerd)
    return lead


def _explained(dialerd: Dialerd, lead: str, rule: Rule) -> dict[str, Any]:
    told = dialerd("explain", "lead", lead, "--json").json
    (verdict,) = [said for said in told["rules"] if said["rule"] == rule]
    assert verdict["allows"] is False
    return {**told, "verdict": verdict}


def _everything(dialerd: Dialerd, lead: str) -> list[Answer]:
    commands = (("explain", "lead", lead), ("explain", "campaign", "Spring"))
    return [dialerd(*command, *how) for command in commands for how in ((), ("--json",))]


def _is_counted(dialerd: Dialerd, rule: Rule, scene: Scene) -> None:
    """For the campaign, for machines and for people."""
    (held,) = dialerd("explain", "campaign", "Spring", "--json").json["held_leads"]
    assert (held["rule"], held["leads"]) == (rule, 1)
    assert _is_about(held["until"], scene.until)
    assert dialerd("status", "--json").json[0]["held_leads"] == [held]
    assert f"{rule}  " in dialerd("explain", "campaign", "Spring").out
    assert (f"Spring: 1 wait for {rule}" in dialerd("status").out) is (scene.until is not None)


def _passed_over(dialerd: Dialerd) -> Rule:
    """The rule for which a daemon, whose turn it is, passes the lead over."""

    async def work(stores: Stores) -> Rule:
        (passed,) = (await (await _dialed(stores)).claim()).passed
        return passed.refusal.rule

    return dialerd.in_stores(work)


def _is_about(told: str | None, expected: datetime | None) -> bool:
    """A test takes its time, and the daemon's part is not played at its beginning."""
    if told is None or expected is None:
        return told is None and expected is None
    return abs(datetime.fromisoformat(told) - expected) < timedelta(minutes=10)


async def _dialed(stores: Stores, name: str = "Spring") -> Dialed:
    campaign = await stores.campaigns.find(name)
    await stores.nodes.register("one", "0")
    lease = await stores.campaigns.take_lease(campaign.id, node="one", duration=LEASE)
    assert lease is not None
    return Dialed(stores=stores, campaign=campaign, lease=lease)


async def _open(stores: Stores) -> Call:
    return await (await _dialed(stores)).open()


async def _close(stores: Stores, call: Call) -> None:
    await stores.attempts.close_attempt(ended(call, Outcome.BUSY))


async def _dial(stores: Stores, outcome: Outcome) -> None:
    await (await _dialed(stores)).dial(outcome)


async def _forbidden(stores: Stores) -> Rule:
    """What a daemon, whose turn it is, finds to forbid every lead of the campaign."""
    forbidden = (await (await _dialed(stores)).claim()).forbidden
    assert forbidden is not None
    return forbidden.rule


async def _note(stores: Stores, reason: HoldReason, held: Held, until: datetime | None) -> None:
    """As a daemon does it for a hold that lasts."""
    lease = (await _dialed(stores)).lease
    said = list(verdicts(held.situation))
    await stores.campaigns.note_hold(lease, reason, HOLD_SENTENCES[reason], until, said)


async def _let_its_time_come(stores: Stores) -> None:
    await stores.pool.execute("UPDATE campaigns SET starts_at = now()")
    assert await stores.campaigns.start_due() == 0
