"""The look at leads whose turn it is: which campaign under which right, its rules, and what they say of each lead.

All of it is part of one transaction: that of an attempt, or of a card that is laid before an agent first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from random import getrandbits

import asyncpg

from dialerd.domain.accounts import AccountRules
from dialerd.domain.attempts import Lease, PassedOver
from dialerd.domain.caller_id import CallerId, Rotation
from dialerd.domain.campaigns import Target
from dialerd.domain.compliance import Profile
from dialerd.domain.eligibility import Admitted, Candidate, RecentCall, Refused, Terms, Verdict, check, of_campaign
from dialerd.domain.leads import LEAD_TRANSITIONS, Lead
from dialerd.domain.menus import VoiceMenu
from dialerd.domain.outcomes import Outcome
from dialerd.domain.timezones import in_zone
from dialerd.domain.transitions import advance
from dialerd.errors import NotFound
from dialerd.store.accounts import rules_of
from dialerd.store.caller_ids import pool_number
from dialerd.store.campaigns import settings_of
from dialerd.store.leads import lead_of
from dialerd.store.menus import menu_of
from dialerd.store.pool import Connection
from dialerd.store.queries import queries_of

_sql = queries_of("claims")


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A campaign that may be dialed under a lease; nobody can halt it before the transaction ends."""

    id: int
    account_id: int
    lease: Lease
    terms: Terms
    menu: VoiceMenu | None
    """Of the target `menu`."""
    now: datetime
    verdicts: Sequence[Verdict]
    """What the rules say that are the same for all of its leads."""
    promised_elsewhere: int
    """How many agents other daemons on the same Asterisk have promised, of those that its calls are for."""

    @property
    def forbidden(self) -> Verdict | None:
        return next((verdict for verdict in self.verdicts if not verdict.allows), None)

    @property
    def today(self) -> date:
        return day_of(self.terms.account, self.now)


async def claim_campaign(
    connection: Connection, campaign_id: int, lease: Lease, profiles: Mapping[str, Profile]
) -> Claimed | None:
    """None: it is halted, or the lease is lost. Raises NotFound where its voice menu is gone: nothing is dialed then."""
    row = await _sql.claim_campaign(connection, campaign_id=campaign_id, node=lease.node, epoch=lease.epoch)
    if row is None:
        return None
    terms, now = terms_of(row, profiles), row["opened_at"]
    return Claimed(
        id=campaign_id,
        account_id=row["account_id"],
        lease=lease,
        terms=terms,
        menu=_menu(row, terms),
        now=now,
        verdicts=list(of_campaign(terms, now=now)),
        promised_elsewhere=row["promised_elsewhere"],
    )


async def claim_leads(
    connection: Connection, claimed: Claimed, batch: int, *, retries_first: bool
) -> list[asyncpg.Record]:
    """The next due ones, locked, with every fact that the rules need."""
    sticky = claimed.terms.settings.rotation is Rotation.STICKY
    rows = _sql.claim_leads(
        connection,
        campaign_id=claimed.id,
        account_id=claimed.account_id,
        sticky_campaign=claimed.id if sticky else None,
        batch=batch,
        retries_first=retries_first,
    )
    return [row async for row in rows]


async def facts_of_lead(connection: Connection, lead_id: int) -> asyncpg.Record | None:
    """The campaign, its account, the lead, and the same facts of it; without a lock."""
    row: asyncpg.Record | None = await _sql.facts_of_lead(connection, lead_id=lead_id)
    return row


async def lock_offered_lead(connection: Connection, offer_id: int) -> int | None:
    lead_id: int | None = await _sql.lock_offered_lead(connection, offer_id=offer_id)
    return lead_id


async def last_agents(connection: Connection, numbers: Sequence[str], account_id: int) -> Mapping[str, str]:
    """By number, the interface of the agent who spoke last with whom it belongs to."""
    rows = _sql.last_agents(connection, numbers=list(numbers), account_id=account_id)
    return {row["number"]: row["agent"] async for row in rows}


class Look:
    """What the rules say of one lead after the other; what it means for those who may not be called is written in the end."""

    def __init__(self, claimed: Claimed) -> None:
        self.terms = claimed.terms
        self._now = claimed.now
        self._refusals: list[dict[str, object]] = []
        self.passed: list[PassedOver] = []

    def judge(self, candidate: Candidate) -> Admitted | None:
        answer = check(candidate, self.terms, now=self._now, draw=getrandbits(64))
        if isinstance(answer, Admitted):
            return answer
        self._pass_over(candidate.lead, answer)
        return None

    def _pass_over(self, lead: Lead, refused: Refused) -> None:
        state = lead.state if refused.event is None else advance(LEAD_TRANSITIONS, lead.state, refused.event)
        self.passed.append(PassedOver(lead_id=lead.id, refusal=refused))
        self._refusals.append(
            {
                "lead_id": lead.id,
                "lead_state": state,
                "rule": refused.rule,
                "event": refused.event,
                "until": refused.until.isoformat() if refused.until else None,
            }
        )

    async def write(self, connection: Connection) -> None:
        if self._refusals:
            await _sql.pass_over(connection, refusals=self._refusals)


def terms_of(row: asyncpg.Record, profiles: Mapping[str, Profile]) -> Terms:
    """From a row with the campaign, its account, its pool and the number of its queue."""
    settings, account = settings_of(row), rules_of(row["account"])
    queue_number, today = row["queue_number"], day_of(account, row["opened_at"])
    return Terms(
        settings=settings,
        account=account,
        profile=profiles.get(settings.profile or account.profile),
        pool=[pool_number(values, today) for values in row["pool"] or ()],
        queue_number=CallerId(number=queue_number[0], name=queue_number[1]) if queue_number else None,
    )


def candidate_of(row: asyncpg.Record) -> Candidate:
    return Candidate(
        lead=lead_of(row, "lead_"),
        listed=frozenset(row["listed"]),
        recent=[
            RecentCall(
                number=call["number"],
                opened_at=call["opened_at"],
                outcome=Outcome(call["outcome"]) if call["outcome"] else None,
                lead_id=call["lead_id"],
            )
            for call in row["recent"]
        ],
        last_shown=row["last_shown"],
    )


def day_of(account: AccountRules, now: datetime) -> date:
    return in_zone(now, account.time_zone).date()


def _menu(row: asyncpg.Record, terms: Terms) -> VoiceMenu | None:
    if terms.settings.target is not Target.MENU:
        return None
    if row["voice_menu"] is None:
        raise NotFound("voice menu", terms.settings.menu)
    return menu_of(row["voice_menu"])
