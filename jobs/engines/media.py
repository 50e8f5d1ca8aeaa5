"""What we open of the media that others made: which containers, which codecs, and how large; for all who read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer

from jobs.engines.run import EngineRefused

# Containers that are one file of their own: none that names other files, as playlists do.
CONTAINERS = ("wav", "w64", "mp3", "flac", "ogg", "aac", "aiff", "mov", "mp4", "m4a", "matroska", "webm")
AUDIO_CODECS = (
    *("aac", "alac", "flac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "pcm_alaw", "pcm_mulaw"),
    *(f"pcm_{kind}" for kind in ("u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be")),
    *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be"),
)
VIDEO_CODECS = ("h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "prores")
LOWEST_RATE, HIGHEST_RATE = 4_000, 192_000
MOST_CHANNELS = 8
MOST_STREAMS = 8
MOST_PIXELS = 8_300_000  # 3840 by 2160, and a little
HIGHEST_FRAMES_PER_SECOND = 120

_OPTIONS = {
    "format_whitelist": ",".join(CONTAINERS),
    "codec_whitelist": ",".join((*AUDIO_CODECS, *VIDEO_CODECS)),
    "protocol_whitelist": "file",
    "max_streams": str(MOST_STREAMS + 1),
    "max_pixels": str(MOST_PIXELS),
}


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """The file, for reading; whatever FFmpeg says of it in here is a refusal."""
    try:
        with av.open(str(path), options=_OPTIONS, metadata_errors="replace") as container:
            if len(container.streams) > MOST_STREAMS:
                raise EngineRefused("TOO_MANY_STREAMS", f"It has more than {MOST_STREAMS} streams")
            yield container
    except av.FFmpegError as error:
        raise EngineRefused("UNREADABLE", f"It is no media that can be read ({type(error).__name__})") from error


def find_audio(container: InputContainer) -> av.AudioStream | None:
    """The first stream of sound, if there is one, in a codec that we take."""
    stream = next(iter(container.streams.audio), None)
    if stream is not None:
        _check_codec(stream, AUDIO_CODECS)
        if stream.codec_context.sample_rate:  # by what the file declares; each frame is checked again
            check_sound(stream.codec_context.sample_rate, stream.codec_context.channels)
    return stream


def find_video(container: InputContainer) -> av.VideoStream | None:
    """The first stream of moving pictures, if there is one, in a codec that we take; the picture of a cover is none."""
    stream = next((one for one in container.streams.video if not is_still(one)), None)
    if stream is not None:
        _check_codec(stream, VIDEO_CODECS)
        check_picture(stream.codec_context.width, stream.codec_context.height)
    return stream


def is_still(stream: av.VideoStream) -> bool:
    """Whether it is a single picture that belongs to a recording."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def check_sound(rate: int, channels: int) -> None:
    """Refuse rates and channels that no recording has."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise EngineRefused("RATE_NOT_TAKEN", f"Its rate is {rate} Hz; from {LOWEST_RATE} to {HIGHEST_RATE} are taken")
    if not 1 <= channels <= MOST_CHANNELS:
        raise EngineRefused("TOO_MANY_CHANNELS", f"It has {channels} channels; at most {MOST_CHANNELS} are taken")


def check_picture(width: int, height: int) -> None:
    """Refuse pictures that would fill the memory."""
    if width * height > MOST_PIXELS:
        raise EngineRefused("TOO_LARGE", f"It is {width} by {height} pixels; at most {MOST_PIXELS} are taken")


def _check_codec(stream: av.AudioStream | av.VideoStream, taken: tuple[str, ...]) -> None:
    context: av.AudioCodecContext | av.VideoCodecContext | None = stream.codec_context  # None: FFmpeg knows no decoder
    name = "an unknown codec" if context is None else context.name
    if name not in taken:
        raise EngineRefused("CODEC_NOT_TAKEN", f"It is in {name}, which is not taken")
