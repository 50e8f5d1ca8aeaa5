"""Covers: a new visual version is drawn at once; its pictures follow from a job."""

from pathlib import Path
from uuid import UUID

from jobs import queue
from jobs.bridge import wait, wait_beating
from jobs.engines.covers import CoverPlan, draw_cover
from jobs.engines.tracks import MadeCover, make_cover
from jobs.make import make
from jobs.queue import Work
from jobs.scratch import scratch_folder
from storage import database, jobs, tracks, users
from storage.access import Viewer
from storage.blobs import BlobStore
from storage.covers import keep_cover
from storage.jobs import JobState
from storage.rows import new_id
from storage.tracks import Track


def plan_cover(style_seed: int, track: Track, visual_version: int) -> CoverPlan:
    """What the cover of a track depends on, and all it depends on."""
    return CoverPlan(style_seed=style_seed, track_seed=track.seed, visual_version=visual_version)


def cover_key(track_id: UUID, visual_version: int, name: str) -> str:
    """Where a cover's file lies; its content depends on nothing else, so it may be written twice."""
    return f"covers/{track_id.hex}/{visual_version}/{name}"


async def request_visual_version(viewer: Viewer, track_id: UUID, blobs: BlobStore) -> tuple[Track, JobState]:
    """Give a track its next visual version, with a drawing that is there at once.

    The file comes first, since no transaction may wait for a store; whoever lost the race for a version draws the next.
    """
    while True:
        track = await tracks.get_own_track(viewer, track_id)
        owner = await users.User.get(id=track.user_id)
        following = track.visual_version + 1
        key = cover_key(track.id, following, "cover.svg")
        await blobs.put(key, draw_cover(plan_cover(owner.style_seed, track, following)).encode(), "image/svg+xml")
        async with database.transaction():
            if await tracks.step_visual_version(track.id, following):
                track.visual_version = following
                await keep_cover(track.user_id, track.id, following, {"svg": key})
                return track, await _enqueue_drawing(track)


async def _enqueue_drawing(track: Track) -> JobState:
    return await queue.enqueue(
        "covers.draw",
        "default",
        job_id=new_id(),
        user_id=track.user_id,
        subject_id=track.id,
        payload={"visual_version": track.visual_version},
    )


def draw(work: Work) -> None:
    """Draw the pictures of one visual version."""
    plan, track = wait(_take(work))
    with scratch_folder() as folder:
        made = make(work, make_cover, plan, folder)
        wait_beating(_keep(work, track, plan.visual_version, made), lambda: work.report(1, "keeping"))


async def put_cover(blobs: BlobStore, track_id: UUID, visual_version: int, made: MadeCover) -> dict[str, str]:
    """Store a cover's files; answers with their keys by column."""
    files: dict[str, Path] = {"svg": made.svg} | {name.lower(): path for name, path in made.crops.items()}
    keys = {}
    for name, path in files.items():
        keys[name] = cover_key(track_id, visual_version, path.name)
        await blobs.put(keys[name], path, "image/svg+xml" if name == "svg" else "image/png")
    return keys


async def _take(work: Work) -> tuple[CoverPlan, Track]:
    track = await tracks.hold_track(work.lease.subject_id)
    owner = await users.User.get(id=track.user_id)
    return plan_cover(owner.style_seed, track, int(work.lease.payload["visual_version"])), track


async def _keep(work: Work, track: Track, visual_version: int, made: MadeCover) -> None:
    keys = await put_cover(work.blobs, track.id, visual_version, made)
    async with database.transaction():
        await tracks.hold_track(track.id)
        await keep_cover(track.user_id, track.id, visual_version, keys)
        await jobs.complete_job(work.lease, {"visual_version": visual_version})
