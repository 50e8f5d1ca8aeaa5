"""Putting one line of a track's words right: its text, its times, or both; its words stay within it and in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from jobs.engines.speech.words import split_words, spread_words
from jobs.formats.lyrics import Line, Word
from jobs.lyrics.kept import keep_lines, read_lines
from server.errors import ValidationFailed
from storage import lyrics, tracks
from storage.access import Viewer
from storage.lyrics import TimedLyrics

MAX_LINE = 500
SHORTEST_SECONDS = 0.05
_SPREAD = 0.5  # confidence of words whose line's times are sure, and their own are not


@dataclass(frozen=True)
class Correction:
    """What a line should be; what is None stays. Times are as a client reads them, the offset added."""

    line_index: int
    text: str | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None


async def correct_line(viewer: Viewer, track_id: UUID, correction: Correction) -> TimedLyrics:
    """Write one line anew."""
    kept = await lyrics.get_own_lyrics(viewer, track_id)
    track = await tracks.get_own_track(viewer, track_id)
    corrected = correct(read_lines(kept.lines), correction, kept.offset_ms / 1000, track.duration_seconds)
    return await lyrics.correct_lyrics(kept, keep_lines(corrected))


def correct(lines: Sequence[Line], correction: Correction, offset: float, duration: float) -> list[Line]:
    """The lines with one of them as it should be; ValidationFailed where that cannot be."""
    index = correction.line_index
    if (correction.text, correction.start_seconds, correction.end_seconds) == (None, None, None):
        raise ValidationFailed({"text": "Say what changes: the text, the start or the end"})
    if not 0 <= index < len(lines):
        raise ValidationFailed({"lineIndex": f"There are {len(lines)} lines, from 0 on"})
    old = lines[index]
    start = old.start_seconds if correction.start_seconds is None else correction.start_seconds - offset
    end = old.end_seconds if correction.end_seconds is None else correction.end_seconds - offset
    texts = None if correction.text is None else split_words(correction.text)
    earliest = lines[index - 1].end_seconds if index else 0.0
    latest = lines[index + 1].start_seconds if index + 1 < len(lines) else max(duration, old.end_seconds)
    bounds = min(earliest, old.start_seconds), max(latest, old.end_seconds)
    if problems := dict(_find_problems(correction, texts, (start, end), bounds, offset)):
        raise ValidationFailed(problems)
    moved = _move(old, start, end)
    return [*lines[:index], moved if texts is None else _rewrite(moved, texts), *lines[index + 1 :]]


def _find_problems(
    correction: Correction,
    texts: list[str] | None,
    span: tuple[float, float],
    bounds: tuple[float, float],
    offset: float,
) -> Iterator[tuple[str, str]]:
    if texts is not None and (not texts or len(correction.text or "") > MAX_LINE):
        yield "text", f"From 1 to {MAX_LINE} characters, with a word among them"
    between = f"From {bounds[0] + offset:.3f} to {bounds[1] + offset:.3f}, between the lines beside it"
    slack = 0.0005  # clients are shown thousandths
    for name, value in zip(("startSeconds", "endSeconds"), span, strict=True):
        if not bounds[0] - slack <= value <= bounds[1] + slack:
            yield name, between
    if not span[1] - span[0] >= SHORTEST_SECONDS and (correction.start_seconds, correction.end_seconds) != (None, None):
        yield "endSeconds", f"At least {SHORTEST_SECONDS} s after the start"


def _move(line: Line, start: float, end: float) -> Line:
    """The line from start to end, its words where they were in proportion."""
    length = line.end_seconds - line.start_seconds
    if length <= 0:
        return _respread([word.text for word in line.words], start, end)
    scale = (end - start) / length

    def place(seconds: float) -> float:
        return round(start + (min(max(seconds, line.start_seconds), line.end_seconds) - line.start_seconds) * scale, 3)

    return Line(
        tuple(
            replace(word, start_seconds=place(word.start_seconds), end_seconds=place(word.end_seconds))
            for word in line.words
        )
    )


def _rewrite(line: Line, texts: Sequence[str]) -> Line:
    """The line with other words: as many keep their times, fewer or more are spread anew."""
    if len(texts) == len(line.words):
        return Line(tuple(replace(word, text=text) for word, text in zip(line.words, texts, strict=True)))
    return _respread(texts, line.start_seconds, line.end_seconds)


def _respread(texts: Sequence[str], start: float, end: float) -> Line:
    spread = spread_words(texts, start, end, _SPREAD)
    return Line(
        tuple(
            Word(
                word.text,
                round(min(max(word.start, start), end), 3),
                round(min(max(word.end, start), end), 3),
                word.confidence,
            )
            for word in spread
        )
    )
