"""Flourishes: what somebody may choose to have drawn over all their covers, in the inks of the cover."""

from jobs.engines.covers.canvas import Canvas, Dice, Point, arc, around, pair
from jobs.engines.covers.inks import Inks


def frame(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """A fine line along the edge."""
    inset = canvas.unit * 0.035
    corners = _corners(canvas, inset)
    path = "M" + "L".join(pair(corner) for corner in corners) + "Z"
    canvas.line(path, canvas.unit * 0.004, inks.tones[3])


def corners(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """A bracket in each corner."""
    inset, length = canvas.unit * 0.045, canvas.unit * 0.09
    for x, y in _corners(canvas, inset):
        across = length if x < canvas.width / 2 else -length
        down = length if y < canvas.height / 2 else -length
        path = f"M{pair((x + across, y))}L{pair((x, y))}L{pair((x, y + down))}"
        canvas.line(path, canvas.unit * 0.009, inks.accent)


def dusk(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """The ground rises from below, stripe by stripe."""
    for step in range(6):
        top = canvas.height - canvas.unit * (0.26 - 0.045 * step)
        canvas.rectangle((0, top), canvas.width, canvas.unit * (0.006 + 0.006 * step), inks.ground)


def halo(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """Three thin circles around the middle."""
    centre = canvas.width / 2, canvas.height / 2
    for step in range(3):
        canvas.ring(centre, canvas.unit * (0.4 + 0.022 * step), canvas.unit * 0.004, inks.accent)


def stardust(canvas: Canvas, inks: Inks, dice: Dice) -> None:
    """Specks of light all over."""
    for _ in range(110):
        point = dice.between(0, canvas.width), dice.between(0, canvas.height)
        canvas.circle(point, canvas.unit * dice.between(0.0012, 0.0042), inks.tones[3])


def sunrise(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """Arcs over the lower edge."""
    centre = canvas.width / 2, float(canvas.height)
    for step in range(6):
        paint = inks.accent if step % 2 else inks.tones[3]
        canvas.line(arc(centre, canvas.unit * (0.1 + 0.028 * step), 180, 180), canvas.unit * 0.007, paint)


def ribbon(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """Three stripes across a corner."""
    for step, paint in enumerate((inks.accent, inks.tones[2], inks.tones[3])):
        reach = canvas.unit * (0.24 + 0.035 * step)
        path = f"M{pair((canvas.width - reach, 0))}L{pair((canvas.width, reach))}"
        canvas.line(path, canvas.unit * 0.018, paint)


def vignette(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """The corners are rounded off."""
    size = canvas.unit * 0.2
    for x, y in _corners(canvas, 0):
        across, down = (size if x < canvas.width / 2 else -size), (size if y < canvas.height / 2 else -size)
        sweep = 1 if (across > 0) != (down > 0) else 0
        start, end = pair((x + across, y)), pair((x, y + down))
        canvas.shape(f"M{pair((x, y))}L{start}A{pair((size, size))} 0 0 {sweep} {end}Z", inks.tones[1])


def beads(canvas: Canvas, inks: Inks, dice: Dice) -> None:
    """A string of beads above the lower edge."""
    count, inset = 15, canvas.unit * 0.08
    y = canvas.height - inset
    canvas.line(f"M{pair((inset, y))}L{pair((canvas.width - inset, y))}", canvas.unit * 0.002, inks.tones[3])
    for bead in range(count):
        point = inset + (canvas.width - 2 * inset) * bead / (count - 1), y
        size = canvas.unit * dice.pick((0.006, 0.009, 0.014))
        canvas.circle(point, size, dice.pick((inks.accent, inks.tones[2], inks.tones[3])))


def crescent(canvas: Canvas, inks: Inks, _dice: Dice) -> None:
    """A thin moon in the upper corner."""
    radius = canvas.unit * 0.06
    centre = canvas.width - canvas.unit * 0.13, canvas.unit * 0.13
    horns = around(centre, radius, 60), around(centre, radius, 240)
    inner, outer = pair((radius * 1.25, radius * 1.25)), pair((radius, radius))
    path = f"M{pair(horns[0])}A{outer} 0 0 1 {pair(horns[1])}A{inner} 0 0 0 {pair(horns[0])}Z"
    canvas.shape(path, inks.tones[3])


FLOURISHES = {
    draw.__name__: draw for draw in (frame, corners, dusk, halo, stardust, sunrise, ribbon, vignette, beads, crescent)
}


def _corners(canvas: Canvas, inset: float) -> tuple[Point, Point, Point, Point]:
    right, bottom = canvas.width - inset, canvas.height - inset
    return (inset, inset), (right, inset), (right, bottom), (inset, bottom)
