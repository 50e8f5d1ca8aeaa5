"""The last steps of every song, whoever made it: brought to loudness, measured, and written to its files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jobs.engines.music.encoding import BackgroundM4a
from jobs.engines.music.loudness import SAMPLE_RATE, Signal, integrated_lufs, segment_energies, true_peak_dbtp
from jobs.engines.music.master import apply_gain, plan_gain
from jobs.engines.music.rooms import BLOCK
from jobs.engines.music.score import Score
from jobs.formats.peaks import write_peaks
from jobs.formats.wav import WavWriter

Report = Callable[[float, str], None]
_BITS_PER_SECOND = 224_000
_MIXED = 0.375  # share of the work, as measured

OnMixed = Callable[[Signal, Score | None], None]  # what is heard, and the notes where they are known


@dataclass(frozen=True)
class Finished:
    """The files of a song that is ready to be heard, and how loud it is."""

    mix: Path
    master: Path
    peaks: Path
    duration_seconds: float
    lufs: float
    true_peak_dbtp: float


class Progress:
    """Remembers where the work stands, so that a wait can say it again."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last = (0.0, "starting")

    def move(self, fraction: float, stage: str) -> None:
        """Say where the work stands."""
        self._last = (fraction, stage)
        self._report(fraction, stage)

    def beat(self) -> None:
        """Say again where the work stands."""
        self._report(*self._last)

    def after(self, done: float) -> Self:
        """The progress of what is left when so much is done."""
        return type(self)(lambda fraction, stage: self.move(done + fraction * (1 - done), stage))


def finish_mix(mix: Signal, folder: Path, progress: Progress) -> Finished:
    """Bring the mix, stereo at our rate, to its loudness in place, and write what is played and drawn of it."""
    progress.move(0.0, "mixing")
    _master_mix(mix, progress)
    progress.move(_MIXED, "encoding")
    m4a, wav, peaks = folder / "mix.m4a", folder / "master.wav", folder / "peaks.json"
    lufs, peak_dbtp = _write_master(mix, m4a, wav, progress)
    progress.beat()
    write_peaks(peaks, mix, SAMPLE_RATE)
    progress.beat()
    return Finished(m4a, wav, peaks, mix.shape[1] / SAMPLE_RATE, round(lufs, 2), round(peak_dbtp, 2))


def _master_mix(mix: Signal, progress: Progress) -> None:
    curve = plan_gain(mix, progress.beat)
    samples = mix.shape[1]
    for start in range(0, samples, BLOCK):
        block = mix[:, start : start + BLOCK]
        block[:] = apply_gain(block, curve, start)
        progress.move((start + block.shape[1]) / samples * _MIXED, "mixing")


def _write_master(mix: Signal, m4a: Path, wav: Path, progress: Progress) -> tuple[float, float]:
    """Write the two files of the mix, and measure it while its encoder works."""
    samples = mix.shape[1]
    encoder = BackgroundM4a(m4a, bits_per_second=_BITS_PER_SECOND, channels=2, beat=progress.beat)
    with encoder, WavWriter(wav) as writer:
        for start in range(0, samples, BLOCK):
            block = mix[:, start : start + BLOCK]
            encoder.write(block)
            writer.write(block)
            progress.move(_MIXED + (start + block.shape[1]) / samples * 0.95 * (1 - _MIXED), "encoding")
        progress.beat()
        return integrated_lufs(segment_energies(mix, progress.beat)), true_peak_dbtp(mix, progress.beat)
