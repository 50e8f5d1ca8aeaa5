"""The blob store in a folder of this machine: atomic writes, no way out of the folder, links that we sign ourselves."""

import asyncio
import base64
import hashlib
import hmac
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlencode, urlsplit

from server.errors import Unavailable
from storage.blobs import keys
from storage.blobs.folder import FREE_FLOOR_BYTES, INCOMING, Folder, OpenBlob, naming_faults
from storage.blobs.keys import Blob, LinkExpired, LinkRefused
from storage.blobs.local_uploads import LocalUploads

LINKS_KEPT = 8192  # half a KiB each: a link stays the same for hours, and a page of tracks has fifty


class LocalStore:
    """Blobs as files below one folder, which other machines may mount but nobody else may write to."""

    def __init__(
        self,
        root: Path,
        *,
        base_url: str,
        secret: bytes,
        floor_bytes: int = FREE_FLOOR_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = Folder(root, floor_bytes)
        self.root = self._folder.root
        self._base_url = base_url.rstrip("/")
        self._seal = hmac.new(secret, digestmod=hashlib.sha256)
        self._write_link = lru_cache(LINKS_KEPT)(self._make_link)
        self._clock = clock
        self.uploads = LocalUploads(self._folder, self._base_url, self._seal, clock)

    async def put(self, key: str, source: Path | bytes, mime_type: str) -> Blob:
        """Keep these bytes: all of them or, whatever happens on the way, none."""
        keys.check_mime_type(key, mime_type)
        size_bytes = len(source) if isinstance(source, bytes) else (await asyncio.to_thread(source.stat)).st_size
        abandoned = threading.Event()
        try:
            with naming_faults():
                await asyncio.to_thread(self._folder.check_space, size_bytes)
                return await asyncio.to_thread(self._folder.put, key, source, abandoned)
        except asyncio.CancelledError:
            abandoned.set()  # the thread sees it at its next chunk and cleans up behind itself
            raise

    async def stat(self, key: str) -> Blob | None:
        """What is kept under this key."""
        keys.check_key(key)
        with naming_faults():
            return await asyncio.to_thread(self._folder.stat, key)

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` on, at most `length` of them."""
        async with self.opened(key) as file:
            async for chunk in file.chunks(start, length):
                yield chunk

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[OpenBlob]:
        """The blob as it is now, until the block ends."""
        keys.check_key(key)
        opening = asyncio.get_running_loop().run_in_executor(None, self._folder.open, key)
        try:
            with naming_faults():
                file = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        try:
            yield file
        finally:
            os.close(file.descriptor)

    async def delete(self, key: str) -> None:
        """Let go of a blob; fine when it is gone already."""
        keys.check_key(key)
        with naming_faults():
            await asyncio.to_thread(self._folder.delete, key)

    async def list_keys(self, prefix: str) -> AsyncIterator[tuple[str, datetime]]:
        """Every key that begins with `prefix`, in no order, with the time of its last change."""
        pending = [keys.check_prefix(prefix).split("/")[:-1]]
        while pending:
            with naming_faults():
                folders, found = await asyncio.to_thread(self._folder.scan, pending.pop())
            pending += [folder for folder in folders if _may_hold(folder, prefix)]
            for key, changed_at in found:
                if key.startswith(prefix):
                    yield key, changed_at

    def link(
        self, key: str, *, expires_in_seconds: int, download_name: str | None = None, is_shared: bool = False
    ) -> str:
        """A URL that anybody may GET or HEAD until it expires."""
        _, expires_at = keys.link_window(self._clock(), expires_in_seconds)
        return self._write_link(key, expires_at, download_name or "", "1" if is_shared else "")

    def check_link(self, key: str, *, expires: str, name: str, signature: str, shared: str = "") -> int:
        """How many seconds the link that carries these is still good for; `LinkRefused` when it is not."""
        if not hmac.compare_digest(self._sign(key, expires, name, shared).encode(), signature.encode(errors="replace")):
            raise LinkRefused
        seconds_left = int(expires) - int(self._clock())
        if seconds_left <= 0:
            raise LinkExpired
        return seconds_left

    async def ping(self) -> None:
        """`Unavailable` when the folder is gone or cannot be written to."""
        if not await asyncio.to_thread(os.access, self.root / INCOMING, os.R_OK | os.W_OK | os.X_OK):
            raise Unavailable("The folder of the blob store is gone or cannot be written to")

    async def close(self) -> None:
        """Nothing is held open."""

    def prepare(self) -> None:
        """Make the folders, and sweep away what a crash left half written."""
        self._folder.prepare()

    def _make_link(self, key: str, expires_at: int, download_name: str, shared: str) -> str:
        keys.check_key(key)
        name = keys.clean_name(download_name) if download_name else ""
        asked = {field: value for field, value in (("name", name), ("shared", shared)) if value}
        signature = self._sign(key, str(expires_at), name, shared)
        query = urlencode({"expires": expires_at} | asked | {"signature": signature})
        return f"{self._base_url}/media/{key}?{query}"

    def _sign(self, key: str, expires: str, name: str, shared: str) -> str:
        seal = self._seal.copy()  # half the time of a new one, and a page of tracks has fifty links
        right = "read while shared" if shared else "read"
        seal.update(f"media link\n{right}\n{key}\n{expires}\n{name}".encode(errors="replace"))
        return base64.urlsafe_b64encode(seal.digest()).rstrip(b"=").decode()


async def open_folder(url: str, *, base_url: str, secret: bytes) -> LocalStore:
    """The store in the folder that a `file:///…` URL names; the folder is made when it is not there."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute() or path == Path("/") or parts.query:
        raise ValueError("BLOB_STORE_URL must be file:// and an absolute folder, as in file:///srv/libretto")
    store = LocalStore(path, base_url=base_url, secret=secret)
    with naming_faults():
        await asyncio.to_thread(store.prepare)
    return store


def _may_hold(folder: list[str], prefix: str) -> bool:
    path = "/".join(folder) + "/"
    return path.startswith(prefix) or prefix.startswith(path)


def _close_late(opening: asyncio.Future[OpenBlob]) -> None:
    if not opening.cancelled() and not opening.exception():
        os.close(opening.result().descriptor)
