"""Beats: a dot for each beat, in a grid or unrolling like a sunflower, as large as the song is loud there."""

import math

from jobs.engines.covers.canvas import around
from jobs.engines.covers.sheet import Sheet

GOLDEN_DEGREES = 137.508
FEWEST, MOST = 110, 260


def _count(beats: int) -> int:
    """Beats, or their halves, quarters or eighths, or groups of them: as many as can be told apart."""
    while beats < FEWEST:
        beats *= 2
    while beats > MOST:
        beats //= 2
    return beats


def draw_flower(sheet: Sheet) -> None:
    """Dots that unroll from the middle."""
    box, inks, dice = sheet.box, sheet.inks, sheet.arrangement
    count = _count(sheet.contour.beats)
    lifts = sheet.contour.lifts(count)
    reach = sheet.size * dice.between(0.4, 0.5)
    across = box.at(dice.pick([0.4, 0.5, 0.6]), 0.5)[0]
    centre = max(across, box.x + reach), min(box.centre[1], box.y + box.height - reach * 1.08)
    sheet.canvas.fill(inks.ground)
    spacing = reach * math.sqrt(math.pi / count)
    turn = dice.between(0, 360)
    for beat in range(count):
        point = around(centre, reach * math.sqrt((beat + 0.5) / count), turn + beat * GOLDEN_DEGREES)
        paint = inks.accent if beat % sheet.contour.beats_per_bar == 0 else inks.tones[3 if lifts[beat] > 0.5 else 2]
        sheet.canvas.circle(point, spacing * (0.14 + 0.36 * lifts[beat]), paint)


def draw_grid(sheet: Sheet) -> None:
    """Dots in rows of whole bars."""
    sheet.canvas.fill(sheet.inks.ground)
    inks, box = sheet.inks, sheet.box.inset(sheet.margin)
    count = _count(sheet.contour.beats) * 2 // 3
    bar = sheet.contour.beats_per_bar
    columns = max(bar, round(math.sqrt(count * box.width / box.height) / bar) * bar)
    step = box.width / columns
    rows = max(1, round(box.height / step))
    down = box.height / rows
    lifts = sheet.contour.lifts(columns * rows)
    accented = sheet.arrangement.whole(0, bar - 1)
    for row in range(rows):
        for column in range(columns):
            lift = lifts[row * columns + column]
            point = box.x + step * (column + 0.5), box.y + down * (row + 0.5)
            is_first = column % bar == accented
            paint = inks.accent if is_first else inks.tones[3 if lift > 0.5 else 2]
            sheet.canvas.circle(point, min(step, down) * (0.1 + 0.38 * lift), paint)
