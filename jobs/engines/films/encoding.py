"""Frames into a file of their segment, and single frames into pictures."""

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from PIL import Image

from jobs.engines.films.coders import CODERS, USUAL, Coding, open_context, set_up
from jobs.engines.films.planes import Picture

SEGMENT_SECONDS = 5  # from key frame to key frame: what a player seeks by
STILL_QUALITY = 88

_SEGMENT = {"fflags": "+bitexact"}


def encode_pictures(path: Path, pictures: Iterable[Picture], fps: int, coding: Coding = USUAL, film: str = "") -> None:
    """One frame after the other; at a variable rate those that differ from the one before, and the last."""
    waiting = iter(pictures)
    first = next(waiting)
    timed = enumerate(itertools.chain([first], waiting))
    pixels = CODERS[coding.codec].pixels
    with av.open(str(path), "w", format="mp4", container_options=_SEGMENT) as container:
        container.metadata["comment"] = film  # what it is part of
        stream = _add_video(container, first, fps, coding)
        for position, picture in _drop_equal(timed) if coding.is_variable_rate else timed:
            frame = _wrap(picture).reformat(format=pixels)
            frame.pts, frame.time_base = position, Fraction(1, fps)
            container.mux(stream.encode(frame))  # encoders copy what they keep, so that the picture may change now
        container.mux(stream.encode(None))


def write_still(path: Path, picture: Picture, longest_side: int) -> None:
    """One frame as a JPEG, scaled down where a side would be longer."""
    scale = min(1.0, longest_side / max(picture.width, picture.height))
    frame = _wrap(picture).reformat(
        max(2, round(picture.width * scale)),
        max(2, round(picture.height * scale)),
        "rgb24",
        src_colorspace=Colorspace.ITU709,
        interpolation=Interpolation.AREA,
    )
    Image.fromarray(frame.to_ndarray()).save(path, "JPEG", quality=STILL_QUALITY)


def _wrap(picture: Picture) -> av.VideoFrame:
    """The picture as a frame: without a copy where PyAV can, which takes a height for a multiple of 4."""
    if picture.height % 4 == 0:
        return av.VideoFrame.from_numpy_buffer(picture.memory, "yuv420p")
    frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
    for plane, mine in zip(frame.planes, picture.planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * mine.shape[0]].reshape(
            mine.shape[0], plane.line_size
        )
        rows[:, : mine.shape[1]] = mine
    return frame


def _drop_equal(timed: Iterable[tuple[int, Picture]]) -> Iterator[tuple[int, Picture]]:
    """What differs from what was given before, and the last of all, so that its end is known."""
    position, given, kept, picture = -1, -1, None, None
    for position, picture in timed:
        if kept is None or not np.array_equal(kept, picture.memory):
            kept, given = picture.memory.copy(), position
            yield position, picture
    if picture is not None and position > given:
        yield position, picture


def _add_video(container: OutputContainer, picture: Picture, fps: int, coding: Coding) -> VideoStream:
    coder = CODERS[coding.codec]
    options = {**coding.choose_options(picture.width), "flags": "+bitexact+cgop"}
    stream = container.add_stream(coder.encoder, rate=fps, options=options)
    if not isinstance(stream, VideoStream):
        raise TypeError(f"{coder.encoder} encodes no pictures")
    context = stream.codec_context
    set_up(context, coding.codec, picture.width, picture.height, fps)
    context.gop_size = SEGMENT_SECONDS * fps
    context.thread_type = "FRAME"  # several at once, rather than parts of one, which costs quality
    if coding.is_variable_rate:
        context.max_b_frames = 0  # they would be decoded before the segment begins, as long as a frame stands
    if coder.tag:
        context.codec_tag = coder.tag
    open_context(context, coding.codec)
    return stream
