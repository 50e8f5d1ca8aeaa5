"""Songs as cuts follow them, and clips whose every frame tells its number."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from jobs.engines.cuts import Cues, Part

BITS = 12
COLOURS = ((0, 0), (40, -60), (-60, 40), (50, 50), (-50, -40))  # of the two colour planes, from grey


def make_cues(
    bars: int = 24, bpm: float = 120.0, beats_per_bar: int = 4, energies: Iterable[float] = (0.3, 0.56, 0.9)
) -> Cues:
    """A steady song of equally long sections."""
    beat, levels = 60 / bpm, list(energies)
    length = bars * beats_per_bar * beat
    step = max(1, bars // len(levels)) * beats_per_bar * beat
    starts = [number * step for number in range(len(levels))]
    parts = [
        Part(start, end, f"part {level}", level)
        for start, end, level in zip(starts, [*starts[1:], length], levels, strict=True)
    ]
    beats = [number * beat for number in range(bars * beats_per_bar)]
    return Cues(length, tuple(beats), tuple(beats[::beats_per_bar]), beats_per_bar, tuple(parts))


@dataclass(frozen=True)
class Film:
    """How a clip is written."""

    frame_count: int = 90
    width: int = 320
    height: int = 180
    fps: int = 30
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    gop: int = 48
    colour: int = 0
    times: tuple[Fraction, ...] | None = None  # of each frame; None: evenly
    pixel_aspect: Fraction | None = None
    options: dict[str, str] = field(default_factory=dict)


def write_clip(path: Path, film: Film) -> Path:
    """A clip of numbered frames."""
    options = {"g": str(film.gop), "keyint_min": str(film.gop), "crf": "12", "preset": "ultrafast", **film.options}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(film.codec, rate=film.fps, options=options if film.codec == "libx264" else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = film.width, film.height, film.pix_fmt
        if film.pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = film.pixel_aspect
        if film.times is not None:
            stream.codec_context.time_base = Fraction(1, 90_000)
        for number in range(film.frame_count):
            frame = av.VideoFrame.from_ndarray(draw_number(number, film), "yuv420p").reformat(format=film.pix_fmt)
            time = Fraction(number, film.fps) if film.times is None else film.times[number]
            frame.time_base = Fraction(stream.codec_context.time_base or Fraction(1, film.fps))
            frame.pts = round(time / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn_clip(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a, b, c and d of the display matrix into an MP4, as a camera does that is held otherwise."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    a, b, c, d = (number << 16 for number in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def draw_number(number: int, film: Film) -> NDArray[np.uint8]:
    """The number as light and dark bars over the middle of the picture, lowest first; the colour tells the clip."""
    picture = np.full((film.height * 3 // 2, film.width), 128, np.uint8)
    picture[: film.height] = 60
    for bit in range(BITS):
        left, right = _bar(bit, film.width)
        picture[: film.height, left:right] = 200 if number >> bit & 1 else 40
    flat, size = picture.reshape(-1), film.width * film.height
    for plane, tint in enumerate(COLOURS[film.colour]):
        flat[size + plane * size // 4 : size + (plane + 1) * size // 4] = 128 + tint
    return picture


def read_number(light: NDArray[Any]) -> int:
    """The number of a frame by its light."""
    height, width = light.shape
    rows = light[height * 2 // 5 : height * 3 // 5]
    number = 0
    for bit in range(BITS):
        left, right = _bar(bit, width)
        quarter = (right - left) // 4
        number |= int(rows[:, left + quarter : right - quarter].mean() > 120) << bit
    return number


def read_colour(frame: av.VideoFrame) -> int:
    """Which clip a frame is of."""
    planes = frame.to_ndarray().reshape(-1)
    size = frame.width * frame.height
    tints = [float(planes[size + at * size // 4 : size + (at + 1) * size // 4].mean()) - 128 for at in (0, 1)]
    return min(range(len(COLOURS)), key=lambda one: sum(abs(a - b) for a, b in zip(COLOURS[one], tints, strict=True)))


def read_film(path: Path) -> list[tuple[int, int]]:
    """Colour and number of each frame."""
    with av.open(str(path)) as container:
        return [
            (read_colour(frame), read_number(frame.to_ndarray()[: frame.height])) for frame in container.decode(video=0)
        ]


def _bar(bit: int, width: int) -> tuple[int, int]:
    return width * (bit + 2) // (BITS + 4), width * (bit + 3) // (BITS + 4)
