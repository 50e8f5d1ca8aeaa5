"""What the families draw with: dice that fall the same way for ever, and a sheet that takes plain shapes."""

import hashlib
import math
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")
Point = tuple[float, float]
Stops = Sequence[tuple[float, str, float]]  # offset, colour, opacity


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
    """Collects the shapes of one drawing."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.unit = min(width, height)
        self.reach = math.hypot(width, height)
        self._paints: list[str] = []
        self._shapes: list[str] = []

    def finish(self) -> str:
        """The whole drawing."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        paints = f"<defs>{''.join(self._paints)}</defs>" if self._paints else ""
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{paints}{"".join(self._shapes)}</svg>\n'

    def linear(self, start: Point, end: Point, stops: Stops) -> str:
        """A paint that runs from one point to another."""
        ends = f'x1="{_n(start[0])}" y1="{_n(start[1])}" x2="{_n(end[0])}" y2="{_n(end[1])}"'
        return self._paint("linearGradient", ends, stops)

    def radial(self, centre: Point, radius: float, stops: Stops) -> str:
        """A paint that runs outwards."""
        return self._paint("radialGradient", f'cx="{_n(centre[0])}" cy="{_n(centre[1])}" r="{_n(radius)}"', stops)

    def fill(self, paint: str) -> None:
        """Cover the whole sheet."""
        self.rectangle((0, 0), self.width, self.height, paint)

    def rectangle(self, corner: Point, width: float, height: float, paint: str, opacity: float = 1) -> None:
        x, y = corner
        self._shape(f'rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"', paint, opacity)

    def circle(self, centre: Point, radius: float, paint: str, opacity: float = 1) -> None:
        self._shape(f'circle cx="{_n(centre[0])}" cy="{_n(centre[1])}" r="{_n(radius)}"', paint, opacity)

    def ring(self, centre: Point, radius: float, thickness: float, paint: str, opacity: float = 1) -> None:
        self._line(f'circle cx="{_n(centre[0])}" cy="{_n(centre[1])}" r="{_n(radius)}"', thickness, paint, opacity)

    def shape(self, path: str, paint: str, opacity: float = 1, turn: tuple[float, Point] | None = None) -> None:
        """A closed path, turned by some degrees around a point."""
        turned = f' transform="rotate({_n(turn[0])} {_n(turn[1][0])} {_n(turn[1][1])})"' if turn else ""
        self._shape(f'path d="{path}"{turned}', paint, opacity)

    def line(self, path: str, thickness: float, paint: str, opacity: float = 1) -> None:
        self._line(f'path d="{path}" stroke-linecap="round" stroke-linejoin="round"', thickness, paint, opacity)

    def bow(self, path: str, thickness: float, paint: str, inside: str) -> None:
        """A line whose inside, up to the straight way from its end to its start, is covered."""
        self._shapes.append(
            f'<path d="{path}" fill="{inside}" fill-opacity="0.9" stroke="{paint}" stroke-width="{_n(thickness)}"/>'
        )

    def _shape(self, shape: str, paint: str, opacity: float) -> None:
        faint = f' fill-opacity="{opacity:.2f}"' if opacity < 1 else ""
        self._shapes.append(f'<{shape} fill="{paint}"{faint}/>')

    def _line(self, shape: str, thickness: float, paint: str, opacity: float) -> None:
        faint = f' stroke-opacity="{opacity:.2f}"' if opacity < 1 else ""
        self._shapes.append(f'<{shape} fill="none" stroke="{paint}" stroke-width="{_n(thickness)}"{faint}/>')

    def _paint(self, kind: str, place: str, stops: Stops) -> str:
        name = f"p{len(self._paints)}"
        marks = "".join(_stop(*stop) for stop in stops)
        self._paints.append(f'<{kind} id="{name}" gradientUnits="userSpaceOnUse" {place}>{marks}</{kind}>')
        return f"url(#{name})"


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


def _stop(offset: float, colour: str, opacity: float) -> str:
    faint = f' stop-opacity="{opacity:.2f}"' if opacity < 1 else ""
    return f'<stop offset="{offset:.2f}" stop-color="{colour}"{faint}/>'


def _n(number: float) -> str:
    """One decimal is below what an eye sees, and the same on every machine."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")
