"""Files that mean harm or are broken, and the engine that reads a folder of them in one child."""

import json
import random
import resource
import struct
from pathlib import Path

import av
import numpy as np

from jobs.engines.probe import probe_media
from jobs.engines.recordings import decode_stereo
from jobs.engines.run import EngineRefused, Report

CONTAINERS = {
    "m4a": ("mp4", "aac"),
    "mp3": ("mp3", "libmp3lame"),
    "flac": ("flac", "flac"),
    "ogg": ("ogg", "libopus"),
}
LONGEST_SECONDS = 600.0
FRAME = 960  # samples, which every encoder here takes
Verdicts = dict[str, str | float]


def read_all(folder: Path, out: Path, report: Report) -> Verdicts:
    """Of each file the seconds of sound in it, or the code of its refusal; and how many MB that took."""
    verdicts: Verdicts = {}
    for count, path in enumerate(sorted(folder.iterdir())):
        report(min(count / 2000, 1.0), path.name[:100])
        try:
            verdicts[path.name] = round(decode_stereo(path, ignore).shape[1] / 44_100, 3)
        except EngineRefused as refused:
            verdicts[path.name] = refused.code
    return verdicts | {"": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def probe_all(folder: Path, out: Path, report: Report) -> Verdicts:
    """Of each file the seconds that a probe tells, or the code of its refusal; and how many MB that took."""
    verdicts: Verdicts = {}
    for count, path in enumerate(sorted(folder.iterdir())):
        report(min(count / 2000, 1.0), path.name[:100])
        try:
            verdicts[path.name] = probe_media(
                path, out, LONGEST_SECONDS, lambda fraction, _stage: ignore(fraction)
            ).duration_seconds
        except EngineRefused as refused:
            verdicts[path.name] = refused.code
    return verdicts | {"": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def ignore(_fraction: float) -> None:
    """Report to nobody."""


def write_sound(
    path: Path, container: str, codec: str, samples: np.ndarray, rate: int = 44_100, streams: int = 1
) -> Path:
    """A file of as many streams, each with these samples of shape (channels, samples)."""
    layout = {1: "mono", 2: "stereo"}.get(len(samples), f"{len(samples)}c")
    with av.open(str(path), "w", format=container) as out:
        made = [out.add_stream(codec, rate=rate, layout=layout) for _ in range(streams)]
        for stream in made:
            assert isinstance(stream, av.AudioStream)
            resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=FRAME)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), "fltp", layout)
            frame.sample_rate = rate
            for block in (*resampler.resample(frame), *resampler.resample(None)):
                out.mux(stream.encode(block))
            out.mux(stream.encode(None))
    return path


def write_video(path: Path, width: int, height: int, *, rate: int = 25, frames: int = 25) -> Path:
    """A film without sound."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            picture = np.full((height, width, 3), number * 5 % 256, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))
    return path


def tone(seconds: float, rate: int = 44_100, channels: int = 1) -> np.ndarray:
    return np.tile(0.3 * np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 440 / rate), (channels, 1))


def write_silence(path: Path, hours: float) -> Path:
    """Hours of silence in a small FLAC, by repeating the one frame that silence is."""
    short = write_sound(path.with_suffix(".short"), "flac", "flac", np.zeros((1, 44_100 * 2)))
    frames = short.read_bytes()
    short.unlink()
    start = frames.index(b"\xff\xf8")
    length = frames.index(b"\xff\xf8", start + 4) - start
    frame = frames[start : start + length]
    path.write_bytes(frames[:start] + frame * int(hours * 3600 * 44_100 / FRAME))
    return path


def wav_that_lies(declared_bytes: int, seconds: float = 1.0, rate: int = 44_100) -> bytes:
    """One that announces other than it holds."""
    pcm: bytes = (tone(seconds, rate)[0] * 32_767).astype("<i2").tobytes()
    head = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", (36 + declared_bytes) & 0xFFFFFFFF) + b"WAVEfmt " + head
        + b"data" + struct.pack("<I", declared_bytes & 0xFFFFFFFF) + pcm
    )  # fmt: skip


def name_others(neighbour: Path, address: str) -> dict[str, bytes]:
    """Lists of files and addresses, under the names of media."""
    target = str(neighbour)
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{}\n#EXT-X-ENDLIST\n"
    description = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {} RTP/AVP 0\n"
    port = address.rpartition(":")[2]
    dash = "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{}</BaseURL></MPD>"
    lists = {
        "concat": f"ffconcat version 1.0\nfile {neighbour.name}\n",
        "concat-absolute": f"ffconcat version 1.0\nfile '{target}'\n",
        "concat-web": f"ffconcat version 1.0\nfile http://{address}/a.wav\n",
        "hls": playlist.format(neighbour.name),
        "hls-absolute": playlist.format(f"file://{target}"),
        "hls-web": playlist.format(f"http://{address}/a.ts"),
        "sdp": description.format(port),
        "dash": dash.format(f"http://{address}/"),
        "imf": json.dumps({"file": target}),
    }
    made = {f"{name}.{end}": text.encode() for name, text in lists.items() for end in ("mp4", "wav")}
    ftyp = b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A isom"
    made |= {f"polyglot-{name}.m4a": ftyp + text.encode() for name, text in lists.items()}
    made |= {f"riff-{name}.wav": b"RIFF\xff\xff\xff\xffWAVE" + text.encode() for name, text in lists.items()}
    return made


def flip_bits(whole: bytes, dice: random.Random, *, most: int = 8) -> bytes:
    broken = bytearray(whole)
    for _ in range(dice.randint(1, most)):
        place = dice.randrange(len(broken) if dice.random() < 0.5 else min(len(broken), 600))
        broken[place] ^= 1 << dice.randrange(8)
    return bytes(broken)
