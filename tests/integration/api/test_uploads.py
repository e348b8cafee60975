"""Files of leads over the API: streamed to the disk, read by a job that others look at, stored as a whole or not at all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.api.jobs import AT_ONCE, MOST_WAITING
from dialerd.api.parts import Parts
from dialerd.domain.roles import Role
from dialerd.settings import Settings, WebSettings
from dialerd.store.jobs import JobKind
from dialerd.store.pool import Pool
from dialerd.store.stores import Stores
from tests.integration.api.conftest import ClientOf
from tests.integration.api.test_leads import ADA, BEN, a_campaign, numbers_of

pytestmark = pytest.mark.integration

CSV = {"Content-Type": "text/csv"}
GOOD = f"number,priority,first_name\n{ADA},1,Ada\n{BEN},2,Ben\n"
BAD = f"number,priority,first_name\n{ADA},1,Ada\n123,2,Ben\n"


async def ended(client: httpx.AsyncClient, job: httpx.Response) -> dict[str, Any]:
    """The job that the answer names, when it is over."""
    assert job.status_code == 202, job.text
    await parts_of(client).jobs.idle()
    return dict((await client.get(job.headers["location"])).json())


async def uploaded(client: httpx.AsyncClient, campaign_id: int, content: str, **options: str) -> dict[str, Any]:
    path = f"/api/v1/campaigns/{campaign_id}/leads/upload"
    return await ended(client, await client.post(path, content=content, headers=CSV, params=options))


async def test_a_file_is_taken_and_the_job_says_what_came_of_it(owner: httpx.AsyncClient, stores: Stores) -> None:
    campaign_id = await a_campaign(owner)
    await stores.dnc.add(BEN)
    job = await uploaded(owner, campaign_id, GOOD, name="may.csv")
    assert (job["state"], job["source"], job["campaign_id"], job["rows_read"]) == ("done", "may.csv", campaign_id, 2)
    assert job["report"] == {"added": 2, "renewed": 0, "duplicates": 0, "on_dnc": 1}
    assert await numbers_of(owner, campaign_id) == [ADA, BEN]
    (listed,) = (await owner.get("/api/v1/jobs")).json()["items"]
    assert (listed["id"], listed["created_by"]) == (job["id"], "token owner")


async def test_a_form_may_bring_the_file(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_campaign(owner)
    path = f"/api/v1/campaigns/{campaign_id}/leads/upload"
    job = await ended(owner, await owner.post(path, files={"file": ("june.csv", GOOD, "text/csv")}))
    assert (job["state"], job["source"], job["report"]["added"]) == ("done", "june.csv", 2)
    refused = await owner.post(path, files={"other": ("june.csv", GOOD, "text/csv")})
    assert (refused.status_code, "file: is missing" in refused.json()["detail"]) == (422, True)


async def test_one_bad_row_refuses_the_whole_file_and_is_told(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_campaign(owner)
    job = await uploaded(owner, campaign_id, BAD)
    assert (job["state"], job["bad_rows"], job["flaws"][0]["row"], job["flaws"][0]["column"]) == (
        "failed",
        1,
        3,
        "number",
    )
    assert "on_bad_rows=keep" in job["error"]
    assert await numbers_of(owner, campaign_id) == []


async def test_the_good_rows_are_kept_where_that_is_wanted(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_campaign(owner)
    job = await uploaded(owner, campaign_id, BAD, on_bad_rows="keep")
    assert (job["state"], job["bad_rows"], job["report"]["added"]) == ("done", 1, 1)


async def test_the_same_file_is_taken_once_unless_again(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_campaign(owner)
    await uploaded(owner, campaign_id, GOOD)
    second = await uploaded(owner, campaign_id, GOOD)
    assert (second["state"], second["report"]["added"], "uploaded_before" in second["report"]) == ("done", 0, True)
    third = await uploaded(owner, campaign_id, GOOD, again="true", duplicates="always")
    assert third["report"]["renewed"] == 2


@pytest.mark.parametrize(
    ("content", "why"), [("", "is empty"), ("name\nAda\n", "no column"), ("number,priority,first_name\n", "")]
)
async def test_what_is_no_list_of_leads_is_told_without_our_own_names(
    owner: httpx.AsyncClient, content: str, why: str
) -> None:
    job = await uploaded(owner, await a_campaign(owner), content)
    assert "/proc" not in str(job)
    assert why in (job["error"] or "")


async def test_a_file_that_is_too_large_or_of_another_kind_is_refused(owner: httpx.AsyncClient, app: Any) -> None:
    campaign_id = await a_campaign(owner)
    path = f"/api/v1/campaigns/{campaign_id}/leads/upload"
    largest = 2**20
    app.state.parts = replace(app.state.parts, settings=Settings(web=WebSettings(largest_upload=largest)))

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 50_000

    assert (await owner.post(path, content=endless(), headers=CSV)).status_code == 413
    assert (await owner.post(path, content="x" * (largest + 1), headers=CSV)).status_code == 413
    assert (await owner.post(path, content="{}", headers={"Content-Type": "application/json"})).status_code == 415
    assert (await owner.get("/api/v1/jobs")).json()["items"] == []


async def test_a_running_campaign_takes_no_file(owner: httpx.AsyncClient, pool: Pool) -> None:
    campaign_id = await a_campaign(owner)
    await pool.execute("UPDATE campaigns SET status = 'running'")
    refused = await owner.post(f"/api/v1/campaigns/{campaign_id}/leads/upload", content=GOOD, headers=CSV)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/leads-closed")


async def a_job(stores: Stores) -> int:
    """Of a process that is no more."""
    account = await stores.accounts.get()
    job = await stores.jobs.create(account.id, JobKind.LEADS_UPLOAD, source="x.csv", created_by="test")
    await stores.jobs.start(job.id)
    return job.id


async def test_a_job_whose_process_is_silent_has_failed(owner: httpx.AsyncClient, stores: Stores, pool: Pool) -> None:
    job_id = await a_job(stores)
    assert (await owner.get(f"/api/v1/jobs/{job_id}")).json()["state"] == "running"
    await pool.execute("UPDATE jobs SET heartbeat_at = now() - interval '61 seconds'")
    job = (await owner.get(f"/api/v1/jobs/{job_id}")).json()
    assert (job["state"], "its process has died" in job["error"]) == ("failed", True)


async def test_a_job_that_was_given_up_stores_nothing_any_more(
    owner: httpx.AsyncClient, stores: Stores, pool: Pool
) -> None:
    """Its process was only slow: what was told once stays true."""
    campaign_id = await a_campaign(owner)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE leads IN EXCLUSIVE MODE")  # the upload waits
        path = f"/api/v1/campaigns/{campaign_id}/leads/upload"
        begun = await owner.post(path, content=GOOD, headers=CSV)
        await until_stuck(pool)
        await pool.execute("UPDATE jobs SET state = 'failed', error = 'given up', ended_at = now()")
    await parts_of(owner).jobs.idle()
    job = (await owner.get(begun.headers["location"])).json()
    assert (job["state"], job["error"]) == ("failed", "given up")
    assert await numbers_of(owner, campaign_id) == []


async def until_stuck(pool: Pool) -> None:
    asked = (
        "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE relname = 'leads' AND NOT granted"
    )
    async with asyncio.timeout(60):
        while not await pool.fetchval(asked):
            pass


def parts_of(client: httpx.AsyncClient) -> Parts:
    parts: Parts = client._transport.app.state.parts  # type: ignore[attr-defined]
    return parts


async def test_jobs_end_with_the_web_server_and_store_nothing(owner: httpx.AsyncClient, pool: Pool) -> None:
    campaign_id = await a_campaign(owner)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE leads IN EXCLUSIVE MODE")
        begun = await owner.post(f"/api/v1/campaigns/{campaign_id}/leads/upload", content=GOOD, headers=CSV)
        await until_stuck(pool)
        await parts_of(owner).jobs.close()
    job = (await owner.get(begun.headers["location"])).json()
    assert (job["state"], "the web server was stopped" in job["error"]) == ("failed", True)
    assert await numbers_of(owner, campaign_id) == []


async def test_no_more_files_are_taken_than_can_wait(owner: httpx.AsyncClient, pool: Pool) -> None:
    campaign_id = await a_campaign(owner)
    path = f"/api/v1/campaigns/{campaign_id}/leads/upload"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE leads IN EXCLUSIVE MODE")
        for _ in range(AT_ONCE + MOST_WAITING):
            assert (await owner.post(path, content=GOOD, headers=CSV)).status_code == 202
        refused = await owner.post(path, content=GOOD, headers=CSV)
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/jobs-full")
        await parts_of(owner).jobs.close()


async def test_an_upload_leaves_no_file_behind(
    owner: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    await uploaded(owner, await a_campaign(owner), GOOD)
    assert list(tmp_path.iterdir()) == []


async def test_another_account_sees_no_job_and_a_supervisor_uploads_nothing(
    owner: httpx.AsyncClient, client_of: ClientOf, stores: Stores, pool: Pool
) -> None:
    campaign_id = await a_campaign(owner)
    refused = await client_of(Role.SUPERVISOR).post(
        f"/api/v1/campaigns/{campaign_id}/leads/upload", content=GOOD, headers=CSV
    )
    assert refused.status_code == 403
    job_id = await a_job(stores)
    other = await stores.accounts.create("other")
    await pool.execute("UPDATE jobs SET account_id = $1", other.id)
    assert (await owner.get(f"/api/v1/jobs/{job_id}")).status_code == 404
    assert (await owner.get("/api/v1/jobs")).json()["items"] == []


async def test_an_upload_that_is_sent_again_with_its_key_is_done_once(owner: httpx.AsyncClient) -> None:
    campaign_id = await a_campaign(owner)
    path = f"/api/v1/campaigns/{campaign_id}/leads/upload"
    first, again = [await owner.post(path, content=GOOD, headers={**CSV, "Idempotency-Key": "k1"}) for _ in range(2)]
    assert (again.headers["location"], again.headers["idempotency-replayed"]) == (first.headers["location"], "true")
    await ended(owner, first)
