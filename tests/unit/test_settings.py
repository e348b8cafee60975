from datetime import timedelta
from pathlib import Path

import pytest

from dialerd.errors import SettingsError
from dialerd.settings import Settings, changed_fields, load


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIALERD_CONFIG", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def a_file(folder: Path, text: str) -> Path:
    path = folder / "dialerd.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(config: Path | None = None) -> str:
    with pytest.raises(SettingsError) as told:
        load(config)
    return str(told.value)


def test_without_any_source_the_defaults_hold() -> None:
    settings = load()
    assert (settings.ami.port, settings.http.host) == (5038, "127.0.0.1")
    assert settings.dialer.rescue_after == timedelta(seconds=60)


def test_a_later_source_wins_over_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = a_file(tmp_path, '[ami]\nhost = "file"\nuser = "file"\nsecret = "file"\n')
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "ami__user").write_text("credential\n")
    (credentials / "ami__secret").write_text("credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("DIALERD_AMI__SECRET", "environment")
    ami = load(config).ami
    assert (ami.host, ami.user, ami.secret.get_secret_value()) == ("file", "credential", "environment")


def test_the_file_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_CONFIG", str(a_file(tmp_path, "[http]\nport = 9999\n")))
    assert load().http.port == 9999


@pytest.mark.parametrize(
    ("written", "meant"),
    [("15", 15), ("500ms", 0.5), ("15s", 15), ("2 m", 120), ("0.05h", 180)],
)
def test_lengths_of_time_carry_their_unit_or_are_seconds(
    written: str, meant: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_DIALER__LEASE_DURATION", written)
    if 3 <= meant <= 300:
        assert load().dialer.lease_duration == timedelta(seconds=meant)
    else:
        assert "DIALERD_DIALER__LEASE_DURATION" in problems()


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = a_file(tmp_path, '[ami]\nsecrt = "hidden"\nport = "abc"\n[trunk]\ndial_template = "SIP/x"\n[aim]\nx = 1\n')
    monkeypatch.setenv("DIALERD_HTTP__PORT", "99999")
    monkeypatch.setenv("DIALERD_LGO__LEVEL", "info")
    told = problems(config)
    for place in ("ami.secrt", "ami.port", "trunk.dial_template", "aim"):
        assert f"{config}: {place}: " in told
    assert "DIALERD_HTTP__PORT: " in told
    assert "DIALERD_LGO__LEVEL: there is no such group" in told
    assert "hidden" not in told


@pytest.mark.parametrize(
    ("text", "why"),
    [("[ami", "is not TOML"), ("ami = 5", "ami: "), ('ami.secret = "\x01"', "is not TOML")],
)
def test_a_file_that_is_none_is_told(text: str, why: str, tmp_path: Path) -> None:
    assert why in problems(a_file(tmp_path, text))


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert "cannot be read" in problems(tmp_path / "missing.toml")


RESERVE = '{"name": "reserve", "dial_template": "PJSIP/{digits}@other"}'


def test_a_node_may_have_backup_trunks_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = '[[trunk.backups]]\nname = "{}"\ndial_template = "PJSIP/{{digits}}@{}"\nmax_calls_per_second = 5\n'
    config = a_file(tmp_path, backup.format("one", "a") + backup.format("two", "b"))
    trunk = load(config).trunk
    assert (trunk.name, [each.name for each in trunk.backups]) == ("carrier", ["one", "two"])
    assert [each.max_calls_per_second for each in trunk.backups] == [5, 5]
    monkeypatch.setenv("DIALERD_TRUNK__BACKUPS", f"[{RESERVE}]")
    assert [each.dial_template for each in load(config).trunk.backups] == ["PJSIP/{digits}@other"]


@pytest.mark.parametrize(
    ("backups", "where", "why"),
    [
        (f"[{RESERVE}, {RESERVE}]", "DIALERD_TRUNK__BACKUPS: ", "two trunks are called reserve"),
        ('[{"name": "carrier", "dial_template": "PJSIP/{digits}@b"}]', "DIALERD_TRUNK__BACKUPS: ", "called carrier"),
        ('[{"name": "b", "dial_template": "PJSIP/b"}]', "DIALERD_TRUNK__BACKUPS__0__DIAL_TEMPLATE: ", "one channel"),
        ('[{"name": "b"}]', "trunk.backups.0.dial_template: ", "Field required"),
        ('[{"name": "b c", "dial_template": "PJSIP/{digits}@b"}]', "DIALERD_TRUNK__BACKUPS__0__NAME: ", "pattern"),
        ("reserve", "trunk", "set single fields"),
    ],
)
def test_what_is_wrong_with_a_backup_trunk_is_told_with_its_place(
    backups: str, where: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_TRUNK__BACKUPS", backups)
    told = problems()
    assert where in told
    assert why in told


def test_a_group_as_json_that_is_none_is_told_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_AMI", "secret=hidden")
    assert "hidden" not in problems()


@pytest.mark.parametrize(
    "template",
    [
        "PJSIP/carrier",
        "PJSIP/{digits}@a&PJSIP/1@b",
        "PJSIP/{digits}{e164}@a",
        "PJSIP/{number}@a",
        "PJSIP/{digits}@a,30,g",
        "PJSIP/{digits}@a\nX: y",
        "Local/{digits}@from;1",
    ],
)
def test_a_dial_template_names_one_channel_and_nothing_else(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_TRUNK__DIAL_TEMPLATE", template)
    assert "DIALERD_TRUNK__DIAL_TEMPLATE" in problems()


@pytest.mark.parametrize(
    "template", ["PJSIP/{digits}@carrier", "PJSIP/+{digits}@a", "PJSIP/a/sip:{e164}@10.0.0.1:5060"]
)
def test_a_dial_template_may_have_prefixes_and_addresses(template: str) -> None:
    assert Settings(trunk={"dial_template": template}).trunk.dial_template == template


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DIALERD_DATABASE__DSN", "mysql://host"),
        ("DIALERD_ARI__BASE_URL", "http://user:password@host"),
        ("DIALERD_ARI__APP", "a b"),
        ("DIALERD_DIALER__MESSAGE_SOUND", "a,b"),
        ("DIALERD_TRUNK__MAX_CALLS_PER_SECOND", "0"),
        ("DIALERD_LOG__LEVEL", "loud"),
        ("DIALERD_RECORDINGS__KEEP_FOR", "30s"),
        ("DIALERD_RECORDINGS__KEEP_FOR", "a while"),
        ("DIALERD_RECORDINGS__LOOK_AFTER", "0"),
    ],
)
def test_values_that_cannot_work_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert f"{name}: " in problems()


@pytest.mark.parametrize(
    ("written", "meant"), [("90d", timedelta(days=90)), ("3600", timedelta(hours=1)), ("none", None), (" None ", None)]
)
def test_recordings_are_kept_for_a_time_or_for_ever(
    written: str, meant: timedelta | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load().recordings.keep_for is None
    monkeypatch.setenv("DIALERD_RECORDINGS__KEEP_FOR", written)
    assert load().recordings.keep_for == meant


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        database={"dsn": "postgresql://u:sesame@h/d"}, ami={"secret": "sesame"}, ari={"password": "sesame"}
    )
    assert "sesame" not in repr(settings) + settings.model_dump_json()


def test_dialing_needs_both_logins() -> None:
    with pytest.raises(SettingsError, match=r"(?s)ami\.secret.*ari\.password"):
        Settings().require_asterisk()
    Settings(ami={"secret": "a"}, ari={"password": "b"}).require_asterisk()


def test_the_address_of_the_rest_interface_may_end_in_ari() -> None:
    assert Settings(ari={"base_url": "http://pbx:8088/ari/"}).ari.base_url == "http://pbx:8088"


def test_what_two_settings_differ_in_is_told_by_name_and_never_by_value() -> None:
    old = Settings(ami={"secret": "sesame"}, log={"level": "info"})
    new = Settings(ami={"secret": "open"}, log={"level": "debug"})
    assert changed_fields(old, new) == {"ami.secret", "log.level"}
    assert changed_fields(old, old) == set()
