"""The job row: the truth about a piece of work, whoever does it."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson
from asyncpg.pgproto.pgproto import UUID as QuickUUID  # noqa: N811 - a uuid.UUID, made in a sixth of the time
from tortoise import fields
from tortoise.indexes import Index, PartialIndex
from tortoise.migrations.constraints import CheckConstraint

from storage.lifecycle import State
from storage.rows import Row

STATES = {state.value: state for state in State}


class Job(Row):
    """A piece of work that takes time."""

    user_id = fields.UUIDField()
    kind = fields.CharField(max_length=40)
    queue = fields.CharField(max_length=16)
    state = fields.CharEnumField(State, max_length=10, default=State.QUEUED)
    stage = fields.CharField(max_length=40, default="queued")
    progress = fields.FloatField(default=0.0)
    message = fields.CharField(max_length=280, default="")
    version = fields.IntField(default=1)
    attempt = fields.IntField(default=0)
    max_attempts = fields.IntField(default=3)
    crash_count = fields.IntField(default=0)
    round = fields.IntField(default=0)
    priority = fields.SmallIntField(default=0)
    turn = fields.BigIntField(default=0)
    available_at = fields.DatetimeField()
    lease_token = fields.BigIntField(default=0)
    lease_until = fields.DatetimeField(null=True)
    worker = fields.CharField(max_length=80, null=True)
    parent_id = fields.UUIDField(null=True)
    subject_id = fields.UUIDField(null=True)
    payload: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    result: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    error_code = fields.CharField(max_length=40, null=True)
    error_message = fields.CharField(max_length=500, null=True)
    error_retryable = fields.BooleanField(null=True)
    log_key = fields.CharField(max_length=512, null=True)
    request_id = fields.CharField(max_length=64, null=True)
    started_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "jobs"
        indexes = (
            Index(fields=("user_id", "id"), name="jobs_user"),
            PartialIndex(
                fields=("queue", "priority", "turn", "id", "user_id"),
                name="jobs_waiting",
                condition={"state": "QUEUED"},
            ),
            PartialIndex(fields=("queue", "user_id", "turn"), name="jobs_waiting_user", condition={"state": "QUEUED"}),
            PartialIndex(
                fields=("queue", "user_id", "lease_until"), name="jobs_running", condition={"state": "RENDERING"}
            ),
            Index(fields=("queue", "finished_at"), name="jobs_finished"),
            Index(fields=("user_id", "finished_at"), name="jobs_user_finished"),  # NULL: it has not ended
            Index(fields=("subject_id",), name="jobs_subject"),
            Index(fields=("parent_id",), name="jobs_children"),
        )
        constraints = (CheckConstraint(check="progress >= 0 AND progress <= 1", name="jobs_progress_fraction"),)


@dataclass(slots=True)  # frozen, each of some 10,000 events a second would take twice as long to read
class JobState:
    """What a client may see of a job at one version; this is what events carry, and nobody changes it."""

    id: UUID
    user_id: UUID
    kind: str
    queue: str
    state: State
    stage: str
    progress: float
    message: str
    attempt: int
    error_code: str | None
    error_message: str | None
    error_retryable: bool | None
    subject_id: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int

    @classmethod
    def of(cls, record: dict[str, Any]) -> "JobState":
        """From a row of the table."""
        values = {name: record[name] for name in cls.__slots__}
        return cls(**values | {"state": State(values["state"])})

    def encode(self) -> bytes:
        """As the bytes that travel."""
        return orjson.dumps(self, default=str)  # asyncpg's ids are a UUID of its own

    @classmethod
    def decode(cls, encoded: bytes) -> "JobState":
        """From the bytes that travelled."""
        values = orjson.loads(encoded)
        for name in ("id", "user_id", "subject_id"):
            values[name] = values[name] and QuickUUID(values[name])
        for name in ("created_at", "started_at", "finished_at"):
            values[name] = values[name] and datetime.fromisoformat(values[name])
        values["state"] = STATES[values["state"]]
        return cls(*IN_ORDER(values))  # by name, it would take as long again


IN_ORDER = itemgetter(*(one.name for one in dataclasses.fields(JobState)))


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: every write shows its token, and a newer lease makes it worthless."""

    job_id: UUID
    token: int
    round: int
    kind: str
    queue: str
    user_id: UUID
    subject_id: UUID | None
    payload: dict[str, Any]
    attempt: int
    max_attempts: int
    request_id: str | None
    parent_id: UUID | None

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Lease":
        """From the row as it was claimed."""
        payload = record["payload"]
        return cls(
            job_id=record["id"],
            token=record["lease_token"],
            round=record["round"],
            kind=record["kind"],
            queue=record["queue"],
            user_id=record["user_id"],
            subject_id=record["subject_id"],
            payload=orjson.loads(payload) if isinstance(payload, str) else payload,
            attempt=record["attempt"],
            max_attempts=record["max_attempts"],
            request_id=record["request_id"],
            parent_id=record["parent_id"],
        )
