"""All that can be told of a song by listening: tempo, beats, bars, key, sections, levels, singing; how sure each is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.engines.analyses.bars import Metre, find_metre
from jobs.engines.analyses.beats import track_beats
from jobs.engines.analyses.keys import Key, find_keys
from jobs.engines.analyses.levels import Levels, measure_levels
from jobs.engines.analyses.sections import Stretch, find_sections
from jobs.engines.analyses.spectra import FRAMES_PER_SECOND, Curve, Rises, Samples, Tones, read_rises, read_tones
from jobs.engines.analyses.tempo import find_period
from jobs.engines.analyses.voices import VocalStretch, list_stretches, read_voice
from jobs.engines.recordings import decode_stereo
from jobs.engines.run import Report

_FEWEST_BEATS = 4
_SURE_FIT = 0.12  # a lead over the second key that leaves no doubt
_QUIET = 0.8


@dataclass(frozen=True)
class Tempo:
    """Beats a minute by regression over the beats, the other tempo that it may be, and how sure it is."""

    bpm: float
    second_bpm: float | None
    confidence: float


@dataclass(frozen=True)
class Section:
    """A stretch of the song: a name for people, a letter that equal stretches share, and its energy (0 to 1)."""

    start_seconds: float
    end_seconds: float
    name: str
    letter: str
    energy: float


@dataclass(frozen=True)
class SongAnalysis:
    """What was heard."""

    duration_seconds: float
    tempo: Tempo | None
    beats_seconds: list[float]
    downbeats_seconds: list[float]
    beats_per_bar: int | None
    bars_confidence: float
    keys: list[Key]  # the best and the second
    key_confidence: float
    tuning_cents: float
    sections: list[Section]
    levels: Levels
    chroma: list[float]  # the share of each pitch class, C first
    vocals: list[VocalStretch]


def analyse_recording(path: Path, report: Report) -> SongAnalysis:
    """Listen to a file."""
    report(0.0, "decoding")
    samples = decode_stereo(path, lambda fraction: report(0.3 * fraction, "decoding"))
    return analyse_samples(samples, report)


def analyse_samples(samples: Samples, report: Report) -> SongAnalysis:
    """Listen to stereo samples at our rate."""
    report(0.3, "measuring")
    levels = measure_levels(samples)
    report(0.4, "listening")
    mono = np.asarray(samples.mean(axis=0), np.float32)
    rises = read_rises(mono)
    report(0.6, "listening")
    tones = read_tones(mono)
    report(0.8, "beats")
    tempo, beats, metre = _find_beats(rises, tones)
    report(0.9, "sections")
    downbeats = beats[metre.first :: metre.beats]
    keys = find_keys(tones)
    strength = tones.classes.sum(axis=0)
    return SongAnalysis(
        duration_seconds=round(samples.shape[1] / 44_100, 3),
        tempo=tempo,
        beats_seconds=_in_seconds(beats),
        downbeats_seconds=_in_seconds(downbeats),
        beats_per_bar=metre.beats if tempo else None,
        bars_confidence=round(metre.confidence, 3),
        keys=keys[:2],
        key_confidence=round(min((keys[0].fit - keys[1].fit) / _SURE_FIT, 1.0), 3) if keys else 0.0,
        tuning_cents=tones.tuning_cents,
        sections=_name_sections(find_sections(rises, tones, downbeats), downbeats, samples.shape[1] / 44_100),
        levels=levels,
        chroma=[round(float(share), 4) for share in strength / (strength.sum() + 1e-9)],
        vocals=list_stretches(read_voice(mono)),
    )


def _find_beats(rises: Rises, tones: Tones) -> tuple[Tempo | None, Curve, Metre]:
    nothing = None, np.zeros(0), Metre(4, 0, 0.0)
    period = find_period(rises, tones)
    if period is None:
        return nothing
    beats = track_beats(rises, tones, period.frames)
    if len(beats) < _FEWEST_BEATS:
        return nothing
    bpm = _regress(beats)
    second = None if period.second_frames is None else round(60 * FRAMES_PER_SECOND / period.second_frames, 1)
    return Tempo(bpm, second, round(period.confidence, 3)), beats, find_metre(rises, tones, beats)


def _regress(beats: Curve) -> float:
    """The tempo of the line through the beats; of its parts, where the tempo drifts."""
    count = max(len(beats) // 32, 1)
    parts = np.array_split(beats, count)
    slopes = [np.polyfit(np.arange(len(part)), part, 1)[0] for part in parts]
    return round(60 * FRAMES_PER_SECOND / float(np.median(slopes)), 2)


def _in_seconds(frames: Curve) -> list[float]:
    return [round(float(frame) / FRAMES_PER_SECOND, 3) for frame in np.maximum(frames, 0)]


def _name_sections(stretches: list[Stretch], downbeats: Curve, duration_seconds: float) -> list[Section]:
    """Names by what people expect: the loud part that comes again is the chorus."""
    if not stretches:
        return []
    starts = _in_seconds(downbeats)
    bounds = [0.0, *(starts[stretch.first] for stretch in stretches[1:]), round(duration_seconds, 3)]
    names = [_name(place, stretches) for place in range(len(stretches))]
    return [
        Section(start, end, name, stretch.letter, stretch.energy)
        for start, end, name, stretch in zip(bounds, bounds[1:], names, stretches, strict=False)
    ]


def _name(place: int, stretches: list[Stretch]) -> str:
    own = stretches[place]
    letters = [stretch.letter for stretch in stretches]
    energies = {letter: max(one.energy for one in stretches if one.letter == letter) for letter in letters}
    chorus = max(energies, key=lambda letter: (letters.count(letter) > 1, energies[letter]))
    if own.letter == chorus:
        return "chorus"
    is_lone = letters.count(own.letter) == 1
    if is_lone and place == 0 and own.energy < _QUIET:
        return "intro"
    if is_lone and place == len(stretches) - 1 and own.energy < _QUIET:
        return "outro"
    return "bridge" if is_lone and 0 < place < len(stretches) - 1 else "verse"
