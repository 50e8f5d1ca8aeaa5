"""Tiles: a grid of quarter discs, leaves, rings and bars, with one large figure among them."""

from jobs.engines.covers.canvas import Canvas, Dice, Point, pair
from jobs.engines.covers.palette import Palette

MOTIFS = ("quarter", "quarter", "leaf", "half", "disc", "ring", "bars", "plain")
TURNS = (0.0, 90.0, 180.0, 270.0)


def draw(canvas: Canvas, colours: Palette, theme: Dice, arrangement: Dice) -> None:
    """Draw the family's composition."""
    across = theme.pick([4, 5, 6])
    motifs = [theme.pick(MOTIFS) for _ in range(4)]
    side = canvas.unit / across
    columns, rows = -(-canvas.width // side), -(-canvas.height // side)
    left, top = (canvas.width - columns * side) / 2, (canvas.height - rows * side) / 2
    canvas.fill(colours.ground)
    for row in range(int(rows)):
        for column in range(int(columns)):
            corner = left + column * side, top + row * side
            _draw_tile(canvas, colours, arrangement, arrangement.pick(motifs), corner, side)
    column, row = arrangement.whole(0, int(columns) - 2), arrangement.whole(0, int(rows) - 2)
    _draw_large_figure(canvas, colours, arrangement, (left + column * side, top + row * side), side * 2)


def _draw_tile(canvas: Canvas, colours: Palette, arrangement: Dice, motif: str, corner: Point, side: float) -> None:
    back, front = _pick_pair(colours, arrangement)
    canvas.rectangle(corner, side + 0.5, side + 0.5, back)
    centre = corner[0] + side / 2, corner[1] + side / 2
    if motif == "disc":
        canvas.circle(centre, side * 0.34, front)
    elif motif == "ring":
        canvas.ring(centre, side * 0.3, side * 0.13, front)
    elif motif != "plain":
        canvas.shape(_path(motif, corner, side), front, turn=(arrangement.pick(TURNS), centre))


def _path(motif: str, corner: Point, side: float) -> str:
    x, y = corner
    size = pair((side, side))
    if motif == "quarter":
        return f"M{pair(corner)}L{pair((x + side, y))}A{size} 0 0 1 {pair((x, y + side))}Z"
    if motif == "leaf":
        end = pair((x + side, y + side))
        return f"M{pair(corner)}A{size} 0 0 1 {end}A{size} 0 0 1 {pair(corner)}Z"
    if motif == "half":
        return f"M{pair(corner)}L{pair((x + side, y))}A{pair((side / 2, side / 2))} 0 0 1 {pair(corner)}Z"
    bars = [y + side * (1 + 2 * bar) / 8 for bar in range(4)]
    return "".join(
        f"M{pair((x, at))}L{pair((x + side, at))}L{pair((x + side, at + side / 10))}L{pair((x, at + side / 10))}Z"
        for at in bars
    )


def _pick_pair(colours: Palette, arrangement: Dice) -> tuple[str, str]:
    """Two colours that differ well in lightness."""
    near = arrangement.pick([colours.ground, colours.figures[0], colours.figures[0], colours.figures[1]])
    far = arrangement.pick([colours.figures[2], colours.figures[3], colours.figures[3], colours.figures[4]])
    return (near, far) if arrangement.falls(0.8) else (far, near)


def _draw_large_figure(canvas: Canvas, colours: Palette, arrangement: Dice, corner: Point, side: float) -> None:
    centre = corner[0] + side / 2, corner[1] + side / 2
    canvas.rectangle(corner, side + 0.5, side + 0.5, colours.ground)
    if arrangement.falls(0.5):
        canvas.circle(centre, side * 0.5, colours.accent)
        canvas.circle(centre, side * 0.2, colours.ground)
    else:
        canvas.shape(_path("quarter", corner, side), colours.accent, turn=(arrangement.pick(TURNS), centre))
    canvas.circle(centre, side * 0.08, colours.figures[4])
