"""Uploads: a file is announced, arrives in the store by signed links, and is kept once a job has looked at it."""

import asyncio
import hashlib
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from jobs import queue
from jobs.bridge import wait, wait_beating
from jobs.engines import run
from jobs.engines.probe import Probe, Thumbnail, probe_media, probe_picture
from jobs.formats.media import SNIFFED_BYTES, MediaKind, find_extension, find_kind, find_signature
from jobs.make import make
from jobs.queue import Work
from jobs.scratch import scratch_folder
from server.errors import (
    Conflict,
    EngineDied,
    EngineFailed,
    EngineStalled,
    Unavailable,
    UploadIncomplete,
    ValidationFailed,
)
from server.logs import get_logger
from storage import allowances, database, idempotency, jobs, references, uploads
from storage.access import Viewer
from storage.blobs import BlobMissing, BlobStore, upload_key
from storage.blobs.arrivals import MAX_SINGLE_BYTES, PART_BYTES, Part
from storage.blobs.keys import clean_name
from storage.jobs import JobState
from storage.rows import new_id
from storage.uploads import Stored, Upload, UploadStatus

MAX_UPLOAD_BYTES = 200 << 20
STRAY_AGE = timedelta(seconds=2 * uploads.LIFE_SECONDS)  # no row knows of a file in parts that is older
LONGEST_SECONDS = 4 * 3600.0  # a lecture, or a long film
PROBE_LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=1800, file_bytes=64 << 20, stall_seconds=60)
_SHA256 = re.compile("[0-9a-f]{64}")

_gate = asyncio.Semaphore(4)  # whole files in memory

log = get_logger(__name__)


@dataclass(frozen=True)
class UploadWish:
    """A file that somebody wants to bring."""

    filename: str
    mime_type: str
    size_bytes: int
    sha256: str | None = None
    in_parts: bool | None = None


@dataclass(frozen=True)
class Arrived:
    """What has come: a copy to look at, and what was seen while it was copied."""

    file: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Rejection:
    """Why a file is not kept."""

    code: str
    message: str


async def request_upload(
    viewer: Viewer, wish: UploadWish, blobs: BlobStore, *, idempotency_key: str | None = None
) -> Upload:
    """Reserve room for a file, and begin to wait for it."""
    claim = viewer.require_user(), "createUpload", idempotency_key or "", asdict(wish)
    first_id = await idempotency.find_answer(*claim) if idempotency_key else None
    if first_id is not None:
        return await _get_first(viewer, first_id)
    upload = plan_upload(claim[0], wish)
    await allowances.spend(allowances.UPLOADS, upload.user_id)
    if upload.part_bytes is not None:  # first, since no transaction may wait for a store
        upload.part_token = await blobs.uploads.begin(uploads.arrival_of(upload), upload.mime_type)
    try:
        async with database.transaction():
            first_id = await idempotency.claim_key(*claim, upload.id) if idempotency_key else upload.id
            if first_id == upload.id:
                await uploads.reserve(upload)
    except BaseException:
        await asyncio.shield(_let_go(upload, blobs))
        raise
    if first_id == upload.id:
        return upload
    await _let_go(upload, blobs)
    return await _get_first(viewer, first_id)


def plan_upload(user_id: UUID, wish: UploadWish) -> Upload:
    """The row to be; ValidationFailed when this is no file that we take."""
    kind = find_kind(wish.mime_type)
    sha256 = None if wish.sha256 is None else wish.sha256.lower()
    problems = _find_problems(wish, kind, sha256)
    if kind is None or problems:
        raise ValidationFailed(problems)
    comes_in_parts = wish.size_bytes > MAX_SINGLE_BYTES if wish.in_parts is None else wish.in_parts
    return Upload(
        user_id=user_id,
        filename=clean_name(wish.filename),
        mime_type=kind.mime_type,
        size_bytes=wish.size_bytes,
        sha256=sha256,
        part_bytes=PART_BYTES if comes_in_parts else None,
        expires_at=datetime.now(UTC) + timedelta(seconds=uploads.LIFE_SECONDS),
    )


def _find_problems(wish: UploadWish, kind: MediaKind | None, sha256: str | None) -> dict[str, str]:
    problems = {}
    name = clean_name(wish.filename[:500])
    extension = find_extension(clean_name(wish.filename[-100:]))
    if not name:
        problems["filename"] = "A name that can be shown"
    if kind is None:
        problems["mimeType"] = "Audio, video or a picture, such as audio/mpeg, video/mp4 or image/jpeg"
    elif extension and extension not in kind.extensions:
        problems["filename"] = (
            f"A file of {kind.mime_type} ends in {' or '.join('.' + each for each in kind.extensions)}"
        )
    if not 1 <= wish.size_bytes <= MAX_UPLOAD_BYTES:
        problems["sizeBytes"] = f"From 1 to {MAX_UPLOAD_BYTES} bytes"
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        problems["sha256"] = "64 hexadecimal digits"
    return problems


async def _get_first(viewer: Viewer, upload_id: UUID) -> Upload:
    upload = await Upload.get_or_none(id=upload_id, user_id=viewer.require_user())
    if upload is None:
        raise Conflict("The upload that this idempotency key began was deleted; use a new key")
    return upload


async def refresh_upload(viewer: Viewer, upload_id: UUID, blobs: BlobStore) -> Upload:
    """Ask the store what has arrived, and write it down."""
    upload = await uploads.get_own_upload(viewer, upload_id)
    if upload.status is not UploadStatus.PENDING:
        return upload
    return await uploads.note_received(upload, await list_received(upload, blobs))


async def list_received(upload: Upload, blobs: BlobStore) -> list[Part]:
    """The parts of an upload that have arrived as they should be; a whole file is one."""
    if upload.part_token is None:
        blob = await blobs.stat(uploads.arrival_of(upload))
        parts = [] if blob is None else [Part(1, blob.size_bytes, blob.etag)]
    else:
        parts = await blobs.uploads.list_parts(uploads.arrival_of(upload), upload.part_token)
    wanted = {grant.part or 1: grant.size_bytes for grant in uploads.list_grants(upload)}
    return [part for part in parts if wanted.get(part.number) == part.size_bytes]


async def complete_upload(viewer: Viewer, upload_id: UUID, blobs: BlobStore) -> tuple[Upload, JobState | jobs.Job]:
    """Have a file that has arrived checked; once, however often this is asked."""
    upload = await uploads.get_own_upload(viewer, upload_id)
    if upload.status is UploadStatus.PENDING:
        arrived = {part.number for part in await list_received(upload, blobs)}
        if missing := sorted({grant.part or 1 for grant in uploads.list_grants(upload)} - arrived):
            raise UploadIncomplete(missing)
    async with database.transaction():
        upload = await uploads.hold_own_upload(viewer, upload_id)
        if upload.status in (UploadStatus.EXPIRED, UploadStatus.CANCELLED):
            raise Conflict(f"The upload is {upload.status.lower()}; create a new one")
        job = await _find_check(upload)
        if job is not None and not _is_open(upload, job):
            return upload, job
        state = await queue.enqueue(
            "uploads.check", "default", job_id=new_id(), user_id=upload.user_id, subject_id=upload.id
        )
        return await uploads.move_upload(upload, UploadStatus.CHECKING, job_id=state.id), state


async def bring_file(
    viewer: Viewer, wish: UploadWish, file: BinaryIO, blobs: BlobStore, *, idempotency_key: str | None = None
) -> tuple[Upload, JobState | jobs.Job]:
    """All of it at once, for a small file that is here already."""
    upload = await request_upload(viewer, wish, blobs, idempotency_key=idempotency_key)
    if upload.status is UploadStatus.PENDING:
        async with _gate:
            await blobs.put(uploads.arrival_of(upload), await asyncio.to_thread(file.read), upload.mime_type)
    return await complete_upload(viewer, upload.id, blobs)


async def cancel_upload(viewer: Viewer, upload_id: UUID, blobs: BlobStore) -> Upload:
    """Give up an upload, and let go of what has arrived."""
    async with database.transaction():
        upload = await uploads.hold_own_upload(viewer, upload_id)
        if upload.status is UploadStatus.CANCELLED:
            return upload
        if not _is_open(upload, await _find_check(upload)):
            raise Conflict(f"The upload is {upload.status.lower()}, so it cannot be cancelled")
        upload = await uploads.move_upload(upload, UploadStatus.CANCELLED)
    await _let_go(upload, blobs)
    return upload


async def delete_upload(viewer: Viewer, upload_id: UUID, blobs: BlobStore) -> None:
    """Forget an upload that has ended, and its file."""
    async with database.transaction():
        upload = await uploads.hold_own_upload(viewer, upload_id)
        if upload.status in (UploadStatus.PENDING, UploadStatus.CHECKING):
            raise Conflict("The upload is on its way; cancel it, or wait until it is checked")
        if await references.is_needed(upload_id):
            raise Conflict("A track that takes after this upload is being made; wait for it, or cancel its job")
        await upload.delete()
    if upload.blob_key is not None:
        for key in (upload.blob_key, *(one["key"] for one in upload.thumbnails or ())):
            await blobs.delete(key)


async def expire_uploads(blobs: BlobStore) -> int:
    """Give up what was abandoned, and let go of what had arrived of it."""
    expired = await uploads.expire_uploads()
    for upload in expired:
        await _let_go(upload, blobs)
    return len(expired)


async def drop_strays(blobs: BlobStore) -> None:
    """Let go of files in parts that no row knows: of a process that died between the store and the database."""
    for key, token, begun_at in await blobs.uploads.list_begun("uploads/"):
        if begun_at < datetime.now(UTC) - STRAY_AGE:
            await blobs.uploads.drop(key, token)


def check(work: Work) -> None:
    """Look at all of a file that has arrived, and keep it or say why not."""
    upload = wait(uploads.get_checked_upload(work.lease.subject_id, work.lease.job_id))
    with scratch_folder() as folder:
        fetching = _fetch(work.blobs, upload, folder / "arrived")
        arrived = wait_beating(fetching, lambda: work.report(0, "reading"))
        found = find_rejection(upload, arrived) or _probe(work, upload, arrived.file)
        keeping = _reject(work, upload, found) if isinstance(found, Rejection) else _keep(work, upload, arrived, found)
        wait_beating(keeping, lambda: work.report(1, "keeping"))
    wait_beating(_let_go(upload, work.blobs, keeps_file=not isinstance(found, Rejection)), lambda: None)


def find_rejection(upload: Upload, arrived: Arrived) -> Rejection | None:
    """What is wrong with a file that has arrived."""
    if arrived.size_bytes != upload.size_bytes:
        return Rejection("WRONG_LENGTH", f"{arrived.size_bytes} bytes came, and {upload.size_bytes} were announced")
    if upload.sha256 not in (None, arrived.sha256):
        return Rejection("WRONG_SHA256", f"The file that came has the SHA-256 {arrived.sha256}")
    with arrived.file.open("rb") as file:
        signature = find_signature(file.read(SNIFFED_BYTES))
    kind = find_kind(upload.mime_type)
    if signature is None or kind is None:
        return Rejection("UNKNOWN_TYPE", "By its first bytes this is no audio, video or picture of a kind that we take")
    if signature not in kind.signatures:
        return Rejection("WRONG_TYPE", f"By its first bytes this is {signature}, and {upload.mime_type} was announced")
    return None


def _probe(work: Work, upload: Upload, file: Path) -> Probe | Rejection:
    """What is in a file, or why it is not kept; one that breaks its reader each time is none that we take."""
    try:
        if upload.mime_type.startswith("image/"):
            return make(work, probe_picture, file, file.parent, limits=PROBE_LIMITS)
        return make(work, probe_media, file, file.parent, LONGEST_SECONDS, limits=PROBE_LIMITS)
    except EngineFailed as failed:
        refused = failed.__cause__
        if isinstance(refused, run.EngineRefused):
            return Rejection(refused.code[:40], refused.message[:255])  # as much as a row takes
        return Rejection("UNREADABLE", "It cannot be read")
    except (EngineDied, EngineStalled):
        if work.lease.attempt < work.lease.max_attempts:
            raise
        return Rejection("UNREADABLE", f"Reading it was tried {work.lease.attempt} times, and never came to an end")


async def _fetch(blobs: BlobStore, upload: Upload, file: Path) -> Arrived:
    """Copy what has arrived: from here on nobody can change what is looked at."""
    key = uploads.arrival_of(upload)
    if upload.part_token is not None and await blobs.stat(key) is None:
        parts = await list_received(upload, blobs)
        if len(parts) == len(uploads.list_grants(upload)):
            await blobs.uploads.join(key, upload.part_token, parts)
    digest, size_bytes = hashlib.sha256(), 0

    def write(chunk: bytes) -> int:
        digest.update(chunk)
        return out.write(chunk)

    with file.open("wb") as out, suppress(BlobMissing):  # then nothing has come, which is the wrong length
        async for chunk in blobs.read(key, length=upload.size_bytes + 1):
            size_bytes += await asyncio.to_thread(write, chunk)
    return Arrived(file, size_bytes, digest.hexdigest())


async def _keep(work: Work, upload: Upload, arrived: Arrived, probe: Probe) -> None:
    """Keep what was looked at, and what was found in it.

    A joined file stays where it is, since no link leads to it any more. One that came whole could be overwritten by its
    link while that lasts, so its copy is put where no link ever led; each attempt has a place of its own.
    """
    key = uploads.arrival_of(upload)
    if upload.part_token is None:
        owner, name = upload.user_id.hex, f"kept-{work.lease.token}"
        key = upload_key(owner, upload.id.hex, name, upload.mime_type)
        await work.blobs.put(key, arrived.file, upload.mime_type)
    thumbnails = [await _put_thumbnail(work, upload, one) for one in probe.thumbnails]
    async with database.transaction():
        await uploads.store_upload(upload, Stored(key, arrived.sha256, _describe(probe), thumbnails))
        await jobs.complete_job(work.lease, {"status": UploadStatus.STORED.value})


def _describe(probe: Probe) -> dict[str, object]:
    return {name: value for name, value in asdict(probe).items() if name != "thumbnails"}


async def _put_thumbnail(work: Work, upload: Upload, drawn: Thumbnail) -> dict[str, object]:
    name = f"{drawn.path.stem}-{work.lease.token}"
    key = upload_key(upload.user_id.hex, upload.id.hex, name, "image/jpeg")
    await work.blobs.put(key, drawn.path, "image/jpeg")
    return {"key": key, "width": drawn.width, "height": drawn.height}


async def _reject(work: Work, upload: Upload, rejection: Rejection) -> None:
    async with database.transaction():
        await uploads.reject_upload(upload, rejection.code, rejection.message)
        await jobs.complete_job(work.lease, {"status": UploadStatus.REJECTED.value, "code": rejection.code})


async def _let_go(upload: Upload, blobs: BlobStore, *, keeps_file: bool = False) -> None:
    """Let go of what has arrived; what fails here goes with the next sweep."""
    key, token = uploads.arrival_of(upload), upload.part_token
    try:
        if token is not None:
            await blobs.uploads.drop(key, token)
        if token is None or not keeps_file:
            await blobs.delete(key)
    except Unavailable as fault:
        log.warning("upload.left_behind", key=key, fault=fault.message)


def _is_open(upload: Upload, job: jobs.Job | None) -> bool:
    """Whether nobody looks at the file, nor has come to a verdict: it is awaited, or its job ended badly."""
    has_no_job = job is None or job.state.is_terminal
    return upload.status is UploadStatus.PENDING or (upload.status is UploadStatus.CHECKING and has_no_job)


async def _find_check(upload: Upload) -> jobs.Job | None:
    return None if upload.job_id is None else await jobs.Job.get_or_none(id=upload.job_id)
