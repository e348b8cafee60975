"""A call centre that has been at work for a day: what pages are tested and pictured with. Its people and numbers are invented."""

from dataclasses import dataclass
from uuid import UUID

from dialerd.domain.caller_id import CallerId
from dialerd.domain.calls import DialMode
from dialerd.domain.campaigns import CampaignSettings
from dialerd.domain.media import Sound
from dialerd.domain.roles import Role
from dialerd.domain.webhooks import EventType
from dialerd.store.menus import menu_of
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores

PASSWORD = "a sentence for tests"
NODE = "pbx-1"
AGENTS = ("PJSIP/1001", "PJSIP/1002", "PJSIP/1003", "PJSIP/1004", "PJSIP/1005")
MAIN_NUMBERS = {"+12025550120": "Sales desk", "+12025550121": "Customer care", "+12025550122": ""}
LOGINS = {
    "olga": Role.OWNER,
    "adam": Role.ADMIN,
    "sue": Role.SUPERVISOR,
    "anna": Role.AGENT,
    "rex": Role.READ_ONLY,
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Ids of the campaigns, by what is special of them."""

    account_id: int
    running: int
    preview: int
    paused: int
    draft: int
    completed: int
    webhook: int
    lead: int
    attempt: UUID
    """The lead's, which has a recording."""


async def set_scene(pool: Pool, stores: Stores, *, leads: int = 400) -> Scene:
    account = await stores.accounts.get()
    for login, role in LOGINS.items():
        agent = AGENTS[0] if role is Role.AGENT else ""
        await stores.users.create(account.id, login, PASSWORD, role=role, name=login.capitalize(), agent=agent)
    campaigns = {
        "running": await _campaign(stores, "Summer offer", queue="sales", calls_per_second=3, concurrency=15),
        "preview": await _campaign(
            stores, "VIP callbacks", queue="care", dial_mode=DialMode.PREVIEW, recording=True, concurrency=5
        ),
        "paused": await _campaign(stores, "Win-back autumn", queue="sales", note="Those who left within a year"),
        "draft": await _campaign(stores, "Winter renewals", queue="renewals"),
        "completed": await _campaign(stores, "Spring lead qualification, batch 1", queue="sales"),
    }
    await _give_numbers(stores, account.id)
    async with pool.acquire() as connection:
        await connection.execute(_NODE, NODE)
        await connection.execute(_PBX, NODE, list(AGENTS))
        for name, campaign in campaigns.items():
            if name != "draft":
                await connection.execute(_LEADS, campaign, leads if name == "running" else leads // 4, name)
                await connection.execute(_ATTEMPTS, campaign, NODE)
        await connection.execute(_STATUS, *(campaigns[name] for name in ("running", "preview", "paused", "completed")))
        await connection.execute(_TALK, campaigns["running"], AGENTS[0], NODE)
        await connection.execute(_CARD, campaigns["preview"], AGENTS[0], NODE)
        await connection.execute(_RECORDINGS, NODE)
        await connection.execute(_ACTIVITY)
        await connection.execute(_DNC, account.id)
        await connection.execute(_OTHER_DNC, account.id)
        await connection.execute("ANALYZE")
    for name in ("ask", "thanks"):
        sound = Sound(content=_SILENCE, duration_s=1, sha256="0" * 64)
        await stores.media.put(account.id, name, sound, by="user olga")
    await stores.menus.put(menu_of(_MENU))
    _, webhook = await stores.webhooks.create(
        account.id, "https://crm.example.com/dialerd", [EventType.MENU_RESULT], name="CRM"
    )
    recorded = await pool.fetchrow(_RECORDED, campaigns["running"])
    assert recorded is not None
    lead, attempt = recorded
    return Scene(account_id=account.id, webhook=webhook.id, lead=lead, attempt=attempt, **campaigns)


async def _campaign(stores: Stores, name: str, **settings: object) -> int:
    callers = [CallerId(number=f"+1202555011{digit}", name="Summer Ltd") for digit in range(4)]
    campaign = await stores.campaigns.create(CampaignSettings(name=name, **settings), callers)  # type: ignore[arg-type]
    return campaign.id


_SILENCE = b"RIFF" + bytes(40)
_MENU = {
    "name": "appointment",
    "nodes": {
        "start": {
            "prompt": "dialerd-media/1/ask",
            "choices": {
                "1": {"action": "end", "result": "confirmed", "sound": "dialerd-media/1/thanks"},
                "2": {"action": "goto", "goto": "cancel"},
                "9": {"action": "opt_out"},
            },
        },
        "cancel": {
            "prompt": "dialerd-media/1/ask",
            "choices": {"1": {"action": "end", "result": "cancelled"}, "2": {"action": "goto", "goto": "start"}},
        },
    },
}


async def _give_numbers(stores: Stores, account_id: int) -> None:
    """What the account has to show besides the pools of its campaigns."""
    for number, name in MAIN_NUMBERS.items():
        await stores.caller_ids.add_account_number(account_id, CallerId(number=number, name=name))
    await stores.caller_ids.set_queue_number(account_id, "sales", CallerId(number="+12025550120", name="Sales desk"))
    await stores.caller_ids.allow(account_id, "GB", ["+4420", "+44161"])


_NODE = (
    "INSERT INTO nodes (id, started_at, heartbeat_at, version) VALUES ($1, now() - interval '1 day', now(), '0.1.0')"
)
_PBX = """
    WITH sight AS (INSERT INTO pbx_sight (node, seen_at) VALUES ($1::text, now() + interval '1 day')),
    callers AS (INSERT INTO pbx_callers (node, queue, waiting) VALUES ($1, 'sales', 1), ($1, 'care', 0), ($1, 'renewals', 0)),
    queues AS (INSERT INTO pbx_queues (name, strategy, seen_at)
               SELECT unnest(ARRAY['sales', 'care', 'renewals']), unnest(ARRAY['rrmemory', 'ringall', '']), now())
    INSERT INTO pbx_agents (node, queue, interface, name, state, paused, pause_reason, in_call, seen_at)
    SELECT $1, queue, agent, 'Agent ' || right(agent, 4), CASE place WHEN 2 THEN 'inuse' WHEN 5 THEN 'unavailable' ELSE 'not_inuse' END,
           place = 3, CASE place WHEN 3 THEN 'Lunch' ELSE '' END, place = 2, now() - place * interval '7 minutes'
    FROM unnest($2::text[]) WITH ORDINALITY AS agents (agent, place), unnest(ARRAY['sales', 'care']) AS queue
"""
_LEADS = """
    INSERT INTO leads (campaign_id, number, first_name, last_name, state, ticket_id, note, lead_type, custom, time_zone, not_before,
                       held_by, on_dnc_at_import, created_at, new_since)
    SELECT $1, '+1999' || lpad((n + $1::bigint * 10000)::text, 7, '0'), (ARRAY['Ada', 'Ben', 'Chloe', 'Dora', 'Emil'])[1 + n % 5],
           (ARRAY['Lindgren', 'Okafor', 'Marsh', 'Ito', 'Novak', 'Silva', 'Haddad'])[1 + n % 7], state, 'T-' || n, 'asked for a quote',
           'warm', jsonb_build_object('city', 'Springfield', 'plan', 'Gold'), CASE WHEN n % 9 = 0 THEN 'Europe/London' END,
           CASE WHEN state IN ('cooloff', 'voicemail') THEN now() + n * interval '1 minute' END,
           CASE WHEN state IN ('cooloff', 'voicemail') THEN state::text END,
           state = 'blocked', now() - interval '2 days', now() - interval '2 days'
    FROM generate_series(1, $2::int) AS n, LATERAL (
        SELECT CASE WHEN $3 = 'completed' THEN (ARRAY['success', 'success', 'failed'])[1 + n % 3]
               ELSE (ARRAY['active', 'active', 'success', 'cooloff', 'active', 'success', 'failed', 'voicemail', 'blocked', 'abandoned'])
                    [1 + n % 10] END::lead_state AS state) AS chosen
"""
_ATTEMPTS = """
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, caller_id_number, queue, node, epoch, state, admitted_by, opened_at,
                          ringing_at, answered_at, agent_ringing_at, connected_at, ended_at, agent, outcome, waiting_since)
    SELECT gen_random_uuid(), $1, id, 1, number, '+12025550110', 'sales', $2, 1, 'ended', '{}', at, at + interval '1 second',
           CASE WHEN outcome IN ('connected', 'abandoned') THEN at + interval '6 seconds' END,
           CASE WHEN outcome = 'connected' THEN at + interval '6.1 seconds' END,
           CASE WHEN outcome = 'connected' THEN at + interval '8 seconds' END,
           CASE WHEN outcome = 'connected' THEN at + interval '95 seconds' ELSE at + interval '20 seconds' END,
           CASE WHEN outcome = 'connected' THEN 'PJSIP/100' || (1 + id % 5) END, outcome::outcome,
           CASE WHEN outcome IN ('connected', 'abandoned') THEN at + interval '6 seconds' END
    FROM (SELECT id, number, now() - (id % 230) * interval '6 minutes' - interval '3 minutes' AS at,
                 CASE state WHEN 'success' THEN 'connected' WHEN 'abandoned' THEN 'abandoned' WHEN 'cooloff' THEN 'no_answer'
                      WHEN 'voicemail' THEN 'voicemail' ELSE 'busy' END AS outcome
          FROM leads WHERE campaign_id = $1 AND state IN ('success', 'failed', 'cooloff', 'voicemail', 'abandoned')) AS called
"""
_STATUS = """
    UPDATE campaigns SET status = told.status::campaign_status, started_at = now() - interval '20 hours',
           ended_at = CASE WHEN told.status = 'completed' THEN now() - interval '2 hours' END
    FROM (VALUES ($1::bigint, 'running'), ($2::bigint, 'running'), ($3::bigint, 'paused'), ($4::bigint, 'completed')) AS told (id, status)
    WHERE campaigns.id = told.id
"""
_TALK = """
    WITH lead AS (UPDATE leads SET state = 'answered' WHERE id = (SELECT min(id) FROM leads WHERE campaign_id = $1 AND state = 'active')
                  RETURNING id, number)
    INSERT INTO attempts (id, campaign_id, lead_id, ordinal, number, queue, node, epoch, state, admitted_by, opened_at, ringing_at,
                          answered_at, agent_ringing_at, connected_at, agent)
    SELECT gen_random_uuid(), $1, id, 1, number, 'sales', $3, 1, 'connected', '{}', now() - interval '40 seconds',
           now() - interval '39 seconds', now() - interval '33 seconds', now() - interval '33 seconds', now() - interval '30 seconds', $2
    FROM lead
"""
_CARD = """
    INSERT INTO offers (campaign_id, lead_id, agent, node, expires_at)
    SELECT $1, min(id), $2, $3, now() + interval '10 minutes' FROM leads WHERE campaign_id = $1 AND state = 'active'
"""
_RECORDINGS = """
    INSERT INTO recordings (attempt_id, node, name, state, recorded_at, duration_s, bytes, sha256)
    SELECT id, $1, 'dialerd/' || id, 'stored', connected_at, 87, 1392044, repeat('0', 64)
    FROM attempts WHERE outcome = 'connected' AND lead_id % 4 = 2
"""
_RECORDED = """
    SELECT lead_id, attempts.id FROM attempts JOIN recordings ON attempt_id = attempts.id
    WHERE attempts.campaign_id = $1 ORDER BY opened_at DESC LIMIT 1
"""
_ACTIVITY = """
    INSERT INTO activity (at, campaign_id, lead_id, attempt_id, fact)
    SELECT opened_at, campaign_id, lead_id, id, 'opened' FROM attempts
    UNION ALL SELECT ended_at, campaign_id, lead_id, id, 'ended' FROM attempts WHERE ended_at IS NOT NULL
"""
_DNC = """
    INSERT INTO dnc_numbers (account_id, number, reason, source) SELECT $1, '+120255501' || n, 'asked on the phone', 'user olga'
    FROM generate_series(80, 99) AS n
"""
_OTHER_DNC = """
    INSERT INTO dnc_numbers (account_id, number, reason, source, added_by, expires_at)
    VALUES (NULL, '+12025550170', 'national register', 'register.csv', 'command', NULL),
           (NULL, '+12025550180', 'national register', 'register.csv', 'command', NULL),
           ($1, '+12025550171', 'on holiday', 'support', 'user olga', now() + interval '30 days'),
           ($1, '+12025550172', '<b>asked</b> in writing', 'support', 'user olga', now() - interval '2 days')
"""
