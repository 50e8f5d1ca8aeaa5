"""Letters of many scripts, from fonts that we ship: each character is set in the first font that has it."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby

import uharfbuzz

from jobs.engines.films.bidi import order_runs

# Latin, Greek and Cyrillic; then cut to what fits two megabytes: JIS X 0208's first level of kanji, the common emoji.
FONTS = (
    ("jobs.engines.covers", "fonts/Geologica-Bold.ttf"),
    ("jobs.engines.films", "fonts/NotoSansHebrew-Bold.ttf"),
    ("jobs.engines.films", "fonts/NotoSansArabic-Bold.ttf"),
    ("jobs.engines.films", "fonts/NotoSansDevanagari-Bold.ttf"),
    ("jobs.engines.films", "fonts/NotoSansJP-Bold.ttf"),
    ("jobs.engines.films", "fonts/NotoEmoji-Bold.ttf"),
)
FIRST, EMOJI = 0, len(FONTS) - 1
AS_EMOJI = "\ufe0f"
_UNSEEN = ("\u200c", "\u200d", "\ufe0e", AS_EMOJI)


@dataclass(frozen=True)
class Glyph:
    """One outline of a font and where its origin stands; lengths in sizes, y upwards from the baseline."""

    font: int
    number: int
    x: float
    y: float


@dataclass(frozen=True)
class Stretch:
    """What one cluster takes of a row, from left to right; `at` is its first character."""

    at: int
    left: float
    right: float
    is_leftward: bool


@dataclass(frozen=True)
class Shaped:
    """A row of text: its outlines, who takes which part of it, and its width."""

    glyphs: tuple[Glyph, ...]
    stretches: tuple[Stretch, ...]
    width: float


@cache
def load_font(number: int) -> uharfbuzz.Font:
    """A font in units of its own."""
    package, path = FONTS[number]
    return uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob(files(package).joinpath(path).read_bytes())))


@cache
def _letters(number: int) -> frozenset[int]:
    return frozenset(load_font(number).face.unicodes)


def choose_fonts(text: str) -> list[int] | None:
    """The font of each character, or None where a character is in none of them."""
    chosen: list[int] = []
    for at, character in enumerate(text):
        font = _choose(character, text[at + 1 : at + 2], chosen[-1] if chosen else FIRST)
        if font is None:
            return None
        chosen.append(font)
    return chosen


def _choose(character: str, following: str, previous: int) -> int | None:
    if character == " ":
        return FIRST
    if character in _UNSEEN:
        return previous
    if following == AS_EMOJI and ord(character) in _letters(EMOJI):
        return EMOJI
    if unicodedata.category(character)[0] == "M" and ord(character) in _letters(previous):
        return previous
    return next((number for number in range(len(FONTS)) if ord(character) in _letters(number)), None)


def shape(text: str, fonts: list[int], levels: list[int], first: int = 0) -> Shaped:
    """Set one row; `first` is what its first character is called in the stretches."""
    keys = list(zip(fonts, levels, strict=True))
    runs = [[at for at, _ in group] for _, group in groupby(enumerate(keys), key=lambda pair: pair[1])]
    glyphs: list[Glyph] = []
    stretches: list[Stretch] = []
    x = 0.0
    for number in order_runs([levels[run[0]] for run in runs]):
        start, end = runs[number][0], runs[number][-1] + 1
        is_leftward = bool(levels[start] % 2)
        for glyph, at, advance in _shape_run(text[start:end], fonts[start], is_leftward=is_leftward):
            glyphs.append(Glyph(fonts[start], glyph.number, x + glyph.x, glyph.y))
            stretches.append(Stretch(first + start + at, x, x + advance, is_leftward))
            x += advance
    return Shaped(tuple(glyphs), tuple(stretches), x)


def _shape_run(text: str, font: int, *, is_leftward: bool) -> Iterator[tuple[Glyph, int, float]]:
    buffer = uharfbuzz.Buffer()
    buffer.add_codepoints([ord(one) for one in text])  # clusters count characters
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if is_leftward else "ltr"
    uharfbuzz.shape(load_font(font), buffer)
    unit = 1 / load_font(font).face.upem
    for glyph, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        placed = Glyph(font, glyph.codepoint, place.x_offset * unit, place.y_offset * unit)
        yield placed, glyph.cluster, place.x_advance * unit
