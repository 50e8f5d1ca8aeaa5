"""The master bus: gain to the target loudness, and a limiter that looks ahead."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.music.loudness import (
    PEAK_BLOCK,
    SEGMENT,
    SILENCE_LUFS,
    Beat,
    Signal,
    block_peaks,
    integrated_lufs,
    segment_energies,
)

TARGET_LUFS = -14.0
CEILING_DBTP = -2.0  # AAC moves peaks by up to about 1 dB; what leaves the decoder stays below -1
_LOOK_BLOCKS = 12  # 17 ms on either side
_ROUNDS = 6
_MOST_GAIN_DB = 30.0


def plan_gain(mix: Signal, beat: Beat) -> Signal:
    """Gain at the middle of every run of 64 samples that brings the mix to target and under the ceiling."""
    energies = segment_energies(mix, beat)
    loudness = integrated_lufs(energies)
    if loudness <= SILENCE_LUFS:
        return np.ones(-(-mix.shape[1] // PEAK_BLOCK), np.float32)
    ceiling = 10 ** (CEILING_DBTP / 20)
    gain_db = min(TARGET_LUFS - loudness, _MOST_GAIN_DB)
    peaks = block_peaks(mix, beat, above=0.6 * ceiling / 10 ** (gain_db / 20))
    for _ in range(_ROUNDS):
        beat()
        curve = _limited(peaks, 10 ** (gain_db / 20), ceiling)
        reached = integrated_lufs(energies * _mean_squares(curve, len(energies)))
        gain_db = min(gain_db + TARGET_LUFS - reached, _MOST_GAIN_DB)
    return curve


def apply_gain(block: Signal, curve: Signal, first: int) -> Signal:
    """A block of the mix through the gain; `first` is its first sample in the song."""
    samples = first + np.arange(block.shape[1])
    middles = (np.arange(len(curve)) + 0.5) * PEAK_BLOCK
    low = first // PEAK_BLOCK
    near = slice(max(low - 1, 0), low + block.shape[1] // PEAK_BLOCK + 3)
    return block * np.interp(samples, middles[near], curve[near]).astype(np.float32)


def _limited(peaks: Signal, gain: float, ceiling: float) -> Signal:
    """The gain, lowered ahead of each peak and smoothly let go; never more than the peak allows."""
    allowed = np.minimum(1.0, ceiling / np.maximum(peaks * gain, 1e-9))
    reach = 2 * _LOOK_BLOCKS + 1
    padded = np.pad(allowed, 2 * _LOOK_BLOCKS, mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(padded, reach).min(axis=1)
    inner = 2 * (_LOOK_BLOCKS - 1) + 1
    window = np.hanning(inner + 2)[1:-1]
    smooth = np.convolve(lowest, window / window.sum(), mode="same")[_LOOK_BLOCKS:-_LOOK_BLOCKS]
    return np.asarray(gain * np.minimum(smooth, 1.0), np.float32)


def _mean_squares(curve: Signal, segments: int) -> NDArray[np.float64]:
    """Mean square of the gain in each tenth of a second."""
    squares = np.concatenate([[0.0], np.cumsum(np.square(curve, dtype=np.float64))])
    edges = np.minimum(np.arange(segments + 1) * SEGMENT // PEAK_BLOCK, len(curve))
    return np.diff(squares[edges]) / np.maximum(np.diff(edges), 1)
