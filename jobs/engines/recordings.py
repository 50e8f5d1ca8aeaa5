"""Songs that somebody else recorded: decoded with distrust, then finished as our own are."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import av
import numpy as np

from jobs.engines.music.finish import Finished, OnMixed, Progress, finish_mix
from jobs.engines.music.loudness import SAMPLE_RATE, SILENCE_LUFS, Signal, integrated_lufs, segment_energies
from jobs.engines.run import EngineRefused, Report

LONGEST_SECONDS = 660  # somewhat more than anybody may ask for
# Containers that are one file of sound: none that names other files, as playlists do.
OPTIONS = {"format_whitelist": "wav,w64,mp3,flac,ogg,aac,aiff,mov,mp4,m4a,matroska,webm", "protocol_whitelist": "file"}
_DECODED = 0.3  # share of the work, as measured


def finish_recording(path: Path, folder: Path, report: Report, on_mixed: OnMixed | None = None) -> Finished:
    """The files of the song in the folder; refuses what is no audio, too long, or silent."""
    progress = Progress(report)
    progress.move(0.0, "decoding")
    mix = decode_stereo(path, lambda fraction: progress.move(fraction * _DECODED, "decoding"))
    if integrated_lufs(segment_energies(mix, progress.beat)) <= SILENCE_LUFS:
        raise EngineRefused("SILENT", "There is nothing to be heard in it")
    if on_mixed is not None:
        on_mixed(mix, None)
    finished = finish_mix(mix, folder, progress.after(_DECODED))
    progress.move(1.0, "encoding")
    return finished


def decode_stereo(path: Path, report: Callable[[float], None]) -> Signal:
    """Its first audio stream, as stereo at our rate; refuses what is no audio, or too long."""
    return _decode(path, "stereo", SAMPLE_RATE, report)


def decode_mono(path: Path, rate: int, report: Callable[[float], None]) -> Signal:
    """Its first audio stream, as one channel at this rate."""
    return np.asarray(_decode(path, "mono", rate, report)[0])


def _decode(path: Path, layout: str, rate: int, report: Callable[[float], None]) -> Signal:
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    blocks: list[Signal] = []
    samples = 0
    try:
        with av.open(str(path), options=OPTIONS) as container:
            for frame in chain(container.decode(audio=0), (None,)):
                for block in resampler.resample(frame):
                    blocks.append(np.asarray(block.to_ndarray(), np.float32))
                    samples += block.samples
                if samples > LONGEST_SECONDS * rate:
                    raise EngineRefused("TOO_LONG", f"It is longer than {LONGEST_SECONDS} s")
                report(min(samples / (LONGEST_SECONDS * rate), 1.0))
    except (av.FFmpegError, IndexError) as error:
        raise EngineRefused("UNREADABLE", f"It is not audio that can be read ({type(error).__name__})") from error
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((2 if layout == "stereo" else 1, 0), np.float32)
