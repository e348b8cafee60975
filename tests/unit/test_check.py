from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dialerd import check
from dialerd.compliance import profiles
from dialerd.domain.calls import NoAgent
from dialerd.domain.campaigns import Campaign, CampaignStatus, Target
from dialerd.domain.menus import Choice, MenuAction, MenuNode, VoiceMenu
from dialerd.errors import AsteriskUnavailable, SettingsError
from dialerd.settings import Settings
from dialerd.store.nodes import OldSnapshot
from tests.factories import a_campaign, settings
from tests.fakes.certificate import Certificate

LOGIN = {"DBGetTree", "Originate", "QueueAdd", "QueuePause", "QueueRemove"}
MENU = VoiceMenu(
    name="appointment",
    nodes={"start": MenuNode(prompt="custom/ask", choices={"1": Choice(action=MenuAction.END, sound="custom/thanks")})},
)


@pytest.mark.parametrize(
    ("version", "ok"),
    [
        ("22.10.1+dfsg", True),
        ("23.0.0", True),
        ("21.4.2", True),
        ("21.4.1", False),
        ("20.9.2", True),
        ("20.9.1", False),
        ("18.24.1", False),
        ("19.8.1", False),
        ("16.30.0", False),
        ("GIT-master-1234", True),
        ("", True),
    ],
)
def test_an_asterisk_with_known_holes_is_not_good_enough(version: str, ok: bool) -> None:
    assert check._judge_version(version).ok is ok


@pytest.mark.parametrize(
    ("allowed", "too_much"),
    [
        (LOGIN, None),
        (LOGIN | {"Command"}, "command"),
        (LOGIN | {"GetConfig", "ModuleLoad", "Command"}, "command, config, system"),
    ],
)
def test_a_login_that_could_take_over_the_pbx_is_named(allowed: set[str], too_much: str | None) -> None:
    verdict = check._judge_permissions(allowed)
    assert verdict.ok is (too_much is None)
    assert too_much is None or too_much in verdict.says


@pytest.mark.parametrize(("minutes", "ok"), [(4, True), (6, False)])
def test_a_transaction_that_does_not_end_is_named(minutes: int, ok: bool) -> None:
    age = timedelta(minutes=minutes)
    session = OldSnapshot(pid=4711, user="report", application="", state="idle in transaction", age=age)
    verdict = check._judge_snapshot(session)
    assert verdict.ok is ok
    assert ok or "process 4711 of user report (without a name, idle in transaction) keeps one open" in verdict.says
    assert check._judge_snapshot(None).ok


@pytest.mark.parametrize(("apart", "ok"), [(0, True), (4.9, True), (-4.9, True), (5, False), (-3600, False)])
def test_clocks_may_differ_by_less_than_five_seconds(apart: float, ok: bool) -> None:
    assert check._judge_clock(timedelta(seconds=apart)).ok is ok


def test_missing_migrations_are_named() -> None:
    assert check._judge_schema([]).ok
    verdict = check._judge_schema(["002_more.sql"])
    assert not verdict.ok
    assert "002_more.sql" in verdict.says


def test_a_campaign_whose_profile_nobody_knows_is_named_whatever_its_status() -> None:
    draft = a_campaign(settings=settings(profile="mine"), status=CampaignStatus.DRAFT)
    verdict = check._judge_profiles([a_campaign(), draft], profiles())
    assert not verdict.ok
    assert verdict.says == "Spring asks for mine, which is not known: set compliance.profile_file, or edit the campaign"


def test_a_campaign_that_runs_against_its_profile_is_named_with_what_is_wrong() -> None:
    """Not while it is a draft: there its start says so."""
    against = settings(profile="uk", ring_timeout_s=10)
    verdict = check._judge_profiles([a_campaign(settings=against)], profiles())
    assert not verdict.ok
    assert "Spring is not as uk demands: ring_timeout_s is 10: set 20 or more" in verdict.says
    assert check._judge_profiles([a_campaign(settings=against, status=CampaignStatus.DRAFT)], profiles()).ok


def test_campaigns_with_known_profiles_are_fine() -> None:
    as_uk_demands = settings(
        profile="uk", customer_wait_sla_s=2, caller_id_enabled=True, no_agent=NoAgent.MESSAGE_AT_SLA
    )
    assert check._judge_profiles([a_campaign(), a_campaign(settings=as_uk_demands)], profiles()).ok


def test_a_login_that_cannot_read_who_opted_out_is_told_what_to_give() -> None:
    verdict = check._judge_permissions(LOGIN - {"DBGetTree"})
    assert not verdict.ok
    assert "DBGetTree (class reporting)" in verdict.says


# --- voice menus and sounds -------------------------------------------------------------------------------------------


def a_site(*campaigns: Campaign, menus: Mapping[int, VoiceMenu | None] | None = None) -> check._Site:
    return check._Site(campaigns=list(campaigns), menus=dict(menus or {}), profiles=profiles())


def test_a_campaign_that_leads_to_a_menu_that_is_not_there_is_named() -> None:
    to_menu = a_campaign(settings=settings(target=Target.MENU, menu="appointment"))
    assert check._judge_menus(a_site(to_menu, menus={1: MENU})).ok
    verdict = check._judge_menus(a_site(to_menu, a_campaign(id=2), menus={1: None}))
    assert not verdict.ok
    assert verdict.says.startswith("Spring leads to appointment, which there is not")


def wanted(
    *campaigns: Campaign, menus: Mapping[int, VoiceMenu] | None = None, message: str = ""
) -> dict[str, set[str]]:
    site = a_site(*campaigns, menus=menus)
    return check._sounds_wanted(Settings(dialer={"message_sound": message}), site)


def test_the_sounds_are_those_that_a_call_of_a_running_or_scheduled_campaign_may_play() -> None:
    announced = settings(greeting="custom/one-moment", agent_announcement="custom/next")
    running = a_campaign(settings=announced)
    scheduled = a_campaign(id=2, status=CampaignStatus.SCHEDULED, settings=settings(name="Summer", target=Target.MENU))
    draft = a_campaign(id=3, status=CampaignStatus.DRAFT, settings=settings(greeting="custom/other"))
    assert wanted(running, scheduled, draft, menus={2: MENU}) == {
        "custom/one-moment": {"Spring"},
        "custom/next": {"Spring"},
        "custom/ask": {"Summer"},
        "custom/thanks": {"Summer"},
    }


@pytest.mark.parametrize(
    "changes",
    [{"no_agent": NoAgent.MESSAGE}, {"no_agent": NoAgent.MESSAGE_AT_SLA}, {"profile": "uk"}],
)
def test_who_hears_the_message_needs_its_sound(changes: dict[str, object]) -> None:
    campaign = a_campaign(settings=settings(**changes))
    assert wanted(campaign) == {check.OWN_MESSAGE: {"Spring"}}
    assert wanted(campaign, message="custom/sorry") == {"custom/sorry": {"Spring"}}
    assert wanted(a_campaign()) == {}


def test_a_sound_that_asterisk_does_not_have_is_named_with_who_wants_it() -> None:
    sounds = {"custom/ask": {"Spring", "Autumn"}, "custom/next": {"Spring"}}
    verdict = check._judge_sounds(sounds, {"custom/ask": False, "custom/next": True})
    assert not verdict.ok
    assert "does not have custom/ask (Autumn, Spring): put them into" in verdict.says
    assert check._judge_sounds(sounds, {"custom/ask": True, "custom/next": True}).ok
    assert check._judge_sounds({}, {}).ok


# --- Asterisk's REST interface ----------------------------------------------------------------------------------------

Answering = Callable[[web.Request], Awaitable[web.Response]]


def says(**answers: tuple[int, str]) -> Answering:
    """By the kind of thing that is asked for; what is not named is answered as by an Asterisk that has all that is needed."""
    usual = {
        "channels": (404, "Channel not found"),
        "recordings": (404, "Recording not found"),
        "sounds": (200, "there"),
    }

    async def answer(request: web.Request) -> web.Response:
        status, message = {**usual, **answers}[request.path.split("/")[2]]
        return web.json_response({"message": message}, status=status)

    return answer


@asynccontextmanager
async def a_rest_interface(answer: Answering) -> AsyncIterator[Settings]:
    application = web.Application()
    application.router.add_route("*", "/{anything:.*}", answer)
    async with TestServer(application) as server:
        yield Settings(ari={"base_url": f"http://{server.host}:{server.port}", "password": "sesame"})


async def looked_at(answer: Answering, site: check._Site) -> dict[str, check.Verdict]:
    async with a_rest_interface(answer) as ours:
        return {verdict.what: verdict async for verdict in check._look_at_rest(ours, site)}


PLAYING = a_site(a_campaign(settings=settings(greeting="custom/one-moment")))


async def test_a_rest_interface_that_has_all_that_is_needed_is_fine() -> None:
    found = await looked_at(says(), PLAYING)
    assert found.keys() == {"ARI", "recordings", "sounds"}
    assert all(verdict.ok for verdict in found.values())
    assert "custom/one-moment needed" in found["sounds"].says


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the user or the password is wrong"),
        (403, "set read_only = no"),
        (503, "try again"),
        (418, "answered 418"),
    ],
)
async def test_what_stands_on_a_login_that_failed_is_not_looked_at(status: int, words: str) -> None:
    found = await looked_at(says(channels=(status, "")), PLAYING)
    assert found.keys() == {"ARI"}
    assert words in found["ARI"].says
    assert not found["ARI"].ok


@pytest.mark.parametrize("answer", [(404, "Resource not found"), (500, "Allocation failed"), (403, "")])
async def test_recordings_that_cannot_be_read_are_told(answer: tuple[int, str]) -> None:
    found = await looked_at(says(recordings=answer), PLAYING)
    assert (found["ARI"].ok, found["recordings"].ok, found["sounds"].ok) == (True, False, True)
    assert "load res_ari_recordings" in found["recordings"].says


async def test_a_missing_sound_is_no_failure_of_the_interface() -> None:
    found = await looked_at(says(sounds=(404, "Sound not found")), PLAYING)
    assert (found["ARI"].ok, found["sounds"].ok) == (True, False)
    assert "custom/one-moment (Spring)" in found["sounds"].says


async def test_an_asterisk_that_cannot_tell_its_sounds_is_told_what_it_lacks() -> None:
    async with a_rest_interface(says(sounds=(404, "Resource not found"))) as ours:
        with pytest.raises(AsteriskUnavailable, match="load res_ari_sounds"):
            await check.sounds_on_pbx(ours.ari, ["custom/ask"])


async def test_the_slash_in_the_name_of_a_sound_is_no_step_of_the_path() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.json_response({})

    async with a_rest_interface(answer) as ours:
        assert await check.sounds_on_pbx(ours.ari, ["custom/ask"]) == {"custom/ask": True}
    assert asked == ["/ari/sounds/custom%2Fask"]


async def test_certificates_that_cannot_be_read_are_told() -> None:
    ours = Settings(ari={"base_url": "https://127.0.0.1:1", "tls_ca": "/nowhere/ca.pem"})
    with pytest.raises(SettingsError, match=r"/nowhere/ca\.pem"):
        await check.sounds_on_pbx(ours.ari, ["custom/ask"])
    (verdict,) = [verdict async for verdict in check._look_at_rest(ours, a_site())]
    assert "/nowhere/ca.pem" in verdict.says


# --- what is served ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("web", "ok"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "::1", "behind_proxy": True}, True),
        ({"host": "0.0.0.0"}, False),  # noqa: S104  it is what must not be
        ({"host": "192.0.2.1"}, False),
        ({"host": "dialer.example.org"}, False),
        ({"host": "192.0.2.1", "tls_cert": "cert.pem", "tls_key": "key.pem"}, True),
    ],
)
def test_passwords_leave_the_host_by_tls_alone(web: dict[str, object], ok: bool) -> None:
    assert check._judge_address(Settings(web=web).web).ok is ok


def test_a_certificate_that_ends_soon_is_named_and_one_that_cannot_be_used(tmp_path: Path) -> None:
    made = Certificate.made_in(tmp_path)
    soon = check._judge_certificate(Path(made.path), Path(made.key))
    assert not soon.ok  # it lasts for two days
    assert soon.says.endswith("renew it")
    wrong = check._judge_certificate(Path(made.key), Path(made.path))
    assert not wrong.ok
    assert "cannot be used" in wrong.says


def test_a_certificate_with_time_left_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Certificate.made_in(tmp_path)
    monkeypatch.setattr(check, "CERTIFICATE_WARNING", timedelta(hours=1))
    assert check._judge_certificate(Path(made.path), Path(made.key)).ok


def test_the_media_folder_must_be_there(tmp_path: Path) -> None:
    folder = tmp_path / "dialerd-media"
    verdict = check._judge_media_folder(folder)
    assert not verdict.ok
    assert str(folder) in verdict.says
    folder.mkdir()
    assert check._judge_media_folder(folder).ok


def test_hooks_that_are_open_to_others_are_named_as_such() -> None:
    assert "firewall" in check._judge_hooks(Settings(hooks={"host": "192.0.2.1", "port": 9110}).hooks).says
    assert "firewall" not in check._judge_hooks(Settings(hooks={"port": 9110}).hooks).says
