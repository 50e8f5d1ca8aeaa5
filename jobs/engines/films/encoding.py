"""Frames into H.264 by segments, and segments joined with the song into one MP4: packets are copied, nothing twice."""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from jobs.engines.films.planes import Picture
from jobs.engines.run import EngineRefused

PRESET, CRF = "veryfast", 21
KEY_FRAME_SECONDS = 5  # what a player seeks by
AUDIO_BITS_PER_SECOND = 192_000
_Packet: TypeAlias = "Packet[Any]"

_BT709 = 1  # colour space, primaries and transfer, as FFmpeg counts them
_STUDIO_RANGE = 1
_SEGMENT = {"fflags": "+bitexact"}
_FILM = {"movflags": "+faststart", "fflags": "+bitexact"}


def encode_pictures(path: Path, pictures: Iterable[Picture], fps: int) -> None:
    """One frame after the other. One thread, so that the bytes depend on nothing else."""
    waiting = iter(pictures)
    first = next(waiting)
    with av.open(str(path), "w", format="mp4", container_options=_SEGMENT) as container:
        stream = _add_video(container, first, fps)
        for position, picture in enumerate(itertools.chain([first], waiting)):
            frame = av.VideoFrame.from_numpy_buffer(picture.memory, "yuv420p")
            frame.pts, frame.time_base = position, Fraction(1, fps)
            container.mux(stream.encode(frame))  # x264 copies what it keeps, so that the picture may change now
        container.mux(stream.encode(None))


def _add_video(container: OutputContainer, picture: Picture, fps: int) -> VideoStream:
    options = {
        "preset": PRESET,
        "crf": str(CRF),
        "threads": "1",
        "flags": "+bitexact+cgop",
        "x264-params": f"keyint={KEY_FRAME_SECONDS * fps}",
    }
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, fps)
    context.color_range, context.colorspace = _STUDIO_RANGE, _BT709
    context.color_primaries = context.color_trc = _BT709
    return stream


def join_film(path: Path, segments: Sequence[tuple[Path, int]], audio: Path, fps: int, frame_count: int) -> None:
    """Segments, each with its first frame, and as much of the song as the film is long."""
    end = Fraction(frame_count, fps)
    with ExitStack() as stack:
        film = stack.enter_context(av.open(str(path), "w", format="mp4", container_options=_FILM))
        song = stack.enter_context(_open_song(audio))
        with av.open(str(segments[0][0])) as first:
            video = film.add_stream_from_template(first.streams.video[0])
            lead = bytes(first.streams.video[0].codec_context.extradata or b"")
        source = song.streams.audio[0]
        is_copied = source.codec_context.name == "aac"
        sound = film.add_stream_from_template(source) if is_copied else _add_encoder(film)
        pictures = _read_segments(segments, lead, fps)
        sounds = _copy_song(song, end) if is_copied else _encode_song(song, sound, end)
        timed = heapq.merge(_with_times(pictures, 0), _with_times(sounds, 1))
        for _, kind, _, packet in timed:
            packet.stream = sound if kind else video
            film.mux(packet)


def _open_song(audio: Path) -> InputContainer:
    try:
        song = av.open(str(audio))
    except (OSError, av.FFmpegError) as error:
        raise EngineRefused("UNREADABLE", f"the song is not audio that can be read ({error})") from error
    if not song.streams.audio:
        song.close()
        raise EngineRefused("UNREADABLE", "the song has no sound in it")
    return song


def _with_times(packets: Iterator[_Packet], kind: int) -> Iterator[tuple[Fraction, int, int, _Packet]]:
    """Packets with what they are put in order by."""
    for number, packet in enumerate(packets):
        yield (packet.dts or 0) * Fraction(packet.time_base), kind, number, packet


def _read_segments(segments: Sequence[tuple[Path, int]], lead: bytes, fps: int) -> Iterator[_Packet]:
    for path, first in segments:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if bytes(stream.codec_context.extradata or b"") != lead:
                raise RuntimeError("the segments were not encoded alike")
            for packet in container.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                later = int(Fraction(first, fps) / packet.time_base)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                yield packet


def _copy_song(song: InputContainer, end: Fraction) -> Iterator[_Packet]:
    """The packets that end before the film does."""
    for packet in song.demux(song.streams.audio[0]):
        if packet.pts is None or packet.dts is None:
            continue
        if (packet.pts + (packet.duration or 0)) * packet.time_base > end:
            return
        yield packet


def _add_encoder(film: OutputContainer) -> AudioStream:
    stream = film.add_stream("aac", rate=44_100, layout="stereo", options={"flags": "+bitexact"})
    stream.bit_rate = AUDIO_BITS_PER_SECOND
    return stream


def _encode_song(song: InputContainer, stream: AudioStream, end: Fraction) -> Iterator[_Packet]:
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=stream.rate, frame_size=1024)
    position = 0
    for frame in itertools.chain(song.decode(audio=0), [None]):
        for piece in resampler.resample(frame):
            if Fraction(position + piece.samples, stream.rate) > end:
                yield from stream.encode(None)
                return
            piece.pts, piece.time_base = position, Fraction(1, stream.rate)
            position += piece.samples
            yield from stream.encode(piece)
    yield from stream.encode(None)
