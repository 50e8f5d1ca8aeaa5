"""Words as engines see them: a text as lines of words, how long each takes to sing, and times that never run back."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engines.run import EngineRefused
from jobs.formats.lyrics import Line, Word
from jobs.formats.lyrics.lines import clean

Samples = NDArray[np.float32]

SHORTEST_SECONDS = 0.02
_HEADING = re.compile(r"\[[^\[\]]*\]")
_VOWELS = re.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüœ]+")
_WORDS_OF_A_LINE = 10
_BREATH_SECONDS = 0.8
_MOST_LETTERS = 40


@dataclass(frozen=True)
class Text:
    """Lines of words that are known."""

    lines: tuple[tuple[str, ...], ...]

    @property
    def words(self) -> list[str]:
        """All words, in order."""
        return [word for line in self.lines for word in line]

    @property
    def line_of_word(self) -> list[int]:
        """For each word the number of its line."""
        return [number for number, line in enumerate(self.lines) for _ in line]


@dataclass
class Timed:
    """A word while its time is being found."""

    text: str
    start: float
    end: float
    confidence: float


def read_text(text: str) -> Text:
    """The lines that are sung: without headings such as `[Chorus]` and what is empty; refuses a text without words."""
    rows = (row.strip() for row in text.splitlines())
    lines = [tuple(split_words(row)) for row in rows if not _HEADING.fullmatch(row)]
    kept = tuple(line for line in lines if line)
    if not kept:
        raise EngineRefused("NO_WORDS", "There are no words in the text")
    return Text(kept)


def split_words(line: str) -> list[str]:
    """The words of a line, without what cannot be seen."""
    return [word for word in map(clean, line.split()) if any(unicodedata.category(one)[0] not in "CZ" for one in word)]


def read_answer(answer: Mapping[str, Any], offset_seconds: float) -> Iterator[Timed]:
    """The words of what Whisper's libraries in Python answer."""
    for segment in answer["segments"]:
        for word in segment.get("words", ()):
            if text := clean(word["text"]):
                start, end = (offset_seconds + float(word[name]) for name in ("start", "end"))
                yield Timed(text, start, end, float(word["confidence"]))


def normalise(word: str) -> str:
    """The word as two engines would write it alike."""
    plain = unicodedata.normalize("NFKC", word).casefold()
    return "".join(one for one in plain if one.isalnum())


def count_syllables(word: str) -> int:
    """How many syllables are sung, at least one; letters without vowels, as in numbers and other scripts, count too."""
    plain = normalise(word)[:_MOST_LETTERS]
    if not plain.isascii() and not _VOWELS.search(plain):
        return max(len(plain) // 2, 1)
    groups = len(_VOWELS.findall(plain))
    has_silent_end = len(plain) > 2 and plain.endswith("e") and not plain.endswith("le") and groups > 1
    return max(groups - has_silent_end, 1)


def spread_words(words: Sequence[str], start: float, end: float, confidence: float) -> list[Timed]:
    """The words one after the other from start to end, each as long as its syllables."""
    weights = np.array([count_syllables(word) + 0.3 for word in words])
    edges = start + (end - start) * np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
    return [
        Timed(word, float(begins), float(ends), confidence)
        for word, begins, ends in zip(words, edges, edges[1:], strict=False)
    ]


def make_lines(text: Text, timed: Sequence[Timed], duration: float) -> list[Line]:
    """The lines of the text; each word begins no earlier than the one before, and ends before the next begins."""
    settle(timed, duration)
    words = iter(timed)
    return [Line(tuple(_finish(next(words)) for _ in line)) for line in text.lines]


def settle(timed: Sequence[Timed], duration: float) -> None:
    """Put times in order, within the recording, and leave each word a moment where there is room for one."""
    latest = 0.0
    for word in timed:
        word.start = latest = min(max(word.start, latest), duration)
    following = duration
    for word in reversed(timed):
        word.start = max(min(word.start, following - SHORTEST_SECONDS), 0.0)
        word.end = max(min(word.end, following), min(word.start + SHORTEST_SECONDS, following), word.start)
        following = word.start


def break_lines(timed: Sequence[Timed], duration: float) -> list[Line]:
    """Words that nobody broke into lines: a line ends at a breath, at a sentence's end, and when it grows long."""
    settle(timed, duration)
    lines: list[list[Word]] = [[]]
    for place, word in enumerate(timed):
        lines[-1].append(_finish(word))
        gap = timed[place + 1].start - word.end if place + 1 < len(timed) else 0.0
        is_long = len(lines[-1]) >= _WORDS_OF_A_LINE
        if is_long or gap > _BREATH_SECONDS or word.text.endswith((".", "?", "!")):
            lines.append([])
    return [Line(tuple(line)) for line in lines if line]


def _finish(word: Timed) -> Word:
    return Word(word.text, round(word.start, 3), round(word.end, 3), round(min(max(word.confidence, 0.0), 1.0), 3))
