"""What the families draw with: dice that fall the same way for ever, and a sheet that takes plain shapes."""

import hashlib
import math
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")
Point = tuple[float, float]


class Dice:
    """Chance that follows from its seeds alone; only `random()` is drawn, whose sequence Python keeps."""

    def __init__(self, *seeds: object) -> None:
        digest = hashlib.sha256(":".join(map(str, seeds)).encode()).digest()
        self._random = random.Random(int.from_bytes(digest))  # noqa: S311 -- art, not keys

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self._random.random()

    def whole(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random.random() * len(choices))]

    def falls(self, chance: float) -> bool:
        return self._random.random() < chance


class Canvas:
    """Collects the shapes of one drawing: flat colours only, since a gradient takes longer than all the rest."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.unit = min(width, height)
        self._shapes: list[str] = []

    def finish(self) -> str:
        """The whole drawing."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(self._shapes)}</svg>\n'

    def fill(self, paint: str) -> None:
        """Cover the whole sheet."""
        self.rectangle((0, 0), self.width, self.height, paint)

    def rectangle(self, corner: Point, width: float, height: float, paint: str) -> None:
        x, y = corner
        size = f'width="{_n(width)}" height="{_n(height)}"'
        self._shapes.append(f'<rect x="{_n(x)}" y="{_n(y)}" {size} fill="{paint}"/>')

    def circle(self, centre: Point, radius: float, paint: str) -> None:
        self._shapes.append(f'<circle cx="{_n(centre[0])}" cy="{_n(centre[1])}" r="{_n(radius)}" fill="{paint}"/>')

    def ring(self, centre: Point, radius: float, thickness: float, paint: str) -> None:
        place = f'cx="{_n(centre[0])}" cy="{_n(centre[1])}" r="{_n(radius)}"'
        self._shapes.append(f'<circle {place} fill="none" stroke="{paint}" stroke-width="{_n(thickness)}"/>')

    def shape(self, path: str, paint: str) -> None:
        """A closed path."""
        self._shapes.append(f'<path d="{path}" fill="{paint}"/>')

    def line(self, path: str, thickness: float, paint: str, *, is_round: bool = True) -> None:
        """An open path, or several in one."""
        ends = ' stroke-linecap="round" stroke-linejoin="round"' if is_round else ""
        self._shapes.append(f'<path d="{path}" fill="none" stroke="{paint}" stroke-width="{_n(thickness)}"{ends}/>')

    def outlined(self, path: str, paint: str, thickness: float, outline: str) -> None:
        """A closed path whose edge has a colour of its own."""
        self._shapes.append(f'<path d="{path}" fill="{paint}" stroke="{outline}" stroke-width="{_n(thickness)}"/>')


def around(centre: Point, radius: float, degrees: float) -> Point:
    """The point at this angle from a centre."""
    angle = math.radians(degrees)
    return centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


def arc(centre: Point, radius: float, start_degrees: float, sweep_degrees: float) -> str:
    """A path along a part of a circle."""
    start, end = around(centre, radius, start_degrees), around(centre, radius, start_degrees + sweep_degrees)
    large = int(sweep_degrees > 180)
    return f"M{pair(start)}A{_n(radius)} {_n(radius)} 0 {large} 1 {pair(end)}"


def curve(points: Sequence[Point]) -> str:
    """A smooth path by way of these points."""
    parts = [f"M{pair(points[0])}"]
    for here, after in pairwise(points[1:]):
        parts.append(f"Q{pair(here)} {pair(((here[0] + after[0]) / 2, (here[1] + after[1]) / 2))}")
    return "".join([*parts, f"L{pair(points[-1])}"])


def pair(point: Point) -> str:
    """A point as it stands in a path."""
    return f"{_n(point[0])} {_n(point[1])}"


def _n(number: float) -> str:
    """One decimal is below what an eye sees, and the same on every machine."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")
