"""What all lyric formats are written from: lines of words, in order, each with its times."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_BREAKS = ("Cc", "Zl", "Zp")
_TURNING = "\x00\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


@dataclass(frozen=True)
class Word:
    """A word and when it is heard; confidence is 0 to 1, and None where nothing had to be guessed."""

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float | None = None


@dataclass(frozen=True)
class Line:
    """Words that stand together."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The line as people read it."""
        return " ".join(word.text for word in self.words)

    @property
    def start_seconds(self) -> float:
        """When its first word begins."""
        return self.words[0].start_seconds

    @property
    def end_seconds(self) -> float:
        """When its last word ends."""
        return self.words[-1].end_seconds


def check_lines(lines: Sequence[Line]) -> None:
    """ValueError unless every line has words, every word text, and no time runs backwards."""
    words = [word for line in lines for word in line.words]
    if any(not line.words for line in lines) or any(not clean(word.text) for word in words):
        raise ValueError("every line has words, and every word has text")
    if any(not 0 <= word.start_seconds <= word.end_seconds < float("inf") for word in words):
        raise ValueError("a word ends after it begins")
    if any(later.start_seconds < earlier.start_seconds for earlier, later in pairwise(words)):
        raise ValueError("words come in the order in which they are heard")


def clean(text: str) -> str:
    """The text on one line, without what no format can carry: control characters and marks that turn its direction."""
    kept = (" " if unicodedata.category(one) in _BREAKS else one for one in text if not _is_unfit(one))
    return " ".join("".join(kept).split())


def split_time(seconds: float, per_second: int) -> tuple[int, int, int, int]:
    """Hours, minutes, seconds, and what is left in parts of a second, rounded once and for all."""
    parts = round(seconds * per_second)
    rest, part = divmod(parts, per_second)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return hour, minute, second, part


def _is_unfit(character: str) -> bool:
    """Whether it turns the direction of what follows, or is no character at all."""
    is_none = unicodedata.category(character) == "Cs" or ord(character) & 0xFFFE == 0xFFFE
    return is_none or character in _TURNING
