"""Orbits: a lit body, rings that leave the sheet, and moons upon them."""

from jobs.engines.covers.canvas import Canvas, Dice, Point, arc, around
from jobs.engines.covers.palette import Palette


def draw(canvas: Canvas, colours: Palette, theme: Dice, arrangement: Dice) -> None:
    """Draw the family's composition."""
    tilt = theme.between(0, 360)
    growth = theme.between(1.22, 1.36)
    centre = _place_centre(canvas, arrangement)
    canvas.fill(colours.ground)
    glow = [(0.0, colours.figures[1], 0.85), (0.45, colours.figures[0], 0.6), (1.0, colours.ground, 0.0)]
    canvas.fill(canvas.radial(centre, canvas.reach * 0.62, glow))
    _scatter_stars(canvas, colours, arrangement)
    body = canvas.unit * arrangement.between(0.13, 0.19)
    radius = body * 1.45
    while radius < canvas.reach:
        _draw_orbit(canvas, colours, arrangement, centre, radius)
        radius *= growth * arrangement.between(0.94, 1.08)
    _draw_body(canvas, colours, centre, body, tilt + arrangement.between(-50, 50))


def _place_centre(canvas: Canvas, arrangement: Dice) -> Point:
    across, down = arrangement.pick([0.34, 0.5, 0.66]), arrangement.pick([0.36, 0.5, 0.62])
    return canvas.width * (across + arrangement.between(-0.04, 0.04)), canvas.height * (
        down + arrangement.between(-0.04, 0.04)
    )


def _scatter_stars(canvas: Canvas, colours: Palette, arrangement: Dice) -> None:
    for _ in range(70):
        point = arrangement.between(0, canvas.width), arrangement.between(0, canvas.height)
        size = canvas.unit * arrangement.between(0.0008, 0.0026)
        canvas.circle(point, size, colours.figures[4], arrangement.between(0.25, 0.9))


def _draw_orbit(canvas: Canvas, colours: Palette, arrangement: Dice, centre: Point, radius: float) -> None:
    paint = arrangement.pick(colours.figures[1:])
    canvas.ring(centre, radius, canvas.unit * 0.0018, colours.figures[3], 0.35)
    if arrangement.falls(0.75):
        thickness = canvas.unit * arrangement.pick([0.004, 0.008, 0.016, 0.032])
        start, sweep = arrangement.between(0, 360), arrangement.between(40, 250)
        canvas.line(arc(centre, radius, start, sweep), thickness, paint, 0.9)
    for _ in range(arrangement.whole(0, 2)):
        moon = around(centre, radius, arrangement.between(0, 360))
        size = canvas.unit * arrangement.pick([0.007, 0.012, 0.02, 0.034])
        canvas.circle(moon, size * 1.5, colours.ground)
        canvas.circle(moon, size, arrangement.pick([colours.accent, colours.figures[4], paint]))


def _draw_body(canvas: Canvas, colours: Palette, centre: Point, body: float, degrees: float) -> None:
    canvas.circle(centre, body * 1.14, colours.ground)
    lit, unlit = around(centre, body, degrees), around(centre, body, degrees + 180)
    light = [(0.0, colours.figures[4], 1.0), (0.4, colours.accent, 1.0), (1.0, colours.figures[1], 1.0)]
    canvas.circle(centre, body, canvas.linear(lit, unlit, light))
