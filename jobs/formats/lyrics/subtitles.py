"""SRT and WebVTT, the formats of video players."""

import math
from collections.abc import Iterator, Sequence

from jobs.formats.lyrics.lines import Line, clean, split_time

_MILLISECONDS = 1000
_LINGER_SECONDS = 0.5  # a line stays a moment, unless the next one comes
_SHORTEST_SECONDS = 0.02
_SOFTER = str.maketrans("<>", "\u2039\u203a")


def write_srt(lines: Sequence[Line], *, until_seconds: float = math.inf) -> str:
    """A numbered cue for each line; none goes on when all is over."""
    cues = (
        f"{number}\n{_write_time(start, ',')} --> {_write_time(end, ',')}\n{_soften(line.text)}\n"
        for number, (line, start, end) in enumerate(_cues(lines, until_seconds), start=1)
    )
    return "\n".join(cues)


def write_vtt(lines: Sequence[Line], *, has_word_times: bool = True, until_seconds: float = math.inf) -> str:
    """A cue for each line; a time before each word but the first makes it light up as it is sung."""
    cues = [
        f"{_write_time(start, '.')} --> {_write_time(end, '.')}\n{_write_words(line, start, end, has_word_times)}\n"
        for line, start, end in _cues(lines, until_seconds)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _cues(lines: Sequence[Line], until: float) -> Iterator[tuple[Line, float, float]]:
    last = until if math.isinf(until) else math.floor(until * _MILLISECONDS) / _MILLISECONDS
    for place, line in enumerate(lines):
        start = line.start_seconds
        if start + _SHORTEST_SECONDS > last:
            return
        following = lines[place + 1].start_seconds if place + 1 < len(lines) else math.inf
        end = max(line.end_seconds, min(line.end_seconds + _LINGER_SECONDS, following))
        yield line, start, min(last, max(end, start + _SHORTEST_SECONDS))


def _write_words(line: Line, start: float, end: float, has_word_times: bool) -> str:  # noqa: FBT001 - as it was asked
    texts = [_escape(word.text) for word in line.words]
    if not has_word_times:
        return " ".join(texts)
    latest = start
    marked = [texts[0]]
    for word, text in zip(line.words[1:], texts[1:], strict=True):
        is_later = latest < word.start_seconds < end  # a player drops times that do not rise within the cue
        latest = max(latest, word.start_seconds)
        marked.append(f"<{_write_time(word.start_seconds, '.')}>{text}" if is_later else text)
    return " ".join(marked)


def _write_time(seconds: float, point: str) -> str:
    hours, minutes, whole, part = split_time(seconds, _MILLISECONDS)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{point}{part:03d}"


def _escape(text: str) -> str:
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _soften(text: str) -> str:
    """SRT has no escapes: its tags and arrows are written with other signs."""
    return clean(text).replace("-->", "→").translate(_SOFTER)
