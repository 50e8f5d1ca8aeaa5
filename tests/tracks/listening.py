"""What can be heard of a recording, as numbers: its spectrum by octaves, its space, its attacks, its harmony."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 44_100
FRAME, HOP = 4096, 2048
OCTAVES_HZ = (44, 88, 177, 354, 707, 1414, 2828, 5657, 11314)
PINK_DB = -4.5  # an octave; what most mixed music comes near to

Samples = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """A recording in figures that can be compared."""

    bands_db: Matrix  # power of each octave, the loudest is 0
    slope_db: float  # straight line through the octaves between 88 Hz and 11 kHz
    width: float  # power of the sides over that of the middle
    low_width: float  # the same below 120 Hz
    crest_db: float
    attacks_per_second: float
    flatness: float


def read_audio(path: Path) -> Samples:
    """A file of ours as (channels, samples)."""
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
        channels = container.streams.audio[0].channels
    if np.issubdtype(blocks[0].dtype, np.integer):  # packed, as WAV holds it
        frames = np.concatenate(blocks, axis=1).reshape(-1, channels).T
        return np.asarray(frames, np.float32) / np.float32(32768)
    return np.asarray(np.concatenate(blocks, axis=1), np.float32)


def power_of(mono: Samples) -> Matrix:
    """Power by time and frequency, (frames, FRAME // 2 + 1)."""
    frames = np.lib.stride_tricks.sliding_window_view(mono, FRAME)[::HOP]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) ** 2, np.float64)


def measure(samples: Samples) -> Features:
    """The figures of a stereo recording."""
    middle, sides = samples.mean(axis=0), (samples[0] - samples[-1]) / 2
    power, side_power = power_of(middle), power_of(sides)
    bands = _bands(power)
    decibels = 10 * np.log10(np.maximum(bands, 1e-12))
    slope = np.polyfit(np.arange(len(decibels) - 1), decibels[1:], 1)[0]
    low = int(120 / RATE * FRAME) + 1
    mean = power.mean(axis=0)[8:1200] + 1e-12
    rise = onsets(power)
    peaks = (rise[1:-1] > rise[:-2]) & (rise[1:-1] >= rise[2:]) & (rise[1:-1] > rise.mean() + 0.5 * rise.std())
    return Features(
        bands_db=decibels - decibels.max(),
        slope_db=float(slope),
        width=float(side_power.sum() / power.sum()),
        low_width=float(side_power[:, :low].sum() / max(power[:, :low].sum(), 1e-9)),
        crest_db=float(20 * np.log10(np.abs(samples).max() / np.sqrt(np.square(samples).mean()))),
        attacks_per_second=float(peaks.sum() / (len(power) * HOP / RATE)),
        flatness=float(np.exp(np.log(mean).mean()) / mean.mean()),
    )


def onsets(power: Matrix) -> Matrix:
    """How much of each frame is new, by a logarithmic scale."""
    loud = np.log1p(power / (power.mean() + 1e-12))
    return np.asarray(np.maximum(np.diff(loud, axis=0), 0).sum(axis=1))


def chroma(power: Matrix) -> Matrix:
    """How much of each pitch class sounds in each frame, (frames, 12)."""
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    kept = (hertz > 110) & (hertz < 1800)
    classes = np.round(12 * np.log2(hertz[kept] / 440) + 69).astype(int) % 12
    return np.stack([np.sqrt(power[:, kept][:, classes == tone]).sum(axis=1) for tone in range(12)], axis=1)


def distance(one: Features, other: Features) -> float:
    """How different two recordings are; about 1 for two takes of one kind."""
    bands = float(np.abs(one.bands_db - other.bands_db).clip(0, 30).mean()) / 3
    attacks = abs(np.log2((one.attacks_per_second + 0.5) / (other.attacks_per_second + 0.5))) * 2
    space = abs(np.log10((one.width + 1e-3) / (other.width + 1e-3))) * 2
    return float(bands + attacks + space) + abs(one.crest_db - other.crest_db) / 4


def _bands(power: Matrix) -> Matrix:
    edges = [int(hertz / RATE * FRAME) for hertz in (*(at / 2**0.5 for at in OCTAVES_HZ), 16_000)]
    return np.array([power[:, low : max(high, low + 1)].sum() for low, high in pairwise(edges)])
