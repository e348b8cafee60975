"""The wheel carries what the program reads at run time, and the systemd unit gives it no more rights than it needs."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "dialerd.service"

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from this tree, without fetching anything."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target], cwd=ROOT, check=True)
    return set(zipfile.ZipFile(next(target.glob("*.whl"))).namelist())


@pytest.mark.parametrize("folder", ["sql", "asterisk-config"])
def test_the_wheel_carries_each_file_of(folder: str, wheel: set[str]) -> None:
    files = {f"dialerd/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert files
    assert files <= wheel


def test_the_wheel_carries_nothing_but_the_package(wheel: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"dialerd"}


def test_wrong_settings_do_not_make_the_service_restart() -> None:
    assert "RestartPreventExitStatus=78" in UNIT.read_text()


def test_the_service_is_exposed_as_little_as_promised() -> None:
    """Judged by systemd's own tool, which `make test` installs where it is missing."""
    verdict = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    exposure = re.search(r"Overall exposure level .*: ([0-9.]+)", verdict.stdout)
    assert exposure
    assert float(exposure[1]) <= 2.0


def test_systemd_knows_every_word_of_the_service(tmp_path: Path) -> None:
    """But for the program, which is not where it will be installed."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", UNIT.read_text()))
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, text=True
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
