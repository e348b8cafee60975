"""The door for the PBX's own dialplan: what it answers, and that it always answers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from dialerd.api import hooks
from dialerd.api.hooks import Hooks, HookStores, create_hooks
from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.leads import NewLead
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores

LEAD = "+12025550101"


@pytest_asyncio.fixture
async def dialplan(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """It waits for the store however long that takes."""
    monkeypatch.setattr(hooks, "PATIENCE_S", 60.0)
    app = create_hooks(Hooks(HookStores.over(pool), callback_within=timedelta(days=30)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9110") as client:
        yield client


async def asked(dialplan: httpx.AsyncClient, what: str, number: str, account: str = "") -> dict[str, str]:
    answer = await dialplan.post(f"/{what}", data={"number": number, "account": account})
    assert answer.status_code == 200
    return dict(parse_qsl(answer.text, keep_blank_values=True))


async def called(
    stores: Stores, pool: Pool, *, days_ago: int = 1, status: str = "completed", ticket_id: str = ""
) -> None:
    """A lead whom agent 1010 has talked to."""
    campaign = await stores.campaigns.create(CampaignSettings(name="Spring", queue="sales"))
    await stores.leads.add(
        campaign.id, [NewLead(number=LEAD, first_name="Ada", last_name="Nguyen", ticket_id=ticket_id)]
    )
    await pool.execute(
        """INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, admitted_by, state, agent, outcome,
                                 opened_at, answered_at, connected_at, ended_at)
           SELECT $1, campaign_id, leads.id, 1, number, 'sales', 'a', 1, '{}', 'ended', 'PJSIP/1010', 'connected', at, at, at, at
           FROM leads, (SELECT now() - $2::interval AS at) AS moment""",
        uuid4(),
        timedelta(days=days_ago),
    )
    ended = datetime.now(UTC) if status == "completed" else None
    await pool.execute("UPDATE campaigns SET status = $1::campaign_status, ended_at = $2", status, ended)


# --- calls by hand -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialed", "verdict"),
    [
        ("+12025550199", "listed"),
        ("2025550199", "listed"),
        ("12025550198", "clear"),
        ("911", "clear"),
        ("116117", "clear"),
        ("00000000000", "unknown"),
        ("", "clear"),
        ("1" * 40, "unknown"),
    ],
)
async def test_a_number_is_judged_as_it_is_dialed_in_the_accounts_country(
    dialplan: httpx.AsyncClient, stores: Stores, dialed: str, verdict: str
) -> None:
    await stores.dnc.add("+12025550199", (await stores.accounts.get()).id)
    assert (await asked(dialplan, "dnc", dialed))["verdict"] == verdict


async def test_an_account_that_there_is_not_knows_nothing(dialplan: httpx.AsyncClient) -> None:
    for account in ("nobody", "\x00"):
        assert await asked(dialplan, "dnc", LEAD, account) == {"verdict": "unknown"}


@pytest.mark.parametrize("body", [b"\xff\xfe", b"number=1&" * 400, b"a=1&" * 50, b"%00=%00", b""])
async def test_nonsense_gets_an_answer(dialplan: httpx.AsyncClient, body: bytes) -> None:
    for hook in ("dnc", "callback", "optout"):
        answer = await dialplan.post(f"/{hook}", content=body)
        assert answer.status_code == 200
        assert answer.text.startswith("verdict=")


async def test_a_page_in_a_browser_is_turned_away(dialplan: httpx.AsyncClient, stores: Stores) -> None:
    for header in ("origin", "sec-fetch-site"):
        answer = await dialplan.post("/optout", data={"number": LEAD}, headers={header: "http://evil.example.org"})
        assert answer.status_code == 403
    assert not await stores.dnc.contains(LEAD, 1)
    assert (await dialplan.get("/optout", params={"number": LEAD})).status_code == 405


async def test_a_database_that_takes_too_long_is_no_answer(
    dialplan: httpx.AsyncClient, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "PATIENCE_S", 0.05)
    async with pool.acquire() as beside, beside.transaction():
        await beside.execute("LOCK TABLE dnc_numbers IN ACCESS EXCLUSIVE MODE")
        assert await asked(dialplan, "dnc", LEAD) == {"verdict": "unknown"}


# --- callers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [LEAD, LEAD[1:], LEAD[2:], "(202) 555-0101"])
async def test_a_lead_is_known_however_the_carrier_shows_the_number(
    dialplan: httpx.AsyncClient, stores: Stores, pool: Pool, shown: str
) -> None:
    await called(stores, pool, ticket_id="T, 1&2")
    card = await asked(dialplan, "callback", shown)
    assert {
        "verdict": "found",
        "name": "Ada Nguyen",
        "ticket": "T, 1&2",
        "agent": "PJSIP/1010",
        "queue": "sales",
    }.items() <= card.items()
    [line] = [line for line in await stores.activity.of_lead(int(card["lead"])) if line.fact == "called_back"]
    assert line.campaign_id == int(card["campaign"])


@pytest.mark.parametrize(
    ("days_ago", "status", "verdict"),
    [(29, "completed", "found"), (31, "completed", "none"), (31, "running", "found"), (31, "stopped", "none")],
)
async def test_a_campaign_is_remembered_while_it_goes_on_and_for_a_time(
    dialplan: httpx.AsyncClient, stores: Stores, pool: Pool, days_ago: int, status: str, verdict: str
) -> None:
    await called(stores, pool, days_ago=days_ago, status=status)
    assert (await asked(dialplan, "callback", LEAD))["verdict"] == verdict


async def test_another_accounts_lead_is_a_stranger(dialplan: httpx.AsyncClient, stores: Stores, pool: Pool) -> None:
    await called(stores, pool)
    await stores.accounts.create("other")
    assert await asked(dialplan, "callback", LEAD, "other") == {"verdict": "none"}
    assert await asked(dialplan, "callback", "anonymous") == {"verdict": "none"}


async def test_who_opts_out_is_on_the_accounts_list_and_who_shows_no_number_is_told(
    dialplan: httpx.AsyncClient, stores: Stores
) -> None:
    account = (await stores.accounts.get()).id
    assert await asked(dialplan, "optout", LEAD[1:]) == {"verdict": "listed"}
    [entry] = await stores.dnc.in_force(LEAD, account)
    assert (entry.account_id, entry.source) == (account, "opt-out line")
    assert await asked(dialplan, "optout", "anonymous") == {"verdict": "refused"}
