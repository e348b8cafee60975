"""`dialerd media`: sounds for greetings, announcements and voice menus, brought along by people."""

from collections.abc import Sequence
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from dialerd.cli.console import AsJson, local, out, print_json, say, table
from dialerd.cli.session import Stores, in_store
from dialerd.domain.media import LARGEST_UPLOAD, sound_name
from dialerd.errors import InvalidMedium, MediaOff
from dialerd.media.converter import Converter
from dialerd.store.media import Medium

app = typer.Typer(help="Upload sounds that campaigns and voice menus play.", no_args_is_help=True)

MediumName = Annotated[
    str, typer.Argument(metavar="NAME", help="1 to 40 letters, digits, '-' or '_'.", show_default=False)
]
MOST = 100_000


@app.command("add")
def add(
    context: typer.Context,
    name: MediumName,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="WAV, MP3, FLAC or Ogg Vorbis.", exists=True, dir_okay=False, show_default=False
        ),
    ],
) -> None:
    """Store a sound, in the place of the one of its name. Every daemon places it where its Asterisk finds it."""
    if file.stat().st_size > LARGEST_UPLOAD:
        raise InvalidMedium([f"{LARGEST_UPLOAD // 2**20} MiB at most"])

    async def work(stores: Stores) -> str:
        if stores.settings.media.folder is None:
            raise MediaOff
        account = await stores.account()
        with file.open("rb") as content:
            sound = await Converter().convert(content)
        await stores.media.put(account.id, name, sound, by=f"command {getuser()}")
        notes = "".join(f"; {note}" for note in sound.notes)
        return f"{sound_name(account.id, name)} is stored: {sound.duration_s:.1f} s{notes}"

    say(in_store(context, work))


@app.command("list")
def list_media(context: typer.Context, as_json: AsJson = False) -> None:
    """List the account's sounds, and what greetings, announcements and menus call them."""

    async def work(stores: Stores) -> tuple[Sequence[Medium], str]:
        return await stores.media.list((await stores.account()).id, limit=MOST), await stores.zone()

    media, zone = in_store(context, work)
    if as_json:
        print_json([asdict(medium) for medium in media])
        return
    rows = [(each.sound, f"{each.duration_s:.1f}", _presence(each), local(each.uploaded_at, zone)) for each in media]
    out().print(table(("sound", "seconds", "Asterisk has it", "uploaded"), rows))


@app.command("get")
def get(
    context: typer.Context,
    name: MediumName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="WAV file to write.", show_default=False)],
) -> None:
    """Write a sound to a file, as Asterisk plays it."""

    async def work(stores: Stores) -> bytes:
        content, _ = await stores.media.content((await stores.account()).id, name)
        return content

    file.write_bytes(in_store(context, work))
    say(f"{file} is written")


@app.command("remove")
def remove(context: typer.Context, name: MediumName) -> None:
    """Remove a sound that no campaign and no voice menu plays any more."""

    async def work(stores: Stores) -> None:
        await stores.media.remove((await stores.account()).id, name)

    in_store(context, work)
    say(f"sound {name!r} is removed")


def _presence(medium: Medium) -> str:
    return {True: "yes", False: "NO", None: "not known yet"}[medium.present]
