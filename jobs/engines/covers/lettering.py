"""The title as outlines: set in our own font, broken into at most three lines, as large as its box allows."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, combinations, pairwise

import uharfbuzz

from jobs.engines.covers.canvas import Point, pair

MOST_LINES = 3
LEADING = 1.08  # from one baseline to the next, in sizes
CAP_HEIGHT = 0.72  # of the size, as the font has it
DESCENT = 0.2
SMALLEST = 0.042  # of the sheet's shorter side: 6 pixels where the cover is shown at 150
ELLIPSIS = "…"
FONT = "fonts/Geologica-Bold.ttf"


@dataclass(frozen=True)
class Lettering:
    """A title that fits: its lines, their size, and what they take up."""

    lines: tuple[str, ...]
    size: float
    width: float

    @property
    def height(self) -> float:
        """From the top of the capitals to the foot of the last line's descenders."""
        return self.size * (CAP_HEIGHT + (len(self.lines) - 1) * LEADING + DESCENT)


def find_letters(title: str) -> str | None:
    """What can be set of a title: without pictures and signs that the font lacks, or None where it lacks a letter.

    A title of which a part is missing misleads, and one in boxes is ugly: such a cover has none.
    """
    kept = []
    for character in unicodedata.normalize("NFC", " ".join(title.split())):
        if character == " " or _font().get_nominal_glyph(ord(character)) is not None:
            kept.append(character)
        elif unicodedata.category(character)[0] in "LMN":
            return None
    return " ".join("".join(kept).split()) or None


def set_title(text: str, width: float, height: float, unit: float, *, largest: float) -> Lettering:
    """Break a title into the lines that let it be largest; sizes are shares of `unit`."""
    words = text.split(" ")
    settings = [_set_lines(_balance(words, count), width, height, largest * unit) for count in range(1, MOST_LINES + 1)]
    best = max(settings, key=lambda lettering: lettering.size)
    if best.size >= SMALLEST * unit:
        return best
    return _set_lines(_cut(text, width, SMALLEST * unit), width, height, SMALLEST * unit)


def draw_letters(lettering: Lettering, corner: Point) -> str:
    """The outlines of a title whose capitals begin at this upper left corner."""
    x, top = corner
    pieces = []
    for number, line in enumerate(lettering.lines):
        baseline = top + lettering.size * (CAP_HEIGHT + number * LEADING)
        pieces.append(_trace(line, lettering.size, (x, baseline)))
    return "".join(pieces)


def _set_lines(lines: Sequence[str], width: float, height: float, largest: float) -> Lettering:
    widest = max(map(_measure, lines))
    rows = CAP_HEIGHT + (len(lines) - 1) * LEADING + DESCENT
    size = min(largest, width / widest, height / rows)
    return Lettering(tuple(lines), size, widest * size)


def _balance(words: Sequence[str], count: int) -> list[str]:
    """Words in at most so many lines, of which the widest is as narrow as can be."""
    blank = _measure(" ")
    ends = list(accumulate(_measure(word) + blank for word in words))  # where the word after it would begin

    def widest(breaks: tuple[int, ...]) -> float:
        bounds = (0, *breaks, len(words))
        return max(ends[end - 1] - (ends[start - 1] if start else 0.0) for start, end in pairwise(bounds))

    best = min(combinations(range(1, len(words)), min(count, len(words)) - 1), key=widest)
    return [" ".join(words[start:end]) for start, end in pairwise((0, *best, len(words)))]


def _cut(text: str, width: float, size: float) -> list[str]:
    """Lines filled letter by letter, with an ellipsis where they do not hold all."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < MOST_LINES:
        fits = max(count for count in range(1, len(rest) + 1) if count == 1 or _measure(rest[:count]) * size <= width)
        blank = rest.rfind(" ", 0, fits + 1) if fits < len(rest) else -1
        end = blank if blank > fits // 2 else fits
        lines.append(rest[:end].strip())
        rest = rest[end:].strip()
    if rest:
        last = lines[-1]
        while _measure(last + ELLIPSIS) * size > width:
            last = last[:-1].rstrip()
        lines[-1] = last + ELLIPSIS
    return lines


@cache
def _font() -> uharfbuzz.Font:
    """Our font, in units of its own."""
    letters = files("jobs.engines.covers").joinpath(FONT).read_bytes()
    return uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob(letters)))


def _shape(line: str) -> list[tuple[int, int, int, int]]:
    """Each glyph, where it stands, and how far it moves on."""
    buffer = uharfbuzz.Buffer()
    buffer.add_str(line)
    buffer.guess_segment_properties()
    uharfbuzz.shape(_font(), buffer)
    placed = zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    return [(glyph.codepoint, place.x_offset, place.y_offset, place.x_advance) for glyph, place in placed]


def _measure(line: str) -> float:
    """The width of a line at the size of 1."""
    return sum(advance for *_, advance in _shape(line)) / float(_font().face.upem)


class _Pen:
    """Takes the outlines of one glyph after the other, in the font's units with y upwards."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self.origin = 0.0, 0.0
        self.pieces: list[str] = []

    def moveTo(self, point: Point) -> None:  # noqa: N802 -- the library's name
        self.pieces.append(f"M{self._place(point)}")

    def lineTo(self, point: Point) -> None:  # noqa: N802 -- the library's name
        self.pieces.append(f"L{self._place(point)}")

    def qCurveTo(self, control: Point, point: Point) -> None:  # noqa: N802 -- the library's name
        self.pieces.append(f"Q{self._place(control)} {self._place(point)}")

    def curveTo(self, first: Point, second: Point, point: Point) -> None:  # noqa: N802 -- the library's name
        self.pieces.append(f"C{self._place(first)} {self._place(second)} {self._place(point)}")

    def closePath(self) -> None:  # noqa: N802 -- the library's name
        self.pieces.append("Z")

    def _place(self, point: Point) -> str:
        return pair((self.origin[0] + point[0] * self._scale, self.origin[1] - point[1] * self._scale))


def _trace(line: str, size: float, corner: Point) -> str:
    """The outlines of one line whose baseline begins here."""
    pen = _Pen(size / float(_font().face.upem))
    scale, (x, baseline) = size / float(_font().face.upem), corner
    for glyph, right, up, advance in _shape(line):
        pen.origin = x + right * scale, baseline - up * scale
        _font().draw_glyph_with_pen(glyph, pen)
        x += advance * scale
    return "".join(pen.pieces)
