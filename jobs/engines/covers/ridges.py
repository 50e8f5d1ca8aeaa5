"""Ridges: a disc in the sky above hills that stand one behind the other."""

import math

from jobs.engines.covers.canvas import Canvas, Dice, curve, pair
from jobs.engines.covers.palette import Palette

POINTS = 44
Wave = tuple[float, float, float]  # turns across the sheet, share of the height, phase


def draw(canvas: Canvas, colours: Palette, theme: Dice, arrangement: Dice) -> None:
    """Draw the family's composition."""
    layers = theme.whole(6, 8)
    steepness = theme.between(0.8, 1.3)
    canvas.fill(colours.ground)
    sky = [(0.0, colours.ground, 1.0), (0.55, colours.figures[0], 1.0), (1.0, colours.figures[2], 1.0)]
    canvas.fill(canvas.linear((0, 0), (0, canvas.height * 0.78), sky))
    _draw_sun(canvas, colours, arrangement)
    horizon = arrangement.between(0.42, 0.54)
    for layer in range(layers):
        depth = layer / (layers - 1)
        _draw_ridge(canvas, colours, arrangement, horizon + (0.98 - horizon) * depth**1.15, depth, steepness)


def _draw_sun(canvas: Canvas, colours: Palette, arrangement: Dice) -> None:
    radius = canvas.unit * arrangement.between(0.13, 0.23)
    centre = canvas.width * arrangement.between(0.25, 0.75), canvas.height * arrangement.between(0.24, 0.4)
    halo = [(0.0, colours.accent, 0.55), (0.5, colours.accent, 0.16), (1.0, colours.accent, 0.0)]
    canvas.circle(centre, radius * 2.6, canvas.radial(centre, radius * 2.6, halo))
    light = [(0.0, colours.figures[4], 1.0), (1.0, colours.accent, 1.0)]
    top, bottom = (centre[0], centre[1] - radius), (centre[0], centre[1] + radius)
    canvas.circle(centre, radius, canvas.linear(top, bottom, light))
    if arrangement.falls(0.5):
        for ring in range(1, 4):
            canvas.ring(centre, radius * (1 + ring * 0.22), canvas.unit * 0.003, colours.figures[4], 0.5 / ring)


def _draw_ridge(
    canvas: Canvas, colours: Palette, arrangement: Dice, level: float, depth: float, steepness: float
) -> None:
    swell = 0.075 * steepness * (1 - depth * 0.35) * arrangement.between(0.7, 1.3)
    shape = canvas.width / canvas.unit
    waves: list[Wave] = [
        (shape * turns * arrangement.between(0.8, 1.25), swell * share, arrangement.between(0, math.tau))
        for turns, share in ((0.7, 1.0), (1.7, 0.5), (4.3, 0.16), (9.0, 0.05))
    ]
    line = [
        (canvas.width * step / POINTS, canvas.height * (level + _height(step / POINTS, waves)))
        for step in range(-1, POINTS + 2)
    ]
    bottom = canvas.height + 2.0
    path = f"{curve(line)}L{pair((line[-1][0], bottom))}L{pair((line[0][0], bottom))}Z"
    crest, foot = _tones(colours, depth)
    top = canvas.height * (level - swell * 1.6)
    fall = [(0.0, crest, 1.0), (1.0, foot, 1.0)]
    canvas.shape(path, canvas.linear((0, top), (0, top + canvas.height * 0.34), fall))


def _height(across: float, waves: list[Wave]) -> float:
    return sum(share * math.sin(math.tau * turns * across + phase) for turns, share, phase in waves)


def _tones(colours: Palette, depth: float) -> tuple[str, str]:
    ramp = (colours.figures[3], colours.figures[2], colours.figures[1], colours.figures[0], colours.ground)
    at = min(3, int(depth * 4))
    return ramp[at], ramp[at + 1]
