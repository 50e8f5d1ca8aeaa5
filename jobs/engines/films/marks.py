"""What moves beside the words: how far the song is, how loud it is, and how soon the next words come."""

import math

import numpy as np
from numpy.typing import NDArray

from jobs.engines.films.plan import FilmPlan
from jobs.engines.films.planes import Box, Picture, to_yuv
from jobs.engines.films.timeline import COUNTDOWN_SECONDS

WAVEFORM_SECONDS = 8.0  # that are seen at once, the present in their middle
BAR_PIXELS, BAR_SHARE = 24, 0.58
LOUDNESS_POWER = 1.4
BEAT_SECONDS = 0.12
TICK_PIXELS = 4  # above and below the line of progress
DOTS = 3

Heights = tuple[int, ...]


class Progress:
    """A line that fills from the first frame to the last, with a tick where a section begins."""

    def __init__(self, plan: FilmPlan, box: Box) -> None:
        self.box = Box(box.x, box.y - TICK_PIXELS, box.width, box.height + 2 * TICK_PIXELS)
        self._line, self._frames = box, plan.frame_count
        self._empty, self._tick = to_yuv(plan.palette.figures[0]), to_yuv(plan.palette.figures[2])
        self._full = to_yuv(plan.palette.accent)
        shares = (min(1.0, seconds / plan.duration_seconds) for seconds in plan.sections_seconds)
        self._ticks = sorted({min(box.x + round(box.width * share / 2) * 2, box.right - 2) for share in shares})

    def state_at(self, frame: int) -> int:
        """How many pixels are filled."""
        return round(self._line.width * (frame + 1) / self._frames / 2) * 2

    def draw(self, picture: Picture, _ground: Picture, _old: object, new: int) -> None:
        """Fill them."""
        line = self._line
        picture.fill(Box(line.x + new, line.y, line.width - new, line.height), self._empty)
        for x in self._ticks:
            picture.fill(Box(x, self.box.y, 2, self.box.height), self._tick)
        picture.fill(Box(line.x, line.y, new, line.height), self._full)


class Waveform:
    """Bars that flow past the present: the past in one colour, the future in another; beats light the middle."""

    def __init__(self, plan: FilmPlan, box: Box) -> None:
        count = (box.width // BAR_PIXELS - 1) // 2 * 2 + 1
        self.box, self._fps = box, plan.fps
        self._pitch = box.width / count
        self._levels = np.asarray(plan.levels, np.float64)
        self._times = (np.arange(len(plan.levels)) + 0.5) * plan.duration_seconds / len(plan.levels)
        loudest = float(self._levels.max()) or 1.0
        self._levels = (self._levels / loudest) ** LOUDNESS_POWER
        self._offsets = (np.arange(count) - count // 2) * WAVEFORM_SECONDS / count
        self._beats = np.asarray(plan.beats_seconds, np.float64)
        heard, coming = plan.palette.accent, plan.palette.figures[3]
        self._colours = [to_yuv(heard)] * (count // 2) + [to_yuv(plan.palette.text)] + [to_yuv(coming)] * (count // 2)
        self._heard = to_yuv(heard)

    def state_at(self, frame: int) -> Heights:
        """Half the height of each bar, and at last whether a beat is heard."""
        now = frame / self._fps
        heights: NDArray[np.float64] = np.interp(now + self._offsets, self._times, self._levels, 0, 0)
        half = np.maximum(2, np.rint(heights * self.box.height / 4).astype(int) * 2)
        return (*half.tolist(), int(self._is_beat(now)))

    def draw(self, picture: Picture, ground: Picture, old: object, new: Heights) -> None:
        """Draw the bars whose height changed; at first their box holds nothing but the ground."""
        before = old if isinstance(old, tuple) else (-1,) * len(new)
        middle = self.box.y + self.box.height // 4 * 2
        centre = len(self._colours) // 2
        for number, half in enumerate(new[:-1]):
            if half == before[number] and (number != centre or new[-1] == before[-1]):
                continue
            x = round((self.box.x + number * self._pitch) / 2) * 2
            width = round(self._pitch * BAR_SHARE / 2) * 2
            if half < before[number]:  # else what is there is covered
                column = Box(x, self.box.y, width, self.box.height)
                picture.paste(ground, column, column.x, column.y)
            colour = self._heard if number == centre and not new[-1] else self._colours[number]
            picture.fill(Box(x, max(self.box.y, middle - half), width, min(2 * half, self.box.height)), colour)

    def _is_beat(self, now: float) -> bool:
        at = int(np.searchsorted(self._beats, now + 1e-6))
        return at > 0 and now - float(self._beats[at - 1]) < BEAT_SECONDS


class Countdown:
    """Three dots before words that come after a long gap; they go out one by one."""

    def __init__(self, plan: FilmPlan, box: Box, starts: list[int], *, is_centred: bool) -> None:
        side = box.height // 2 * 2
        left = box.x + (box.width - DOTS * 2 * side + side) / 2 if is_centred else box.x
        self.box = Box.around(left, box.y, left + DOTS * 2 * side - side, box.y + side)
        self._starts, self._fps, self._colour = sorted(starts), plan.fps, plan.palette.accent
        self._dot = _round_dot(side)

    def state_at(self, frame: int) -> int:
        """How many dots are seen."""
        at = int(np.searchsorted(self._starts, frame, side="right"))
        if at == len(self._starts):
            return 0
        left_seconds = (self._starts[at] - frame) / self._fps
        return math.ceil(left_seconds * DOTS / COUNTDOWN_SECONDS) if left_seconds <= COUNTDOWN_SECONDS else 0

    def draw(self, picture: Picture, ground: Picture, _old: object, new: int) -> None:
        """Draw as many dots."""
        shown = ground.cut(self.box)
        covered = np.zeros((self.box.height, self.box.width), np.uint8)
        side = self._dot.shape[0]
        for number in range(new):
            covered[:side, 2 * number * side : (2 * number + 1) * side] = self._dot
        shown.stain(covered, to_yuv(self._colour))
        picture.paste(shown, Box(0, 0, shown.width, shown.height), self.box.x, self.box.y)


def _round_dot(side: int) -> NDArray[np.uint8]:
    middle = (side - 1) / 2
    across = np.arange(side) - middle
    distances = np.hypot(across[:, None], across[None, :])
    return np.asarray((np.clip(side / 2 - distances, 0, 1) * 255).astype(np.uint8))
