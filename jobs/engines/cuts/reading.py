"""Frames of clips by number: each is the one that is shown at its time, however the clip counts its own."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet

from jobs.engines.cuts.fitting import Stance, find_stance
from jobs.engines.cuts.plan import Clip
from jobs.engines.media import find_video, open_media
from jobs.engines.run import EngineRefused

EARLY_SHARE = Fraction(1, 8)  # of a frame of the film, by which a clip's frame may be late: Matroska rounds its times
FORWARD_SECONDS = 2  # to read on rather than to search, in a file without an index
BACK_SECONDS = (0, 2, 8, 32)  # to search earlier, where a search ends behind what was wanted


@dataclass(frozen=True)
class Extent:
    """When a clip's first picture is shown, on its own clock, and for how long there are pictures."""

    first: Fraction
    seconds: Fraction


def measure_clip(clip: Clip) -> Extent:
    """By all of its packets and its first picture; EngineRefused where there is none."""
    first: Fraction | None = None
    end = Fraction(0)
    is_seen = False
    with open_media(clip.path) as container:
        stream = _get_video(container)
        stream.codec_context.thread_count = 1  # the first picture comes soonest
        tick = Fraction(stream.time_base or 1)
        with suppress(av.FFmpegError):  # a file that breaks off is as long as it can be read
            for packet in container.demux(stream):
                is_seen = is_seen or any(True for _ in _decode_packet(stream, packet))
                if packet.pts is None or not packet.size or packet.is_discard or packet.is_corrupt:
                    continue
                at = packet.pts * tick
                first = at if first is None else min(first, at)
                end = max(end, at + (packet.duration or 0) * tick)
    if first is None or not is_seen:
        raise EngineRefused("UNREADABLE", "none of its pictures can be read")
    return Extent(first, end - first)


class Reader:
    """A clip that is open. Going on is cheap; going elsewhere begins at the key frame before it."""

    def __init__(self, clip: Clip, first: Fraction, fps: int) -> None:
        self._stack = ExitStack()
        self._container = self._stack.enter_context(open_media(clip.path))
        self._stream = _get_video(self._container)
        self._stream.codec_context.thread_count = 1  # the films' processes take all cores
        self._stance: Stance | None = None  # known from its first picture on
        self._tick = Fraction(self._stream.time_base or 1)
        self._first = first
        self._frame_ticks = 1 / (fps * self._tick)
        self._begin_ticks = first / self._tick + EARLY_SHARE * self._frame_ticks
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._shown: av.VideoFrame | None = None
        self._following: av.VideoFrame | None = None

    def close(self) -> None:
        """Give the file and the decoder back."""
        self._stack.close()

    def read(self, number: int) -> tuple[av.VideoFrame, Stance]:
        """The frame that is shown when this many frames of the film are over; the last one for what is behind it."""
        due = math.floor(self._begin_ticks + number * self._frame_ticks)
        if not self._is_near(due):
            self._search(due)
        while self._following is not None and _ticks(self._following) <= due:
            self._shown, self._following = self._following, next(self._frames, None)
        if self._shown is None:
            raise EngineRefused("UNREADABLE", "none of its pictures can be read")
        if self._stance is None:
            self._stance = find_stance(self._shown, self._stream)
        return self._shown, self._stance

    def _is_near(self, due: int) -> bool:
        """Whether reading on is not longer than searching."""
        if self._shown is None or _ticks(self._shown) > due:
            return False
        at = _ticks(self._shown)
        entries = self._stream.index_entries
        if not len(entries):
            return (due - at) * self._tick <= FORWARD_SECONDS
        place = entries.search_timestamp(due)
        return place < 0 or entries[place].timestamp <= at

    def _search(self, due: int) -> None:
        """Stand on a frame that is not behind what is wanted; the first of all where there is none before it."""
        for seconds in BACK_SECONDS:
            earlier = due - int(seconds / self._tick)
            if earlier * self._tick <= self._first:
                break
            self._begin(earlier)
            if self._shown is not None and _ticks(self._shown) <= due:
                return
        self._begin(None)

    def _begin(self, at: int | None) -> None:
        low = int(self._first / self._tick)
        with suppress(av.FFmpegError):  # what cannot be searched is read from where it stands
            self._container.seek(low if at is None else at, stream=self._stream)
        self._frames = _decode(self._container, self._stream)
        self._shown, self._following = next(self._frames, None), next(self._frames, None)


def _decode(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """All frames that can be decoded and have a time."""
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            yield from _decode_packet(stream, packet)


def _decode_packet(stream: av.VideoStream, packet: "Packet[Any]") -> Iterator[av.VideoFrame]:
    with suppress(av.FFmpegError):
        yield from (frame for frame in stream.decode(packet) if frame.pts is not None)


def _get_video(container: InputContainer) -> av.VideoStream:
    stream = find_video(container)
    if stream is None:
        raise EngineRefused("UNREADABLE", "there are no moving pictures in it")
    return stream


def _ticks(frame: av.VideoFrame) -> int:
    return frame.pts or 0
