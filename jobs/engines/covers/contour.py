"""What a picture can show of a song, in a few hundred small numbers: how loud it is, its form, chords and beats."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from jobs.engines.covers.canvas import Dice

LEVELS = 96
BEATS_OF_A_BAR = 4  # where nobody tells
MOST_SECTIONS, MOST_CHORDS = 16, 48
SHARES = 1000  # places in the song are counted in thousandths of it
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1}

Stretch = Mapping[str, Any]  # name, start_seconds


@dataclass(frozen=True)
class Contour:
    """The loudness of equal slices, the loudest 100; where sections and chords begin; how many beats, and in a bar.

    A section has the number of its name, in the order of first appearance; a chord has the pitch class of its root.
    Only what somebody composed here has more than the loudness.
    """

    levels: tuple[int, ...]
    sections: tuple[tuple[int, int], ...] = ()
    chords: tuple[tuple[int, int], ...] = ()
    beats: int = 0
    beats_per_bar: int = BEATS_OF_A_BAR

    @property
    def has_score(self) -> bool:
        """Whether more is known than how loud it is."""
        return bool(self.sections and self.chords and self.beats)

    def lifts(self, count: int) -> list[float]:
        """The loudness of so many equal slices, 0 to 1 between the quietest and the loudest of them."""
        bounds = [index * LEVELS // count for index in range(count + 1)]
        means = [
            sum(self.levels[start:end] or self.levels[start : start + 1]) / max(1, end - start)
            for start, end in pairwise(bounds)
        ]
        low, high = min(means), max(means)
        return [(mean - low) / (high - low) if high - low >= 1 else 0.6 for mean in means]

    def shares(self, stretches: Sequence[tuple[int, int]]) -> list[tuple[int, float]]:
        """What each stretch is, and its share of the song."""
        ends = [start for start, _ in stretches[1:]] + [SHARES]
        return [(what, (end - start) / SHARES) for (start, what), end in zip(stretches, ends, strict=True)]


def contour_of(amplitudes: Sequence[float], score: Mapping[str, Any] | None, duration_seconds: float) -> Contour:
    """The contour of a song from its amplitudes and, where it was composed here, from what the composer tells."""
    levels = _slice_levels(amplitudes)
    if score is None or not {"sections", "chords", "beats_seconds"} <= score.keys():
        return Contour(levels)
    names: dict[str, int] = {}
    sections = [
        (_share(part, duration_seconds), names.setdefault(part["name"], len(names))) for part in score["sections"]
    ]
    chords = [(_share(part, duration_seconds), pitch_class(part["name"])) for part in score["chords"]]
    return Contour(
        levels,
        tuple(sections[:MOST_SECTIONS]),
        tuple(_thin_out(chords, MOST_CHORDS)),
        len(score["beats_seconds"]),
        score.get("beats_per_bar", BEATS_OF_A_BAR),
    )


def contour_of_peaks(peaks: Mapping[str, Any], score: Mapping[str, Any] | None, duration_seconds: float) -> Contour:
    """The contour of a song from the peaks that are kept of it."""
    values = peaks["data"]
    amplitudes = [max(-low, high) for low, high in zip(values[::2], values[1::2], strict=True)]
    return contour_of(amplitudes, score, duration_seconds)


def imagine_contour(track_seed: int) -> Contour:
    """Waves that stand for a song of which nothing is known yet: one that was never made, or is being made."""
    dice = Dice("contour", track_seed)
    waves = [(turns, dice.between(0.3, 1), dice.between(0, math.tau)) for turns in (1, 2, 3, 5, 8, 13)]
    places = [index / LEVELS for index in range(LEVELS)]
    heights = [
        1.6 + sum(size * math.sin(math.tau * turns * at + phase) for turns, size, phase in waves) for at in places
    ]
    return Contour(_slice_levels([max(0.1, height) for height in heights]))


def read_contour(kept: Mapping[str, Any]) -> Contour:
    """A contour as it comes back from JSON."""
    pairs = {name: tuple((start, what) for start, what in kept[name]) for name in ("sections", "chords")}
    beats_per_bar = kept.get("beats_per_bar", BEATS_OF_A_BAR)
    return Contour(tuple(kept["levels"]), pairs["sections"], pairs["chords"], kept["beats"], beats_per_bar)


def pitch_class(chord: str) -> int:
    """0 for C to 11 for B, of the root that a chord's name begins with."""
    return (_LETTERS[chord[:1]] + _ACCIDENTALS.get(chord[1:2], 0)) % 12


def _slice_levels(amplitudes: Sequence[float]) -> tuple[int, ...]:
    count = len(amplitudes)
    bounds = [(at * count // LEVELS, max((at + 1) * count // LEVELS, at * count // LEVELS + 1)) for at in range(LEVELS)]
    means = [sum(amplitudes[start:end]) / max(1, len(amplitudes[start:end])) for start, end in bounds]
    loudest = max(means) or 1.0
    return tuple(round(100 * mean / loudest) for mean in means)


def _share(part: Stretch, duration_seconds: float) -> int:
    return min(SHARES, round(SHARES * float(part["start_seconds"]) / duration_seconds))


def _thin_out(stretches: Sequence[tuple[int, int]], most: int) -> Iterable[tuple[int, int]]:
    step = max(1, math.ceil(len(stretches) / most))
    return stretches[::step]
