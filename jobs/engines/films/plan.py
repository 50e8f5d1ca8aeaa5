"""What a film is made from: its shape, its look, its words with their times, and what is known of the song."""

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.engines.covers.palette import Palette
from jobs.engines.films.coders import USUAL, Coding, check_codec
from jobs.engines.run import EngineRefused
from jobs.formats.lyrics import Line, check_lines

FRAME_RATES = (24, 25, 30, 60)
SIZES = {"LANDSCAPE": (1920, 1080), "PORTRAIT": (1080, 1920), "SQUARE": (1080, 1080)}
SMALLEST_SIDE, LARGEST_SIDE = 240, 3840
LONGEST_SECONDS = 3600.0
MOST_WORDS = 20_000
MOST_CHARACTERS = 1_000  # of one line
MOST_TITLE_CHARACTERS = 300
MOST_MARKS = 100_000  # beats, sections and levels


@dataclass(frozen=True)
class FilmPlan:
    """All of a lyric video; equal plans over equal files give equal bytes."""

    width: int
    height: int
    duration_seconds: float
    theme: str
    palette: Palette
    audio: Path
    fps: int = 30
    lines: tuple[Line, ...] = ()
    title: str = ""
    artist: str = ""
    levels: tuple[float, ...] = ()  # how loud the song is, 0 to 1, evenly over its duration
    beats_seconds: tuple[float, ...] = ()
    sections_seconds: tuple[float, ...] = ()  # where each begins
    cover: Path | None = None
    is_zoomed: bool = False  # what is behind the words, or the cover, slowly comes nearer and goes away again
    coding: Coding = USUAL

    @property
    def frame_count(self) -> int:
        """How many frames the film has."""
        return max(1, round(self.duration_seconds * self.fps))

    @property
    def digest(self) -> str:
        """Equal for plans that look alike wherever their files lie, as far as the cover is the same."""
        placeless = replace(self, audio=Path(), cover=None)
        return hashlib.sha256(repr(placeless).encode()).hexdigest()

    def frame_at(self, seconds: float) -> int:
        """The first frame that is shown at this time or after it."""
        return math.ceil(round(seconds * self.fps, 6))


def check_plan(plan: FilmPlan, themes: tuple[str, ...]) -> None:
    """EngineRefused unless a film can be made of the plan; the message says what to change."""
    _check_shape(plan)
    _expect(plan.theme in themes, "THEME_UNKNOWN", f"the theme is one of {', '.join(themes)}")
    is_short = math.isfinite(plan.duration_seconds) and 0 < plan.duration_seconds <= LONGEST_SECONDS
    _expect(is_short, "TOO_LONG", f"a film takes more than 0 and at most {LONGEST_SECONDS:g} seconds")
    _expect(
        max(len(plan.title), len(plan.artist)) <= MOST_TITLE_CHARACTERS,
        "TEXT_TOO_LONG",
        f"title and artist have at most {MOST_TITLE_CHARACTERS} characters",
    )
    check_codec(plan.coding.codec)
    _check_marks(plan)
    _check_words(plan)


def _check_shape(plan: FilmPlan) -> None:
    is_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2 == 0 for side in (plan.width, plan.height))
    _expect(is_fit, "SIZE_UNFIT", f"both sides are even, {SMALLEST_SIDE} to {LARGEST_SIDE} pixels")
    _expect(plan.fps in FRAME_RATES, "FRAME_RATE_UNFIT", f"the frame rate is one of {', '.join(map(str, FRAME_RATES))}")


def _check_marks(plan: FilmPlan) -> None:
    for marks in (plan.levels, plan.beats_seconds, plan.sections_seconds):
        _expect(len(marks) <= MOST_MARKS, "MARKS_UNFIT", f"at most {MOST_MARKS} beats, sections or levels")
        _expect(
            all(math.isfinite(mark) and mark >= 0 for mark in marks),
            "MARKS_UNFIT",
            "beats, sections and levels are numbers from 0 on",
        )


def _check_words(plan: FilmPlan) -> None:
    words = sum(len(line.words) for line in plan.lines)
    _expect(words <= MOST_WORDS, "TEXT_TOO_LONG", f"a film has at most {MOST_WORDS} words")
    _expect(
        all(len(line.text) <= MOST_CHARACTERS for line in plan.lines),
        "TEXT_TOO_LONG",
        f"a line has at most {MOST_CHARACTERS} characters",
    )
    try:
        check_lines(plan.lines)
    except ValueError as error:
        raise EngineRefused("WORDS_UNFIT", str(error)) from error


def _expect(is_so: bool, code: str, message: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not is_so:
        raise EngineRefused(code, message)
