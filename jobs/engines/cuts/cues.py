"""What cuts can follow in a song: its beats, bars and sections, whoever told them, and how far they can be trusted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from jobs.engines.cuts.plan import expect
from jobs.engines.films.plan import LONGEST_SECONDS, MOST_MARKS

SURE_TEMPO, SURE_BARS = 0.25, 0.35  # the analysis is about as often wrong as right below these
FEWEST_BEATS = 8
STEADY_SHARE = 0.15  # of a beat, by which beats may stray on average
COVERED_SHARE = 0.5  # of the song, that the beats must reach over
MOST_PARTS = 200
_ENERGY = 0.6  # of a section that nobody described
_ENERGIES = {  # by the names that our composer gives, and those that others use
    "intro": 0.3,
    "verse": 0.56,
    "prechorus": 0.65,
    "chorus": 0.87,
    "bridge": 0.48,
    "outro": 0.3,
    "build": 0.65,
    "drop": 0.92,
    "break": 0.34,
    "groove": 0.72,
}


@dataclass(frozen=True)
class Part:
    """A section: its name, and its energy from 0 to 1."""

    start_seconds: float
    end_seconds: float
    name: str
    energy: float


@dataclass(frozen=True)
class Cues:
    """The song as an editor hears it; confidence is 1 where the song was composed and not listened to."""

    duration_seconds: float
    beats_seconds: tuple[float, ...] = ()
    downbeats_seconds: tuple[float, ...] = ()
    beats_per_bar: int = 4
    parts: tuple[Part, ...] = ()
    tempo_confidence: float = 1.0
    bars_confidence: float = 1.0

    @property
    def has_beats(self) -> bool:
        """Whether the beats can be relied on."""
        return self.find_doubt() is None

    @property
    def has_bars(self) -> bool:
        """Whether it is known which beats begin a bar."""
        return self.has_beats and self.bars_confidence >= SURE_BARS and len(self.downbeats_seconds) > 1

    @property
    def beat_seconds(self) -> float:
        """How long a beat is; half a second where there are none."""
        steps = [after - before for before, after in pairwise(self.beats_seconds)]
        return median(steps) if steps else 0.5

    def find_doubt(self) -> str | None:
        """Why the beats cannot be relied on, for people; None when they can."""
        if len(self.beats_seconds) < FEWEST_BEATS:
            return "too few beats were found"
        if self.tempo_confidence < SURE_TEMPO:
            return f"the tempo is uncertain (confidence {self.tempo_confidence:.2f})"
        beat = self.beat_seconds
        strays = [abs(after - before - beat) for before, after in pairwise(self.beats_seconds)]
        if fmean(strays) > STEADY_SHARE * beat:
            return "the beats are unsteady"
        if self.beats_seconds[-1] - self.beats_seconds[0] < COVERED_SHARE * self.duration_seconds:
            return "beats were found in a small part of the song only"
        return None


def read_cues(kept: Mapping[str, Any], duration_seconds: float) -> Cues:
    """From what is kept as JSON: of a song that was listened to (its tempo is told), or of one that was composed."""
    tempo = kept.get("tempo")
    was_heard = "bars_confidence" in kept
    return Cues(
        duration_seconds=duration_seconds,
        beats_seconds=tuple(kept.get("beats_seconds") or ()),
        downbeats_seconds=tuple(kept.get("downbeats_seconds") or ()),
        beats_per_bar=kept.get("beats_per_bar") or 4,
        parts=tuple(_read_part(part) for part in kept.get("sections") or ()),
        tempo_confidence=1.0 if not was_heard else 0.0 if tempo is None else tempo["confidence"],
        bars_confidence=kept.get("bars_confidence", 1.0),
    )


def _read_part(part: Mapping[str, Any]) -> Part:
    name = part["name"]
    return Part(part["start_seconds"], part["end_seconds"], name, part.get("energy", _ENERGIES.get(name, _ENERGY)))


def check_cues(cues: Cues) -> None:
    """EngineRefused unless a film can follow them."""
    is_short = math.isfinite(cues.duration_seconds) and 0 < cues.duration_seconds <= LONGEST_SECONDS
    expect(is_short, "TOO_LONG", f"a film takes more than 0 and at most {LONGEST_SECONDS:g} seconds")
    for marks in (cues.beats_seconds, cues.downbeats_seconds):
        expect(len(marks) <= MOST_MARKS, "MARKS_UNFIT", f"at most {MOST_MARKS} beats")
        expect(
            all(math.isfinite(mark) and mark >= 0 for mark in marks) and all(a < b for a, b in pairwise(marks)),
            "MARKS_UNFIT",
            "beats are seconds from 0 on, each after the one before",
        )
    expect(1 <= cues.beats_per_bar <= 16, "MARKS_UNFIT", "a bar has 1 to 16 beats")
    expect(len(cues.parts) <= MOST_PARTS, "MARKS_UNFIT", f"a song has at most {MOST_PARTS} sections")
    told = [cues.tempo_confidence, cues.bars_confidence]
    for part in cues.parts:
        told += [part.start_seconds, part.end_seconds, part.energy]
    expect(all(map(math.isfinite, told)), "MARKS_UNFIT", "sections and confidences are numbers")


def list_parts(cues: Cues) -> list[Part]:
    """The sections in their order without gaps, from the first moment to the last; one when none is known."""
    known = sorted(
        (part for part in cues.parts if 0 <= part.start_seconds < cues.duration_seconds),
        key=lambda part: part.start_seconds,
    )
    kept: list[Part] = []
    for part in known:
        if not kept or part.start_seconds > kept[-1].start_seconds:
            kept.append(part)
    if not kept:
        return [Part(0.0, cues.duration_seconds, "song", _ENERGY)]
    starts = [0.0, *(part.start_seconds for part in kept[1:]), cues.duration_seconds]
    return [
        Part(start, end, part.name, min(max(part.energy, 0.0), 1.0))
        for part, (start, end) in zip(kept, pairwise(starts), strict=True)
    ]
