"""Pieces of a film put together from smaller ones: taken, joined, crossfaded, sped up, made louder, laid over another.

All lengths are frames of the film that is made, so that nothing adds up to a fraction.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from jobs.engines.cuts.plan import Clip, check_clips, check_shape, expect
from jobs.engines.films.plan import LONGEST_SECONDS

MOST_PIECES, DEEPEST = 1_000, 50
SLOWEST_PERCENT, FASTEST_PERCENT = 25, 400
QUIETEST_DB, LOUDEST_DB = -96.0, 24.0


@dataclass(frozen=True)
class Take:
    """A stretch of a clip, with its sound."""

    clip: Clip
    start: int
    frame_count: int


@dataclass(frozen=True)
class Row:
    """Pieces one after the other."""

    parts: tuple["Piece", ...]

    @property
    def frame_count(self) -> int:
        return sum(part.frame_count for part in self.parts)


@dataclass(frozen=True)
class Crossfade:
    """Two pieces, the second of which begins so many frames before the first one ends."""

    before: "Piece"
    after: "Piece"
    overlap: int

    @property
    def frame_count(self) -> int:
        return self.before.frame_count + self.after.frame_count - self.overlap


@dataclass(frozen=True)
class Speed:
    """A piece faster or slower; its sound keeps its pitch."""

    piece: "Piece"
    percent: int

    @property
    def frame_count(self) -> int:
        return max(1, self.piece.frame_count * 100 // self.percent)


@dataclass(frozen=True)
class Volume:
    """A piece louder or quieter."""

    piece: "Piece"
    gain_db: float

    @property
    def frame_count(self) -> int:
        return self.piece.frame_count


@dataclass(frozen=True)
class Overlay:
    """A piece in a rectangle of another one from one of its frames on, and both heard; it ends with the other."""

    base: "Piece"
    top: "Piece"
    start: int
    x: int
    y: int
    width: int
    height: int

    @property
    def frame_count(self) -> int:
        return self.base.frame_count


Piece: TypeAlias = Take | Row | Crossfade | Speed | Volume | Overlay


def check_piece(piece: Piece, width: int, height: int, fps: int) -> None:
    """EngineRefused unless a film of this shape can be made of it."""
    check_shape(width, height, fps)
    for count, (part, depth) in enumerate(_walk(piece, 0), start=1):
        expect(count <= MOST_PIECES, "EDIT_UNFIT", f"a film is put together from at most {MOST_PIECES} pieces")
        expect(depth <= DEEPEST, "EDIT_UNFIT", f"pieces lie at most {DEEPEST} deep in each other")
        if isinstance(part, Row):
            expect(bool(part.parts), "EDIT_UNFIT", "a row has at least one piece")
    for part, _ in _walk(piece, 0):
        _check_part(part, width, height)
    is_short = 0 < piece.frame_count <= LONGEST_SECONDS * fps
    expect(is_short, "TOO_LONG", f"a film takes more than 0 and at most {LONGEST_SECONDS:g} seconds")


def list_inner(piece: Piece) -> tuple[Piece, ...]:
    """What a piece is made of."""
    match piece:
        case Row():
            return piece.parts
        case Crossfade():
            return piece.before, piece.after
        case Speed() | Volume():
            return (piece.piece,)
        case Overlay():
            return piece.base, piece.top
        case _:
            return ()


def _walk(piece: Piece, depth: int) -> Iterator[tuple[Piece, int]]:
    waiting = [(piece, depth)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        waiting += [(inner, depth + 1) for inner in list_inner(part)]


def _check_part(part: Piece, width: int, height: int) -> None:
    match part:
        case Take():
            check_clips([part.clip])
            expect(part.start >= 0 and part.frame_count > 0, "EDIT_UNFIT", "a take begins at 0 or later and has frames")
        case Crossfade():
            longest = min(part.before.frame_count, part.after.frame_count)
            expect(0 < part.overlap <= longest, "EDIT_UNFIT", "a crossfade is not longer than what it joins")
        case Speed():
            is_fit = SLOWEST_PERCENT <= part.percent <= FASTEST_PERCENT
            expect(is_fit, "EDIT_UNFIT", f"the speed is {SLOWEST_PERCENT} to {FASTEST_PERCENT} percent")
        case Volume():
            is_fit = math.isfinite(part.gain_db) and QUIETEST_DB <= part.gain_db <= LOUDEST_DB
            expect(is_fit, "EDIT_UNFIT", f"the gain is {QUIETEST_DB:g} to {LOUDEST_DB:g} decibels")
        case Overlay():
            places = part.x, part.y, part.width, part.height
            is_even = all(place >= 0 and place % 2 == 0 for place in places) and part.width > 0 < part.height
            is_inside = part.x + part.width <= width and part.y + part.height <= height and part.start >= 0
            expect(is_even and is_inside, "EDIT_UNFIT", "an overlay lies within the picture, at even places")
