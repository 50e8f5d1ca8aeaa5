"""What the tests hear in a voice: its pitch by YIN, and where its spectrum changes."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 44_100
_WINDOW = 2048
_LOWEST_HZ, _HIGHEST_HZ = 80, 700
_THRESHOLD = 0.15
_FLUX_HOP = 220

Mono = NDArray[np.float64]
Note = tuple[float, float, int]  # start, end, pitch


def decode_mono(path: Path) -> Mono:
    """The file's samples, its channels as one."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.asarray(np.concatenate(frames, axis=1).mean(axis=0), np.float64)


def hear_pitch(voice: Mono, at: int) -> float | None:
    """The frequency around a sample; None where there is none to be heard."""
    longest = RATE // _LOWEST_HZ
    first = max(at - (_WINDOW + longest) // 2, 0)
    part = voice[first : first + _WINDOW + longest]
    if len(part) < _WINDOW + longest:
        return None
    size = 1 << 13
    products = np.fft.irfft(np.conj(np.fft.rfft(part[:_WINDOW], size)) * np.fft.rfft(part, size))[:longest]
    energy = np.cumsum(np.concatenate([[0.0], part**2]))
    difference = energy[_WINDOW] + energy[_WINDOW : _WINDOW + longest] - energy[:longest] - 2 * products
    difference[0] = 0
    normal = np.ones(longest)
    normal[1:] = difference[1:] * np.arange(1, longest) / np.maximum(np.cumsum(difference[1:]), 1e-12)
    lag = RATE // _HIGHEST_HZ
    while lag < longest - 2:
        if normal[lag] < _THRESHOLD:
            while lag < longest - 2 and normal[lag + 1] < normal[lag]:
                lag += 1
            left, middle, right = normal[lag - 1 : lag + 2]
            return float(RATE / (lag + (left - right) / (2 * (left - 2 * middle + right))))
        lag += 1
    return None


def hear_cents(voice: Mono, notes: list[Note]) -> NDArray[np.float64]:
    """How far each voiced hundredth of a second is from its note."""
    loudness = float(np.sqrt(np.mean(voice**2)))
    cents = []
    for start, end, pitch in notes:
        for seconds in np.arange(start, end, 0.01):
            at = int(seconds * RATE)
            is_loud = np.sqrt(np.mean(voice[max(at - 1024, 0) : at + 1024] ** 2)) > 0.1 * loudness
            hertz = hear_pitch(voice, at) if is_loud else None
            if hertz:
                cents.append(1200 * np.log2(hertz / (440 * 2 ** ((pitch - 69) / 12))))
    return np.array(cents)


def hear_changes(voice: Mono, around_seconds: list[float], reach_seconds: float) -> NDArray[np.float64]:
    """For each of the moments how far from it the spectrum changes most."""
    reach = int(reach_seconds * RATE)
    window = np.hanning(1024)
    found = []
    for moment in around_seconds:
        first = max(int(moment * RATE) - reach - 512, 0)
        starts = range(first, min(first + 2 * reach, len(voice) - 1024), _FLUX_HOP)
        spectra = np.array([np.log(np.abs(np.fft.rfft(voice[at : at + 1024] * window)) + 1e-3) for at in starts])
        rises = np.maximum(spectra[3:] - spectra[:-3], 0).sum(axis=1)
        at = first + (int(np.argmax(rises)) + 1.5) * _FLUX_HOP + 512
        found.append(at / RATE - moment)
    return np.array(found)
