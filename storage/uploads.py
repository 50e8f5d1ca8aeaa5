"""Uploads: files that people bring, from the wish to bring one until it is checked and kept.

    PENDING ──complete──▶ CHECKING ──▶ STORED      the file is what was announced, and stays until it is deleted
       │                     │ └─────▶ REJECTED    it is not; nothing of it is kept
       ├──cancel──▶ CANCELLED│
       └──a day later────────┴───────▶ EXPIRED

What is on its way and what is stored counts for the quota, and only that: there is no sum that could drift.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint

from server.errors import NotFound, QuotaExceeded, SubjectGone
from storage import database
from storage.access import Viewer
from storage.blobs.arrivals import Grant, Part, arrival_key
from storage.rows import Row

QUOTA_BYTES = {"free": 2 << 30, "pro": 50 << 30}
LIFE_SECONDS = 24 * 3600  # what is not complete by then is given up
_KEY = re.compile("uploads/[0-9a-f]{32}/([0-9a-f]{32})/")


class UploadStatus(StrEnum):
    """Where an upload stands; the last four are final."""

    PENDING = "PENDING"
    CHECKING = "CHECKING"
    STORED = "STORED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class Upload(Row):
    """A file that somebody brings; later work refers to it once it is STORED, and reads it under its `blob_key`.

    `media` is what was found in audio and video, null for pictures and for what was stored before anybody looked.
    """

    user_id = fields.UUIDField()
    job_id: UUID | None = fields.UUIDField(null=True)
    filename = fields.CharField(max_length=255)
    mime_type = fields.CharField(max_length=80)
    size_bytes = fields.BigIntField()
    sha256 = fields.CharField(max_length=64, null=True)
    status = fields.CharEnumField(UploadStatus, max_length=9, default=UploadStatus.PENDING)
    part_bytes: int | None = fields.IntField(null=True)
    part_token: str | None = fields.TextField(null=True)
    received: fields.Field[list[dict[str, Any]] | None] = fields.JSONField(null=True)
    blob_key = fields.CharField(max_length=512, null=True)
    media: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    thumbnails: fields.Field[list[dict[str, Any]] | None] = fields.JSONField(null=True)
    rejection_code = fields.CharField(max_length=40, null=True)
    rejection_message = fields.CharField(max_length=255, null=True)
    expires_at: datetime = fields.DatetimeField()

    class Meta:
        table = "uploads"
        indexes = (
            Index(fields=("user_id", "id"), name="uploads_user"),
            Index(fields=("status", "expires_at"), name="uploads_by_end"),
        )
        constraints = (
            CheckConstraint(check="(status = 'STORED') = (blob_key IS NOT NULL)", name="uploads_stored_have_bytes"),
            CheckConstraint(check="size_bytes > 0", name="uploads_size_positive"),
        )


@dataclass(frozen=True)
class Stored:
    """What is kept of a file: the file itself, what was found in it, and the pictures taken from it."""

    blob_key: str
    sha256: str
    media: dict[str, Any] | None
    thumbnails: list[dict[str, Any]]


def arrival_of(upload: Any) -> str:
    """The key under which an upload's file arrives."""
    return arrival_key(upload.user_id.hex, upload.id.hex, upload.mime_type)


def list_grants(upload: Any) -> list[Grant]:
    """What links to an upload grant: one for the whole file, or one for each part."""
    key, size_bytes = arrival_of(upload), upload.size_bytes
    if upload.part_bytes is None:
        return [Grant(key, size_bytes, upload.mime_type, upload.sha256)]
    starts = enumerate(range(0, size_bytes, upload.part_bytes), start=1)
    return [
        Grant(key, min(upload.part_bytes, size_bytes - start), upload.mime_type, None, number, upload.part_token)
        for number, start in starts
    ]


async def get_own_upload(viewer: Viewer, upload_id: UUID) -> Upload:
    """An upload of the viewer's; NotFound otherwise."""
    upload = await Upload.get_or_none(id=upload_id, user_id=viewer.require_user())
    if upload is None:
        raise NotFound("There is no such upload")
    return upload


async def hold_own_upload(viewer: Viewer, upload_id: UUID) -> Upload:
    """The same, and nobody else moves it before the transaction at hand ends."""
    await database.fetch(
        "SELECT id FROM uploads WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE", upload_id, viewer.require_user()
    )
    return await get_own_upload(viewer, upload_id)


async def reserve(upload: Upload) -> None:
    """Write a new upload, in the transaction at hand; QuotaExceeded when its bytes have no room."""
    owner = await database.fetch_one("SELECT plan FROM users WHERE id = $1 FOR NO KEY UPDATE", upload.user_id)
    used = await database.fetch_one(
        "SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes FROM uploads"
        " WHERE user_id = $1 AND status IN ('PENDING', 'CHECKING', 'STORED')",
        upload.user_id,
    )
    if owner is None or used is None:
        raise NotFound("There is no such account")
    available_bytes = QUOTA_BYTES[owner["plan"]] - used["bytes"]
    if upload.size_bytes > available_bytes:
        raise QuotaExceeded(required_bytes=upload.size_bytes, available_bytes=max(0, available_bytes))
    await upload.save(force_create=True)


async def note_received(upload: Upload, parts: Sequence[Part]) -> Upload:
    """Write down which parts have arrived, for whoever goes on with an upload."""
    received = [{"number": part.number, "size_bytes": part.size_bytes, "etag": part.etag} for part in parts]
    await database.fetch("UPDATE uploads SET received = $2 WHERE id = $1", upload.id, orjson.dumps(received).decode())
    return await Upload.get(id=upload.id)


async def move_upload(upload: Upload, status: UploadStatus, *, job_id: UUID | None = None) -> Upload:
    """Move an upload that is held."""
    await database.fetch(
        "UPDATE uploads SET status = $2, job_id = coalesce($3, job_id) WHERE id = $1", upload.id, status.value, job_id
    )
    return await Upload.get(id=upload.id)


async def get_checked_upload(upload_id: UUID | None, job_id: UUID) -> Upload:
    """The upload that a job checks; SubjectGone when it is checked no longer, or by another."""
    upload = await Upload.get_or_none(id=upload_id, job_id=job_id, status=UploadStatus.CHECKING)
    if upload is None:
        raise SubjectGone
    return upload


async def store_upload(upload: Upload, stored: Stored) -> None:
    """End the check well, in the transaction that completes its job."""
    await _end_check(
        upload,
        "status = 'STORED', blob_key = $3, sha256 = $4, media = $5, thumbnails = $6",
        stored.blob_key,
        stored.sha256,
        None if stored.media is None else orjson.dumps(stored.media).decode(),
        orjson.dumps(stored.thumbnails).decode(),
    )


async def reject_upload(upload: Upload, code: str, message: str) -> None:
    """End the check badly, in the transaction that completes its job."""
    await _end_check(upload, "status = 'REJECTED', rejection_code = $3, rejection_message = $4", code, message)


async def _end_check(upload: Upload, change: str, *values: object) -> None:
    ended = await database.fetch(
        f"UPDATE uploads SET {change} WHERE id = $1 AND job_id = $2 AND status = 'CHECKING' RETURNING id",  # noqa: S608 - our own text
        upload.id,
        upload.job_id,
        *values,
    )
    if not ended:
        raise SubjectGone


async def expire_uploads() -> list[Upload]:
    """Give up what was not complete in time; what is being checked right now is let be."""
    records = await database.fetch(
        "UPDATE uploads SET status = 'EXPIRED' WHERE status IN ('PENDING', 'CHECKING') AND expires_at < now()"
        " AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = uploads.job_id AND jobs.state IN ('QUEUED', 'RENDERING'))"
        " RETURNING id"
    )
    return await Upload.filter(id__in=[record["id"] for record in records])


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that an upload keeps, or that belong to one on its way."""
    upload_ids = {key: UUID(hex=found[1]) for key in keys if (found := _KEY.match(key))}
    rows = await database.read(
        "SELECT id, blob_key, ARRAY(SELECT jsonb_path_query(thumbnails::jsonb, '$[*].key') #>> '{}') AS pictures"
        " FROM uploads WHERE id = ANY($1) AND status IN ('PENDING', 'CHECKING', 'STORED')",
        list(upload_ids.values()),
    )
    kept = {row["id"]: (row["blob_key"], *row["pictures"]) for row in rows}
    return {
        key
        for key, upload_id in upload_ids.items()
        if upload_id in kept and (kept[upload_id][0] is None or key in kept[upload_id])
    }
