"""`dialerd recordings`: which calls were recorded, what is known of the files, and how they sound. The sound itself is with Asterisk."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from dialerd.cli.console import AsJson, facts, local, out, print_json, say, table
from dialerd.cli.options import CampaignRef
from dialerd.cli.session import Stores, in_store
from dialerd.errors import NoSound
from dialerd.store.recordings import StoredRecording

app = typer.Typer(help="Look at the recordings of calls.", no_args_is_help=True)

AttemptId = Annotated[
    UUID,
    typer.Argument(metavar="ATTEMPT", help="Id of the call, as `dialerd leads calls` has it.", show_default=False),
]
LONGEST_LIST = 10_000


@app.command("list")
def list_recordings(
    context: typer.Context,
    campaign: CampaignRef,
    limit: Annotated[int, typer.Option(min=1, max=LONGEST_LIST, help="Most recordings to print.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the recordings of a campaign, the newest first."""

    async def work(stores: Stores) -> tuple[Sequence[StoredRecording], str]:
        found = await stores.find_campaign(campaign)
        return await stores.recordings.of_campaign(found.id, limit=limit), await stores.zone()

    recordings, zone = in_store(context, work)
    if as_json:
        print_json([_values(stored) for stored in recordings])
    else:
        columns = ("call", "recorded", "state", "seconds", "keep until")
        out().print(table(columns, [_row(stored, zone) for stored in recordings]))


@app.command("show")
def show(context: typer.Context, attempt: AttemptId, as_json: AsJson = False) -> None:
    """Show the recording of a call: its name in Asterisk, its length, its checksum."""

    async def work(stores: Stores) -> tuple[StoredRecording, str]:
        return await stores.recordings.of_attempt(attempt), await stores.zone()

    stored, zone = in_store(context, work)
    if as_json:
        print_json(_values(stored))
    else:
        out().print(facts(_described(stored, zone)))


@app.command("get")
def get(
    context: typer.Context,
    attempt: AttemptId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="WAV file to write.", show_default=False)],
) -> None:
    """Fetch the recording of a call from Asterisk, into a file."""
    # Imported here because it takes longer than all of what the other commands need.
    from dialerd.asterisk.ari import AriSettings
    from dialerd.asterisk.recording_files import fetch

    async def work(stores: Stores) -> float:
        stored = await stores.recordings.of_attempt(attempt, account_id=(await stores.account()).id)
        if stored.file is None or not stored.is_playable:
            raise NoSound
        await fetch(AriSettings.of(stores.settings.ari), stored.place, stored.file, file)
        return stored.file.duration_s

    say(f"{file} is written: {in_store(context, work):.1f} s")


def _values(stored: StoredRecording) -> dict[str, Any]:
    """The recording for machines: flat. What is not known yet is null."""
    values = asdict(stored)
    recording, file = values.pop("recording"), values.pop("file")
    return {**recording, **values, **(file or {"duration_s": None, "bytes": None, "sha256": None})}


def _row(stored: StoredRecording, zone: str) -> tuple[object, ...]:
    recording, file = stored.recording, stored.file
    duration = f"{file.duration_s:.1f}" if file else None
    recorded, until = local(recording.recorded_at, zone), _keep_until(stored, zone)
    return str(recording.attempt_id), recorded, stored.state, duration, until


def _described(stored: StoredRecording, zone: str) -> dict[str, object]:
    recording, file = stored.recording, stored.file
    return {
        "call": recording.attempt_id,
        "state": stored.state,
        "name in Asterisk": recording.name,
        "with the Asterisk of": stored.node,
        "recorded": local(recording.recorded_at, zone),
        "looked at": local(stored.looked_at, zone),
        "duration (s)": file and f"{file.duration_s:.1f}",
        "size (bytes)": file and file.bytes,
        "SHA-256": file and file.sha256,
        "keep until": _keep_until(stored, zone),
    }


def _keep_until(stored: StoredRecording, zone: str) -> str:
    if stored.file is None:
        return "-"
    return local(stored.keep_until, zone) if stored.keep_until else "for ever"
