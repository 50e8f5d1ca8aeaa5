"""The blob store in a folder of this machine: atomic writes, no way out of the folder, links that we sign ourselves."""

import asyncio
import base64
import errno
import hashlib
import hmac
import os
import secrets
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlencode, urlsplit

from server.errors import LibrettoError, Unavailable
from storage.blobs import keys
from storage.blobs.keys import Blob, BlobMissing

WRITE_CHUNK_BYTES = 1024 * 1024
READ_CHUNK_BYTES = 256 * 1024  # what one slow reader holds in memory
FREE_FLOOR_BYTES = 256 * 1024 * 1024  # the database shares this disk
STALE_AFTER_SECONDS = 24 * 3600  # no put takes a day
PLACING_TRIES = 10  # a delete beside us may take an emptied folder away
LINKS_KEPT = 8192  # half a KiB each: a link stays the same for hours, and a page of tracks has fifty
INCOMING = ".incoming"  # a leading dot is in no key

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe put there by hand must not hang us
_TEMPORARY_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}  # a symbolic link on the way counts as nothing there


class StoreFull(Unavailable):
    """The disk of the blob store is almost full."""


class LinkRefused(LibrettoError):
    """This link is not one of ours."""

    code = "LINK_INVALID"


class LinkExpired(LinkRefused):
    """This link has expired; ask for a fresh one."""

    code = "LINK_EXPIRED"


@dataclass(frozen=True)
class OpenBlob:
    """One version of a blob, held open: an overwrite or a delete beside it changes nothing here."""

    blob: Blob
    descriptor: int

    async def chunks(self, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` on, at most `length` of them."""
        end = self.blob.size_bytes if length is None else min(self.blob.size_bytes, start + length)
        while start < end:
            size = min(READ_CHUNK_BYTES, end - start)
            with _naming_faults():
                chunk = await asyncio.to_thread(os.pread, self.descriptor, size, start)
            if not chunk:
                raise Unavailable(f"{self.blob.key} is shorter than it was")
            start += len(chunk)
            yield chunk


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
        self.root = root.resolve()
        self._base_url = base_url.rstrip("/")
        self._seal = hmac.new(secret, digestmod=hashlib.sha256)
        self._write_link = lru_cache(LINKS_KEPT)(self._make_link)
        self._floor_bytes = floor_bytes
        self._clock = clock

    async def put(self, key: str, source: Path | bytes, mime_type: str) -> Blob:
        """Keep these bytes: all of them or, whatever happens on the way, none."""
        keys.check_mime_type(key, mime_type)
        size_bytes = len(source) if isinstance(source, bytes) else (await asyncio.to_thread(source.stat)).st_size
        abandoned = threading.Event()
        try:
            with _naming_faults():
                await asyncio.to_thread(self._check_space, size_bytes)
                return await asyncio.to_thread(self._put, key, source, abandoned)
        except asyncio.CancelledError:
            abandoned.set()  # the thread sees it at its next chunk and cleans up behind itself
            raise

    async def stat(self, key: str) -> Blob | None:
        """What is kept under this key."""
        keys.check_key(key)
        with _naming_faults():
            return await asyncio.to_thread(self._stat, key)

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` on, at most `length` of them."""
        async with self.opened(key) as file:
            async for chunk in file.chunks(start, length):
                yield chunk

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[OpenBlob]:
        """The blob as it is now, until the block ends."""
        keys.check_key(key)
        opening = asyncio.get_running_loop().run_in_executor(None, self._open, key)
        try:
            with _naming_faults():
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
        with _naming_faults():
            await asyncio.to_thread(self._delete, key)

    async def list_keys(self, prefix: str) -> AsyncIterator[tuple[str, datetime]]:
        """Every key that begins with `prefix`, in no order, with the time of its last change."""
        pending = [keys.check_prefix(prefix).split("/")[:-1]]
        while pending:
            with _naming_faults():
                folders, found = await asyncio.to_thread(self._scan, pending.pop())
            pending += [folder for folder in folders if _may_hold(folder, prefix)]
            for key, changed_at in found:
                if key.startswith(prefix):
                    yield key, changed_at

    def link(self, key: str, *, expires_in_seconds: int, download_name: str | None = None) -> str:
        """A URL that anybody may GET or HEAD until it expires."""
        _, expires_at = keys.link_window(self._clock(), expires_in_seconds)
        return self._write_link(key, expires_at, download_name or "")

    def check_link(self, key: str, *, expires: str, name: str, signature: str) -> int:
        """How many seconds the link that carries these is still good for; `LinkRefused` when it is not."""
        if not hmac.compare_digest(self._sign(key, expires, name).encode(), signature.encode(errors="replace")):
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
        incoming = self.root / INCOMING
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        stale_before = time.time() - STALE_AFTER_SECONDS
        for file in incoming.iterdir():
            try:
                if file.stat().st_mtime < stale_before:
                    file.unlink()
            except FileNotFoundError:
                continue  # its put ended just now, or another process swept it

    def _make_link(self, key: str, expires_at: int, download_name: str) -> str:
        keys.check_key(key)
        name = keys.clean_name(download_name) if download_name else ""
        asked = f"&{urlencode({'name': name})}" if name else ""
        signature = self._sign(key, str(expires_at), name)
        return f"{self._base_url}/media/{key}?expires={expires_at}{asked}&signature={signature}"

    def _sign(self, key: str, expires: str, name: str) -> str:
        seal = self._seal.copy()  # half the time of a new one, and a page of tracks has fifty links
        seal.update(f"media link\nread\n{key}\n{expires}\n{name}".encode(errors="replace"))
        return base64.urlsafe_b64encode(seal.digest()).rstrip(b"=").decode()

    def _put(self, key: str, source: Path | bytes, abandoned: threading.Event) -> Blob:
        temporary = self.root / INCOMING / secrets.token_hex(16)
        try:
            status = _write(temporary, source, abandoned)
            self._place(temporary, key)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return _describe(key, status)

    def _check_space(self, size_bytes: int) -> None:
        disk = os.statvfs(self.root)
        free_bytes = disk.f_bavail * disk.f_frsize
        if free_bytes - size_bytes < self._floor_bytes:
            raise StoreFull(
                f"The blob store has {free_bytes >> 20} MB free and must keep {self._floor_bytes >> 20} MB; "
                f"there is no room for {size_bytes >> 20} MB more"
            )

    def _place(self, temporary: Path, key: str) -> None:
        *folders, name = key.split("/")
        for tries_left in reversed(range(PLACING_TRIES)):
            try:
                with self._folder(folders, create=True) as folder:
                    os.replace(temporary, name, dst_dir_fd=folder)
                    os.fsync(folder)
            except FileNotFoundError:
                if not tries_left:
                    raise
            else:
                return

    @contextmanager
    def _folder(self, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """A descriptor of the folder; each step refuses symbolic links, so that no path leads out of the root."""
        current = os.open(self.root, _FOLDER_FLAGS)
        try:
            for part in parts:
                if create and _make_folder(part, current):
                    os.fsync(current)
                inner = os.open(part, _FOLDER_FLAGS, dir_fd=current)
                os.close(current)
                current = inner
            yield current
        finally:
            os.close(current)

    def _open(self, key: str) -> OpenBlob:
        *folders, name = key.split("/")
        try:
            with self._folder(folders) as folder:
                descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
        except OSError as fault:
            if fault.errno in _ABSENT:
                raise BlobMissing(f"There is no blob {key}") from fault
            raise
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise BlobMissing(f"There is no blob {key}")
        return OpenBlob(_describe(key, status), descriptor)

    def _stat(self, key: str) -> Blob | None:
        try:
            file = self._open(key)
        except BlobMissing:
            return None
        os.close(file.descriptor)
        return file.blob

    def _delete(self, key: str) -> None:
        *folders, name = key.split("/")
        try:
            with self._folder(folders) as folder:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
            for depth in reversed(range(len(folders))):
                with self._folder(folders[:depth]) as parent:
                    os.rmdir(folders[depth], dir_fd=parent)
        except OSError as fault:
            if fault.errno not in _ABSENT | {errno.ENOTEMPTY, errno.EEXIST}:
                raise

    def _scan(self, parts: list[str]) -> tuple[list[list[str]], list[tuple[str, datetime]]]:
        folders: list[list[str]] = []
        found: list[tuple[str, datetime]] = []
        try:
            with self._folder(parts) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    path = [*parts, entry.name]
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
                    elif entry.is_file(follow_symlinks=False) and keys.is_key(key := "/".join(path)):
                        changed_at = entry.stat(follow_symlinks=False).st_mtime
                        found.append((key, datetime.fromtimestamp(changed_at, UTC)))
        except OSError as fault:
            if fault.errno not in _ABSENT:  # else it was deleted while we looked
                raise
        return folders, found


async def open_folder(url: str, *, base_url: str, secret: bytes) -> LocalStore:
    """The store in the folder that a `file:///…` URL names; the folder is made when it is not there."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute() or path == Path("/") or parts.query:
        raise ValueError("BLOB_STORE_URL must be file:// and an absolute folder, as in file:///srv/libretto")
    store = LocalStore(path, base_url=base_url, secret=secret)
    with _naming_faults():
        await asyncio.to_thread(store.prepare)
    return store


@contextmanager
def _naming_faults() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise Unavailable(f"The disk of the blob store failed: {fault.strerror}") from fault


def _describe(key: str, status: os.stat_result) -> Blob:
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"  # each put makes a new file
    return Blob(key, status.st_size, keys.mime_type_of(key), etag)


def _pieces(source: Path | bytes) -> Iterator[bytes | memoryview]:
    if isinstance(source, bytes):
        whole = memoryview(source)
        yield from (whole[start : start + WRITE_CHUNK_BYTES] for start in range(0, len(whole), WRITE_CHUNK_BYTES))
        return
    with source.open("rb", buffering=0) as file:
        while chunk := file.read(WRITE_CHUNK_BYTES):
            yield chunk


def _write(path: Path, source: Path | bytes, abandoned: threading.Event) -> os.stat_result:
    with os.fdopen(os.open(path, _TEMPORARY_FLAGS, 0o600), "wb") as file:
        for chunk in _pieces(source):
            if abandoned.is_set():
                raise Unavailable("The put was abandoned")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        return os.fstat(file.fileno())


def _make_folder(name: str, parent: int) -> bool:
    try:
        os.mkdir(name, mode=0o700, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _may_hold(folder: list[str], prefix: str) -> bool:
    path = "/".join(folder) + "/"
    return path.startswith(prefix) or prefix.startswith(path)


def _close_late(opening: asyncio.Future[OpenBlob]) -> None:
    if not opening.cancelled() and not opening.exception():
        os.close(opening.result().descriptor)
