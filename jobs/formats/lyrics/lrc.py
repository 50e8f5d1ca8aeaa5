"""LRC, the format of music players: a time for each line, and in its enhanced form for each word."""

from collections.abc import Callable, Sequence

from jobs.formats.lyrics.lines import Line, clean, split_time

_CENTISECONDS = 100
_SOFTER = str.maketrans("[]<>", "()\u2039\u203a")
_GAP_SECONDS = 4.0  # a longer silence empties the screen


def write_lrc(lines: Sequence[Line], *, title: str = "", artist: str = "") -> str:
    """A line a time; an empty one where nobody sings for a while."""
    return _write(lines, title, artist, lambda line: _escape(line.text))


def write_enhanced_lrc(lines: Sequence[Line], *, title: str = "", artist: str = "") -> str:
    """A time before each word as well, and one after the last of a line."""
    return _write(lines, title, artist, _write_words)


def _write(lines: Sequence[Line], title: str, artist: str, write_line: Callable[[Line], str]) -> str:
    tags = [f"[{name}:{_escape(value)}]" for name, value in (("ti", title), ("ar", artist)) if clean(value)]
    rows = []
    for place, line in enumerate(lines):
        rows.append(f"[{_write_time(line.start_seconds)}]{write_line(line)}")
        following = lines[place + 1].start_seconds if place + 1 < len(lines) else float("inf")
        if following - line.end_seconds > _GAP_SECONDS:
            rows.append(f"[{_write_time(line.end_seconds)}]")
    return "".join(f"{row}\n" for row in (*tags, *rows))


def _write_words(line: Line) -> str:
    words = " ".join(f"<{_write_time(word.start_seconds)}> {_escape(word.text)}" for word in line.words)
    return f"{words} <{_write_time(line.end_seconds)}>"


def _write_time(seconds: float) -> str:
    hours, minutes, whole, part = split_time(seconds, _CENTISECONDS)
    return f"{hours * 60 + minutes:02d}:{whole:02d}.{part:02d}"


def _escape(text: str) -> str:
    """Without the brackets that would be read as times."""
    return clean(text).translate(_SOFTER)
