"""Covers: a new visual version is drawn at once and its pictures follow from a job; what people draw is rebuilt,
and its pictures are made where nothing of ours can be harmed."""

import asyncio
import signal
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import UUID

import orjson

from jobs import queue
from jobs.bridge import wait, wait_beating
from jobs.engines import run
from jobs.engines.covers import (
    ALGORITHM,
    Contour,
    CoverPlan,
    contour_of_peaks,
    draw_cover,
    palette,
    read_contour,
)
from jobs.engines.pictures import draw_pictures
from jobs.engines.styles import HOUSE_SEED
from jobs.engines.tracks import MadeCover, make_cover
from jobs.formats.svg import SvgRefused, sanitise
from jobs.make import make
from jobs.queue import Work
from jobs.scratch import scratch_folder
from jobs.seals import sign_files
from jobs.styles import find_own_leanings
from server.errors import (
    Conflict,
    DrawingRefused,
    EngineDied,
    EngineFailed,
    EngineStalled,
    JobFailed,
    NotFound,
    SubjectGone,
    TooManyCovers,
    ValidationFailed,
)
from storage import allowances, assets, covers, database, idempotency, jobs, styles, tracks
from storage.access import Viewer
from storage.blobs import BlobStore
from storage.covers import Drawing, SavedCover
from storage.jobs import JobState
from storage.rows import new_id
from storage.styles import Style
from storage.tracks import Track
from storage.users import User

SVG, PNG = "image/svg+xml", "image/png"
PICTURE_LIMITS = run.Limits(memory_bytes=1 << 30, cpu_seconds=8, file_bytes=64 << 20, stall_seconds=60, wall_seconds=60)

_gate = asyncio.Semaphore(1)  # a drawing is rebuilt in Python: two at once take as long, and the event loop's turns


@dataclass(frozen=True)
class DrawnCover:
    """A cover that somebody drew for a track of theirs."""

    track_id: UUID
    svg: str
    mode: str


def plan_cover(
    owner: User, track: Track, style: Style | None, visual_version: int, *, contour: Contour | None = None
) -> CoverPlan:
    """What the cover of a track depends on, and all it depends on."""
    leanings = find_own_leanings(style)
    return CoverPlan(
        style_seed=_seed_of(owner),
        track_seed=track.seed,
        visual_version=visual_version,
        contour=contour,
        title=track.title,
        motif=None if leanings is None else leanings.motif,
        flourish=owner.flourish,
    )


async def find_owner_and_style(track: Track) -> tuple[User, Style | None]:
    """Whose a track is, and the style that it was asked for in."""
    style = await styles.find_style(track.style_id) if track.style_id else None
    return await User.get(id=track.user_id), style


def describe_drawing(plan: CoverPlan) -> Drawing:
    """What is kept of a plan: all that may have changed when it is drawn again."""
    contour = None if plan.contour is None else asdict(plan.contour)
    subject = {"title": plan.title, "contour": contour, "motif": plan.motif, "flourish": plan.flourish}
    return Drawing(ALGORITHM, subject)


def _seed_of(owner: User) -> int:
    return HOUSE_SEED if owner.style_seed is None else owner.style_seed


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
        plan = plan_cover(owner, track, style, following, contour=await _find_contour(track, blobs))
        await blobs.put(key, draw_cover(plan).encode(), SVG)
        async with database.transaction():
            if await tracks.step_visual_version(track.id, following):
                track.visual_version = following
                await covers.keep_cover(track.user_id, track.id, following, {"svg": key}, describe_drawing(plan))
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
    await _check_room(saved)
    saved.svg_key = f"{_saved_folder(saved)}.svg"
    await blobs.put(saved.svg_key, rebuilt, SVG)
    return saved


def _saved_folder(saved: SavedCover) -> str:
    return f"covers/{saved.track_id.hex}/saved/{saved.id.hex}"


async def _rebuild(svg: str) -> bytes:
    async with _gate:
        try:
            return await asyncio.to_thread(sanitise, svg.encode())
        except SvgRefused as refusal:
            raise ValidationFailed({"svg": str(refusal)}) from refusal


async def _check_room(saved: SavedCover) -> None:
    if not await covers.has_room_for(saved.user_id, saved.size_bytes):
        raise TooManyCovers(covers.MOST_SAVED, covers.MOST_SAVED_BYTES)


async def _write(saved: SavedCover) -> SavedCover:
    """Write the row and the job that makes its pictures, while nobody else takes the room that is left."""
    async with database.transaction():
        await covers.hold_room(saved.user_id)
        await _check_room(saved)
        written = await covers.write_saved_cover(saved)
        if written is None:
            raise NotFound("There is no such track")
        job = await request_pictures(written)
        written.status, written.job_id = "QUEUED", job.id
        return written


async def request_pictures(saved: SavedCover) -> JobState:
    """Have the pictures of a saved cover made."""
    async with database.transaction():
        job_id = new_id()
        await covers.await_pictures(saved.id, job_id)
        return await queue.enqueue(
            "covers.rasterise", "default", job_id=job_id, user_id=saved.user_id, subject_id=saved.id
        )


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
        sign_files(work, made.crops.values(), track.title, "algorithmicMedia")
        wait_beating(_keep(work, track, plan, made), lambda: work.report(1, "keeping"))


async def put_cover(blobs: BlobStore, track_id: UUID, visual_version: int, made: MadeCover) -> dict[str, str]:
    """Store a cover's files; answers with their keys by column."""
    files: dict[str, Path] = {"svg": made.svg} | {name.lower(): path for name, path in made.crops.items()}
    keys = {}
    for name, path in files.items():
        keys[name] = cover_key(track_id, visual_version, path.name)
        await blobs.put(keys[name], path, SVG if name == "svg" else PNG)
    return keys


async def _take(work: Work) -> tuple[CoverPlan, Track]:
    """The plan of the drawing that is there already, or a new one where an earlier algorithm drew it."""
    track = await tracks.hold_track(work.lease.subject_id)
    owner, style = await find_owner_and_style(track)
    visual_version = int(work.lease.payload["visual_version"])
    cover = await covers.find_cover(track.id, visual_version)
    if cover is None or cover.subject is None or cover.algorithm != ALGORITHM:
        contour = await _find_contour(track, work.blobs)
        return plan_cover(owner, track, style, visual_version, contour=contour), track
    kept = dict(cover.subject)
    contour = None if kept["contour"] is None else read_contour(kept["contour"])
    return replace(plan_cover(owner, track, style, visual_version), **kept | {"contour": contour}), track


async def _find_contour(track: Track, blobs: BlobStore) -> Contour | None:
    """What is known of the song: from an earlier cover, or from its peaks; None before there is one."""
    kept = await covers.find_contour(track.id)
    if kept is not None:
        return read_contour(kept)
    peaks = await assets.find_asset(track.id, "PEAKS")
    if peaks is None:
        return None
    document = orjson.loads(b"".join([part async for part in blobs.read(peaks.blob_key)]))
    return contour_of_peaks(document, track.music, track.duration_seconds)


async def _keep(work: Work, track: Track, plan: CoverPlan, made: MadeCover) -> None:
    keys = await put_cover(work.blobs, track.id, plan.visual_version, made)
    async with database.transaction():
        await tracks.hold_track(track.id)
        await covers.keep_cover(track.user_id, track.id, plan.visual_version, keys, describe_drawing(plan))
        await jobs.complete_job(work.lease, {"visual_version": plan.visual_version})


def rasterise(work: Work) -> None:
    """Make the pictures of a cover that somebody saved; one that cannot be drawn is refused."""
    with scratch_folder() as folder:
        path = folder / "saved.svg"
        saved, background, drawing = wait(_take_saved(work))
        path.write_bytes(drawing)
        try:
            pictures = make(work, draw_pictures, path, background, folder, limits=PICTURE_LIMITS)
        except (EngineDied, EngineFailed, EngineStalled) as failure:
            if _may_pass(failure) and work.lease.attempt < work.lease.max_attempts:
                raise
            wait(covers.refuse_pictures(saved.id))
            raise DrawingRefused(f"No picture could be made of the drawing: {failure.message}") from failure
        wait_beating(_keep_pictures(work, saved, pictures), lambda: work.report(1, "keeping"))


def _may_pass(failure: JobFailed) -> bool:
    """Whether it was the machine that killed the child, rather than the drawing."""
    died = failure.__cause__
    return isinstance(died, run.EngineDied) and died.signal_number in (None, signal.SIGKILL) and died.exit_code is None


async def _take_saved(work: Work) -> tuple[SavedCover, str, bytes]:
    """The saved cover, the colour to lay below it, which is the ground of its owner's style, and its drawing."""
    saved = await SavedCover.get_or_none(id=work.lease.subject_id)
    if saved is None:
        raise SubjectGone
    owner = await User.get(id=saved.user_id)
    background = palette(_seed_of(owner), dark=saved.mode == "DARK").ground
    return saved, background, b"".join([part async for part in work.blobs.read(saved.svg_key)])


async def _keep_pictures(work: Work, saved: SavedCover, pictures: dict[str, Path]) -> None:
    keys, pictures_bytes = {}, 0
    for crop, path in pictures.items():
        key = f"{_saved_folder(saved)}-{crop.lower()}.png"
        pictures_bytes += (await work.blobs.put(key, path, PNG)).size_bytes
        keys[crop.lower()] = key
    async with database.transaction():
        if not await covers.keep_pictures(saved.id, keys, pictures_bytes):
            raise SubjectGone
        await jobs.complete_job(work.lease, {"saved_cover_id": saved.id})
