from uuid import uuid4

from dialerd.compliance import profiles
from dialerd.domain.campaigns import CampaignSettings
from dialerd.store.campaigns import CampaignStore
from dialerd.store.leads import LeadStore
from dialerd.store.pool import Pool
from dialerd.store.progress import Progress, ProgressStore
from tests.factories import a_new_lead

ATTEMPT = """
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, admitted_by,
                          opened_at, answered_at, connected_at, state, outcome, ended_at)
    SELECT $1, campaign_id, id, $2, number, 'sales', 'a', 1, '{}', now() - $3::int * interval '1 second',
           CASE WHEN $4 IN ('connected', 'abandoned') THEN now() END, CASE WHEN $4 = 'connected' THEN now() END,
           'ended', $4::text::outcome, now()
    FROM leads
"""


async def dialed(pool: Pool, *, seconds_ago: int, outcome: str, ordinal: int) -> None:
    await pool.execute(ATTEMPT, uuid4(), ordinal, seconds_ago, outcome)


async def test_calls_of_the_last_minute_and_the_last_hour_are_counted(pool: Pool) -> None:
    campaign = await CampaignStore(pool, profiles()).create(CampaignSettings(name="Spring", queue="sales"))
    await LeadStore(pool).add(campaign.id, [a_new_lead()])
    for ordinal, (seconds_ago, outcome) in enumerate(
        [(5, "connected"), (30, "abandoned"), (90, "busy"), (3500, "connected"), (3700, "connected")], 1
    ):
        await dialed(pool, seconds_ago=seconds_ago, outcome=outcome, ordinal=ordinal)
    expected = Progress(placed_last_minute=2, placed=4, answered=3, connected=2, abandoned=1)
    assert await ProgressStore(pool).of_campaigns() == {campaign.id: expected}


async def test_a_campaign_that_dialed_nothing_is_not_counted(pool: Pool) -> None:
    await CampaignStore(pool, profiles()).create(CampaignSettings(name="Spring", queue="sales"))
    assert await ProgressStore(pool).of_campaigns() == {}
