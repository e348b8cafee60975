"""Attempts as JSON."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from dialerd.domain.calls import AnsweredBy, CallFlow
from dialerd.domain.outcomes import Outcome
from dialerd.domain.recordings import RecordingState


class AttemptOut(BaseModel):
    """A call that was begun. What has not happened is null."""

    model_config = ConfigDict(from_attributes=True)

    attempt_id: UUID = Field(description="Id; also of the call's channel in Asterisk.")
    campaign_id: int = Field(description="Of the campaign.", examples=[7])
    lead_id: int = Field(description="Of the lead.", examples=[42])
    ordinal: int = Field(description="Which of the lead's attempts it is.")
    lead_name: str = Field(description="What the lead is called.", examples=["Ada Nguyen"])
    number: str = Field(description="The number that was called, in E.164.", examples=["+12025550101"])
    caller_id: str = Field(description="The number that was shown; empty: none.")
    queue: str = Field(description="Whose agents it was for.")
    opened_at: datetime = Field(description="When it was begun.")
    ringing_at: datetime | None = Field(description="When the lead's phone rang.")
    answered_at: datetime | None = Field(description="When the lead picked up.")
    agent: str | None = Field(description="Whose phone it was, as the queue names it.", examples=["PJSIP/1001"])
    agent_name: str | None = Field(description="What that agent is called now; null: nobody says.", examples=["Anna"])
    connected_at: datetime | None = Field(description="When lead and agent could talk.")
    ended_at: datetime | None = Field(description="When it was over; null: it is under way.")
    outcome: Outcome | None = Field(description="What came of it.")
    cause: int | None = Field(description="Cause of Q.850.", examples=[17])
    tech_cause: str | None = Field(description="Cause in the words of the channel, such as the SIP status.")
    ring_s: float | None = Field(description="Seconds for which the lead's phone rang.")
    talk_s: float | None = Field(description="Seconds of talk.")
    flow: CallFlow = Field(description="How the call was built up.")
    answered_by: AnsweredBy | None = Field(description="Who picked up, as far as that was told.")
    customer_wait_s: float | None = Field(description="Seconds for which the lead waited for an agent.")
    customer_wait_sla_met: bool | None = Field(
        description="Whether that was within the customer wait SLA; null: nobody waited."
    )
    agent_ring_s: float | None = Field(description="Seconds from the first ring of an agent's phone until the talk.")
    agent_sla_met: bool | None = Field(
        description="Whether that was within the agent dial timeout; null: no agent's phone rang."
    )
    abandoned: bool | None = Field(description="As the ledger counts it; null: it does not count this call.")
    menu_result: str = Field(description="What the lead chose in the voice menu.")
    disposition: str | None = Field(description="What the agent says of it.")
    note: str = Field(description="The agent's note.")
    recording: str | None = Field(description="Name of the recording; null: there is none.")
    recording_state: RecordingState | None = Field(description="Whether it is still there.")
    recording_s: float | None = Field(description="Its length in seconds.")
