"""Pictures as an encoder takes them: a plane of light and two of colour at half the size, BT.709, studio range."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722
_MATRIX = np.array(
    [
        [_RED, _GREEN, _BLUE],
        [-_RED / 1.8556, -_GREEN / 1.8556, 0.5],
        [0.5, -_GREEN / 1.5748, -_BLUE / 1.5748],
    ],
    np.float32,
)
_RANGES = np.array([219, 224, 224], np.float32) / 255
_OFFSETS = np.array([16, 128, 128], np.float32)


@dataclass(frozen=True)
class Box:
    """A rectangle whose sides are even, so that it holds whole pixels of colour."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def around(cls, left: float, top: float, right: float, bottom: float) -> Self:
        """The smallest that holds all of it."""
        x, y = int(left // 2) * 2, int(top // 2) * 2
        return cls(x, y, -int(-(right - x) // 2) * 2, -int(-(bottom - y) // 2) * 2)

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Where it ends below."""
        return self.y + self.height

    def joined(self, other: "Box") -> "Box":
        """The smallest that holds both; an empty one holds nothing."""
        if not self.width or not other.width:
            return self if self.width else other
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def overlap(self, other: "Box") -> "Box":
        """What both hold."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width, height = min(self.right, other.right) - x, min(self.bottom, other.bottom) - y
        return Box(x, y, width, height) if width > 0 and height > 0 else Box(0, 0, 0, 0)

    def moved(self, x: int, y: int) -> "Box":
        """The same size elsewhere."""
        return Box(self.x + x, self.y + y, self.width, self.height)

    def meets(self, other: "Box") -> bool:
        """Whether they share a pixel."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


class Picture:
    """Three planes in one piece of memory, laid out as yuv420p."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.memory = np.empty((height * 3 // 2, width), np.uint8)
        flat, size = self.memory.reshape(-1), width * height
        half = height // 2, width // 2
        self.planes: tuple[Plane, Plane, Plane] = (
            flat[:size].reshape(height, width),
            flat[size : size * 5 // 4].reshape(half),
            flat[size * 5 // 4 :].reshape(half),
        )

    @classmethod
    def of_rgb(cls, pixels: Plane) -> Self:
        """A picture of pixels of shape (height, width, 3)."""
        picture = cls(pixels.shape[1], pixels.shape[0])
        for top in range(0, picture.height, 64):  # a band at a time, since floats are large
            band = _convert(pixels[top : top + 64])
            rows = slice(top // 2, (top + band.shape[0]) // 2)
            picture.planes[0][top : top + 64] = np.rint(band[..., 0])
            for number in (1, 2):
                picture.planes[number][rows] = np.rint(_halve(band[..., number]))
        return picture

    def to_rgb(self) -> Plane:
        """The pixels again."""
        full = [self.planes[0], *(plane.repeat(2, 0).repeat(2, 1) for plane in self.planes[1:])]
        scaled = (np.stack(full, -1).astype(np.float32) - _OFFSETS) / _RANGES
        return np.asarray(np.rint(scaled @ np.linalg.inv(_MATRIX).T).clip(0, 255), np.uint8)

    def cut(self, box: Box) -> "Picture":
        """A copy of a part."""
        part = Picture(box.width, box.height)
        part.paste(self, box, 0, 0)
        return part

    def paste(self, source: "Picture", box: Box, x: int, y: int) -> None:
        """Put a part of another picture so that its corner comes to this place."""
        target = Box(x, y, box.width, box.height)
        for number, (mine, theirs) in enumerate(zip(self.planes, source.planes, strict=True)):
            mine[within(target, is_half=number > 0)] = theirs[within(box, is_half=number > 0)]

    def lay(self, picture: "Picture", box: Box, x: int, y: int, share: float) -> None:
        """Blend a part over another picture so that its corner comes to this place."""
        weight = round(share * 256)
        if weight == 256:
            picture.paste(self, box, x, y)
            return
        for number, (mine, theirs) in enumerate(zip(self.planes, picture.planes, strict=True)):
            region = theirs[within(Box(x, y, box.width, box.height), is_half=number > 0)]
            added = mine[within(box, is_half=number > 0)].astype(np.uint16) * weight
            region[:] = (region.astype(np.uint16) * (256 - weight) + added + 128) >> 8

    def fill(self, box: Box, colour: tuple[int, int, int]) -> None:
        """Paint a box."""
        for number, (mine, value) in enumerate(zip(self.planes, colour, strict=True)):
            mine[within(box, is_half=number > 0)] = value

    def stain(self, coverage: Plane, colour: tuple[int, int, int]) -> None:
        """Lay a colour over all of it, as far as it is covered, 0 to 255."""
        box = bound(coverage)
        covered = coverage[box.y : box.bottom, box.x : box.right].astype(np.uint16)
        halved = halve_coverage(covered)
        for number, (mine, value) in enumerate(zip(self.planes, colour, strict=True)):
            region = mine[within(box, is_half=number > 0)]
            share = halved if number else covered
            mixed = region * (255 - share) + share * value  # at most 255 squared: it fits 16 bits, rounded too
            mixed += 128
            region[:] = (mixed + (mixed >> 8)) >> 8


def to_yuv(colour: str) -> tuple[int, int, int]:
    """A hex colour in the three planes."""
    pixel = np.array([[[int(colour[at : at + 2], 16) for at in (1, 3, 5)]]], np.uint8)
    light, blue, red = (round(float(value)) for value in _convert(pixel)[0, 0])
    return light, blue, red


def halve_coverage(covered: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """How far the pixels of colour are covered."""
    total = covered[::2, ::2] + covered[1::2, ::2] + covered[::2, 1::2] + covered[1::2, 1::2]
    return np.asarray((total + 2) >> 2, np.uint16)


def bound(coverage: Plane) -> Box:
    """What holds all that is covered."""
    rows, columns = (np.flatnonzero(coverage.any(axis)) for axis in (1, 0))
    if not len(rows):
        return Box(0, 0, 0, 0)
    return Box.around(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _convert(pixels: Plane) -> NDArray[np.float32]:
    return np.asarray(pixels.astype(np.float32) @ _MATRIX.T * _RANGES + _OFFSETS, np.float32)


def _halve(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = plane.shape
    return np.asarray(plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)), np.float32)


def within(box: Box, *, is_half: bool) -> tuple[slice, slice]:
    """The rows and columns of a box in a plane."""
    step = 2 if is_half else 1
    return slice(box.y // step, box.bottom // step), slice(box.x // step, box.right // step)
