from datetime import timedelta

import pytest

from dialerd import check
from dialerd.compliance import profiles
from dialerd.domain.campaigns import CampaignStatus
from tests.factories import a_campaign, settings


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
        ({"Originate", "QueueStatus"}, None),
        ({"Originate", "Command"}, "command"),
        ({"GetConfig", "ModuleLoad", "Command"}, "command, config, system"),
    ],
)
def test_a_login_that_could_take_over_the_pbx_is_named(allowed: set[str], too_much: str | None) -> None:
    verdict = check._judge_permissions(allowed)
    assert verdict.ok is (too_much is None)
    assert too_much is None or too_much in verdict.says


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
    as_uk_demands = settings(profile="uk", customer_wait_sla_s=2, caller_id_enabled=True)
    assert check._judge_profiles([a_campaign(), a_campaign(settings=as_uk_demands)], profiles()).ok
