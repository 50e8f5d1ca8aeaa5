"""Ridges: the song cut into stretches that stand one behind the other as hills, as high as they are loud."""

from jobs.engines.covers.canvas import Point, curve, pair
from jobs.engines.covers.sheet import Sheet

POINTS = 16  # of one ridge: with as many rows as there are slices of the contour


def draw(sheet: Sheet) -> None:
    """Draw the family's composition."""
    canvas, box, inks, dice = sheet.canvas, sheet.box, sheet.inks, sheet.arrangement
    rows = sheet.theme.pick([5, 6, 7])
    is_lined = sheet.theme.falls(0.5)
    height = sheet.theme.between(0.26, 0.4)
    canvas.fill(inks.ground)
    sun = min(canvas.unit * dice.between(0.14, 0.22), box.height * 0.36)
    canvas.circle(box.at(dice.pick([0.26, 0.5, 0.74]), 0.38), sun, inks.accent)
    lifts = sheet.contour.lifts(rows * POINTS)
    mirrored = dice.falls(0.5)
    for row in range(rows):
        depth = row / (rows - 1)
        part = lifts[row * POINTS : (row + 1) * POINTS]
        heights = [height * lift * (1 - 0.4 * depth) for lift in (reversed(part) if mirrored else part)]
        base = 0.56 + 0.42 * depth
        line = [box.at(at / (POINTS - 1), base - lift) for at, lift in enumerate(heights)]
        path = _hill(line, box.y + box.height)
        if is_lined:
            canvas.outlined(path, inks.ground, canvas.unit * 0.011, inks.tones[3] if row % 2 else inks.tones[2])
        else:
            canvas.shape(path, inks.tones[min(3, row * 4 // rows)])


def _hill(line: list[Point], bottom: float) -> str:
    left, right = line[0][0] - 9, line[-1][0] + 9
    smooth = curve([(left, line[0][1]), *line, (right, line[-1][1])])
    return f"{smooth}L{pair((right, bottom + 9))}L{pair((left, bottom + 9))}Z"
