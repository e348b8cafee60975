"""Voice menus and sounds: judged before they are stored, and there for as long as a campaign needs them."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dialerd.domain.campaigns import CampaignAction, CampaignStatus, Target
from dialerd.domain.menus import Choice, MenuAction, MenuNode, VoiceMenu
from dialerd.errors import DialerdError, InUse, InvalidCampaign, InvalidMenu, NotFound, StartRefused
from dialerd.store.menus import menu_data, menu_of
from tests.integration.store.scene import Stores

END = Choice(action=MenuAction.END, result="confirmed", sound="custom/bye")
START = MenuNode(prompt="custom/welcome", choices={"1": END}, wait=timedelta(seconds=2.5))
MENU = VoiceMenu(name="main", nodes={"start": START})
TO_AGENT = replace(MENU, nodes={"start": replace(START, choices={"1": Choice(action=MenuAction.QUEUE)})})
USES_IT: dict[str, Any] = {"target": Target.MENU, "menu": "main", "queue": ""}


async def test_a_menu_comes_back_as_it_was_stored(stores: Stores) -> None:
    await stores.menus.put(MENU)
    assert await stores.menus.get("main") == MENU
    await stores.menus.put(TO_AGENT)
    assert await stores.menus.list() == [TO_AGENT]


async def test_menus_of_two_accounts_do_not_meet(stores: Stores) -> None:
    await stores.accounts.create("other")
    await stores.menus.put(MENU, "other")
    with pytest.raises(NotFound, match="voice menu main"):
        await stores.menus.get("main")
    with pytest.raises(NotFound, match="account nobody"):
        await stores.menus.put(MENU, "nobody")


async def test_a_menu_that_cannot_work_is_not_stored(stores: Stores) -> None:
    with pytest.raises(InvalidMenu, match="node start: prompt"):
        await stores.menus.put(replace(MENU, nodes={"start": replace(START, prompt="")}))
    assert await stores.menus.list() == []


def test_menu_and_json_are_the_same_and_times_are_seconds() -> None:
    data = menu_data(MENU)
    assert data["nodes"]["start"]["wait"] == 2.5
    assert menu_of(data) == MENU


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"nodes": {}}, "name: Field required"),
        ({"name": "main", "nodes": {}, "colour": "red"}, "the menu: there is no 'colour'; there are name, nodes"),
        ({"name": "main", "nodes": {"start": {"promt": "x", "choices": {}}}}, "nodes.start: there is no 'promt'"),
        (
            {"name": "main", "nodes": {"start": {"prompt": "x", "choices": {"1": {"action": "end", "say": "x"}}}}},
            "nodes.start.1: there is no 'say'",
        ),
        (
            {"name": "main", "nodes": {"start": {"prompt": "x", "choices": {"1": {"action": "dance"}}}}},
            "nodes.start.choices.1.action: Input should be",
        ),
        ({"name": "main", "nodes": {"start": {"prompt": "x", "choices": {}, "wait": "soon"}}}, "nodes.start.wait"),
        ({"name": "main", "nodes": ["start"]}, "nodes: Input should be"),
    ],
)
def test_what_is_no_menu_is_answered_with_where_and_what(data: Mapping[str, Any], where: str) -> None:
    with pytest.raises(InvalidMenu) as refused:
        menu_of(data)
    assert any(problem.startswith(where) for problem in refused.value.problems), refused.value.problems


async def test_a_menu_that_a_campaign_uses_stays_until_that_is_over(stores: Stores) -> None:
    await stores.menus.put(MENU)
    draft = await stores.a_draft(**USES_IT)
    with pytest.raises(InUse, match="campaign Spring uses it"):
        await stores.menus.remove("main")
    await stores.campaigns.act(draft.id, CampaignAction.CANCEL)
    await stores.menus.remove("main")
    with pytest.raises(NotFound, match="voice menu main"):
        await stores.menus.remove("main")


async def test_a_menu_in_use_is_not_led_to_a_queue_that_the_campaign_has_not(stores: Stores) -> None:
    await stores.menus.put(MENU)
    await stores.a_draft(**USES_IT)
    with pytest.raises(InvalidMenu, match="campaign Spring has no queue"):
        await stores.menus.put(TO_AGENT)


@pytest.mark.parametrize("turn", range(6))
async def test_a_menu_that_is_removed_in_the_instant_of_a_start_is_gone_before_or_stays(
    stores: Stores, turn: int
) -> None:
    await stores.menus.put(MENU)
    draft = await stores.a_draft(leads=1, **USES_IT)
    await stores.pool.execute("UPDATE campaigns SET ended_at = now(), status = 'completed'")
    both = [stores.menus.remove("main"), stores.campaigns.act(draft.id, CampaignAction.START)]
    answers = await asyncio.gather(*(both if turn % 2 else reversed(both)), return_exceptions=True)
    assert len([answer for answer in answers if isinstance(answer, DialerdError)]) == 1
    runs = (await stores.campaigns.get_campaign(draft.id)).status is CampaignStatus.RUNNING
    assert runs == bool(await stores.menus.list())


# --- what a start asks for -------------------------------------------------------------------------------------------


async def test_a_campaign_does_not_start_without_its_menu(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1, **USES_IT)
    assert await reasons(stores, draft.id) == ["menu: there is no voice menu main, store it first"]
    await stores.menus.put(MENU)
    assert await reasons(stores, draft.id) == []


async def test_nor_without_the_queue_that_its_menu_leads_to(stores: Stores) -> None:
    await stores.menus.put(TO_AGENT)
    draft = await stores.a_draft(leads=1, name="Other", target=Target.MENU, menu="main", queue="sales")
    await stores.pool.execute("UPDATE campaigns SET queue = ''")
    assert await reasons(stores, draft.id) == ["queue: voice menu main leads to an agent, so name the queue"]


async def test_a_menu_without_a_queue_needs_none_of_asterisks(stores: Stores) -> None:
    await stores.menus.put(MENU)
    await stores.pbx.note_queues({"support": "rrmemory"})
    assert await reasons(stores, (await stores.a_draft(leads=1, **USES_IT)).id) == []


async def test_a_running_campaign_is_not_given_a_menu_that_is_not_there(stores: Stores) -> None:
    await stores.menus.put(MENU)
    dialed = await stores.a_dialed_campaign(**USES_IT)
    with pytest.raises(InvalidCampaign, match="no voice menu winter"):
        await stores.campaigns.edit(dialed.campaign.id, {"menu": "winter"})


async def test_a_sound_that_asterisk_is_known_not_to_have_stands_in_the_way(stores: Stores) -> None:
    await stores.menus.put(MENU)
    draft = await stores.a_draft(leads=1, greeting="custom/hello", **USES_IT)
    assert await stores.sounds.named() == ["custom/bye", "custom/hello", "custom/welcome"]
    await stores.sounds.note({"custom/bye": False, "custom/hello": False, "custom/welcome": True})
    assert await reasons(stores, draft.id, start=False) == [
        "sound: Asterisk has no sound custom/bye, put it there or name another",
        "sound: Asterisk has no sound custom/hello, put it there or name another",
    ]
    await stores.sounds.note({"custom/bye": True, "custom/hello": True})
    assert await reasons(stores, draft.id) == []


async def test_what_was_known_of_a_sound_some_time_ago_proves_nothing(stores: Stores) -> None:
    draft = await stores.a_draft(leads=1, greeting="custom/hello")
    await stores.sounds.note({"custom/hello": False})
    await stores.pool.execute("UPDATE pbx_sounds SET seen_at = now() - interval '3 minutes'")
    assert await reasons(stores, draft.id) == []


async def test_sounds_of_campaigns_that_are_over_are_not_asked_for(stores: Stores) -> None:
    draft = await stores.a_draft(greeting="custom/hello", agent_announcement="custom/wait")
    assert await stores.sounds.named() == ["custom/hello", "custom/wait"]
    await stores.campaigns.act(draft.id, CampaignAction.CANCEL)
    assert await stores.sounds.named() == []


async def reasons(stores: Stores, campaign_id: int, *, start: bool = True) -> list[str]:
    """Why the campaign does not start. None: it has been started."""
    try:
        await stores.campaigns.act(campaign_id, CampaignAction.START)
    except StartRefused as refused:
        return list(refused.reasons)
    assert start
    return []
