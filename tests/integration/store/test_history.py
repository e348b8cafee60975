"""Calls of the last hour or day, bucket by bucket: each thing at its own time, seconds divided at the borders."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from dialerd.store.history import LONGEST_CALL, Bucket, HistoryStore, Span
from tests.integration.store.scene import Stores

NOW = datetime(2026, 11, 22, 0, 20, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)

ATTEMPT = """
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, admitted_by,
                          opened_at, answered_at, connected_at, state, outcome, ended_at)
    SELECT $1, campaign_id, id, dials + 1, number, 'sales', 'a', 1, '{}', $3, $4, $5,
           CASE WHEN $6::timestamptz IS NULL THEN 'answered' ELSE 'ended' END::attempt_state, $7::text::outcome, $6
    FROM leads WHERE campaign_id = $2 AND state = 'active' LIMIT 1
"""
USED = "UPDATE leads SET state = 'success', dials = 1 WHERE id = (SELECT lead_id FROM attempts WHERE id = $1)"


async def dialed(
    stores: Stores,
    campaign: int,
    opened: datetime,
    ended: datetime | None,
    *,
    answered: datetime | None = None,
    connected: datetime | None = None,
    outcome: str | None = "busy",
) -> None:
    """Of a lead that was not dialed before."""
    attempt = uuid4()
    await stores.pool.execute(ATTEMPT, attempt, campaign, opened, answered, connected, ended, outcome)
    await stores.pool.execute(USED, attempt)


async def counted(stores: Stores, span: Span, campaign: int | None = None, account: str = "default") -> list[Bucket]:
    account_id = (await stores.accounts.get(account)).id
    return [*await HistoryStore(stores.pool).buckets(account_id, span, campaign_id=campaign, now=NOW)]


def told(buckets: list[Bucket]) -> dict[str, Bucket]:
    """Those in which anything was, by their times of day."""
    return {f"{each.begins_at:%H:%M}": each for each in buckets if each != a_bucket(each.begins_at)}


def a_bucket(begins_at: datetime, *, talk_s: float = 0, **counts: int) -> Bucket:
    none = {"placed": 0, "answered": 0, "connected": 0, "abandoned": 0, "in_flight": 0}
    return Bucket(begins_at=begins_at, talk_s=talk_s, **{**none, **counts})


async def test_where_nothing_was_dialed_every_bucket_is_there_and_zero(stores: Stores) -> None:
    for span, length, first in (
        (Span.HOUR, timedelta(minutes=1), datetime(2026, 11, 21, 23, 21, tzinfo=UTC)),
        (Span.DAY, timedelta(minutes=15), datetime(2026, 11, 21, 0, 30, tzinfo=UTC)),
    ):
        buckets = await counted(stores, span)
        assert buckets == [a_bucket(first + place * length) for place in range(span.buckets)]
        assert buckets[-1].begins_at <= NOW < buckets[-1].begins_at + length


async def test_each_thing_counts_when_it_happens_and_seconds_are_divided_at_the_borders_also_at_midnight(
    stores: Stores,
) -> None:
    campaign = (await stores.a_draft(leads=2)).id
    opened = MIDNIGHT - timedelta(seconds=50)
    await dialed(
        stores,
        campaign,
        opened,
        MIDNIGHT + timedelta(seconds=90),
        answered=MIDNIGHT - timedelta(seconds=20),
        connected=MIDNIGHT - timedelta(seconds=10),
        outcome="connected",
    )
    await dialed(stores, campaign, MIDNIGHT, MIDNIGHT + timedelta(seconds=30), answered=MIDNIGHT, outcome="abandoned")
    before = MIDNIGHT - timedelta(minutes=1)
    assert told(await counted(stores, Span.HOUR, campaign)) == {
        "23:59": a_bucket(before, placed=1, answered=1, connected=1, in_flight=1, talk_s=10),
        "00:00": a_bucket(MIDNIGHT, placed=1, answered=1, abandoned=1, in_flight=1, talk_s=60),
        "00:01": a_bucket(MIDNIGHT + timedelta(minutes=1), talk_s=30),
    }
    before = MIDNIGHT - timedelta(minutes=15)
    assert told(await counted(stores, Span.DAY, campaign)) == {
        "23:45": a_bucket(before, placed=1, answered=1, connected=1, in_flight=1, talk_s=10),
        "00:00": a_bucket(MIDNIGHT, placed=1, answered=1, abandoned=1, talk_s=90),
    }


async def test_of_a_call_that_began_before_the_first_bucket_only_the_rest_counts(stores: Stores) -> None:
    campaign = (await stores.a_draft(leads=2)).id
    first = datetime(2026, 11, 21, 23, 21, tzinfo=UTC)
    began, ended = first - timedelta(minutes=5), first + timedelta(seconds=70)
    await dialed(stores, campaign, began, ended, answered=began, connected=began, outcome="connected")
    await dialed(stores, campaign, began, first - timedelta(seconds=1))
    assert told(await counted(stores, Span.HOUR, campaign)) == {
        "23:21": a_bucket(first, in_flight=1, talk_s=60),
        "23:22": a_bucket(first + timedelta(minutes=1), talk_s=10),
    }


async def test_a_call_under_way_counts_until_now(stores: Stores) -> None:
    campaign = (await stores.a_draft(leads=2)).id
    for span in Span:
        first = (await counted(stores, span, campaign))[0].begins_at
        began = first - LONGEST_CALL + timedelta(minutes=1)
        await stores.pool.execute("DELETE FROM attempts")
        await stores.pool.execute("UPDATE leads SET state = 'active', dials = 0")
        await dialed(stores, campaign, began, None, answered=began, connected=began, outcome=None)
        lately = NOW - timedelta(seconds=10)
        await dialed(stores, campaign, lately, None, answered=lately, outcome=None)
        *earlier, present = await counted(stores, span, campaign)
        full = span.bucket.total_seconds()
        assert earlier == [a_bucket(each.begins_at, in_flight=1, talk_s=full) for each in earlier]
        passed = (NOW - present.begins_at).total_seconds()
        assert present == a_bucket(present.begins_at, placed=1, answered=1, in_flight=2, talk_s=passed)


async def test_clocks_that_differ_make_no_seconds_out_of_nothing(stores: Stores) -> None:
    """Rows carry the times of several clocks: an end may lie before a beginning, and either after now."""
    campaign = (await stores.a_draft(leads=2)).id
    late, early = NOW + timedelta(minutes=1), MIDNIGHT - timedelta(seconds=1)
    await dialed(stores, campaign, NOW, late, answered=late, connected=late, outcome="connected")
    await dialed(stores, campaign, MIDNIGHT, early, answered=MIDNIGHT, connected=MIDNIGHT, outcome="connected")
    buckets = await counted(stores, Span.HOUR, campaign)
    assert {each.talk_s for each in buckets} == {0}
    assert sum(each.placed for each in buckets) == 2


async def test_an_account_is_counted_over_all_its_campaigns_and_no_others(stores: Stores) -> None:
    await stores.accounts.create("acme")
    ours = [(await stores.a_draft(leads=1, name=name)).id for name in ("Spring", "Summer")]
    theirs = (await stores.a_draft(leads=1, account="acme")).id
    for campaign in (*ours, theirs):
        await dialed(stores, campaign, MIDNIGHT, MIDNIGHT + timedelta(seconds=6))
    both = {"00:00": a_bucket(MIDNIGHT, placed=2)}
    one = {"00:00": a_bucket(MIDNIGHT, placed=1)}
    assert told(await counted(stores, Span.HOUR)) == both
    assert told(await counted(stores, Span.HOUR, account="acme")) == one
    assert told(await counted(stores, Span.HOUR, ours[0])) == one
    assert told(await counted(stores, Span.HOUR, theirs)) == {}


async def test_without_a_time_it_is_the_databases(stores: Stores) -> None:
    account = await stores.accounts.get()
    before = await stores.pool.fetchval("SELECT now()")
    buckets = await HistoryStore(stores.pool).buckets(account.id, Span.HOUR)
    after = await stores.pool.fetchval("SELECT now()")
    assert before - Span.HOUR.bucket < buckets[-1].begins_at <= after
