"""Songs that somebody else recorded: decoded with distrust, then finished as our own are."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from jobs.engines.media import check_sound, find_audio, open_media
from jobs.engines.music.finish import Finished, Imported, OnMixed, Progress, finish_mix, import_mix
from jobs.engines.music.loudness import SAMPLE_RATE, SILENCE_LUFS, Signal, integrated_lufs, segment_energies
from jobs.engines.run import EngineRefused, Report

LONGEST_SECONDS = 660  # somewhat more than anybody may ask for
_DECODED = 0.3  # share of the work, as measured


def finish_recording(path: Path, folder: Path, report: Report, on_mixed: OnMixed | None = None) -> Finished:
    """The files of the song in the folder; refuses what is no audio, too long, or silent."""
    progress = Progress(report)
    mix = _decode_audible(path, progress)
    if on_mixed is not None:
        on_mixed(mix, None)
    finished = finish_mix(mix, folder, progress.after(_DECODED))
    progress.move(1.0, "encoding")
    return finished


def import_recording(path: Path, folder: Path, report: Report, on_mixed: OnMixed) -> Imported:
    """The same of a song that somebody mastered: its sound is not touched."""
    progress = Progress(report)
    mix = _decode_audible(path, progress)
    on_mixed(mix, None)
    imported = import_mix(mix, folder, progress.after(_DECODED))
    progress.move(1.0, "encoding")
    return imported


def _decode_audible(path: Path, progress: Progress) -> Signal:
    progress.move(0.0, "decoding")
    mix = decode_stereo(path, lambda fraction: progress.move(fraction * _DECODED, "decoding"))
    if integrated_lufs(segment_energies(mix, progress.beat)) <= SILENCE_LUFS:
        raise EngineRefused("SILENT", "There is nothing to be heard in it")
    return mix


def decode_stereo(path: Path, report: Callable[[float], None]) -> Signal:
    """Its first audio stream, as stereo at our rate; refuses what is no audio, or too long."""
    return _decode(path, "stereo", SAMPLE_RATE, report)


def decode_mono(path: Path, rate: int, report: Callable[[float], None]) -> Signal:
    """Its first audio stream, as one channel at this rate."""
    return np.asarray(_decode(path, "mono", rate, report)[0])


def measure_sound(path: Path, longest_seconds: float, report: Callable[[float], None]) -> float:
    """How many seconds of sound there are when all of it is decoded, none of which is kept."""
    with open_media(path) as container:
        stream = get_audio(container)
        return sum(
            frame.samples / frame.sample_rate for frame in _read_frames(container, stream, longest_seconds, report)
        )


def get_audio(container: InputContainer) -> av.AudioStream:
    """The first stream of sound; refuses what has none."""
    stream = find_audio(container)
    if stream is None:
        raise EngineRefused("UNREADABLE", "There is no sound in it")
    return stream


def _decode(path: Path, layout: str, rate: int, report: Callable[[float], None]) -> Signal:
    """All of its sound; the room is taken at once, and costs only what is written to."""
    room = np.empty((2 if layout == "stereo" else 1, LONGEST_SECONDS * rate), np.float32)
    samples = 0
    resampler = _Resampler(layout, rate)
    with open_media(path) as container:
        frames = _read_frames(container, get_audio(container), LONGEST_SECONDS, report)
        for frame in chain(frames, (None,)):
            for block in resampler.take(frame):
                kept = block[:, : room.shape[1] - samples]
                room[:, samples : samples + kept.shape[1]] = kept
                samples += kept.shape[1]
    return room[:, :samples]


def _read_frames(
    container: InputContainer, stream: av.AudioStream, longest_seconds: float, report: Callable[[float], None]
) -> Iterator[av.AudioFrame]:
    """What is decoded, frame by frame, whatever the file says of itself; refuses what no recording is."""
    seconds = told_seconds = 0.0
    for frame in _decode_packets(container, stream):
        check_sound(frame.sample_rate, frame.layout.nb_channels)
        seconds += frame.samples / frame.sample_rate
        if seconds > longest_seconds:
            raise EngineRefused("TOO_LONG", f"It is longer than {longest_seconds:g} s")
        if seconds >= told_seconds:
            told_seconds = seconds + 1
            report(seconds / longest_seconds)
        yield frame


def _decode_packets(container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """The frames of the packets that can be decoded, as players do it; refuses a file of which most are broken."""
    whole = broken = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
            whole += 1
        except av.InvalidDataError:
            frames = []
            broken += 1
        yield from frames
    if broken > whole:
        raise EngineRefused("UNREADABLE", f"{broken} of its {broken + whole} packets are broken")


class _Resampler:
    """Brings frames to one layout and rate; they may change on the way, as in a stream that was joined."""

    def __init__(self, layout: str, rate: int) -> None:
        self._layout, self._rate = layout, rate
        self._shape: tuple[int, str, str] | None = None
        self._resampler: av.AudioResampler | None = None

    def take(self, frame: av.AudioFrame | None) -> Iterator[Signal]:
        """The sound of a frame; the rest of it all when there is no other."""
        shape = None if frame is None else (frame.sample_rate, frame.layout.name, frame.format.name)
        blocks: list[av.AudioFrame] = []
        if shape != self._shape:
            blocks += self._resampler.resample(None) if self._resampler else []
            has_one = frame is not None and frame.layout.nb_channels == 1
            layout = "mono" if has_one else self._layout  # which fills both sides as it is; FFmpeg would halve it
            self._shape, self._resampler = shape, av.AudioResampler("fltp", layout, self._rate)
        if frame is not None and self._resampler:
            frame.pts = None  # sound is counted, not timed
            blocks += self._resampler.resample(frame)
        return (np.asarray(block.to_ndarray(), np.float32) for block in blocks)
