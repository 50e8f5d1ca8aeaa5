"""Words that are laid over a ground that moves: what each pixel keeps of it, and what is added."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.films.planes import Box, Picture, Plane, bound, halve_coverage, within

WHOLE = 256  # all of the ground is kept
_HALF = WHOLE // 2  # so that shares are rounded
_CHUNK_ROWS = 64  # whose planes stay in the processor's cache

Weights = NDArray[np.uint16]


class Veil:
    """Stained and pasted as a picture is, and laid over another one; a ground is kept as it is where nothing is."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.bound = Box(0, 0, 0, 0)  # of all that is stained
        shapes = ((height, width), (height // 2, width // 2))
        self.kept: tuple[Weights, ...] = tuple(np.full(shape, WHOLE, np.uint16) for shape in shapes)
        self.added: tuple[Weights, ...] = tuple(
            np.full(shape, _HALF, np.uint16) for shape in (shapes[0], shapes[1], shapes[1])
        )

    def cut(self, box: Box) -> "Veil":
        """A copy of a part."""
        part = Veil(box.width, box.height)
        part.paste(self, box, 0, 0)
        return part

    def paste(self, source: "Veil", box: Box, x: int, y: int) -> None:
        """Put a part of another veil so that its corner comes to this place."""
        target = Box(x, y, box.width, box.height)
        self.bound = self.bound.joined(source.bound.overlap(box).moved(x - box.x, y - box.y))
        for is_half, mine, theirs in zip((False, True), self.kept, source.kept, strict=True):
            mine[within(target, is_half=is_half)] = theirs[within(box, is_half=is_half)]
        for number, (mine, theirs) in enumerate(zip(self.added, source.added, strict=True)):
            mine[within(target, is_half=number > 0)] = theirs[within(box, is_half=number > 0)]

    def stain(self, coverage: Plane, colour: tuple[int, int, int]) -> None:
        """Lay a colour over all of it, as far as it is covered, 0 to 255."""
        box = bound(coverage)
        covered = coverage[box.y : box.bottom, box.x : box.right].astype(np.uint16)
        shares = [share + (share >> 7) for share in (covered, halve_coverage(covered))]  # 255 becomes 256
        for number, (mine, value) in enumerate(zip(self.added, colour, strict=True)):
            region, share = mine[within(box, is_half=number > 0)], shares[number > 0]
            region[:] = ((region - _HALF) // WHOLE * (WHOLE - share)) + share * value + _HALF
        for is_half, kept, share in zip((False, True), self.kept, shares, strict=True):
            region = kept[within(box, is_half=is_half)]
            region[:] = region.astype(np.uint32) * (WHOLE - share) // WHOLE
        self.bound = self.bound.joined(box)

    def lay(self, picture: Picture, box: Box, x: int, y: int, share: float) -> None:
        """Blend a part over a picture so that its corner comes to this place."""
        weight, stained = round(share * WHOLE), self.bound.overlap(box)
        right, down = x - box.x, y - box.y
        for top in range(stained.y, stained.bottom, _CHUNK_ROWS):
            rows = Box(stained.x, top, stained.width, min(_CHUNK_ROWS, stained.bottom - top))
            for number, plane in enumerate(picture.planes):
                region, here = (
                    plane[within(rows.moved(right, down), is_half=number > 0)],
                    within(rows, is_half=number > 0),
                )
                kept, added = self.kept[number > 0][here], self.added[number][here]
                if weight < WHOLE:
                    kept, added = _fade(kept, added, weight)
                mixed = region * kept
                mixed += added
                mixed >>= 8
                region[:] = mixed


def _fade(kept: Weights, added: Weights, weight: int) -> tuple[Weights, Weights]:
    faded = WHOLE - ((WHOLE - kept) * weight >> 8), ((added - _HALF) >> 8) * weight + _HALF
    return faded[0].astype(np.uint16, copy=False), faded[1].astype(np.uint16, copy=False)
