"""Rendering a video: its segments are kept as they are finished, so that whoever takes the job up again goes on."""

import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from jobs.bridge import begin, wait, wait_beating
from jobs.engines import run
from jobs.engines.cuts import CutPlan, MadeCutFilm
from jobs.engines.films import MadeFilm
from jobs.formats.lyrics import write_lrc, write_srt, write_vtt
from jobs.make import FILE_BYTES, STALL_SECONDS, make
from jobs.queue import Work
from jobs.scratch import scratch_folder
from jobs.seals import Source, sign_files
from jobs.videos.notes import list_notes
from jobs.videos.orders import Order, read_order
from jobs.videos.pieces import Shelf, delete_blobs, drop_cancelled, piece_key
from server.errors import EngineStalled, EngineTooSlow, JobCancelled, JobFailed, Unavailable
from server.logs import get_logger
from server.settings import get_settings
from storage import database, jobs, videos
from storage.videos import Video

LOG_LINES = 4_000
SCRATCH = re.compile(r"/[^\s'\"]*/")  # a folder of this machine
CPU_SECONDS = 36_000  # of each process: an hour in a slow codec takes more than one of them
LOOKING_SECONDS, SLOWEST_FRAME_SECONDS = 900, 0.5  # by the clock: most films draw a hundred frames a second
SEARCHED = "; clips with few key frames, or without an index, take long to search: encode those anew"
GOES_ON = ". What is done of it is kept for a day, and `retryJob` goes on from there"

log = get_logger(__name__)


def render(work: Work) -> None:
    """Make the film and what goes with it."""
    video = wait(videos.get_job_video(work.lease.job_id))
    diary = Diary(work, video)
    try:
        with scratch_folder() as folder:
            order = wait_beating(read_order(video, work.blobs, folder), lambda: work.report(0, "reading"))
            shelf = Shelf(work, video, order, folder)
            made = _make(work, order, folder, shelf, diary)
            source: Source = "trainedAlgorithmicMedia" if order.is_trained else "algorithmicMedia"
            sign_files(work, [made.path], video.title, source)
            needless = wait_beating(_keep(work, video, order, made, shelf), lambda: work.report(1, "keeping"))
            begin(delete_blobs(work.blobs, needless))  # the job has ended: what fails goes with the next sweep
    except JobCancelled:
        wait(drop_cancelled(work.blobs, video.id, work.lease.token))
        raise
    except JobFailed as failure:
        if isinstance(failure.__cause__, run.EngineEnded):
            for words in failure.__cause__.last_words:
                diary.note(SCRATCH.sub("", words))
        if isinstance(failure.__cause__, run.EngineFailed):
            diary.note(_tell_trace(failure.__cause__.trace))
        diary.note(f"{failure.code}: {failure.message}")
        failure.log_key = wait(diary.keep())
        raise


def _tell_trace(trace: str) -> str:
    """What an engine raised and why, without the places in our code and on our disk."""
    told = (line for line in trace.splitlines() if line and not line.startswith((" ", "Traceback")))
    return SCRATCH.sub("", " / ".join(told))


class Diary:
    """What is told of one attempt to whoever asked for the film, should it fail."""

    def __init__(self, work: Work, video: Video) -> None:
        self._work, self._video = work, video
        self._began = time.monotonic()
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self.note(f"attempt {work.lease.attempt} at {video.kind} {video.aspect} {video.theme or ''}".rstrip())

    def note(self, line: str) -> None:
        """Write a line, unless it says what the last one says."""
        if not self._lines or not self._lines[-1].endswith(f" s  {line}"):
            self._lines.append(f"{time.monotonic() - self._began:8.1f} s  {line}")

    async def keep(self) -> str | None:
        """Store it; answers with its key, or None where the store is away too."""
        key = piece_key(self._video.id, self._work.lease.token, "render.log")
        try:
            await self._work.blobs.put(key, "".join(f"{line}\n" for line in self._lines).encode(), "text/x-log")
        except Unavailable as error:
            log.warning("diary.not_kept", error=str(error))
            return None
        return key


def _make(work: Work, order: Order, folder: Path, shelf: Shelf, diary: Diary) -> MadeFilm | MadeCutFilm:
    """Run the engine over what an earlier attempt has left."""
    brought = wait_beating(shelf.bring_back(), lambda: work.report(0, "fetching"))
    diary.note(f"plan {order.plan_hash[:12]}, {order.plan.frame_count} frames, {brought} segments there already")

    def report(fraction: float, stage: str) -> None:
        diary.note(stage)
        shelf.report(fraction, stage)

    limits = limit_film(order.plan.frame_count, work.engine_memory_bytes)
    try:
        return make(work, order.engine, order.plan, folder, limits=limits, report=report)
    except EngineStalled as slow:
        slow.message = tell_slowness(slow, limits, has_clips=isinstance(order.plan, CutPlan))
        raise
    finally:
        shelf.close()


def tell_slowness(slow: EngineStalled, limits: run.Limits, *, has_clips: bool) -> str:
    """Why a film was given up, and what to do about it."""
    took = f"took longer than {(limits.wall_seconds or 0) / 60:.0f} minutes"
    told = took if isinstance(slow, EngineTooSlow) else f"made no progress for {limits.stall_seconds:.0f} seconds"
    return f"The film {told}{SEARCHED if has_clips else ''}{GOES_ON}"


def limit_film(frame_count: int, memory_bytes: int) -> run.Limits:
    """What one attempt at a film of so many frames may take; the shorter it is, the sooner it gives its slot back."""
    wall_seconds = min(CPU_SECONDS, LOOKING_SECONDS + SLOWEST_FRAME_SECONDS * frame_count)
    return run.Limits(memory_bytes, CPU_SECONDS, FILE_BYTES, stall_seconds=STALL_SECONDS, wall_seconds=wall_seconds)


async def _keep(work: Work, video: Video, order: Order, made: MadeFilm | MadeCutFilm, shelf: Shelf) -> list[str]:
    """Write what came of it; answers with the keys of what is of no use any more."""
    files = {}
    for name, source, mime_type in _list_files(video, order, made):
        key = piece_key(
            video.id, work.lease.token, source.name if isinstance(source, Path) else f"words.{name.lower()}"
        )
        blob = await work.blobs.put(key, source, mime_type)
        files[name] = {"key": key, "mime_type": mime_type, "size_bytes": blob.size_bytes}
    await shelf.keep_stream()
    film = {"files": files, "notes": list_notes(order.lines, made)}
    async with database.transaction():
        await jobs.complete_job(work.lease, {"video_id": video.id, "track_id": video.track_id})
        return await videos.keep_film(video.id, film, retention_days=get_settings().video_retention_days)


def _list_files(video: Video, order: Order, made: MadeFilm | MadeCutFilm) -> Iterator[tuple[str, Path | bytes, str]]:
    yield "FILM", made.path, "video/mp4"
    yield "POSTER", made.path.with_name("poster.jpg"), "image/jpeg"
    if order.lines:
        until_seconds = order.film_seconds
        yield "VTT", write_vtt(order.lines, until_seconds=until_seconds).encode(), "text/vtt"
        yield "SRT", write_srt(order.lines, until_seconds=until_seconds).encode(), "application/x-subrip"
        words = write_lrc(order.lines, title=video.title, artist=video.wish.get("artist", ""))
        yield "LRC", words.encode(), "text/x-lrc"
