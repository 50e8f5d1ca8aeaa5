"""A ground that slowly comes nearer and goes away again: pictures of it a pixel apart, and mixtures of two."""

import math

import numpy as np
from numpy.typing import NDArray

from jobs.engines.films.planes import Box, Picture, Plane

MOST_ZOOM = 1.1
TURN_SECONDS = 30.0  # from the farthest to the nearest
SHARES = 4  # of the way from one picture to the next: codecs too move what they show by quarters of a pixel
_CHUNK_BYTES, _CHUNK_ROWS = 1 << 16, 32  # that stay in the processor's cache


class Drift:
    """Moves a still that was drawn larger than its box, so that it is sharp when it is near."""

    def __init__(self, still: Picture, box: Box, fps: int) -> None:
        self.box, self._still, self._fps = box, still, fps
        self._steps = round(max(box.width, box.height) / 2 * (MOST_ZOOM - 1))  # a pixel each, at the longer side's ends
        self._scaled: dict[int, Picture] = {}
        self._mixed = Picture(box.width, box.height)

    def state_at(self, frame: int) -> int:
        """How near it is, in shares of steps."""
        nearness = (1 - math.cos(math.pi * frame / self._fps / TURN_SECONDS)) / 2
        return round(nearness * self._steps * SHARES)

    def draw(self, state: int) -> Picture:
        """What is seen in the box; good until it is drawn again."""
        step, share = divmod(state, SHARES)
        wanted = [step, step + 1] if share else [step]
        self._scaled = {number: self._scaled.get(number) or self._scale(number) for number in wanted}
        if not share:
            return self._scaled[step]
        _mix(self._mixed, self._scaled[step], self._scaled[step + 1], share)
        return self._mixed

    def _scale(self, step: int) -> Picture:
        scaled = Picture(self.box.width, self.box.height)
        zoom = 1 + (MOST_ZOOM - 1) * step / self._steps
        for mine, theirs in zip(scaled.planes, self._still.planes, strict=True):
            mine[:] = _zoom(theirs, mine.shape, zoom)
        return scaled


def enlarge(box: Box) -> tuple[int, int]:
    """Width and height of the still for a box."""
    return round(box.width * MOST_ZOOM / 2) * 2, round(box.height * MOST_ZOOM / 2) * 2


def _zoom(plane: Plane, shape: tuple[int, int], zoom: float) -> Plane:
    """The middle of a plane, by fractions of pixels."""
    rows, downs = _sample(plane.shape[0], shape[0], zoom)
    columns, rights = _sample(plane.shape[1], shape[1], zoom)
    zoomed = np.empty(shape, np.uint8)
    for top in range(0, shape[0], _CHUNK_ROWS):
        chunk = slice(top, top + _CHUNK_ROWS)
        above, share = rows[chunk], downs[chunk, None]
        across = _weigh(plane[above], plane[above + 1], share)
        zoomed[chunk] = _weigh(across.take(columns, 1), across.take(columns + 1, 1), rights)
    return zoomed


def _sample(length: int, count: int, zoom: float) -> tuple[NDArray[np.intp], NDArray[np.uint16]]:
    """Behind which pixels of a longer line those of its middle lie, and how far, in 256ths."""
    middles = length / 2 + (np.arange(count) + 0.5 - count / 2) * length / zoom / count - 0.5
    places = np.clip(np.rint(middles * 256).astype(np.intp), 0, (length - 1) * 256 - 1)
    return places >> 8, (places & 255).astype(np.uint16)


def _weigh(one: Plane, other: Plane, share: NDArray[np.uint16]) -> Plane:
    """Each byte between two, by 256ths."""
    mixed = one * (256 - share)
    mixed += other * share
    mixed += 128
    mixed >>= 8
    return mixed.astype(np.uint8)


def _mix(target: Picture, one: Picture, other: Picture, share: int) -> None:
    """Each byte between those of two pictures: half way, or half way from there to the nearer one."""
    flat, first, second = (picture.memory.reshape(-1) for picture in (target, one, other))
    for start in range(0, len(flat), _CHUNK_BYTES):
        chunk = slice(start, start + _CHUNK_BYTES)
        low, high = first[chunk], second[chunk]
        middle = (low & high) + ((low ^ high) >> 1)
        if share != SHARES // 2:
            near = low if share < SHARES // 2 else high
            middle = (middle | near) - ((middle ^ near) >> 1)  # rounded up, as that was rounded down
        flat[chunk] = middle
