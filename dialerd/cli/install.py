"""`dialerd install-config`: writes what Asterisk and systemd are to include, and never over what somebody has changed."""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from dialerd.cli.console import AsJson, out, print_json, say, table
from dialerd.errors import DialerdError

RECORD = ".dialerd-installed.json"
"""Beside the files: what each was when it was written, so that it can be told whether somebody has changed it since."""
PROGRAM_IN_UNITS = "/opt/dialerd/.venv/bin/dialerd"
LONGEST_FILE = 1_000_000
"""Bytes. What is longer is none of ours."""


class NotInstalled(DialerdError):
    """A file could not be written. Run it as a user who may."""


class Done(StrEnum):
    WRITTEN = "written"
    REPLACED = "replaced"  # an older one of ours, or by --force
    SAME = "up to date"
    LEFT = "left: somebody has changed it (--force replaces it)"


@dataclass(frozen=True, kw_only=True)
class _File:
    target: Path
    content: bytes
    mode: int = 0o644


def add_to(app: typer.Typer) -> None:
    app.command("install-config")(install_config)


def install_config(
    asterisk: Annotated[
        Path | None, typer.Option(help="Asterisk's folder of settings: the files go into `dialerd` there.")
    ] = None,
    systemd: Annotated[
        Path | None, typer.Option(help="What stands for /etc: units, the user, the folders and the environment file.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that somebody has changed, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the files that Asterisk includes, and those of the systemd services. Can be run again, as after every upgrade.

    Without --asterisk and --systemd both are done: below /etc/asterisk and /etc. A file that is as an earlier version has written it
    is replaced, one that somebody has changed is left alone.
    """
    if asterisk is None and systemd is None:
        asterisk, systemd = Path("/etc/asterisk"), Path("/etc")
    done: dict[str, str] = {}
    for folder, files in _wanted(asterisk, systemd):
        done |= _install(folder / RECORD, files, dry_run=dry_run, force=force)
    if as_json:
        print_json(done)
        return
    out().print(table(("file", "would be" if dry_run else "is"), list(done.items())))
    if not dry_run:
        say(
            "Next: asterisk-config/README.md and systemd/README.md say what to include and to set; then `dialerd check`"
        )


def _wanted(asterisk: Path | None, systemd: Path | None) -> Iterator[tuple[Path, list[_File]]]:
    """By the folder that keeps the record."""
    if asterisk is not None:
        folder = asterisk / "dialerd"
        yield (
            folder,
            [_File(target=folder / file.name, content=file.read_bytes()) for file in _shipped("asterisk-config")],
        )
    if systemd is not None:
        yield systemd / "dialerd", [_of_systemd(systemd, file) for file in _shipped("systemd")]


def _of_systemd(etc: Path, file: Traversable) -> _File:
    content = file.read_bytes()
    if file.name.endswith(".service"):
        program = str(Path(sys.executable).with_name("dialerd"))
        return _File(
            target=etc / "systemd" / "system" / file.name,
            content=content.replace(PROGRAM_IN_UNITS.encode(), program.encode()),
        )
    places = {
        "dialerd-sysusers.conf": etc / "sysusers.d" / "dialerd.conf",
        "dialerd-tmpfiles.conf": etc / "tmpfiles.d" / "dialerd.conf",
        "dialerd.env.sample": etc / "dialerd" / "dialerd.env",
    }
    return _File(target=places.get(file.name, etc / "dialerd" / file.name), content=content)


def _shipped(name: str) -> list[Traversable]:
    """The files of a folder that the wheel carries in the package; an editable install has it in the repository."""
    packaged = resources.files("dialerd") / {"systemd": "systemd-config"}.get(name, name)
    folder: Traversable = packaged if packaged.is_dir() else Path(__file__).parents[2] / name
    return sorted((file for file in folder.iterdir() if file.is_file()), key=lambda file: file.name)


def _install(record: Path, files: list[_File], *, dry_run: bool, force: bool) -> dict[str, str]:
    try:
        before = _recorded(record)
        done = {file: _judge(file, before.get(str(file.target)), force=force) for file in files}
        if not dry_run:
            for file, verdict in done.items():
                if verdict in (Done.WRITTEN, Done.REPLACED):
                    _write(file)
            ours = {str(file.target): _sum(file.content) for file, verdict in done.items() if verdict is not Done.LEFT}
            if before | ours != before:
                _write(_File(target=record, content=json.dumps(before | ours, indent=1).encode()))
    except OSError as refused:
        raise NotInstalled(f"{refused.filename}: {refused.strerror}; run it as a user who may write there") from None
    return {str(file.target): verdict for file, verdict in done.items()}


def _judge(file: _File, written_before: str | None, *, force: bool) -> Done:
    if not file.target.exists():
        return Done.WRITTEN
    there = _read(file.target)
    if there == file.content:
        return Done.SAME
    return Done.REPLACED if force or (there is not None and _sum(there) == written_before) else Done.LEFT


def _read(path: Path) -> bytes | None:
    """None: it is none of ours."""
    return path.read_bytes() if path.is_file() and path.stat().st_size <= LONGEST_FILE else None


def _recorded(record: Path) -> dict[str, str]:
    """A record that cannot be read is as none: every file that differs then counts as changed by somebody."""
    try:
        said = json.loads(_read(record) or b"{}")
    except ValueError:
        return {}
    return {str(file): str(written) for file, written in said.items()} if isinstance(said, dict) else {}


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(file: _File) -> None:
    """Under another name first: what carries the right one is whole."""
    file.target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=file.target.parent, prefix=f".{file.target.name}.")
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(file.content)
            os.fchmod(handle, file.mode)
        Path(unfinished).replace(file.target)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
