"""Set text as coverage: each row of a setting placed in a picture, every outline drawn once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import uharfbuzz

from jobs.engines.films.fonts import load_font
from jobs.engines.films.planes import Box, Plane
from jobs.engines.films.typesetting import ASCENT, LEADING, Place, Setting


@dataclass(frozen=True)
class Block:
    """A setting and where its first row's upper left corner stands; rows are centred, or at the side they read from."""

    setting: Setting
    top: float
    left: float
    right: float
    is_centred: bool

    def begin_of(self, row: int) -> float:
        """The left end of a row."""
        free = self.right - self.left - self.setting.rows[row].width * self.setting.size
        return self.left + (free / 2 if self.is_centred else free if self.setting.is_leftward else 0)


@dataclass(frozen=True)
class Patch:
    """Where a part of a word is painted; the patches of a row do not meet."""

    word: int
    box: Box
    is_leftward: bool


def cover(blocks: Iterable[Block], width: int, height: int) -> Plane:
    """How far each pixel is covered by the outlines, 0 to 255."""
    raster = uharfbuzz.RasterDraw()
    for block in blocks:
        size = block.setting.size
        for number, row in enumerate(block.setting.rows):
            x, baseline = block.begin_of(number), block.top + size * (number * LEADING + ASCENT)
            for glyph in row.glyphs:
                font = load_font(glyph.font)
                scale = size / font.face.upem
                raster.transform = (scale, 0, 0, -scale, x + glyph.x * size, baseline - glyph.y * size)
                raster.draw_glyph(font, glyph.number)
    raster.extents = uharfbuzz.RasterExtents(0, 0, width, height, 0)
    image = raster.render()
    drawn = np.frombuffer(image.buffer, np.uint8).reshape(image.extents.height, image.extents.stride)
    return drawn[:, : image.extents.width]


def list_patches(block: Block, edge: Box) -> list[Patch]:
    """The part of the picture that belongs to each place, in the order of the setting's places."""
    patches: dict[Place, Patch] = {}
    by_row = sorted(block.setting.places, key=lambda place: (place.row, place.left))
    for row, places in groupby(by_row, key=lambda place: place.row):
        patches.update(_part_row(block, row, list(places), edge))
    return [patches[place] for place in block.setting.places]


def _part_row(block: Block, row: int, places: Sequence[Place], edge: Box) -> Iterable[tuple[Place, Patch]]:
    """Neighbours share the blank between them; the outermost take what their outlines hang over."""
    size, begin = block.setting.size, block.begin_of(row)
    top = max(edge.y, block.top + size * row * LEADING)
    bottom = min(edge.bottom, block.top + size * (row + 1) * LEADING)
    between = [(one.right + other.left) / 2 for one, other in pairwise(places)]
    ends = [places[0].left - 0.12, *between, places[-1].right + 0.12]
    cuts = [min(edge.right, max(edge.x, _even(begin + end * size))) for end in ends]
    for place, (left, right) in zip(places, pairwise(cuts), strict=True):
        box = Box(left, _even(top), max(0, right - left), max(0, _even(bottom) - _even(top)))
        yield place, Patch(place.word, box, place.is_leftward)


def _even(number: float) -> int:
    return round(number / 2) * 2
