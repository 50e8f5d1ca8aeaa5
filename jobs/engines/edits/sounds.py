"""The sound of a piece, read as far as it is wanted: it is as long as its pictures, and silent where there is none."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from jobs.engines.cuts.reading import measure_clip
from jobs.engines.edits.pieces import Crossfade, Overlay, Piece, Row, Speed, Take, Volume
from jobs.engines.media import check_sound, find_audio, open_media
from jobs.formats.m4a import SAMPLE_RATE

Samples = NDArray[np.float32]
BLOCK = 1 << 14


class Sound(Protocol):
    """Stereo samples at our rate, from the first on."""

    def read(self, count: int) -> Samples:
        """The next ones, of shape (2, count); silence behind the end."""


def open_sound(piece: Piece, fps: int, stack: ExitStack) -> Sound:
    """What a piece sounds like; the stack closes its files."""
    match piece:
        case Take():
            return _Buffered(_decode(piece, fps, stack))
        case Row():
            return _Row([(open_sound(part, fps, stack), part.frame_count) for part in piece.parts], fps)
        case Crossfade():
            return _Crossfade(piece, fps, stack)
        case Speed():
            return _Buffered(_change_tempo(open_sound(piece.piece, fps, stack), piece.percent))
        case Volume():
            return _Louder(open_sound(piece.piece, fps, stack), 10 ** (piece.gain_db / 20))
        case Overlay():
            return _Overlay(piece, fps, stack)


def count_samples(frames: int, fps: int) -> int:
    """As many as are heard while these frames are shown."""
    return frames * SAMPLE_RATE // fps


class _Buffered:
    """Blocks of any size, read in any other."""

    def __init__(self, blocks: Iterator[Samples]) -> None:
        self._blocks = blocks
        self._left = np.zeros((2, 0), np.float32)

    def read(self, count: int) -> Samples:
        parts, missing = [self._left], count - self._left.shape[1]
        while missing > 0:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((2, missing), np.float32)
            parts.append(block)
            missing -= block.shape[1]
        whole = np.concatenate(parts, axis=1)
        self._left = whole[:, count:]
        return whole[:, :count]


class _Row:
    def __init__(self, parts: list[tuple[Sound, int]], fps: int) -> None:
        ends = np.cumsum([frames for _, frames in parts])
        self._parts = [(sound, count_samples(int(end), fps)) for (sound, _), end in zip(parts, ends, strict=True)]
        self._at = 0

    def read(self, count: int) -> Samples:
        read = []
        for sound, end in self._parts:
            size = min(max(end - self._at, 0), count)
            if size:
                read.append(sound.read(size))
                self._at, count = self._at + size, count - size
        return np.concatenate([*read, np.zeros((2, count), np.float32)], axis=1)


class _Crossfade:
    def __init__(self, piece: Crossfade, fps: int, stack: ExitStack) -> None:
        self._before, self._after = (open_sound(each, fps, stack) for each in (piece.before, piece.after))
        self._end = count_samples(piece.before.frame_count, fps)
        self._begin = count_samples(piece.before.frame_count - piece.overlap, fps)
        self._at = 0

    def read(self, count: int) -> Samples:
        """Equal power, since two films seldom sound alike."""
        samples = np.zeros((2, count), np.float32)
        places = np.arange(self._at, self._at + count)
        share = np.clip((places - self._begin) / max(1, self._end - self._begin), 0, 1) * (np.pi / 2)
        ending, beginning = (min(max(edge - self._at, 0), count) for edge in (self._end, self._begin))
        if ending:
            samples[:, :ending] += self._before.read(ending) * np.cos(share[:ending]).astype(np.float32)
        if beginning < count:
            samples[:, beginning:] += self._after.read(count - beginning) * np.sin(share[beginning:]).astype(np.float32)
        self._at += count
        return samples


class _Louder:
    def __init__(self, sound: Sound, gain: float) -> None:
        self._sound, self._gain = sound, np.float32(gain)

    def read(self, count: int) -> Samples:
        return np.asarray(self._sound.read(count) * self._gain, np.float32)


class _Overlay:
    def __init__(self, piece: Overlay, fps: int, stack: ExitStack) -> None:
        self._base, self._top = (open_sound(each, fps, stack) for each in (piece.base, piece.top))
        self._begin = count_samples(piece.start, fps)
        self._end = count_samples(piece.start + piece.top.frame_count, fps)
        self._at = 0

    def read(self, count: int) -> Samples:
        samples = self._base.read(count).copy()
        begin, end = (min(max(edge - self._at, 0), count) for edge in (self._begin, self._end))
        if begin < end:
            samples[:, begin:end] += self._top.read(end - begin)
        self._at += count
        return samples


def _decode(take: Take, fps: int, stack: ExitStack) -> Iterator[Samples]:
    """From the take's first frame on, by the clip's clock: a sound that begins later is silent until then."""
    first = measure_clip(take.clip).first + Fraction(take.start, fps)
    left = count_samples(take.frame_count, fps)
    container = stack.enter_context(open_media(take.clip.path))
    stream = find_audio(container)
    if stream is None:
        return
    with suppress(av.FFmpegError):  # what cannot be searched is read from its beginning
        container.seek(int((first - Fraction(1, 10)) / Fraction(stream.time_base or 1)), stream=stream)
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)
    skipped: int | None = None  # samples before the take; fewer than none are silence
    for frame in container.decode(stream):
        check_sound(frame.sample_rate, len(frame.layout.channels))
        if skipped is None:
            skipped = round((first - (frame.pts or 0) * Fraction(frame.time_base or 1)) * SAMPLE_RATE)
            if skipped < 0:
                yield np.zeros((2, min(-skipped, left)), np.float32)
                left, skipped = left - min(-skipped, left), 0
        for piece in resampler.resample(frame):
            samples = np.asarray(piece.to_ndarray(), np.float32)[:, skipped:][:, :left]
            skipped = max(0, skipped - piece.samples)
            left -= samples.shape[1]
            yield samples
        if left <= 0:
            return


def _change_tempo(sound: Sound, percent: int) -> Iterator[Samples]:
    graph = Graph()
    tick = Fraction(1, SAMPLE_RATE)
    entry = graph.add_abuffer(format="fltp", sample_rate=SAMPLE_RATE, layout="stereo", time_base=tick)
    last = entry
    for name, options in (*_list_tempos(percent), ("aformat", "fltp"), ("abuffersink", "")):
        following = graph.add(name, options or None)
        last.link_to(following)
        last = following
    graph.configure()
    at = 0
    while True:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.read(BLOCK)), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, at, tick
        entry.push(frame)
        at += BLOCK
        with suppress(BlockingIOError):
            while True:
                heard = last.pull()
                assert isinstance(heard, av.AudioFrame)  # noqa: S101 - audio goes in
                yield np.asarray(heard.to_ndarray(), np.float32)


def _list_tempos(percent: int) -> Iterator[tuple[str, str]]:
    """One step at most halves or doubles: beyond that the filter skips samples."""
    tempo = percent / 100
    while not 0.5 <= tempo <= 2:
        step = 0.5 if tempo < 1 else 2.0
        yield "atempo", f"{step:g}"
        tempo /= step
    yield "atempo", f"{tempo:.4f}"
