"""A call out of rows: one that is just being opened, and one that is in flight, as far as its row knows it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import AnsweredBy, AttemptState, Call, CallFlow, KeptAgent, LeadCard
from dialerd.domain.campaigns import CampaignSettings, MachineDetection, Target
from dialerd.domain.eligibility import Admitted
from dialerd.domain.leads import Lead
from dialerd.domain.menus import VoiceMenu
from dialerd.domain.offers import OfferState
from dialerd.domain.recordings import recording_name
from dialerd.store.campaigns import settings_of
from dialerd.store.leads import lead_of
from dialerd.store.menus import menu_of


def new_call(
    lead: Lead,
    settings: CampaignSettings,
    admitted: Admitted,
    opened_at: datetime,
    *,
    flow: CallFlow,
    menu: VoiceMenu | None,
    wanted_agent: str | None,
    kept: KeptAgent | None,
    trunk: str,
) -> Call:
    id_ = uuid4()
    return Call(
        id=id_,
        campaign_id=lead.campaign_id,
        lead_id=lead.id,
        number=admitted.number,
        lead=_card(lead),
        caller_id=admitted.shown.caller_id,
        queue=settings.queue,
        flow=flow,
        opened_at=opened_at,
        menu=menu,
        recording=recording_name(id_, opened_at) if settings.recording else "",
        wanted_agent=None if kept else wanted_agent,
        state=AttemptState.PREPARING if flow is CallFlow.AGENT_FIRST else AttemptState.DIALING,
        kept_leg=kept.leg if kept else None,
        agent=kept.agent if kept else None,
        trunk=trunk,
        **_chosen(settings, id_),
    )


def wanted_agent(lead: Lead, settings: CampaignSettings, last_agent: str | None) -> str | None:
    """Who is rung before the queue is asked: whom the lead was promised, else whom the campaign wants."""
    if lead.callback_agent is not None:
        return lead.callback_agent
    match settings.target:
        case Target.AGENT:
            return settings.target_agent
        case Target.LAST_AGENT:
            return last_agent
        case Target.QUEUE | Target.MENU:
            return None


def call_so_far(row: asyncpg.Record) -> Call:
    """Agent hunts are not in the row. A call whose lead has picked up, or that rings its agent first, has had its first, so that the
    next one gets new ids; the hunt is alive where it led to a talk. Cards whose answer no daemon has noticed count as open: the
    answer is still to be told."""
    state, flow, settings = AttemptState(row["attempt_state"]), CallFlow(row["attempt_flow"]), settings_of(row)
    answered_by = row["answered_by"]
    return Call(
        id=row["attempt_id"],
        campaign_id=row["id"],
        lead_id=row["lead_id"],
        number=row["attempt_number"],
        lead=_card(lead_of(row, "lead_")),
        caller_id=CallerId(number=row["caller_id_number"], name=row["caller_id_name"]),
        queue=row["attempt_queue"],
        flow=flow,
        opened_at=row["opened_at"],
        menu=menu_of(row["voice_menu"]) if row["voice_menu"] else None,
        recording=row["attempt_recording"],
        state=state,
        ringing_at=row["ringing_at"],
        answered_at=row["answered_at"],
        agent_ringing_at=row["agent_ringing_at"],
        connected_at=row["connected_at"],
        agent=row["agent"],
        hunts=0 if row["answered_at"] is None and flow is not CallFlow.AGENT_FIRST else 1,
        hunting=state is AttemptState.CONNECTED,
        kept_leg=row["kept_leg"],
        waiting_since=row["waiting_since"],
        answered_by=AnsweredBy(answered_by) if answered_by else None,
        menu_node=row["menu_node"],
        menu_result=row["menu_result"],
        trunk=row["attempt_trunk"],
        **_offered(flow, row["wanted_agent"], row["cards"] or ()),
        **_chosen(settings, row["attempt_id"]),
    )


def _offered(flow: CallFlow, wanted: str | None, cards: Sequence[tuple[int, str, str]]) -> dict[str, Any]:
    """What the cards of the call (ordinal, agent, state) say of it."""
    if flow is not CallFlow.PREVIEW:
        return {"wanted_agent": wanted}
    by_state = {state: [(ordinal, agent) for ordinal, agent, s in cards if s == state] for state in OfferState}
    declined = [*by_state[OfferState.SKIPPED], *by_state[OfferState.LAPSED]]
    newest = max((ordinal for ordinal, _, _ in cards), default=1)
    taken = next((agent for _, agent in by_state[OfferState.ACCEPTED]), None)
    return {
        "wanted_agent": wanted or taken,
        "accepted": taken is not None,
        "offered_to": next((agent for _, agent in by_state[OfferState.OPEN]), None),
        "declined": frozenset(agent for _, agent in declined),
        "offers": newest + 1 if newest in [ordinal for ordinal, _ in declined] else newest,
    }


def _chosen(settings: CampaignSettings, attempt: UUID) -> dict[str, Any]:
    """What the campaign says of each of its calls."""
    return {
        "dial_mode": settings.dial_mode,
        "ring_timeout": timedelta(seconds=settings.ring_timeout_s),
        "customer_wait_sla": timedelta(seconds=settings.customer_wait_sla_s),
        "agent_dial_timeout": timedelta(seconds=settings.agent_dial_timeout_s),
        "no_agent": settings.no_agent,
        "greeting": settings.greeting,
        "agent_announcement": settings.agent_announcement,
        "offer_time": timedelta(seconds=settings.offer_s),
        "mask_number": settings.mask_lead_caller_id,
        "send_lead_data": settings.send_lead_data,
        "detect_machine": settings.machine_detection is not MachineDetection.OFF,
        "drop_machine": settings.machine_detection is MachineDetection.HANG_UP and not is_audited(attempt, settings),
    }


def is_audited(attempt: UUID, settings: CampaignSettings) -> bool:
    """Whether an agent is to hear who answers this one, even if that is taken for a machine. Chosen by the id, so a restarted
    daemon chooses the same."""
    return attempt.int % 100 < settings.machine_audit_pct


def _card(lead: Lead) -> LeadCard:
    return LeadCard(
        name=lead.display_name,
        ticket_id=lead.ticket_id,
        skill=lead.skill,
        extension=lead.extension,
        custom=lead.custom,
    )
