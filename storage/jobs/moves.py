"""How a job moves from state to state: each move is one named statement, guarded by the lease's token, with its event.

A move that finds the row elsewhere changes nothing and says so; nobody but these functions writes `jobs.state`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson

from server.errors import Conflict, LeaseLost, NotFound
from storage import credits as ledger
from storage import database, events
from storage.access import Viewer
from storage.jobs import families
from storage.jobs.rows import JobState, Lease
from storage.jobs.subjects import check_subject
from storage.lifecycle import State, ending, moving

LEASE_SECONDS = 10  # a killed worker's job is taken up again within this plus one round of the reaper
MAX_CRASHES = 3  # a job that took this many workers down with it is not given to another

INSERT = """
INSERT INTO jobs (id, user_id, kind, queue, state, stage, progress, message, version, attempt, max_attempts,
    crash_count, round, priority, available_at, lease_token, parent_id, subject_id, payload, request_id, created_at,
    turn)
VALUES ($1, $2, $3, $4::varchar, 'QUEUED', 'queued', 0, '', 1, 0, $5,
    0, 0, $6, CASE WHEN $12 THEN 'infinity' ELSE now() + make_interval(secs => $7) END, 0, $8, $9, $10, $11, now(),
    next_turn($2, $4::varchar, $6))
RETURNING *"""

CLAIM = moving("""
UPDATE jobs SET state = 'RENDERING', stage = 'starting', progress = 0, message = '', version = jobs.version + 1,
    attempt = attempt + 1, lease_token = lease_token + 1, lease_until = now() + make_interval(secs => $2), worker = $3,
    started_at = coalesce(started_at, now()), error_code = NULL, error_message = NULL, error_retryable = NULL
FROM (
    SELECT id AS next_id FROM jobs
    WHERE queue = $1::varchar AND state = 'QUEUED' AND available_at <= now() AND user_id NOT IN (
        SELECT user_id FROM jobs WHERE queue = $1 AND state = 'RENDERING' GROUP BY user_id HAVING count(*) >= $4)
        AND has_room(user_id, $1::varchar, $4)
    ORDER BY priority, turn, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
) next WHERE id = next_id""")

BEAT = """
UPDATE jobs SET lease_until = now() + make_interval(secs => $3),
    progress = $4, stage = $5::varchar, message = $6::varchar,
    version = version + (($4, $5::varchar, $6::varchar) IS DISTINCT FROM (progress, stage, message))::int
WHERE id = $1 AND lease_token = $2 AND state = 'RENDERING' RETURNING *"""

COMPLETE = ending("""
UPDATE jobs SET state = 'COMPLETE', stage = 'complete', progress = 1, message = '', version = jobs.version + 1,
    result = $3, lease_until = NULL, finished_at = now()
WHERE id = $1 AND lease_token = $2 AND state = 'RENDERING'""")

FAIL = ending("""
UPDATE jobs SET state = 'FAILED', stage = 'failed', version = jobs.version + 1, lease_until = NULL, finished_at = now(),
    error_code = $3, error_message = $4, error_retryable = $5, log_key = $6
WHERE id = $1 AND lease_token = $2 AND state = 'RENDERING'""")

RETRY = moving("""
UPDATE jobs SET state = 'QUEUED', stage = 'retrying', progress = 0, version = jobs.version + 1, lease_until = NULL,
    error_code = $3, error_message = $4, error_retryable = true, available_at = now() + make_interval(secs => $5)
WHERE id = $1 AND lease_token = $2 AND state = 'RENDERING'""")

GIVE_BACK = moving("""
UPDATE jobs SET state = 'QUEUED', stage = 'queued', progress = 0, version = jobs.version + 1, lease_until = NULL,
    attempt = attempt - 1, available_at = now()
WHERE id = $1 AND lease_token = $2 AND state = 'RENDERING'""")

REAP = ending("""
UPDATE jobs SET lease_until = NULL, version = jobs.version + 1, crash_count = crash_count + 1, available_at = now(),
    state = CASE WHEN crash_count + 1 >= $1 THEN 'FAILED' ELSE 'QUEUED' END,
    stage = CASE WHEN crash_count + 1 >= $1 THEN 'failed' ELSE 'retrying' END,
    progress = CASE WHEN crash_count + 1 >= $1 THEN progress ELSE 0 END,
    finished_at = CASE WHEN crash_count + 1 >= $1 THEN now() END,
    error_code = CASE WHEN crash_count + 1 >= $1 THEN 'CRASHED_TOO_OFTEN' ELSE 'WORKER_LOST' END,
    error_message = CASE WHEN crash_count + 1 >= $1 THEN 'Every worker that took this job died; an admin can replay it'
        ELSE 'The worker was lost; the job runs again' END,
    error_retryable = crash_count + 1 < $1
FROM (
    SELECT id AS lost_id FROM jobs WHERE state = 'RENDERING' AND lease_until < now()
    LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED
) lost WHERE id = lost_id""")

CANCEL = ending("""
UPDATE jobs SET state = 'CANCELLED', stage = 'cancelled', version = jobs.version + 1, lease_until = NULL,
    finished_at = now()
WHERE id = $1 AND state IN ('QUEUED', 'RENDERING')""")

_REPLAY = """
UPDATE jobs SET state = 'QUEUED', stage = 'queued', progress = 0, message = '', version = jobs.version + 1, attempt = 0,
    crash_count = 0, round = round + 1, available_at = now(), started_at = NULL, finished_at = NULL,
    error_code = NULL, error_message = NULL, error_retryable = NULL
WHERE state IN ('FAILED', 'CANCELLED') AND """
REPLAY = moving(_REPLAY + "id = $1 AND round = $2")
REPLAY_PARENT = moving(_REPLAY + "id = $1")
REPLAY_CHILDREN = moving(_REPLAY + "parent_id = $1")


async def insert_job(
    *,
    job_id: UUID,
    user_id: UUID,
    kind: str,
    queue: str,
    subject_id: UUID | None = None,
    payload: dict[str, Any] | None = None,
    max_attempts: int = 3,
    priority: int = 0,
    delay_seconds: float = 0,
    parent_id: UUID | None = None,
    request_id: str | None = None,
    waits_for_children: bool = False,
) -> JobState:
    """A new QUEUED job, in the transaction of what it works on; its turn is as `migrations/0002_next_turn` says.

    One that waits for its children goes on as `storage.jobs.families` says.
    """
    encoded = orjson.dumps(payload or {}, default=str).decode()
    record = await database.fetch_one(
        INSERT,
        job_id,
        user_id,
        kind,
        queue,
        max_attempts,
        priority,
        float(delay_seconds),
        parent_id,
        subject_id,
        encoded,
        request_id,
        waits_for_children,
    )
    assert record is not None  # noqa: S101 - INSERT … RETURNING answers or raises
    return await announce_new(record)


async def announce_new(record: database.Record) -> JobState:
    """Tell, after the commit, of a job that was written now: only those who watch all of a person's jobs can know."""
    state = JobState.of(record)
    await events.publish_after_commit((events.jobs_topic(state.user_id),), state.encode())
    return state


async def claim_next(queue: str, *, worker: str, running_per_user: int) -> Lease | None:
    """Take the job whose turn it is; None when nothing is due.

    Those who take from one queue wait for each other (`migrations/0019_room`), so this is one statement and no
    transaction: a worker that freezes in the middle of it keeps nobody waiting.
    """
    record = await database.fetch_one(CLAIM, queue, float(LEASE_SECONDS), worker, running_per_user)
    if record is None:
        return None
    await _announce(record)
    return Lease.of(record)


async def beat(lease: Lease, progress: float, stage: str, message: str = "") -> JobState | None:
    """Extend the lease and show progress; None when the lease is worth nothing any more."""
    record = await database.fetch_one(BEAT, lease.job_id, lease.token, float(LEASE_SECONDS), progress, stage, message)
    if record is None:
        return None
    if lease.parent_id is not None:
        await _show_family(lease.parent_id)
    return await _announce(record)


async def complete_job(lease: Lease, result: dict[str, Any]) -> None:
    """End in success, in the transaction that keeps what was made; LeaseLost rolls all of it back."""
    await _move_leased(COMPLETE, lease, orjson.dumps(result, default=str).decode())


async def fail_job(lease: Lease, code: str, message: str, *, retryable: bool, log_key: str | None = None) -> None:
    """End in failure: the dead letter, until somebody replays it."""
    await _move_leased(FAIL, lease, code, message[:500], retryable, log_key)


async def retry_job(lease: Lease, code: str, message: str, *, delay_seconds: float) -> None:
    """Put the job back to run again after a pause."""
    await _move_leased(RETRY, lease, code, message[:500], float(delay_seconds))


async def give_back(lease: Lease) -> None:
    """Put the job back at once because this worker stops; the attempt does not count."""
    await _move_leased(GIVE_BACK, lease)


async def reap_lost_jobs() -> list[JobState]:
    """Put back, or fail for good, the jobs whose worker let the lease run out."""
    async with database.transaction():
        parents = await families.hold_parents_of_lost()
        moved = await _move(REAP, MAX_CRASHES)
        for parent_id in parents:
            await _settle_family(parent_id)
        return moved


async def cancel_job(viewer: Viewer, job_id: UUID) -> JobState:
    """End a job that has not ended, and its children; whoever works on it is told at its next beat."""
    record = await _require_visible(viewer, job_id)
    async with _family_of(record["parent_id"]):
        moved = await _move(CANCEL, job_id)
        if not moved:
            raise Conflict("The job has ended already, so it cannot be cancelled")
        await _move(families.CANCEL_CHILDREN, job_id)
        return moved[0]


async def replay_job(viewer: Viewer, job_id: UUID) -> JobState:
    """Run a failed or cancelled job again from the start, with those of its children that are not complete.

    Its credits are reserved anew. A parent that failed for want of this job waits for it again.
    """
    record = await _require_visible(viewer, job_id)
    async with _family_of(record["parent_id"]) as parent_id:
        await families.hold_job(job_id)  # so that nobody deletes what it works on meanwhile
        await check_subject(job_id, record["kind"], record["subject_id"])
        moved = await _move(REPLAY, job_id, record["round"])
        if not moved:
            raise Conflict("Only a job that failed or was cancelled can run again")
        price = await ledger.find_reserved(job_id, 0)
        await ledger.reserve_credits(record["user_id"], job_id, price, round_number=record["round"] + 1)
        await _move(REPLAY_CHILDREN, job_id)
        await database.fetch(families.PARK, job_id)
        if parent_id is not None and await _move(REPLAY_PARENT, parent_id):
            await database.fetch(families.PARK, parent_id)
        return moved[0]


async def holds(lease: Lease, state: State) -> bool:
    """Whether the job stands in this state under this very lease; settles a commit whose answer was lost."""
    row = await database.fetch_one("SELECT state, lease_token FROM jobs WHERE id = $1", lease.job_id)
    return row is not None and row["state"] == state and row["lease_token"] == lease.token


async def _require_visible(viewer: Viewer, job_id: UUID) -> database.Record:
    user_id = viewer.require_user()
    record = await database.fetch_one(
        "SELECT user_id, kind, subject_id, round, parent_id FROM jobs WHERE id = $1", job_id
    )
    if record is None or not (viewer.is_admin or record["user_id"] == user_id):
        raise NotFound("There is no such job")
    return record


async def _move_leased(statement: str, lease: Lease, *values: object) -> None:
    async with _family_of(lease.parent_id):
        if not await _move(statement, lease.job_id, lease.token, *values):
            raise LeaseLost


@asynccontextmanager
async def _family_of(parent_id: UUID | None) -> AsyncIterator[UUID | None]:
    """A transaction that moves a child, and then what follows for its parent."""
    async with database.transaction():
        if parent_id is not None:
            await families.hold_job(parent_id)
        yield parent_id
        if parent_id is not None:
            await _settle_family(parent_id)


async def _settle_family(parent_id: UUID) -> None:
    """Have a parent go on, or fail, once none of its children has yet to end."""
    await _show_family(parent_id)
    family = await families.read_family(parent_id)
    if family.failure is not None:
        await _move(families.GIVE_UP, parent_id, *family.failure)
    elif not family.is_unfinished:
        await _move(families.GO_ON, parent_id)


async def _show_family(parent_id: UUID) -> None:
    for record in await database.fetch(families.SHOW, parent_id):
        await _announce(record)


async def _move(statement: str, *values: object) -> list[JobState]:
    async with database.transaction():
        records: Sequence[database.Record] = await database.fetch(statement, *values)
        return [await _announce(record) for record in records]


async def _announce(record: database.Record) -> JobState:
    state = JobState.of(record)
    await events.publish_after_commit(events.job_topics(state.id, state.user_id), state.encode())
    return state
