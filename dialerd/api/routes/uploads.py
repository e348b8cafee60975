"""Uploads of leads, and the jobs that do them."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response

from dialerd.api.auth import permitted
from dialerd.api.files import UPLOAD, uploaded
from dialerd.api.jobs import Told, Watch
from dialerd.api.parts import TheParts, TheStores, note_for_audit
from dialerd.api.routes.campaigns import campaign_for
from dialerd.api.routing import router
from dialerd.api.schemas.body import HIGHEST_ID, Id, Limit, Page, page_of
from dialerd.api.schemas.jobs import JobOut, job_out
from dialerd.api.schemas.leads import Region
from dialerd.domain.roles import Caller, Permission
from dialerd.errors import NotFound
from dialerd.imports import Manner, Policy, import_leads
from dialerd.store.jobs import Job, JobKind
from dialerd.store.leads import Duplicates, ImportReport, raise_unless_open

uploads = router("uploads")

Manager = Annotated[Caller, permitted(Permission.MANAGE_LEADS)]
RegionQuery = Annotated[
    Region | None,
    Query(description="Country (ISO 3166) of numbers without one. Unset: the account's.", examples=["GB"]),
]
EncodingQuery = Annotated[
    str,
    Query(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="Of the file, as Python calls it.", examples=["cp1252"]),
]
PolicyQuery = Annotated[
    Policy, Query(description="`refuse`: nothing is stored if any row is bad. `keep`: the good rows are.")
]
NameQuery = Annotated[
    str,
    Query(
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="What the file is called, where no form says so.",
        examples=["may.csv"],
    ),
]
DuplicatesQuery = Annotated[
    Duplicates,
    Query(
        description="Numbers that the campaign has already. `never`: they are passed over; `always`: their leads begin anew with the new "
        "data; `finished`: only those to which nothing happens any more."
    ),
]
KEEP = "leave them out by on_bad_rows=keep"


@uploads.post(
    "/campaigns/{campaign_id}/leads/upload",
    summary="Upload a file of leads",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=UPLOAD,
)
async def upload(
    campaign_id: Id,
    caller: Manager,
    parts: TheParts,
    request: Request,
    response: Response,
    *,
    region: RegionQuery = None,
    encoding: EncodingQuery = "utf-8",
    on_bad_rows: PolicyQuery = Policy.REFUSE,
    duplicates: DuplicatesQuery = Duplicates.NEVER,
    again: Annotated[bool, Query(description="Also if this very file came before.")] = False,
    name: NameQuery = "upload.csv",
) -> JobOut:
    """A CSV file with the columns of the sample, to a campaign that does not run. It is read by a job: `Location` is where to look how
    far that has come. All of the file is stored, or nothing."""
    stores = parts.stores
    campaign = await campaign_for(stores, caller, campaign_id)
    raise_unless_open(campaign.status)
    account = await stores.accounts.get(caller.account)
    parts.jobs.refuse_if_full()
    sent = await uploaded(request, name)
    note_for_audit(request, {"file": sent.name})
    manner = Manner(
        region=region, encoding=encoding, policy=on_bad_rows, duplicates=duplicates, again=again, leave_out=KEEP
    )

    async def work(watch: Watch) -> Told:
        report = await import_leads(
            stores,
            account,
            campaign.id,
            sent.path,
            source=sent.name,
            manner=manner,
            bad=watch.bad,
            advance=watch.advance,
            before_commit=watch.finishing(told),
        )
        return told(report)

    job = await parts.jobs.begin(
        JobKind.LEADS_UPLOAD,
        work,
        account_id=caller.account_id,
        created_by=caller.actor,
        source=sent.name,
        campaign_id=campaign.id,
        file=sent.file,
    )
    return begun(job, response)


def told(report: ImportReport) -> Told:
    counts = {
        "added": report.added,
        "renewed": report.renewed,
        "duplicates": report.duplicates,
        "on_dnc": len(report.on_dnc),
    }
    before = report.uploaded_before
    return counts if before is None else {**counts, "uploaded_before": before.isoformat()}


def begun(job: Job, response: Response) -> JobOut:
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job_out(job)


@uploads.get("/jobs", summary="List jobs")
async def list_jobs(
    caller: Manager,
    stores: TheStores,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=1, le=HIGHEST_ID, description="What the page before said as `next`.")] = HIGHEST_ID,
) -> Page[JobOut]:
    """The newest first. They are kept for a month."""
    jobs = await stores.jobs.list(caller.account_id, before=after, limit=limit + 1)
    return page_of([*map(partial(job_out, flaws=False), jobs)], limit, lambda job: job.id)


@uploads.get("/jobs/{job_id}", summary="How far a job has come")
async def get_job(job_id: Id, caller: Manager, stores: TheStores) -> JobOut:
    """A job whose process is gone has failed; nothing of it is stored then."""
    job = await stores.jobs.get(job_id)
    if job.account_id != caller.account_id:
        raise NotFound("job", job_id)
    return job_out(job)
