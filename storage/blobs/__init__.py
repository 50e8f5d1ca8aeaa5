"""Where bytes are kept: a folder of this machine or an S3 bucket, chosen and configured by one URL."""

from collections.abc import AsyncIterator
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from storage.blobs import local
from storage.blobs.arrivals import Uploads
from storage.blobs.keys import Blob, BlobMissing, InvalidKey, attempt_key, upload_key

__all__ = ["Blob", "BlobMissing", "BlobStore", "InvalidKey", "attempt_key", "open_store", "upload_key"]


class BlobStore(Protocol):
    """What every store can do; it raises `InvalidKey` for a bad key and `Unavailable` when it does not answer."""

    @property
    def uploads(self) -> Uploads:
        """The side of it that clients write to."""
        ...

    async def put(self, key: str, source: Path | bytes, mime_type: str) -> Blob:
        """Keep these bytes: all of them or, whatever happens on the way, none."""
        ...

    async def stat(self, key: str) -> Blob | None:
        """What is kept under this key."""
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` on, at most `length` of them; `BlobMissing` when there is no such blob."""
        ...

    async def delete(self, key: str) -> None:
        """Let go of a blob; fine when it is gone already."""
        ...

    def list_keys(self, prefix: str) -> AsyncIterator[tuple[str, datetime]]:
        """Every key that begins with `prefix`, in no order, with the time of its last change."""
        ...

    def link(
        self, key: str, *, expires_in_seconds: int, download_name: str | None = None, is_shared: bool = False
    ) -> str:
        """A URL that anybody may GET until it expires; the same for a quarter of that time, so that browsers cache it.

        With a `download_name` browsers save the file under it. It makes no call and asks nobody, so fields may use it.
        One that `is_shared` with the world ends with the sharing where we serve it ourselves; a bucket knows only time.
        """
        ...

    async def ping(self) -> None:
        """`Unavailable` when the store cannot be reached."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


async def open_store(url: str, *, base_url: str, secret: bytes) -> BlobStore:
    """The store that `url` names: `file:///folder`, `s3://bucket?endpoint=…&region=…&path_style=…` or `gs://bucket`.

    Links to a folder begin with `base_url` and are signed with `secret`; S3 credentials come from the usual `AWS_*`.
    """
    match urlsplit(url).scheme:
        case "file":
            return await local.open_folder(url, base_url=base_url, secret=secret)
        case "s3" | "gs":
            s3 = import_module("storage.blobs.s3")  # half a second and 25 MB that a folder does not need
            bucket: BlobStore = await s3.open_bucket(url)
            return bucket
        case _:
            raise ValueError(f"BLOB_STORE_URL must begin with file://, s3:// or gs://, not {url.partition(':')[0]!r}")
