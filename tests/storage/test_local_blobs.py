"""What only the folder store promises: no way out of it, room left on the disk, nothing half written."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from server.errors import Unavailable
from storage.blobs import BlobMissing, open_store
from storage.blobs.folder import INCOMING, STALE_AFTER_SECONDS, StoreFull
from storage.blobs.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "kept", base_url="http://127.0.0.1", secret=b"secret")
    store.prepare()
    return store


async def test_symbolic_links_lead_nowhere(store: LocalStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (store.root / "jobs").symlink_to(outside)
    (store.root / "secret.txt").symlink_to(outside / "secret.txt")
    for key in ("jobs/secret.txt", "secret.txt"):
        assert await store.stat(key) is None
        with pytest.raises(BlobMissing):
            await anext(aiter(store.read(key)))
    with pytest.raises(Unavailable):
        await store.put("jobs/new.txt", b"x", "text/plain")
    await store.delete("jobs/secret.txt")
    assert [key async for key, _ in store.list_keys("")] == []
    assert [file.name for file in outside.iterdir()] == ["secret.txt"]


async def test_put_over_a_symbolic_link_leaves_its_target_alone(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "target.txt").write_text("before")
    (store.root / "a.txt").symlink_to(tmp_path / "target.txt")
    await store.put("a.txt", b"after", "text/plain")
    assert (tmp_path / "target.txt").read_text() == "before"
    assert b"".join([chunk async for chunk in store.read("a.txt")]) == b"after"


async def test_what_is_no_file_is_no_blob(store: LocalStore) -> None:
    os.mkfifo(store.root / "pipe.wav")
    (store.root / "folder.wav").mkdir()
    for key in ("pipe.wav", "folder.wav"):
        assert await store.stat(key) is None
    assert [key async for key, _ in store.list_keys("")] == []


async def test_almost_full_disk_takes_no_more(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "kept", base_url="", secret=b"", floor_bytes=1 << 60)
    store.prepare()
    with pytest.raises(StoreFull, match=r"MB free and must keep"):
        await store.put("a.txt", b"x", "text/plain")
    assert await store.stat("a.txt") is None


async def test_what_a_crash_left_is_swept_at_the_next_start(store: LocalStore) -> None:
    stale, fresh = store.root / INCOMING / "stale", store.root / INCOMING / "fresh"
    for file in (stale, fresh):
        file.write_bytes(b"half")
    long_ago = time.time() - STALE_AFTER_SECONDS - 60
    os.utime(stale, (long_ago, long_ago))
    await open_store(store.root.as_uri(), base_url="", secret=b"")
    assert [file.name for file in (store.root / INCOMING).iterdir()] == ["fresh"]


async def test_blobs_are_for_their_owner_only(store: LocalStore) -> None:
    await store.put("jobs/1/a.txt", b"x", "text/plain")
    assert (store.root / "jobs/1/a.txt").stat().st_mode & 0o777 == 0o600
    assert (store.root / "jobs/1").stat().st_mode & 0o777 == 0o700


async def test_emptied_folders_are_taken_away(store: LocalStore) -> None:
    await store.put("jobs/1/t/a.txt", b"x", "text/plain")
    await store.put("jobs/2/t/a.txt", b"x", "text/plain")
    await store.delete("jobs/1/t/a.txt")
    assert [folder.name for folder in (store.root / "jobs").iterdir()] == ["2"]


async def test_reader_keeps_the_version_that_it_opened(store: LocalStore) -> None:
    await store.put("a.txt", b"1" * 900_000, "text/plain")
    async with store.opened("a.txt") as file:
        await store.put("a.txt", b"2" * 900_000, "text/plain")
        await store.delete("a.txt")
        assert b"".join([chunk async for chunk in file.chunks()]) == b"1" * 900_000


async def test_reader_that_is_cancelled_while_it_opens_leaves_no_descriptor(store: LocalStore) -> None:
    await store.put("a.txt", b"x", "text/plain")
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 -- names are all that is asked for
    for _ in range(50):
        reading = asyncio.ensure_future(anext(aiter(store.read("a.txt"))))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    ends_at = time.monotonic() + 20
    while len(os.listdir("/dev/fd")) > before:  # noqa: PTH208
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.01)


async def test_missing_folder_is_unavailable(store: LocalStore) -> None:
    (store.root / INCOMING).rmdir()
    with pytest.raises(Unavailable):
        await store.ping()
    with pytest.raises(Unavailable):
        await store.put("a.txt", b"x", "text/plain")
