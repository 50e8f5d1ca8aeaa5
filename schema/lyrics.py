"""Lyrics: the words that are heard in a song, each with its time, and who sings them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import strawberry


@strawberry.enum(description="What sings: real words, something like them, or nobody.")
class VocalsKind(StrEnum):
    SUNG = "SUNG"
    VOCAL_LIKE = "VOCAL_LIKE"
    NONE = "NONE"


@strawberry.enum(description="Whose words they are: yours, or the composer's because you gave none.")
class LyricsSource(StrEnum):
    GIVEN = "GIVEN"
    WRITTEN = "WRITTEN"


@strawberry.type(description="How a song is sung, and what should be known about it.")
class Vocals:
    kind: VocalsKind
    notes: list[str]


@strawberry.type(description="A word, from its first sound to its last; the confidence is 1 where we sang it.")
class TimedWord:
    text: str
    start_seconds: float
    end_seconds: float
    confidence: float


@strawberry.type(description="A line, as it is sung in one breath.")
class TimedLine:
    text: str
    start_seconds: float
    end_seconds: float
    words: list[TimedWord]


@strawberry.type(description="The words that are heard, in time.")
class TimedLyrics:
    source: LyricsSource
    lines: list[TimedLine]


def read_vocals(music: Mapping[str, Any] | None, *, has_vocals: bool) -> Vocals | None:
    """What a song's composer tells of its singing; None where nobody tells."""
    if music is None:
        return None
    if sung := music.get("vocals"):
        return Vocals(kind=VocalsKind(sung["kind"]), notes=sung["notes"])
    return None if has_vocals else Vocals(kind=VocalsKind.NONE, notes=[])


def read_timed_lyrics(music: Mapping[str, Any] | None) -> TimedLyrics | None:
    """The words of a song that was sung by the composer."""
    sung = (music or {}).get("vocals")
    if not sung:
        return None
    return TimedLyrics(source=LyricsSource(sung["source"]), lines=[_read_line(line) for line in sung["lines"]])


def _read_line(kept: dict[str, Any]) -> TimedLine:
    words = [
        TimedWord(text=text, start_seconds=start, end_seconds=end, confidence=1.0) for text, start, end in kept["words"]
    ]
    return TimedLine(
        text=kept["text"], start_seconds=words[0].start_seconds, end_seconds=words[-1].end_seconds, words=words
    )
