"""A job whose parts other jobs make: it waits without a slot until the last of them has ended, and shows how they do.

Whoever moves one of a family holds the parent's row first, so that two children that end together are both counted,
and none waits for another in a circle. A parent that waits is QUEUED and due at infinity: nobody rings for it, takes it
or reaps it.
"""

from dataclasses import dataclass
from uuid import UUID

from storage import database
from storage.lifecycle import ending, moving

PART_CANCELLED = "PART_CANCELLED"
MOST_TOLD = 500  # characters
CANCELLED_PART = "The job of one of its parts was cancelled; run that job again, or this one"
WAITS = "state = 'QUEUED' AND available_at = 'infinity'"

HOLD = f"SELECT {WAITS} AS is_waiting FROM jobs WHERE id = $1 FOR NO KEY UPDATE"  # noqa: S608 - our own text

HOLD_OF_LOST = """
SELECT id FROM jobs WHERE id IN (
    SELECT parent_id FROM jobs WHERE state = 'RENDERING' AND lease_until < now() AND parent_id IS NOT NULL)
ORDER BY id FOR NO KEY UPDATE"""

COUNT = """SELECT count(*) AS unfinished FROM jobs WHERE parent_id = $1 AND state IN ('QUEUED', 'RENDERING')"""

# FAILED first: it has a reason to tell.
FIND_ENDED_BADLY = """
SELECT state, error_code, error_message, count(*) OVER () - 1 AS others FROM jobs
WHERE parent_id = $1 AND state IN ('FAILED', 'CANCELLED') ORDER BY state DESC, id LIMIT 1"""

# In steps of a hundredth, so that however many children beat, their parent changes a hundred times.
SHOW = f"""
UPDATE jobs SET progress = shown.progress, stage = 'clips', message = shown.message, version = version + 1
FROM (
    SELECT round(coalesce(avg(progress), 0)::numeric, 2)::float8 AS progress,
        count(*) FILTER (WHERE state = 'COMPLETE') || ' of ' || count(*) || ' clips' AS message
    FROM jobs WHERE parent_id = $1
) shown
WHERE id = (SELECT id FROM jobs WHERE id = $1 AND {WAITS} FOR NO KEY UPDATE SKIP LOCKED)
    AND (jobs.progress, jobs.message, jobs.stage) IS DISTINCT FROM (shown.progress, shown.message, 'clips')
RETURNING jobs.*"""  # noqa: S608 - our own text

PARK = """
UPDATE jobs SET available_at = 'infinity' WHERE id = $1 AND state = 'QUEUED'
    AND EXISTS (SELECT FROM jobs child WHERE child.parent_id = $1 AND child.state <> 'COMPLETE')"""

GO_ON = moving(f"""
UPDATE jobs SET available_at = now(), stage = 'queued', message = '', version = jobs.version + 1
WHERE id = $1 AND {WAITS}""")  # noqa: S608 - our own text

GIVE_UP = ending(f"""
UPDATE jobs SET state = 'FAILED', stage = 'failed', version = jobs.version + 1, finished_at = now(),
    error_code = $2, error_message = $3, error_retryable = false
WHERE id = $1 AND {WAITS}""")  # noqa: S608 - our own text

CANCEL_CHILDREN = ending("""
UPDATE jobs SET state = 'CANCELLED', stage = 'cancelled', version = jobs.version + 1, lease_until = NULL,
    finished_at = now()
WHERE parent_id = $1 AND state IN ('QUEUED', 'RENDERING')""")

ADOPT = "UPDATE jobs SET parent_id = $2 WHERE parent_id = $1 AND id <> $3"
LEAVE = "UPDATE jobs SET parent_id = NULL WHERE id = $1"


@dataclass(frozen=True)
class Family:
    """How the children of a job do: whether any has yet to end, and why their parent cannot go on, if it cannot."""

    is_unfinished: bool
    failure: tuple[str, str] | None = None


async def hold_job(job_id: UUID) -> bool:
    """Have all who move it or a child of it wait until the transaction at hand ends; whether it waits for children."""
    return any(row["is_waiting"] for row in await database.fetch(HOLD, job_id))


async def hold_parents_of_lost() -> list[UUID]:
    """The same for the parents of all jobs whose lease has run out."""
    return [row["id"] for row in await database.fetch(HOLD_OF_LOST)]


async def read_family(parent_id: UUID) -> Family:
    """How the children do, once the parent is held."""
    counted = await database.fetch_one(COUNT, parent_id)
    assert counted is not None  # noqa: S101 - count(*) always answers with a row
    if counted["unfinished"]:
        return Family(is_unfinished=True)
    bad = await database.fetch_one(FIND_ENDED_BADLY, parent_id)
    if bad is None:
        return Family(is_unfinished=False)
    is_failed = bad["state"] == "FAILED"
    code, reason = (bad["error_code"], bad["error_message"]) if is_failed else (PART_CANCELLED, CANCELLED_PART)
    others = f" (other parts that are missing: {bad['others']})" if bad["others"] else ""
    return Family(is_unfinished=False, failure=(code, reason[: MOST_TOLD - len(others)] + others))


async def adopt(old_parent_id: UUID, parent_id: UUID, *, but: UUID) -> None:
    """Give the children of a parent that has ended to another, all but one that is made anew."""
    await database.fetch(ADOPT, old_parent_id, parent_id, but)


async def leave(job_id: UUID) -> None:
    """Have a child count no more, as another does its work."""
    await database.fetch(LEAVE, job_id)
