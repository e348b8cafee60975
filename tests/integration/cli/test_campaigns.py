"""`dialerd campaign`: every setting as it is said and shown, and the life of a campaign. Its hours: test_windows.py."""

from dataclasses import asdict
from typing import Any

import pytest

from dialerd.cli.campaign_options import UNSET
from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.dispositions import DISPOSITIONS
from tests.integration.cli.conftest import Dialerd

LEAD = "+12025550101,1,Ada\n"
ROW = {"start": "09:00:00", "end": "17:00:00", "weekdays": ["mon"], "month_days": None, "months": []}
RULES = {
    "busy": {"retry": True, "delay_s": 300, "max_attempts": 2},
    "no_answer": {"retry": False, "delay_s": None, "max_attempts": None},
}
PLAN = {"days": [{"day": 0, "times": ["09:00:00", "13:00:00"]}], "window_h": 2.0}

# Each setting: its options, its value for machines, the line for people.
SETTINGS: dict[str, tuple[tuple[str, ...], object, str]] = {
    "name": (("--name", "Summer"), "Summer", "name Summer"),
    "queue": (("--queue", "support"), "support", "queue support"),
    "note": (("--note", "for the fair"), "for the fair", "note for the fair"),
    "dial_mode": (("--mode", "agent_first"), "agent_first", "dial mode agent_first"),
    "target": (("--target", "last_agent"), "last_agent", "target last_agent"),
    "target_agent": (("--target-agent", "1001"), "PJSIP/1001", "target agent PJSIP/1001"),
    "menu": (("--menu", "appointment"), "appointment", "menu appointment"),
    "preview_order": (("--preview-order", "accept_first"), "accept_first", "preview order accept_first"),
    "offer_s": (("--offer", "600"), 600, "offer (s) 600"),
    "gate": (("--gate", "rate"), "rate", "gate rate"),
    "greeting": (("--greeting", "custom/one-moment"), "custom/one-moment", "greeting custom/one-moment"),
    "agent_announcement": (("--agent-announcement", "custom/next"), "custom/next", "agent announcement custom/next"),
    "no_agent": (("--no-agent", "message_at_sla"), "message_at_sla", "no agent message_at_sla"),
    "mask_lead_caller_id": (("--mask",), True, "mask lead caller id on"),
    "send_lead_data": (("--lead-data",), True, "send lead data on"),
    "recording": (("--recording",), True, "recording on"),
    "machine_detection": (("--machine-detection", "hang_up"), "hang_up", "machine detection hang_up"),
    "machine_audit_pct": (("--machine-audit", "100"), 100, "machine audit (%) 100"),
    "abandonment_cap_pct": (("--abandonment-cap", "2.5"), 2.5, "abandonment cap (%) 2.5"),
    "on_cap": (("--on-cap", "pause"), "pause", "on cap pause"),
    "dispositions": (
        ("--disposition", "sold=Sold: done", "--disposition", "later=Later, at 9:00:callback"),
        [
            {"code": "sold", "title": "Sold", "effect": "done"},
            {"code": "later", "title": "Later, at 9:00", "effect": "callback"},
        ],
        "dispositions sold = Sold (done); later = Later, at 9:00 (callback)",
    ),
    "calls_per_second": (("--calls-per-second", "2.5"), 2.5, "calls per second 2.5"),
    "concurrency": (("--concurrency", "50"), 50, "concurrency 50"),
    "max_attempts": (("--max-attempts", "5"), 5, "max attempts 5"),
    "cooloff_s": (("--cooloff", "0"), 0, "cooloff (s) 0"),
    "cooloff_2nd_s": (("--cooloff-2nd", "60"), 60, "cooloff 2nd (s) 60"),
    "cooloff_3rd_s": (("--cooloff-3rd", "2592000"), 2592000, "cooloff 3rd (s) 2592000"),
    "dial_cycles": (("--dial-cycles", "2"), 2, "dial cycles 2"),
    "dial_cycles_time": (("--dial-cycles-time", "6:30"), "06:30:00", "dial cycles time 06:30"),
    "outcome_rules": (
        ("--outcome", "busy: retry, delay 300, max 2", "--outcome", "no_answer:final"),
        RULES,
        "outcome rules busy: retry, delay 300, max 2; no_answer: final",
    ),
    "alternates": (("--alternates", "each_attempt"), "each_attempt", "alternates each_attempt"),
    "schedule": (("--schedule", "mon 09:00-17:00"), [ROW], "schedule mon 09:00-17:00"),
    "lead_window": (
        ("--lead-window", "09:00-20:00"),
        {"start": "09:00:00", "end": "20:00:00"},
        "lead window 09:00-20:00",
    ),
    "day_plan": (
        ("--plan-day", "0: 09:00,13:00", "--plan-window", "2"),
        PLAN,
        "day plan 0: 09:00, 13:00 (2 h each)",
    ),
    "caller_id_enabled": (("--caller-ids",), True, "caller id enabled on"),
    "rotation": (("--rotation", "sticky"), "sticky", "rotation sticky"),
    "profile": (("--profile", "us"), "us", "profile us"),
    "ring_timeout_s": (("--ring-timeout", "120"), 120, "ring timeout (s) 120"),
    "customer_wait_sla_s": (("--customer-wait", "60"), 60, "customer wait sla (s) 60"),
    "agent_dial_timeout_s": (("--agent-dial-timeout", "300"), 300, "agent dial timeout (s) 300"),
    "wrapup_s": (("--wrapup", "3600"), 3600, "wrapup (s) 3600"),
}
USUAL = [asdict(disposition) for disposition in DISPOSITIONS]
USUAL_LINE = (
    "success = Success (done); not_interested = Not interested (done); voicemail = Voicemail (voicemail); callback = Call "
    "back (callback); try_again = Try again (retry); wrong_number = Wrong number (failed); do_not_call = Do not call (opt_out)"
)


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def _shown(dialerd: Dialerd) -> dict[str, Any]:
    """All but the ledger, whose cap may be a setting's."""
    shown: dict[str, Any] = dialerd("campaign", "show", "1", "--json").json
    del shown["abandonment"]
    return shown


def test_every_setting_of_a_campaign_has_an_option() -> None:
    assert SETTINGS.keys() == CampaignSettings.__dataclass_fields__.keys()


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_is_shown_as_it_was_edited(dialerd: Dialerd, setting: str) -> None:
    options, value, line = SETTINGS[setting]
    dialerd.campaign()
    before = _shown(dialerd)
    dialerd("campaign", "edit", "1", *options)
    assert _shown(dialerd) == {**before, setting: value}
    assert line in _lines(dialerd("campaign", "show", "1").out)


def test_every_setting_can_be_given_when_a_campaign_is_made(dialerd: Dialerd) -> None:
    """But for those that exclude each other: a window and a plan of days; a gate, or a target, and a mode."""
    without = ("name", "queue", "day_plan", "dial_mode")
    given = {name: said for name, said in SETTINGS.items() if name not in without}
    options = [word for words, _, _ in given.values() for word in words]
    dialerd("campaign", "create", "Spring", "--queue", "sales", *options)
    made = dialerd("campaign", "show", "Spring", "--json").json
    assert {name: made[name] for name in given} == {name: value for name, (_, value, _) in given.items()}


@pytest.mark.parametrize(
    ("name", "setting", "nothing", "line"),
    [
        ("cooloff-2nd", "cooloff_2nd_s", None, "cooloff 2nd (s) -"),
        ("cooloff-3rd", "cooloff_3rd_s", None, "cooloff 3rd (s) -"),
        ("schedule", "schedule", None, "schedule the account's business hours"),
        ("lead-window", "lead_window", None, "lead window -"),
        ("day-plan", "day_plan", None, "day plan -"),
        ("outcomes", "outcome_rules", {}, "outcome rules -"),
        ("profile", "profile", None, "profile the account's"),
        ("greeting", "greeting", "", "greeting -"),
        ("agent-announcement", "agent_announcement", "", "agent announcement -"),
        (
            "abandonment-cap",
            "abandonment_cap_pct",
            None,
            "abandonment cap (%) what the compliance profile says",
        ),
        ("dispositions", "dispositions", USUAL, f"dispositions {USUAL_LINE}"),
    ],
)
def test_a_setting_can_be_taken_away(dialerd: Dialerd, name: str, setting: str, nothing: object, line: str) -> None:
    dialerd.campaign()
    dialerd("campaign", "edit", "Spring", *SETTINGS[setting][0])
    dialerd("campaign", "edit", "Spring", "--unset", name)
    assert dialerd("campaign", "show", "Spring", "--json").json[setting] == nothing
    assert line in _lines(dialerd("campaign", "show", "Spring").out)


def test_all_that_can_be_taken_away_can_be_at_once(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("campaign", "edit", "Spring", *(word for name in UNSET for word in ("--unset", name)))
    shown = dialerd("campaign", "show", "Spring", "--json").json
    nothing = {name: value for names in UNSET.values() for name, value in names.items()}
    assert {name: shown[name] for name in nothing} == {**nothing, "dispositions": USUAL}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--calls-per-second", "fast", "number"),
        ("--concurrency", "2.5", "integer"),
        ("--mode", "predictive", "agent_first"),
        ("--target", "nobody", "last_agent"),
        ("--target-agent", "PJSIP/1001&PJSIP/1002", "PJSIP/1001 or 1001"),
        ("--target-agent", "Anna Smith", "PJSIP/1001 or 1001"),
        ("--preview-order", "first", "accept_first"),
        ("--offer", "long", "integer"),
        ("--gate", "open", "free_agents"),
        ("--no-agent", "wait", "message_at_sla"),
        ("--machine-detection", "on", "listen"),
        ("--machine-audit", "2.5", "integer"),
        ("--abandonment-cap", "3%", "number"),
        ("--on-cap", "stop", "one_per_agent"),
        ("--disposition", "sold", "CODE=TITLE:EFFECT"),
        ("--disposition", "sold:done", "CODE=TITLE:EFFECT"),
        ("--disposition", "sold=Sold:finished", "the effects are done, failed"),
        ("--alternates", "often", "when_dead"),
        ("--rotation", "next", "round_robin"),
        ("--dial-cycles-time", "24:00", "like 09:30"),
        ("--profile", "mars", "there are ca, none, uk, us"),
        ("--outcome", "busy", "an outcome and a colon"),
        ("--outcome", "bizy: retry", "the outcomes are connected"),
        ("--outcome", "busy: often", "retry, final, delay SECONDS, max ATTEMPTS"),
        ("--outcome", "busy:", "retry, final, delay SECONDS, max ATTEMPTS"),
        ("--outcome", "busy: delay -1", "retry, final, delay SECONDS, max ATTEMPTS"),
        ("--outcome", "busy: retry, final", "'final' comes on top of"),
        ("--outcome", "busy: max 1, max 2", "'max 2' comes on top of"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_option_and_what_can(
    dialerd: Dialerd, option: str, value: str, words: str
) -> None:
    dialerd.campaign()
    for command in (("create", "Summer", "--queue", "sales"), ("edit", "Spring")):
        told = dialerd.refused("campaign", *command, option, value, status=2)
        assert option in told
        assert words in told


@pytest.mark.parametrize(
    ("option", "values", "words"),
    [
        ("--calls-per-second", ("0", "-1", "20.1", "nan", "inf"), "calls per second: above 0, up to 20"),
        ("--concurrency", ("0", "51", "99999999999999999999"), "concurrency: from 1 to 50"),
        ("--max-attempts", ("0", "6"), "attempts: from 1 to 5"),
        ("--cooloff", ("-1", "2592001"), "cool-offs: 0 seconds or more, at most 30 days"),
        ("--cooloff-2nd", ("-1",), "cool-offs"),
        ("--cooloff-3rd", ("-1",), "cool-offs"),
        ("--dial-cycles", ("-1", "101"), "dial cycles: from 0 (no limit) to 100"),
        ("--ring-timeout", ("4", "121"), "ring timeout: from 5 to 120"),
        ("--customer-wait", ("-1", "61"), "customer wait SLA: from 0 to 60"),
        ("--agent-dial-timeout", ("0", "301"), "agent dial timeout: from 1 to 300"),
        ("--wrapup", ("-1", "3601"), "wrap-up: from 0 to 3600"),
        ("--offer", ("4", "601"), "offer: from 5 to 600 seconds"),
        ("--machine-audit", ("-1", "101"), "machine audit: from 0 to 100"),
        ("--abandonment-cap", ("0", "-1", "100.1", "nan", "inf"), "abandonment cap: above 0, up to 100"),
        ("--greeting", ("../etc/passwd", "a,b", "a&b", "x" * 121), "greeting: a sound as Asterisk names it"),
        ("--agent-announcement", ("/etc/passwd", "${X}"), "agent announcement: a sound as Asterisk names it"),
        ("--disposition", ("Sold=Sold:done", "=Sold:done", "1=x:done"), "a code is small letters"),
        ("--disposition", ("sold=:done", f"sold={'x' * 61}:done"), "each has a title of up to 60"),
        ("--target", ("menu",), "menu: name the voice menu"),
        ("--target", ("agent",), "target agent: the agent's phone"),
        ("--queue", ("s", "no spaces", "a" * 41, "vertriebs-hölle"), "queue: 2 to 40 letters"),
        ("--name", ("", " ", "n" * 201), "name: give the campaign a name"),
        ("--outcome", ("connected: retry", "not_placed: final"), "nothing can be chosen about it"),
        ("--outcome", ("busy: max 0", "busy: max 101"), "maximum of 1 to 100 attempts"),
        ("--outcome", ("busy: delay 2592001",), "delay of 0 seconds to 30 days"),
    ],
)
def test_a_value_outside_its_limits_is_told_with_them(
    dialerd: Dialerd, option: str, values: tuple[str, ...], words: str
) -> None:
    dialerd.campaign()
    before = dialerd("campaign", "show", "Spring", "--json").json
    for value in values:
        assert words in dialerd.refused("campaign", "edit", "Spring", option, value)
    assert dialerd("campaign", "show", "Spring", "--json").json == before


def test_a_code_of_a_disposition_is_given_once(dialerd: Dialerd) -> None:
    dialerd.campaign()
    twice = ("--disposition", "sold=Sold:done", "--disposition", "sold=Gone:failed")
    assert "dispositions: each code once" in dialerd.refused("campaign", "edit", "Spring", *twice)


def test_a_campaign_needs_a_queue_unless_it_leads_to_a_voice_menu(dialerd: Dialerd) -> None:
    told = dialerd.refused("campaign", "create", "Spring", status=2)
    assert "--queue" in told
    assert "only a voice menu" in told
    dialerd("campaign", "create", "Spring", "--target", "menu", "--menu", "appointment")
    assert dialerd("campaign", "show", "Spring", "--json").json["queue"] == ""
    assert "queue: 2 to 40 letters" in dialerd.refused("campaign", "edit", "Spring", "--target", "queue")
    dialerd("campaign", "edit", "Spring", "--target", "queue", "--queue", "sales")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "menu", "--menu", "m", "--mode", "preview"), "a voice menu needs no agent"),
        (("--target", "last_agent", "--mode", "preview"), "a preview goes to whoever accepts the card"),
    ],
)
def test_a_mode_and_a_target_that_contradict_each_other_are_refused(
    dialerd: Dialerd, options: tuple[str, ...], words: str
) -> None:
    assert words in dialerd.refused("campaign", "create", "Spring", "--queue", "sales", *options)


def test_the_abandonment_of_the_present_period_is_shown_with_its_cap(dialerd: Dialerd) -> None:
    dialerd.campaign()
    shown = dialerd("campaign", "show", "Spring", "--json").json["abandonment"]
    assert shown == {"answered": 0, "in_time": 0, "abandoned": 0, "rate": 0.0, "cap": None}
    assert "abandonment 0 of 0 answered calls (0.0%, no cap)" in " ".join(
        dialerd("campaign", "show", "Spring").out.split()
    )
    dialerd("campaign", "edit", "Spring", "--abandonment-cap", "3")
    assert dialerd("campaign", "show", "Spring", "--json").json["abandonment"]["cap"] == pytest.approx(0.03)
    assert "cap 3%" in dialerd("campaign", "show", "Spring").out


def test_one_outcome_has_one_rule(dialerd: Dialerd) -> None:
    dialerd.campaign()
    twice = ("--outcome", "busy: retry", "--outcome", "busy: max 2")
    assert "another rule for busy already" in dialerd.refused("campaign", "edit", "Spring", *twice, status=2)
    dialerd("campaign", "edit", "Spring", "--outcome", "busy: max 2")
    dialerd("campaign", "edit", "Spring", "--outcome", "voicemail: final")
    assert dialerd("campaign", "show", "Spring", "--json").json["outcome_rules"].keys() == {"voicemail"}


def test_a_campaign_has_the_defaults_of_the_specification_unless_told_otherwise(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "Spring", "--queue", "sales", "--calls-per-second", "2.5", "--retries", "5")
    campaign = dialerd("campaign", "show", "Spring", "--json").json
    assert campaign["status"] == "draft"
    assert (campaign["calls_per_second"], campaign["max_attempts"]) == (2.5, 5)
    assert (campaign["cooloff_s"], campaign["customer_wait_sla_s"], campaign["cooloff_2nd_s"]) == (3600, 3, None)


def test_caller_ids_keep_their_order_and_names(dialerd: Dialerd) -> None:
    dialerd(
        *("campaign", "create", "Spring", "--queue", "sales"),
        *("--caller-id", "+1 (202) 555-0199=Acme Ltd", "--caller-id", "12025550198"),
    )
    pool = dialerd("campaign", "show", "Spring", "--json").json["caller_ids"]
    assert [(n["caller_id"]["number"], n["caller_id"]["name"]) for n in pool] == [
        ("+12025550199", "Acme Ltd"),
        ("12025550198", ""),
    ]


def test_numbers_switch_a_campaigns_caller_id_on_unless_it_is_said_otherwise(dialerd: Dialerd) -> None:
    number = ("--caller-id", "+12025550199=Acme")
    dialerd("campaign", "create", "On", "--queue", "sales", *number)
    dialerd("campaign", "create", "Off", "--queue", "sales", "--no-caller-ids", *number)
    assert [c["caller_id_enabled"] for c in dialerd("campaign", "list", "--json").json] == [True, False]
    assert "+12025550199 Acme (used 0)" in dialerd("campaign", "show", "Off").out
    dialerd("campaign", "edit", "Off", "--caller-id", "+12025550198")
    dialerd("campaign", "edit", "On", "--no-caller-ids")
    assert [c["caller_id_enabled"] for c in dialerd("campaign", "list", "--json").json] == [False, True]


def test_an_edit_changes_all_that_it_names_or_nothing(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "Spring", "--queue", "sales", "--caller-id", "+12025550199")
    before = dialerd("campaign", "show", "Spring", "--json").json
    dialerd.refused("campaign", "edit", "Spring", "--caller-id", "+12025550198", "--concurrency", "0")
    twice = ("--caller-id", "+12025550198", "--caller-id", "+12025550198")
    assert "each number once" in dialerd.refused("campaign", "edit", "Spring", "--concurrency", "5", *twice)
    assert dialerd("campaign", "show", "Spring", "--json").json == before


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_stored(dialerd: Dialerd) -> None:
    told = dialerd.refused(
        *("campaign", "create", "Spring", "--queue", "a b", "--calls-per-second", "21", "--concurrency", "51"),
        *("--retries", "6", "--ring-timeout", "4"),
    )
    for word in ("queue", "calls per second", "concurrency", "attempts", "ring timeout"):
        assert word in told
    assert dialerd("campaign", "list", "--json").json == []


def test_a_name_is_given_once(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "another campaign is called Spring" in dialerd.refused("campaign", "create", "Spring", "--queue", "sales")


def test_a_caller_id_is_a_number_and_a_name_that_cannot_break_out(dialerd: Dialerd) -> None:
    for value in ("abc", "+1202555\n0199", "+12025550199=A<1>", '+12025550199=A"', "+12025550199=A\nB"):
        told = dialerd.refused("campaign", "create", "X", "--queue", "sales", "--caller-id", value, status=2)
        assert "--caller-id" in told


def test_a_campaign_is_led_through_its_life(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEAD)
    for act, status in (("start", "running"), ("pause", "paused"), ("start", "running"), ("stop", "stopped")):
        assert f"is {status}" in dialerd("campaign", act, "Spring").out
    dialerd("campaign", "cancel", "1")
    assert dialerd("campaign", "show", "1", "--json").json["status"] == "cancelled"


def test_what_cannot_be_done_now_is_answered_with_what_can(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEAD)
    told = dialerd.refused("campaign", "pause", "Spring")
    assert "is draft" in told
    assert "possible is cancel, schedule, start" in told


def test_a_paused_or_stopped_campaign_is_resumed_and_no_other(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEAD)
    assert "is draft: no resume from there" in dialerd.refused("campaign", "resume", "Spring")
    dialerd("campaign", "start", "Spring")
    assert "is running: no resume from there" in dialerd.refused("campaign", "resume", "Spring")
    for act in ("pause", "stop"):
        dialerd("campaign", act, "Spring")
        assert "is running" in dialerd("campaign", "resume", "Spring").out
    dialerd("campaign", "cancel", "Spring")
    assert "is cancelled: no resume from there; it stays so" in dialerd.refused("campaign", "resume", "Spring")


def test_a_start_is_refused_with_all_reasons_at_once(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "Spring", "--queue", "nosuch", "--caller-ids", "--profile", "us")
    dialerd.in_stores(lambda stores: stores.pbx.note_queues({"sales": "rrmemory"}))
    told = dialerd.refused("campaign", "start", "Spring")
    for reason in (
        "customer_wait_sla_s is 3: set 2 or less (rule us-abandoned-call of compliance profile us",
        "leads: the campaign has none yet, upload some",
        "caller IDs: the number pool is empty",
        "queue: Asterisk knows no queue nosuch",
    ):
        assert reason in told
    assert dialerd("campaign", "show", "Spring", "--json").json["status"] == "draft"


def test_a_campaign_whose_leads_are_all_done_does_not_start(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "+12025550101")
    dialerd.campaign(leads=LEAD)
    assert "leads: all are done" in dialerd.refused("campaign", "start", "Spring")


def test_a_running_campaign_is_not_edited_against_its_profile_nor_to_an_unknown_one(dialerd: Dialerd) -> None:
    as_uk_demands = ("--profile", "uk", "--customer-wait", "2", "--no-agent", "message_at_sla")
    dialerd("campaign", "create", "Spring", "--queue", "sales", "--caller-id", "+442079460100", *as_uk_demands)
    dialerd("leads", "import", "Spring", dialerd.file(f"number,priority,first_name\n{LEAD}"))
    dialerd("campaign", "start", "Spring")
    told = dialerd.refused("campaign", "edit", "Spring", "--ring-timeout", "10")
    assert "ring_timeout_s is 10: set 20 or more" in told
    dialerd.refused("campaign", "edit", "Spring", "--profile", "mars", status=2)
    dialerd("campaign", "edit", "Spring", "--ring-timeout", "25")


def test_a_campaign_without_leads_does_not_start(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "leads" in dialerd.refused("campaign", "start", "Spring")


def test_an_edit_changes_what_it_names_and_can_take_a_cooloff_away(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("campaign", "edit", "Spring", "--name", "Summer", "--cooloff-2nd", "60", "--caller-id", "+12025550199")
    edited = dialerd("campaign", "show", "Summer", "--json").json
    assert (edited["cooloff_2nd_s"], edited["cooloff_s"], len(edited["caller_ids"])) == (60, 3600, 1)
    dialerd("campaign", "edit", "Summer", "--unset", "cooloff-2nd")
    assert dialerd("campaign", "show", "Summer", "--json").json["cooloff_2nd_s"] is None


def test_an_edit_of_nothing_or_of_the_unknown_is_refused(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "nothing to change" in dialerd.refused("campaign", "edit", "Spring", status=2)
    assert "--unset" in dialerd.refused("campaign", "edit", "Spring", "--unset", "queue", status=2)
    assert "concurrency" in dialerd.refused("campaign", "edit", "Spring", "--concurrency", "0")


def test_a_campaign_that_is_not_there_is_told(dialerd: Dialerd) -> None:
    for reference in ("Spring", "7", "99999999999999999999"):
        assert "there is no campaign" in dialerd.refused("campaign", "show", reference)


def test_a_name_cannot_steer_the_terminal(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "\x1b[2J[red]x[/red]", "--queue", "sales")
    shown = dialerd("campaign", "list").out
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown


def test_the_list_shows_every_campaign(dialerd: Dialerd) -> None:
    dialerd.campaign("Spring", leads=LEAD)
    dialerd.campaign("Summer")
    shown = dialerd("campaign", "list").out
    assert "Spring" in shown
    assert "Summer" in shown
    assert [c["leads"]["active"] for c in dialerd("campaign", "list", "--json").json] == [1, 0]
