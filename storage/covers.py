"""Covers: the pictures of a track, one row for each visual version, and those that people drew for it and saved."""

from collections.abc import Collection
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from storage import database
from storage.rows import Row, new_id
from storage.webhooks.facts import TELL_OF_COVERS


class Cover(Row):
    """A picture of a track; the PNG keys are filled when the crops have been drawn."""

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    visual_version = fields.IntField()
    svg_key = fields.CharField(max_length=512)
    square_key = fields.CharField(max_length=512, null=True)
    portrait_key = fields.CharField(max_length=512, null=True)
    landscape_key = fields.CharField(max_length=512, null=True)

    class Meta:
        table = "covers"
        constraints = (UniqueConstraint(fields=("track_id", "visual_version"), name="covers_track_version_key"),)


class SavedCover(Row):
    """A picture of a track that its owner drew, as we rebuilt it."""

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    mode = fields.CharField(max_length=5)
    visual_version = fields.IntField()
    svg_key = fields.CharField(max_length=512)
    size_bytes = fields.IntField()

    class Meta:
        table = "saved_covers"
        indexes = (
            Index(fields=("user_id", "id"), name="saved_covers_user"),
            Index(fields=("track_id", "id"), name="saved_covers_track"),
        )
        constraints = (CheckConstraint(check="mode IN ('DARK', 'LIGHT')", name="saved_covers_mode_known"),)


async def keep_cover(user_id: UUID, track_id: UUID, visual_version: int, keys: dict[str, str]) -> None:
    """Write the cover of one visual version, or fill in what was drawn of it later; runs in the transaction at hand."""
    columns = {f"{name}_key": key for name, key in keys.items()}
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


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that a cover points at."""
    rows = await database.read(
        "SELECT unnest(ARRAY[svg_key, square_key, portrait_key, landscape_key]) AS key FROM covers"
        " WHERE track_id = ANY($1) UNION ALL SELECT svg_key FROM saved_covers WHERE track_id = ANY($1)",
        list({UUID(key.split("/")[1]) for key in keys}),
    )
    return {row["key"] for row in rows if row["key"] is not None}


async def find_newest_cover(track_id: UUID, *, is_drawn: bool = False) -> Cover | None:
    """The cover of the newest visual version, or of the newest whose pictures are there already."""
    rows = Cover.filter(track_id=track_id).order_by("-visual_version")
    return await (rows.filter(landscape_key__isnull=False) if is_drawn else rows).first()
