"""Films that are broken off: by a dead worker, a drain, a cancel, a deleted track; and what is watched meanwhile."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest_asyncio

from jobs.schedule import sweep
from jobs.videos import drop_stale
from server.resources import Resources, open_resources
from storage import database, videos
from storage.rows import read_id
from tests.studio import Person, Process, Studio, running_studio, until
from tests.videos.filming import (
    CANCEL,
    DELETE,
    RETRY,
    blobs_of,
    count_pieces,
    create,
    digest,
    fetch,
    film_until,
    make_song,
    probe,
    read,
)

SECONDS = 22  # of music: five segments
RATE = 60  # so that a film is not made before anybody can break it off
LYRIC = {"theme": "WAVEFORM", "framesPerSecond": RATE}
WATCH = """subscription ($id: ID!) { jobProgress(jobId: $id) { state stage message progress attempt
  video { status previewFrame { url } previewSeconds previewUrl } } }"""
DELETE_TRACK = "mutation ($id: ID!) { deleteTrack(trackId: $id) { ... on TrackDeleted { id } } }"


@pytest_asyncio.fixture(scope="module")
async def fragile() -> AsyncIterator[Studio]:
    """A studio of its own, whose worker these tests kill."""
    async with running_studio({"CREDITS_AT_SIGN_UP": "1000", "DRAIN_SECONDS": "1"}) as running:
        running.processes.pop().kill()
        yield running


@pytest_asyncio.fixture(scope="module")
async def rows(fragile: Studio) -> AsyncIterator[Resources]:
    async with open_resources(fragile.settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def worker(fragile: Studio) -> AsyncIterator[Process]:
    yield await fragile.start_worker()
    for process in fragile.processes:  # also those that a test has started
        if process.name == "worker" and process.child.poll() is None:
            process.kill()


@pytest_asyncio.fixture(scope="module")
async def owner(fragile: Studio) -> Person:
    return await fragile.make_user()


@pytest_asyncio.fixture(scope="module")
async def song(fragile: Studio, rows: Resources, owner: Person) -> str:
    """A song of many segments, made once by a worker that ends then."""
    maker = await fragile.start_worker()
    track_id = await make_song(owner, SECONDS)
    maker.kill()
    return track_id


async def finish(owner: Person, created: Any, seconds: float = 180) -> Any:
    job = await owner.wait_until(created["job"]["id"], "COMPLETE", "FAILED", seconds=seconds)
    assert job["state"] == "COMPLETE", job
    return await read(owner, created["video"]["id"])


async def test_killed_worker_leaves_segments_and_the_next_makes_the_same_film_of_them(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    undisturbed = await finish(owner, await create(owner, song, lyric=LYRIC))
    created = await film_until(owner, song, 2, lyric=LYRIC)
    worker.kill()
    kept = await count_pieces(created["video"]["id"], "SEGMENT")
    before = await blobs_of(rows, created["video"]["id"])
    async with owner.socket() as socket:
        operation = await socket.subscribe(WATCH, id=created["job"]["id"])
        await fragile.start_worker()
        states = [state async for state in operation]
    resumed = await read(owner, created["video"]["id"])
    assert [state["state"] for state in states].count("COMPLETE") == 1
    assert states[-1]["attempt"] == 2
    again = [state["message"] for state in states if state["attempt"] == 2]
    drawn = [int(found[1]) for message in again if (found := re.match(r"frame (\d+)", message))]
    assert drawn == sorted(drawn)
    assert not drawn or drawn[0] >= kept * 120  # what was kept was not drawn again
    assert {name for name in before if name.endswith(".ts")} <= await blobs_of(rows, created["video"]["id"])
    films = [await fetch(fragile, one["film"]["url"]) for one in (undisturbed, resumed)]
    assert digest(films[0]) == digest(films[1])


async def test_drained_worker_gives_the_film_back_with_what_is_done_of_it(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    created = await film_until(owner, song, 2, lyric=LYRIC, aspect="LANDSCAPE")
    assert await asyncio.to_thread(worker.stop) == 0
    job = await owner.job(created["job"]["id"])
    assert (job["state"], job["attempt"]) == ("QUEUED", 0)
    assert await count_pieces(created["video"]["id"], "SEGMENT") >= 2
    await fragile.start_worker()
    made = await finish(owner, created)
    assert probe(await fetch(fragile, made["film"]["url"]))["frames"] == SECONDS * RATE


async def test_segments_of_another_plan_are_never_joined_to_a_film(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    created = await film_until(owner, song, 2, lyric=LYRIC)
    worker.kill()
    row_id = read_id("video", created["video"]["id"])
    await database.fetch("UPDATE videos SET title = 'Another' WHERE id = $1", row_id)
    await fragile.start_worker()
    resumed = await finish(owner, created)
    fresh = await finish(owner, await create(owner, song, lyric=LYRIC | {"title": "Another"}))
    films = [await fetch(fragile, one["film"]["url"]) for one in (resumed, fresh)]
    assert digest(films[0]) == digest(films[1])


async def test_film_is_watched_while_it_grows(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    created = await create(owner, song, lyric=LYRIC, aspect="LANDSCAPE")
    assert created["video"]["previewUrl"] is None
    frames, seconds, playlists, messages = set(), [], [], []
    async with owner.socket() as socket:
        async for state in await socket.subscribe(WATCH, id=created["job"]["id"]):
            shown = state["video"]
            seconds.append(shown["previewSeconds"])
            messages.append(state["message"])
            if shown["previewFrame"] and shown["previewFrame"]["url"] not in frames:
                frames.add(shown["previewFrame"]["url"])
                assert (await fetch(fragile, shown["previewFrame"]["url"]))[:2] == b"\xff\xd8"
            if shown["previewUrl"]:
                playlists.append((await fetch(fragile, shown["previewUrl"])).decode())
    assert len(frames) >= 2
    assert any(0 < one < SECONDS for one in seconds)
    assert seconds == sorted(seconds)
    told = re.compile(rf"frame \d+ of {SECONDS * RATE}, \d+ a second, \d+ s left")
    assert any(map(told.fullmatch, messages))
    growing = [playlist for playlist in playlists if "#EXT-X-ENDLIST" not in playlist]
    assert growing
    for earlier, later in pairwise(playlists):
        assert without_queries(later).startswith(without_queries(earlier))


def without_queries(playlist: str) -> str:
    return re.sub(r"\?\S+", "", playlist).removesuffix("#EXT-X-ENDLIST\n")


async def test_playlist_plays_the_whole_film_with_its_sound_on_any_page(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    made = await finish(owner, await create(owner, song, lyric=LYRIC))
    answer = await fragile.client.get(made["previewUrl"], headers={"Origin": "https://player.example"})
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert (answer.headers["access-control-allow-origin"], answer.headers["cache-control"]) == ("*", "no-store")
    preflight = await fragile.client.options(made["previewUrl"])
    assert "GET" in preflight.headers["access-control-allow-methods"]
    lines = answer.text.splitlines()
    assert lines[-1] == "#EXT-X-ENDLIST"
    urls = [line for line in lines if not line.startswith("#")]
    lengths = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert sum(lengths) == made["previewSeconds"] == made["durationSeconds"]
    stretches = []
    for url in urls:
        segment = await fragile.client.get(url, headers={"Origin": "https://player.example"})
        assert segment.headers["content-type"] == "video/mp2t"
        assert segment.headers["access-control-allow-origin"] == "*"
        stretches.append(probe(segment.content))
    assert sum(one["frames"] for one in stretches) == SECONDS * RATE
    assert all(one["codecs"] == ("h264", "aac") for one in stretches)
    gaps = [later["first"] - earlier["last"] for earlier, later in pairwise(stretches)]
    assert all(abs(gap - 1 / RATE) < 0.001 for gap in gaps)


async def test_playlist_is_refused_without_its_signature(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    made = await finish(owner, await create(owner, song, lyric=LYRIC))
    url: str = made["previewUrl"]
    path, _, query = url.partition("?")
    other = (await finish(owner, await create(owner, song, lyric=LYRIC)))["previewUrl"].partition("?")[0]
    for wrong in (path, f"{path}?expires=1", f"{other}?{query}", re.sub("expires=[0-9]", "expires=9", url), url[:-1]):
        answer = await fragile.client.get(wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "LINK_INVALID"), wrong
    assert (await owner.get(DELETE, id=made["id"]))["deleteVideo"]["id"] == made["id"]
    assert (await fragile.client.get(url)).status_code == 404


async def test_cancelled_film_leaves_nothing_and_can_be_rendered_again(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    created = await film_until(owner, song, 2, lyric=LYRIC)
    video_id, job_id = created["video"]["id"], created["job"]["id"]
    assert await blobs_of(rows, video_id)
    await owner.get(CANCEL, id=job_id)
    assert (await read(owner, video_id))["status"] == "CANCELLED"
    await worker.wait_for("outcome=job_cancelled")
    assert await blobs_of(rows, video_id) == set()
    shown = await read(owner, video_id)
    assert (shown["film"], shown["previewFrame"], shown["previewUrl"]) == (None, None, None)
    assert [await count_pieces(video_id, kind) for kind in ("SEGMENT", "STREAM", "FRAME")] == [0, 0, 0]
    await owner.get(RETRY, id=job_id)
    assert (await finish(owner, created))["film"]["sizeBytes"] > 10_000


async def test_film_that_was_cancelled_while_it_waited_loses_its_pieces_to_a_chore(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    created = await film_until(owner, song, 2, lyric=LYRIC)
    worker.kill()  # a drain might let it finish
    pieces = await videos.list_pieces(read_id("video", created["video"]["id"]))
    assert len(pieces) >= 2  # the segments waited for; what goes with them was still on its way, or came too
    await owner.get(CANCEL, id=created["job"]["id"])
    assert (await owner.job(created["job"]["id"]))["state"] == "CANCELLED"

    async def are_gone() -> bool:
        await drop_stale(rows.blobs)  # which passes over a film that somebody else is at, until the next time
        return await videos.list_pieces(read_id("video", created["video"]["id"])) == []

    await until(are_gone, "the chore drops the pieces")
    assert not await blobs_of(rows, created["video"]["id"]) & {piece.blob_key.rpartition("/")[2] for piece in pieces}
    assert (await read(owner, created["video"]["id"]))["previewUrl"] is None


async def test_track_that_is_deleted_meanwhile_takes_its_film_along(
    fragile: Studio, rows: Resources, owner: Person, worker: Process
) -> None:
    track_id = await make_song(owner, SECONDS)
    created = await film_until(owner, track_id, 1, lyric=LYRIC)
    assert "id" in (await owner.get(DELETE_TRACK, id=track_id))["deleteTrack"]
    failed = await owner.wait_until(created["job"]["id"], "FAILED")
    assert failed["error"]["code"] in ("SUBJECT_GONE", "LEASE_LOST")
    row_id = read_id("video", created["video"]["id"])
    assert await videos.Video.filter(id=row_id).count() == await videos.VideoPiece.filter(video_id=row_id).count() == 0


async def test_film_that_fails_says_why_and_links_its_log(
    fragile: Studio, rows: Resources, owner: Person, worker: Process
) -> None:
    track_id = await make_song(owner)
    row_id = read_id("track", track_id)
    await rows.blobs.put(f"jobs/{row_id.hex}/1/mix.m4a", b"no song at all", "audio/mp4")
    key = f"jobs/{row_id.hex}/1/mix.m4a"
    await database.fetch("UPDATE assets SET blob_key = $2 WHERE track_id = $1 AND kind = 'MIX'", row_id, key)
    created = await create(owner, track_id, lyric=LYRIC)
    failed = await owner.wait_until(created["job"]["id"], "FAILED", "COMPLETE")
    assert failed["error"]["code"] == "ENGINE_FAILED"
    shown = await read(owner, created["video"]["id"])
    log = await fragile.client.get(shown["logUrl"])
    assert log.headers["content-type"] == "text/x-log; charset=utf-8"
    assert "attempt 1 at LYRIC SQUARE WAVEFORM" in log.text
    assert failed["error"]["message"] in log.text
    assert "InvalidDataError" in log.text  # what FFmpeg says of it
    assert "libretto-job" not in log.text  # and nothing of our disk
    assert shown["film"] is None


async def test_films_expire_by_the_setting_and_say_so(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, song: str
) -> None:
    made = await finish(owner, await create(owner, song, lyric=LYRIC))
    row_id = read_id("video", made["id"])
    days = await database.fetch("SELECT expires_at - completed_at AS life FROM videos WHERE id = $1", row_id)
    assert round(days[0]["life"].total_seconds() / 86_400) == 14
    assert await sweep(rows.blobs, age=timedelta(0)) >= 0
    assert (await fragile.client.get(made["film"]["url"])).status_code == 200
    await database.fetch("UPDATE videos SET expires_at = now() WHERE id = $1", row_id)
    await database.fetch(
        "UPDATE jobs SET finished_at = now() - interval '2 days' WHERE id = $1", read_id("job", made["job"]["id"])
    )
    assert await videos.expire_films() == 1
    assert await drop_stale(rows.blobs) >= 5
    assert await sweep(rows.blobs, age=timedelta(0)) >= 2
    shown = await read(owner, made["id"])
    assert (shown["status"], shown["isExpired"], shown["film"], shown["captions"]) == ("COMPLETE", True, None, [])
    assert shown["previewUrl"] is None
    assert await blobs_of(rows, made["id"]) == set()
    assert await videos.expire_films() == 0


async def test_films_stay_for_ever_where_the_setting_says_so(
    fragile: Studio, rows: Resources, owner: Person, song: str
) -> None:
    worker = await fragile.start_worker(VIDEO_RETENTION_DAYS="0")
    made = await finish(owner, await create(owner, song, lyric=LYRIC))
    worker.kill()
    assert made["expiresAt"] is None
