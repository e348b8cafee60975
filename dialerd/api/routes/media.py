"""Sounds for greetings, announcements and voice menus, brought along by people."""

import tempfile
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO

from fastapi import Path, Request, Response

from dialerd.api.auth import permitted
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.problems import Problem
from dialerd.api.routing import largest_body, router
from dialerd.api.schemas.body import AfterName, Limit, Page, page_of
from dialerd.api.schemas.media import MediumOut, medium_out
from dialerd.domain.media import LARGEST_UPLOAD, LONGEST
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import MediaOff

media = router("media", prefix="/media")

Viewer = Annotated[Caller, permitted(Permission.VIEW)]
Builder = Annotated[Caller, permitted(Permission.BUILD)]
Name = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
        description="1 to 40 letters, digits, '-' or '_', a letter or digit first.",
        examples=["welcome"],
    ),
]
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"The file itself: WAV, MP3, FLAC or Ogg Vorbis, of up to {LONGEST.total_seconds() / 60:.0f} minutes and "
        f"{LARGEST_UPLOAD // 2**20} MiB.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("application/octet-stream", "audio/wav", "audio/mpeg", "audio/flac", "audio/ogg")
        },
    }
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    201: {"model": MediumOut, "description": "There was none of this name."},
    409: {"model": Problem, "description": "Nobody places sounds.", "content": {"application/problem+json": {}}},
    413: {"model": Problem, "description": "The file is too large.", "content": {"application/problem+json": {}}},
}
IN_USE: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "Something plays it.", "content": {"application/problem+json": {}}}
}
SOUND: dict[int | str, dict[str, Any]] = {
    200: {"description": "The sound.", "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}
}


@media.get("", summary="The account's sounds")
async def list_media(caller: Viewer, stores: TheStores, after: AfterName = "", limit: Limit = 100) -> Page[MediumOut]:
    """By name."""
    found = await stores.media.list(caller.account_id, limit=limit + 1, after=after)
    return page_of([medium_out(medium) for medium in found], limit, lambda medium: medium.name)


@media.get("/{name}", summary="What is known of a sound")
async def get_medium(name: Name, caller: Viewer, stores: TheStores) -> MediumOut:
    return medium_out(await stores.media.get(caller.account_id, name))


@media.get("/{name}/content", summary="How it sounds", response_class=Response, responses=SOUND)
async def get_content(name: Name, caller: Viewer, stores: TheStores) -> Response:
    """As Asterisk plays it: WAV, 8 kHz, mono, 16 bit."""
    content, sha256 = await stores.media.content(caller.account_id, name)
    headers = {"ETag": f'"{sha256}"', "Content-Disposition": f'attachment; filename="{name}.wav"'}
    return Response(content, media_type="audio/wav", headers=headers)


@media.put("/{name}", summary="Upload a sound", openapi_extra=UPLOAD, responses=ANSWERS)
@largest_body(LARGEST_UPLOAD)
async def put_medium(name: Name, caller: Builder, parts: TheParts, request: Request, response: Response) -> MediumOut:
    """In the place of the one of this name. It is converted, and in a moment every daemon has placed it where its Asterisk finds it;
    `sound` of the answer is what greetings, announcements and voice menus call it."""
    if parts.settings.media.folder is None:
        raise MediaOff
    with tempfile.TemporaryFile() as file:
        await _receive(request, file)
        sound = await parts.converter.convert(file)
    note_for_audit(request, {"sha256": sound.sha256})
    is_new = await parts.stores.media.put(caller.account_id, name, sound, by=caller.actor)
    response.status_code = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    response.headers["ETag"] = f'"{sound.sha256}"'
    return medium_out(await parts.stores.media.get(caller.account_id, name))


@media.delete("/{name}", summary="Remove a sound", status_code=HTTPStatus.NO_CONTENT, responses=IN_USE)
async def remove_medium(name: Name, caller: Builder, stores: TheStores) -> None:
    """Not while a campaign that is not over, or a voice menu, plays it."""
    await stores.media.remove(caller.account_id, name)


async def _receive(request: Request, file: BinaryIO) -> None:
    """The body, into a file on disk, from whose beginning it can be read."""
    async for piece in request.stream():
        file.write(piece)
    file.flush()
    file.seek(0)
