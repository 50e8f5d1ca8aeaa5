"""Covers: the pictures of a track, one row for each visual version."""

from collections.abc import Collection
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import UniqueConstraint

from storage import database
from storage.rows import Row, new_id


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


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that a cover points at."""
    rows = await database.read(
        "SELECT unnest(ARRAY[svg_key, square_key, portrait_key, landscape_key]) AS key FROM covers"
        " WHERE track_id = ANY($1)",
        list({UUID(key.split("/")[1]) for key in keys}),
    )
    return {row["key"] for row in rows if row["key"] is not None}


async def find_newest_cover(track_id: UUID, *, is_drawn: bool = False) -> Cover | None:
    """The cover of the newest visual version, or of the newest whose pictures are there already."""
    rows = Cover.filter(track_id=track_id).order_by("-visual_version")
    return await (rows.filter(landscape_key__isnull=False) if is_drawn else rows).first()
