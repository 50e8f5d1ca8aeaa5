"""Recordings that people brought: whether an upload is a song, and a copy of it for the engines."""

from pathlib import Path

from jobs.scratch import fetch_file
from server.errors import UploadGone
from storage.blobs import BlobMissing, BlobStore
from storage.uploads import Upload

MIN_SECONDS, MAX_SECONDS = 1.0, 600
LENIENT_SECONDS = MAX_SECONDS + 1.0  # encoders pad


def find_problem(upload: Upload) -> str | None:
    """Why a file that is stored is no song."""
    if upload.media is None and not upload.mime_type.startswith("image/"):
        return "Nobody has measured this file yet; upload it again"
    if upload.media is None or upload.media["sound"] is None:
        return "There is no sound in it; bring audio, or a video with sound"
    seconds = upload.media["duration_seconds"]
    if not MIN_SECONDS <= seconds < LENIENT_SECONDS:
        return f"A track lasts from {MIN_SECONDS:g} to {MAX_SECONDS} seconds, and this is {seconds:.1f} s long"
    return None


async def copy_upload(blobs: BlobStore, upload: Upload, file: Path) -> None:
    """Copy an upload's file here; UploadGone when there is none."""
    assert upload.blob_key is not None  # noqa: S101 - it is STORED
    try:
        await fetch_file(blobs, upload.blob_key, file)
    except BlobMissing as missing:
        raise UploadGone from missing
