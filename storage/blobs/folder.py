"""Files below one folder: atomic writes, no way out of the folder, room left on the disk."""

import asyncio
import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server.errors import Unavailable
from storage.blobs import keys
from storage.blobs.keys import Blob, BlobMissing

WRITE_CHUNK_BYTES = 1024 * 1024
READ_CHUNK_BYTES = 256 * 1024  # what one slow reader holds in memory
FREE_FLOOR_BYTES = 256 * 1024 * 1024  # the database shares this disk
STALE_AFTER_SECONDS = 24 * 3600  # no put takes a day
PLACING_TRIES = 10  # a delete beside us may take an emptied folder away
INCOMING = ".incoming"  # a leading dot is in no key

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe put there by hand must not hang us
TEMPORARY_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}  # a symbolic link on the way counts as nothing there


class StoreFull(Unavailable):
    """The disk of the blob store is almost full."""


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
            with naming_faults():
                chunk = await asyncio.to_thread(os.pread, self.descriptor, size, start)
            if not chunk:
                raise Unavailable(f"{self.blob.key} is shorter than it was")
            start += len(chunk)
            yield chunk


class Folder:
    """The files; everything here blocks, and belongs in a thread."""

    def __init__(self, root: Path, floor_bytes: int = FREE_FLOOR_BYTES) -> None:
        self.root = root.resolve()
        self._floor_bytes = floor_bytes

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

    def new_temporary(self) -> Path:
        """Where to write what is put in its place later."""
        return self.root / INCOMING / secrets.token_hex(16)

    def put(self, key: str, source: Path | bytes, abandoned: threading.Event) -> Blob:
        """Write a file and put it in its place; nothing is left when that fails."""
        temporary = self.new_temporary()
        try:
            status = _write(temporary, source, abandoned)
            self.place(temporary, key)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return describe(key, status)

    def check_space(self, size_bytes: int) -> None:
        """StoreFull unless so much more has room."""
        disk = os.statvfs(self.root)
        free_bytes = disk.f_bavail * disk.f_frsize
        if free_bytes - size_bytes < self._floor_bytes:
            raise StoreFull(
                f"The blob store has {free_bytes >> 20} MB free and must keep {self._floor_bytes >> 20} MB; "
                f"there is no room for {size_bytes >> 20} MB more"
            )

    def place(self, temporary: Path, key: str, *, is_first: bool = False) -> None:
        """Put a file that is whole where its key says; if it must be the first there and is not, FileExistsError."""
        *folders, name = key.split("/")
        for tries_left in reversed(range(PLACING_TRIES)):
            try:
                with self._folder(folders, create=True) as folder:
                    if is_first:
                        os.link(temporary, name, dst_dir_fd=folder)
                    else:
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

    def open(self, key: str) -> OpenBlob:
        """The file under this key, as it is now."""
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
        return OpenBlob(describe(key, status), descriptor)

    def stat(self, key: str) -> Blob | None:
        """What is kept under this key."""
        try:
            file = self.open(key)
        except BlobMissing:
            return None
        os.close(file.descriptor)
        return file.blob

    def delete(self, key: str) -> None:
        """Let go of a file, and of the folders that this empties."""
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

    def scan(self, parts: list[str]) -> tuple[list[list[str]], list[tuple[str, datetime]]]:
        """The folders and the files with their times in one folder."""
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


@contextmanager
def naming_faults() -> Iterator[None]:
    """Say `Unavailable` when the disk fails."""
    try:
        yield
    except OSError as fault:
        raise Unavailable(f"The disk of the blob store failed: {fault.strerror}") from fault


def describe(key: str, status: os.stat_result) -> Blob:
    """What is known of a file."""
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
    with os.fdopen(os.open(path, TEMPORARY_FLAGS, 0o600), "wb") as file:
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
