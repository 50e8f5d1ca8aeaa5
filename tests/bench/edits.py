"""A trim beside encoding all of it again, and a timeline of three clips beside ffmpeg where it is installed."""

import asyncio
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from jobs.engines.cuts import Clip
from jobs.engines.edits import Canvas, Crossfade, Overlay, Piece, Speed, Take, edit_film, trim_film
from jobs.engines.edits.trims import FULL_CRF, FULL_PRESET
from jobs.engines.films.coders import CRF, PRESET
from jobs.engines.films.joining import AUDIO_BITS_PER_SECOND, join_film
from tests.bench.cuts import Run, measure_make, write_clip
from tests.bench.report import Figure, Table, at_most
from tests.films.songs import write_song

FPS, WIDTH, HEIGHT = 30, 1920, 1080
TRIM_SECONDS = 24.0
TRIM_START = 2.7  # between two key frames, as its end is
TAKE_FRAMES, QUICK_TAKE_FRAMES = 785, 170  # three of them, crossfaded and faster, are 51 and 10 seconds
TAKE_START, OVERLAP, SPEED_PERCENT = 20, 30, 150
TITLE_START, TITLE_FRAMES, TITLE_WIDTH, TITLE_HEIGHT, TITLE_X, TITLE_Y = 30, 120, 960, 240, 480, 720
THINNED = 4  # of the pixels that are compared, one in so many of each row and column


@dataclass(frozen=True)
class Timeline:
    """Three clips, and one that is laid over them as their title."""

    clips: tuple[Clip, Clip, Clip]
    title: Clip
    take_frames: int

    @property
    def piece(self) -> Piece:
        """All of it: trims, crossfades, the title, and the speed."""
        first, second, third = (Take(clip, TAKE_START, self.take_frames) for clip in self.clips)
        joined = Crossfade(Crossfade(first, second, OVERLAP), third, OVERLAP)
        title = Take(self.title, 0, TITLE_FRAMES)
        named = Overlay(joined, title, TITLE_START, TITLE_X, TITLE_Y, TITLE_WIDTH, TITLE_HEIGHT)
        return Speed(named, SPEED_PERCENT)


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """Each once, one after the other; ratios of one run are what counts."""
    with tempfile.TemporaryDirectory(prefix="libretto-bench-") as folder:
        trim = await asyncio.to_thread(_measure_trim, TRIM_SECONDS, Path(folder))
        frames = QUICK_TAKE_FRAMES if quick else TAKE_FRAMES
        timeline = await asyncio.to_thread(_measure_timeline, frames, Path(folder))
    return [trim, timeline]


def _measure_trim(seconds: float, folder: Path) -> Table:
    source = _write_source(folder / "source.mp4", 9, seconds + 2 * TRIM_START)
    trimmed = measure_make(_trim, (source, seconds), folder)
    whole = measure_make(_encode_again, (source, seconds), folder)
    count, wrong = _count_wrong(source.path, round(TRIM_START * FPS), folder / "trimmed.mp4")
    figures = [
        Figure("CPU of the trim", trimmed.cpu_seconds, "s"),
        Figure("CPU of encoding all again", whole.cpu_seconds, "s"),
        at_most("beside encoding all again", 100 * trimmed.cpu_seconds / whole.cpu_seconds, "% of its CPU", 15),
        at_most("pictures too many or too few", abs(count - round(seconds * FPS)), "", 0),
        at_most("pictures at another's place", wrong, "", 0),
        Figure("memory", trimmed.peak_mib, "MiB"),
    ]
    note = "The source has a key frame every 2 s; encoding all again does without the sound, which the trim copies"
    return Table(f"Trim: {seconds:g} s at free points of {WIDTH}x{HEIGHT} at {FPS} frames a second", figures, note)


def _measure_timeline(take_frames: int, folder: Path) -> Table:
    seconds = (TAKE_START + take_frames) / FPS + 0.5
    first, second, third = (_write_source(folder / f"clip-{number}.mp4", number, seconds) for number in range(3))
    title = _write_source(folder / "title.mp4", 3, TITLE_FRAMES / FPS, TITLE_WIDTH, TITLE_HEIGHT)
    timeline = Timeline((first, second, third), title, take_frames)
    ours = measure_make(_edit, timeline, folder)
    frame_count = timeline.piece.frame_count
    figures = [
        Figure("CPU", ours.cpu_seconds, "s"),
        Figure("speed", frame_count / FPS / ours.wall_seconds, "x real time"),
        at_most("memory of the largest process", ours.peak_mib, "MiB", 700),
    ]
    note = "The title is a moving picture, and the sound is joined too"
    if shutil.which("ffmpeg"):
        figures += _compare(ours, measure_make(_edit_with_ffmpeg, timeline, folder), frame_count)
    else:
        note += "; not installed: ffmpeg"
    return Table(f"Timeline: three clips, crossfades, a title, 1.5x, {frame_count / FPS:g} s", figures, note)


def _compare(ours: Run, peer: Run, frame_count: int) -> list[Figure]:
    return [
        Figure("CPU of ffmpeg", peer.cpu_seconds, "s"),
        Figure("speed of ffmpeg", frame_count / FPS / peer.wall_seconds, "x real time"),
        Figure("memory of ffmpeg", peer.peak_mib, "MiB"),
        at_most("CPU beside ffmpeg", ours.cpu_seconds / peer.cpu_seconds, "x", 0.85),
    ]


def _write_source(path: Path, number: int, seconds: float, width: int = WIDTH, height: int = HEIGHT) -> Clip:
    """A clip of the cuts with a tone."""
    pictures = write_clip(path.with_suffix(".pictures.mp4"), number, seconds, width, height)
    join_film(path, [(pictures.path, Fraction(0))], write_song(path.with_suffix(".m4a"), seconds))
    return Clip(path, seconds)


def _ignore(_fraction: float, _stage: str) -> None:
    pass


def _trim(wish: tuple[Clip, float], folder: Path) -> None:
    source, seconds = wish
    trim_film(source.path, TRIM_START, TRIM_START + seconds, folder / "trimmed.mp4", _ignore)


def _encode_again(wish: tuple[Clip, float], folder: Path) -> None:
    """As a trim does where it may copy nothing, but with no more than decoding and encoding."""
    source, seconds = wish
    first = round(TRIM_START * FPS)
    with av.open(str(source.path)) as container, av.open(str(folder / "again.mp4"), "w") as film:
        options = {"preset": FULL_PRESET, "crf": str(FULL_CRF), "threads": "1"}
        stream = film.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in itertools.islice(container.decode(video=0), first, first + round(seconds * FPS)):
            frame.pict_type = 0
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def _count_wrong(source: Path, first: int, trimmed: Path) -> tuple[int, int]:
    """How many pictures there are, and how many look less like theirs than like the one before or behind it."""
    wanted = itertools.islice(_read_lights(source), first - 1, None)
    before, own = next(wanted), next(wanted)
    count = wrong = 0
    for found in _read_lights(trimmed):
        behind = next(wanted, before)
        distances = [float(np.abs(found - each).mean()) for each in (own, before, behind)]
        wrong += distances[0] >= min(distances[1:])
        count, before, own = count + 1, own, behind
    return count, wrong


def _read_lights(path: Path) -> Iterator[NDArray[np.int16]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray()[: frame.height : THINNED, ::THINNED].astype(np.int16)


def _edit(timeline: Timeline, folder: Path) -> None:
    (made := folder / "timeline").mkdir()
    edit_film(timeline.piece, Canvas(WIDTH, HEIGHT, FPS), made, _ignore)


def _edit_with_ffmpeg(timeline: Timeline, folder: Path) -> None:
    """One graph for all, with as little in it as the same film needs."""
    seconds, overlap = timeline.take_frames / FPS, OVERLAP / FPS
    command = ["ffmpeg", "-y", "-v", "error"]
    for clip in timeline.clips:
        command += ["-ss", f"{TAKE_START / FPS:.4f}", "-t", f"{seconds:.4f}", "-i", str(clip.path)]
    graph = (
        f"[0:v][1:v]xfade=duration={overlap}:offset={seconds - overlap:.4f}[a]"
        f";[a][2:v]xfade=duration={overlap}:offset={2 * (seconds - overlap):.4f}[b]"
        f";[3:v]setpts=PTS+{TITLE_START / FPS}/TB[t];[b][t]overlay={TITLE_X}:{TITLE_Y}:eof_action=pass[c]"
        f";[c]setpts=PTS/{SPEED_PERCENT / 100},fps={FPS}[v]"
        f";[0:a][1:a]acrossfade=d={overlap}[d];[d][2:a]acrossfade=d={overlap}[e]"
        f";[3:a]adelay={round(1000 * TITLE_START / FPS)}:all=1[s]"
        f";[e][s]amix=duration=first:normalize=0,atempo={SPEED_PERCENT / 100}[f]"
    )
    command += ["-i", str(timeline.title.path), "-filter_complex", graph, "-map", "[v]", "-map", "[f]"]
    command += ["-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF), "-c:a", "aac"]
    command += ["-b:a", str(AUDIO_BITS_PER_SECOND), "-movflags", "+faststart", "ffmpeg-timeline.mp4"]
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL)
