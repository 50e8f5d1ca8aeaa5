"""What a file is that somebody brought: its streams, how long it is when it is read, and what it looks like."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import av
from av.container import InputContainer
from PIL import Image as Images
from PIL import ImageOps
from PIL.Image import Image

from jobs.engines.media import HIGHEST_FRAMES_PER_SECOND, check_picture, find_audio, find_video, open_media
from jobs.engines.recordings import measure_sound
from jobs.engines.run import EngineRefused, Report

THUMBNAIL_PIXELS = (320, 640, 1280)  # of the longer side, unless the picture is smaller
_THUMBNAIL_PLACE = 0.1  # of the whole: the first picture is often black
_JPEG_QUALITY = 82
_PAPER = (255, 255, 255)  # behind what is seen through
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PICTURE_PIXELS = 100_000_000  # as the largest cameras take them
TOO_LARGE = f"It has more than {MOST_PICTURE_PIXELS // 1_000_000} million pixels"
_LISTENED, _WATCHED = 0.6, 0.9  # shares of the work


@dataclass(frozen=True)
class Sound:
    """The first stream of sound."""

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Picture:
    """The first stream of moving pictures, as it is shown, or a picture that stands still."""

    codec: str
    width: int
    height: int
    frames_per_second: float | None


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG of a moment in the video, or of the picture."""

    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class Probe:
    """What was found; the duration is that of what could be read, whatever the file says."""

    kind: Literal["audio", "video", "picture"]
    container: str
    duration_seconds: float
    sound: Sound | None
    picture: Picture | None
    thumbnails: list[Thumbnail]


def probe_media(path: Path, folder: Path, longest_seconds: float, report: Report) -> Probe:
    """Read all of a file; refuses what is neither audio nor video that we take, and what is longer than this."""
    report(0.0, "reading")
    with open_media(path) as container:
        audio, video = find_audio(container), find_video(container)
        if audio is None and video is None:
            raise EngineRefused("UNREADABLE", "There is neither sound nor moving pictures in it")
        sound = None if audio is None else _describe_sound(audio)
        name = container.format.name
    seconds = 0.0
    if sound is not None:
        seconds = measure_sound(path, longest_seconds, lambda fraction: report(fraction * _LISTENED, "listening"))
    report(_LISTENED, "watching")
    if video is None:
        return Probe("audio", name, round(seconds, 3), sound, None, [])
    frames, shown_seconds = _count_frames(path, longest_seconds, report)
    report(_WATCHED, "drawing")
    image, codec = _take_image(path, shown_seconds * _THUMBNAIL_PLACE)
    rate = _check_frame_rate(frames, shown_seconds)
    picture = Picture(codec, image.width, image.height, rate)
    return Probe("video", name, round(max(seconds, shown_seconds), 3), sound, picture, _draw_thumbnails(image, folder))


def probe_picture(path: Path, folder: Path, report: Report) -> Probe:
    """Read all of a picture, which is its first if it moves; refuses what cannot be read to its end."""
    report(0.0, "reading")
    try:
        with _map(path) as content, Images.open(content, formats=PICTURE_FORMATS) as image:
            if image.width * image.height > MOST_PICTURE_PIXELS:
                raise EngineRefused("TOO_LARGE", TOO_LARGE)
            name = str(image.format).lower()
            upright = _lay_on_paper(ImageOps.exif_transpose(image))
    except Images.DecompressionBombError as error:
        raise EngineRefused("TOO_LARGE", TOO_LARGE) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise EngineRefused("UNREADABLE", f"It is no picture that can be read ({type(error).__name__})") from error
    report(_WATCHED, "drawing")
    picture = Picture(name, upright.width, upright.height, None)
    return Probe("picture", name, 0.0, None, picture, _draw_thumbnails(upright, folder))


@contextmanager
def _map(path: Path) -> Iterator[IO[bytes]]:
    """The file as its readers see it: no more is made room for than there is, however much a picture announces."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield cast("IO[bytes]", content)


def _lay_on_paper(image: Image) -> Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen_through = image.convert("RGBA")
    paper = Images.new("RGB", image.size, _PAPER)
    paper.paste(seen_through, mask=seen_through)
    return paper


def _describe_sound(stream: av.AudioStream) -> Sound:
    context = stream.codec_context
    return Sound(context.name, context.sample_rate, context.channels)


def _get_video(container: InputContainer) -> av.VideoStream:
    stream = find_video(container)
    if stream is None:
        raise EngineRefused("UNREADABLE", "There are no moving pictures in it")
    return stream


def _count_frames(path: Path, longest_seconds: float, report: Report) -> tuple[int, float]:
    """How many frames there are, and the time from the first to the end of the last."""
    frames, first, end = 0, float("inf"), 0.0
    with open_media(path) as container:
        for packet in container.demux(_get_video(container)):
            at = packet.dts if packet.pts is None else packet.pts
            if at is None or not packet.size:
                continue
            frames += 1
            step = packet.time_base
            first = min(first, float(at * step))
            end = max(end, float((at + (packet.duration or 0)) * step))
            if end - first > longest_seconds:
                raise EngineRefused("TOO_LONG", f"It is longer than {longest_seconds:g} s")
            if frames % 1000 == 0:
                share = (end - first) / longest_seconds
                report(_LISTENED + share * (_WATCHED - _LISTENED), "watching")
    return frames, max(end - first, 0.0) if frames else 0.0


def _check_frame_rate(frames: int, seconds: float) -> float:
    rate = frames / seconds if seconds else 0.0
    if rate > HIGHEST_FRAMES_PER_SECOND * 1.01:  # the last frame may be told too short
        raise EngineRefused(
            "TOO_MANY_FRAMES", f"It has {rate:.0f} frames a second; at most {HIGHEST_FRAMES_PER_SECOND} are taken"
        )
    return round(rate, 3)


def _take_image(path: Path, at_seconds: float) -> tuple[Image, str]:
    """A picture from about this time, upright, and the codec that it was in."""
    with open_media(path) as container:
        stream = _get_video(container)
        with suppress(av.FFmpegError):  # what cannot be searched is shown from its beginning
            container.seek(int(at_seconds * av.time_base))
        for frame in container.decode(stream):
            check_picture(frame.width, frame.height)
            image: Image = frame.to_image()  # type: ignore[no-untyped-call] # PyAV gives it no types
            return image.rotate(frame.rotation, expand=True), stream.codec_context.name
    raise EngineRefused("UNREADABLE", "None of its pictures can be read")


def _draw_thumbnails(image: Image, folder: Path) -> list[Thumbnail]:
    thumbnails = []
    for pixels in THUMBNAIL_PIXELS:
        small = image.copy()
        small.thumbnail((pixels, pixels))
        path = folder / f"thumbnail-{pixels}.jpg"
        small.save(path, "JPEG", quality=_JPEG_QUALITY)
        thumbnails.append(Thumbnail(path, small.width, small.height))
    return thumbnails
