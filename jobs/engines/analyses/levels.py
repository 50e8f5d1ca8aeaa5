"""How loud it is: over the whole, its range, and from moment to moment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.engines.music.loudness import SAMPLE_RATE, integrated_lufs, segment_energies, true_peak_dbtp

ENERGY_PER_SECOND = 2
_SHORT_SEGMENTS, _SHORT_HOP = 30, 10  # three seconds, once a second, in tenths
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -20.0
_SILENCE_DB = -60.0


@dataclass(frozen=True)
class Levels:
    """Loudness after BS.1770-4, its range after EBU Tech 3342, and the energy of each half second, 0 to 1."""

    lufs: float
    range_lu: float
    true_peak_dbtp: float
    energy: list[float]


def measure_levels(samples: NDArray[np.float32]) -> Levels:
    """Of stereo samples at our rate."""
    energies = segment_energies(samples)
    return Levels(
        lufs=round(integrated_lufs(energies), 2),
        range_lu=round(_measure_range(energies), 2),
        true_peak_dbtp=round(true_peak_dbtp(samples), 2),
        energy=_trace_energy(samples),
    )


def _measure_range(energies: NDArray[np.float64]) -> float:
    """From the 10th to the 95th percentile of the short-term loudness, without silence."""
    if len(energies) < _SHORT_SEGMENTS:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(energies, _SHORT_SEGMENTS)[::_SHORT_HOP].mean(axis=1)
    loudness = -0.691 + 10 * np.log10(np.maximum(windows, 1e-12))
    loud = loudness > _ABSOLUTE_GATE_LUFS
    if not loud.any():
        return 0.0
    mean = -0.691 + 10 * np.log10(windows[loud].mean())
    kept = loudness[loud & (loudness > mean + _RELATIVE_GATE_LU)]
    low, high = np.percentile(kept, [10, 95])
    return float(high - low)


def _trace_energy(samples: NDArray[np.float32]) -> list[float]:
    step = SAMPLE_RATE // ENERGY_PER_SECOND
    count = samples.shape[1] // step
    if not count:
        return []
    squares = np.square(samples[:, : count * step]).reshape(len(samples), count, step).mean(axis=(0, 2))
    decibel = 10 * np.log10(np.maximum(squares, 1e-9))
    return [round(float(share), 3) for share in np.clip(1 - decibel / _SILENCE_DB, 0, 1)]
