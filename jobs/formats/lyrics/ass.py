"""Advanced SubStation Alpha, the format of karaoke editors: each word fills with colour while it is sung."""

from collections.abc import Iterator, Sequence

from jobs.formats.lyrics.lines import Line, clean, split_time

_CENTISECONDS = 100
_LEAD_SECONDS = 0.6  # a line is there before it is sung
_HEAD = """[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Line,Sans,72,&H0000D7FF,&H00FFFFFF,&H00202020,&H80000000,-1,0,0,0,100,100,0,0,1,3,1,2,120,120,90,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def write_ass(lines: Sequence[Line]) -> str:
    """A dialogue for each line, with a karaoke time for each word and for the breath before it."""
    return _HEAD + "".join(_dialogues(lines))


def _dialogues(lines: Sequence[Line]) -> Iterator[str]:
    before = 0.0
    for line in lines:
        start = min(max(line.start_seconds - _LEAD_SECONDS, before), line.start_seconds)
        before = line.end_seconds
        yield f"Dialogue: 0,{_write_time(start)},{_write_time(line.end_seconds)},Line,,0,0,0,,{_fill(line, start)}\n"


def _fill(line: Line, start: float) -> str:
    """Lengths are counted from the line's start, so that roundings do not add up."""
    parts, at = [], _round(start)
    for place, word in enumerate(line.words):
        begins = max(_round(word.start_seconds), at)
        ends = max(_round(word.end_seconds), begins)
        space = " " if place else ""
        parts.append(f"{{\\k{begins - at}}}{space}{{\\kf{ends - begins}}}{_escape(word.text)}")
        at = ends
    return "".join(parts)


def _round(seconds: float) -> int:
    return round(seconds * _CENTISECONDS)


def _write_time(seconds: float) -> str:
    hours, minutes, whole, part = split_time(seconds, _CENTISECONDS)
    return f"{hours}:{minutes:02d}:{whole:02d}.{part:02d}"


def _escape(text: str) -> str:
    """Without the signs that begin commands."""
    return clean(text).translate(str.maketrans("{}\\", "()\u29f5"))
