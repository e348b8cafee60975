"""The account over REST: what holds for all its campaigns."""

import asyncio
from dataclasses import fields
from typing import Any

import httpx
import pytest

from dialerd.domain.accounts import AccountRules
from dialerd.domain.roles import Role
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf

pytestmark = pytest.mark.integration

ACCOUNT = "/api/v1/account"

# Each rule with a value that is not the usual one, as JSON has it.
RULES: dict[str, Any] = {
    "time_zone": "Europe/London",
    "limits": {"max_calls_per_second": 5.5, "max_concurrency": 7, "max_attempts": 2, "max_pool": 3},
    "caller_id": {"number": "+12025550199", "name": "Example Ltd"},
    "business_hours": [{"start": "09:00:00", "end": "17:00:00", "weekdays": ["mon"], "month_days": None, "months": []}],
    "unknown_zone": "account",
    "lead_zone_trusted": True,
    "max_calls_24h": None,
    "max_calls_7d": 3,
    "abandon_lockout_h": 24,
    "allowed_prefixes": ["+44", "+1202"],
    "caller_id_prefixes": {"GB": ["+4420"]},
    "profile": "uk",
    "pause_reasons": ["Coffee", "Back office"],
}
WRONG: list[dict[str, Any]] = [
    {},
    {"time_zone": "Berlin"},
    {"time_zone": None},
    {"default_region": "XX"},
    {"profile": "martian"},
    {"max_calls_24h": 0},
    {"max_calls_7d": 2**40},
    {"limits": {"max_calls_per_second": 1000}},
    {"limits": {"max_calls_per_second": 0.0001}},
    {"limits": {"max_lines": 3}},
    {"caller_id": {"number": "0 20"}},
    {"caller_id": {"number": "+12025550199", "name": "a\nb"}},
    {"caller_id_prefixes": {"GB": ["x"]}},
    {"caller_id_prefixes": {"GB": []}},
    {"caller_id_prefixes": {"\0": ["+1"]}},
    {"allowed_prefixes": []},
    {"pause_reasons": ["Coffee", "Coffee"]},
    {"pause_reasons": ["a|b"]},
    {"pause_reasons": ["x" * 41]},
    {"pause_reasons": None},
    {"name": "mine"},
]


def test_every_rule_is_tried_below() -> None:
    assert set(RULES) == {field.name for field in fields(AccountRules)}


async def test_each_rule_is_changed_and_shown_as_it_was_sent(owner: httpx.AsyncClient) -> None:
    rules = (await owner.get(ACCOUNT)).json()["rules"]
    for name, value in RULES.items():
        changed = await owner.patch(ACCOUNT, json={name: value})
        assert changed.status_code == 200, changed.text
        rules |= {name: value}
        assert changed.json()["rules"] == rules
    assert (await owner.get(ACCOUNT)).json()["rules"] == rules


async def test_of_the_limits_only_those_that_are_sent_change(owner: httpx.AsyncClient) -> None:
    changed = (await owner.patch(ACCOUNT, json={"limits": {"max_pool": 9}, "default_region": "GB"})).json()
    assert changed["rules"]["limits"] == {
        "max_calls_per_second": 20,
        "max_concurrency": 50,
        "max_attempts": 5,
        "max_pool": 9,
    }
    assert changed["default_region"] == "GB"


async def test_a_campaign_made_afterwards_obeys(owner: httpx.AsyncClient) -> None:
    await owner.patch(ACCOUNT, json={"limits": {"max_concurrency": 2}})
    refused = await owner.post("/api/v1/campaigns", json={"name": "Summer", "queue": "sales", "concurrency": 3})
    assert refused.json()["problems"] == ["concurrency: from 1 to 2 calls in flight"]


async def test_what_cannot_be_is_refused_and_changes_nothing(owner: httpx.AsyncClient) -> None:
    before = (await owner.get(ACCOUNT)).json()
    for wrong in WRONG:
        assert (await owner.patch(ACCOUNT, json=wrong)).status_code == 422, wrong
    assert (await owner.get(ACCOUNT)).json() == before


async def test_of_two_edits_with_the_same_etag_one_wins(owner: httpx.AsyncClient) -> None:
    etag = (await owner.get(ACCOUNT)).headers["etag"]
    edits = [owner.patch(ACCOUNT, json={"max_calls_24h": most}, headers={"If-Match": etag}) for most in (1, 2)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*edits)) == [200, 412]


async def test_the_account_is_its_managers_to_change_and_everybodys_to_see(client_of: ClientOf, stores: Stores) -> None:
    codes = {}
    for role in Role:
        client = client_of(role)
        codes[role] = [
            (await client.get(ACCOUNT)).status_code,
            (await client.patch(ACCOUNT, json={"max_calls_24h": 4})).status_code,
        ]
    assert codes == {
        Role.OWNER: [200, 200],
        Role.ADMIN: [200, 200],
        Role.SUPERVISOR: [200, 403],
        Role.AGENT: [403, 403],
        Role.READ_ONLY: [200, 403],
    }
