"""Recordings as JSON."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from dialerd.domain.recordings import RecordingState
from dialerd.store.recordings import StoredRecording


class RecordingOut(BaseModel):
    """What is known of the recording of a call."""

    attempt_id: UUID = Field(description="Id of the call.")
    campaign_id: int = Field(description="Id of the campaign.", examples=[7])
    lead_id: int = Field(description="Id of the lead.", examples=[4711])
    agent: str | None = Field(description="Who talked to the lead; null: nobody did.", examples=["PJSIP/1001"])
    state: RecordingState = Field(description="pending: it was not looked for yet; missing: Asterisk has written none.")
    node: str = Field(description="The daemon whose Asterisk has it.", examples=["pbx-1"])
    recorded_at: datetime = Field(description="When the call ended.")
    duration_s: float | None = Field(description="Its length in seconds; null: not known yet.", examples=[61.5])
    bytes: int | None = Field(description="Size of the file; null: not known yet.", examples=[984044])
    sha256: str | None = Field(description="Checksum of the file, in hex; null: not known yet.")
    keep_until: datetime | None = Field(description="When it is deleted; null: never.")
    playable: bool = Field(description="Whether its sound can be had: it is stored, and its time is not over.")


def recording_out(stored: StoredRecording) -> RecordingOut:
    recording, file = stored.recording, stored.file
    return RecordingOut(
        attempt_id=recording.attempt_id,
        campaign_id=stored.campaign_id,
        lead_id=stored.lead_id,
        agent=stored.agent,
        state=stored.state,
        node=stored.node,
        recorded_at=recording.recorded_at,
        duration_s=file and file.duration_s,
        bytes=file and file.bytes,
        sha256=file and file.sha256,
        keep_until=stored.keep_until,
        playable=stored.is_playable,
    )
