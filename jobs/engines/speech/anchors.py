"""Where known words lie, by those of them that a transcript has too; and windows of them that a model can take."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jobs.engines.speech.words import Text, Timed, count_syllables, normalise

_WINDOW_SECONDS = 24.0  # and room on both sides: a model takes 30
_ROOM_SECONDS = 1.0
_REST_SECONDS = 4.0  # a longer silence is left out of every window
_WINDOW_LETTERS = 700  # far below the 448 tokens that a model takes, whatever the language
_SYLLABLE_SECONDS = (0.15, 0.5)
_USUAL_SYLLABLE_SECONDS = 0.25
_FEWEST_SHARE = 0.25
_LONE_REACH = 3


@dataclass(frozen=True)
class Window:
    """Words from `first` up to `last`, and the stretch of the recording that they are looked for in."""

    first: int
    last: int
    start: float
    end: float


def place_words(text: Text, heard: Sequence[Timed], duration: float) -> tuple[list[Timed], set[int]] | None:
    """Every word of the text where the transcript suggests, and which of them it has; None when those are too few."""
    words = text.words
    matches = _drop_lone(match_words([normalise(word) for word in words], [normalise(one.text) for one in heard]))
    if len(matches) < max(_FEWEST_SHARE * len(words), 1):
        return None
    anchored = {mine: heard[theirs] for mine, theirs in matches}
    pace = _measure_pace(anchored)
    placed = [
        Timed(word, anchored[n].start, anchored[n].end, anchored[n].confidence)
        if n in anchored
        else Timed(word, 0, 0, 0)
        for n, word in enumerate(words)
    ]
    known = sorted(anchored)
    for before, after in pairwise([-1, *known, len(words)]):
        if after - before > 1:
            _fill(placed, text.line_of_word, before, after, pace, duration)
    return placed, set(anchored)


def match_words(mine: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    """The heaviest common subsequence, as pairs of places; long words weigh more: they are rarely alike by chance."""
    codes = {word: number for number, word in enumerate(dict.fromkeys(theirs))}
    row = np.array([codes[word] for word in theirs], np.int64)
    weights = np.array([min(len(word), 6) for word in mine], np.float32)
    table = np.zeros((len(mine) + 1, len(theirs) + 1), np.float32)
    for n, word in enumerate(mine):
        gain = np.where(row == codes.get(word, -1), weights[n], 0)
        table[n + 1, 1:] = np.maximum.accumulate(np.maximum(table[n, 1:], table[n, :-1] + gain))
    matches = []
    n, m = len(mine), len(theirs)
    while n and m:
        if table[n, m] == table[n - 1, m]:
            n -= 1
        elif table[n, m] == table[n, m - 1]:
            m -= 1
        else:
            n, m = n - 1, m - 1
            matches.append((n, m))
    return matches[::-1]


def cut_windows(text: Text, placed: Sequence[Timed], duration: float) -> list[Window]:
    """Windows of words that follow each other, cut where a line ends if that can be, and at long rests."""
    lines, windows, first = text.line_of_word, list[Window](), 0
    while first < len(placed):
        last = _reach(placed, first)
        if last < len(placed) and lines[last] == lines[last - 1]:
            ends = [n for n in range(first + 1, last) if lines[n] != lines[n - 1]]
            has_rest = placed[last].start - placed[last - 1].end > _REST_SECONDS
            last = ends[-1] if ends and ends[-1] - first > (last - first) / 3 and not has_rest else last
        before = placed[first - 1].end if first else 0.0
        after = placed[last].start if last < len(placed) else duration
        start = max((before + placed[first].start) / 2, placed[first].start - _ROOM_SECONDS, 0.0)
        end = min((placed[last - 1].end + after) / 2, placed[last - 1].end + _ROOM_SECONDS, duration)
        windows.append(Window(first, last, start, max(end, start)))
        first = last
    return windows


def _reach(placed: Sequence[Timed], first: int) -> int:
    """The word after the last that a window from `first` on can hold."""
    letters = len(placed[first].text)
    for n in range(first + 1, len(placed)):
        letters += len(placed[n].text) + 1
        rest = placed[n].start - placed[n - 1].end
        if placed[n].end - placed[first].start > _WINDOW_SECONDS or letters > _WINDOW_LETTERS or rest > _REST_SECONDS:
            return n
    return len(placed)


def _drop_lone(matches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without matches that have no other near them in both texts: those are chance."""
    kept = []
    for place, (mine, theirs) in enumerate(matches):
        neighbours = matches[max(place - 1, 0) : place] + matches[place + 1 : place + 2]
        if len(matches) < _LONE_REACH or any(
            abs(mine - other) <= _LONE_REACH and abs(theirs - its) <= _LONE_REACH for other, its in neighbours
        ):
            kept.append((mine, theirs))
    return kept


def _measure_pace(anchored: dict[int, Timed]) -> float:
    """Seconds that a syllable takes here."""
    paces = [(word.end - word.start) / count_syllables(word.text) for word in anchored.values()]
    return float(np.clip(np.median(paces) if paces else _USUAL_SYLLABLE_SECONDS, *_SYLLABLE_SECONDS))


def _fill(placed: list[Timed], lines: list[int], before: int, after: int, pace: float, duration: float) -> None:
    """Place the words between two that are known: spread out, or where there is time to spare, beside their lines."""
    run = range(before + 1, after)
    needed = [pace * count_syllables(placed[n].text) for n in run]
    start = placed[before].end if before >= 0 else None
    end = placed[after].start if after < len(placed) else None
    if start is None and end is None:
        start, end = 0.0, duration
    if start is None:
        start = max((end or 0.0) - sum(needed), 0.0)
    if end is None:
        end = min(start + sum(needed), duration)
    room = max(end - start, 0.0)
    if before >= 0 and room > 2 * sum(needed):
        early = [n for n in run if lines[n] == lines[before]]
        _lay(placed, early, start, needed[: len(early)], 1.0)
        late = needed[len(early) :]
        _lay(placed, list(run)[len(early) :], end - sum(late), late, 1.0)
    else:
        _lay(placed, list(run), start, needed, room / sum(needed))


def _lay(placed: list[Timed], run: list[int], start: float, needed: list[float], scale: float) -> None:
    at = start
    for n, seconds in zip(run, needed, strict=True):
        placed[n].start, placed[n].end = at, at + seconds * scale
        at = placed[n].end
