"""The built voice: vowels and voiced sounds by their formants, the others by noise; needs nothing but numpy."""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jobs.engines.music.singing.sounds import (
    BINS,
    FLOOR,
    RATE,
    Envelopes,
    Phone,
    Samples,
    Syllable,
    stress_of,
    syllabify,
)
from jobs.engines.music.singing.spelling import spell

_VOWELS = {
    "i": (330, 2400, 3000), "ɪ": (420, 2100, 2700), "e": (430, 2250, 2800), "ɛ": (600, 1950, 2700),
    "æ": (750, 1800, 2600), "a": (800, 1350, 2600), "ɑ": (780, 1150, 2600), "ɔ": (560, 900, 2600),
    "o": (470, 880, 2550), "ʊ": (430, 1100, 2450), "u": (330, 950, 2400), "ʌ": (650, 1250, 2600),
    "ə": (520, 1450, 2600), "ɜ": (500, 1350, 1800),
}  # fmt: skip
_TONES = {  # formants, and the level of the tone as a logarithm
    "m": (260, 1000, 2300, -1.1), "n": (260, 1550, 2500, -1.1), "ŋ": (270, 2000, 2600, -1.2),
    "l": (360, 1150, 2800, -0.7), "ɹ": (380, 1250, 1700, -0.7), "w": (300, 750, 2300, -0.9),
    "j": (290, 2300, 3000, -0.8), "b": (250, 900, 2300, -2.4), "d": (250, 1700, 2600, -2.4),
    "ɡ": (250, 1900, 2300, -2.4), "v": (280, 1200, 2400, -1.8), "ð": (280, 1400, 2500, -1.8),
    "z": (270, 1600, 2500, -2.0), "ʒ": (270, 1800, 2400, -2.0), "dʒ": (260, 1900, 2500, -2.4),
}  # fmt: skip
_NOISES = {  # middle and width in Hz, level, seconds, and whether it bursts after a silence
    "p": (1100, 900, 0.10, 0.085, True), "t": (4300, 1800, 0.16, 0.085, True), "k": (2100, 900, 0.16, 0.09, True),
    "f": (6500, 3500, 0.05, 0.10, False), "θ": (6000, 3200, 0.04, 0.09, False), "s": (7200, 1900, 0.13, 0.12, False),
    "ʃ": (3600, 1400, 0.15, 0.12, False), "h": (1700, 1200, 0.05, 0.06, False), "tʃ": (3700, 1500, 0.17, 0.11, True),
    "b": (900, 700, 0.05, 0.06, True), "d": (3600, 1600, 0.07, 0.06, True), "ɡ": (2000, 800, 0.07, 0.06, True),
    "v": (6000, 3000, 0.02, 0.07, False), "ð": (5500, 3000, 0.015, 0.06, False), "z": (7000, 1900, 0.07, 0.09, False),
    "ʒ": (3500, 1400, 0.07, 0.09, False), "dʒ": (3500, 1500, 0.09, 0.08, True),
}  # fmt: skip
_UPPER = ((3500.0, 220.0), (4500.0, 300.0))
_BANDWIDTHS = (90.0, 120.0, 170.0)
_VOWEL_FRAMES, _TONE_FRAMES = 36, 14
_GLIDE_FRAMES = 9
_LEVEL = -3.0  # of a vowel, as a logarithm
_NOISE_LEVEL = 0.16


@lru_cache(maxsize=2048)
def pronounce(word: str, tract: float = 1.0) -> tuple[Syllable, ...]:
    """The syllables of a word; a tract above 1 is shorter, as a higher voice has it."""
    symbols = spell(word)
    targets, levels, ends = _targets(symbols)
    envelopes = _envelopes(_smoothed(targets) * tract, _smoothed(levels)[:, 0])
    phones = []
    for symbol, first, end in zip(symbols, [0, *ends], ends, strict=False):
        bare = symbol.strip("ˈˌ")
        noise = _noise(bare) if bare in _NOISES else None
        phones.append(Phone(symbol, envelopes[first:end] if end > first else None, noise, stress_of(symbol)))
    return syllabify(phones)


def _targets(symbols: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Formants and level of each frame, and where each sound ends; what has no tone takes no frame."""
    targets, levels, ends = [], [], []
    for symbol in symbols:
        bare = symbol.strip("ˈˌː")
        if bare in _TONES:
            targets += [_TONES[bare][:3]] * _TONE_FRAMES
            levels += [_TONES[bare][3]] * _TONE_FRAMES
        elif bare[:1] in _VOWELS:
            held = [_VOWELS[part] for part in bare if part in _VOWELS]
            split = _VOWEL_FRAMES if len(held) == 1 else _VOWEL_FRAMES * 2 // 3
            targets += [held[0]] * split + [held[-1]] * (_VOWEL_FRAMES - split)
            levels += [0.0] * _VOWEL_FRAMES
        ends.append(len(targets))
    return np.array(targets, float).reshape(-1, 3), np.array(levels, float).reshape(-1, 1), ends


def _smoothed(track: NDArray[np.float64]) -> NDArray[np.float64]:
    """The track, gliding where it would jump."""
    kernel = np.hanning(_GLIDE_FRAMES + 2)[1:-1]
    kernel /= kernel.sum()
    padded = np.pad(track, ((_GLIDE_FRAMES // 2, _GLIDE_FRAMES // 2), (0, 0)), mode="edge") if len(track) else track
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1) if len(track) else track


def _envelopes(formants: NDArray[np.float64], levels: NDArray[np.float64]) -> Envelopes:
    """Resonances in a row above a source that falls by nine decibels an octave."""
    hertz = np.linspace(0, RATE / 2, BINS)[None, :]
    shape = -0.72 * np.log(1 + (hertz / 350) ** 2) - 0.5 * np.log(1 + (60 / np.maximum(hertz, 5)) ** 4)
    centres = [formants[:, index, None] for index in range(3)] + [np.float64(centre) for centre, _ in _UPPER]
    widths = [*_BANDWIDTHS, *(width for _, width in _UPPER)]
    for centre, width in zip(centres, widths, strict=True):
        shape = shape + 2 * np.log(centre) - 0.5 * np.log((centre**2 - hertz**2) ** 2 + (width * hertz) ** 2 + 1)
    power = 0.5 * np.log(np.exp(2 * (shape - shape.max(axis=1, keepdims=True))).mean(axis=1, keepdims=True))
    even = shape - shape.max(axis=1, keepdims=True) - power + _LEVEL
    return np.asarray(np.maximum(even + levels[:, None], FLOOR), np.float32)


@lru_cache(maxsize=64)
def _noise(symbol: str) -> Samples:
    middle, width, level, seconds, bursts = _NOISES[symbol]
    count = round(seconds * RATE)
    seed = int.from_bytes(hashlib.blake2b(symbol.encode(), digest_size=8).digest(), "big")
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    noise = np.fft.irfft(spectrum * np.exp(-0.5 * ((hertz - middle) / width) ** 2), count)
    place = np.linspace(0, 1, count)
    if bursts:  # silence, the burst, and the breath after it
        shape = np.where(place < 0.5, 0.0, np.exp(-(place - 0.5) * 7)) * np.clip((place - 0.48) / 0.04, 0, 1)
    else:
        shape = np.minimum(np.clip(place / 0.3, 0, 1), np.clip((1 - place) / 0.2, 0, 1))
    noise *= shape
    return np.asarray(noise * _NOISE_LEVEL * level / max(float(np.sqrt(np.mean(noise**2))), 1e-9), np.float32)
