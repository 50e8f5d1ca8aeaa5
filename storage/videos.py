"""Videos: films of a track, one row for each, and the pieces that are kept of one while it is being rendered."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from server.errors import Conflict, LeaseLost, NotFound, SubjectGone
from storage import database
from storage.access import Viewer
from storage.jobs import Lease, hold_job
from storage.lifecycle import State
from storage.rows import Row

DONE = "The video was deleted"
STREAM_SECONDS = 86_400  # how long what was watched while it grew can be watched on, and a failed film goes on from
FRAMES_KEPT = 10  # one a second: the one that is shown, and those that a slow client may be about to fetch
STALE_AT_ONCE = 100
_KEY = re.compile("videos/([0-9a-f]{32})/")


class VideoKind(StrEnum):
    """What a film is made of."""

    LYRIC = "LYRIC"
    CUT = "CUT"
    GENERATED = "GENERATED"


class PieceKind(StrEnum):
    """What is kept of a film while it grows: what it is joined from, what is streamed, what it looks like."""

    SEGMENT = "SEGMENT"
    STREAM = "STREAM"
    FRAME = "FRAME"


class Video(Row):
    """A film: what was asked for, and what came of it; `film` is null until it is there, its files until they expire.

    `preview_seconds` is how much of it can be streamed, without a gap, from its beginning.
    """

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    job_id = fields.UUIDField()
    kind = fields.CharEnumField(VideoKind, max_length=9)
    status = fields.CharEnumField(State, max_length=10, default=State.QUEUED)
    aspect = fields.CharField(max_length=9)
    title = fields.CharField(max_length=120)
    theme = fields.CharField(max_length=24, null=True)
    frames_per_second = fields.SmallIntField()
    duration_seconds = fields.FloatField()
    wish: fields.Field[dict[str, Any]] = fields.JSONField()
    film: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    preview_key = fields.CharField(max_length=512, null=True)
    preview_seconds = fields.FloatField(default=0.0)
    log_key = fields.CharField(max_length=512, null=True)
    completed_at: datetime | None = fields.DatetimeField(null=True)
    expires_at: datetime | None = fields.DatetimeField(null=True)
    version = fields.IntField(default=1)

    class Meta:
        table = "videos"
        indexes = (
            Index(fields=("user_id", "id"), name="videos_user"),
            Index(fields=("track_id", "id"), name="videos_track"),
            Index(fields=("expires_at",), name="videos_by_end"),
        )
        constraints = (
            UniqueConstraint(fields=("job_id",), name="videos_job_key"),
            CheckConstraint(check="kind IN ('LYRIC', 'CUT', 'GENERATED')", name="videos_kind_known"),
            CheckConstraint(check="aspect IN ('LANDSCAPE', 'PORTRAIT', 'SQUARE')", name="videos_aspect_known"),
        )


class VideoPiece(Row):
    """A piece of a film that is being rendered; those of another plan than the film's now are worth nothing."""

    track_id = fields.UUIDField()
    video_id = fields.UUIDField()
    kind = fields.CharEnumField(PieceKind, max_length=7)
    number = fields.IntField()
    plan_hash = fields.CharField(max_length=64)
    blob_key = fields.CharField(max_length=512)
    duration_seconds = fields.FloatField(default=0.0)

    class Meta:
        table = "video_pieces"
        indexes = (Index(fields=("track_id",), name="video_pieces_track"),)
        constraints = (
            UniqueConstraint(fields=("video_id", "kind", "number"), name="video_pieces_place_key"),
            CheckConstraint(check="kind IN ('SEGMENT', 'STREAM', 'FRAME')", name="video_pieces_kind_known"),
        )


HOLD = """
SELECT videos.id FROM videos JOIN jobs ON jobs.id = videos.job_id
WHERE videos.id = $1 AND jobs.id = $2 AND jobs.lease_token = $3 AND jobs.state = 'RENDERING'
FOR NO KEY UPDATE OF videos"""

# The streamed pieces up to the first that is not there yet.
LIST_STREAM = """
SELECT blob_key, duration_seconds FROM (
    SELECT blob_key, duration_seconds, number, row_number() OVER (ORDER BY number) - 1 AS place
    FROM video_pieces WHERE video_id = $1 AND kind = 'STREAM'
) piece WHERE number = place ORDER BY number"""

SHOW_STREAM = f"""
UPDATE videos SET version = version + 1,
    preview_seconds = (SELECT coalesce(sum(duration_seconds), 0) FROM ({LIST_STREAM}) streamed)
WHERE id = $1"""  # noqa: S608 - our own text

SHOW_FRAME = """
WITH shown AS (UPDATE videos SET preview_key = $2, version = version + 1 WHERE id = $1)
DELETE FROM video_pieces WHERE video_id = $1 AND kind = 'FRAME' AND number <= $3 RETURNING blob_key"""

DROP_OTHERS = """
WITH gone AS (DELETE FROM video_pieces WHERE video_id = $1 AND plan_hash <> $2 RETURNING blob_key),
cleared AS (UPDATE videos SET preview_key = NULL, preview_seconds = 0 WHERE id = $1 AND EXISTS (SELECT FROM gone))
SELECT blob_key FROM gone"""

KEEP_FILM = """
UPDATE videos SET film = $2, preview_key = NULL, log_key = NULL,
    expires_at = CASE WHEN $3::int > 0 THEN now() + make_interval(days => $3) END
WHERE id = $1 RETURNING id"""

DROP_STALE = f"""
WITH stale AS (
    SELECT id FROM videos WHERE id IN (
        SELECT video_id FROM video_pieces JOIN videos ON videos.id = video_id JOIN jobs ON jobs.id = job_id
        WHERE state = 'CANCELLED' OR finished_at < now() - interval '{STREAM_SECONDS} seconds')
    LIMIT {STALE_AT_ONCE} FOR NO KEY UPDATE SKIP LOCKED
), cleared AS (
    UPDATE videos SET preview_key = NULL, preview_seconds = 0, version = version + 1 FROM stale
    WHERE videos.id = stale.id
)
DELETE FROM video_pieces USING stale WHERE video_id = stale.id RETURNING blob_key"""  # noqa: S608 - our own text

EXPIRE = """
UPDATE videos SET film = film - 'files', version = version + 1
WHERE expires_at <= now() AND film ? 'files' AND status IN ('COMPLETE', 'FAILED', 'CANCELLED') RETURNING id"""

RENDER_AGAIN = "UPDATE videos SET job_id = $2, status = 'QUEUED', log_key = NULL, version = version + 1 WHERE id = $1"


async def find_own_video(viewer: Viewer, video_id: UUID) -> Video | None:
    """A video that the viewer may change."""
    return await Video.get_or_none(id=video_id, user_id=viewer.require_user())


async def get_own_video(viewer: Viewer, video_id: UUID) -> Video:
    """The same; NotFound when there is none."""
    video = await find_own_video(viewer, video_id)
    if video is None:
        raise NotFound("There is no such video")
    return video


async def get_job_video(job_id: UUID) -> Video:
    """The video that a job renders; SubjectGone when it was deleted."""
    video = await Video.get_or_none(job_id=job_id)
    if video is None:
        raise SubjectGone(DONE)
    return video


async def list_pieces(video_id: UUID) -> list[VideoPiece]:
    """What is there of a film that is not done."""
    return await VideoPiece.filter(video_id=video_id).order_by("kind", "number")


async def forget_piece(piece: VideoPiece) -> None:
    """Forget a piece whose file is gone."""
    await VideoPiece.filter(id=piece.id).delete()


async def drop_other_plans(lease: Lease, video_id: UUID, plan_hash: str) -> list[str]:
    """Forget the pieces of any other plan than this; answers with their keys, or LeaseLost as `keep_pieces`."""
    async with database.transaction():
        await _hold(lease, video_id)
        gone = await database.fetch(DROP_OTHERS, video_id, plan_hash)
    return [row["blob_key"] for row in gone]


async def keep_pieces(lease: Lease, video_id: UUID, pieces: Sequence[VideoPiece]) -> None:
    """Write segments and what is streamed of them; LeaseLost when the video is not this lease's to write any more."""
    async with database.transaction():
        await _hold(lease, video_id)
        await VideoPiece.bulk_create(pieces, ignore_conflicts=True)  # an answer that was not awaited
        await database.fetch(SHOW_STREAM, video_id)


async def show_frame(lease: Lease, frame: VideoPiece) -> list[str]:
    """Show this as the newest frame; answers with the keys of those that nobody looks at any more."""
    async with database.transaction():
        await _hold(lease, frame.video_id)
        await frame.save(force_create=True)
        old = await database.fetch(SHOW_FRAME, frame.video_id, frame.blob_key, frame.number - FRAMES_KEPT)
    return [row["blob_key"] for row in old]


async def _hold(lease: Lease, video_id: UUID) -> None:
    if not await database.fetch(HOLD, video_id, lease.job_id, lease.token):
        raise LeaseLost


async def keep_film(video_id: UUID, film: dict[str, Any], *, retention_days: int) -> list[str]:
    """Write what came of it, in the transaction that completes its job; answers with the keys of pieces now needless.

    What was streamed stays for those who watch it; SubjectGone when the video was deleted meanwhile.
    """
    if not await database.fetch(KEEP_FILM, video_id, orjson.dumps(film).decode(), retention_days):
        raise SubjectGone(DONE)
    gone = await database.fetch(
        "DELETE FROM video_pieces WHERE video_id = $1 AND kind <> 'STREAM' RETURNING blob_key", video_id
    )
    return [row["blob_key"] for row in gone]


async def drop_stale_pieces() -> list[str]:
    """Forget the pieces of films that were cancelled, or ended long ago; answers with their keys."""
    return [row["blob_key"] for row in await database.fetch(DROP_STALE)]


async def drop_cancelled_pieces(video_id: UUID) -> list[str]:
    """The same for one film, unless somebody has it rendered again already."""
    async with database.transaction():
        cleared = await database.fetch(
            "UPDATE videos SET preview_key = NULL, preview_seconds = 0, version = version + 1"
            " WHERE id = $1 AND status = 'CANCELLED' RETURNING id",
            video_id,
        )
        if not cleared:
            return []
        gone = await database.fetch("DELETE FROM video_pieces WHERE video_id = $1 RETURNING blob_key", video_id)
    return [row["blob_key"] for row in gone]


async def expire_films() -> int:
    """Forget the files of films that were kept long enough; answers with how many. They go with the next sweep."""
    return len(await database.fetch(EXPIRE))


async def find_stream(video_id: UUID) -> tuple[State, list[tuple[str, float]]] | None:
    """Where a film stands, and the keys and seconds of what can be streamed of it; for whoever holds a link to it."""
    row = await database.fetch_one("SELECT status FROM videos WHERE id = $1", video_id)
    if row is None:
        return None
    pieces = await database.read(LIST_STREAM, video_id)  # after the status, so that an end is never told too early
    return State(row["status"]), [(piece["blob_key"], piece["duration_seconds"]) for piece in pieces]


async def render_again(video: Video, job_id: UUID) -> None:
    """Write that another job renders a video; what there is of it stays until that is done."""
    await database.fetch(RENDER_AGAIN, video.id, job_id)


async def delete_video(video: Video) -> None:
    """Forget a video that nobody renders; its files go with the next sweep. Whoever moves its job is waited for."""
    async with database.transaction():
        await hold_job(video.job_id)
        held = await Video.get_or_none(id=video.id)
        if held is None:
            raise NotFound("There is no such video")
        if held.job_id != video.job_id or not held.status.is_terminal:
            raise Conflict("The video is being rendered; cancel its job first")
        await database.fetch("DELETE FROM video_clips WHERE video_id = $1", video.id)
        await video.delete()
        await VideoPiece.filter(video_id=video.id).delete()


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that a video points at."""
    rows = await database.read(
        "SELECT blob_key AS key FROM video_pieces WHERE video_id = ANY($1)"
        " UNION ALL SELECT jsonb_path_query(film, '$.files.*.key') #>> '{}' FROM videos WHERE id = ANY($1)"
        " UNION ALL SELECT log_key FROM videos WHERE id = ANY($1)",
        list({UUID(hex=found[1]) for key in keys if (found := _KEY.match(key))}),
    )
    return {row["key"] for row in rows if row["key"] is not None}
