"""Lines of words broken into rows that fit, with the place of every word."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from jobs.engines.films.bidi import base_level, list_levels
from jobs.engines.films.fonts import Shaped, Stretch, choose_fonts, shape
from jobs.formats.lyrics.lines import clean

LEADING = 1.36  # from one baseline to the next, in sizes: Arabic and Devanagari need more than Latin
ASCENT = 0.98  # of a row above its baseline, in sizes; the rest is below
SHRINK = 0.94
LONG_SHARE = 0.8  # of the wished size: text that must be smaller takes as many rows as there is height for
BREAKING_SHARE = 0.5  # and only text that must be as small as this may break within a word
BALANCE_STEPS = 7
_CJK = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF), (0x20000, 0x3FFFF))
_SMALL_KANA = frozenset("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ")
_CLOSING, _OPENING = ("Pe", "Pf", "Po", "Lm"), ("Ps", "Pi")  # what never begins a row, and what never ends one


@dataclass(frozen=True)
class Text:
    """A line that our fonts can write, and the word that each of its characters belongs to."""

    text: str
    fonts: tuple[int, ...]
    words: tuple[int, ...]
    levels: tuple[int, ...]

    @property
    def is_leftward(self) -> bool:
        """Whether it reads from right to left."""
        return bool(base_level(self.text))


@dataclass(frozen=True)
class Place:
    """A part of a word within its row; lengths in sizes. A word that is broken has one in each row."""

    word: int
    row: int
    left: float
    right: float
    is_leftward: bool


@dataclass(frozen=True)
class Setting:
    """Text in rows at one size: their outlines, and the words' places in the order in which they are sung."""

    size: float
    rows: tuple[Shaped, ...]
    places: tuple[Place, ...]
    is_leftward: bool

    @property
    def height(self) -> float:
        """All rows together."""
        return len(self.rows) * LEADING * self.size

    @property
    def width(self) -> float:
        """The widest row."""
        return max(row.width for row in self.rows) * self.size


def find_text(words: Sequence[str]) -> Text | None:
    """The words as one line, or None where a script has no font here: boxes would say something else."""
    pieces: list[str] = []
    owners: list[int] = []
    for number, word in enumerate(words):
        letters = unicodedata.normalize("NFC", clean(word))
        if pieces and not (_is_cjk(pieces[-1][-1:]) and _is_cjk(letters[:1])):
            pieces.append(" ")
            owners.append(number - 1)
        pieces.append(letters)
        owners.extend([number] * len(letters))
    text = "".join(pieces)
    fonts = choose_fonts(text)
    if not text.strip() or fonts is None:
        return None
    return Text(text, tuple(fonts), tuple(owners), tuple(list_levels(text, base_level(text))))


def set_text(text: Text, width: float, height: float, size: float, most_rows: int) -> Setting:
    """As large as it fits, and not larger than wished."""
    wished = size
    while True:
        breaks = _break(text, width / size, may_break_words=size < wished * BREAKING_SHARE)
        is_low = breaks is not None and len(breaks) * LEADING * size <= height
        if breaks is not None and is_low and (len(breaks) <= most_rows or size < wished * LONG_SHARE):
            setting = _set_rows(text, breaks, size)
            if setting.width <= width:
                return setting
        size *= SHRINK


def _set_rows(text: Text, breaks: Sequence[tuple[int, int]], size: float) -> Setting:
    rows = [
        shape(text.text[start:end], list(text.fonts[start:end]), list(text.levels[start:end]), start)
        for start, end in breaks
    ]
    places = sorted(_list_places(text, rows), key=lambda place: (place.word, place.row))
    return Setting(size, tuple(rows), tuple(places), text.is_leftward)


def _list_places(text: Text, rows: Sequence[Shaped]) -> Iterator[Place]:
    """Stretches that stand together and belong to one word, blanks left out."""
    for number, row in enumerate(rows):
        seen = [stretch for stretch in row.stretches if text.text[stretch.at] != " "]
        group: list[Stretch] = []
        for stretch in seen:
            if group and not _belong_together(text, group[-1], stretch):
                yield _gather(text, number, group)
                group = []
            group.append(stretch)
        if group:
            yield _gather(text, number, group)


def _belong_together(text: Text, one: Stretch, other: Stretch) -> bool:
    return text.words[one.at] == text.words[other.at] and one.is_leftward == other.is_leftward


def _gather(text: Text, row: int, group: Sequence[Stretch]) -> Place:
    return Place(text.words[group[0].at], row, group[0].left, group[-1].right, group[0].is_leftward)


def _break(text: Text, width: float, *, may_break_words: bool) -> list[tuple[int, int]] | None:
    """Rows from first to last character, about equally wide; None where a word is too wide."""
    pieces = _list_pieces(text, width, may_break_words=may_break_words)
    if pieces is None:
        return None
    rows = _fill(pieces, width)
    low, high = width / 2, width
    for _ in range(BALANCE_STEPS):
        middle = (low + high) / 2
        tried = _fill(pieces, middle)
        if len(tried) == len(rows) and all(piece.width <= middle for piece in pieces):
            rows, high = tried, middle
        else:
            low = middle
    return rows


@dataclass(frozen=True)
class _Piece:
    """What stays in one row; `width` is without the blank after it."""

    start: int
    end: int
    width: float
    blank: float


def _list_pieces(text: Text, width: float, *, may_break_words: bool) -> list[_Piece] | None:
    pieces = []
    advances = _measure(text)
    for start, end in _list_unbroken(text.text):
        seen = end - (text.text[end - 1] == " ")
        whole = _Piece(start, seen, sum(advances[start:seen]), sum(advances[seen:end]))
        if whole.width <= width:
            pieces.append(whole)
        elif not may_break_words:
            return None
        else:
            pieces.extend(_chop(advances, whole, width))
    return pieces


def _chop(advances: Sequence[float], piece: _Piece, width: float) -> Iterator[_Piece]:
    """Pieces of a word; a character without a width stays with the one before it."""
    start, filled = piece.start, 0.0
    for at in range(piece.start, piece.end):
        if filled + advances[at] > width and at > start:
            yield _Piece(start, at, filled, 0.0)
            start, filled = at, 0.0
        filled += advances[at]
    yield _Piece(start, piece.end, filled, piece.blank)


def _fill(pieces: Sequence[_Piece], width: float) -> list[tuple[int, int]]:
    rows: list[tuple[int, int]] = []
    start, filled = pieces[0].start, pieces[0].width
    for before, piece in pairwise(pieces):
        if filled + before.blank + piece.width > width:
            rows.append((start, before.end))
            start, filled = piece.start, piece.width
        else:
            filled += before.blank + piece.width
    return [*rows, (start, pieces[-1].end)]


@lru_cache(maxsize=1024)
def _measure(text: Text) -> list[float]:
    """The advance of each character; a cluster's stands at its first."""
    advances = [0.0] * len(text.text)
    for stretch in shape(text.text, list(text.fonts), list(text.levels)).stretches:
        advances[stretch.at] += stretch.right - stretch.left
    return advances


def _list_unbroken(text: str) -> list[tuple[int, int]]:
    """From one place where a row may end to the next; a blank belongs to what is before it."""
    ends = [at + 1 for at in range(len(text) - 1) if _may_part(text[at], text[at + 1])]
    return list(pairwise((0, *ends, len(text))))


def _may_part(one: str, other: str) -> bool:
    if one == " ":
        return True
    if not (_is_cjk(one) or _is_cjk(other)) or other == " " or other in _SMALL_KANA:
        return False
    return unicodedata.category(other) not in _CLOSING and unicodedata.category(one) not in _OPENING


def _is_cjk(character: str) -> bool:
    return bool(character) and any(low <= ord(character) <= high for low, high in _CJK)
