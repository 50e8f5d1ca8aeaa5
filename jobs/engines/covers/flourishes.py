"""Flourishes: what somebody may choose to have drawn over all their covers, in the colours of the cover."""

from jobs.engines.covers.canvas import Canvas, Dice, Point, arc, around, pair
from jobs.engines.covers.palette import Palette


def frame(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """A fine line along the edge."""
    inset = canvas.unit * 0.035
    corners = _corners(canvas, inset)
    path = "M" + "L".join(pair(corner) for corner in corners) + "Z"
    canvas.line(path, canvas.unit * 0.004, colours.figures[4], 0.9)


def corners(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """A bracket in each corner."""
    inset, length = canvas.unit * 0.045, canvas.unit * 0.09
    for x, y in _corners(canvas, inset):
        across = length if x < canvas.width / 2 else -length
        down = length if y < canvas.height / 2 else -length
        path = f"M{pair((x + across, y))}L{pair((x, y))}L{pair((x, y + down))}"
        canvas.line(path, canvas.unit * 0.009, colours.accent)


def dusk(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """The ground rises from below."""
    stops = [(0.0, colours.ground, 0.0), (0.55, colours.ground, 0.0), (1.0, colours.ground, 0.92)]
    canvas.fill(canvas.linear((0, 0), (0, canvas.height), stops))


def halo(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """Three thin circles around the middle."""
    centre = canvas.width / 2, canvas.height / 2
    for step, opacity in enumerate((0.9, 0.55, 0.3)):
        canvas.ring(centre, canvas.unit * (0.4 + 0.022 * step), canvas.unit * 0.004, colours.accent, opacity)


def stardust(canvas: Canvas, colours: Palette, dice: Dice) -> None:
    """Specks of light all over."""
    for _ in range(110):
        point = dice.between(0, canvas.width), dice.between(0, canvas.height)
        canvas.circle(point, canvas.unit * dice.between(0.0012, 0.0042), colours.figures[4], dice.between(0.35, 0.95))


def sunrise(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """Arcs over the lower edge."""
    centre = canvas.width / 2, float(canvas.height)
    for step in range(6):
        paint = colours.accent if step % 2 else colours.figures[4]
        canvas.line(arc(centre, canvas.unit * (0.1 + 0.028 * step), 180, 180), canvas.unit * 0.007, paint, 0.85)


def ribbon(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """Three stripes across a corner."""
    for step, paint in enumerate((colours.accent, colours.figures[3], colours.figures[4])):
        reach = canvas.unit * (0.24 + 0.035 * step)
        path = f"M{pair((canvas.width - reach, 0))}L{pair((canvas.width, reach))}"
        canvas.line(path, canvas.unit * 0.018, paint, 0.95)


def vignette(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """The ground closes in from the edges."""
    stops = [(0.0, colours.ground, 0.0), (0.6, colours.ground, 0.0), (1.0, colours.ground, 0.85)]
    canvas.fill(canvas.radial((canvas.width / 2, canvas.height / 2), canvas.reach * 0.56, stops))


def beads(canvas: Canvas, colours: Palette, dice: Dice) -> None:
    """A string of beads above the lower edge."""
    count, inset = 15, canvas.unit * 0.08
    y = canvas.height - inset
    canvas.line(f"M{pair((inset, y))}L{pair((canvas.width - inset, y))}", canvas.unit * 0.002, colours.figures[4], 0.7)
    for bead in range(count):
        point = inset + (canvas.width - 2 * inset) * bead / (count - 1), y
        size = canvas.unit * dice.pick((0.006, 0.009, 0.014))
        canvas.circle(point, size, dice.pick((colours.accent, colours.figures[3], colours.figures[4])))


def crescent(canvas: Canvas, colours: Palette, _dice: Dice) -> None:
    """A thin moon in the upper corner."""
    radius = canvas.unit * 0.06
    centre = canvas.width - canvas.unit * 0.13, canvas.unit * 0.13
    horns = around(centre, radius, 60), around(centre, radius, 240)
    inner, outer = pair((radius * 1.25, radius * 1.25)), pair((radius, radius))
    path = f"M{pair(horns[0])}A{outer} 0 0 1 {pair(horns[1])}A{inner} 0 0 0 {pair(horns[0])}Z"
    canvas.shape(path, colours.figures[4])


FLOURISHES = {
    draw.__name__: draw for draw in (frame, corners, dusk, halo, stardust, sunrise, ribbon, vignette, beads, crescent)
}


def _corners(canvas: Canvas, inset: float) -> tuple[Point, Point, Point, Point]:
    right, bottom = canvas.width - inset, canvas.height - inset
    return (inset, inset), (right, inset), (right, bottom), (inset, bottom)
