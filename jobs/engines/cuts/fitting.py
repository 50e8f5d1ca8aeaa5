"""A clip's frames as the film shows them: upright, cropped or between bars, in its size, format and colours."""

import math
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type

from jobs.engines.cuts.plan import Clip
from jobs.engines.films.planes import Box, Picture
from jobs.engines.media import check_picture
from jobs.engines.run import EngineRefused

BLACK = (16, 128, 128)
FLAGS = "bicubic+accurate_rnd"
MOST_CHAINS = 16
ODDEST_PIXEL = 10  # an aspect of a pixel beyond this is a mistake of the file
SMALL_HEIGHT = 576  # up to here a picture that does not name its colours is of the old television
_RGB, _BT709, _UNKNOWN, _BT601 = 0, 1, 2, 6  # as FFmpeg counts colour spaces
_STUDIO_RANGE, _FULL_RANGE = 1, 2
_WIDE_PRIMARIES, _WIDE_TRANSFERS = {9}, {14, 15, 16, 18}  # BT.2020 and its transfers, PQ and HLG
_COLOURS = "out_range=tv:out_color_matrix=bt709"
_NARROWED = f"{_COLOURS}:out_primaries=bt709:out_transfer=bt709"
# Where a display matrix sends the axes, by the signs of a, b, c and d, as filters.
_TURNS: dict[tuple[int, int, int, int], tuple[tuple[str, str], ...]] = {
    (1, 0, 0, 1): (),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (0, -1, 1, 0): (("transpose", "cclock"),),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    (-1, 0, 0, 1): (("hflip", ""),),
    (1, 0, 0, -1): (("vflip", ""),),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
}


@dataclass(frozen=True)
class Stance:
    """How the pictures of a clip lie in its frames: what turns them upright, and the shape of a pixel before that."""

    turns: tuple[tuple[str, str], ...] = ()
    pixel_aspect: Fraction = Fraction(1)

    @property
    def is_lying(self) -> bool:
        """Whether width and height change places."""
        return any(name == "transpose" for name, _ in self.turns)

    @property
    def upright_aspect(self) -> Fraction:
        """The shape of a pixel when it is upright."""
        return 1 / self.pixel_aspect if self.is_lying else self.pixel_aspect

    def turn(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of an upright frame."""
        return (height, width) if self.is_lying else (width, height)

    def measure(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of a frame as it is shown, in even numbers of square pixels."""
        across, down = self.turn(frame.width, frame.height)
        return round(across * self.upright_aspect / 2) * 2, round(down / 2) * 2


@dataclass(frozen=True)
class Kind:
    """How a frame is stored; `gamut` names the primaries and the transfer where they are not those of the film."""

    width: int
    height: int
    pixels: str
    space: int
    span: int
    gamut: tuple[int, int] | None


@dataclass(frozen=True)
class Look:
    """All by which a frame's way into the film differs from another's."""

    kind: Kind
    stance: Stance
    focus: tuple[float, float]
    is_covering: bool


class Chain:
    """Filters, one after the other, for frames of one kind."""

    def __init__(self, kind: Kind, filters: Iterable[tuple[str, str]]) -> None:
        try:
            self._link(kind, filters)
        except (av.FFmpegError, OSError, ValueError) as error:
            told = f"pictures of {kind.pixels} in colours of kind {kind.space} cannot be converted"
            raise EngineRefused("UNREADABLE", told) from error

    def _link(self, kind: Kind, filters: Iterable[tuple[str, str]]) -> None:
        self._graph = Graph()  # its filters do not keep it
        self._graph.threads = 1
        source = (
            f"video_size={kind.width}x{kind.height}:pix_fmt={kind.pixels}:time_base=1/1000:pixel_aspect=1/1"
            f":colorspace={kind.space}:range={kind.span}"
        )
        last = self._entry = self._graph.add("buffer", source)
        for name, options in (*filters, ("buffersink", "")):
            following = self._graph.add(name, options or None)
            last.link_to(following)
            last = following
        self._end = last
        self._graph.configure()

    def run(self, frame: av.VideoFrame) -> av.VideoFrame:
        """One frame in, one frame out."""
        self._entry.push(frame)
        return cast("av.VideoFrame", self._end.pull())


class Fitter:
    """Keeps the filters for each look of frames that it has seen: building them takes longer than using them."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._chains: dict[Look | Kind, Chain] = {}

    def fit(self, frame: av.VideoFrame, clip: Clip, stance: Stance, picture: Picture) -> None:
        """Show the frame in a picture of the film."""
        shown, box = self.shape(frame, clip, stance)
        if (box.width, box.height) != (self._width, self._height):
            picture.fill(Box(0, 0, self._width, self._height), BLACK)
        _copy(shown, picture, box)

    def shape(self, frame: av.VideoFrame, clip: Clip, stance: Stance) -> tuple[av.VideoFrame, Box]:
        """The frame in the film's format and colours, and where in the picture it lies."""
        look = _look_of(frame, clip, stance)
        frame.colorspace, frame.color_range = look.kind.space, look.kind.span
        part, box = _place(look, self._width, self._height)
        shown = self._find(look, look.kind, lambda: _list_filters(look, part, box)).run(frame)
        if look.kind.gamut is not None:  # apart, since its tables take seconds to make and do not depend on the focus
            kind = replace(look.kind, width=box.width, height=box.height)
            shown = self._find(kind, kind, lambda: [("scale", _NARROWED), ("format", "yuv420p")]).run(shown)
        return shown, box

    def _find(self, key: Look | Kind, kind: Kind, list_filters: Callable[[], Iterable[tuple[str, str]]]) -> Chain:
        if key not in self._chains:
            if len(self._chains) >= MOST_CHAINS:
                self._chains.clear()
            self._chains[key] = Chain(kind, list_filters())
        return self._chains[key]


def find_stance(frame: av.VideoFrame, stream: av.VideoStream) -> Stance:
    """By any frame of a clip; asked once, since a frame whose side data was read keeps its memory for a while."""
    return Stance(_find_turns(frame), check_aspect(stream.sample_aspect_ratio))


def _copy(frame: av.VideoFrame, picture: Picture, box: Box) -> None:
    for plane, target, step in zip(frame.planes, picture.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload] # it is a buffer
        top, left, height, width = box.y // step, box.x // step, box.height // step, box.width // step
        target[top : top + height, left : left + width] = rows[:height, :width]


def _look_of(frame: av.VideoFrame, clip: Clip, stance: Stance) -> Look:
    check_picture(frame.width, frame.height)
    is_rgb = frame.format.is_rgb
    space = frame.colorspace
    if is_rgb:
        space = _RGB
    elif space in (_RGB, _UNKNOWN):
        space = _BT601 if min(frame.width, frame.height) <= SMALL_HEIGHT else _BT709
    is_full = frame.color_range == _FULL_RANGE or is_rgb or frame.format.name.startswith("yuvj")
    gamut = frame.color_primaries, frame.color_trc
    is_wide = gamut[0] in _WIDE_PRIMARIES or gamut[1] in _WIDE_TRANSFERS
    kind = Kind(
        width=frame.width,
        height=frame.height,
        pixels=frame.format.name,
        space=space,
        span=_FULL_RANGE if is_full else _STUDIO_RANGE,
        gamut=gamut if is_wide else None,
    )
    return Look(kind, stance, (clip.focus_x, clip.focus_y), clip.fit == "COVER")


def _find_turns(frame: av.VideoFrame) -> tuple[tuple[str, str], ...]:
    """What makes it upright; a matrix that does more than turn and mirror is left alone."""
    matrix = cast("Any", frame.side_data).get(Type.DISPLAYMATRIX)
    if matrix is None:
        return ()
    a, b, _, c, d = struct.unpack("=9i", bytes(matrix))[:5]
    largest = max(abs(number) for number in (a, b, c, d))
    signs = tuple(0 if abs(number) < largest / 2 else int(math.copysign(1, number)) for number in (a, b, c, d))
    return _TURNS.get(cast("tuple[int, int, int, int]", signs), ())


def _list_filters(look: Look, part: Box, box: Box) -> Iterator[tuple[str, str]]:
    yield from look.stance.turns
    if (part.width, part.height) != look.stance.turn(look.kind.width, look.kind.height):
        yield "crop", f"{part.width}:{part.height}:{part.x}:{part.y}"
    size = f"{box.width}:{box.height}:flags={FLAGS}"
    if look.kind.gamut is not None:
        yield "scale", size
        return
    yield "scale", f"{size}:{_COLOURS}"
    yield "format", "yuv420p"


def _place(look: Look, width: int, height: int) -> tuple[Box, Box]:
    """The part of the upright frame that is shown, and where in the film."""
    across, down = look.stance.turn(look.kind.width, look.kind.height)
    aspect = look.stance.upright_aspect
    shown = across * aspect
    if not look.is_covering:
        scale = min(width / shown, Fraction(height, down))
        box_width, box_height = _even(shown * scale, width), _even(down * scale, height)
        x, y = (width - box_width) // 4 * 2, (height - box_height) // 4 * 2
        return Box(0, 0, across, down), Box(x, y, box_width, box_height)
    scale = max(width / shown, Fraction(height, down))
    part_width, part_height = _even(width / scale / aspect, across), _even(height / scale, down)
    x = _aim(look.focus[0], across, part_width)
    y = _aim(look.focus[1], down, part_height)
    return Box(x, y, part_width, part_height), Box(0, 0, width, height)


def _even(length: Fraction, most: int) -> int:
    """The nearest even length; as it is where that would be all of it."""
    return most if length > most - 1 else max(2, round(length / 2) * 2)


def _aim(focus: float, whole: int, part: int) -> int:
    """Where a part begins that has the focus as near to its middle as the edges let it."""
    return min(max(round(focus * whole - part / 2), 0), whole - part) // 2 * 2


def check_aspect(aspect: Fraction | None) -> Fraction:
    """The shape of a pixel; square where the file says nothing, or nonsense."""
    if not aspect or not Fraction(1, ODDEST_PIXEL) <= aspect <= ODDEST_PIXEL:
        return Fraction(1)
    return aspect
