"""Renders any film by segments that are encoded side by side, each kept as soon as it is whole.

What lies in the folder, each under its name only when it is whole:
    segment-0000.mp4    five seconds of pictures; where one of this film lies there at the start it is not made again
    segment-0000.ts     the same with the sound, on the film's clock: together they are an HLS stream that grows; of
                        H.264 and HEVC alone, since no player takes another codec in it
    preview.jpg         the newest frame, about once a second
    sound.m4a           as much of the song as the film is long
    film.mp4, poster.jpg  at the end
"""

import hashlib
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkContext, ForkProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import av

from jobs.engines.films.coders import CODERS, USUAL, Coding, check_codec
from jobs.engines.films.encoding import SEGMENT_SECONDS, encode_pictures, write_still
from jobs.engines.films.joining import is_whole, join_film, write_sound, write_stream
from jobs.engines.films.planes import Picture
from jobs.engines.run import EngineRefused, Report

PROCESSES = 2
REPORT_SECONDS = PREVIEW_SECONDS = 1.0
PACE_SECONDS = 10.0  # how long the latest frames are counted for
POLL_SECONDS = 0.1
PREVIEW_SIDE, POSTER_SIDE = 640, 1920
JOINING = 0.98  # how far the work is when all frames are encoded
REFUSED_EXIT = 3
MOST_FAULT = 2_000  # characters

Draw = Callable[[range], Iterator[Picture]]
"""Draws these frames in their order; a picture may change when the next one is asked for.

It is called in forked processes, once for each segment, and the same frames look the same whatever was drawn before.
"""


@dataclass(frozen=True)
class Reel:
    """A film to be rendered: what draws it, and what it sounds like."""

    draw: Draw
    frame_count: int
    fps: int
    audio: Path | None  # none: a silent film, which is no stream either
    poster_frame: int = 0
    coding: Coding = USUAL
    film: str = ""  # tells its segments from those of another film that may lie in the folder

    @property
    def mark(self) -> str:
        """What its segments bear: those of another film, or encoded in another way, cannot be joined with them."""
        told = self.film, self.coding, CODERS[self.coding.codec], av.__version__
        return hashlib.sha256(repr(told).encode()).hexdigest()


@dataclass(frozen=True)
class Segment:
    """One stretch of a film; its length is fixed, since how many processes there are must not show in the bytes."""

    path: Path
    frames: range

    @property
    def stream(self) -> Path:
        """The same with its sound."""
        return self.path.with_suffix(".ts")


def render_segments(reel: Reel, folder: Path, report: Report, processes: int = PROCESSES) -> Path:
    """Make the film in this folder, going on from the segments that lie there, and return its path."""
    check_codec(reel.coding.codec)
    segments = _list_segments(reel, folder)
    sound = folder / "sound.m4a"
    if reel.audio is not None:
        _keep(sound, partial(write_sound, audio=reel.audio, end=Fraction(reel.frame_count, reel.fps)))
    drawn = _drop_torn(reel, segments)
    _encode(_Work(reel, segments, sound, folder / "preview.jpg"), drawn, report, processes)
    report(JOINING, "joining")
    _keep(folder / "poster.jpg", lambda path: _write_poster(path, reel))
    parts = [(segment.path, Fraction(segment.frames.start, reel.fps)) for segment in segments]
    return _keep(folder / "film.mp4", lambda path: join_film(path, parts, sound if reel.audio else None))


def _list_segments(reel: Reel, folder: Path) -> list[Segment]:
    step = SEGMENT_SECONDS * reel.fps
    starts = range(0, reel.frame_count, step)
    return [
        Segment(folder / f"segment-{number:04}.mp4", range(start, min(start + step, reel.frame_count)))
        for number, start in enumerate(starts)
    ]


def _keep(path: Path, write: Callable[[Path], None]) -> Path:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    write(part)
    return part.replace(path)


def _drop_torn(reel: Reel, segments: list[Segment]) -> int:
    """How many frames lie there in whole segments; what is no such segment goes."""
    drawn = 0
    for segment in segments:
        frame_count = len(segment.frames)
        if is_whole(segment.path, reel.mark, frame_count, reel.fps, is_variable_rate=reel.coding.is_variable_rate):
            drawn += frame_count
        else:
            segment.path.unlink(missing_ok=True)
            segment.stream.unlink(missing_ok=True)
    return drawn


def _write_poster(path: Path, reel: Reel) -> None:
    for picture in reel.draw(range(reel.poster_frame, reel.poster_frame + 1)):
        write_still(path, picture, POSTER_SIDE)


_context = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class _Work:
    """What the processes share."""

    reel: Reel
    segments: list[Segment]
    sound: Path
    preview: Path
    taken: "Synchronized[int]" = field(default_factory=lambda: _context.Value("i", 0))
    drawn: "Synchronized[int]" = field(default_factory=lambda: _context.Value("i", 0))
    shown_at: "Synchronized[float]" = field(default_factory=lambda: _context.Value("d", 0.0))
    refusals: "SimpleQueue[tuple[str, str]]" = field(default_factory=_context.SimpleQueue)
    faults: "SimpleQueue[str]" = field(default_factory=_context.SimpleQueue)  # what a process died of


def _encode(work: _Work, already_drawn: int, report: Report, processes: int) -> None:
    """Let some processes take one segment after the other."""
    with _running(_context, min(processes, len(work.segments)), work) as workers:
        pace = Pace(work.reel.frame_count, already_drawn, report)
        while any(worker.exitcode is None for worker in workers):
            _raise_failure(workers, work)
            pace.tell(work.drawn.get_obj().value)  # without its lock, which a worker may have died with
            wait([worker.sentinel for worker in workers if worker.exitcode is None], POLL_SECONDS)
        _raise_failure(workers, work)


def _raise_failure(workers: list[ForkProcess], work: _Work) -> None:
    codes = {worker.exitcode for worker in workers if worker.exitcode}
    if REFUSED_EXIT in codes:
        raise EngineRefused(*work.refusals.get())
    if codes:
        fault = "no word" if work.faults.empty() else work.faults.get()
        raise RuntimeError(f"frames could not be encoded: exit code {min(codes)}, {fault}")


@contextmanager
def _running(context: ForkContext, count: int, work: _Work) -> Iterator[list[ForkProcess]]:
    workers = [context.Process(target=_take_segments, args=(work,), daemon=True) for _ in range(count)]
    try:
        for worker in workers:
            worker.start()
        yield workers
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()


def _take_segments(work: _Work) -> None:
    with ExitStack() as stack:
        stack.push(partial(_tell_fault, work))
        while (number := _take_number(work)) < len(work.segments):
            _make_segment(work, work.segments[number])


def _tell_fault(work: _Work, _kind: object, error: BaseException | None, _trace: object) -> None:
    """Say what this process ends of, if not of having done its work."""
    if isinstance(error, EngineRefused):
        work.refusals.put((error.code, error.message))
        raise SystemExit(REFUSED_EXIT) from error
    if error is not None:
        work.faults.put(f"{type(error).__name__}: {error}"[:MOST_FAULT])


def _take_number(work: _Work) -> int:
    with work.taken.get_lock():
        work.taken.value += 1
        return work.taken.value - 1


def _make_segment(work: _Work, segment: Segment) -> None:
    fps, frames = work.reel.fps, segment.frames
    if not segment.path.exists():
        _keep(
            segment.path, lambda path: encode_pictures(path, _draw(work, frames), fps, work.reel.coding, work.reel.mark)
        )
    if work.reel.audio and work.reel.coding.is_streamed and not segment.stream.exists():
        begin, end = Fraction(frames.start, fps), Fraction(frames.stop, fps)
        _keep(segment.stream, lambda path: write_stream(path, segment.path, begin, end, work.sound))


def _draw(work: _Work, frames: range) -> Iterator[Picture]:
    """The frames; each is counted, and one a second is shown."""
    for picture in work.reel.draw(frames):
        _show(work, picture)
        yield picture
        with work.drawn.get_lock():
            work.drawn.value += 1


def _show(work: _Work, picture: Picture) -> None:
    """Make a frame the preview if that is due and no other process is at it, however long that takes."""
    lock = work.shown_at.get_lock()
    if not lock.acquire(block=False):
        return
    try:
        if time.monotonic() - work.shown_at.value >= PREVIEW_SECONDS:
            _keep(work.preview, lambda path: write_still(path, picture, PREVIEW_SIDE))
            work.shown_at.value = time.monotonic()
    finally:
        lock.release()


class Pace:
    """Tells how many frames are done, how fast lately, and how long the rest takes at that."""

    def __init__(
        self, frame_count: int, already_drawn: int, report: Report, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._frame_count, self._already_drawn, self._report = frame_count, already_drawn, report
        self._clock = clock
        self._told_at = float("-inf")
        self._marks = deque([(clock(), 0)])  # when so many frames were drawn

    def tell(self, drawn: int) -> None:
        """Report, about once a second."""
        now = self._clock()
        if now - self._told_at < REPORT_SECONDS:
            return
        self._told_at = now
        done = self._already_drawn + drawn
        fraction = JOINING * (done / self._frame_count)  # never more than that, rounded too
        if not drawn:
            self._report(fraction, "drawing")
            return
        per_second = self._measure(now, drawn)
        left_seconds = (self._frame_count - done) / per_second
        self._report(
            fraction, f"frame {done} of {self._frame_count}, {per_second:.0f} a second, {left_seconds:.0f} s left"
        )

    def _measure(self, now: float, drawn: int) -> float:
        """Frames a second of late, or since the last time that there was a new one."""
        self._marks.append((now, drawn))
        while now - self._marks[1][0] >= PACE_SECONDS and self._marks[1][1] < drawn:
            self._marks.popleft()
        began, before = self._marks[0]
        return (drawn - before) / max(1e-3, now - began)
