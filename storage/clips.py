"""Clips: the moving pictures of a generated film, one row for each section of its song."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

from server.errors import SubjectGone
from storage import database
from storage.lifecycle import State
from storage.rows import Row

_KEY = re.compile("clips/([0-9a-f]{32})/")


class VideoClip(Row):
    """What is shown while one section plays: what was wished for, who made it, and where it is.

    The blob is the newest that is complete; a wish for another leaves it until that is there. It goes with the film's.
    """

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    video_id = fields.UUIDField()
    job_id = fields.UUIDField()
    number = fields.SmallIntField()
    name = fields.CharField(max_length=80)
    start_seconds = fields.FloatField()
    end_seconds = fields.FloatField()
    energy = fields.FloatField()
    prompt = fields.TextField()
    seed = fields.IntField()
    status = fields.CharEnumField(State, max_length=10, default=State.QUEUED)
    provider = fields.CharField(max_length=20, null=True)
    model = fields.CharField(max_length=40, null=True)
    notes: fields.Field[list[str]] = fields.JSONField(default=list)
    blob_key = fields.CharField(max_length=512, null=True)
    duration_seconds = fields.FloatField(null=True)
    version = fields.IntField(default=1)

    class Meta:
        table = "video_clips"
        indexes = (Index(fields=("track_id",), name="video_clips_track"),)
        constraints = (
            UniqueConstraint(fields=("video_id", "number"), name="video_clips_place_key"),
            UniqueConstraint(fields=("job_id",), name="video_clips_job_key"),
        )


@dataclass(frozen=True)
class KeptClip:
    """What came of one: where it is, how long, who made it by which model, and in what it differs from the wish."""

    blob_key: str
    duration_seconds: float
    provider: str
    model: str | None
    notes: tuple[str, ...]


KEEP = """
UPDATE video_clips SET blob_key = $2, duration_seconds = $3, provider = $4, model = $5, notes = $6
WHERE job_id = $1 RETURNING id"""

AWAIT = """
UPDATE video_clips SET job_id = $2, prompt = $3, seed = $4, status = 'QUEUED', version = version + 1 WHERE id = $1"""

# Those of films whose own files are gone, and of films that ended without any that long ago.
EXPIRE = """
UPDATE video_clips SET blob_key = NULL, version = video_clips.version + 1
FROM videos JOIN jobs ON jobs.id = videos.job_id
WHERE video_id = videos.id AND blob_key IS NOT NULL AND (
    videos.status = 'COMPLETE' AND NOT film ? 'files'
    OR videos.status IN ('FAILED', 'CANCELLED') AND (film IS NULL OR NOT film ? 'files')
        AND $1::int > 0 AND jobs.finished_at < now() - make_interval(days => $1))
RETURNING video_clips.id"""


async def get_job_clip(job_id: UUID) -> VideoClip:
    """The clip that a job makes; SubjectGone when its film was deleted, or another job makes it by now."""
    clip = await VideoClip.get_or_none(job_id=job_id)
    if clip is None:
        raise SubjectGone("The section was made anew, or its film was deleted")
    return clip


async def list_clips(video_id: UUID) -> list[VideoClip]:
    """The clips of a film in their order."""
    return await VideoClip.filter(video_id=video_id).order_by("number")


async def write_clips(clips: Sequence[VideoClip]) -> None:
    """Write the clips of a new film."""
    await VideoClip.bulk_create(clips)


async def await_clip(clip: VideoClip) -> None:
    """Write that a job makes a clip anew, of this prompt and seed."""
    await database.fetch(AWAIT, clip.id, clip.job_id, clip.prompt, clip.seed)


async def keep_clip(job_id: UUID, kept: KeptClip) -> None:
    """Write what came of it, in the transaction that completes its job; SubjectGone as `get_job_clip` says."""
    notes = orjson.dumps(kept.notes).decode()
    values = kept.blob_key, kept.duration_seconds, kept.provider, kept.model, notes
    if not await database.fetch(KEEP, job_id, *values):
        raise SubjectGone("The section was made anew, or its film was deleted")


async def expire_clips(retention_days: int) -> int:
    """Forget the files of clips that go with their film; answers with how many. They go with the next sweep."""
    return len(await database.fetch(EXPIRE, retention_days))


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that a clip points at."""
    rows = await database.read(
        "SELECT blob_key FROM video_clips WHERE video_id = ANY($1) AND blob_key IS NOT NULL",
        list({UUID(hex=found[1]) for key in keys if (found := _KEY.match(key))}),
    )
    return {row["blob_key"] for row in rows}
