"""Leads status, and the page of one lead."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User

from dialerd.api.parts import Parts
from dialerd.domain.leads import LeadState
from dialerd.portal.door import Door
from dialerd.portal.lead_words import life_text, next_text, rule_facts, rule_text
from dialerd.store.leads import LeadFilter
from dialerd.store.pool import Pool
from tests.portal.conftest import UserOf
from tests.portal.hands import confirm, press, put, rows, told_at, until
from tests.portal.scene import Scene

SCRIPT = "<script>alert(1)</script>"


async def _in_state(parts: Parts, campaign_id: int, state: LeadState) -> int:
    found, _ = await parts.stores.leads.search(campaign_id, LeadFilter(state=state), limit=1000)
    return len(found)


def _chips(user: User) -> dict[str, str]:
    """By their texts without the numbers: the whole texts of those that are shown."""
    with user:
        buttons = user.find(kind=ui.button).elements
    texts = [each.text for each in buttons if "d-chip" in each.classes and each.visible]
    return {text.rpartition(" ")[0]: text for text in texts}


# --- the leads of a campaign ------------------------------------------------------------------------------------------


async def test_leads_are_counted_by_state_and_the_address_says_which_are_shown(
    user_of: UserOf, scene: Scene, parts: Parts
) -> None:
    sue = await user_of("sue")
    await sue.open(f"/campaigns/{scene.running}/leads?state=failed")
    failed = await _in_state(parts, scene.running, LeadState.FAILED)
    assert _chips(sue)["Failed"] == f"Failed {failed}"
    shown = rows(sue, "state", "attempts", "due")
    assert shown == [("Failed", "0 of 3", "Not any more.")] * failed
    sue.find("All 120").click()
    await until(lambda: len(rows(sue, "state")) == 50, "all leads are listed")
    sue.find("Cool-off").click()
    await until(lambda: {state for (state,) in rows(sue, "state")} == {"Cool-off"}, "those that cool off are listed")
    assert all(due.startswith("Cool-off after a dial: not before 20") for (due,) in rows(sue, "due"))


async def test_leads_are_found_by_name_number_and_time_zone(user_of: UserOf, scene: Scene, pool: Pool) -> None:
    await pool.execute("UPDATE leads SET last_name = $2 WHERE id = $1", scene.lead, SCRIPT)
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}/leads")
    # No whole name begins so: the API's first page is empty, and the table goes on to last names by itself.
    put(olga, "Name begins with", "lindgr")
    await press(olga, "Search")
    await until(lambda: {name.split()[-1] for (name,) in rows(olga, "name")} == {"Lindgren"}, "the Lindgrens")
    put(olga, "Name begins with", "<scr")
    await press(olga, "Search")
    await until(lambda: [name for (name,) in rows(olga, "name")] == [f"Chloe {SCRIPT}"], "a name is no HTML")
    await press(olga, "Show all")
    await until(lambda: len(rows(olga, "name")) == 50, "all leads")
    put(olga, "Number begins with", "1 (999) 001-0007")
    put(olga, "Time zone", "Europe/London")
    await press(olga, "Search")
    await until(lambda: rows(olga, "number") == [], "lead 7 is not in London")
    put(olga, "Time zone", "")
    await press(olga, "Search")
    await until(lambda: rows(olga, "number") == [("+19990010007",)], "the number")
    put(olga, "Number begins with", "seven")
    await press(olga, "Search")
    await until(lambda: told_at(olga, "Number begins with").startswith("Write how the number"), "it is said")


async def test_of_two_searches_the_later_is_shown_though_the_first_is_answered_last(
    user_of: UserOf, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, has_begun, may_end, has_ended = Door.get, asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(door: Door, path: str, **query: Any) -> Any:
        found = await get(door, path, **query)
        if query.get("name") == "okafor":
            has_begun.set()
            await may_end.wait()
            if found["next"] is None or len(found["items"]) == query["limit"]:
                has_ended.set()
        return found

    monkeypatch.setattr(Door, "get", slow)
    olga = await user_of("olga")
    await olga.open(f"/campaigns/{scene.running}/leads")
    put(olga, "Name begins with", "okafor")
    await press(olga, "Search")
    await until(has_begun.is_set, "the first search")
    put(olga, "Name begins with", "lindgren")
    await press(olga, "Search")
    await until(lambda: {name.split()[-1] for (name,) in rows(olga, "name")} == {"Lindgren"}, "the Lindgrens")
    may_end.set()
    await until(has_ended.is_set, "the end of the first search")
    assert {name.split()[-1] for (name,) in rows(olga, "name")} == {"Lindgren"}


async def test_all_of_a_state_are_reset_and_a_campaign_that_runs_lets_none_go(
    user_of: UserOf, scene: Scene, parts: Parts
) -> None:
    adam = await user_of("adam")
    await adam.open(f"/campaigns/{scene.running}/leads?state=failed")
    failed = await _in_state(parts, scene.running, LeadState.FAILED)
    await press(adam, f"Delete all Failed ({failed})")
    await confirm(adam, "Delete them")
    await adam.should_see("That cannot be done")
    assert await _in_state(parts, scene.running, LeadState.FAILED) == failed
    await press(adam, f"Reset all Failed ({failed})")
    await adam.should_see("They are new again")
    await confirm(adam, "Reset them")
    await adam.should_see(f"{failed} leads are new again.")
    await until(lambda: rows(adam, "state") == [], "none is failed any more")
    assert await _in_state(parts, scene.running, LeadState.FAILED) == 0


async def test_all_of_a_state_are_deleted_from_a_campaign_that_does_not_run(
    user_of: UserOf, scene: Scene, parts: Parts
) -> None:
    adam = await user_of("adam")
    await adam.open(f"/campaigns/{scene.paused}/leads?state=failed")
    failed = await _in_state(parts, scene.paused, LeadState.FAILED)
    await press(adam, f"Delete all Failed ({failed})")
    await adam.should_see("They are taken off the list")
    await confirm(adam, "Delete them")
    await adam.should_see(f"{failed} leads are deleted.")
    assert await _in_state(parts, scene.paused, LeadState.FAILED) == 0


async def test_who_only_looks_sees_states_but_nobody(user_of: UserOf, scene: Scene) -> None:
    rex = await user_of("rex")
    await rex.open(f"/campaigns/{scene.running}/leads?state=failed")
    shown = rows(rex, "name", "number", "ticket", "state")
    assert {row[1:] for row in shown} == {("hidden", "", "Failed")}
    assert all(name.startswith("Lead ") for name, *_ in shown)
    for text in ("Number begins with", "Reset all", "Add leads", "As CSV"):
        await rex.should_not_see(text)
    await rex.open(f"/leads/{scene.lead}")
    await rex.should_see("Your role sees neither names")
    for text in ("Its whole life", "Chloe", "Reset", "+1999"):
        await rex.should_not_see(text)


# --- one lead ---------------------------------------------------------------------------------------------------------


async def test_a_lead_tells_its_life_its_calls_and_every_rule_and_begins_anew(
    user_of: UserOf, scene: Scene, parts: Parts
) -> None:
    olga = await user_of("olga")
    await olga.open(f"/leads/{scene.lead}")
    await olga.should_see("It has talked to an agent")
    for text in ("Came onto the list", "Call begun", "Springfield", "It is on no do-not-call list."):
        await olga.should_see(text)
    assert [result for (result,) in rows(olga, "result")] == ["Connected"]
    await press(olga, "Reset")
    await confirm(olga, "Reset")
    await olga.should_see("The lead is new again.")
    await olga.should_see("Reset by hand")
    await olga.should_see("was: Successful")
    assert (await parts.stores.leads.get(scene.lead)).lead.state is LeadState.ACTIVE


async def test_a_supervisor_sees_a_lead_but_neither_resets_nor_deletes_it(user_of: UserOf, scene: Scene) -> None:
    sue = await user_of("sue")
    await sue.open(f"/leads/{scene.lead}")
    await sue.should_see("Its whole life")
    await sue.should_not_see("Reset")
    await sue.should_not_see("Delete")


# --- words ------------------------------------------------------------------------------------------------------------


def _rule(*, number: str | None = None, allows: bool = False, hours: float | None = None) -> dict[str, Any]:
    until_at = None if hours is None else (datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=hours)).isoformat()
    return {"rule": "number_cap", "number": number, "allows": allows, "until": until_at, "facts": {}}


def _told(*rules: dict[str, Any], not_before: str | None = None) -> dict[str, Any]:
    return {"rules": rules, "not_before": not_before}


def test_a_lead_may_be_called_once_every_rule_lets_go_of_one_of_its_numbers() -> None:
    free, first, second = "+1***1", "+1***2", "+1***3"
    assert "at once" in next_text(_told(_rule(number=free, allows=True), _rule(number=first)), "UTC")
    assert "2030-01-01 03:00" in next_text(
        _told(
            _rule(hours=1), _rule(number=first, hours=2), _rule(number=first, hours=3), _rule(number=second, hours=9)
        ),
        "UTC",
    )
    assert "2030-01-01 04:00" in next_text(
        _told(_rule(number=free, allows=True), not_before="2030-01-01T04:00:00+00:00"), "UTC"
    )
    assert "before something changes" in next_text(_told(_rule()), "UTC")
    assert "before something changes" in next_text(_told(_rule(number=first)), "UTC")


def test_a_rule_says_until_when_and_on_what_it_rests() -> None:
    rule = _rule(hours=1)
    assert rule_text(rule, "UTC") == (
        "The number has had as many calls as it may get. Looked at again on 2030-01-01 01:00."
    )
    facts = {"in_24_h": "2 of any", "zones": ["Europe/London", "Europe/Dublin"], "listed": False, "why": None}
    assert rule_facts(facts, "UTC") == "in 24 hours: 2, time zones: Europe/London, Europe/Dublin"


def test_a_line_says_what_happened_and_how() -> None:
    details = {"outcome": "busy", "cause": 17, "agent": None, "lead_state": "cooloff"}
    line = {"fact": "ended", "details": details}
    assert life_text(line, "UTC") == ("Call over", "Busy · cause 17 · then: Cool-off")
