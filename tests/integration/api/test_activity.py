"""Activity over the API: what happened to a campaign, and to a lead."""

from itertools import pairwise
from typing import Any

import httpx
import pytest

from dialerd.domain.outcomes import Outcome
from dialerd.domain.roles import Role
from dialerd.store.pool import Pool
from tests.integration.api.conftest import ClientOf
from tests.integration.store import scene

pytestmark = pytest.mark.integration


async def a_called_lead(pool: Pool) -> tuple[int, int]:
    """Campaign and lead."""
    dialed = await scene.Stores(pool).a_dialed_campaign(leads=2)
    call = await dialed.dial(Outcome.BUSY)
    return call.campaign_id, call.lead_id


async def all_lines(client: httpx.AsyncClient, path: str, limit: int) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    following: str | None = None
    while True:
        params = {"limit": limit} | ({} if following is None else {"after": following})
        page = (await client.get(f"/api/v1{path}", params=params)).json()
        lines += page["items"]
        following = page["next"]
        if following is None:
            return lines


async def test_a_campaigns_lines_come_page_by_page_the_newest_first(owner: httpx.AsyncClient, pool: Pool) -> None:
    campaign_id, _ = await a_called_lead(pool)
    path = f"/campaigns/{campaign_id}/activity"
    lines = await all_lines(owner, path, 1)
    assert lines == await all_lines(owner, path, 100)
    assert all((newer["at"], newer["id"]) > (older["at"], older["id"]) for newer, older in pairwise(lines))
    assert {"created", "leads_added", "status", "opened", "ended"} <= {line["fact"] for line in lines}


async def test_a_lead_has_its_life_from_the_first_line_to_the_last(owner: httpx.AsyncClient, pool: Pool) -> None:
    _, lead_id = await a_called_lead(pool)
    lines = await all_lines(owner, f"/leads/{lead_id}/activity", 1)
    assert [line["fact"] for line in lines][:: len(lines) - 1] == ["opened", "ended"]
    assert lines[-1]["details"]["outcome"] == "busy"


async def test_another_accounts_activity_is_not_there(
    owner: httpx.AsyncClient, client_of: ClientOf, pool: Pool
) -> None:
    campaign_id, lead_id = await a_called_lead(pool)
    paths = (f"/api/v1/campaigns/{campaign_id}/activity", f"/api/v1/leads/{lead_id}/activity")
    for path in paths:
        assert (await client_of(Role.READ_ONLY).get(path)).status_code == 403
    await pool.execute("INSERT INTO accounts (name) VALUES ('other')")
    await pool.execute("UPDATE campaigns SET account_id = (SELECT id FROM accounts WHERE name = 'other')")
    for path in paths:
        assert (await owner.get(path)).status_code == 404


async def test_nonsense_is_refused_and_breaks_nothing(owner: httpx.AsyncClient, pool: Pool) -> None:
    campaign_id, _ = await a_called_lead(pool)
    for after in ("1", "x.1", f"{'9' * 18}.{'9' * 18}"):
        answer = await owner.get(f"/api/v1/campaigns/{campaign_id}/activity", params={"after": after})
        assert answer.status_code in (200, 422)
