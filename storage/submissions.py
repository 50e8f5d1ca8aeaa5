"""Submissions: what a job has sent to a music provider, written down before it goes out, so that it goes out once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.indexes import PartialIndex
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from storage import database
from storage.rows import Row, new_id

SubmissionState = Literal["begun", "submitted", "ended"]

BEGIN = """
INSERT INTO provider_submissions (id, job_id, round, provider, model, state, created_at)
SELECT $1, id, round, $5, $6, 'begun', now() FROM jobs
WHERE id = $2 AND round = $3 AND lease_token = $4 AND state = 'RENDERING'
ON CONFLICT (job_id, round, provider) DO NOTHING RETURNING id"""

KEEP = """
UPDATE provider_submissions kept SET state = 'submitted', submission = $4
FROM jobs WHERE jobs.id = kept.job_id AND jobs.round = kept.round AND jobs.state IN ('QUEUED', 'RENDERING')
    AND kept.job_id = $1 AND kept.round = $2 AND kept.provider = $3 AND kept.state = 'begun'
RETURNING kept.id"""

END = """
UPDATE provider_submissions SET state = 'ended', code = $4, ended_at = now()
WHERE job_id = $1 AND round = $2 AND provider = $3 AND state <> 'ended'"""

FORGET = "DELETE FROM provider_submissions WHERE job_id = $1 AND round = $2 AND provider = $3 AND state = 'begun'"

READ = "SELECT provider, state, submission FROM provider_submissions WHERE job_id = $1 AND round = $2"

STRAYS = """
SELECT DISTINCT job_id, provider_submissions.round FROM provider_submissions JOIN jobs ON jobs.id = job_id
WHERE provider_submissions.state = 'submitted' AND provider_submissions.created_at > now() - $2::interval
    AND provider = ANY($1)
    AND (jobs.state IN ('COMPLETE', 'FAILED', 'CANCELLED') OR jobs.round > provider_submissions.round)
LIMIT $3"""


class ProviderSubmission(Row):
    """A job's one submit to one provider, in one round of the job: an admin's replay may submit anew."""

    job_id = fields.UUIDField()
    round = fields.IntField()
    provider = fields.CharField(max_length=20)
    model = fields.CharField(max_length=40)
    state = fields.CharField(max_length=9)
    submission: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    code = fields.CharField(max_length=40, null=True)
    ended_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "provider_submissions"
        indexes = (
            PartialIndex(
                fields=("created_at",), name="provider_submissions_followed", condition={"state": "submitted"}
            ),
        )
        constraints = (
            UniqueConstraint(fields=("job_id", "round", "provider"), name="provider_submissions_once"),
            CheckConstraint(check="state IN ('begun', 'submitted', 'ended')", name="provider_submissions_state_known"),
        )


@dataclass(frozen=True)
class Kept:
    """How far a job got with a provider."""

    provider: str
    state: SubmissionState
    sent: dict[str, str] | None


async def begin(job_id: UUID, round_number: int, token: int, provider: str, model: str) -> bool:
    """Write that a submit is about to go out; False when the lease is lost, or one went out before."""
    return bool(await database.fetch(BEGIN, new_id(), job_id, round_number, token, provider, model))


async def keep(job_id: UUID, round_number: int, provider: str, submission: dict[str, str]) -> bool:
    """Keep what was answered; False when the job has ended or the entry has, so that nobody will follow it."""
    kept = await database.fetch(KEEP, job_id, round_number, provider, orjson.dumps(submission).decode())
    return bool(kept)


async def end(job_id: UUID, round_number: int, provider: str, code: str) -> None:
    """Write that nothing more comes from there."""
    await database.fetch(END, job_id, round_number, provider, code)


async def forget(job_id: UUID, round_number: int, provider: str) -> None:
    """Take back what was begun."""
    await database.fetch(FORGET, job_id, round_number, provider)


async def read(job_id: UUID, round_number: int) -> list[Kept]:
    """All that one round of a job has sent."""
    rows = await database.read(READ, job_id, round_number)
    return [Kept(row["provider"], row["state"], _load(row["submission"])) for row in rows]


async def list_strays(providers: Collection[str], age: timedelta, limit: int) -> list[tuple[UUID, int]]:
    """Jobs, with their round, that have ended while what they sent to one of these providers may still run."""
    rows = await database.read(STRAYS, list(providers), age, limit)
    return [(row["job_id"], row["round"]) for row in rows]


def _load(kept: str | dict[str, str] | None) -> dict[str, str] | None:
    return orjson.loads(kept) if isinstance(kept, str) else kept
