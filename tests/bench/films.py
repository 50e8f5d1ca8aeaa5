"""Lyric videos at 1080p30 beside x264 alone on the same frames, and beside ffmpeg and MoviePy where they are there."""

import importlib.util
import multiprocessing
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

import jobs.engines.covers
from jobs.engines.covers import palette
from jobs.engines.films import FilmPlan, draw_frame, make_film
from jobs.engines.films.coders import CRF, PRESET, USUAL, Coding, Content
from jobs.engines.films.drift import MOST_ZOOM, TURN_SECONDS
from jobs.engines.films.encoding import encode_pictures
from jobs.engines.films.planes import Box, Picture
from jobs.engines.films.scene import Screen, build_scene
from jobs.engines.films.segments import PROCESSES
from jobs.formats.lyrics import Line, write_ass
from tests.bench.report import Figure, Table, at_least, at_most
from tests.films.songs import VERSE, list_levels, make_plan, sing, write_song

SECONDS, QUICK_SECONDS = 20.0, 10.0
LONG_SECONDS, QUICK_LONG_SECONDS = 600.0, 60.0
REPEATS = 3
STYLE = 7
DRAWN = Coding(content=Content.DRAWN)
PEERS = {
    "ffmpeg": "ffmpeg and libass",
    "zoompan": "libavfilter's zoompan and x264, no words",
    "MoviePy": "MoviePy and ffmpeg",
}
FONT = Path(jobs.engines.covers.__file__).parent / "fonts" / "Geologica-Bold.ttf"
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
    renderers: dict[str, Render] = {"libretto": _render, "x264 alone": _encode_alone, "usual x264": _encode_usually}
    if shutil.which("ffmpeg"):
        renderers["ffmpeg"] = _render_with_ffmpeg
    peers: dict[str, Render] = {"MoviePy": _render_with_moviepy} if importlib.util.find_spec("moviepy") else {}
    with tempfile.TemporaryDirectory(prefix="libretto-bench-") as name:
        folder = Path(name)
        still = [
            _compare(_plan("karaoke", seconds, folder), renderers | peers, folder),
            _compare(_plan("waveform", seconds, folder), renderers, folder),
        ]
        zoomed = replace(_plan("stacked", seconds, folder), is_zoomed=True)
        zoom = _compare(zoomed, {**renderers, "zoompan": _zoom_with_filter}, folder)
        return [*still, zoom, _show_long(QUICK_LONG_SECONDS if quick else LONG_SECONDS, folder)]


def _compare(plan: FilmPlan, renderers: dict[str, Render], folder: Path) -> Table:
    seconds = plan.duration_seconds
    runs: dict[str, list[Run]] = {name: [] for name in renderers}
    for _ in range(REPEATS):
        for name, render in renderers.items():
            runs[name].append(_in_child(render, plan, folder))
    best = {name: min(each, key=lambda run: run.wall_seconds) for name, each in runs.items()}
    spent = {name: min(run.cpu_seconds for run in each) for name, each in runs.items()}
    ours, limit = best["libretto"], best["x264 alone"]
    usual = spent["usual x264"] / plan.frame_count * 1000
    figures = [
        Figure("speed", seconds / ours.wall_seconds, "x real time"),
        Figure("CPU", spent["libretto"] / plan.frame_count * 1000, "ms a frame"),
        at_most("memory of the largest process", ours.peak_mib, "MiB", 900),
        Figure("speed of x264 alone on these frames", seconds / limit.wall_seconds, "x real time"),
        Figure("CPU of x264 alone", spent["x264 alone"] / plan.frame_count * 1000, "ms a frame"),
        Figure(f"CPU of x264 alone as others set it ({PRESET}, CRF {CRF})", usual, "ms a frame"),
        at_least(
            "share of that limit", 100 * limit.wall_seconds / ours.wall_seconds, "%", 60 if plan.is_zoomed else 80
        ),
    ]
    if plan.is_zoomed:
        figures.append(at_least("likeness to a lossless film (SSIM)", _measure_likeness(plan, folder), "", 0.985))
    for name, title in PEERS.items():
        if name in best:
            times = best[name].wall_seconds / ours.wall_seconds
            figures += [
                Figure(f"speed of {title}", seconds / best[name].wall_seconds, "x real time"),
                Figure(f"CPU of {title}", spent[name] / plan.frame_count * 1000, "ms a frame"),
                at_least(f"speed beside {name}", times, "x", 2.0 if plan.is_zoomed else 1.8),
            ]
    wanted = ("ffmpeg", "MoviePy") if plan.theme == "karaoke" else ("ffmpeg",)
    missing = [name for name in wanted if name not in best]
    note = f"Best of {REPEATS} runs in turn, {PROCESSES} processes"
    return Table(
        f"Films: {plan.theme}, {seconds:g} s at 1920x1080, 30 frames a second, "
        f"{'slow zoom' if plan.is_zoomed else 'still background'}",
        figures,
        note + (f"; not installed: {', '.join(missing)}" if missing else ""),
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
    with tempfile.TemporaryDirectory(dir=folder) as own:
        began, before = time.perf_counter(), _spent()
        prepared = render(plan, Path(own))
        wall, cpu = time.perf_counter() - began - prepared[0], _spent() - before - prepared[1]
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Run(wall, cpu, peak / KIB / 1024)


def _spent() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _render(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    make_film(plan, folder, lambda _fraction, _stage: None)
    return 0.0, 0.0


def _encode_usually(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    return _encode_alone(plan, folder, USUAL)


def _encode_alone(plan: FilmPlan, folder: Path, coding: Coding = DRAWN) -> tuple[float, float]:
    """Encode frames that lie drawn in memory, in as many processes; the drawing of them does not count."""
    began, before = time.perf_counter(), _spent()
    pictures = _draw_all(plan)
    prepared = time.perf_counter() - began, _spent() - before
    step = -(-len(pictures) // PROCESSES)
    parts = [pictures[start : start + step] for start in range(0, len(pictures), step)]
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=encode_pictures, args=(folder / f"alone-{number}.mp4", part, plan.fps, coding))
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


def _measure_likeness(plan: FilmPlan, folder: Path) -> float:
    """The mean SSIM of all planes between the film and what was drawn."""
    make_film(plan, folder, lambda _fraction, _stage: None)
    _write_likeness(plan, folder / "film.mp4", folder / "likeness.txt")  # whole when its filter is gone
    found = re.findall(r"All:([\d.]+)", (folder / "likeness.txt").read_text())
    return sum(map(float, found)) / len(found)


def _write_likeness(plan: FilmPlan, path: Path, stats: Path) -> None:
    graph, screen = av.filter.Graph(), Screen(build_scene(plan))
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        encoded, drawn = (graph.add_buffer(template=stream) for _ in range(2))
        compare = graph.add("ssim", f"stats_file={stats}")
        encoded.link_to(compare, 0, 0)
        drawn.link_to(compare, 0, 1)
        compare.link_to(graph.add("buffersink"))
        graph.configure()
        for number, frame in enumerate(film.decode(stream)):
            screen.show(number)
            wanted = av.VideoFrame.from_numpy_buffer(screen.picture.memory.copy(), "yuv420p")
            wanted.pts, wanted.time_base = frame.pts, frame.time_base
            encoded.push(frame)
            drawn.push(wanted)
            graph.pull()


def _zoom_with_filter(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    """The same motion of a still of twice the size, as the filter needs it not to shake; nothing is written on it."""
    began, before = time.perf_counter(), _spent()
    width, height = 2 * plan.width, 2 * plan.height
    ground = np.asarray(draw_frame(plan, 0).resize((width, height)))
    still = av.VideoFrame.from_ndarray(ground, "rgb24").reformat(format="yuv420p")
    prepared = time.perf_counter() - began, _spent() - before
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(width=width, height=height, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, plan.fps)),
        graph.add("zoompan", f"{_zoom_options(plan)}"),
        graph.add("buffersink"),
    ).configure()
    still.pts = 0
    graph.push(still)
    with av.open(str(folder / "zoompan.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=plan.fps, options={"preset": PRESET, "crf": str(CRF)})
        stream.width, stream.height, stream.pix_fmt = plan.width, plan.height, "yuv420p"
        for _ in range(plan.frame_count):
            container.mux(stream.encode(graph.vpull()))
        container.mux(stream.encode(None))
    return prepared


def _zoom_options(plan: FilmPlan) -> str:
    far = (MOST_ZOOM - 1) / 2
    zoom = f"1+{far}-{far}*cos(PI*on/{plan.fps * TURN_SECONDS:g})"
    size = f"d={plan.frame_count}:s={plan.width}x{plan.height}:fps={plan.fps}"
    return f"z='{zoom}':x='iw/2-(iw/zoom/2)':y='ih/2-(ih/zoom/2)':{size}"


def _render_with_ffmpeg(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    """The same words over the same ground, which is decoded once; no title, no waveform."""
    began, before = time.perf_counter(), _spent()
    draw_frame(plan, 0).save(folder / "ground.png")
    (folder / "words.ass").write_text(write_ass(plan.lines))
    prepared = time.perf_counter() - began, _spent() - before
    moved = f"scale={2 * plan.width}:-1,zoompan={_zoom_options(plan)}" if plan.is_zoomed else "loop=-1:1:0"
    graph = f"[0]{moved},setpts=N/{plan.fps}/TB,format=yuv420p,ass=words.ass[v]"
    command = ["ffmpeg", "-y", "-v", "error", "-r", str(plan.fps), "-i", "ground.png", "-i", str(plan.audio)]
    command += ["-filter_complex", graph, "-map", "[v]", "-map", "1:a", "-t", f"{plan.duration_seconds:g}"]
    command += ["-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF), "-c:a", "copy", "-movflags", "+faststart"]
    subprocess.run([*command, "ffmpeg.mp4"], cwd=folder, check=True, stdin=subprocess.DEVNULL)
    return prepared


def _render_with_moviepy(plan: FilmPlan, folder: Path) -> tuple[float, float]:
    """The same words over the same ground: each line is written once more in colour, word by word; no title."""
    moviepy: Any = importlib.import_module("moviepy")
    began, before = time.perf_counter(), _spent()
    draw_frame(plan, 0).save(folder / "ground.png")
    prepared = time.perf_counter() - began, _spent() - before
    ground = moviepy.ImageClip(str(folder / "ground.png"), duration=plan.duration_seconds)
    words = [clip for line in plan.lines for clip in _write_line(moviepy, line, plan)]
    film = moviepy.CompositeVideoClip([ground, *words]).with_audio(moviepy.AudioFileClip(str(plan.audio)))
    film.write_videofile(
        str(folder / "moviepy.mp4"), fps=plan.fps, preset=PRESET, ffmpeg_params=["-crf", str(CRF)], logger=None
    )
    return prepared


def _write_line(moviepy: Any, line: Line, plan: FilmPlan) -> list[Any]:
    def write(text: str, colour: str, start_seconds: float) -> Any:
        clip = moviepy.TextClip(font=str(FONT), text=text, font_size=72, color=colour, margin=(8, 24))
        return clip.with_start(start_seconds).with_end(line.end_seconds)

    whole = write(line.text, "white", line.start_seconds)
    left, top = (plan.width - whole.w) // 2, (plan.height - whole.h) // 2
    clips, sung = [whole.with_position((left, top))], ""
    for word in line.words:
        sung = f"{sung} {word.text}".strip()
        clips.append(write(sung, "gold", word.start_seconds).with_position((left, top)))
    return clips
