"""Loudness after ITU-R BS.1770-4 and true peak by four-fold oversampling."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
Signal = NDArray[np.float32]
Beat = Callable[[], None]  # called now and then while the work goes on
SEGMENT = SAMPLE_RATE // 10  # a gating block is four of these, and the next begins one later
_CHUNK = 16 * SEGMENT  # samples that are weighted at a time
_TRANSFORM = 81_000  # chunk, and room for what rings: a product of small primes
_LEAD_IN = _TRANSFORM - _CHUNK
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0
_OFFSET = -0.691
SILENCE_LUFS = -70.0
OVERSAMPLING = 4
_TAPS = 12
PEAK_BLOCK = 64


def segment_energies(samples: Signal, beat: Beat = lambda: None) -> NDArray[np.float64]:
    """Mean square of the K-weighted samples in each whole tenth of a second, summed over the channels."""
    weight = _k_weight()
    energies = []
    for start in range(0, samples.shape[1] - SEGMENT + 1, _CHUNK):
        if start % (8 * _CHUNK) == 0:
            beat()
        before = max(start - _LEAD_IN, 0)
        spectrum = np.fft.rfft(samples[:, before : start + _CHUNK], _TRANSFORM)
        heard = np.fft.irfft(spectrum * weight, _TRANSFORM)[:, start - before : start - before + _CHUNK]
        whole = min(_CHUNK, samples.shape[1] - start) // SEGMENT
        squares = np.square(heard[:, : whole * SEGMENT], dtype=np.float64)
        energies.append(squares.reshape(len(samples), whole, SEGMENT).mean(axis=2).sum(axis=0))
    return np.concatenate(energies) if energies else np.zeros(0)


def integrated_lufs(energies: NDArray[np.float64]) -> float:
    """Gated loudness of the whole, from the energies of its segments."""
    if len(energies) < 4:
        return SILENCE_LUFS
    blocks = np.convolve(energies, np.full(4, 0.25), mode="valid")
    blocks = blocks[_lufs(blocks) > _ABSOLUTE_GATE_LUFS]
    if not len(blocks):
        return SILENCE_LUFS
    kept = blocks[_lufs(blocks) > _lufs(blocks.mean()) + _RELATIVE_GATE_LU]
    return float(_lufs(kept.mean()))


def block_peaks(samples: Signal, beat: Beat = lambda: None, *, above: float = 0.0) -> Signal:
    """True peak of each run of 64 samples; runs below `above` keep their sample peak, which cannot matter then."""
    blocks = -(-samples.shape[1] // PEAK_BLOCK)
    peaks = np.zeros(blocks, np.float32)
    if not blocks:
        return peaks
    kernel = _kernel()
    reach = _TAPS // 2
    for channel in samples:
        beat()
        padded = np.zeros(blocks * PEAK_BLOCK + 2 * reach, np.float32)
        padded[reach : reach + len(channel)] = channel
        own = padded[reach : reach + blocks * PEAK_BLOCK].reshape(blocks, PEAK_BLOCK)
        found = np.maximum(own.max(axis=1), -own.min(axis=1))
        loud = np.flatnonzero(found > above)
        windows = np.lib.stride_tricks.sliding_window_view(padded, PEAK_BLOCK + 2 * reach)[::PEAK_BLOCK]
        for part in np.array_split(loud, max(len(loud) // 4096, 1)):
            beat()
            between = windows[part] @ kernel
            found[part] = np.maximum(found[part], np.maximum(between.max(axis=1), -between.min(axis=1)))
        np.maximum(peaks, found, out=peaks)
    return peaks


def true_peak_dbtp(samples: Signal, beat: Beat = lambda: None) -> float:
    """The highest point of the curve through the samples."""
    highest = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
    beat()
    peaks = block_peaks(samples, beat, above=highest * 0.6)
    return float(20 * np.log10(max(float(peaks.max(initial=0.0)), 1e-7)))


def _lufs(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return _OFFSET + 10 * np.log10(np.maximum(energy, 1e-12))


def _k_weight() -> NDArray[np.complex64]:
    """The head's shelf and the low cut of the standard, as digital filters at our rate."""
    z = np.exp(-2j * np.pi * np.arange(_TRANSFORM // 2 + 1) / _TRANSFORM)
    shelf = _biquad(z, 1681.974450955533, 0.7071752369554196, 3.999843853973347)
    low_cut = _biquad(z, 38.13547087602444, 0.5003270373238773, None)
    return np.asarray(shelf * low_cut, np.complex64)


def _biquad(z: NDArray[np.complex128], hertz: float, q: float, shelf_db: float | None) -> NDArray[np.complex128]:
    k = np.tan(np.pi * hertz / SAMPLE_RATE)
    norm = 1 + k / q + k * k
    below = 1 + (2 * (k * k - 1) * z + (1 - k / q + k * k) * z * z) / norm
    if shelf_db is None:
        return np.asarray((1 - 2 * z + z * z) / below)
    high = 10 ** (shelf_db / 20)
    band = high**0.4996667741545416
    above = high + band * k / q + k * k + 2 * (k * k - high) * z + (high - band * k / q + k * k) * z * z
    return np.asarray(above / norm / below)


def _kernel() -> Signal:
    """From 64 samples and their neighbours to the three points between each pair, as one matrix."""
    matrix = np.zeros((PEAK_BLOCK + _TAPS, PEAK_BLOCK * (OVERSAMPLING - 1)), np.float32)
    for phase in range(1, OVERSAMPLING):
        distance = np.arange(_TAPS) - (_TAPS // 2 - 1) - phase / OVERSAMPLING
        taps = np.sinc(distance) * (0.5 + 0.5 * np.cos(np.pi * distance / (_TAPS // 2 + 0.5)))
        for sample in range(PEAK_BLOCK):
            matrix[sample + 1 : sample + 1 + _TAPS, sample * (OVERSAMPLING - 1) + phase - 1] = taps / taps.sum()
    return matrix
