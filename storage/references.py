"""References: recordings of somebody's own that a track is to take after; each is an upload, held while it is made."""

from collections.abc import Collection, Sequence
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

from storage import database
from storage.rows import Row
from storage.uploads import Upload, UploadStatus


class TrackReference(Row):
    """A recording that a track was asked to take after; the upload may be deleted once the track has been made."""

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    upload_id = fields.UUIDField()
    position = fields.SmallIntField()
    filename = fields.CharField(max_length=255)
    duration_seconds = fields.FloatField()

    class Meta:
        table = "track_references"
        indexes = (Index(fields=("upload_id",), name="track_references_upload"),)
        constraints = (UniqueConstraint(fields=("track_id", "position"), name="track_references_position"),)


async def find_uploads(user_id: UUID, upload_ids: Collection[UUID], *, are_held: bool = False) -> dict[UUID, Upload]:
    """Those of these uploads that are somebody's; nobody deletes held ones before the transaction at hand ends."""
    if are_held:
        await database.fetch(
            "SELECT id FROM uploads WHERE id = ANY($1) AND user_id = $2 ORDER BY id FOR NO KEY UPDATE",
            list(upload_ids),
            user_id,
        )
    return {upload.id: upload for upload in await Upload.filter(id__in=list(upload_ids), user_id=user_id)}


async def keep_references(references: Sequence[TrackReference]) -> None:
    """Write what a track takes after, in the transaction that asks for it."""
    await TrackReference.bulk_create(references)


async def list_stored(track_id: UUID) -> tuple[int, list[Upload]]:
    """How many references a track has, and the uploads of those that are still there, in their order."""
    kept = await TrackReference.filter(track_id=track_id).order_by("position")
    stored = {
        upload.id: upload
        for upload in await Upload.filter(id__in=[one.upload_id for one in kept], status=UploadStatus.STORED)
    }
    return len(kept), [stored[one.upload_id] for one in kept if one.upload_id in stored]


async def is_needed(upload_id: UUID) -> bool:
    """Whether a track that is being made takes after this upload."""
    found = await database.fetch(
        "SELECT 1 FROM track_references JOIN tracks ON tracks.id = track_id"
        " WHERE upload_id = $1 AND status IN ('QUEUED', 'RENDERING') LIMIT 1",
        upload_id,
    )
    return bool(found)
