"""Strands: lines that hang one before the other and swell where they meet an unseen body."""

import math

from jobs.engines.covers.canvas import Canvas, Dice, curve
from jobs.engines.covers.palette import Palette

LINES, POINTS = 34, 46
Swell = tuple[float, float, float, float, float]  # across, down, breadth, depth, height


def draw(canvas: Canvas, colours: Palette, theme: Dice, arrangement: Dice) -> None:
    """Draw the family's composition."""
    ripples = theme.between(3, 7)
    thickness = canvas.unit * theme.pick([0.0032, 0.0045, 0.006])
    canvas.fill(colours.ground)
    light = [(0.0, colours.figures[0], 0.0), (0.5, colours.figures[0], 0.9), (1.0, colours.figures[0], 0.0)]
    canvas.fill(canvas.linear((0, 0), (0, canvas.height), light))
    start, end = arrangement.pick([((0, 0), (1, 1)), ((1, 0), (0, 1)), ((0, 0), (0, 1)), ((0, 0), (1, 0))])
    ramp = [(0.0, colours.accent, 1.0), (0.5, colours.figures[4], 1.0), (1.0, colours.figures[2], 1.0)]
    paint = canvas.linear(
        (canvas.width * start[0], canvas.height * start[1]), (canvas.width * end[0], canvas.height * end[1]), ramp
    )
    swells = [_make_swell(arrangement) for _ in range(arrangement.whole(2, 4))]
    phase = arrangement.between(0, math.tau)
    for number in range(LINES):
        _draw_strand(canvas, colours, number, swells, ripples, phase, paint, thickness)


def _make_swell(arrangement: Dice) -> Swell:
    return (
        arrangement.between(0.18, 0.82),
        arrangement.between(0.3, 0.9),
        arrangement.between(0.07, 0.17),
        arrangement.between(0.1, 0.25),
        arrangement.between(0.08, 0.2),
    )


def _draw_strand(
    canvas: Canvas,
    colours: Palette,
    number: int,
    swells: list[Swell],
    ripples: float,
    phase: float,
    paint: str,
    thickness: float,
) -> None:
    down = (number + 1) / (LINES - 1)
    points = []
    for step in range(-1, POINTS + 2):
        across = step / POINTS
        lift = sum(
            height * math.exp(-(((across - x) / breadth) ** 2) - ((down - y) / depth) ** 2)
            for x, y, breadth, depth, height in swells
        )
        ripple = math.sin(math.tau * ripples * across + phase + number * 0.55) * (0.0035 + lift * 0.06)
        points.append((canvas.width * across, canvas.height * (down + ripple - lift)))
    canvas.bow(curve(points), thickness, paint, colours.ground)
