"""TTML, the format of broadcasters and of Apple Music: XML with a span for each word."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from jobs.formats.lyrics.lines import Line, clean, split_time

_MILLISECONDS = 1000


def write_ttml(lines: Sequence[Line], *, language: str = "") -> str:
    """A paragraph for each line; `language` is a BCP 47 tag, empty where it is not known."""
    paragraphs = "".join(_write_line(line) for line in lines)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<tt xmlns="http://www.w3.org/ns/ttml" xml:lang={quoteattr(clean(language))}>\n'
        f"  <body>\n    <div>\n{paragraphs}    </div>\n  </body>\n</tt>\n"
    )


def _write_line(line: Line) -> str:
    spans = " ".join(
        f"<span{_write_times(word.start_seconds, word.end_seconds)}>{escape(clean(word.text))}</span>"
        for word in line.words
    )
    return f"      <p{_write_times(line.start_seconds, line.end_seconds)}>{spans}</p>\n"


def _write_times(start: float, end: float) -> str:
    return f' begin="{_write_time(start)}" end="{_write_time(end)}"'


def _write_time(seconds: float) -> str:
    hours, minutes, whole, part = split_time(seconds, _MILLISECONDS)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}.{part:03d}"
