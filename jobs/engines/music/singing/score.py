"""The sung part of a score: its words, where they lie in time, and on which notes."""

from dataclasses import dataclass, field

from jobs.engines.music.singing.sounds import Phone, Syllable

SUNG, VOCAL_LIKE = "SUNG", "VOCAL_LIKE"
GIVEN, WRITTEN = "GIVEN", "WRITTEN"


@dataclass(frozen=True)
class TimedWord:
    """A word, from its first sound to its last."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class TimedLine:
    """A line as it is sung in one breath; a long one of the lyrics may be several."""

    text: str
    words: tuple[TimedWord, ...]


@dataclass(frozen=True)
class SungNote:
    """A note, and the syllable that begins on it; without one the syllable before goes on."""

    start_seconds: float
    end_seconds: float
    pitch: int
    velocity: float
    text: str
    syllable: Syllable | None = field(compare=False, repr=False)


@dataclass(frozen=True)
class Laid:
    """A sound at its place in time."""

    phone: Phone = field(compare=False, repr=False)
    syllable: int  # counted from the first of the line
    start_seconds: float
    end_seconds: float
    is_held: bool


@dataclass(frozen=True)
class SungLine:
    """A line of the song: its words, its notes, and its sounds in order."""

    timed: TimedLine
    notes: tuple[SungNote, ...]
    sounds: tuple[Laid, ...]
    second: tuple[int, ...]  # pitches of the second voice, note by note; none where it is silent


@dataclass(frozen=True)
class Vocals:
    """Everything that is sung; `kind` says by which voice, `notes` what whoever asked should know."""

    kind: str
    source: str
    is_high: bool
    notes: tuple[str, ...]
    lines: tuple[SungLine, ...]
