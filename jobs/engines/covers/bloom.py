"""Bloom: petals in wreaths around a heart of seeds."""

from jobs.engines.covers.canvas import Canvas, Dice, Point, around, pair
from jobs.engines.covers.palette import Palette

GOLDEN_DEGREES = 137.508


def draw(canvas: Canvas, colours: Palette, theme: Dice, arrangement: Dice) -> None:
    """Draw the family's composition."""
    petals, wreaths = theme.whole(6, 11), theme.whole(4, 5)
    fullness = theme.between(0.75, 1.25)
    centre = (
        canvas.width * (0.5 + arrangement.between(-0.13, 0.13)),
        canvas.height * (0.5 + arrangement.between(-0.13, 0.13)),
    )
    canvas.fill(colours.ground)
    glow = [(0.0, colours.figures[1], 0.9), (0.5, colours.figures[0], 0.7), (1.0, colours.ground, 0.0)]
    canvas.fill(canvas.radial(centre, canvas.reach * 0.6, glow))
    outer = canvas.reach * arrangement.between(0.40, 0.52)
    shift = arrangement.between(0, 360)
    paints = _order_paints(colours, arrangement)
    for wreath in range(wreaths):
        length = outer * (1 - wreath / (wreaths + 0.35)) ** 1.1
        turn = shift + wreath * (180 / petals + arrangement.between(-8, 8))
        _draw_wreath(canvas, colours, centre, length, petals, fullness, turn, paints[wreath % len(paints)])
    _draw_heart(canvas, colours, centre, outer * 0.11, arrangement)


def _order_paints(colours: Palette, arrangement: Dice) -> list[str]:
    ramp = [colours.figures[1], colours.figures[2], colours.accent, colours.figures[3]]
    first = arrangement.whole(0, 3)
    return ramp[first:] + ramp[:first]


def _draw_wreath(
    canvas: Canvas,
    colours: Palette,
    centre: Point,
    length: float,
    petals: int,
    fullness: float,
    turn: float,
    paint: str,
) -> None:
    width = length * 1.9 * fullness / petals
    x, y = centre
    tip, low, high = (x + length, y), (x + length * 0.28, y + width), (x + length * 0.82, y + width * 0.9)
    mirrored = [(point[0], 2 * y - point[1]) for point in (high, low)]
    path = (
        f"M{pair(centre)}C{pair(low)} {pair(high)} {pair(tip)}C{pair(mirrored[0])} {pair(mirrored[1])} {pair(centre)}Z"
    )
    fade = canvas.radial(centre, length, [(0.1, colours.ground, 0.9), (0.55, paint, 0.75), (1.0, paint, 0.95)])
    for petal in range(petals):
        canvas.shape(path, fade, 0.85, (turn + petal * 360 / petals, centre))


def _draw_heart(canvas: Canvas, colours: Palette, centre: Point, radius: float, arrangement: Dice) -> None:
    canvas.circle(centre, radius * 1.12, colours.ground)
    seeds = arrangement.whole(60, 110)
    for seed in range(1, seeds):
        share = seed / seeds
        point = around(centre, radius * share**0.5, seed * GOLDEN_DEGREES)
        canvas.circle(point, radius * (0.035 + 0.045 * share), colours.figures[4] if share < 0.55 else colours.accent)
