"""Where the weights of the analysis come from: `python -m tests.bench.fitting` fits them on songs of `scores`.

Which period, which phase, which metre: each is a choice among candidates; the weights make the right ones likely.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped] # it ships none

from jobs.engines.analyses import bars, beats, tempo
from jobs.engines.analyses.spectra import FRAMES_PER_SECOND, Rises, Tones, read_rises, read_tones
from tests.bench.scores import Song, make_songs

Curve = NDArray[np.float64]
SONGS, SEED, HELD_OUT_SEED = 48, 1, 99
NEAR_SECONDS, TEMPO_SHARE, RIGHT = 0.07, 0.04, 0.5
RIDGE = 0.5


@dataclass(frozen=True)
class Heard:
    """A song as the analysis hears it."""

    song: Song
    rises: Rises
    tones: Tones


@dataclass(frozen=True)
class Choice:
    """The evidence for each candidate, and how right each is."""

    evidence: Curve
    rightness: Curve


def hear(songs: Sequence[Song]) -> list[Heard]:
    """What all fits stand on."""
    samples = [song.samples.astype(np.float32) for song in songs]
    return [Heard(song, read_rises(sound), read_tones(sound)) for song, sound in zip(songs, samples, strict=True)]


def choose_period(heard: Heard) -> Choice:
    """Which lag is the beat."""
    echoes = tempo.Echoes(heard.rises, heard.tones)
    lags = echoes.list_candidates()
    found = 60 * FRAMES_PER_SECOND / np.array(lags)
    is_right = np.abs(found / heard.song.tempo_bpm - 1) < TEMPO_SHARE
    return Choice(np.array([echoes.weigh(lag) for lag in lags]), is_right.astype(float))


def choose_phase(heard: Heard) -> Choice:
    """Which quarter of the beat is the beat, given its true length."""
    path = beats.follow(heard.rises.all, 60 * FRAMES_PER_SECOND / heard.song.tempo_bpm)
    shifted = [path + beats.lengths_of(path) * phase / beats.PHASES for phase in range(beats.PHASES)]
    rightness = [count_hits(heard.song.beats_seconds, places / FRAMES_PER_SECOND) for places in shifted]
    return Choice(beats.weigh_phases(heard.rises, heard.tones, path), np.array(rightness))


def choose_metre(heard: Heard) -> Choice:
    """Which beats begin bars, given the true beats."""
    places = heard.song.beats_seconds * FRAMES_PER_SECOND
    rightness = [
        count_hits(heard.song.downbeats_seconds, heard.song.beats_seconds[first::count])
        for count, first in bars.list_metres()
    ]
    return Choice(bars.weigh_metres(heard.rises, heard.tones, places), np.array(rightness))


def count_hits(true: Curve, found: Curve) -> float:
    """F-measure of events that are right within 70 ms."""
    if not len(found) or not len(true):
        return 0.0
    hits = sum(bool(np.abs(found - at).min() <= NEAR_SECONDS) for at in true)
    return 2 * hits / (len(true) + len(found))


def fit(choices: Sequence[Choice]) -> Curve:
    """The weights under which the right candidates are likeliest, kept small."""
    spread = np.concatenate([choice.evidence for choice in choices]).std(axis=0) + 1e-9

    def surprise(weights: Curve) -> float:
        total = RIDGE * float(weights @ weights)
        for choice in choices:
            is_right = choice.rightness >= max(choice.rightness.max() - 0.02, RIGHT)
            if is_right.any():
                scores = choice.evidence / spread @ weights
                odds = np.exp(scores - scores.max())
                total -= float(np.log(odds[is_right].sum() / odds.sum()))
        return total

    return np.asarray(minimize(surprise, np.zeros(len(spread))).x / spread)


def rate(choices: Sequence[Choice], weights: Curve) -> float:
    """How right the chosen candidates are on average."""
    return float(np.mean([choice.rightness[int((choice.evidence @ weights).argmax())] for choice in choices]))


def main() -> None:
    """Fit on some songs, try on others, and print both."""
    learnt, held_out = hear(make_songs(SONGS, seed=SEED)), hear(make_songs(SONGS, seed=HELD_OUT_SEED))
    steps: list[tuple[str, Callable[[Heard], Choice], Curve]] = [
        ("tempo", choose_period, tempo.WEIGHTS),
        ("beats", choose_phase, beats.WEIGHTS),
        ("bars", choose_metre, bars.WEIGHTS),
    ]
    for name, choose, shipped in steps:
        choices, others = [choose(heard) for heard in learnt], [choose(heard) for heard in held_out]
        weights = fit(choices)
        print(f"{name}: {', '.join(f'{weight:.2f}' for weight in weights)}")
        print(f"  learnt {rate(choices, weights):.3f}, held out {rate(others, weights):.3f}", end="")
        print(f"; as shipped {rate(choices, shipped):.3f} and {rate(others, shipped):.3f}")


if __name__ == "__main__":
    main()
