"""Lyrics in every format, read back by other people's readers."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from io import BytesIO

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.formats.lyrics import (
    Line,
    Word,
    check_lines,
    write_ass,
    write_enhanced_lrc,
    write_json,
    write_lrc,
    write_srt,
    write_ttml,
    write_vtt,
)

Writer = Callable[[Sequence[Line]], str]
TIMED_TEXT = "{http://www.w3.org/ns/ttml}"

SONG = [
    Line((Word("Rain", 1.004, 1.4, 0.9), Word("on", 1.4, 1.62), Word("the", 1.62, 1.8), Word("wire", 1.8, 2.999))),
    Line((Word("holds", 3.2, 3.7), Word("me", 3.7, 4.1))),
    Line((Word("an", 3661.25, 3661.5), Word("hour", 3661.5, 3663.0))),
]
HOSTILE = [
    "<script>alert(1)</script>",
    "--> 00:00:01,000",
    "{\\an8\\fs200}",
    "[00:01.00]",
    "a\nb\r\nc",
    "&amp; & <i>",
    "\u202etxt.exe",
    "NUL\x00here",
    "\u2028line",
    "{{c1::x}}",
    "]]>",
    '"quoted"',
    "שלום עולם",
    "雨が降る",
    "🎹🎶",
]

words = st.lists(st.tuples(st.text(min_size=1, max_size=12), st.floats(0, 3), st.floats(0, 2)), min_size=1, max_size=6)


def make_lines(drawn: list[list[tuple[str, float, float]]]) -> list[Line]:
    """Lines out of gaps and lengths, so that no time runs backwards."""
    at, lines = 0.0, []
    for row in drawn:
        made = []
        for text, gap, length in row:
            at += gap
            made.append(Word(text, at, at + length))
            at += length
        lines.append(Line(tuple(made)))
    return lines


def read_cues(text: str, kind: str) -> list[tuple[float, float]]:
    """Start and end of each cue, as FFmpeg reads them."""
    with av.open(BytesIO(text.encode()), format=kind, mode="r") as container:
        stream = container.streams.subtitles[0]
        base = float(stream.time_base or 0)
        times = [(packet.pts, packet.duration or 0) for packet in container.demux(stream)]
        return [(start * base, (start + length) * base) for start, length in times if start is not None]


def read_xml(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - which we wrote ourselves


@pytest.mark.parametrize(("write", "kind"), [(write_srt, "srt"), (write_vtt, "webvtt"), (write_ass, "ass")])
def test_players_read_a_cue_for_each_line_at_its_time(write: Writer, kind: str) -> None:
    cues = read_cues(write(SONG), kind)
    assert len(cues) == len(SONG)
    for line, (start, end) in zip(SONG, cues, strict=True):
        assert line.start_seconds - 0.61 <= start <= line.start_seconds + 0.01
        assert end >= line.end_seconds - 0.01


@pytest.mark.parametrize(("write", "kind"), [(write_srt, "srt"), (write_vtt, "webvtt")])
def test_no_cue_goes_on_when_the_film_is_over(write: Callable[..., str], kind: str) -> None:
    lines = [
        Line((Word("one", 1, 2.9),)),
        Line((Word("two", 3, 3.7), Word("late", 3.7, 9))),
        Line((Word("gone", 8, 9),)),
    ]

    def read_until(seconds: float) -> list[tuple[float, float]]:
        told = read_cues(write(lines, until_seconds=seconds), kind)
        return [(round(start, 3), round(end, 3)) for start, end in told]

    assert read_until(11 / 3) == [(1, 3), (3, 3.666)]
    assert read_until(3.01) == [(1, 3)]
    assert len(read_until(60)) == 3


def test_music_players_read_a_time_for_each_line_and_for_each_silence() -> None:
    starts = [start for start, _ in read_cues(write_lrc(SONG), "lrc")]
    assert starts == pytest.approx([1.0, 3.2, 4.1, 3661.25, 3663.0], abs=0.006)


def test_lrc_has_its_tags_and_minutes_beyond_the_hour() -> None:
    text = write_lrc(SONG, title="Rain [live]", artist="Me")
    assert text.startswith("[ti:Rain (live)]\n[ar:Me]\n[00:01.00]Rain on the wire\n")
    assert "[61:01.25]an hour\n" in text


def test_enhanced_lrc_times_each_word_and_the_end_of_the_line() -> None:
    first = write_enhanced_lrc(SONG).splitlines()[0]
    assert first == "[00:01.00]<00:01.00> Rain <00:01.40> on <00:01.62> the <00:01.80> wire <00:03.00>"


def test_vtt_lights_words_within_their_cue_only() -> None:
    assert "Rain <00:00:01.400>on <00:00:01.620>the <00:00:01.800>wire" in write_vtt(SONG)
    assert "<00:" not in write_vtt(SONG, has_word_times=False)
    together = [Line((Word("a", 1, 1), Word("b", 1, 1), Word("c", 1, 1.5)))]
    assert "a b c" in write_vtt(together)


def test_ass_fills_words_for_as_long_as_they_are_sung() -> None:
    line = next(row for row in write_ass(SONG).splitlines() if row.startswith("Dialogue"))
    spans = [int(length) for length in re.findall(r"\\kf?(\d+)", line)]
    start = 1.004 - 0.6
    assert sum(spans) == round((2.999 - start) * 100)
    assert re.findall(r"\\kf(\d+)", line) == ["40", "22", "18", "120"]


def test_ttml_is_xml_with_a_span_for_each_word() -> None:
    tree = read_xml(write_ttml(SONG, language="en"))
    paragraphs = list(tree.iter(f"{TIMED_TEXT}p"))
    assert [paragraph.get("begin") for paragraph in paragraphs] == ["00:00:01.004", "00:00:03.200", "01:01:01.250"]
    assert [span.text for span in paragraphs[0].iter(f"{TIMED_TEXT}span")] == ["Rain", "on", "the", "wire"]
    assert tree.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"


def test_json_keeps_what_is_known_and_says_what_is_not() -> None:
    document = json.loads(write_json(SONG))
    first, second = document["lines"][0]["words"][:2]
    assert first == {"text": "Rain", "startSeconds": 1.004, "endSeconds": 1.4, "confidence": 0.9}
    assert second["confidence"] is None


@pytest.mark.parametrize("text", HOSTILE)
def test_words_never_become_commands(text: str) -> None:
    lines = [Line((Word(text, 1, 2), Word("after", 2, 3))), Line((Word("next", 4, 5),))]
    assert len(read_cues(write_srt(lines), "srt")) == 2
    assert len(read_cues(write_vtt(lines), "webvtt")) == 2
    assert len(read_cues(write_ass(lines), "ass")) == 2
    assert len(re.findall(r"^\[\d", write_lrc(lines), re.MULTILINE)) == 3
    assert len(re.findall(r"<\d", write_enhanced_lrc(lines))) == 5
    dialogue = next(row for row in write_ass(lines).splitlines() if row.startswith("Dialogue"))
    assert set(re.findall(r"\{(.*?)\}", dialogue)) <= {r"\k60", r"\kf100", r"\k0"}
    assert len(list(read_xml(write_ttml(lines)).iter(f"{TIMED_TEXT}span"))) == 3
    assert "<script" not in write_vtt(lines) + write_srt(lines)


@given(st.lists(words, max_size=5))
def test_any_words_are_written_or_refused_and_read_back(drawn: list[list[tuple[str, float, float]]]) -> None:
    lines = make_lines(drawn)
    try:
        check_lines(lines)
    except ValueError:
        return
    for write in (write_lrc, write_enhanced_lrc, write_srt, write_vtt, write_ass):
        write(lines)
    assert len(json.loads(write_json(lines))["lines"]) == len(lines)
    assert len(list(read_xml(write_ttml(lines)).iter(f"{TIMED_TEXT}p"))) == len(lines)


@pytest.mark.parametrize(
    "lines",
    [
        [Line(())],
        [Line((Word(" \x00", 0, 1),))],
        [Line((Word("a", 2, 1),))],
        [Line((Word("a", -1, 1),))],
        [Line((Word("a", float("nan"), 1),))],
        [Line((Word("a", 1, float("inf")),))],
        [Line((Word("a", 5, 6),)), Line((Word("b", 1, 2),))],
    ],
)
def test_lines_that_cannot_be_sung_are_refused(lines: list[Line]) -> None:
    with pytest.raises(ValueError, match="word"):
        check_lines(lines)
