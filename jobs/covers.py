"""Covers: a new visual version is drawn at once and its pictures follow from a job; what people draw is rebuilt."""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from jobs import queue
from jobs.bridge import wait, wait_beating
from jobs.engines.covers import CoverPlan, draw_cover
from jobs.engines.styles import HOUSE_SEED
from jobs.engines.tracks import MadeCover, make_cover
from jobs.formats.svg import SvgRefused, sanitise
from jobs.make import make
from jobs.queue import Work
from jobs.scratch import scratch_folder
from jobs.styles import find_own_leanings
from server.errors import Conflict, NotFound, ValidationFailed
from storage import allowances, database, idempotency, jobs, styles, tracks
from storage.access import Viewer
from storage.blobs import BlobStore
from storage.covers import SavedCover, keep_cover, write_saved_cover
from storage.jobs import JobState
from storage.rows import new_id
from storage.styles import Style
from storage.tracks import Track
from storage.users import User

SVG = "image/svg+xml"

_gate = asyncio.Semaphore(1)  # a drawing is rebuilt in Python: two at once take as long, and the event loop's turns


@dataclass(frozen=True)
class DrawnCover:
    """A cover that somebody drew for a track of theirs."""

    track_id: UUID
    svg: str
    mode: str


def plan_cover(owner: User, track: Track, style: Style | None, visual_version: int) -> CoverPlan:
    """What the cover of a track depends on, and all it depends on."""
    leanings = find_own_leanings(style)
    return CoverPlan(
        style_seed=HOUSE_SEED if owner.style_seed is None else owner.style_seed,
        track_seed=track.seed,
        visual_version=visual_version,
        motif=None if leanings is None else leanings.motif,
        flourish=owner.flourish,
    )


async def find_owner_and_style(track: Track) -> tuple[User, Style | None]:
    """Whose a track is, and the style that it was asked for in."""
    style = await styles.find_style(track.style_id) if track.style_id else None
    return await User.get(id=track.user_id), style


def cover_key(track_id: UUID, visual_version: int, name: str) -> str:
    """Where a cover's file lies; its content depends on nothing else, so it may be written twice."""
    return f"covers/{track_id.hex}/{visual_version}/{name}"


async def request_visual_version(viewer: Viewer, track_id: UUID, blobs: BlobStore) -> tuple[Track, JobState]:
    """Give a track its next visual version, with a drawing that is there at once.

    The file comes first, since no transaction may wait for a store; whoever lost the race for a version draws the next.
    """
    while True:
        track = await tracks.get_own_track(viewer, track_id)
        owner, style = await find_owner_and_style(track)
        following = track.visual_version + 1
        key = cover_key(track.id, following, "cover.svg")
        await blobs.put(key, draw_cover(plan_cover(owner, track, style, following)).encode(), SVG)
        async with database.transaction():
            if await tracks.step_visual_version(track.id, following):
                track.visual_version = following
                await keep_cover(track.user_id, track.id, following, {"svg": key})
                return track, await _enqueue_drawing(track)


async def save_cover(
    viewer: Viewer, drawn: DrawnCover, blobs: BlobStore, *, idempotency_key: str | None = None
) -> SavedCover:
    """Keep what somebody drew, rebuilt so that nothing in it acts; what they sent is stored nowhere.

    The file comes first here too; that of a save which then fails goes with the next sweep.
    """
    track = await tracks.get_own_track(viewer, drawn.track_id)
    if idempotency_key is None:
        return await _write(await _put_saved(track, drawn, blobs))
    claim = track.user_id, "saveCover", idempotency_key, asdict(drawn)
    first_id = await idempotency.find_answer(*claim)
    if first_id is not None:  # nothing is done again, so it is not counted either
        return await _get_saved(track.user_id, first_id)
    saved = await _put_saved(track, drawn, blobs)
    async with database.transaction():
        first_id = await idempotency.claim_key(*claim, saved.id)
        return await (_write(saved) if first_id == saved.id else _get_saved(track.user_id, first_id))


async def _put_saved(track: Track, drawn: DrawnCover, blobs: BlobStore) -> SavedCover:
    """Store what was drawn, rebuilt, if it is allowed; answers with the row to be."""
    await allowances.spend(allowances.COVER_SAVES, track.user_id)
    rebuilt = await _rebuild(drawn.svg)
    saved = SavedCover(user_id=track.user_id, track_id=track.id, mode=drawn.mode, size_bytes=len(rebuilt))
    saved.svg_key = f"covers/{track.id.hex}/saved/{saved.id.hex}.svg"
    await blobs.put(saved.svg_key, rebuilt, SVG)
    return saved


async def _rebuild(svg: str) -> bytes:
    async with _gate:
        try:
            return await asyncio.to_thread(sanitise, svg.encode())
        except SvgRefused as refusal:
            raise ValidationFailed({"svg": str(refusal)}) from refusal


async def _write(saved: SavedCover) -> SavedCover:
    written = await write_saved_cover(saved)
    if written is None:
        raise NotFound("There is no such track")
    return written


async def _get_saved(user_id: UUID, saved_id: UUID) -> SavedCover:
    saved = await SavedCover.get_or_none(id=saved_id, user_id=user_id)
    if saved is None:
        raise Conflict("The cover that this idempotency key saved was deleted; use a new key")
    return saved


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
        await blobs.put(keys[name], path, SVG if name == "svg" else "image/png")
    return keys


async def _take(work: Work) -> tuple[CoverPlan, Track]:
    track = await tracks.hold_track(work.lease.subject_id)
    owner, style = await find_owner_and_style(track)
    return plan_cover(owner, track, style, int(work.lease.payload["visual_version"])), track


async def _keep(work: Work, track: Track, visual_version: int, made: MadeCover) -> None:
    keys = await put_cover(work.blobs, track.id, visual_version, made)
    async with database.transaction():
        await tracks.hold_track(track.id)
        await keep_cover(track.user_id, track.id, visual_version, keys)
        await jobs.complete_job(work.lease, {"visual_version": visual_version})
