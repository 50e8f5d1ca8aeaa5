"""Light as the scenes draw it: coloured glows that add up, and the camera that turns them into a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.engines.covers.palette import Palette
from jobs.engines.films.planes import Picture, Plane
from jobs.engines.motion.plan import MotionPlan

Field = NDArray[np.float32]
Light = NDArray[np.float32]  # three planes: red, green, blue
Colour = NDArray[np.float32]  # the three of one place

BLOOM_STEP, BLOOM_SHARE = 8, 0.45
VIGNETTE = 0.42
GRAIN_TILES = 5
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
        self.lights = Lights.of(plan.palette)

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


def add_glow(light: Light, glow: Field, colour: Colour) -> None:
    """Shine in this colour as strongly as the field says."""
    for number, share in enumerate(colour):
        light[number] += glow * share


class Camera:
    """Exposes light: bloom, vignette, a film's curve, grain against bands, and the planes of a picture."""

    def __init__(self, plan: MotionPlan, stage: Stage) -> None:
        self._picture = Picture(plan.width, plan.height)
        self._ground = stage.lights.ground[:, None, None]
        radius = stage.radius() / stage.reach
        self._vignette: Field = np.asarray(1 - VIGNETTE * radius**2.2, np.float32)
        self._bloom = _Bloom(stage.width, stage.height)
        self._planes = stage.dark()
        self._small = np.empty(self._planes.shape, np.uint8)
        noise = np.random.Generator(np.random.PCG64(plan.seed % 2**63))
        shape = plan.height, plan.width
        levels = np.array([255, 0, 0, 1], np.uint8)  # one down, twice nothing, one up: as an eight-bit number wraps
        self._grain = [levels[noise.integers(0, 4, shape, np.uint8)] for _ in range(GRAIN_TILES)]

    def expose(self, light: Light, gain: float, frame: int) -> Picture:
        """The picture, whose memory is used again for the next; the light is used up."""
        self._bloom.add_to(light)
        light *= self._vignette
        light *= np.float32(gain)
        light += self._ground
        planes = self._planes
        np.matmul(_TO_YUV, self._develop(light).reshape(3, -1), out=planes.reshape(3, -1))
        planes += _OFFSETS
        np.copyto(self._small, planes, casting="unsafe")
        full, *colours = self._picture.planes
        np.add(_enlarge(self._small[0], full.shape), self._grain[frame % GRAIN_TILES], out=full)
        for small, colour in zip(self._small[1:], colours, strict=True):
            colour[:] = _enlarge(small, colour.shape)
        return self._picture

    @staticmethod
    def _develop(light: Light) -> Light:
        """Light as a screen shows it: a soft shoulder, and dark places darker than they are."""
        np.negative(light, out=light)
        np.expm1(light, out=light)
        np.negative(light, out=light)
        return np.sqrt(light, out=light)


def _enlarge(plane: Plane, shape: tuple[int, ...]) -> Plane:
    if plane.shape == shape:
        return plane
    height, width = shape
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC))


class _Bloom:
    """What bright places shed around them: the light itself, made small, softened, and large again."""

    def __init__(self, width: int, height: int) -> None:
        self._rows, self._columns = height // BLOOM_STEP, width // BLOOM_STEP
        self._widen = _interpolate(self._columns, width).T.copy()
        self._heighten = _interpolate(self._rows, height) * np.float32(BLOOM_SHARE)

    def add_to(self, light: Light) -> None:
        """Let it bloom."""
        rows, columns = self._rows * BLOOM_STEP, self._columns * BLOOM_STEP
        banded = light[:, :rows, :columns].reshape(3, self._rows, BLOOM_STEP, columns)
        flat = banded[:, :, 0] + banded[:, :, 1]
        for row in range(2, BLOOM_STEP):
            flat += banded[:, :, row]
        small = flat.reshape(3, self._rows, self._columns, BLOOM_STEP) @ np.full(BLOOM_STEP, BLOOM_STEP**-2, np.float32)
        for axis in (1, 2):
            small = _soften(_soften(small, axis), axis)
        light += self._heighten @ (small @ self._widen)


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
