"""Tracks that are asked for: the credits, the ledger's line, the track and its job, written by one statement."""

from uuid import UUID

from storage import database, jobs
from storage.jobs import JobState
from storage.rows import new_id
from storage.tracks import Track

# Too few credits, a style or a series that is not there: then `charged` is empty, and nothing is written. Who comes
# while another spends waits for the account's row and sees what is left of it. A series that is chosen is held, so that
# nobody deletes it with this track left out.
WRITE = """
WITH chosen AS (
    SELECT coalesce(
        (SELECT id FROM series WHERE id = $3 AND user_id = $1 FOR KEY SHARE),
        (SELECT id FROM series WHERE $3::uuid IS NULL AND user_id = $1 AND is_default)) AS series_id
), charged AS (
    UPDATE users SET credits = credits - $2 FROM chosen
    WHERE users.id = $1 AND credits >= $2 AND ($3::uuid IS NULL OR series_id IS NOT NULL)
        AND ($4::uuid IS NULL OR EXISTS (SELECT FROM styles WHERE styles.id = $4 AND coalesce(user_id, $1) = $1))
    RETURNING series_id
), held AS (
    INSERT INTO credit_entries (id, user_id, job_id, round, kind, available_delta, held_delta, created_at)
    SELECT $5, $1, $6, 0, 'RESERVE', -$2, $2, now() FROM charged
), track AS (
    INSERT INTO tracks (id, user_id, series_id, style_id, job_id, title, prompt, lyrics, duration_seconds, has_vocals,
        seed, slug, status, visual_version, visibility, version, created_at)
    SELECT $7, $1, series_id, $4, $6, $8, $9, $10, $11, $12, $13, $14, 'QUEUED', 1, 'PRIVATE', 1, now() FROM charged
), job AS (
    INSERT INTO jobs (id, user_id, kind, queue, state, stage, progress, message, version, attempt, max_attempts,
        crash_count, round, priority, available_at, lease_token, subject_id, payload, request_id, created_at, turn)
    SELECT $6, $1, $15, $16::varchar, 'QUEUED', 'queued', 0, '', 1, 0, $17,
        0, 0, 0, now(), 0, $7, '{}', $18, now(), next_turn($1, $16::varchar, 0::smallint) FROM charged
    RETURNING *
)
SELECT job.*, charged.series_id FROM job, charged"""


async def write_track(
    track: Track, *, price: int, kind: str, queue: str, max_attempts: int = 3, request_id: str | None = None
) -> JobState | None:
    """Write a new track and the job that makes it, for this price; None, and nothing is written, when it cannot be.

    What the database chose, the default series and the time, is noted in `track`.
    """
    record = await database.fetch_one(
        WRITE,
        track.user_id,
        price,
        track.series_id,
        track.style_id,
        new_id(),
        track.job_id,
        track.id,
        track.title,
        track.prompt,
        track.lyrics,
        track.duration_seconds,
        track.has_vocals,
        track.seed,
        track.slug,
        kind,
        queue,
        max_attempts,
        request_id,
    )
    if record is None:
        return None
    track.series_id, track.created_at = record["series_id"], record["created_at"]
    return await jobs.announce_new(record)


async def find_unknown(user_id: UUID, *, style_id: UUID | None, series_id: UUID | None) -> dict[str, str]:
    """What is not there of what a wish names, by field."""
    row = await database.fetch_one(
        "SELECT EXISTS (SELECT FROM styles WHERE id = $2 AND coalesce(user_id, $1) = $1) AS style,"
        " EXISTS (SELECT FROM series WHERE id = $3 AND user_id = $1) AS series",
        user_id,
        style_id,
        series_id,
    )
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    unknown = {}
    if style_id is not None and not row["style"]:
        unknown["styleId"] = "There is no such style"
    if series_id is not None and not row["series"]:
        unknown["seriesId"] = "There is no such series"
    return unknown
