"""The pieces of a film, seen from storage: who may write them, and what is left of them when a film is cancelled."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from jobs.videos.pieces import drop_cancelled, piece_key
from server.errors import LeaseLost
from server.resources import Resources
from storage import database, jobs, videos
from storage.access import Viewer
from storage.jobs import Lease
from storage.rows import new_id, read_id
from storage.videos import PieceKind, Video, VideoKind, VideoPiece
from tests.studio import Person

QUEUE = "clips"  # no kind of job waits there yet, so the studio's worker leaves these alone


@pytest_asyncio.fixture
async def video(resources: Resources, person: Person) -> AsyncIterator[Video]:
    """A film of a track that is not there."""
    made = Video(
        user_id=read_id("user", person.id),
        track_id=new_id(),
        job_id=new_id(),
        kind=VideoKind.LYRIC,
        aspect="SQUARE",
        title="A film",
        frames_per_second=24,
        duration_seconds=22.0,
        wish={},
    )
    async with database.transaction():
        await made.save(force_create=True)
        await jobs.insert_job(job_id=made.job_id, user_id=made.user_id, kind="videos.render", queue=QUEUE)
    yield made
    await database.fetch("DELETE FROM jobs WHERE id = $1", made.job_id)
    await database.fetch("UPDATE videos SET status = 'CANCELLED' WHERE id = $1", made.id)
    await videos.delete_video(made)


async def claim(video: Video) -> Lease:
    lease = await jobs.claim_next(QUEUE, worker="test", running_per_user=100)
    assert lease is not None
    assert lease.job_id == video.job_id
    return lease


async def keep(resources: Resources, video: Video, lease: Lease, number: int) -> str:
    """The key of a piece that is kept."""
    key = piece_key(video.id, lease.token, f"segment-{number:04}.ts")
    await resources.blobs.put(key, b"a piece", "video/mp2t")
    piece = VideoPiece(
        track_id=video.track_id,
        video_id=video.id,
        kind=PieceKind.STREAM,
        number=number,
        plan_hash="a plan",
        blob_key=key,
        duration_seconds=5.0,
    )
    await videos.keep_pieces(lease, video.id, [piece])
    return key


async def list_keys(resources: Resources, video: Video) -> set[str]:
    return {key async for key, _ in resources.blobs.list_keys(f"videos/{video.id.hex}/")}


async def test_stale_lease_drops_nothing_of_what_the_next_one_keeps(resources: Resources, video: Video) -> None:
    lease = await claim(video)
    key = await keep(resources, video, lease, 0)
    stale = replace(lease, token=lease.token - 1)
    with pytest.raises(LeaseLost):
        await videos.drop_other_plans(stale, video.id, "another plan")
    assert [piece.blob_key for piece in await videos.list_pieces(video.id)] == [key]
    assert await videos.drop_other_plans(lease, video.id, "another plan") == [key]


async def test_film_that_is_rendered_again_at_once_keeps_what_is_streamed_of_it(
    resources: Resources, video: Video
) -> None:
    lease, viewer = await claim(video), Viewer(video.user_id)
    key = await keep(resources, video, lease, 0)
    orphan = piece_key(video.id, lease.token, "segment-0001.ts")
    await resources.blobs.put(orphan, b"no row points at it", "video/mp2t")
    await jobs.cancel_job(viewer, video.job_id)
    await jobs.replay_job(viewer, video.job_id)
    await drop_cancelled(resources.blobs, video.id, lease.token)  # by the worker, which heard of the cancel only
    assert await list_keys(resources, video) == {key}
    await jobs.cancel_job(viewer, video.job_id)
    await drop_cancelled(resources.blobs, video.id, lease.token)
    assert await list_keys(resources, video) == set()
