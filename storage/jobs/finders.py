"""Finding jobs: for a viewer, for the watchdog of live screens, for the dispatcher, for dashboards."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from tortoise.queryset import QuerySet

from storage import database
from storage.access import Viewer
from storage.jobs.rows import Job, JobState

RATE_WINDOW_SECONDS = 60
MAX_LIVE, MAX_ENDED = 1_000, 100  # of a person's jobs, at first; whoever wants more asks for pages


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """How one queue does, over the last minute."""

    name: str
    depth: int
    oldest_age_seconds: float
    running: int
    finished_per_minute: int
    failed_per_minute: int


def visible(viewer: Viewer) -> QuerySet[Job]:
    """The jobs that this viewer may see; the only door to them."""
    return Job.all() if viewer.is_admin else Job.filter(user_id=viewer.user_id)


async def find_job(viewer: Viewer, job_id: UUID) -> Job | None:
    """A job that the viewer may see."""
    return await visible(viewer).get_or_none(id=job_id) if viewer.user_id else None


async def read_states(job_ids: Collection[UUID]) -> list[JobState]:
    """The jobs as they stand; for topics whose access was checked when they were subscribed to."""
    return [JobState.of(row) for row in await database.read("SELECT * FROM jobs WHERE id = ANY($1)", list(job_ids))]


async def read_newer(seen: Mapping[UUID, int]) -> list[JobState]:
    """Those of the jobs that stand at a later version than was seen."""
    rows = await database.read(
        "SELECT jobs.* FROM unnest($1::uuid[], $2::int[]) AS seen (id, version)"
        " JOIN jobs ON jobs.id = seen.id AND jobs.version > seen.version",
        list(seen),
        list(seen.values()),
    )
    return [JobState.of(row) for row in rows]


async def read_recent(user_id: UUID, ended_seconds: float) -> list[JobState]:
    """A person's jobs that have not ended, and those that have within this time; the newest, in order of their ids."""
    rows = await database.read(
        "(SELECT * FROM jobs WHERE user_id = $1 AND finished_at IS NULL ORDER BY id DESC LIMIT $3) UNION ALL"
        " (SELECT * FROM jobs WHERE user_id = $1 AND finished_at >= now() - make_interval(secs => $2)"
        " ORDER BY finished_at DESC LIMIT $4)",
        user_id,
        ended_seconds,
        MAX_LIVE,
        MAX_ENDED,
    )
    return sorted((JobState.of(row) for row in rows), key=lambda state: state.id)


async def read_versions(user_ids: Collection[UUID], ended_seconds: float) -> list[tuple[UUID, UUID, int]]:
    """Id, owner and version of all jobs of these people that have not ended, or have within this time."""
    rows = await database.read(
        "SELECT id, user_id, version FROM jobs WHERE user_id = ANY($1) AND finished_at IS NULL UNION ALL"
        " SELECT id, user_id, version FROM jobs WHERE user_id = ANY($1)"
        " AND finished_at >= now() - make_interval(secs => $2)",
        list(user_ids),
        ended_seconds,
    )
    return [(row["id"], row["user_id"], row["version"]) for row in rows]


async def list_due(queues: Collection[str], limit: int) -> list[tuple[str, str, UUID]]:
    """Queue, kind and id of the jobs that wait and could start now: so many of each queue."""
    rows = await database.read(
        "SELECT queue, kind, id FROM unnest($1::text[]) AS name, LATERAL (SELECT queue, kind, id FROM jobs"
        " WHERE queue = name AND state = 'QUEUED' AND available_at <= now() ORDER BY priority, turn LIMIT $2) due",
        list(queues),
        limit,
    )
    return [(row["queue"], row["kind"], row["id"]) for row in rows]


async def list_dead_letters(limit: int = 100) -> list[JobState]:
    """The jobs that failed for good, newest first."""
    rows = await database.read("SELECT * FROM jobs WHERE state = 'FAILED' ORDER BY finished_at DESC LIMIT $1", limit)
    return [JobState.of(row) for row in rows]


async def read_queue_health(names: Collection[str]) -> list[QueueHealth]:
    """How each of these queues does; one statement for all."""
    rows = await database.read(
        """
        SELECT name,
            count(*) FILTER (WHERE state = 'QUEUED' AND available_at < 'infinity') AS depth,
            coalesce(extract(epoch FROM now() - min(available_at) FILTER (
                WHERE state = 'QUEUED' AND available_at < 'infinity')), 0)::float8 AS age,
            count(*) FILTER (WHERE state = 'RENDERING') AS running,
            count(*) FILTER (WHERE state = 'COMPLETE') AS finished,
            count(*) FILTER (WHERE state = 'FAILED') AS failed
        FROM unnest($1::text[]) AS name LEFT JOIN jobs ON queue = name AND (state IN ('QUEUED', 'RENDERING')
            OR finished_at >= now() - make_interval(secs => $2))
        GROUP BY name ORDER BY name
        """,
        list(names),
        float(RATE_WINDOW_SECONDS),
    )
    return [
        QueueHealth(row["name"], row["depth"], max(0.0, row["age"]), row["running"], row["finished"], row["failed"])
        for row in rows
    ]
