"""Assets: the files that a job made, each row pointing at one blob."""

from collections.abc import Collection
from typing import Literal
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index

from storage import database
from storage.rows import Row

AssetKind = Literal["MIX", "MASTER", "STEM", "PEAKS", "MIDI"]


class Asset(Row):
    """One file of a track."""

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    kind = fields.CharField(max_length=8)
    name = fields.CharField(max_length=40, default="")
    blob_key = fields.CharField(max_length=512)
    mime_type = fields.CharField(max_length=80)
    size_bytes = fields.BigIntField()
    duration_seconds = fields.FloatField(null=True)

    class Meta:
        table = "assets"
        indexes = (Index(fields=("track_id", "kind"), name="assets_track"),)


async def replace_assets(track_id: UUID, assets: list[Asset]) -> None:
    """Swap what a track has for what was made now, in the transaction that completes its job."""
    await Asset.filter(track_id=track_id).delete()
    await Asset.bulk_create(assets)


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that an asset points at."""
    rows = await database.read("SELECT blob_key FROM assets WHERE blob_key = ANY($1)", list(keys))
    return {row["blob_key"] for row in rows}


async def find_asset(track_id: UUID, kind: AssetKind) -> Asset | None:
    """The one file of this kind that a track has; whoever asks has found the track by its own door."""
    return await Asset.filter(track_id=track_id, kind=kind).first()
