"""A beat-cut film at 1080p30 from five clips, beside ffmpeg and MoviePy where they are installed."""

import asyncio
import importlib.util
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np

from jobs.engines.cuts import Clip, CutPlan, Screen, make_cut_film, plan_cuts
from jobs.engines.films.coders import CRF, PRESET
from tests.bench.report import Figure, Table, at_least, at_most
from tests.films.clips import make_cues
from tests.films.songs import write_song

SECONDS, QUICK_SECONDS = 60.0, 16.0
CLIP_SECONDS, QUICK_CLIP_SECONDS = 20.0, 6.0
CLIPS = 5
WIDTH, HEIGHT = 1920, 1080
GOP = 60  # two seconds, about as cameras do
WHO = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
KIB = 1024 if sys.platform == "darwin" else 1  # ru_maxrss counts bytes there


@dataclass(frozen=True)
class Run:
    """What one way to make the film took; the peak is that of its largest process."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


Wish = TypeVar("Wish")
Make = Callable[[Wish, Path], object]


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """The same shots by each in turn, once; ratios of one run are what counts."""
    makers: dict[str, Make[CutPlan]] = {"libretto": _make}
    if shutil.which("ffmpeg"):
        makers["ffmpeg"] = _make_with_ffmpeg
    if importlib.util.find_spec("moviepy"):
        makers["MoviePy"] = _make_with_moviepy
    with tempfile.TemporaryDirectory(prefix="libretto-bench-") as folder:
        plan = await asyncio.to_thread(_plan, quick, Path(folder))
        runs = {name: await asyncio.to_thread(measure_make, make, plan, Path(folder)) for name, make in makers.items()}
    return [_compare(plan, runs)]


def _compare(plan: CutPlan, runs: dict[str, Run]) -> Table:
    seconds, ours = plan.frame_count / plan.fps, runs["libretto"]
    figures = [
        Figure("speed", seconds / ours.wall_seconds, "x real time"),
        Figure("CPU", ours.cpu_seconds / plan.frame_count * 1000, "ms a frame"),
        at_most("memory of the largest process", ours.peak_mib, "MiB", 700),
    ]
    for name in ("ffmpeg", "MoviePy"):
        if peer := runs.get(name):
            figures += [
                Figure(f"speed of {name}", seconds / peer.wall_seconds, "x real time"),
                Figure(f"CPU of {name}", peer.cpu_seconds / plan.frame_count * 1000, "ms a frame"),
                Figure(f"memory of {name}", peer.peak_mib, "MiB"),
                at_least(f"speed beside {name}", peer.wall_seconds / ours.wall_seconds, "x", 1),
            ]
    missing = [name for name in ("ffmpeg", "MoviePy") if name not in runs]
    note = "Hard cuts of clips that are neither scaled nor cropped, one run of each, the same coder and quality; ours "
    note += "also makes the stream that grows, previews and a poster, in pieces that a second attempt goes on from"
    note += f"; not installed: {', '.join(missing)}" if missing else ""
    title = f"Cuts: {len(plan.shots)} shots of {CLIPS} clips, {seconds:g} s at 1920x1080, 30 frames a second"
    return Table(title, figures, note)


def _plan(quick: bool, folder: Path) -> CutPlan:  # noqa: FBT001 - as above
    seconds = QUICK_SECONDS if quick else SECONDS
    song = write_song(folder / "song.m4a", seconds)
    length = QUICK_CLIP_SECONDS if quick else CLIP_SECONDS
    clips = [write_clip(folder / f"clip-{number}.mp4", number, length) for number in range(CLIPS)]
    cues = make_cues(bars=round(seconds / 2), bpm=120, energies=(0.3, 0.9))
    plan = plan_cuts(cues, clips, Screen(1920, 1080, song))
    return replace(plan, shots=tuple(replace(shot, transition="CUT", transition_frames=0) for shot in plan.shots))


def write_clip(path: Path, number: int, seconds: float, width: int = WIDTH, height: int = HEIGHT) -> Clip:
    """A picture that moves over a larger one, with grain, as a camera sees."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(30, 220, (40, 64), np.uint8).repeat(32, 0).repeat(34, 1)
    whole = (coarse.astype(np.int16) + rng.integers(-6, 7, coarse.shape)).astype(np.uint8)
    options = {"g": str(GOP), "preset": "ultrafast", "crf": "20"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        for at in range(round(seconds * 30)):
            x, y = at * 2 % 240, at % 180
            picture[:height] = whole[y : y + height, x : x + width]
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Clip(path, seconds)


def measure_make(make: Make[Wish], wish: Wish, folder: Path) -> Run:
    """What making it takes, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_meter, make, wish, folder).result(900)


def _meter(make: Make[Wish], wish: Wish, folder: Path) -> Run:
    began, began_cpu = time.perf_counter(), _count_cpu()  # so that nobody is charged for this benchmark's own start
    make(wish, folder)
    seconds, cpu = time.perf_counter() - began, _count_cpu() - began_cpu
    return Run(seconds, cpu, max(resource.getrusage(who).ru_maxrss for who in WHO) / KIB / 1024)


def _count_cpu() -> float:
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, WHO))


def _make(plan: CutPlan, folder: Path) -> None:
    (made := folder / "libretto").mkdir()
    make_cut_film(plan, made, lambda _fraction, _stage: None)


def _make_with_ffmpeg(plan: CutPlan, folder: Path) -> None:
    """One input for each shot, so that each is searched and not read from its beginning."""
    command = ["ffmpeg", "-y", "-v", "error"]
    for shot in plan.shots:
        command += ["-ss", f"{shot.source / plan.fps:.4f}", "-t", f"{shot.frame_count / plan.fps:.4f}"]
        command += ["-i", str(plan.clips[shot.clip].path)]
    fits = "scale=1920:1080:force_original_aspect_ratio=increase,crop=1920:1080,fps=30,setsar=1"
    parts = [f"[{number}:v]{fits}[v{number}]" for number in range(len(plan.shots))]
    joined = "".join(f"[v{number}]" for number in range(len(plan.shots)))
    graph = ";".join([*parts, f"{joined}concat=n={len(plan.shots)}[v]"])
    command += ["-i", str(plan.audio), "-filter_complex", graph, "-map", "[v]", "-map", f"{len(plan.shots)}:a"]
    command += ["-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF), "-c:a", "copy", "-movflags", "+faststart"]
    subprocess.run([*command, "ffmpeg.mp4"], cwd=folder, check=True, stdin=subprocess.DEVNULL)


def _make_with_moviepy(plan: CutPlan, folder: Path) -> None:
    moviepy: Any = importlib.import_module("moviepy")
    clips = [moviepy.VideoFileClip(str(clip.path)) for clip in plan.clips]
    shots = [
        clips[shot.clip].subclipped(shot.source / plan.fps, (shot.source + shot.frame_count) / plan.fps)
        for shot in plan.shots
    ]
    film = moviepy.concatenate_videoclips(shots).with_audio(moviepy.AudioFileClip(str(plan.audio)))
    film.write_videofile(
        str(folder / "moviepy.mp4"), fps=plan.fps, preset=PRESET, ffmpeg_params=["-crf", str(CRF)], logger=None
    )
