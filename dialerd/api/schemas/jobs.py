"""Jobs as JSON."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from dialerd.store.jobs import Job, JobKind, JobState


class FlawOut(BaseModel):
    """Why a row was not taken."""

    model_config = ConfigDict(from_attributes=True)

    row: int = Field(
        description="Line of the file, counted from 1; or the lead's place in the CRM's answer.", examples=[17]
    )
    column: str = Field(examples=["number"], description="Which of its values.")
    value: str = Field(description="What is there, shortened; phone numbers are masked.", examples=["+120****"])
    reason: str = Field(examples=["is no phone number"], description="Why it cannot be used.")


class JobOut(BaseModel):
    """A job: what one request began, and others look at."""

    id: int = Field(examples=[12])
    kind: JobKind
    campaign_id: int | None = Field(description="Of the campaign whose leads it brings; null: of none.", examples=[7])
    state: JobState = Field(description="`done`: all of it is stored; `failed`: nothing of it is.")
    source: str = Field(description="The name of the file, or whose API it was.", examples=["may.csv"])
    created_by: str = Field(examples=["user anna"])
    created_at: datetime = Field(description="When it was begun.")
    started_at: datetime | None = Field(description="When it got its turn.")
    ended_at: datetime | None = Field(description="When it was over.")
    rows_read: int = Field(description="So far.", examples=[12500])
    bad_rows: int = Field(description="Those of them that cannot be used.", examples=[2])
    flaws: list[FlawOut] = Field(description="The first thousand of what is wrong; empty in lists.")
    report: dict[str, int | str] = Field(
        description="What came of it: `added`, `renewed`, `duplicates`, `on_dnc`, `prolonged`; `uploaded_before` says when the same "
        "file came before, if it was passed over for that.",
        examples=[{"added": 12000, "renewed": 0, "duplicates": 498, "on_dnc": 3}],
    )
    error: str | None = Field(description="Why it has failed.")


def job_out(job: Job, *, flaws: bool = True) -> JobOut:
    values = {name: getattr(job, name) for name in JobOut.model_fields if hasattr(job, name)}
    shown = [FlawOut.model_validate(flaw) for flaw in job.progress.flaws] if flaws else []
    return JobOut(**values, rows_read=job.progress.rows_read, bad_rows=job.progress.bad_rows, flaws=shown)
