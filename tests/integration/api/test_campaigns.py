"""Campaigns over REST: built, validated, steered, looked at."""

import asyncio
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.leads import LeadState
from dialerd.domain.pacing import HoldReason, Verdict
from dialerd.domain.roles import Role
from dialerd.errors import NotFound
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.factories import a_new_lead
from tests.integration.api.conftest import ClientOf
from tests.integration.store import scene

pytestmark = pytest.mark.integration

CAMPAIGNS = "/api/v1/campaigns"
PLAIN = {"name": "Summer", "queue": "sales"}
NUMBER = {"number": "+12025550199", "name": "Example Ltd"}
ROW = {"start": "09:00:00", "end": "17:00:00", "weekdays": ["mon"], "month_days": [1, 15], "months": [5]}

# Each setting with a value that is not the usual one, as JSON has it.
SETTINGS: dict[str, Any] = {
    "name": "Autumn",
    "queue": "support",
    "note": "for the fair",
    "dial_mode": "agent_first",
    "target": "last_agent",
    "target_agent": "PJSIP/1001",
    "menu": "appointment",
    "preview_order": "accept_first",
    "offer_s": 600,
    "gate": "rate",
    "calls_per_second": 2.5,
    "concurrency": 50,
    "max_attempts": 5,
    "cooloff_s": 0,
    "cooloff_2nd_s": 60,
    "cooloff_3rd_s": 2592000,
    "dial_cycles": 2,
    "dial_cycles_time": "06:30:00",
    "outcome_rules": {"busy": {"retry": True, "delay_s": 300, "max_attempts": 2}},
    "alternates": "each_attempt",
    "schedule": [ROW],
    "lead_window": {"start": "09:00:00", "end": "20:00:00"},
    "day_plan": {"days": [{"day": 0, "times": ["09:00:00"]}], "window_h": 2.0},
    "caller_id_enabled": True,
    "rotation": "sticky",
    "profile": "us",
    "ring_timeout_s": 120,
    "customer_wait_sla_s": 60,
    "agent_dial_timeout_s": 300,
    "wrapup_s": 3600,
    "greeting": "custom/one-moment",
    "agent_announcement": "custom/next",
    "no_agent": "message_at_sla",
    "mask_lead_caller_id": True,
    "send_lead_data": True,
    "recording": True,
    "machine_detection": "hang_up",
    "machine_audit_pct": 100,
    "abandonment_cap_pct": 2.5,
    "on_cap": "pause",
    "dispositions": [{"code": "sold", "title": "Sold", "effect": "done"}],
}
UNSET = {"cooloff_2nd_s", "cooloff_3rd_s", "schedule", "lead_window", "day_plan", "profile", "abandonment_cap_pct"}


async def a_campaign(owner: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    made = await owner.post(CAMPAIGNS, json={**PLAIN, **changes})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


async def a_foreign_campaign(stores: Stores) -> int:
    other = await stores.accounts.create("elsewhere")
    return (await stores.campaigns.create(CampaignSettings(name="theirs", queue="sales"), account=other.name)).id


async def a_running_campaign(owner: httpx.AsyncClient, stores: Stores) -> int:
    made: int = (await a_campaign(owner))["id"]
    await stores.leads.add(made, [a_new_lead()])
    started = await owner.post(f"{CAMPAIGNS}/{made}/actions", json={"action": "start"})
    assert started.json()["status"] == "running", started.text
    return made


# --- building ---------------------------------------------------------------------------------------------------------


def test_every_setting_is_tried_below() -> None:
    assert set(SETTINGS) == {field.name for field in fields(CampaignSettings)}


async def test_each_setting_is_changed_and_shown_as_it_was_sent(owner: httpx.AsyncClient) -> None:
    for number, (name, value) in enumerate(SETTINGS.items()):
        made = await a_campaign(owner, name=f"list {number}")
        changed = await owner.patch(f"{CAMPAIGNS}/{made['id']}", json={name: value})
        assert changed.status_code == 200, changed.text
        assert changed.json()["settings"] == {**made["settings"], name: value}
        assert (await owner.get(f"{CAMPAIGNS}/{made['id']}")).json()["settings"] == changed.json()["settings"]


async def test_null_takes_away_what_may_be_missing_and_nothing_else(owner: httpx.AsyncClient) -> None:
    for number, (name, value) in enumerate(SETTINGS.items()):
        made = await a_campaign(owner, **{**({name: value} if name in UNSET else {}), "name": f"list {number}"})
        answer = await owner.patch(f"{CAMPAIGNS}/{made['id']}", json={name: None})
        if name in UNSET:
            assert answer.json()["settings"] == {**made["settings"], name: None}
        else:
            assert kind_of(answer) == (422, "/problems/invalid-request")
            assert [problem.partition(":")[0] for problem in answer.json()["problems"]] == [name]


async def test_a_campaign_is_created_with_its_numbers_and_says_where_it_is(owner: httpx.AsyncClient) -> None:
    made = await owner.post(CAMPAIGNS, json={**PLAIN, "caller_id_enabled": True, "caller_ids": [NUMBER]})
    campaign = made.json()
    assert made.headers["location"] == f"{CAMPAIGNS}/{campaign['id']}"
    assert (campaign["status"], campaign["settings"]["caller_id_enabled"]) == ("draft", True)
    pool = (await owner.get(f"{CAMPAIGNS}/{campaign['id']}/caller-ids")).json()["items"]
    assert [(one["number"], one["name"]) for one in pool] == [(NUMBER["number"], NUMBER["name"])]


async def test_each_wrong_field_is_named_with_its_place(owner: httpx.AsyncClient) -> None:
    wrong = {
        **PLAIN,
        "qeueu": "sales",
        "concurrency": "10",
        "schedule": [{"start": "09:00", "end": "17:00", "weekday": ["mon"]}],
        "outcome_rules": {"engaged": {"retry": True}},
    }
    answer = await owner.post(CAMPAIGNS, json=wrong)
    assert kind_of(answer) == (422, "/problems/invalid-request")
    places = sorted(problem.partition(":")[0] for problem in answer.json()["problems"])
    assert places == ["concurrency", "outcome_rules.engaged.[key]", "qeueu", "schedule.0.weekday"]


async def test_everything_that_the_rules_find_wrong_is_said_at_once(owner: httpx.AsyncClient) -> None:
    answer = await owner.post(CAMPAIGNS, json={"name": "x", "queue": "", "concurrency": 0})
    assert kind_of(answer) == (422, "/problems/invalid-campaign")
    assert len(answer.json()["problems"]) == 2


async def test_what_the_database_cannot_hold_is_refused_and_never_an_error_of_ours(owner: httpx.AsyncClient) -> None:
    for change in (
        {"note": "a\0b"},
        {"note": "x" * 10_001},
        {"calls_per_second": 1e300},
        {"wrapup_s": 2**80},
        {"profile": "martian"},
        {"caller_ids": [{"number": "not a number"}]},
        {"dispositions": [{"code": "\0", "title": "", "effect": "done"}]},
    ):
        answer = await owner.post(CAMPAIGNS, json={**PLAIN, **change})
        assert answer.status_code == 422, change
    lone = await owner.post(CAMPAIGNS, content=b'{"name": "\\ud800", "queue": "sales"}')
    assert lone.status_code == 422


async def test_a_second_campaign_of_one_name_is_refused(owner: httpx.AsyncClient) -> None:
    await a_campaign(owner)
    again = await owner.post(CAMPAIGNS, json=PLAIN)
    assert again.json()["problems"] == ["name: another campaign is called Summer"]


# --- two editors ------------------------------------------------------------------------------------------------------


async def test_of_two_edits_with_the_same_etag_one_wins(owner: httpx.AsyncClient) -> None:
    made = await a_campaign(owner)
    where = f"{CAMPAIGNS}/{made['id']}"
    etag = (await owner.get(where)).headers["etag"]
    edits = [owner.patch(where, json={"note": note}, headers={"If-Match": etag}) for note in ("one", "two")]
    answers = await asyncio.gather(*edits)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    [won] = [answer for answer in answers if answer.status_code == 200]
    assert (await owner.get(where)).headers["etag"] == won.headers["etag"] != etag
    lost = await owner.patch(where, json={"note": "late"}, headers={"If-Match": etag})
    assert kind_of(lost) == (412, "/problems/changed-meanwhile")


async def test_without_if_match_or_with_any_the_last_edit_wins(owner: httpx.AsyncClient) -> None:
    where = f"{CAMPAIGNS}/{(await a_campaign(owner))['id']}"
    for headers in ({}, {"If-Match": "*"}):
        assert (await owner.patch(where, json={"note": "x"}, headers=headers)).status_code == 200


# --- validating -------------------------------------------------------------------------------------------------------


async def test_settings_are_validated_without_a_campaign(owner: httpx.AsyncClient) -> None:
    await a_campaign(owner)
    sent = {**PLAIN, "concurrency": 0, "profile": "martian", "target": "menu", "menu": "nowhere"}
    found = (await owner.post(f"{CAMPAIGNS}/validate", json=sent)).json()
    assert [problem.partition(":")[0] for problem in found["problems"]] == ["concurrency", "compliance profile", "name"]
    assert [problem.partition(":")[0] for problem in found["start_problems"]] == ["leads", "menu"]
    assert len((await owner.get(CAMPAIGNS)).json()["items"]) == 1


async def test_a_campaign_is_validated_with_changes_that_are_not_made(owner: httpx.AsyncClient, stores: Stores) -> None:
    made = await a_campaign(owner)
    await stores.leads.add(made["id"], [a_new_lead()])
    where = f"{CAMPAIGNS}/{made['id']}"
    assert (await owner.post(f"{where}/validate", json={})).json() == {"problems": [], "start_problems": []}
    changed = (await owner.post(f"{where}/validate", json={"caller_id_enabled": True, "max_attempts": 99})).json()
    assert [problem.partition(":")[0] for problem in changed["problems"]] == ["attempts"]
    assert [problem.partition(":")[0] for problem in changed["start_problems"]] == ["caller IDs"]
    assert (await owner.get(where)).json()["settings"] == made["settings"]


# --- its life ---------------------------------------------------------------------------------------------------------


async def test_a_start_is_refused_with_every_reason(owner: httpx.AsyncClient) -> None:
    made = await a_campaign(owner, caller_id_enabled=True)
    refused = await owner.post(f"{CAMPAIGNS}/{made['id']}/actions", json={"action": "start"})
    assert kind_of(refused) == (409, "/problems/start-refused")
    assert [problem.partition(":")[0] for problem in refused.json()["problems"]] == ["leads", "caller IDs"]


async def test_a_campaign_is_led_through_its_life(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign = await a_running_campaign(owner, stores)
    seen = []
    for action in ("pause", "resume", "stop", "start", "cancel"):
        answer = await owner.post(f"{CAMPAIGNS}/{campaign}/actions", json={"action": action})
        seen.append((answer.status_code, answer.json()["status"]))
    assert seen == [(200, status) for status in ("paused", "running", "stopped", "running", "cancelled")]
    over = await owner.post(f"{CAMPAIGNS}/{campaign}/actions", json={"action": "start"})
    assert kind_of(over) == (409, "/problems/illegal-transition")
    assert (await owner.get(f"{CAMPAIGNS}/{campaign}")).json()["possible_actions"] == []


async def test_a_campaign_is_scheduled_for_a_time_to_come(owner: httpx.AsyncClient, stores: Stores) -> None:
    made = await a_campaign(owner)
    await stores.leads.add(made["id"], [a_new_lead()])
    at = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    sent = {"action": "schedule", "at": at.isoformat()}
    scheduled = (await owner.post(f"{CAMPAIGNS}/{made['id']}/actions", json=sent)).json()
    assert (scheduled["status"], datetime.fromisoformat(scheduled["starts_at"])) == ("scheduled", at)


async def test_an_action_that_means_nothing_is_refused(owner: httpx.AsyncClient) -> None:
    made = await a_campaign(owner)
    for sent in (
        {"action": "complete"},
        {"action": "schedule"},
        {"action": "schedule", "at": "2020-01-01T00:00:00Z"},
        {"action": "schedule", "at": "9999-12-31T23:59:59-14:00"},
        {"action": "schedule", "at": "2027-01-01T00:00:00"},
        {"action": "start", "at": "2027-01-01T00:00:00Z"},
        {"action": "explode"},
        {},
    ):
        refused = await owner.post(f"{CAMPAIGNS}/{made['id']}/actions", json=sent)
        assert kind_of(refused) == (422, "/problems/invalid-request"), sent


# --- who may ----------------------------------------------------------------------------------------------------------


async def test_who_may_steer_changes_pace_and_lines_alone(
    owner: httpx.AsyncClient, client_of: ClientOf, stores: Stores
) -> None:
    where = f"{CAMPAIGNS}/{await a_running_campaign(owner, stores)}"
    supervisor = client_of(Role.SUPERVISOR)
    assert (await supervisor.patch(where, json={"calls_per_second": 2, "concurrency": 3})).status_code == 200
    assert kind_of(await supervisor.patch(where, json={"concurrency": 4, "note": "x"})) == (
        403,
        "/problems/not-permitted",
    )
    assert (await owner.get(where)).json()["settings"]["concurrency"] == 3
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    codes = {}
    for sent in ({"action": "pause"}, {"action": "stop"}, {"action": "schedule", "at": later}, {"action": "cancel"}):
        codes[sent["action"]] = (await supervisor.post(f"{where}/actions", json=sent)).status_code
    assert codes == {"pause": 200, "stop": 200, "schedule": 403, "cancel": 403}


async def test_a_campaign_of_another_account_is_not_there(owner: httpx.AsyncClient, stores: Stores) -> None:
    theirs = await a_foreign_campaign(stores)
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/explain", None),
        ("GET", "/caller-ids", None),
        ("PATCH", "", {"note": "x"}),
        ("POST", "/validate", {}),
        ("POST", "/actions", {"action": "start"}),
        ("POST", "/clone", {"name": "mine now"}),
        ("PUT", "/caller-ids", {"numbers": []}),
        ("PATCH", "/caller-ids/+12025550199", {"daily_cap": 1}),
        ("DELETE", "", None),
    ):
        answer = await owner.request(method, f"{CAMPAIGNS}/{theirs}{path}", json=body)
        assert kind_of(answer) == (404, "/problems/not-found"), (method, path)
    assert (await owner.get(CAMPAIGNS)).json()["items"] == []
    assert (await stores.campaigns.get_campaign(theirs)).settings.note == ""


async def test_an_id_or_a_question_that_cannot_be_is_refused(owner: httpx.AsyncClient) -> None:
    for campaign in ("0", "-1", "seven", str(2**63), "9" * 400):
        assert (await owner.get(f"{CAMPAIGNS}/{campaign}")).status_code == 422, campaign
    questions: list[dict[str, Any]] = [
        {"text": "a\0"},
        {"limit": 0},
        {"limit": 501},
        {"after": "x"},
        {"status": "lost"},
    ]
    for params in questions:
        assert (await owner.get(CAMPAIGNS, params=params)).status_code == 422, params


async def test_what_was_changed_stands_in_the_audit_log(owner: httpx.AsyncClient, pool: Pool) -> None:
    made = await a_campaign(owner)
    await owner.patch(f"{CAMPAIGNS}/{made['id']}", json={"note": "secret plans", "concurrency": 3})
    said = await pool.fetchrow("SELECT * FROM audit_log ORDER BY id DESC LIMIT 1")
    assert said is not None
    assert said["action"] == f"PATCH {CAMPAIGNS}/{{campaign_id}}"
    assert (said["target"], said["details"]) == (
        {"campaign_id": str(made["id"])},
        {"changed": ["concurrency", "note"]},
    )


# --- cloning and deleting -----------------------------------------------------------------------------------------------


async def test_a_clone_has_all_but_the_leads(owner: httpx.AsyncClient, stores: Stores) -> None:
    numbers = [{**NUMBER, "daily_cap": 7}, {"number": "+12025550198"}]
    made = await a_campaign(owner, note="first", profile="uk", caller_ids=numbers)
    await stores.leads.add(made["id"], [a_new_lead()])
    await stores.crm_sources.put(made["id"], {"url": "https://crm.example/leads"})
    answer = await owner.post(f"{CAMPAIGNS}/{made['id']}/clone", json={"name": "Winter"})
    clone = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{CAMPAIGNS}/{clone['id']}")
    assert clone["settings"] == {**made["settings"], "name": "Winter"}
    assert (clone["status"], clone["total"]) == ("draft", 0)
    pool = (await owner.get(f"{CAMPAIGNS}/{clone['id']}/caller-ids")).json()["items"]
    assert [(one["number"], one["daily_cap"]) for one in pool] == [("+12025550199", 7), ("+12025550198", None)]
    source = await stores.crm_sources.get(clone["id"])
    assert (source.source, source.synced_at) == ({"url": "https://crm.example/leads"}, None)
    taken = await owner.post(f"{CAMPAIGNS}/{made['id']}/clone", json={"name": "Winter"})
    assert kind_of(taken) == (422, "/problems/invalid-campaign")


async def test_a_draft_is_deleted_with_its_leads(
    owner: httpx.AsyncClient, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialerd.store.campaigns.DELETE_BATCH", 2)
    made = await a_campaign(owner, caller_ids=[NUMBER])
    await stores.leads.add(made["id"], scene.some_leads(5))
    await stores.crm_sources.put(made["id"], {"url": "https://crm.example/leads"})
    assert (await owner.delete(f"{CAMPAIGNS}/{made['id']}")).status_code == 204
    assert (await owner.get(f"{CAMPAIGNS}/{made['id']}")).status_code == 404
    with pytest.raises(NotFound):
        await stores.campaigns.get_campaign(made["id"])


async def test_a_campaign_that_runs_or_has_dialed_is_not_deleted(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign = await a_running_campaign(owner, stores)
    running = await owner.delete(f"{CAMPAIGNS}/{campaign}")
    assert kind_of(running) == (409, "/problems/illegal-transition")
    await one_dial(stores, campaign)
    await owner.post(f"{CAMPAIGNS}/{campaign}/actions", json={"action": "cancel"})
    dialed = await owner.delete(f"{CAMPAIGNS}/{campaign}")
    assert kind_of(dialed) == (409, "/problems/campaign-kept")
    assert (await owner.get(f"{CAMPAIGNS}/{campaign}")).json()["total"] == 1


async def one_dial(stores: Stores, campaign_id: int) -> None:
    """A call of it is in flight."""
    await stores.nodes.register("one", "0")
    campaign = await stores.campaigns.get_campaign(campaign_id)
    lease = await stores.campaigns.take_lease(campaign_id, node="one", duration=scene.LEASE)
    assert lease is not None
    assert (await stores.attempts.open_next(campaign, lease)).opened


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_campaigns_are_listed_page_by_page(owner: httpx.AsyncClient) -> None:
    made = [(await a_campaign(owner, name=f"list {number}"))["id"] for number in range(5)]
    seen: list[int] = []
    after: str | None = "0"
    while after is not None:
        page = (await owner.get(CAMPAIGNS, params={"limit": 2, "after": after})).json()
        seen += [one["id"] for one in page["items"]]
        after = page["next"]
    assert seen == made


async def test_campaigns_are_found_by_status_and_text(owner: httpx.AsyncClient, stores: Stores) -> None:
    running = await a_running_campaign(owner, stores)
    draft = (await a_campaign(owner, name="Winter", note="100% WOOL"))["id"]

    async def found(**params: Any) -> list[int]:
        return [one["id"] for one in (await owner.get(CAMPAIGNS, params=params)).json()["items"]]

    assert await found(status="running") == [running]
    assert await found(status=["running", "draft"]) == [running, draft]
    assert await found(text="0% wool") == [draft]
    assert await found(text="sal") == [running, draft]
    assert await found(text="%") == [draft]
    assert await found(text="sal", status="paused") == []


async def test_a_campaign_says_how_far_it_is_and_why_it_does_not_dial(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign = await a_running_campaign(owner, stores)
    undialed = (await owner.get(f"{CAMPAIGNS}/{campaign}")).json()
    assert undialed["hold"]["sentence"].startswith("no daemon dials it")
    await one_dial(stores, campaign)
    lease = await stores.campaigns.take_lease(campaign, node="one", duration=scene.LEASE)
    assert lease is not None
    forbids = Verdict(reason=HoldReason.NO_FREE_AGENT, allows=False, fact={"agents": 0})
    await stores.campaigns.note_hold(lease, HoldReason.NO_FREE_AGENT, "nobody is free", None, [forbids])
    shown = (await owner.get(CAMPAIGNS)).json()["items"][0]
    assert (shown["total"], shown["done"], shown["in_flight"], shown["dialed_by"]) == (1, 0, 1, "one")
    assert shown["leads"] == {state: int(state is LeadState.DIALING) for state in LeadState}
    assert shown["hold"] == {"reason": "no_free_agent", "sentence": "nobody is free", "until": None}
    assert shown["abandonment"]["answered"] == 0
    told = (await owner.get(f"{CAMPAIGNS}/{campaign}/explain")).json()
    assert told["why"] == "nobody is free"
    [verdict] = told["verdicts"]
    assert (verdict["rule"], verdict["allows"], verdict["fact"]) == ("no_free_agent", False, {"agents": 0})
    assert "no agent of the bound queue is free" in verdict["sentence"]


async def test_abandonment_stands_against_its_cap(owner: httpx.AsyncClient, stores: Stores, pool: Pool) -> None:
    campaign = await a_running_campaign(owner, stores)
    await owner.patch(f"{CAMPAIGNS}/{campaign}", json={"abandonment_cap_pct": 4})
    period = (await stores.campaigns.abandonment(await stores.campaigns.get_campaign(campaign))).until
    assert period is not None
    await pool.execute("INSERT INTO abandonment VALUES ($1, $2, 10, 7, 2)", campaign, period - timedelta(days=1))
    shown = (await owner.get(f"{CAMPAIGNS}/{campaign}")).json()["abandonment"]
    told = {name: shown[name] for name in ("answered", "in_time", "abandoned", "rate", "cap")}
    assert told == {"answered": 10, "in_time": 7, "abandoned": 2, "rate": 0.2, "cap": 0.04}
