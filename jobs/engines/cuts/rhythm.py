"""Where to cut: on downbeats and at the ends of phrases, often where the song is loud and seldom where it is calm."""

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from jobs.engines.covers.canvas import Dice
from jobs.engines.cuts.cues import Cues, Part, list_parts
from jobs.engines.cuts.plan import SHORTEST_SHOT_SECONDS, count_frames

On = Literal["START", "DOWNBEAT", "BEAT", "EVEN"]

PHRASE_BARS = 4
CALM_SECONDS, LOUD_SECONDS = 6.0, 1.5  # a shot where there is no energy, and where there is all
LONGEST_SHOT_SECONDS = 12.0
NEAR_SECONDS = 0.04  # marks as close as this are one
# Bars of the shots of a phrase, by how many bars a shot should last; every phrase ends with a cut.
_PATTERNS: dict[float, tuple[tuple[float, ...], ...]] = {
    0.5: ((0.5,) * 8, (1, 0.5, 0.5, 1, 0.5, 0.5), (0.5, 0.5, 1, 0.5, 0.5, 1)),
    1: ((1, 1, 1, 1), (2, 1, 1), (1, 1, 2)),
    2: ((2, 2), (2, 2), (3, 1)),
    4: ((4,),),
    8: ((8,),),
}


@dataclass(frozen=True)
class Cut:
    """The first frame of a shot, what it falls on, and the section that it belongs to."""

    frame: int
    on: On
    part: int


@dataclass(frozen=True)
class Rhythm:
    """All cuts from the first frame on, the sections as they are cut, and by how much their beginnings were moved."""

    cuts: tuple[Cut, ...]
    parts: tuple[Part, ...]
    moves_seconds: tuple[float, ...]


def choose_cuts(cues: Cues, fps: int, dice: Dice) -> Rhythm:
    """Equal cues and dice give equal cuts."""
    parts, moves = move_parts(cues, fps)
    cuts: list[Cut] = []
    for number, part in enumerate(parts):
        times = list(_cut_part(cues, part, dice)) if cues.has_beats else list(_cut_evenly(part))
        cuts += [Cut(frame_at(at, fps), _name_mark(cues, at), number) for at in times]
    frame_count = count_frames(cues.duration_seconds, fps)
    thinned = _thin_out(cuts, frame_count, fps)
    return Rhythm(tuple(_fill_in(thinned, frame_count, fps)), tuple(parts), moves)


def move_parts(cues: Cues, fps: int) -> tuple[list[Part], tuple[float, ...]]:
    """Sections that begin with a bar, where there are bars; and what that took, where it is more than half a frame."""
    parts = list_parts(cues)
    marks = cues.downbeats_seconds if cues.has_bars else cues.beats_seconds if cues.has_beats else ()
    reach = cues.beat_seconds * cues.beats_per_bar
    starts, moves = [0.0], []
    for part in parts[1:]:
        at = _find_nearest(marks, part.start_seconds)
        if at is None or abs(at - part.start_seconds) > reach or at <= starts[-1] or at >= cues.duration_seconds:
            at = part.start_seconds
        if abs(at - part.start_seconds) > 0.5 / fps:
            moves.append(abs(at - part.start_seconds))
        starts.append(at)
    ends = [*starts[1:], cues.duration_seconds]
    moved = [
        replace(part, start_seconds=start, end_seconds=end)
        for part, start, end in zip(parts, starts, ends, strict=True)
        if start < end
    ]
    return moved, tuple(moves)


def name_cut(cues: Cues, frame: int, fps: int) -> On:
    """What a frame falls on."""
    return _name_mark(cues, frame / fps, 0.5 / fps + 1e-6)


def frame_at(seconds: float, fps: int) -> int:
    """The frame that begins nearest to this time."""
    return math.floor(seconds * fps + 0.5)


def _find_nearest(marks: Sequence[float], at: float) -> float | None:
    place = bisect.bisect(marks, at)
    return min(marks[max(place - 1, 0) : place + 1], key=lambda mark: abs(mark - at), default=None)


def _cut_part(cues: Cues, part: Part, dice: Dice) -> Iterator[float]:
    """The section's own beginning, and then phrase by phrase."""
    yield part.start_seconds
    bars = _list_bars(cues, part)
    if not bars:
        return
    marks = _list_halves(cues, [*bars, part.end_seconds])
    unit = _choose_unit(cues, part.energy)
    place = 0.0
    while place < len(bars):
        for length in dice.pick(_PATTERNS[unit]):
            if place < len(bars):
                yield marks[round(place * 2)]
            place += length


def _list_bars(cues: Cues, part: Part) -> list[float]:
    """Where the section's bars begin; every few beats, counted from its beginning, where that is a guess."""
    marks = cues.downbeats_seconds if cues.has_bars else cues.beats_seconds
    first = bisect.bisect_left(marks, part.start_seconds - NEAR_SECONDS)
    inside = marks[first : bisect.bisect_left(marks, part.end_seconds - NEAR_SECONDS)]
    return list(inside if cues.has_bars else inside[:: cues.beats_per_bar])


def _list_halves(cues: Cues, bars: Sequence[float]) -> list[float]:
    """Each bar, and the beat in its middle."""
    marks = []
    for start, end in pairwise(bars):
        middle = _find_nearest(cues.beats_seconds, (start + end) / 2)
        marks += [start, start if middle is None else min(max(middle, start), end)]
    return marks


def _choose_unit(cues: Cues, energy: float) -> float:
    """How many bars a shot should last; half a bar only where the metre has a middle."""
    bar_seconds = cues.beat_seconds * cues.beats_per_bar
    wished = _wish_seconds(energy) / bar_seconds
    units = [unit for unit in _PATTERNS if unit >= 1 or cues.beats_per_bar % 2 == 0]
    return min(units, key=lambda unit: abs(math.log(unit / wished)))


def _wish_seconds(energy: float) -> float:
    return CALM_SECONDS + (LOUD_SECONDS - CALM_SECONDS) * energy


def _cut_evenly(part: Part) -> Iterator[float]:
    seconds = part.end_seconds - part.start_seconds
    count = max(1, round(seconds / _wish_seconds(part.energy)))
    for number in range(count):
        yield part.start_seconds + seconds * number / count


def _name_mark(cues: Cues, at: float, reach: float = 1e-6) -> On:
    if at <= reach:
        return "START"
    if cues.has_bars and _is_near(cues.downbeats_seconds, at, reach):
        return "DOWNBEAT"
    return "BEAT" if cues.has_beats and _is_near(cues.beats_seconds, at, reach) else "EVEN"


def _is_near(marks: Sequence[float], at: float, reach: float) -> bool:
    nearest = _find_nearest(marks, at)
    return nearest is not None and abs(nearest - at) <= reach


def _thin_out(cuts: Sequence[Cut], frame_count: int, fps: int) -> list[Cut]:
    """Without what would make a shot too short; where a section begins, the cut before it goes."""
    shortest = math.ceil(SHORTEST_SHOT_SECONDS * fps)
    kept: list[Cut] = []
    for before, cut in pairwise((None, *cuts)):
        if cut is None or (cut.frame > frame_count - shortest and kept):
            continue
        begins_part = before is None or before.part != cut.part
        while begins_part and len(kept) > 1 and cut.frame - kept[-1].frame < shortest:
            kept.pop()
        if not kept or cut.frame - kept[-1].frame >= shortest:
            kept.append(cut)
    return kept


def _fill_in(cuts: Sequence[Cut], frame_count: int, fps: int) -> Iterator[Cut]:
    """Even cuts where nothing would happen for too long: before the first beat, after the last."""
    for cut, end in zip(cuts, [*(cut.frame for cut in cuts[1:]), frame_count], strict=True):
        yield cut
        count = math.ceil((end - cut.frame) / (LONGEST_SHOT_SECONDS * fps))
        for number in range(1, count):
            yield Cut(cut.frame + (end - cut.frame) * number // count, "EVEN", cut.part)
