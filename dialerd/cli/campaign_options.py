"""The options of `dialerd campaign create` and `edit`: said once, for both have an option for each setting of a campaign."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any, TypedDict, TypeVar, get_type_hints

import typer

from dialerd.cli.options import dispositions, interface, outcome_rules, read, reading, time_of_day
from dialerd.domain.caller_id import Rotation
from dialerd.domain.calls import DialMode, NoAgent
from dialerd.domain.campaigns import (
    Alternates,
    CampaignSettings,
    Gate,
    MachineDetection,
    OnCap,
    PreviewOrder,
    Target,
)
from dialerd.domain.dispositions import DISPOSITIONS
from dialerd.domain.schedule import parse_plan, parse_row, parse_window

Command = TypeVar("Command", bound=Callable[..., Any])

PLAIN = CampaignSettings(name="")
"""What holds where nothing is said."""
_SETTINGS = frozenset(field.name for field in fields(CampaignSettings))
UNSET: Mapping[str, Mapping[str, object]] = {
    "cooloff-2nd": {"cooloff_2nd_s": None},
    "cooloff-3rd": {"cooloff_3rd_s": None},
    "schedule": {"schedule": None},
    "lead-window": {"lead_window": None},
    "day-plan": {"day_plan": None},
    "outcomes": {"outcome_rules": {}},
    "profile": {"profile": None},
    "greeting": {"greeting": ""},
    "agent-announcement": {"agent_announcement": ""},
    "abandonment-cap": {"abandonment_cap_pct": None},
    "dispositions": {"dispositions": DISPOSITIONS},
}


class CampaignOptions(TypedDict, total=False):
    """None: not given. A setting that is one plain value has its option under the setting's own name."""

    queue: Annotated[
        str | None,
        typer.Option(
            help="Bound queue, as Asterisk calls it: its agents get the answered calls. Only a voice menu that leads to no "
            "agent does without."
        ),
    ]
    note: Annotated[str | None, typer.Option(help="For people: what the campaign is for.")]

    # How a call goes.
    dial_mode: Annotated[
        DialMode | None,
        typer.Option(
            "--mode",
            help="progressive: the lead first, then an agent. preview: an agent sees the lead's card, and accepts or skips "
            "it. agent_first: an agent first, then the lead.",
        ),
    ]
    target: Annotated[
        Target | None,
        typer.Option(
            help="Whom an answered call is for. queue: the agents of the bound queue. agent: one of them (--target-agent). "
            "last_agent: who last spoke to the lead. menu: a voice menu (--menu). Where the one agent does not pick up, "
            "the queue is asked."
        ),
    ]
    target_agent: Annotated[
        str | None,
        typer.Option(metavar="AGENT", help="That agent's phone, as the queue names it: PJSIP/1001, or 1001."),
    ]
    menu: Annotated[str | None, typer.Option(metavar="NAME", help="That voice menu: see `dialerd menu`.")]
    preview_order: Annotated[
        PreviewOrder | None,
        typer.Option(
            help="dial_first: the lead is dialed while an agent looks at the card. accept_first: once one has accepted it."
        ),
    ]
    offer_s: Annotated[
        int | None,
        typer.Option(
            "--offer",
            help=f"Seconds an agent may look at a card before it goes to the next: 5 to 600. Usual: {PLAIN.offer_s}.",
        ),
    ]
    gate: Annotated[
        Gate | None,
        typer.Option(
            help="What a call waits for, besides pace and concurrency. free_agents: an agent of its own. rate: one free agent, "
            "however many calls are on their way; who is abandoned is counted."
        ),
    ]
    greeting: Annotated[
        str | None,
        typer.Option(
            metavar="SOUND",
            help="What a lead hears whose wait has exceeded --customer-wait. None: silence. Sound of the PBX.",
        ),
    ]
    agent_announcement: Annotated[
        str | None,
        typer.Option(
            metavar="SOUND", help="What an agent hears who waits for a lead to answer. None: hold music alone."
        ),
    ]
    no_agent: Annotated[
        NoAgent | None,
        typer.Option(
            "--no-agent",
            help="What a lead gets for whom no agent is there in time. queue: hold music in the queue. message: the message, "
            "after --agent-dial-timeout. message_at_sla: the message, after --customer-wait.",
        ),
    ]
    mask_lead_caller_id: Annotated[
        bool | None, typer.Option("--mask/--no-mask", help="Whether lead numbers are hidden from agents. Usual: not.")
    ]
    send_lead_data: Annotated[
        bool | None,
        typer.Option(
            "--lead-data/--no-lead-data",
            help="Whether the agent's phone is sent name, ticket, skill, extension and custom fields as SIP headers. Usual: not.",
        ),
    ]
    recording: Annotated[
        bool | None,
        typer.Option(
            "--recording/--no-recording", help="Whether talks, and calls of a voice menu, are recorded. Usual: not."
        ),
    ]
    machine_detection: Annotated[
        MachineDetection | None,
        typer.Option(
            help="Whether Asterisk listens for answering machines. listen: it is written down, and changes nothing. hang_up: "
            "the call ends as voicemail. What is not sure is a person."
        ),
    ]
    machine_audit_pct: Annotated[
        int | None,
        typer.Option(
            "--machine-audit",
            metavar="PERCENT",
            help="Of 100 answers that are taken for machines, so many go to an agent all the same: 0 to 100. "
            f"Usual: {PLAIN.machine_audit_pct}.",
        ),
    ]
    abandonment_cap_pct: Annotated[
        float | None,
        typer.Option(
            "--abandonment-cap",
            metavar="PERCENT",
            help="Most abandoned calls of 100 that people answer: above 0, up to 100. None: what the compliance profile says.",
        ),
    ]
    on_cap: Annotated[
        OnCap | None,
        typer.Option(
            help="What follows at that cap, until the rate is well below it. one_per_agent: strictly one call for each free "
            "agent. pause: no calls."
        ),
    ]
    dispositions: Annotated[
        list[str] | None,
        typer.Option(
            "--disposition",
            metavar="CODE=TITLE:EFFECT",
            help="What agents may say of a call: 'sold=Sold:done'. Effects: done, failed, retry, voicemail, callback, opt_out. "
            "Several may be given; they replace all there were.",
        ),
    ]

    # How fast, and how often.
    calls_per_second: Annotated[
        float | None, typer.Option(help="Most calls started a second: above 0, up to the account's limit (20).")
    ]
    concurrency: Annotated[int | None, typer.Option(help="Most calls in flight: 1 to the account's limit (50).")]
    max_attempts: Annotated[
        int | None,
        typer.Option("--max-attempts", "--retries", help="Most attempts for a lead: 1 to the account's limit (5)."),
    ]
    cooloff_s: Annotated[
        int | None, typer.Option("--cooloff", help="Seconds to wait after a failed dial: up to 30 days.")
    ]
    cooloff_2nd_s: Annotated[
        int | None, typer.Option("--cooloff-2nd", help="Seconds to wait after the second failed dial.")
    ]
    cooloff_3rd_s: Annotated[
        int | None, typer.Option("--cooloff-3rd", help="Seconds to wait after the third failed dial.")
    ]
    dial_cycles: Annotated[
        int | None,
        typer.Option(
            "--dial-cycles", help="Most passes through the list, and so dials of each lead, a day; 0: no limit."
        ),
    ]
    cycles_time: Annotated[
        str | None,
        typer.Option("--dial-cycles-time", metavar="HH:MM", help="When that day begins, on the account's clock."),
    ]
    outcomes: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            metavar="RULE",
            help="What follows one outcome: 'busy: retry, delay 300, max 2' or 'no_answer: final'. They replace all there were.",
        ),
    ]
    alternates: Annotated[Alternates | None, typer.Option(help="When a lead's other numbers are tried.")]

    # When.
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--schedule",
            metavar="ROW",
            help="When it may dial, by the account's clock: 'mon-fri 09:00-17:00', 'sat 10:00-14:00 days 1-15 months 1,2'. "
            "Several may be given; they replace the account's business hours.",
        ),
    ]
    any_time: Annotated[
        bool | None, typer.Option("--any-time", help="Dial at any time, whatever the account's hours are.")
    ]
    window: Annotated[
        str | None,
        typer.Option(
            "--lead-window", metavar="FROM-TO", help="Dial By Timezone: 09:00-20:00 by each lead's own clock."
        ),
    ]
    plan_days: Annotated[
        list[str] | None,
        typer.Option(
            "--plan-day",
            metavar="DAY: TIMES",
            help="Dial by Schedule by Timezone: '0: 09:00, 13:00' on the day a lead was added, '2: 10:00' two days later.",
        ),
    ]
    plan_window: Annotated[
        float | None, typer.Option("--plan-window", help="Hours that each window of the plan lasts: 1.")
    ]

    # Showing which number, and under which law.
    caller_id_enabled: Annotated[
        bool | None,
        typer.Option(
            "--caller-ids/--no-caller-ids", help="Show the campaign's numbers, or the queue's and then the account's."
        ),
    ]
    caller_ids: Annotated[
        list[str] | None,
        typer.Option(
            "--caller-id",
            metavar="NUMBER[=NAME]",
            help="Number to show; several may be given. They replace all there were.",
        ),
    ]
    rotation: Annotated[Rotation | None, typer.Option(help="How a call gets its number out of several.")]
    profile: Annotated[str | None, typer.Option("--profile", help="Compliance profile: see `dialerd compliance`.")]

    # How long each side waits.
    ring_timeout_s: Annotated[
        int | None, typer.Option("--ring-timeout", help="Seconds a lead's phone may ring: 5 to 120.")
    ]
    customer_wait_sla_s: Annotated[
        int | None,
        typer.Option("--customer-wait", help="Seconds a lead may wait in silence for an agent: 0 to 60."),
    ]
    agent_dial_timeout_s: Annotated[
        int | None,
        typer.Option("--agent-dial-timeout", help="Seconds agents are rung before the lead joins the queue: 1 to 300."),
    ]
    wrapup_s: Annotated[
        int | None, typer.Option("--wrapup", help="Seconds of wrap-up, as set in the queue: 0 to 3600.")
    ]


def with_options(command: Command) -> Command:
    """The command with every option of CampaignOptions in the place of its `**given`: Typer reads them off a signature."""
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in get_type_hints(CampaignOptions, include_extras=True).items()
    ]
    vars(command)["__signature__"] = signature.replace(parameters=[*own, *added])
    return command


def settings_in(given: CampaignOptions) -> dict[str, Any]:
    """The settings that were named. What has an inner structure is read from its text. Raises BadParameter."""
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    found = {name: value for name, value in named.items() if name in _SETTINGS}
    if agent := named.get("target_agent"):
        found["target_agent"] = interface(agent, "--target-agent")
    if cycles_time := named.get("cycles_time"):
        found["dial_cycles_time"] = time_of_day(cycles_time, "--dial-cycles-time")
    if outcomes := named.get("outcomes"):
        found["outcome_rules"] = outcome_rules(outcomes)
    if said := named.get("dispositions"):
        found["dispositions"] = dispositions(said)
    return found | _hours_in(named)


def _hours_in(named: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rows := named.get("rows"):
        found["schedule"] = tuple(read(parse_row, row, "--schedule") for row in rows)
    if named.get("any_time"):
        if rows:
            raise typer.BadParameter("cannot be said together with --schedule", param_hint="--any-time")
        found["schedule"] = ()
    if window := named.get("window"):
        found["lead_window"] = read(parse_window, window, "--lead-window")
    if days := named.get("plan_days"):
        with reading("--plan-day"):
            found["day_plan"] = parse_plan(days, named.get("plan_window", 1.0))
    elif "plan_window" in named:
        raise typer.BadParameter(
            "says how long the windows of --plan-day last: name its days, too", param_hint="--plan-window"
        )
    return found
