"""`dialerd install-config`: what is shipped lies where Asterisk and systemd look for it, and nobody's own changes are lost."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Dialerd

ROOT = Path(__file__).parents[3]
LEFT = "left: somebody has changed it (--force replaces it)"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return tmp_path / "etc"


def installed(dialerd: Dialerd, etc: Path, *options: str) -> dict[str, str]:
    answer = dialerd("install-config", "--asterisk", f"{etc}/asterisk", "--systemd", str(etc), "--json", *options)
    return {str(Path(file).relative_to(etc)): done for file, done in answer.json.items()}


def test_every_file_lies_where_it_is_looked_for(dialerd: Dialerd, etc: Path) -> None:
    done = installed(dialerd, etc)
    assert set(done.values()) == {"written"}
    for file in (ROOT / "asterisk-config").iterdir():
        assert (etc / "asterisk" / "dialerd" / file.name).read_bytes() == file.read_bytes()
    for place in (
        "systemd/system/dialerd.service",
        "systemd/system/dialerd-web.service",
        "sysusers.d/dialerd.conf",
        "tmpfiles.d/dialerd.conf",
        "dialerd/dialerd.env",
    ):
        assert place in done
        assert (etc / place).stat().st_mode & 0o777 == 0o644


def test_the_units_start_the_program_that_has_written_them(dialerd: Dialerd, etc: Path) -> None:
    installed(dialerd, etc)
    unit = (etc / "systemd" / "system" / "dialerd-web.service").read_text()
    assert f"ExecStart={Path(sys.executable).with_name('dialerd')} web\n" in unit


def test_a_second_run_finds_everything_up_to_date(dialerd: Dialerd, etc: Path) -> None:
    installed(dialerd, etc)
    assert set(installed(dialerd, etc).values()) == {"up to date"}


def test_a_dry_run_writes_nothing(dialerd: Dialerd, etc: Path) -> None:
    assert set(installed(dialerd, etc, "--dry-run").values()) == {"written"}
    assert not etc.exists()


def test_what_somebody_has_changed_is_left_unless_it_is_forced(dialerd: Dialerd, etc: Path) -> None:
    installed(dialerd, etc)
    file = etc / "dialerd" / "dialerd.env"
    file.write_text("DIALERD_LOG__LEVEL=debug\n")
    assert installed(dialerd, etc)["dialerd/dialerd.env"] == LEFT
    assert file.read_text() == "DIALERD_LOG__LEVEL=debug\n"
    assert installed(dialerd, etc, "--force")["dialerd/dialerd.env"] == "replaced"
    assert file.read_bytes() == (ROOT / "systemd" / "dialerd.env.sample").read_bytes()


def test_what_an_earlier_version_has_written_is_replaced(dialerd: Dialerd, etc: Path) -> None:
    """As the record tells: the file is as it was written then, and differs from what is shipped now."""
    installed(dialerd, etc)
    name = "asterisk/dialerd/extensions_dialerd.conf"
    record = etc / "asterisk" / "dialerd" / ".dialerd-installed.json"
    older = "; an older one\n"
    (etc / name).write_text(older)
    assert installed(dialerd, etc)[name] == LEFT
    said = json.loads(record.read_text())
    said[str(etc / name)] = hashlib.sha256(older.encode()).hexdigest()
    record.write_text(json.dumps(said))
    assert installed(dialerd, etc)[name] == "replaced"


def test_a_record_that_cannot_be_read_makes_nobodys_changes_ours(dialerd: Dialerd, etc: Path) -> None:
    installed(dialerd, etc)
    (etc / "dialerd" / ".dialerd-installed.json").write_text("nonsense")
    (etc / "dialerd" / "dialerd.env").write_text("#\n")
    assert installed(dialerd, etc)["dialerd/dialerd.env"] == LEFT


def test_a_folder_that_cannot_be_written_is_told(dialerd: Dialerd, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    told = dialerd.refused("install-config", "--systemd", str(in_the_way))
    assert str(in_the_way) in told
    assert "run it as a user who may write there" in told
