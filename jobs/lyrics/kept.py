"""How lines of words are kept: as lists, since a long song has two thousand words."""

from collections.abc import Iterable, Sequence

from jobs.formats.lyrics import Line, Word
from storage.lyrics import KeptLines


def keep_lines(lines: Iterable[Line]) -> KeptLines:
    """The lines as they are kept."""
    return [
        [[word.text, word.start_seconds, word.end_seconds, word.confidence] for word in line.words] for line in lines
    ]


def read_lines(kept: KeptLines, offset_ms: int = 0) -> list[Line]:
    """The lines again, with what they were shifted by since; nothing begins before the recording does."""
    offset = offset_ms / 1000
    return [Line(tuple(_read_word(word, offset) for word in words)) for words in kept]


def _read_word(kept: Sequence[object], offset: float) -> Word:
    text, start, end, confidence = kept
    assert isinstance(start, float | int) and isinstance(end, float | int)  # noqa: S101, PT018 - as `keep_lines` wrote
    sure = float(confidence) if isinstance(confidence, float | int) else None
    return Word(str(text), max(round(start + offset, 3), 0.0), max(round(end + offset, 3), 0.0), sure)
