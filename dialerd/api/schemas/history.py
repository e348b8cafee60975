"""Calls over time as JSON, for charts."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from dialerd.store.history import Bucket, Span


class BucketOut(BaseModel):
    """Each thing is counted when it happened: who is dialed in one bucket may pick up in the next."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    begins_at: datetime = Field(alias="from", description="When it begins; it lasts for `bucket_s`.")
    placed: int = Field(description="Calls that were begun.", examples=[12])
    answered: int = Field(description="Calls that were picked up.", examples=[5])
    connected: int = Field(description="Calls that an agent and a lead began to talk in.", examples=[4])
    abandoned: int = Field(description="Calls that ended with the outcome `abandoned`.", examples=[0])
    in_flight: int = Field(description="Calls under way at its end; of the last one: now.", examples=[3])
    talk_s: float = Field(
        description="Seconds that agents talked within it, all together: by `bucket_s` and the number of agents, their use.",
        examples=[412.5],
    )


class HistoryOut(BaseModel):
    """Calls of the last hour or day, without a gap."""

    span: Span
    bucket_s: int = Field(description="Length of a bucket in seconds.", examples=[60])
    items: list[BucketOut] = Field(
        description="The oldest first; the last one is the present, which is not over yet. What did not happen is 0."
    )


def history_out(span: Span, buckets: Sequence[Bucket]) -> HistoryOut:
    items = [BucketOut.model_validate(bucket) for bucket in buckets]
    return HistoryOut(span=span, bucket_s=int(span.bucket.total_seconds()), items=items)
