"""What the judge (dialerd.audit) is shown of the database: settings, lists, leads and attempts, read and never written.

Rows become the judge's own words here, and nothing that decides about calls is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

import asyncpg

from dialerd.audit import ON_LINE, AttemptRow, DncEntry, Evidence, LeadRow, LeadWindows, Record, Rules, Span, Tolerances
from dialerd.audit.case import longest_journey
from dialerd.audit.evidence import Window
from dialerd.domain.abandonment import AbandonmentRule
from dialerd.domain.compliance import Caps, Profile
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("evidence")

JUDGED = (
    *("queue", "calls_per_second", "concurrency", "max_attempts", "cooloff_s", "cooloff_2nd_s", "cooloff_3rd_s"),
    *("ring_timeout_s", "customer_wait_sla_s", "agent_dial_timeout_s", "schedule", "lead_window", "day_plan"),
    *("outcome_rules", "profile", "dial_mode", "target", "preview_order", "gate", "greeting", "no_agent"),
    *("abandonment_cap_pct", "on_cap"),
)
"""Settings that the judge holds calls to: when one is edited, calls from before are not held to it."""
MENU_HOLD_S = 10
"""How long the dialplan lets a daemon that has died hold a lead in a voice menu (asterisk-config/README.md)."""

_ATTEMPT = (
    *("lead_id", "number", "ordinal", "opened_at", "ringing_at", "answered_at", "ended_at", "outcome", "disposition"),
    *("gave_attempt", "node"),
)


@dataclass(frozen=True, kw_only=True)
class CampaignBook:
    """A campaign as the judge is to see it. `evidence` has no calls yet."""

    id: int
    name: str
    evidence: Evidence


def with_record(
    books: Sequence[CampaignBook], record: Record, *, recorded: Span | None = None, blur: timedelta = timedelta()
) -> Sequence[Evidence]:
    """The whole evidence of each campaign, with the tolerance that the machine's slowness asks for: they share one wire, so what one
    shows of it holds for all."""
    tolerances = Tolerances(blur=blur)
    seen = [
        replace(book.evidence, calls=record.calls, tells=record.tells, recorded=recorded, tolerances=tolerances)
        for book in books
    ]
    journey = max([Tolerances().journey, *map(longest_journey, seen)]) + blur
    return [replace(evidence, tolerances=Tolerances(journey=journey, blur=blur)) for evidence in seen]


class EvidenceStore:
    def __init__(self, pool: Pool, profiles: Mapping[str, Profile]) -> None:
        self._pool = pool
        self._profiles = profiles

    @store_call
    async def books(
        self,
        campaign_ids: Sequence[int] | None = None,
        *,
        agents: Mapping[str, Sequence[str]] | None = None,
        hold_margin_s: float,
        since: datetime | None = None,
    ) -> Sequence[CampaignBook]:
        """Of some campaigns, or of all. `agents`: queue -> extensions of everybody who was ever in it. `since`: attempts of other
        campaigns from before are left out."""
        attempts = [row async for row in _sql.attempts_to_judge(self._pool, campaign_ids=campaign_ids, since=since)]
        nodes = [row async for row in _sql.nodes_to_judge(self._pool)]
        listed = [row async for row in _sql.dnc_to_judge(self._pool)]
        campaigns = _sql.campaigns_to_judge(self._pool, campaign_ids=campaign_ids, settings=JUDGED)
        return [
            CampaignBook(
                id=row["id"],
                name=row["name"],
                evidence=Evidence(
                    calls=(),
                    rules=self._rules(row, agents, hold_margin_s, steady=_is_steady(nodes, attempts)),
                    leads=[LeadRow(**lead) async for lead in _sql.leads_to_judge(self._pool, campaign_id=row["id"])],
                    attempts=[_attempt(attempt) for attempt in attempts if attempt["campaign_id"] == row["id"]],
                    others=[_attempt(attempt) for attempt in attempts if attempt["campaign_id"] != row["id"]],
                    dnc=[_entry(entry) for entry in listed if entry["account_id"] in (None, row["account_id"])],
                    at_work=frozenset(node["id"] for node in nodes if node["at_work"]),
                ),
            )
            async for row in campaigns
        ]

    def _rules(
        self, row: asyncpg.Record, agents: Mapping[str, Sequence[str]] | None, hold_margin_s: float, *, steady: bool
    ) -> Rules:
        account = row["account"]
        binds = self._binds(row["profile"] or account["profile"])
        caps = [bind for bind in binds if isinstance(bind, Caps)]
        abandonment = [bind for bind in binds if isinstance(bind, AbandonmentRule)]
        lockouts = [timedelta(hours=account["abandon_lockout_h"]), *(each.abandon_lockout for each in caps)]
        return Rules(
            queue=row["queue"],
            agents=tuple(agents[row["queue"]]) if agents and row["queue"] in agents else None,
            calls_per_second=float(row["calls_per_second"]),
            concurrency=row["concurrency"],
            max_attempts=row["max_attempts"],
            cooloff_s=row["cooloff_s"],
            cooloff_2nd_s=row["cooloff_2nd_s"],
            cooloff_3rd_s=row["cooloff_3rd_s"],
            cooloff_after={
                outcome: rule["delay_s"]
                for outcome, rule in row["outcome_rules"].items()
                if rule["delay_s"] is not None
            },
            allowed=_running(row["moves"]),
            imported=row["imported"],
            agents_wanted=_agents_wanted(row),
            masks_leads=row["mask_lead_caller_id"],
            settled_at=row["settled_at"],
            zone=account["time_zone"],
            schedule=tuple(map(_window, account["business_hours"] if row["schedule"] is None else row["schedule"])),
            lead_windows=_lead_windows(row),
            ring_timeout_s=row["ring_timeout_s"],
            max_calls_24h=_least(account["max_calls_24h"], *(each.max_calls_24h for each in caps)),
            max_calls_7d=_least(account["max_calls_7d"], *(each.max_calls_7d for each in caps)),
            abandon_lockout=max(lockouts),
            abandonment_cap=_cap(row["abandonment_cap_pct"], abandonment),
            agent_limit_s=min((rule.limit.total_seconds() for rule in abandonment), default=None),
            sla_s=row["customer_wait_sla_s"],
            promise_s=_promise(row, hold_margin_s, steady=steady),
        )

    def _binds(self, profile: str) -> Sequence[object]:
        known = self._profiles.get(profile)
        return [rule.binds for rule in known.rules] if known else []


def _is_steady(nodes: Sequence[asyncpg.Record], attempts: Sequence[asyncpg.Record]) -> bool:
    """Whether the daemons have been at work ever since the first call: while one is away, the dialplan keeps the promise, later."""
    first = min((row["opened_at"] for row in attempts), default=None)
    return all(node["at_work"] and (first is None or node["started_at"] < first) for node in nodes)


def _promise(row: asyncpg.Record, hold_margin_s: float, *, steady: bool) -> float:
    """The greeting or the message at the SLA; without them the silence lasts until the lead is sent to the queue."""
    if row["target"] == "menu":
        return MENU_HOLD_S
    if steady and (row["greeting"] or row["no_agent"] == "message_at_sla"):
        return float(row["customer_wait_sla_s"])
    return float(row["agent_dial_timeout_s"] + hold_margin_s)


def _agents_wanted(row: asyncpg.Record) -> str:
    if row["target"] == "menu":
        return "any" if row["queue"] else "none"
    accepts_first = row["dial_mode"] == "preview" and row["preview_order"] == "accept_first"
    if accepts_first or row["dial_mode"] == "agent_first":
        return ON_LINE
    return "any" if row["gate"] == "rate" else "one_each"


def _cap(own_pct: float | None, rules: Sequence[AbandonmentRule]) -> float | None:
    """A share. The campaign's own, which a profile lets be lower only, else the profile's."""
    return own_pct / 100 if own_pct is not None else min((rule.cap for rule in rules), default=None)


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _running(moves: Sequence[Sequence[str]]) -> tuple[Span, ...]:
    """From the lines of its life: moment, and the status that it went to."""
    spans, since = [], None
    for written, status in moves:
        moment = datetime.fromisoformat(written)
        if since is not None and status != "running":
            spans.append(Span(start=since, end=moment))
        since = (since or moment) if status == "running" else None
    return (*spans, Span(start=since)) if since else tuple(spans)


def _lead_windows(row: asyncpg.Record) -> LeadWindows:
    daily, plan = row["lead_window"], row["day_plan"]
    return LeadWindows(
        daily=_window(daily) if daily else None,
        plan={day["day"]: [time.fromisoformat(each) for each in day["times"]] for day in plan["days"]}
        if plan
        else None,
        plan_window=timedelta(hours=plan["window_h"]) if plan else timedelta(hours=1),
        own_zone_only=row["account"]["lead_zone_trusted"],
    )


def _window(written: Mapping[str, Any]) -> Window:
    days = written.get("month_days")
    return Window(
        start=time.fromisoformat(written["start"]),
        end=time.fromisoformat(written["end"]),
        weekdays=frozenset(written.get("weekdays") or ()),
        month_days=(days[0], days[1]) if days else None,
        months=frozenset(written.get("months") or ()),
    )


def _attempt(row: asyncpg.Record) -> AttemptRow:
    return AttemptRow(**{column: row[column] for column in _ATTEMPT})


def _entry(row: asyncpg.Record) -> DncEntry:
    return DncEntry(number=row["number"], added_at=row["added_at"], expires_at=row["expires_at"])
