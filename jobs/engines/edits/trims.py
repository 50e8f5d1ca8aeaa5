"""A stretch of a film as a file of its own: whole groups of pictures are copied, and only the edges encoded."""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from jobs.engines.cuts.fitting import Fitter, check_aspect, find_stance
from jobs.engines.cuts.plan import Clip
from jobs.engines.edits.avc import OWN_NUMBER, PROFILES, Parameters, read_encoded, read_parameters, with_lengths
from jobs.engines.edits.packets import Copied, Index, find_copied, read_index
from jobs.engines.media import find_audio, find_video, open_media
from jobs.engines.run import EngineRefused, Report

EDGE_CRF, EDGE_PRESET = 16, "veryfast"
FULL_CRF, FULL_PRESET = 18, "veryfast"
NEAR = Fraction(1, 500)  # of a second: times are told as floats, and some files round theirs to thousandths
CHECKED_SECONDS = 1  # around where copied and encoded pictures meet
COPIED_SOUNDS = ("aac", "mp3", "alac", "opus", "flac")
_FILM = {"movflags": "+faststart", "fflags": "+bitexact"}
_Packet: TypeAlias = "Packet[Any]"


@dataclass(frozen=True)
class Trim:
    """The new file, how many of its pictures are the old packets, and why not more of them, if none are."""

    path: Path
    frame_count: int
    copied_frames: int
    obstacle: str | None

    @property
    def is_copied(self) -> bool:
        """Whether whole groups were copied."""
        return self.copied_frames > 0


@dataclass(frozen=True)
class _Edge:
    """Encoded pictures with their times, and what a decoder must know of them."""

    packets: tuple[tuple[int, bool, bytes], ...]
    parameters: Parameters


def trim_film(source: Path, start_seconds: float, end_seconds: float, path: Path, report: Report) -> Trim:
    """All pictures that begin from one time to before another; time counts from the film's first picture."""
    report(0.0, "reading")
    index = read_index(source)
    times = _list_times(index, start_seconds, end_seconds)
    found = find_copied(index, times)
    if isinstance(found, Copied):
        report(0.2, "copying")
        obstacle = _copy(source, index, times, found, path)
        if obstacle is None:
            copied = sum(found.begin <= time and (found.end is None or time < found.end) for time in times)
            return Trim(path, len(times), copied, None)
    else:
        obstacle = found
    report(0.3, "encoding")
    _encode_all(source, index, times, path, report)
    return Trim(path, len(times), 0, obstacle)


def _list_times(index: Index, start_seconds: float, end_seconds: float) -> list[int]:
    if not 0 <= start_seconds < end_seconds < float("inf"):
        raise EngineRefused("RANGE_UNFIT", "A stretch begins at 0 seconds or later, and ends after that")
    start, end = (Fraction(seconds) - NEAR for seconds in (start_seconds, end_seconds))
    times = index.list_times(start, end)
    if not times:
        raise EngineRefused("RANGE_UNFIT", "No picture begins in this stretch")
    return times


def _copy(source: Path, index: Index, times: Sequence[int], copied: Copied, path: Path) -> str | None:
    """Write the file by copying; answers with what went wrong, if anything."""
    head = [time for time in times if time < copied.begin]
    tail = [time for time in times if copied.end is not None and time >= copied.end]
    with open_media(source) as container:
        edges = [_encode_edge(container, each) for each in (head, tail) if each]
    if any(edge is None for edge in edges):
        return "its edges cannot be encoded alike"
    try:
        _write_copy(source, index, times, copied, [edge for edge in edges if edge is not None], path)
        return _find_fault(path, index, times, copied)
    except av.FFmpegError as error:
        return f"the copy cannot be written or read ({type(error).__name__})"


def _encode_edge(container: InputContainer, times: Sequence[int]) -> _Edge | None:
    """These pictures as the film's own are: the same size, profile and level; nothing in them is shown out of order."""
    stream = _get_video(container)
    codec = _open_encoder(stream)
    packets: list[_Packet] = []
    shown = 0
    for frame in _read_frames(container, stream, times):
        if frame.interlaced_frame or frame.is_corrupt or frame.format.name != stream.pix_fmt:
            return None
        shown += 1
        frame.pict_type = 0
        packets += codec.encode(frame)
    packets += codec.encode(None)
    if shown != len(times) or len(packets) != shown:
        return None
    units = tuple((packet.pts or 0, packet.is_keyframe, with_lengths(bytes(packet))) for packet in packets)
    return _Edge(units, read_encoded(bytes(codec.extradata or b"")))


def _open_encoder(stream: av.VideoStream) -> Any:
    source = stream.codec_context
    known = read_parameters(bytes(source.extradata or b""))
    assert known is not None  # noqa: S101 - the index has seen them
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = source.width, source.height, source.pix_fmt
    codec.time_base, codec.framerate = stream.time_base, stream.average_rate
    codec.sample_aspect_ratio = check_aspect(stream.sample_aspect_ratio)
    codec.color_range, codec.colorspace = source.color_range, source.colorspace
    codec.color_primaries, codec.color_trc = source.color_primaries, source.color_trc
    codec.flags |= Flags.global_header
    parameters = f"sps-id={OWN_NUMBER}:level={known.level}:keyint=infinite:bframes=0:threads=1"
    codec.options = {
        "preset": EDGE_PRESET,
        "crf": str(EDGE_CRF),
        "profile": PROFILES[known.profile],
        "x264-params": parameters,
        "flags": "+bitexact",
    }
    codec.open()
    return codec


def _write_copy(
    source: Path, index: Index, times: Sequence[int], copied: Copied, edges: Sequence[_Edge], path: Path
) -> None:
    with open_media(source) as container, av.open(str(path), "w", format="mp4", container_options=_FILM) as film:
        stream = _get_video(container)
        target = film.add_stream_from_template(stream)
        parameters = read_parameters(bytes(stream.codec_context.extradata or b""))
        assert parameters is not None  # noqa: S101 - the index has seen them
        if edges:
            target.codec_context.extradata = parameters.merge(edges[0].parameters).pack()
        encoded = _list_encoded(index, edges, copied.lead)
        kept = _read_copied(container, stream, copied)
        step = times[-1] - times[-2] if len(times) > 1 else 1
        pictures = _retime(heapq.merge(encoded, kept, key=lambda packet: packet.dts or 0), times[0], step)
        with open_media(source) as sounding:
            sounds, sound = _copy_sound(sounding, film, index, times)
            _mux(film, [(pictures, target), (sounds, sound)])


def _list_encoded(index: Index, edges: Iterable[_Edge], lead: int) -> Iterator[_Packet]:
    for pts, is_key, content in itertools.chain.from_iterable(edge.packets for edge in edges):
        packet: _Packet = Packet(content)
        packet.pts, packet.dts, packet.time_base = pts, pts - lead, index.tick
        packet.is_keyframe = is_key
        yield packet


def _read_copied(container: InputContainer, stream: av.VideoStream, copied: Copied) -> Iterator[_Packet]:
    container.seek(copied.begin, stream=stream)
    for packet in container.demux(stream):
        if not packet.size or packet.pts is None or packet.pts < copied.begin:
            continue
        if copied.end is not None and packet.is_keyframe and packet.pts >= copied.end:
            return
        yield packet


def _retime(packets: Iterable[_Packet], first: int, step: int) -> Iterator[_Packet]:
    for packet in packets:
        packet.pts, packet.dts = (packet.pts or 0) - first, (packet.dts or 0) - first
        packet.duration = packet.duration or step
        yield packet


def _copy_sound(
    container: InputContainer, film: OutputContainer, index: Index, times: Sequence[int]
) -> tuple[Iterator[_Packet], Any]:
    """The packets that begin and end within the stretch; sound that MP4 does not hold is left out."""
    stream = find_audio(container)
    if stream is None or stream.codec_context.name not in COPIED_SOUNDS:
        return iter(()), None
    begin, end = times[0] * index.tick, (2 * times[-1] - times[-2] if len(times) > 1 else times[-1] + 1) * index.tick
    return _read_sound(container, stream, begin, end), film.add_stream_from_template(stream)


def _read_sound(container: InputContainer, stream: av.AudioStream, begin: Fraction, end: Fraction) -> Iterator[_Packet]:
    tick = Fraction(stream.time_base or 1)
    with suppress(av.FFmpegError):  # what cannot be searched is read from its beginning
        container.seek(int(begin / tick), stream=stream)
    first = round(begin / tick)
    for packet in container.demux(stream):
        if packet.pts is None or packet.dts is None or packet.pts < first:
            continue
        if (packet.pts + (packet.duration or 0)) * tick > end:
            return
        packet.pts, packet.dts = packet.pts - first, packet.dts - first
        yield packet


def _mux(film: OutputContainer, parts: Sequence[tuple[Iterator[_Packet], Any]]) -> None:
    """In the order of time."""

    def order(packets: Iterator[_Packet], number: int) -> Iterator[tuple[Fraction, int, int, _Packet]]:
        for place, packet in enumerate(packets):
            yield (packet.dts or 0) * Fraction(packet.time_base), number, place, packet

    for _, number, _, packet in heapq.merge(*(order(packets, number) for number, (packets, _) in enumerate(parts))):
        packet.stream = parts[number][1]
        film.mux(packet)


def _find_fault(path: Path, index: Index, times: Sequence[int], copied: Copied) -> str | None:
    """Read the copy as a player would: every picture at its time, and those around the seams decoded."""
    made = read_index(path)
    grid = [(time - times[0]) * index.tick for time in times]
    found = sorted((entry.pts - made.first) * made.tick for entry in made.entries)
    if len(found) != len(grid) or any(abs(a - b) > NEAR for a, b in zip(found, grid, strict=True)):
        return "the copy's pictures do not stand at their times"
    seams = [(copied.begin - times[0]) * index.tick]
    if copied.end is not None:
        seams.append((copied.end - times[0]) * index.tick)
    windows = [(Fraction(0), seams[0] + CHECKED_SECONDS), (seams[-1] - CHECKED_SECONDS, grid[-1] + 1)]
    if not all(_is_decoded(path, made, low, high) for low, high in windows):
        return "the copy does not decode"
    return None


def _is_decoded(path: Path, made: Index, low: Fraction, high: Fraction) -> bool:
    first = made.first
    wanted = [entry.pts for entry in made.entries if low <= (entry.pts - first) * made.tick < high]
    with open_media(path) as container:
        stream = _get_video(container)
        frames = [frame for frame in _read_frames(container, stream, sorted(wanted)) if not frame.is_corrupt]
    return len(frames) == len(wanted)


def _read_frames(container: InputContainer, stream: av.VideoStream, times: Sequence[int]) -> Iterator[av.VideoFrame]:
    """The pictures of these times, by reading on from the key frame before the first."""
    wanted = set(times)
    container.seek(times[0], stream=stream)
    for frame in container.decode(stream):
        if frame.pts is not None and frame.pts > times[-1]:
            return
        if frame.pts in wanted:
            yield frame


def _encode_all(source: Path, index: Index, times: Sequence[int], path: Path, report: Report) -> None:
    """Every picture anew, upright, with square pixels."""
    clip = Clip(source, 0.0)
    with open_media(source) as container, av.open(str(path), "w", format="mp4", container_options=_FILM) as film:
        stream = _get_video(container)
        options = {"preset": FULL_PRESET, "crf": str(FULL_CRF), "threads": "1", "flags": "+bitexact"}
        target = film.add_stream("libx264", rate=stream.average_rate or 30, options=options)
        frames = _read_frames(container, stream, times)
        first = next(frames)
        stance = find_stance(first, stream)
        width, height = stance.measure(first)
        target.width, target.height, target.pix_fmt = width, height, "yuv420p"
        target.codec_context.time_base = index.tick
        target.codec_context.color_range = target.codec_context.colorspace = 1
        fitter = Fitter(width, height)

        def encode() -> Iterator[_Packet]:
            for number, frame in enumerate(itertools.chain([first], frames)):
                pts = frame.pts or 0
                shown, _ = fitter.shape(frame, clip, stance)
                shown.pict_type = 0
                shown.pts, shown.time_base = pts - times[0], index.tick
                yield from target.encode(shown)
                if number % 30 == 0:
                    report(0.3 + 0.7 * number / len(times), "encoding")
            yield from target.encode(None)

        with open_media(source) as sounding:
            sounds, sound = _copy_sound(sounding, film, index, times)
            _mux(film, [(encode(), target), (sounds, sound)])


def _get_video(container: InputContainer) -> av.VideoStream:
    stream = find_video(container)
    if stream is None:
        raise EngineRefused("UNREADABLE", "There are no moving pictures in it")
    return stream
