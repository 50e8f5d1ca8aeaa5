"""The sections: where the bars begin to sound otherwise, and which stretches are alike."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jobs.engines.analyses.beats import mean_tones
from jobs.engines.analyses.spectra import Curve, Rises, Tones

_FEWEST_BARS = 8
_SHORTEST_BARS = 4
_KERNEL_BARS = 4
_NOVELTY = 0.3  # of the strongest change; what is weaker is a phrase of the same section
_ALIKE = 0.55


@dataclass(frozen=True)
class Stretch:
    """Bars that belong together, from one to before another; equal letters sound alike."""

    first: int
    end: int
    letter: str
    energy: float  # 0 to 1, of the loudest section


def find_sections(rises: Rises, tones: Tones, downbeats: Curve) -> list[Stretch]:
    """The form of the song; empty when there are too few bars to tell."""
    bars = len(downbeats) - 1
    if bars < _FEWEST_BARS:
        return []
    features, levels = _describe_bars(rises, tones, downbeats)
    starts = [0, *_find_changes(features), bars]
    means = [features[first:end].mean(axis=0) for first, end in pairwise(starts)]
    loudness = [float(levels[first:end].mean()) for first, end in pairwise(starts)]
    letters = _name_alike(means)
    loudest = max(loudness) or 1.0
    return [
        Stretch(first, end, letter, round(level / loudest, 3))
        for first, end, letter, level in zip(starts, starts[1:], letters, loudness, strict=False)
    ]


def _describe_bars(rises: Rises, tones: Tones, downbeats: Curve) -> tuple[Curve, Curve]:
    """Each bar's tones and registers with a common weight, and its strength."""
    at = np.rint(downbeats).astype(int)
    registers = [
        np.array([curve[first:end].mean() if end > first else 0.0 for first, end in pairwise(at)])
        for curve in (rises.kick, rises.body, rises.snare, rises.hiss)
    ]
    levels = np.log1p(np.stack(registers, axis=1))
    strokes = levels / (levels.max(axis=0) + 1e-9)
    chords = mean_tones(tones, downbeats[:-1], downbeats[1:])
    strength = chords.sum(axis=1)
    smoothed = np.stack([np.convolve(row, np.ones(4) / 4, mode="same") for row in chords.T], axis=1)
    chords = smoothed / (np.linalg.norm(smoothed, axis=1, keepdims=True) + 1e-9)
    return np.concatenate([chords, strokes, strength[:, None] / (strength.max() + 1e-9)], axis=1), strength


def _find_changes(features: Curve) -> list[int]:
    """Bars at which what follows differs most from what came (Foote's novelty), none too near another."""
    count = len(features)
    novelty = np.zeros(count)
    for bar in range(2, count - 1):
        before = features[max(bar - _KERNEL_BARS, 0) : bar]
        after = features[bar : bar + _KERNEL_BARS]
        within = (before.std(axis=0).mean() + after.std(axis=0).mean()) / 2
        novelty[bar] = np.linalg.norm(before.mean(axis=0) - after.mean(axis=0)) - within
    chosen: list[int] = []
    for bar in np.argsort(-novelty):
        is_strong = novelty[bar] > _NOVELTY * novelty.max() and novelty[bar] > 0
        is_free = all(abs(int(bar) - other) >= _SHORTEST_BARS for other in (0, count, *chosen))
        if is_strong and is_free:
            chosen.append(int(bar))
    return sorted(chosen)


def _name_alike(means: list[Curve]) -> list[str]:
    """Letters in the order of appearance; a stretch that is close to an earlier one has its letter."""
    letters: list[str] = []
    known: list[tuple[str, Curve]] = []
    middle = np.mean(means, axis=0)
    for mean in means:
        letter = next((name for name, other in known if _likeness(mean, other, middle) > _ALIKE), None)
        if letter is None:
            letter = chr(ord("A") + min(len(known), 25))
            known.append((letter, mean))
        letters.append(letter)
    return letters


def _likeness(one: Curve, other: Curve, middle: Curve) -> float:
    apart = float(np.linalg.norm(one - other))
    wide = float(np.linalg.norm(one - middle) + np.linalg.norm(other - middle)) + 1e-9
    return 1 - apart / wide
