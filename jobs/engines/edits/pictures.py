"""The pictures of a piece, one after the other: as many as it has frames, whatever its clips have."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.engines.cuts.fitting import Fitter
from jobs.engines.cuts.reading import Reader, measure_clip
from jobs.engines.edits.pieces import Crossfade, Overlay, Piece, Row, Speed, Take, Volume
from jobs.engines.films.planes import Box, Picture


@dataclass(frozen=True)
class Canvas:
    """What pictures are drawn on."""

    width: int
    height: int
    fps: int

    @property
    def whole(self) -> Box:
        """All of it."""
        return Box(0, 0, self.width, self.height)


def draw_piece(piece: Piece, canvas: Canvas) -> Iterator[Picture]:
    """Each picture may change when the next one is asked for."""
    match piece:
        case Take():
            return _draw_take(piece, canvas)
        case Row():
            return itertools.chain.from_iterable(draw_piece(part, canvas) for part in piece.parts)
        case Crossfade():
            return _draw_crossfade(piece, canvas)
        case Speed():
            return _draw_faster(piece, canvas)
        case Volume():
            return draw_piece(piece.piece, canvas)
        case Overlay():
            return _draw_overlay(piece, canvas)


def _draw_take(take: Take, canvas: Canvas) -> Iterator[Picture]:
    """A clip that ends too early stands still."""
    reader = Reader(take.clip, measure_clip(take.clip).first, canvas.fps)
    fitter, picture = Fitter(canvas.width, canvas.height), Picture(canvas.width, canvas.height)
    shown = None
    try:
        for number in range(take.start, take.start + take.frame_count):
            frame, stance = reader.read(number)
            if frame is not shown:
                fitter.fit(frame, take.clip, stance, picture)
                shown = frame
            yield picture
    finally:
        reader.close()


def _draw_crossfade(piece: Crossfade, canvas: Canvas) -> Iterator[Picture]:
    before, after = draw_piece(piece.before, canvas), draw_piece(piece.after, canvas)
    yield from itertools.islice(before, piece.before.frame_count - piece.overlap)
    for number, (old, new) in enumerate(zip(before, itertools.islice(after, piece.overlap), strict=True), start=1):
        joined = old.cut(canvas.whole)
        new.lay(joined, canvas.whole, 0, 0, number / (piece.overlap + 1))
        yield joined
    yield from after


def _draw_faster(piece: Speed, canvas: Canvas) -> Iterator[Picture]:
    inner = enumerate(draw_piece(piece.piece, canvas))
    at, picture = next(inner)
    for number in range(piece.frame_count):
        while at < number * piece.percent // 100:
            at, picture = next(inner)
        yield picture


def _draw_overlay(piece: Overlay, canvas: Canvas) -> Iterator[Picture]:
    small = Canvas(piece.width, piece.height, canvas.fps)
    tops = draw_piece(piece.top, small)
    for number, base in enumerate(draw_piece(piece.base, canvas)):
        top = next(tops, None) if number >= piece.start else None
        if top is None:
            yield base
            continue
        covered = base.cut(canvas.whole)
        covered.paste(top, small.whole, piece.x, piece.y)
        yield covered
