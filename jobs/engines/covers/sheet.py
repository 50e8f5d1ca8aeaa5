"""The sheet that a family draws on: where its picture may stand, where the title does, and what they show."""

import math
from dataclasses import dataclass

from jobs.engines.covers.canvas import Canvas, Dice, Point
from jobs.engines.covers.contour import Contour
from jobs.engines.covers.inks import Inks
from jobs.engines.covers.lettering import Lettering, draw_letters, find_letters, set_title

MARGIN = 0.075  # of the sheet's shorter side, as are the next two
LARGEST_TITLE = 0.15
GAP = 0.06  # between the picture and the title
COLUMN = 0.4  # of a wide sheet's width that its title may take
WIDE_LINE = 0.7  # of a wide sheet's width, where the title stands above
TITLE_SHARE = 0.34  # of the height that it may take there and on any other sheet


@dataclass(frozen=True)
class Box:
    """A part of the sheet."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def unit(self) -> float:
        return min(self.width, self.height)

    def at(self, across: float, down: float) -> Point:
        """The point at these shares of the box."""
        return self.x + self.width * across, self.y + self.height * down

    def inset(self, margin: float) -> "Box":
        return Box(self.x + margin, self.y + margin, self.width - 2 * margin, self.height - 2 * margin)


@dataclass(frozen=True)
class Sheet:
    """What a family is given; it may draw beyond its box, since the title's panel covers that."""

    canvas: Canvas
    box: Box
    inks: Inks
    contour: Contour
    theme: Dice
    arrangement: Dice

    @property
    def size(self) -> float:
        """How large a round figure is that fills the box and may leave it a little."""
        return max(self.canvas.unit, min(self.canvas.unit * 1.25, math.sqrt(self.box.width * self.box.height)))

    @property
    def margin(self) -> float:
        return self.canvas.unit * MARGIN


@dataclass(frozen=True)
class Title:
    """The panel that a title has to itself, its letters, and where their upper left corner stands."""

    panel: Box
    lettering: Lettering
    corner: Point


@dataclass(frozen=True)
class Layout:
    """The two parts of a sheet: the picture's box, and the title, if it has one."""

    box: Box
    title: Title | None = None


def lay_out(canvas: Canvas, title: str, *, is_above: bool) -> Layout:
    """The title above the picture or below it, and beside it rather than below where the sheet is wide."""
    text = find_letters(title)
    if text is None:
        return Layout(Box(0, 0, canvas.width, canvas.height))
    is_wide = canvas.width > canvas.height
    unit, margin, gap = canvas.unit, canvas.unit * MARGIN, canvas.unit * GAP
    if is_wide and not is_above:
        lettering = set_title(text, canvas.width * COLUMN - margin, unit - 2 * margin, unit, largest=LARGEST_TITLE)
        side = margin + lettering.width + gap
        corner = margin, canvas.height - margin - lettering.height
        beside = Box(side, 0, canvas.width - side, canvas.height)
        return Layout(beside, Title(Box(0, 0, side, canvas.height), lettering, corner))
    width = canvas.width * (WIDE_LINE if is_wide else 1) - 2 * margin
    lettering = set_title(text, width, canvas.height * TITLE_SHARE - margin, unit, largest=LARGEST_TITLE)
    strip = margin + lettering.height + gap
    rest = canvas.height - strip
    if is_above:
        panel, corner = Box(0, 0, canvas.width, strip), (margin, margin)
        return Layout(Box(0, strip, canvas.width, rest), Title(panel, lettering, corner))
    panel, corner = Box(0, rest, canvas.width, strip), (margin, canvas.height - margin - lettering.height)
    return Layout(Box(0, 0, canvas.width, rest), Title(panel, lettering, corner))


def draw_title(canvas: Canvas, title: Title, inks: Inks) -> None:
    """Write the title on a panel of the ground's colour, so that nothing stands behind it."""
    panel = title.panel
    canvas.rectangle((panel.x, panel.y), panel.width, panel.height, inks.ground)
    canvas.shape(draw_letters(title.lettering, title.corner), inks.title)
