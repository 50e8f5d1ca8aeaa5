"""A folder for the work of one job, gone when the work is; a worker that was killed leaves its own to the next."""

import asyncio
import hashlib
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.blobs import BlobStore

PREFIXES = ("libretto-job-", "libretto-engines-")
DAY_SECONDS = 86_400  # longer than any job works


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder that only this user can read."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIXES[0]))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(age_seconds: float = DAY_SECONDS) -> int:
    """Delete what workers that were killed have left in the temp folder; answers with how many folders went."""
    left = [path for prefix in PREFIXES for path in Path(tempfile.gettempdir()).glob(f"{prefix}*")]
    old = [path for path in left if _is_left(path, age_seconds)]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _is_left(path: Path, age_seconds: float) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:  # whose job has ended meanwhile
        return False
    return stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > age_seconds


async def fetch_file(blobs: BlobStore, key: str, path: Path) -> str:
    """Copy a file of the store here; answers with the hash that names its content, or BlobMissing."""
    digest = hashlib.sha256()
    with path.open("wb") as out:
        async for chunk in blobs.read(key):
            digest.update(chunk)
            await asyncio.to_thread(out.write, chunk)
    return digest.hexdigest()
