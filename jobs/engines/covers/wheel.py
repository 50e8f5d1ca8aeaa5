"""Wheel: the twelve notes as petals, as long as the song rests on them, in a rim that turns through its chords."""

from jobs.engines.covers.canvas import Point, arc, around, pair
from jobs.engines.covers.sheet import Sheet

NOTES = 12
FIFTH = 7  # semitones: neighbours on the wheel sound well together
SPREAD = 360 / NOTES


def draw(sheet: Sheet) -> None:
    """Draw the family's composition."""
    canvas, box, inks, dice = sheet.canvas, sheet.box, sheet.inks, sheet.arrangement
    reach = sheet.size * dice.between(0.4, 0.48)
    across = box.at(dice.pick([0.4, 0.5, 0.6]), 0.5)[0]
    centre = max(across, box.x + reach), min(box.centre[1], box.y + box.height - reach * 1.02)
    turn = dice.whole(0, NOTES - 1) * SPREAD - 90
    canvas.fill(inks.ground)
    _draw_rim(sheet, centre, reach)
    held = [0.0] * NOTES
    for note, share in sheet.contour.shares(sheet.contour.chords):
        held[note] += share
    longest = max(held)
    for place in range(NOTES):
        share = held[place * FIFTH % NOTES] / longest
        paint = inks.accent if share == 1 else inks.tones[3] if share else inks.tones[0]
        size = reach * (0.42 + 0.32 * share)
        canvas.shape(_petal(centre, size, turn + place * SPREAD), paint)
    canvas.circle(centre, reach * 0.16, inks.ground)


def _draw_rim(sheet: Sheet, centre: Point, reach: float) -> None:
    """Each chord as an arc, in the order of the song."""
    tones = sheet.inks.tones
    thickness = reach * 0.15
    at = -90.0
    for note, share in sheet.contour.shares(sheet.contour.chords):
        sweep = share * 360
        gap = min(1.6, sweep / 3)
        path = arc(centre, reach - thickness / 2, at, max(0.5, sweep - gap))
        sheet.canvas.line(path, thickness, tones[note * FIFTH % NOTES * len(tones) // NOTES], is_round=False)
        at += sweep


def _petal(centre: Point, size: float, degrees: float) -> str:
    """A wedge with a round end."""
    half = SPREAD / 2 * 0.82
    left, right = around(centre, size, degrees - half), around(centre, size, degrees + half)
    bulge = size * 0.22
    return f"M{pair(centre)}L{pair(left)}A{pair((bulge, bulge))} 0 0 1 {pair(right)}Z"
