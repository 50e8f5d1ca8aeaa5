"""From a plan to the files of a song: compose, synthesise stem by stem, master, encode."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.engines.music.compose import compose, list_beats, list_chords, list_sections
from jobs.engines.music.encoding import BackgroundM4a
from jobs.engines.music.loudness import integrated_lufs, segment_energies, true_peak_dbtp
from jobs.engines.music.master import apply_gain, plan_gain
from jobs.engines.music.prompts import Brief
from jobs.engines.music.rooms import BLOCK
from jobs.engines.music.score import Chord, Score, Section, SongPlan
from jobs.engines.music.sheet import write_sheet
from jobs.engines.music.stems import STEMS, open_stems
from jobs.engines.music.voices import SAMPLE_RATE, Signal
from jobs.formats.peaks import write_peaks
from jobs.formats.wav import WavWriter

Report = Callable[[float, str], None]
SHORTEST_SECONDS, LONGEST_SECONDS = 5, 600
_MIX_BITS_PER_SECOND, _STEM_BITS_PER_SECOND, _BASS_BITS_PER_SECOND = 224_000, 160_000, 112_000
_COMPOSED, _SYNTHESISED, _MIXED = 0.02, 0.6, 0.75  # shares of the work, as measured


@dataclass(frozen=True)
class Song:
    """The files of a song and all that is known of it."""

    mix: Path
    master: Path
    stems: dict[str, Path]
    peaks: Path
    midi: Path
    title: str
    tempo_bpm: float
    key: str
    mode: str
    style: str
    duration_seconds: float
    lufs: float
    true_peak_dbtp: float
    sections: list[Section]
    chords: list[Chord]
    beats_seconds: list[float]


def render_song(plan: SongPlan, folder: Path, report: Report) -> Song:
    """Make the song in the folder; equal plans give equal bytes."""
    if not SHORTEST_SECONDS <= plan.duration_seconds <= LONGEST_SECONDS:
        raise ValueError(f"duration_seconds must be {SHORTEST_SECONDS} to {LONGEST_SECONDS}")
    progress = _Progress(report)
    progress.move(0.0, "composing")
    brief, score = compose(plan)
    progress.move(_COMPOSED, "composing")
    stems = {name: folder / f"{name}.m4a" for name in STEMS}
    mix = _mix_stems(plan, brief, score, stems, progress)
    _master_mix(mix, progress)
    progress.move(_MIXED, "encoding")
    files = {"mix": folder / "mix.m4a", "master": folder / "master.wav"}
    lufs, peak_dbtp = _write_master(mix, files["mix"], files["master"], progress)
    progress.beat()
    peaks, midi = folder / "peaks.json", folder / "song.mid"
    write_peaks(peaks, mix, SAMPLE_RATE)
    write_sheet(midi, score)
    song = Song(
        **files,
        stems=stems,
        peaks=peaks,
        midi=midi,
        title=score.title,
        tempo_bpm=score.grid.tempo_bpm,
        key=score.key,
        mode=score.mode,
        style=score.style,
        duration_seconds=plan.duration_seconds,
        lufs=round(lufs, 2),
        true_peak_dbtp=round(peak_dbtp, 2),
        sections=list_sections(score),
        chords=list_chords(score),
        beats_seconds=list_beats(score),
    )
    progress.move(1.0, "encoding")
    return song


class _Progress:
    """Remembers where the work stands, so that a wait can say it again."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last = (0.0, "composing")

    def move(self, fraction: float, stage: str) -> None:
        self._last = (fraction, stage)
        self._report(fraction, stage)

    def beat(self) -> None:
        """Say again where the work stands."""
        self._report(*self._last)


def _mix_stems(plan: SongPlan, brief: Brief, score: Score, files: dict[str, Path], progress: _Progress) -> Signal:
    """Sound every stem, hand it to its encoder, and keep the sum."""
    samples = round(plan.duration_seconds * SAMPLE_RATE)
    mix = np.zeros((2, samples), np.float32)
    progress.move(_COMPOSED, "synthesising")
    stems = open_stems(plan, brief, score)
    with ExitStack() as opened:
        encoders = {name: opened.enter_context(_stem_encoder(name, path, progress)) for name, path in files.items()}
        for start in range(0, samples, BLOCK):
            for index, (name, stem) in enumerate(stems.items()):
                block = stem.read_block()
                mix[:, start : start + BLOCK] += block
                encoders[name].write(block[:1] if name == "bass" else block)
                done = (start + BLOCK * (index + 1) / len(stems)) / samples
                progress.move(_COMPOSED + min(done, 1.0) * (_SYNTHESISED - _COMPOSED), "synthesising")
        progress.move(_SYNTHESISED, "mixing")
    return mix


def _stem_encoder(name: str, path: Path, progress: _Progress) -> BackgroundM4a:
    """The bass stands in the middle, so one channel holds it."""
    is_bass = name == "bass"
    rate = _BASS_BITS_PER_SECOND if is_bass else _STEM_BITS_PER_SECOND
    return BackgroundM4a(path, bits_per_second=rate, channels=1 if is_bass else 2, beat=progress.beat)


def _master_mix(mix: Signal, progress: _Progress) -> None:
    curve = plan_gain(mix, progress.beat)
    samples = mix.shape[1]
    for start in range(0, samples, BLOCK):
        block = mix[:, start : start + BLOCK]
        block[:] = apply_gain(block, curve, start)
        progress.move(_SYNTHESISED + (start + block.shape[1]) / samples * (_MIXED - _SYNTHESISED), "mixing")


def _write_master(mix: Signal, m4a: Path, wav: Path, progress: _Progress) -> tuple[float, float]:
    """Write the two files of the mix, and measure it while its encoder works."""
    samples = mix.shape[1]
    encoder = BackgroundM4a(m4a, bits_per_second=_MIX_BITS_PER_SECOND, channels=2, beat=progress.beat)
    with encoder, WavWriter(wav) as writer:
        for start in range(0, samples, BLOCK):
            block = mix[:, start : start + BLOCK]
            encoder.write(block)
            writer.write(block)
            progress.move(_MIXED + (start + block.shape[1]) / samples * 0.95 * (1 - _MIXED), "encoding")
        progress.beat()
        return integrated_lufs(segment_energies(mix, progress.beat)), true_peak_dbtp(mix, progress.beat)
