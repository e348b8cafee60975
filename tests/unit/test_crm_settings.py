from ipaddress import ip_network
from pathlib import Path

import pytest

from dialerd.errors import SettingsError
from dialerd.settings import load


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIALERD_CONFIG", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def test_a_secret_comes_from_a_credential_the_environment_or_the_file_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "dialerd.toml"
    config.write_text('[crm.secrets]\nCrm_A = "from-file"\n')
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "crm__secrets__crm_b").write_text("from-credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("DIALERD_CRM__SECRETS__CRM_C", "from-environment")
    crm = load(config).crm
    told = {name: secret.get_secret_value() for name, secret in crm.secrets.items()}
    assert told == {"crm_a": "from-file", "crm_b": "from-credential", "crm_c": "from-environment"}
    assert "from-" not in f"{crm!r}{crm.model_dump(mode='json')}"


def test_a_stronger_place_wins_whatever_the_capitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "dialerd.toml"
    config.write_text('[crm.secrets]\nCRM = "from-file"\n')
    monkeypatch.setenv("DIALERD_CRM__SECRETS__CRM", "from-environment")
    assert load(config).crm.secrets["crm"].get_secret_value() == "from-environment"


def test_networks_that_may_be_asked_are_written_as_cidr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_CRM__ALLOWED_NETWORKS", '["10.20.0.0/24", "fd00::/8"]')
    assert load().crm.allowed_networks == (ip_network("10.20.0.0/24"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_NETWORKS", '["10.20.0.7/24"]'),
        ("SECRETS__A__B", "hidden"),
        ("TIMEOUT", "10m"),
        ("MAX_ANSWER_MB", "0"),
        ("MAX_LEADS", "many"),
        ("TRIES", "0"),
    ],
)
def test_a_value_that_cannot_be_is_told_and_not_repeated(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DIALERD_CRM__{name}", value)
    with pytest.raises(SettingsError) as told:
        load()
    assert "crm" in told.value.message.lower()
    assert "hidden" not in told.value.message
