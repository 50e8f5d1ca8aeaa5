"""Covers: the pictures of a track, one row for each visual version, and those that people drew for it and saved."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from storage import database
from storage.rows import Row, new_id
from storage.webhooks.facts import TELL_OF_COVERS

MOST_SAVED, MOST_SAVED_BYTES = 500, 200 << 20  # of one person
_KEY = re.compile("covers/([0-9a-f]{32})/")


class Cover(Row):
    """A picture of a track; the PNG keys are filled when the crops have been drawn.

    The algorithm and the subject are what it takes, with the seeds, to draw it again the same; both are null for the
    covers of the first algorithm.
    """

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    visual_version = fields.IntField()
    svg_key = fields.CharField(max_length=512)
    square_key = fields.CharField(max_length=512, null=True)
    portrait_key = fields.CharField(max_length=512, null=True)
    landscape_key = fields.CharField(max_length=512, null=True)
    algorithm = fields.SmallIntField(null=True)
    subject: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)

    class Meta:
        table = "covers"
        constraints = (UniqueConstraint(fields=("track_id", "visual_version"), name="covers_track_version_key"),)


class SavedCover(Row):
    """A picture of a track that its owner drew, as we rebuilt it.

    The status is QUEUED, READY or REFUSED, of the pictures that its job makes; null where nobody asked for them.
    """

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    mode = fields.CharField(max_length=5)
    visual_version = fields.IntField()
    svg_key = fields.CharField(max_length=512)
    size_bytes = fields.IntField()
    status = fields.CharField(max_length=8, null=True)
    job_id = fields.UUIDField(null=True)
    square_key = fields.CharField(max_length=512, null=True)
    portrait_key = fields.CharField(max_length=512, null=True)
    landscape_key = fields.CharField(max_length=512, null=True)
    pictures_bytes = fields.IntField(null=True)

    class Meta:
        table = "saved_covers"
        indexes = (
            Index(fields=("user_id", "id"), name="saved_covers_user"),
            Index(fields=("track_id", "id"), name="saved_covers_track"),
        )
        constraints = (
            CheckConstraint(check="mode IN ('DARK', 'LIGHT')", name="saved_covers_mode_known"),
            CheckConstraint(check="status IN ('QUEUED', 'READY', 'REFUSED')", name="saved_covers_status_known"),
        )


@dataclass(frozen=True)
class Drawing:
    """How a cover was drawn: by which algorithm, of which subject."""

    algorithm: int
    subject: Mapping[str, Any]


async def keep_cover(
    user_id: UUID, track_id: UUID, visual_version: int, keys: dict[str, str], drawing: Drawing
) -> None:
    """Write the cover of one visual version, or fill in what was drawn of it later; runs in the transaction at hand."""
    columns: dict[str, Any] = {f"{name}_key": key for name, key in keys.items()}
    columns |= {"algorithm": drawing.algorithm, "subject": orjson.dumps(drawing.subject).decode()}
    names = ", ".join(columns)
    places = ", ".join(f"${n}" for n in range(5, 5 + len(columns)))
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
    await database.fetch(
        f"INSERT INTO covers (id, user_id, track_id, visual_version, created_at, {names})"  # noqa: S608 - our own columns
        f" VALUES ($1, $2, $3, $4, now(), {places}) ON CONFLICT (track_id, visual_version) DO UPDATE SET {updates}",
        new_id(),
        user_id,
        track_id,
        visual_version,
        *columns.values(),
    )


WRITE_SAVED = f"""
WITH saved AS (
    INSERT INTO saved_covers (id, user_id, track_id, mode, visual_version, svg_key, size_bytes, created_at)
    SELECT $1, user_id, id, $4, visual_version, $5, $6, now() FROM tracks WHERE id = $2 AND user_id = $3
    FOR KEY SHARE RETURNING *
), {TELL_OF_COVERS} SELECT * FROM saved"""  # noqa: S608 - our own text


async def write_saved_cover(saved: SavedCover) -> SavedCover | None:
    """Write a cover that was saved, for the look that its track has now; None when the owner has no such track.

    The track is held until the transaction ends, so that nobody deletes it without this cover.
    """
    record = await database.fetch_one(
        WRITE_SAVED,
        saved.id,
        saved.track_id,
        saved.user_id,
        saved.mode,
        saved.svg_key,
        saved.size_bytes,
    )
    return None if record is None else SavedCover.construct(**record)


async def has_room_for(user_id: UUID, size_bytes: int) -> bool:
    """Whether this person may save one more cover of this size, with the pictures that will be made of it."""
    record = await database.fetch_one(
        "SELECT count(*) AS covers, coalesce(sum(size_bytes + coalesce(pictures_bytes, 0)), 0) AS bytes"
        " FROM saved_covers WHERE user_id = $1",
        user_id,
    )
    return record is not None and record["covers"] < MOST_SAVED and record["bytes"] + size_bytes <= MOST_SAVED_BYTES


async def hold_room(user_id: UUID) -> None:
    """Let nobody else save a cover of this person until the transaction at hand ends."""
    await database.fetch("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)


async def await_pictures(saved_id: UUID, job_id: UUID) -> None:
    """Write which job makes the pictures of a saved cover, in the transaction that enqueues it."""
    await database.fetch("UPDATE saved_covers SET status = 'QUEUED', job_id = $2 WHERE id = $1", saved_id, job_id)


async def keep_pictures(saved_id: UUID, keys: Mapping[str, str], pictures_bytes: int) -> bool:
    """Write the pictures of a saved cover; False when it was deleted meanwhile."""
    written = await database.fetch(
        "UPDATE saved_covers SET status = 'READY', square_key = $2, portrait_key = $3, landscape_key = $4,"
        " pictures_bytes = $5 WHERE id = $1 RETURNING id",
        saved_id,
        keys["square"],
        keys["portrait"],
        keys["landscape"],
        pictures_bytes,
    )
    return bool(written)


async def refuse_pictures(saved_id: UUID) -> None:
    """Write that a saved cover cannot be drawn."""
    await database.fetch("UPDATE saved_covers SET status = 'REFUSED' WHERE id = $1", saved_id)


async def delete_saved_cover(user_id: UUID, saved_id: UUID) -> bool:
    """Forget a saved cover, and that a track shows it; its files go with the next sweep. False when there is none."""
    async with database.transaction():
        gone = await database.fetch(
            "DELETE FROM saved_covers WHERE id = $1 AND user_id = $2 RETURNING track_id", saved_id, user_id
        )
        for row in gone:
            await database.fetch(
                "UPDATE tracks SET saved_cover_id = NULL, version = version + 1 WHERE id = $1 AND saved_cover_id = $2",
                row["track_id"],
                saved_id,
            )
    return bool(gone)


async def choose_saved_cover(user_id: UUID, track_id: UUID, saved_id: UUID | None) -> bool:
    """Let a track show a cover that was saved for it, or its own again; False when there is none such."""
    async with database.transaction():
        if saved_id is not None:
            held = await database.fetch(
                "SELECT id FROM saved_covers WHERE id = $1 AND track_id = $2 AND user_id = $3 FOR KEY SHARE",
                saved_id,
                track_id,
                user_id,
            )
            if not held:
                return False
        chosen = await database.fetch(
            "UPDATE tracks SET saved_cover_id = $3, version = version + 1 WHERE id = $1 AND user_id = $2 RETURNING id",
            track_id,
            user_id,
            saved_id,
        )
        return bool(chosen)


async def find_cover(track_id: UUID, visual_version: int) -> Cover | None:
    """The cover of one visual version."""
    return await Cover.get_or_none(track_id=track_id, visual_version=visual_version)


async def find_contour(track_id: UUID) -> dict[str, Any] | None:
    """The contour that a cover of this track was drawn from, of the newest that had the song before it."""
    rows = await database.read(
        "SELECT subject FROM covers WHERE track_id = $1 AND subject -> 'contour' <> 'null'"
        " ORDER BY visual_version DESC LIMIT 1",
        track_id,
    )
    if not rows:
        return None
    kept: dict[str, Any] = orjson.loads(rows[0]["subject"])["contour"]
    return kept


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that a cover points at."""
    rows = await database.read(
        "SELECT unnest(ARRAY[svg_key, square_key, portrait_key, landscape_key]) AS key FROM covers"
        " WHERE track_id = ANY($1) UNION ALL SELECT unnest(ARRAY[svg_key, square_key, portrait_key, landscape_key])"
        " FROM saved_covers WHERE track_id = ANY($1)",
        list({UUID(hex=found[1]) for key in keys if (found := _KEY.match(key))}),
    )
    return {row["key"] for row in rows if row["key"] is not None}


async def find_drawn_cover(track_id: UUID) -> Cover | None:
    """The cover of the newest visual version whose pictures are there."""
    return await Cover.filter(track_id=track_id, landscape_key__isnull=False).order_by("-visual_version").first()


async def find_chosen_cover(saved_cover_id: UUID | None) -> SavedCover | None:
    """The saved cover that a track shows, once its pictures are there; whoever asks has found the track."""
    return None if saved_cover_id is None else await SavedCover.get_or_none(id=saved_cover_id, status="READY")
