"""Lyric videos at 1080p30 beside x264 alone on the same frames, and beside ffmpeg with libass where it is installed."""

import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jobs.engines.covers import palette
from jobs.engines.films import PROCESSES, FilmPlan, draw_frame, make_film
from jobs.engines.films.encoding import CRF, PRESET, encode_pictures
from jobs.engines.films.planes import Box, Picture
from jobs.engines.films.scene import Screen, build_scene
from jobs.formats.lyrics import write_ass
from tests.bench.report import Figure, Table, at_least, at_most
from tests.films.songs import VERSE, list_levels, make_plan, sing, write_song

SECONDS, QUICK_SECONDS = 20.0, 10.0
LONG_SECONDS, QUICK_LONG_SECONDS = 600.0, 60.0
REPEATS = 3
STYLE = 7
KIB = 1024 if sys.platform == "darwin" else 1  # ru_maxrss counts bytes there


@dataclass(frozen=True)
class Run:
    """What one rendering took, all its processes together; the peak is that of the largest one."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


Render = Callable[[FilmPlan, Path], tuple[float, float]]  # answers what its preparation took: wall and CPU seconds


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """Every renderer in turn, a few times; the best of each counts, since others use the machine too."""
    seconds = QUICK_SECONDS if quick else SECONDS
    renderers: dict[str, Render] = {"libretto": _render, "x264 alone": _encode_alone}
    if shutil.which("ffmpeg"):
        renderers["ffmpeg"] = _render_with_ffmpeg
    with tempfile.TemporaryDirectory(prefix="libretto-bench-") as folder:
        tables = [_compare(theme, seconds, renderers, Path(folder)) for theme in ("karaoke", "waveform")]
        return [*tables, _show_long(QUICK_LONG_SECONDS if quick else LONG_SECONDS, Path(folder))]


def _compare(theme: str, seconds: float, renderers: dict[str, Render], folder: Path) -> Table:
    plan = _plan(theme, seconds, folder)
    runs: dict[str, list[Run]] = {name: [] for name in renderers}
    for _ in range(REPEATS):
        for name, render in renderers.items():
            runs[name].append(_in_child(render, plan, folder))
    best = {name: min(each, key=lambda run: run.wall_seconds) for name, each in runs.items()}
    spent = {name: min(run.cpu_seconds for run in each) for name, each in runs.items()}
    ours, limit = best["libretto"], best["x264 alone"]
    figures = [
        Figure("speed", seconds / ours.wall_seconds, "x real time"),
        Figure("CPU", spent["libretto"] / plan.frame_count * 1000, "ms a frame"),
        at_most("memory of the largest process", ours.peak_mib, "MiB", 900),
        Figure("speed of x264 alone on these frames", seconds / limit.wall_seconds, "x real time"),
        Figure("CPU of x264 alone", spent["x264 alone"] / plan.frame_count * 1000, "ms a frame"),
        at_least("share of that limit", 100 * limit.wall_seconds / ours.wall_seconds, "%", 80),
    ]
    if "ffmpeg" in best:
        peer = best["ffmpeg"]
        figures += [
            Figure("speed of ffmpeg, libass on a still", seconds / peer.wall_seconds, "x real time"),
            Figure("CPU of ffmpeg", spent["ffmpeg"] / plan.frame_count * 1000, "ms a frame"),
            at_least("speed beside ffmpeg", peer.wall_seconds / ours.wall_seconds, "x", 1.8),
        ]
    note = f"Best of {REPEATS} runs in turn, {PROCESSES} processes"
    return Table(
        f"Films: {theme}, {seconds:g} s at 1920x1080, 30 frames a second, still background",
        figures,
        note if "ffmpeg" in best else f"{note}; not installed: ffmpeg",
    )


def _show_long(seconds: float, folder: Path) -> Table:
    plan = _plan("waveform", seconds, folder)
    run = _in_child(_render, plan, folder)
    return Table(
        f"Films: waveform, {seconds:g} s",
        [
            Figure("speed", seconds / run.wall_seconds, "x real time"),
            at_most("memory of the largest process", run.peak_mib, "MiB", 900),
        ],
    )


def _plan(theme: str, seconds: float, folder: Path) -> FilmPlan:
    lines = sing(VERSE * max(1, round(seconds / 12)), word_seconds=0.35)
    return make_plan(
        write_song(folder / f"{theme}-{seconds:g}.m4a", seconds),
        theme,
        seconds=seconds,
        lines=lines,
        levels=list_levels(seconds),
        palette=palette(STYLE),
    )


def _in_child(render: Render, plan: FilmPlan, folder: Path) -> Run:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_meter, render, plan, folder).result(900)


def _meter(render: Render, plan: FilmPlan, folder: Path) -> Run:
    began, before = time.perf_counter(), _spent()
    prepared = render(plan, folder)
    wall, cpu = time.perf_counter() - began - prepared[0], _spent() - before - prepared[1]
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Run(wall, cpu, peak / KIB / 1024)


def _spent() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _render(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    make_film(plan, folder, lambda _fraction, _stage: None)
    return 0.0, 0.0


def _encode_alone(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    """Encode frames that lie drawn in memory, in as many processes; the drawing of them does not count."""
    began, before = time.perf_counter(), _spent()
    pictures = _draw_all(plan)
    prepared = time.perf_counter() - began, _spent() - before
    step = -(-len(pictures) // PROCESSES)
    parts = [pictures[start : start + step] for start in range(0, len(pictures), step)]
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=encode_pictures, args=(folder / f"alone-{number}.mp4", part, plan.fps))
        for number, part in enumerate(parts)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return prepared


def _draw_all(plan: FilmPlan) -> Sequence[Picture]:
    screen, whole = Screen(build_scene(plan)), Box(0, 0, plan.width, plan.height)
    pictures = []
    for frame in range(plan.frame_count):
        screen.show(frame)
        pictures.append(screen.picture.cut(whole))
    return pictures


def _render_with_ffmpeg(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    """The same words over the same ground, which is decoded once; no title, no waveform."""
    began, before = time.perf_counter(), _spent()
    draw_frame(plan, 0).save(folder / "ground.png")
    (folder / "words.ass").write_text(write_ass(plan.lines))
    prepared = time.perf_counter() - began, _spent() - before
    graph = f"[0]loop=-1:1:0,setpts=N/{plan.fps}/TB,format=yuv420p,ass=words.ass[v]"
    command = ["ffmpeg", "-y", "-v", "error", "-r", str(plan.fps), "-i", "ground.png", "-i", str(plan.audio)]
    command += ["-filter_complex", graph, "-map", "[v]", "-map", "1:a", "-t", f"{plan.duration_seconds:g}"]
    command += ["-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF), "-c:a", "copy", "-movflags", "+faststart"]
    subprocess.run([*command, "ffmpeg.mp4"], cwd=folder, check=True, stdin=subprocess.DEVNULL)
    return prepared
