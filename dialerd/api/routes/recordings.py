"""Recordings of calls: which there are, how they sound, and that they go."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import AwareDatetime

from dialerd.api.auth import permitted
from dialerd.api.parts import Parts, TheParts, TheStores
from dialerd.api.problems import Problem
from dialerd.api.routes.campaigns import campaign_for
from dialerd.api.routing import router
from dialerd.api.schemas.body import HIGHEST_ID, Limit, Page, page_of
from dialerd.api.schemas.recordings import RecordingOut, recording_out
from dialerd.domain.recordings import RecordingFile, RecordingState
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import NoSound, RecordingElsewhere
from dialerd.store.recordings import RecordingFilter, StoredRecording

recordings = router("recordings", prefix="/recordings")

Listener = Annotated[Caller, permitted(Permission.LISTEN)]
Remover = Annotated[Caller, permitted(Permission.DELETE_RECORDINGS)]
CampaignId = Annotated[
    int | None, Query(ge=1, le=HIGHEST_ID, description="Of this campaign; without: of all.", examples=[7])
]
Agent = Annotated[
    str | None,
    Query(
        max_length=100,
        pattern=r"^[^\x00]+$",
        description="Of whom this agent talked to, as the queue names the phone.",
        examples=["PJSIP/1001"],
    ),
]
State = Annotated[RecordingState | None, Query(description="In this state; without: in any.")]
Moment = Annotated[AwareDatetime | None, Query(description="Recorded from then on, or before then (RFC 3339).")]
AttemptId = Annotated[UUID, InPath(description="Id of the call.", examples=["0b2f5a0e-6b3c-4d0e-9d65-5c9c2e0f7c1a"])]
AfterAttempt = Annotated[UUID | None, Query(description="What the page before said as `next`.")]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="The ETag of what you have: 304 where that is what there is.")
]
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {
        "model": Problem,
        "description": "There is no such campaign, or no such recording to go on behind.",
        "content": {"application/problem+json": {}},
    }
}
SOUND: dict[int | str, dict[str, Any]] = {
    200: {"description": "The sound.", "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The part that `Range` asks for.", "content": {"audio/wav": {}}},
    304: {"description": "You have it."},
    409: {
        "model": Problem,
        "description": "It cannot be had here, or now.",
        "content": {"application/problem+json": {}},
    },
    416: {"description": "`Range` asks for what lies behind its end."},
}


@recordings.get("", summary="Recordings, the newest first", responses=UNKNOWN)
async def list_recordings(
    caller: Listener,
    stores: TheStores,
    campaign_id: CampaignId = None,
    agent: Agent = None,
    state: State = None,
    since: Moment = None,
    until: Moment = None,
    after: AfterAttempt = None,
    limit: Limit = 100,
) -> Page[RecordingOut]:
    only = RecordingFilter(state=state, since=since, until=until)
    if campaign_id is not None:
        await campaign_for(stores, caller, campaign_id)
    if agent is not None:
        found = await stores.recordings.of_agent(
            caller.account_id, agent, campaign_id=campaign_id, limit=limit + 1, after=after, only=only
        )
    elif campaign_id is not None:
        found = await stores.recordings.of_campaign(campaign_id, limit=limit + 1, after=after, only=only)
    else:
        found = await stores.recordings.of_account(caller.account_id, limit=limit + 1, after=after, only=only)
    return page_of([recording_out(each) for each in found], limit, lambda recording: recording.attempt_id)


@recordings.get("/{attempt_id}", summary="What is known of the recording of a call")
async def get_recording(attempt_id: AttemptId, caller: Listener, stores: TheStores) -> RecordingOut:
    return recording_out(await stores.recordings.of_attempt(attempt_id, account_id=caller.account_id))


@recordings.get("/{attempt_id}/content", summary="How it sounds", response_class=Response, responses=SOUND)
async def get_content(
    attempt_id: AttemptId, caller: Listener, parts: TheParts, if_none_match: IfNoneMatch = None
) -> Response:
    """A WAV file, or the part of it that `Range` asks for. 409 where there is none, or where it is with an Asterisk that this server
    does not reach: the answer says whose."""
    stored = await parts.stores.recordings.of_attempt(attempt_id, account_id=caller.account_id)
    file = _playable(stored)
    headers = {"ETag": f'"{file.sha256}"', "Cache-Control": "private, no-cache"}
    if if_none_match is not None and file.sha256 in if_none_match:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    path = await _sound(parts, stored, file)
    return FileResponse(path, headers=headers, media_type="audio/wav", filename=f"{attempt_id}.wav")


recordings.head("/{attempt_id}/content", include_in_schema=False)(get_content)


@recordings.delete("/{attempt_id}", summary="Delete a recording", status_code=HTTPStatus.ACCEPTED)
async def delete_recording(attempt_id: AttemptId, caller: Remover, stores: TheStores) -> RecordingOut:
    """From now on it is not played any more; the daemon that looks after it has Asterisk delete the file in a moment. What is known of
    it stays."""
    await stores.recordings.of_attempt(attempt_id, account_id=caller.account_id)
    await stores.recordings.mark_for_deletion(attempt_id)
    return recording_out(await stores.recordings.of_attempt(attempt_id, account_id=caller.account_id))


def _playable(stored: StoredRecording) -> RecordingFile:
    """Raises NoSound."""
    if stored.file is None or not stored.is_playable:
        raise NoSound(
            f"the recording is {'deleted' if stored.is_expired else stored.state}: there is nothing to be heard"
        )
    return stored.file


async def _sound(parts: Parts, stored: StoredRecording, file: RecordingFile) -> Path:
    if parts.sounds is None:
        raise RecordingElsewhere(
            f"the recording is with the Asterisk of node {stored.node}, and this server knows none: set ari.password here"
        )
    return await parts.sounds.recording(stored.place, file)
