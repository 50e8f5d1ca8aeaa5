"""The chores of every worker: orphans are swept, owners are spared, and what killed workers left is cleared."""

import os
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.schedule import sweep
from jobs.scratch import scratch_folder, sweep_scratch
from server.resources import Resources
from storage.blobs import attempt_key
from storage.rows import new_id
from tests.studio import Person, Studio

AUDIO = "query ($id: ID!) { track(id: $id) { audio { url } cover { svgUrl } } }"


async def test_sweep_takes_orphans_and_spares_what_rows_point_at(
    studio: Studio, resources: Resources, person: Person
) -> None:
    created = await person.create_track()
    await person.wait_until(created["job"]["id"], "COMPLETE")
    orphan = attempt_key(new_id(), 1, "mix.m4a")
    await resources.blobs.put(orphan, b"of an attempt that lost its lease", "audio/mp4")
    foreign = [f"{folder}/{name}" for folder in ("covers", "analyses", "uploads") for name in ("a.png", "b/c.png")]
    for key in foreign:
        await resources.blobs.put(key, b"of nobody", "image/png")
    assert await sweep(resources.blobs, age=timedelta(hours=1)) == 0
    assert await sweep(resources.blobs, age=timedelta(0)) >= 1 + len(foreign)
    assert [await resources.blobs.stat(key) for key in (orphan, *foreign)] == [None] * 7
    track = (await person.get(AUDIO, id=created["track"]["id"]))["track"]
    for url in (track["audio"]["url"], track["cover"]["svgUrl"]):
        assert (await studio.client.get(url)).status_code == 200


def test_scratch_folder_is_private_and_goes_with_the_work() -> None:
    with scratch_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "file").write_text("x")
    assert not folder.exists()


def test_folders_of_killed_workers_are_cleared_and_fresh_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, fresh = tmp_path / "libretto-job-old", tmp_path / "libretto-job-fresh"
    for folder in (old, fresh):
        folder.mkdir()
    os.utime(old, (time.time() - 100_000,) * 2)
    assert sweep_scratch() == 1
    assert fresh.exists()
    assert not old.exists()


def test_folders_that_go_while_the_others_are_cleared_are_nothing_to_worry_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    enough = threading.Event()

    def work() -> None:
        while not enough.is_set():
            with ExitStack() as stack:
                for _ in range(50):
                    stack.enter_context(scratch_folder())

    jobs = threading.Thread(target=work)
    jobs.start()
    try:
        assert [sweep_scratch() for _ in range(300)] == [0] * 300
    finally:
        enough.set()
        jobs.join()
