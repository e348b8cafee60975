"""Another account with one of everything: whoever looks from here must not see it, and must not change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from dialerd.domain.outcomes import Outcome
from dialerd.domain.roles import Role
from dialerd.store.jobs import JobKind
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.store import scene

NAME = "other"
PASSWORD = "correct horse battery staple"
_TABLES = ("campaigns", "leads", "attempts", "recordings", "users", "jobs", "webhooks", "webhook_deliveries")


@dataclass(frozen=True, kw_only=True)
class OtherAccount:
    ids: Mapping[str, int | UUID]
    """By the name that a parameter of a path has."""
    before: Mapping[str, str] = field(default_factory=dict)
    """All rows of the tables, as one figure each."""

    @classmethod
    async def made(cls, pool: Pool, stores: Stores) -> "OtherAccount":
        account = await stores.accounts.create(NAME)
        played = scene.Stores(pool)
        dialed = await played.dialing(await played.a_draft(2, account=NAME))
        call = await dialed.dial(Outcome.NO_ANSWER)
        user = await stores.users.create(account.id, "otto", PASSWORD, role=Role.AGENT)
        _, token = await stores.users.create_token(account.id, "otto's", role=Role.AGENT, created_by="test")
        job = await stores.jobs.create(account.id, JobKind.LEADS_UPLOAD, source="list.csv", created_by="user otto")
        await pool.execute(
            "INSERT INTO recordings (attempt_id, node, name, recorded_at) VALUES ($1, 'one', 'otto', now())", call.id
        )
        webhook_id, delivery_id = await _a_delivery(pool, account.id)
        ids: dict[str, int | UUID] = {
            "campaign_id": dialed.campaign.id,
            "lead_id": call.lead_id,
            "attempt_id": call.id,
            "user_id": user.id,
            "token_id": token.id,
            "job_id": job.id,
            "webhook_id": webhook_id,
            "delivery_id": delivery_id,
        }
        return cls(ids=ids, before=await cls.fingerprint(pool))

    @staticmethod
    async def fingerprint(pool: Pool) -> Mapping[str, str]:
        figure = "SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM "
        return {table: await pool.fetchval(f"{figure}{table} t") for table in _TABLES}


async def _a_delivery(pool: Pool, account_id: int) -> tuple[int, int]:
    """The ids of a webhook, and of what it is to be told."""
    webhook_id = await pool.fetchval(
        "INSERT INTO webhooks (account_id, url, events) VALUES ($1, 'https://otto.example/', '{ping}') RETURNING id",
        account_id,
    )
    outbox_id = await pool.fetchval(
        "INSERT INTO outbox (type, account_id, data) VALUES ('ping', $1, '{}') RETURNING id", account_id
    )
    delivery_id = await pool.fetchval(
        "INSERT INTO webhook_deliveries (webhook_id, outbox_id, stream) VALUES ($1, $2, 1) RETURNING id",
        webhook_id,
        outbox_id,
    )
    return webhook_id, delivery_id
