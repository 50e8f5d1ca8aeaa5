"""What a downloaded file really is: decoded from its first sample to its last."""

import math
from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np

CODECS = {
    "audio/mp4": ("aac",),
    "audio/aac": ("aac",),
    "audio/mpeg": ("mp3",),
    "audio/ogg": ("opus", "vorbis", "flac"),
    "audio/webm": ("opus", "vorbis"),
    "audio/flac": ("flac",),
    "audio/wav": ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"),
}


@dataclass(frozen=True)
class Sound:
    """What was heard."""

    codec: str
    channels: int
    duration_seconds: float
    rms_dbfs: float


def listen(content: bytes) -> Sound:
    """Decode the whole of an audio file; `av.FFmpegError` or ValueError when it is none."""
    samples, power = 0, 0.0
    with av.open(BytesIO(content), "r") as container:
        if not container.streams.audio:
            raise ValueError("there is no audio in it")
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt")
        for frame in container.decode(stream):
            for part in resampler.resample(frame):
                heard = part.to_ndarray().astype(np.float64)
                samples += part.samples
                power += float(np.square(heard).mean()) * part.samples
        if samples == 0:
            raise ValueError("there is no sample in it")
        context = stream.codec_context
        rms_dbfs = 10 * math.log10(max(power / samples, 1e-12))
        return Sound(context.codec.canonical_name, context.channels, samples / context.sample_rate, rms_dbfs)
