"""Songs listened to: how right and how fast, beside librosa and essentia on the same songs where they are installed."""

import importlib
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mir_eval  # type: ignore[import-untyped] # it ships none
import numpy as np
from numpy.typing import NDArray

from jobs.engines.analyses.songs import analyse_samples
from tests.bench.report import Figure, Table, at_least, at_most
from tests.bench.scores import PITCHES, SAMPLE_RATE, Song, make_songs

SONGS, QUICK_SONGS, SECONDS, SEED = 32, 16, 40.0, 2024  # no song that the weights were fitted on
TEMPO_SHARE = 0.04
CLASSIC_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
CLASSIC_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """What one listener says of a song; what it does not tell is empty."""

    bpm: float
    beats: NDArray[np.float64]
    key: str
    downbeats: NDArray[np.float64] | None = None
    sections: Sequence[tuple[float, str]] = ()


Listener = Callable[[Samples], Heard]


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """Every listener on the same songs."""
    songs = make_songs(QUICK_SONGS if quick else SONGS, SECONDS, SEED)
    rated = {name: _rate(listen, songs) for name, listen in _list_listeners().items()}
    ours = rated.pop("libretto")
    peers = {
        what: "; ".join(f"{name} {figures[what]:.3g}" for name, figures in rated.items() if what in figures)
        for what in ours
    }
    goals = {"beat F": 0.92, "tempo within 4 %": 0.9, "key, weighted": 0.93}
    rows = [_row(what, value, peers.get(what, ""), goals.get(what)) for what, value in ours.items()]
    missing = sorted({"librosa", "essentia"} - set(rated))
    note = f"{len(songs)} songs of {SECONDS:g} s that are easier than recordings: compare listeners, not papers"
    return [Table("Analysis of songs", rows, note + (f"; not installed: {', '.join(missing)}" if missing else ""))]


def _row(what: str, value: float, peers: str, goal: float | None) -> Figure:
    if what.startswith("CPU"):
        limit = at_most(what, value, "s", 0.5)
    elif goal is not None:
        limit = at_least(what, value, "", goal)
    else:
        return Figure(what, value, "", peers)
    return Figure(what, value, limit.unit, f"{limit.beside}; {peers}" if peers else limit.beside, limit.is_met)


def _rate(listen: Listener, songs: Sequence[Song]) -> dict[str, float]:
    listen(songs[0].samples[: 5 * SAMPLE_RATE].astype(np.float32))  # what is loaded once is not counted
    began = time.process_time()
    heard = [listen(song.samples.astype(np.float32)) for song in songs]
    seconds = time.process_time() - began
    pairs = list(zip(songs, heard, strict=True))
    figures = {
        "beat F": _mean(mir_eval.beat.f_measure(song.beats_seconds, one.beats) for song, one in pairs),
        "tempo within 4 %": _mean(abs(one.bpm / song.tempo_bpm - 1) < TEMPO_SHARE for song, one in pairs),
        "key, weighted": _mean(mir_eval.key.weighted_score(_name_key(song), one.key) for song, one in pairs),
    }
    if all(one.downbeats is not None for one in heard):
        figures["downbeat F"] = _mean(
            mir_eval.beat.f_measure(song.downbeats_seconds, one.downbeats) for song, one in pairs
        )
        figures["section starts within 3 s, F"] = _mean(_rate_sections(song, one) for song, one in pairs)
    return figures | {"CPU for a minute of music": seconds / (len(songs) * SECONDS / 60)}


def _rate_sections(song: Song, heard: Heard) -> float:
    end = len(song.samples) / SAMPLE_RATE
    true, found = (
        np.array([(start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)])
        for starts in ([0.0, *(at for at, _ in song.sections[1:])], [0.0, *(at for at, _ in heard.sections[1:])])
    )
    return float(mir_eval.segment.detection(true, found, window=3, trim=False)[2])


def _mean(values: Any) -> float:
    return float(np.mean([float(value) for value in values]))


def _name_key(song: Song) -> str:
    return f"{PITCHES[song.key]} {'minor' if song.is_minor else 'major'}"


def _list_listeners() -> dict[str, Listener]:
    listeners: dict[str, Listener] = {"libretto": _listen}
    if importlib.util.find_spec("librosa"):
        listeners["librosa"] = _make_librosa(importlib.import_module("librosa"))
    if importlib.util.find_spec("essentia"):
        listeners["essentia"] = _make_essentia(importlib.import_module("essentia.standard"))
    return listeners


def _listen(samples: Samples) -> Heard:
    found = analyse_samples(np.stack([samples, samples]), lambda _fraction, _stage: None)
    return Heard(
        bpm=found.tempo.bpm if found.tempo else 0.0,
        beats=np.array(found.beats_seconds),
        key=f"{found.keys[0].tonic} {found.keys[0].mode}",
        downbeats=np.array(found.downbeats_seconds),
        sections=[(section.start_seconds, section.letter) for section in found.sections],
    )


def _make_librosa(librosa: Any) -> Listener:
    """Its beat tracker, and the classic profiles over its chroma."""

    def listen(samples: Samples) -> Heard:
        bpm, beats = librosa.beat.beat_track(y=samples, sr=SAMPLE_RATE, units="time")
        chroma = librosa.feature.chroma_stft(y=samples, sr=SAMPLE_RATE).mean(axis=1)
        fits = [
            (np.corrcoef(np.roll(profile, tonic), chroma)[0, 1], f"{PITCHES[tonic]} {mode}")
            for tonic in range(12)
            for profile, mode in ((CLASSIC_MAJOR, "major"), (CLASSIC_MINOR, "minor"))
        ]
        return Heard(float(np.atleast_1d(bpm)[0]), beats, max(fits)[1])

    return listen


def _make_essentia(essentia: Any) -> Listener:
    """Its quick beat tracker, and its default key profile."""

    def listen(samples: Samples) -> Heard:
        bpm, beats, *_ = essentia.RhythmExtractor2013(method="degara")(samples)
        tonic, mode, _ = essentia.KeyExtractor(profileType="bgate")(samples)
        return Heard(float(bpm), np.asarray(beats, np.float64), f"{tonic} {mode}")

    return listen
