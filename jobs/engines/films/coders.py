"""What frames can be encoded by; hardware has no place to be assumed, so that each is opened before it is believed."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from jobs.engines.run import EngineRefused

PRESET, CRF = "veryfast", 21
# Half the time of the usual, nearer to the picture, and larger.

_BT709 = 1  # colour space, primaries and transfer, as FFmpeg counts them
_STUDIO_RANGE = 1


@dataclass(frozen=True)
class Coder:
    """An encoder of FFmpeg and its options; it is told how many threads to take, since the bytes show it."""

    encoder: str
    options: Mapping[str, str]
    other: Mapping["Content", Mapping[str, str]] = field(default_factory=dict)  # options instead of those
    pixels: str = "yuv420p"
    tag: str | None = None  # that players expect in an MP4
    is_streamed: bool = True


def _has_wide_vectors() -> bool:
    features = Path("/proc/cpuinfo")
    return features.exists() and "avx512" in features.read_text()


_HAS_WIDE_VECTORS = _has_wide_vectors()


def _choose_vectors(encoder: str, width: int) -> dict[str, str]:
    """AVX-512, which saves a fifth of the work, for x264 where a row is made of whole eights of blocks alone.

    Elsewhere its macroblock tree, which takes 8 at a time, reads behind the row and gives other bytes each time.
    """
    is_safe = not _HAS_WIDE_VECTORS or -(-width // 16) % 8 == 0
    return {} if is_safe or encoder != "libx264" else {"x264-params": "asm=avx2"}


class Content(Enum):
    """What is encoded, where an encoder does better when it is told; neither of the last two has a macroblock tree."""

    SHOT = "pictures of a camera, or any other"
    DRAWN = "words over a ground that hardly moves"
    PART = "what is decoded for a film, and encoded again"


# Where little moves, looking ahead to share out the bits is most of x264's work. A fixed quantiser, and a far finer one
# for the frame that the others stand on, gives about half the work, about the same size and more likeness.
_STEADY = "b-adapt=0:weightp=0:scenecut=0:mbtree=0:rc-lookahead=0:ipratio=3.2:subme=1"

CODERS = {
    "h264": Coder(
        "libx264",
        {"preset": PRESET, "crf": str(CRF)},
        {
            Content.DRAWN: {"preset": PRESET, "qp": "24", "x264-params": _STEADY},
            Content.PART: {"preset": "superfast", "crf": "20", "b_strategy": "0", "bf": "2"},
        },
    ),
    "hevc": Coder(
        "libx265",
        {"preset": PRESET, "crf": "24", "x265-params": "pools=none:frame-threads=1:open-gop=0:info=0:log-level=error"},
        tag="hvc1",
    ),
    "vp9": Coder("libvpx-vp9", {"crf": "32", "b": "0", "deadline": "realtime", "cpu-used": "5"}, is_streamed=False),
    "av1": Coder("libsvtav1", {"preset": "8", "crf": "35", "svtav1-params": "lp=1"}, is_streamed=False),
    "h264_nvenc": Coder("h264_nvenc", {"preset": "p4", "rc": "vbr", "cq": "23", "b": "0"}),
    "h264_qsv": Coder("h264_qsv", {"preset": PRESET, "global_quality": "23"}, pixels="nv12"),
    "h264_vaapi": Coder("h264_vaapi", {"rc_mode": "CQP", "qp": "23"}, pixels="nv12"),
    "h264_videotoolbox": Coder("h264_videotoolbox", {"b": "8M"}),
}


@dataclass(frozen=True)
class Coding:
    """How a film is encoded."""

    codec: str = "h264"
    is_variable_rate: bool = False  # only frames that differ from the one before
    content: Content = Content.SHOT
    threads: int = 1  # of each encoder; the bytes depend on it

    def choose_options(self, width: int) -> dict[str, str]:
        """What its encoder is told for pictures so wide."""
        coder = CODERS[self.codec]
        told = coder.other.get(self.content) or {**coder.options, **_choose_vectors(coder.encoder, width)}
        return {**told, "threads": str(self.threads)}

    @property
    def is_streamed(self) -> bool:
        """Whether an MPEG transport stream of it is played."""
        return CODERS[self.codec].is_streamed


USUAL = Coding()


def check_codec(name: str) -> None:
    """EngineRefused unless we know it and FFmpeg here was built with it; whether it opens, only opening tells."""
    if name not in CODERS:
        raise EngineRefused("CODEC_UNKNOWN", f"the codec is one of {', '.join(CODERS)}")
    if CODERS[name].encoder not in av.codecs_available:
        built = ", ".join(one for one, coder in CODERS.items() if coder.encoder in av.codecs_available)
        raise EngineRefused("CODEC_MISSING", f"FFmpeg was built without {name} here; there are {built}")


def open_context(context: VideoCodecContext, name: str) -> None:
    """Open an encoder that was set up, or EngineRefused; to be called where no process is forked any more."""
    try:
        _open(context)
    except (av.FFmpegError, OSError, ValueError) as error:
        told = ", ".join(list_codecs())
        raise EngineRefused("CODEC_MISSING", f"{name} does not open on this machine; there are {told}") from error


def set_up(context: VideoCodecContext, name: str, width: int, height: int, fps: int) -> None:
    """Size, rate and colours."""
    os.environ["SVT_LOG"] = "1"  # errors alone: it writes to the standard error whatever FFmpeg is told
    context.width, context.height, context.pix_fmt = width, height, CODERS[name].pixels
    context.time_base, context.framerate = Fraction(1, fps), Fraction(fps)
    context.color_range, context.colorspace = _STUDIO_RANGE, _BT709
    context.color_primaries = context.color_trc = _BT709


def list_codecs() -> list[str]:
    """The names of those that open on this machine; to be called where no process is forked any more."""
    return [name for name in CODERS if _opens(name)]


def _open(context: VideoCodecContext) -> None:
    """Open it and go on as before: under root SVT-AV1 makes its process a real-time one, which starves the machine."""
    context.open()
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_FIFO:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def _opens(name: str) -> bool:
    coder = CODERS[name]
    if coder.encoder not in av.codecs_available:
        return False
    context = av.CodecContext.create(coder.encoder, "w")
    if not isinstance(context, VideoCodecContext):
        return False
    set_up(context, name, 640, 360, 30)
    context.options = dict(coder.options)
    try:
        _open(context)
    except (av.FFmpegError, OSError, ValueError):
        return False
    return True
