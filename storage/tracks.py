"""Tracks: what was asked for, and what came of it."""

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.queryset import QuerySet

from server.errors import Conflict, NotFound, SubjectGone
from storage import database
from storage.access import Viewer
from storage.lifecycle import State
from storage.rows import Row

VISIBILITIES = ("PRIVATE", "UNLISTED", "PUBLIC")  # each lets more people in than the one before
SHARED_TO = VISIBILITIES[1:]
MAX_SLUG = 32
IMPORTED = "upload"  # the provider of what its owner recorded


class Track(Row):
    """A piece of music: what was asked for, and what came of it."""

    user_id = fields.UUIDField()
    series_id = fields.UUIDField(null=True)
    style_id = fields.UUIDField(null=True)
    job_id = fields.UUIDField(null=True)
    title = fields.CharField(max_length=120)
    prompt = fields.TextField()
    lyrics = fields.TextField(null=True)
    duration_seconds = fields.FloatField()
    has_vocals = fields.BooleanField(default=False)
    seed = fields.IntField()
    status = fields.CharEnumField(State, max_length=10, default=State.QUEUED)
    visual_version = fields.IntField(default=1)
    saved_cover_id = fields.UUIDField(null=True)
    visibility = fields.CharField(max_length=8, default="PRIVATE")
    slug = fields.CharField(max_length=MAX_SLUG)
    music: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    completed_at: datetime | None = fields.DatetimeField(null=True)
    taken_down_at: datetime | None = fields.DatetimeField(null=True)
    takedown_reason = fields.CharField(max_length=16, null=True)
    version = fields.IntField(default=1)

    class Meta:
        table = "tracks"
        indexes = (
            Index(fields=("user_id", "id"), name="tracks_user"),
            Index(fields=("series_id", "id"), name="tracks_series"),
            Index(fields=("job_id",), name="tracks_job"),
        )
        constraints = (
            UniqueConstraint(fields=("slug",), name="tracks_slug_key"),
            CheckConstraint(check="visibility IN ('PRIVATE', 'UNLISTED', 'PUBLIC')", name="tracks_visibility_known"),
            CheckConstraint(
                check="(taken_down_at IS NULL) = (takedown_reason IS NULL)", name="tracks_takedown_has_reason"
            ),
        )


def visible(viewer: Viewer) -> QuerySet[Track]:
    """The tracks that this viewer may see; the only door to them."""
    return Track.all() if viewer.is_admin else Track.filter(user_id=viewer.user_id)


async def find_track(viewer: Viewer, track_id: UUID) -> Track | None:
    """A track that the viewer may see."""
    return await visible(viewer).get_or_none(id=track_id) if viewer.user_id else None


async def get_own_track(viewer: Viewer, track_id: UUID) -> Track:
    """A track that the viewer may change; NotFound otherwise."""
    track = await Track.get_or_none(id=track_id, user_id=viewer.require_user())
    if track is None:
        raise NotFound("There is no such track")
    return track


async def hold_own_track(viewer: Viewer, track_id: UUID) -> Track:
    """The same, and nobody else begins work on it or deletes it before the transaction at hand ends."""
    await database.fetch("SELECT id FROM tracks WHERE id = $1 FOR NO KEY UPDATE", track_id)
    return await get_own_track(viewer, track_id)


async def find_shared_track(slug: str) -> Track | None:
    """A finished track that its owner lets the world see under this slug; it may have been taken down."""
    if not slug.isascii() or "\x00" in slug or len(slug) > MAX_SLUG:
        return None
    return await Track.get_or_none(slug=slug, visibility__in=SHARED_TO, status=State.COMPLETE)


async def find_shared_track_by_id(track_id: UUID) -> Track | None:
    """As `find_shared_track`, by its id."""
    return await Track.get_or_none(id=track_id, visibility__in=SHARED_TO, status=State.COMPLETE)


async def hold_track(track_id: UUID | None) -> Track:
    """The track that a job works on, which nobody can delete before the transaction at hand ends."""
    held = await database.fetch("SELECT id FROM tracks WHERE id = $1 FOR KEY SHARE", track_id)
    if not held:
        raise SubjectGone
    return await Track.get(id=track_id)


def new_slug() -> str:
    """A share link's name: 128 random bits, so that it cannot be guessed."""
    return secrets.token_urlsafe(16)


async def delete_track(track: Track) -> None:
    """Forget a track and what was made of it; its files go with the next sweep."""
    async with database.transaction():
        await track.delete()  # first, which waits for those who hold it while they write what belongs to it
        for table in (
            "assets",
            "covers",
            "saved_covers",
            "analyses",
            "timed_lyrics",
            "track_references",
            "video_clips",
            "videos",
            "video_pieces",
        ):
            await database.fetch(f"DELETE FROM {table} WHERE track_id = $1", track.id)  # noqa: S608 - our own names


async def step_visual_version(track_id: UUID, following: int) -> bool:
    """Step a track's look on to the version that follows; False when somebody else has done it meanwhile."""
    stepped = await database.fetch(
        "UPDATE tracks SET visual_version = $2, version = version + 1 WHERE id = $1 AND visual_version = $2 - 1"
        " RETURNING id",
        track_id,
        following,
    )
    return bool(stepped)


async def keep_music(track_id: UUID, music: dict[str, object], *, duration_seconds: float | None = None) -> None:
    """Write what is known of the song, and its length where that was not chosen, as its job completes."""
    await database.fetch(
        "UPDATE tracks SET music = $2, duration_seconds = coalesce($3, duration_seconds) WHERE id = $1",
        track_id,
        orjson.dumps(music).decode(),
        duration_seconds,
    )


async def update_track(
    track: Track, *, title: str | None = None, visibility: str | None = None, series_id: UUID | None = None
) -> Track:
    """Change what is given, the rest stays; NotFound when there is no such series of the owner's, or no track any more.

    The series is held first, so that nobody deletes it with this track left out. Conflict when a track that was taken
    down is to be shown to more people.
    """
    changed = await database.fetch(
        "WITH chosen AS (SELECT id FROM series WHERE id = $4 AND user_id = $5 FOR KEY SHARE)"
        " UPDATE tracks SET title = coalesce($2, title), visibility = coalesce($3, visibility),"
        " series_id = coalesce((SELECT id FROM chosen), series_id), version = version + 1"
        " WHERE id = $1 AND ($4::uuid IS NULL OR EXISTS (SELECT FROM chosen))"
        " AND (taken_down_at IS NULL OR $3::varchar IS NULL"
        " OR array_position($6::varchar[], $3) <= array_position($6, visibility)) RETURNING id",
        track.id,
        title,
        visibility,
        series_id,
        track.user_id,
        list(VISIBILITIES),
    )
    if not changed:
        await _explain_refusal(track.id, visibility, series_id)
    return await Track.get(id=track.id)


async def _explain_refusal(track_id: UUID, visibility: str | None, series_id: UUID | None) -> None:
    """Why a track was not changed."""
    row = await database.fetch_one("SELECT taken_down_at FROM tracks WHERE id = $1", track_id)
    if row is not None and row["taken_down_at"] is not None and visibility is not None:
        raise Conflict("The track was taken down; until it is restored, it cannot be shown to more people")
    raise NotFound("There is no such track" if series_id is None else "There is no such track or series")
