"""Segments and the song into what can be played: packets are copied, and nothing is encoded twice."""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from jobs.engines.run import EngineRefused
from jobs.formats.m4a import SAMPLE_RATE, M4aWriter

AUDIO_BITS_PER_SECOND = 192_000
STREAM_STARTS_SECONDS = 1  # of an MPEG transport stream's clock, which knows nothing before 0
_BLOCK_SAMPLES = 1 << 14
_Packet: TypeAlias = "Packet[Any]"
_Track: TypeAlias = tuple[Stream, Iterator[_Packet]]

_FILM = {"movflags": "+faststart", "fflags": "+bitexact"}
# Each file counts its packets from 0, and says so.
_UNSEEN = {"skip_frame": "all"}  # to open what is only copied: finding out how it looks decodes some of it
_TRANSPORT = {"fflags": "+bitexact", "mpegts_copyts": "1", "mpegts_flags": "initial_discontinuity"}


def write_sound(path: Path, audio: Path, end: Fraction) -> None:
    """As much of the song as the film is long: its own packets where they are AAC, else encoded."""
    with _open_song(audio) as song:
        if song.streams.audio[0].codec_context.name == "aac":
            _copy_song(path, song, end)
            return
        encoded = path.with_name(f"{path.name}.aac")
        _encode_song(encoded, song, end)
    with av.open(str(encoded)) as song:
        _copy_song(path, song, end)
    encoded.unlink()


def join_film(path: Path, segments: Sequence[tuple[Path, Fraction]], sound: Path | None) -> None:
    """Segments, each with the time that it begins at, and the sound if any, in one MP4 whose index stands first."""
    with ExitStack() as stack:
        film = stack.enter_context(av.open(str(path), "w", format="mp4", container_options=_FILM))
        with av.open(str(segments[0][0])) as first:
            video = _add_pictures(film, first)
            video.codec_context.codec_tag = first.streams.video[0].codec_context.codec_tag
            lead = bytes(first.streams.video[0].codec_context.extradata or b"")
        pictures = itertools.chain.from_iterable(_read_segment(each, begin, lead) for each, begin in segments)
        tracks: list[_Track] = [(video, pictures)]
        if sound is not None:
            song = stack.enter_context(av.open(str(sound)))
            tracks.append((_add_sound(film, song), _read_packets(song, song.streams.audio[0])))
        _mux(film, tracks)


def write_stream(path: Path, segment: Path, begin: Fraction, end: Fraction, sound: Path) -> None:
    """A segment and the sound that begins within it as MPEG transport stream, on the clock of the whole film."""
    with ExitStack() as stack:
        part = stack.enter_context(av.open(str(path), "w", format="mpegts", container_options=_TRANSPORT))
        song = stack.enter_context(av.open(str(sound)))
        with av.open(str(segment), options=_UNSEEN) as container:
            video = _add_pictures(part, container)
            lead = bytes(container.streams.video[0].codec_context.extradata or b"")
        pictures = _read_segment(segment, begin, lead)
        sounds = _read_stretch(song, begin, end)
        _mux(part, [(video, pictures), (_add_sound(part, song), sounds)], Fraction(STREAM_STARTS_SECONDS))


def is_whole(path: Path, film: str, frame_count: int, fps: int, *, is_variable_rate: bool) -> bool:
    """Whether a file is a segment of this film with so many frames, or with the last where some were left out."""
    try:
        with av.open(str(path), options=_UNSEEN) as container:
            packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
            is_of_film = container.metadata.get("comment", "") == film
    except (OSError, IndexError, av.FFmpegError):
        return False
    if not is_of_film or not packets or not packets[0].is_keyframe:
        return False
    last = max(round((packet.pts or 0) * Fraction(packet.time_base) * fps) for packet in packets)
    return last == frame_count - 1 and (is_variable_rate or len(packets) == frame_count)


def _open_song(audio: Path) -> InputContainer:
    try:
        song = av.open(str(audio))
    except (OSError, av.FFmpegError) as error:
        raise EngineRefused("UNREADABLE", f"the song is not audio that can be read ({type(error).__name__})") from error
    if not song.streams.audio:
        song.close()
        raise EngineRefused("UNREADABLE", "the song has no sound in it")
    return song


def _add_sound(container: OutputContainer, song: InputContainer) -> Stream:
    return container.add_stream_from_template(song.streams.audio[0])


def _add_pictures(container: OutputContainer, segment: InputContainer) -> VideoStream:
    """A stream of packets that are not looked into, since some are read by what cannot write them."""
    return container.add_stream_from_template(segment.streams.video[0], opaque=True)


def _mux(container: OutputContainer, tracks: Sequence[_Track], later: Fraction = Fraction(0)) -> None:
    """All in the order of time, as much later as said."""
    timed = (_with_times(packets, number) for number, (_, packets) in enumerate(tracks))
    for _, number, _, packet in heapq.merge(*timed):
        _shift(packet, later)
        packet.stream = tracks[number][0]
        container.mux(packet)


def _with_times(packets: Iterator[_Packet], track: int) -> Iterator[tuple[Fraction, int, int, _Packet]]:
    """Packets with what they are put in order by."""
    for number, packet in enumerate(packets):
        yield (packet.dts or 0) * Fraction(packet.time_base), track, number, packet


def _read_packets(container: InputContainer, stream: Stream) -> Iterator[_Packet]:
    for packet in container.demux(stream):
        if packet.pts is not None and packet.dts is not None:
            yield packet


def _read_segment(path: Path, begin: Fraction, lead: bytes) -> Iterator[_Packet]:
    with av.open(str(path), options=_UNSEEN) as container:
        stream = container.streams.video[0]
        if bytes(stream.codec_context.extradata or b"") != lead:
            raise RuntimeError("the segments were not encoded alike")
        for packet in _read_packets(container, stream):
            _shift(packet, begin)
            yield packet


def _read_stretch(song: InputContainer, begin: Fraction, end: Fraction) -> Iterator[_Packet]:
    """The packets that begin from one time to before another; what is before the song's start belongs to it."""
    stream = song.streams.audio[0]
    if begin > 0:
        song.seek(int(begin / Fraction(stream.time_base or 1)), stream=stream)
    for packet in _read_packets(song, stream):
        time = (packet.pts or 0) * Fraction(packet.time_base)
        if time >= end:
            return
        if time >= begin or begin == 0:
            yield packet


def _shift(packet: _Packet, later: Fraction) -> None:
    ticks = round(later / Fraction(packet.time_base))
    packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks


def _copy_song(path: Path, song: InputContainer, end: Fraction) -> None:
    """The packets that end before the film does."""
    with av.open(str(path), "w", format="mp4", container_options=_FILM) as copy:
        stream = _add_sound(copy, song)
        for packet in _read_packets(song, song.streams.audio[0]):
            if ((packet.pts or 0) + (packet.duration or 0)) * Fraction(packet.time_base) > end:
                return
            packet.stream = stream
            copy.mux(packet)


def _encode_song(path: Path, song: InputContainer, end: Fraction) -> None:
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE, frame_size=_BLOCK_SAMPLES)
    left_samples = int(end * SAMPLE_RATE)
    with M4aWriter(path, bits_per_second=AUDIO_BITS_PER_SECOND) as writer:
        for frame in itertools.chain(song.decode(audio=0), [None]):
            for piece in resampler.resample(frame):
                writer.write(np.asarray(piece.to_ndarray(), np.float32)[:, :left_samples])
                left_samples -= min(left_samples, piece.samples)
            if not left_samples:
                return
