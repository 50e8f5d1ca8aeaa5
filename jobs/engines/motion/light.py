"""Light as the scenes draw it: coloured glows that add up, and the camera that turns them into a picture."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from jobs.engines.covers.palette import Palette
from jobs.engines.films.planes import Picture, Plane
from jobs.engines.motion.plan import MotionPlan

Field = NDArray[np.float32]
Light = NDArray[np.float32]  # three planes: red, green, blue
Colour = NDArray[np.float32]  # the three of one place

BLOOM_STEP, BLOOM_SHARE = 8, 0.45
VIGNETTE = 0.42
BAND_ROWS = 36
_TO_YUV = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.114572, -0.385428, 0.5], [0.5, -0.454153, -0.045847]], np.float32
) * np.array([[219], [224], [224]], np.float32)
_OFFSETS = np.array([16.5, 128.5, 128.5], np.float32)[:, None, None]  # a half rounds


@dataclass(frozen=True)
class Lights:
    """The colours of a palette as light; `tones` go from near the ground to far from it."""

    ground: Colour
    tones: tuple[Colour, ...]
    accent: Colour

    @classmethod
    def of(cls, palette: Palette) -> "Lights":
        """Gamma 2, which is near enough to a screen's and quick."""
        return cls(to_light(palette.ground), tuple(map(to_light, palette.figures)), to_light(palette.accent))

    @property
    def vivid(self) -> tuple[Colour, Colour, Colour]:
        """The three that tell the palette: its middle, its far tone, and the accent."""
        return self.tones[2], self.accent, self.tones[3]


def to_light(colour: str) -> Colour:
    """A hex colour as light."""
    return np.array([(int(colour[at : at + 2], 16) / 255) ** 2 for at in (1, 3, 5)], np.float32)


class Stage:
    """The places of a smaller frame: `x`, `y` from the middle, where 1 is half of the shorter side."""

    def __init__(self, plan: MotionPlan, step: int = 2) -> None:
        self.width, self.height = plan.width // step, plan.height // step
        unit = min(self.width, self.height) / 2
        self.pixel = 1 / unit
        self.right, self.bottom = self.width / 2 / unit, self.height / 2 / unit
        self.x: Field = ((np.arange(self.width, dtype=np.float32) + 0.5) / unit - self.right)[None, :]
        self.y: Field = ((np.arange(self.height, dtype=np.float32) + 0.5) / unit - self.bottom)[:, None]
        self.rows = slice(0, self.height)
        self.lights = Lights.of(plan.palette)

    def draw_by_bands(self, draw: Callable[["Stage"], Light]) -> Light:
        """What is drawn of some rows at a time, so that all that is computed on the way stays near the processor."""
        light = np.empty((3, self.height, self.width), np.float32)
        for band in self._bands:
            light[:, band.rows] = draw(band)
        return light

    @cached_property
    def _bands(self) -> list["Stage"]:
        return [self._cut(slice(top, min(top + BAND_ROWS, self.height))) for top in range(0, self.height, BAND_ROWS)]

    def _cut(self, rows: slice) -> "Stage":
        band = copy(self)
        band.y, band.rows, band.height = self.y[rows], rows, rows.stop - rows.start
        return band

    @property
    def reach(self) -> float:
        """From the middle to a corner."""
        return float(np.hypot(self.right, self.bottom))

    def radius(self, x: float = 0.0, y: float = 0.0) -> Field:
        """The distance of each place from a point."""
        return np.asarray(np.sqrt((self.x - x) ** 2 + (self.y - y) ** 2), np.float32)

    def angle(self, x: float = 0.0, y: float = 0.0) -> Field:
        """The direction of each place from a point."""
        return np.asarray(np.arctan2(self.y - y, self.x - x), np.float32)

    def dark(self) -> Light:
        """Three planes without any light."""
        return np.zeros((3, self.height, self.width), np.float32)


def shine(*glows: tuple[Field, Colour]) -> Light:
    """Glows together, each in its colour as strongly as its field says."""
    fields = np.stack([field for field, _ in glows])
    colours = np.stack([colour for _, colour in glows], 1)
    return np.asarray((colours @ fields.reshape(len(glows), -1)).reshape(3, *fields.shape[1:]), np.float32)


def add_glow(light: Light, glow: Field, colour: Colour) -> None:
    """Shine in this colour too."""
    for number, share in enumerate(colour):
        light[number] += glow * share


class Camera:
    """Exposes light: bloom, vignette, a film's curve, and the planes of a picture, whose pixels swscale makes.

    There is no grain: no encoder of ours keeps one level of it, and each takes longer over it.
    """

    def __init__(self, plan: MotionPlan, stage: Stage) -> None:
        self._picture = Picture(plan.width, plan.height)
        self._ground = stage.lights.ground[:, None, None]
        radius = stage.radius() / stage.reach
        self._vignette: Field = np.asarray(1 - VIGNETTE * radius**2.2, np.float32)
        self._bloom = _Bloom(stage.width, stage.height)
        self._small = np.empty((3, stage.height, stage.width), np.uint8)
        self._scaler = VideoReformatter()

    def expose(self, light: Light, gain: float) -> Picture:
        """The picture, whose memory is used again for the next; the light is used up."""
        self._bloom.add_to(light)
        for top in range(0, light.shape[1], BAND_ROWS):
            rows = slice(top, top + BAND_ROWS)
            band = light[:, rows] * (self._vignette[rows] * np.float32(gain))
            band += self._ground
            planes = (_TO_YUV @ self._develop(band).reshape(3, -1)).reshape(band.shape)
            planes += _OFFSETS
            np.copyto(self._small[:, rows], planes, casting="unsafe")
        for small, large in zip(self._small, self._picture.planes, strict=True):
            self._enlarge(small, large)
        return self._picture

    @staticmethod
    def _develop(light: Light) -> Light:
        """Light as a screen shows it: a soft shoulder, and dark places darker than they are."""
        np.negative(light, out=light)
        np.expm1(light, out=light)
        np.negative(light, out=light)
        return np.sqrt(light, out=light)

    def _enlarge(self, small: Plane, large: Plane) -> None:
        """One plane after the other, since colours often have their size already."""
        if small.shape == large.shape:
            large[:] = small
            return
        height, width = large.shape
        frame = av.VideoFrame.from_ndarray(small, "gray")
        plane = self._scaler.reformat(frame, width, height, interpolation=Interpolation.BICUBIC).planes[0]
        large[:] = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :width]


class _Bloom:
    """What bright places shed around them: the light itself, made small, softened, and large again."""

    def __init__(self, width: int, height: int) -> None:
        self._rows, self._columns = height // BLOOM_STEP, width // BLOOM_STEP
        self._widen = _interpolate(self._columns, width).T * np.float32(BLOOM_SHARE)

    def add_to(self, light: Light) -> None:
        """Let it bloom."""
        rows, columns = self._rows, self._columns
        framed = light[:, : rows * BLOOM_STEP, : columns * BLOOM_STEP]
        flat = np.add.reduce(framed.reshape(3, rows, BLOOM_STEP, columns * BLOOM_STEP), axis=2)
        small = flat.reshape(3, rows, columns, BLOOM_STEP) @ np.full(BLOOM_STEP, BLOOM_STEP**-2, np.float32)
        for axis in (1, 2):
            small = _soften(_soften(small, axis), axis)
        wide = small @ self._widen
        half = BLOOM_STEP // 2
        light[:, :half] += wide[:, :1]
        light[:, rows * BLOOM_STEP - half :] += wide[:, -1:]
        upper, steps = wide[:, :-1], np.diff(wide, axis=1)
        for place in range(BLOOM_STEP):  # of a row between the middles of two small ones
            between = light[:, half + place : (rows - 1) * BLOOM_STEP + half : BLOOM_STEP]
            between += upper + steps * np.float32((place + 0.5) / BLOOM_STEP)


def _interpolate(count: int, size: int) -> Field:
    """The matrix that makes `count` values `size`."""
    places = ((np.arange(size) + 0.5) / BLOOM_STEP - 0.5).clip(0, count - 1)
    lower = np.minimum(places.astype(np.intp), count - 2)
    matrix = np.zeros((size, count), np.float32)
    matrix[np.arange(size), lower] = 1 - (places - lower)
    matrix[np.arange(size), lower + 1] = places - lower
    return matrix


def _soften(planes: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    pad = [(0, 0)] * 3
    pad[axis] = (2, 2)
    wide = np.pad(planes, pad, mode="edge")
    count = planes.shape[axis]
    parts = (wide.take(range(at, at + count), axis) * weight for at, weight in enumerate((0.1, 0.24, 0.32, 0.24, 0.1)))
    return np.asarray(sum(parts), np.float32)
