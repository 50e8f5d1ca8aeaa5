"""Bars: the loudness of the song as a row of pillars, before a large disc."""

from collections.abc import Callable

from jobs.engines.covers.canvas import pair
from jobs.engines.covers.sheet import Box, Sheet

COUNTS = (12, 16, 24)
Place = Callable[[Box, float, float, float], str]  # where, how long, how thick: a pillar's path


def draw_mirrored(sheet: Sheet) -> None:
    """Pillars around a middle line."""
    _draw(sheet, sheet.box.height - 2 * sheet.margin, _hang)


def draw_standing(sheet: Sheet) -> None:
    """Pillars that stand on the sheet's edge."""
    _draw(sheet, sheet.box.height * 0.96, _stand)


def _draw(sheet: Sheet, tallest: float, place: Place) -> None:
    canvas, box, inks, dice = sheet.canvas, sheet.box, sheet.inks, sheet.arrangement
    count = round(sheet.theme.pick(COUNTS) * max(1.0, box.width / box.height / 1.4))
    share = sheet.theme.between(0.5, 0.74)
    canvas.fill(inks.ground)
    across, down = box.at(dice.pick([0.28, 0.5, 0.72]), dice.between(0.4, 0.5))
    radius = box.unit * dice.between(0.3, 0.4)
    canvas.circle((max(across, box.x + radius), down), radius, inks.tones[0])  # not into a title beside it
    lifts = sheet.contour.lifts(count)
    loudest = max(range(count), key=lifts.__getitem__)
    step = (box.width - 2 * sheet.margin) / count
    for paint, is_chosen in ((inks.tones[3], False), (inks.accent, True)):
        pillars = [
            place(box, box.x + sheet.margin + step * (number + 0.5), tallest * (0.1 + 0.9 * lift), step * share)
            for number, lift in enumerate(lifts)
            if (number == loudest) is is_chosen
        ]
        canvas.line("".join(pillars), step * share, paint)


def _hang(box: Box, x: float, length: float, thickness: float) -> str:
    middle, half = box.centre[1], max(0.1, length - thickness) / 2
    return f"M{pair((x, middle - half))}L{pair((x, middle + half))}"


def _stand(box: Box, x: float, length: float, thickness: float) -> str:
    bottom = box.y + box.height
    return f"M{pair((x, bottom + thickness))}L{pair((x, bottom - max(0.1, length - thickness)))}"
