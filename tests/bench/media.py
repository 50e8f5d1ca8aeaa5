"""Media made here: a track of a minute with all its files, and covers, each in a fresh child process."""

import hashlib
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import pyloudnorm  # type: ignore[import-untyped] # it ships none
from numpy.typing import NDArray

from jobs.engines.covers import FAMILIES, CoverPlan, draw_cover, rasterise_cover
from jobs.engines.music import STYLE_IDS, SongPlan, render_song
from tests.bench.report import Figure, Table, at_most, percentile
from tests.covers.songs import plans_by_family

PROMPT, SEED = "warm lofi evening with a soft piano", 7
SONG_SECONDS = 60.0
ALBUM_SECONDS, STYLES_TIMED = 60.0, 12
COVER_SIDE = 1024
OVERSAMPLING = 4  # true peak, as ITU-R BS.1770 measures it
BLOCK_SAMPLES, MARGIN = 1 << 16, 1 << 10  # the margin keeps the ends of a block from counting

N = TypeVar("N")
T = TypeVar("T")


@dataclass(frozen=True)
class Take:
    """One rendering of the song."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    digest: str
    lufs: float
    true_peak_dbtp: float


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """The song a few times from the same seed, a song of each of many styles twice, then covers of many seeds."""
    runs, covers = (2, 5) if quick else (3, 10)
    takes = [_in_child(_render, SONG_SECONDS) for _ in range(runs)]
    styles = STYLE_IDS[:: 6 if quick else 2][:STYLES_TIMED]
    album = [(_in_child(_render_style, style), _in_child(_render_style, style)) for style in styles]
    return [_show_song(takes), _show_album(album), _show_covers(_in_child(_time_covers, covers))]


def _in_child(work: Callable[[N], T], given: N) -> T:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, given).result(300)


def _render(seconds: float) -> Take:
    return _take(SongPlan(prompt=PROMPT, duration_seconds=seconds, seed=SEED, style=None))


def _render_style(style: str) -> Take:
    return _take(SongPlan(prompt="a song", duration_seconds=ALBUM_SECONDS, seed=SEED, style=style))


def _take(plan: SongPlan) -> Take:
    with tempfile.TemporaryDirectory(prefix="libretto-bench-") as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        song = render_song(plan, Path(folder), lambda _fraction, _stage: None)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        files = [song.mix, song.master, song.midi, song.peaks, *song.stems.values()]
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
        samples, rate = _decode(song.mix)
    return Take(
        wall, cpu, peak, digest, float(pyloudnorm.Meter(rate).integrated_loudness(samples)), _true_peak(samples)
    )


def _decode(path: Path) -> tuple[NDArray[np.float64], int]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray() for frame in container.decode(stream)]
        return np.concatenate(blocks, axis=1).T.astype(np.float64), stream.rate


def _true_peak(samples: NDArray[np.float64]) -> float:
    """In dB, of the signal between the samples: read by a finer grid, made from the spectrum of each second."""
    peak = 1e-9
    for start in range(0, len(samples), BLOCK_SAMPLES):
        block = samples[max(0, start - MARGIN) : start + BLOCK_SAMPLES + MARGIN]
        spectrum = np.fft.rfft(block, axis=0)
        fine = np.fft.irfft(spectrum, len(block) * OVERSAMPLING, axis=0) * OVERSAMPLING
        peak = max(peak, float(np.abs(fine[MARGIN:-MARGIN]).max()))
    return float(20 * np.log10(peak))


def _time_covers(count: int) -> dict[int, list[float]]:
    """The milliseconds of a core that so many covers of each family take, by its number."""
    milliseconds: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="libretto-bench-") as folder:
        for number, plans in plans_by_family(1, count + 1).items():
            taken = [_time_cover(plan, Path(folder) / "a.png") for plan in plans]
            milliseconds[number] = taken[1:]  # the first one pays for what is loaded once
    return milliseconds


def _time_cover(plan: CoverPlan, path: Path) -> float:
    began = time.thread_time()
    rasterise_cover(draw_cover(plan, COVER_SIDE, COVER_SIDE), path, COVER_SIDE, COVER_SIDE)
    return (time.thread_time() - began) * 1000


def _show_song(takes: Sequence[Take]) -> Table:
    wall = statistics.median(take.wall_seconds for take in takes)
    cpu = statistics.median(take.cpu_seconds for take in takes)
    first = takes[0]
    return Table(
        f"Media: a track of {SONG_SECONDS:g} s, stereo at 44.1 kHz, with mix, master, stems, MIDI and peaks",
        [
            at_most("CPU", cpu, "s", 4),
            at_most("wall", wall, "s", 2.5),
            Figure("speed", SONG_SECONDS / wall, "x real time"),
            Figure("memory at its peak", max(take.peak_mib for take in takes), "MiB"),
            Figure(
                "files equal from the same seed",
                len({take.digest for take in takes}) == 1,
                "",
                "every byte",
                len({take.digest for take in takes}) == 1,
            ),
            Figure(
                "loudness, measured on the decoded mix", first.lufs, "LUFS", "-14 ± 0.5", abs(first.lufs + 14) <= 0.5
            ),
            at_most("true peak, measured on the decoded mix", first.true_peak_dbtp, "dBTP", -1),
        ],
        f"Median of {len(takes)} runs, each in a fresh process",
    )


def _show_album(pairs: Sequence[tuple[Take, Take]]) -> Table:
    takes = [take for pair in pairs for take in pair]
    equal = all(one.digest == other.digest for one, other in pairs)
    return Table(
        f"Media: tracks of {ALBUM_SECONDS:g} s in {len(pairs)} styles, each made twice",
        [
            Figure("speed", statistics.median(ALBUM_SECONDS / take.wall_seconds for take in takes), "x real time"),
            at_most("CPU of the slowest", max(take.cpu_seconds for take in takes), "s", 4),
            Figure("files equal from the same seed", equal, "", "every byte", equal),
            at_most("furthest from -14 LUFS", max(abs(take.lufs + 14) for take in takes), "LU", 0.5),
            at_most("highest true peak, decoded", max(take.true_peak_dbtp for take in takes), "dBTP", -1),
        ],
    )


def _show_covers(by_family: Mapping[int, Sequence[float]]) -> Table:
    everything = [milliseconds for family in by_family.values() for milliseconds in family]
    figures = [at_most(f"p{share}", percentile(everything, share / 100), "ms", 100) for share in (50, 99)]
    for number, milliseconds in by_family.items():
        draw = FAMILIES[number].draw
        name = f"{draw.__module__.rpartition('.')[2]}, {draw.__name__}"
        figures.append(at_most(name, statistics.median(milliseconds), "ms", 100))
    return Table(
        f"Media: covers of {COVER_SIDE}² pixels, drawn and rasterised",
        figures,
        "CPU time; of each family the median",
    )
