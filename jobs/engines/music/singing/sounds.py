"""Sounds of speech: what a word is made of before it is sung, whoever pronounces it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

RATE = 22_050  # of speech; songs have twice as many samples
HOP = 110  # samples from one envelope to the next, 5 ms
BINS = 257  # of an envelope, from 0 Hz to half the rate
FLOOR = -14.0  # of an envelope: silence

Samples = NDArray[np.float32]
Envelopes = NDArray[np.float32]  # natural logarithms of amplitudes, (frames, BINS)

_VOWELS = frozenset("aeiouyæɐɑɒɔəɛɜɪʊʌøœɨʉɯɤɵɚɝɞɘᵻɶ")
_SYLLABIC = "\u0329"
_UNVOICED = frozenset("ptkfθsʃhxçɸqʔcʂɕħχ")
_VOICED_NOISE = frozenset("bdɡgvzðʒɾʁɣβʑʐɟ")
_GLIDES = frozenset("lɹrwjɥɾ")
_MARKS = str.maketrans("", "", "ˈˌː˞ʲʰ̃|;:")


@dataclass(frozen=True, eq=False)
class Phone:
    """One sound: the envelopes that its tone goes through, and the noise beside it; either may be missing."""

    symbol: str
    envelopes: Envelopes | None
    noise: Samples | None
    stress: int = 0

    @property
    def seconds(self) -> float:
        """How long it is when it is spoken."""
        if self.envelopes is not None:
            return len(self.envelopes) * HOP / RATE
        return 0.0 if self.noise is None else len(self.noise) / RATE


@dataclass(frozen=True, eq=False)
class Syllable:
    """What is sung on one note: the sounds before its nucleus, the nucleus, and the sounds after it."""

    onset: tuple[Phone, ...]
    nucleus: Phone
    coda: tuple[Phone, ...] = ()

    @property
    def stress(self) -> int:
        """2 is the main stress of the word, 0 is none."""
        return self.nucleus.stress

    def unstressed(self) -> "Syllable":
        """The same without its stress."""
        return replace(self, nucleus=replace(self.nucleus, stress=0))


def is_vowel(symbol: str) -> bool:
    """Whether a syllable can be held on it."""
    bare = symbol.translate(_MARKS)
    return bare[:1] in _VOWELS or _SYLLABIC in symbol


def is_unvoiced(symbol: str) -> bool:
    """Whether it is noise alone."""
    return symbol.translate(_MARKS)[:1] in _UNVOICED


def has_noise(symbol: str) -> bool:
    """Whether it is noise beside a tone."""
    return symbol.translate(_MARKS)[:1] in _VOICED_NOISE


def stress_of(symbol: str) -> int:
    """What its stress mark says."""
    return 2 if "ˈ" in symbol else 1 if "ˌ" in symbol else 0


def syllabify(phones: list[Phone]) -> tuple[Syllable, ...]:
    """The syllables of a word: as many sounds before a nucleus as can begin one; a word without a vowel is one."""
    nuclei = [index for index, phone in enumerate(phones) if is_vowel(phone.symbol)]
    if not nuclei:
        tones = [index for index, phone in enumerate(phones) if phone.envelopes is not None]
        nuclei = tones[-1:] or [len(phones) - 1][: len(phones)]
    syllables = []
    first = 0
    for nucleus, following in zip(nuclei, [*nuclei[1:], None], strict=True):
        end = len(phones) if following is None else _end_of_coda(phones, nucleus + 1, following)
        syllables.append(Syllable(tuple(phones[first:nucleus]), phones[nucleus], tuple(phones[nucleus + 1 : end])))
        first = end
    return tuple(syllables)


def _end_of_coda(phones: list[Phone], first: int, following: int) -> int:
    between = [phone.symbol.translate(_MARKS)[:1] for phone in phones[first:following]]
    if len(between) < 2:
        return first
    is_pair = between[-1] in _GLIDES and (between[-2] in _UNVOICED or between[-2] in _VOICED_NOISE)
    return following - (2 if is_pair else 1)
