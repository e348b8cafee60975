"""The wheel carries what the program reads at run time, and the systemd unit gives it no more rights than it needs."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = [ROOT / "systemd" / name for name in ("dialerd.service", "dialerd-web.service")]
UNIT = UNITS[0]
IN_THE_WHEEL = {"sql": "dialerd/sql", "asterisk-config": "dialerd/asterisk-config", "systemd": "dialerd/systemd-config"}

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from this tree, without fetching anything."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target], cwd=ROOT, check=True)
    return set(zipfile.ZipFile(next(target.glob("*.whl"))).namelist())


@pytest.mark.parametrize("folder", IN_THE_WHEEL)
def test_the_wheel_carries_each_file_of(folder: str, wheel: set[str]) -> None:
    there = ROOT / folder
    files = {f"{IN_THE_WHEEL[folder]}/{path.relative_to(there)}" for path in there.rglob("*") if path.is_file()}
    assert files
    assert files <= wheel


def test_the_wheel_carries_nothing_but_the_package(wheel: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"dialerd"}


every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


@every_unit
def test_wrong_settings_do_not_make_the_service_restart(unit: Path) -> None:
    assert "RestartPreventExitStatus=78" in unit.read_text()


@every_unit
def test_the_service_is_exposed_as_little_as_promised(unit: Path) -> None:
    """Judged by systemd's own tool, which `make test` installs where it is missing."""
    verdict = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    exposure = re.search(r"Overall exposure level .*: ([0-9.]+)", verdict.stdout)
    assert exposure
    assert float(exposure[1]) <= 2.0


@every_unit
def test_systemd_knows_every_word_of_the_service(unit: Path, tmp_path: Path) -> None:
    """But for the program, which is not where it will be installed."""
    installed = tmp_path / unit.name
    installed.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", unit.read_text()))
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", installed], capture_output=True, text=True
    )
    assert (verdict.returncode, verdict.stderr) == (0, "")


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "WatchdogSec=30s",
        "StateDirectory=dialerd",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "MemoryMax=2G",
        "LimitNOFILE=65536",
    ],
)
def test_what_the_service_lives_by_stands_in_its_unit(line: str) -> None:
    assert line in UNIT.read_text().splitlines()


def test_systemd_makes_the_user_and_the_folders(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for command, name in (
        (["systemd-sysusers"], "dialerd-sysusers.conf"),
        (["systemd-tmpfiles", "--create"], "dialerd-tmpfiles.conf"),
    ):
        subprocess.run([*command, f"--root={tmp_path}", ROOT / "systemd" / name], check=True, capture_output=True)
    assert "dialerd" in (tmp_path / "etc" / "passwd").read_text()
    assert (tmp_path / "etc" / "dialerd" / "credentials").stat().st_mode & 0o777 == 0o700
