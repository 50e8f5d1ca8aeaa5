"""What a file is by its first bytes: as encoders really write them, and as whoever wants to fool us does."""

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from PIL import Image

from jobs.formats.media import KINDS, SNIFFED_BYTES, MediaKind, find_extension, find_kind, find_signature
from storage.blobs.keys import EXTENSIONS

ENCODED = {  # the kind: container, codec
    "audio/mpeg": ("mp3", "libmp3lame"),
    "audio/mp4": ("ipod", "aac"),
    "audio/aac": ("adts", "aac"),
    "audio/wav": ("wav", "pcm_s16le"),
    "audio/aiff": ("aiff", "pcm_s16be"),
    "audio/flac": ("flac", "flac"),
    "audio/ogg": ("ogg", "vorbis"),
    "audio/opus": ("ogg", "libopus"),
    "audio/webm": ("webm", "libopus"),
    "video/mp4": ("mp4", "libx264"),
    "video/quicktime": ("mov", "libx264"),
    "video/webm": ("webm", "libvpx"),
    "video/x-matroska": ("matroska", "libx264"),
    "image/jpeg": ("JPEG", ""),
    "image/png": ("PNG", ""),
    "image/webp": ("WEBP", ""),
}
FRAME = b"\xff\xfb\x90\x00" + bytes(413)
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x20" + bytes(32)


def encode(container: str, codec: str) -> bytes:
    out = io.BytesIO()
    if not codec:
        Image.new("RGB", (64, 64), "teal").save(out, container)
        return out.getvalue()
    with av.open(out, "w", format=container) as file:
        if codec in ("libx264", "libvpx"):
            pictures = file.add_stream(codec, rate=10, width=64, height=64, pix_fmt="yuv420p")
            frames: Iterator[av.VideoFrame | av.AudioFrame] = (
                av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8)) for _ in range(5)
            )
            stream: av.VideoStream | av.AudioStream = pictures  # type: ignore[assignment] # as add_stream says it
        else:
            stream = file.add_stream(codec, rate=48000, layout="stereo", options={"strict": "experimental"})  # type: ignore[assignment]
            frames = iter([silence()])
        for frame in frames:
            file.mux(stream.encode(frame))  # type: ignore[arg-type]
        file.mux(stream.encode(None))
    return out.getvalue()


def silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((2, 48000), np.float32), format="fltp", layout="stereo")
    frame.sample_rate = 48000
    return frame


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.mime_type)
def test_every_kind_is_known_by_what_encoders_write(kind: MediaKind) -> None:
    assert find_signature(encode(*ENCODED[kind.mime_type])[:SNIFFED_BYTES]) in kind.signatures


@pytest.mark.parametrize(
    ("head", "signature"),
    [
        (FRAME * 3, "mp3"),
        (FRAME, "mp3"),
        (ID3 + FRAME * 3, "mp3"),
        (b"ID3\x03\x00\x00\x00\x7f\x7f\x7f" + bytes(SNIFFED_BYTES), "mp3"),  # the picture is longer than what we see
        (b"ID3\x03\x00\x00\x00\x7f\x7f\x7f", None),  # and so is the file
        (ID3 + b"<html>", None),
        (b"ID3<html><script>alert(1)</script>", None),
        (b"\xff\xfb<html>", None),
        (FRAME[:-1] + b"<script>" + bytes(1000), None),
        (b"\x00\x00\x00\x18ftypqt  " + bytes(8), "quicktime"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(8), None),
        (b"\x00\x00\x00\x18ftypisom" + bytes(8), "mp4"),
        (b"\x00\x00\x00\x08wide", "quicktime"),
        (b"\x1a\x45\xdf\xa3\x80" + bytes(50), None),
        (b"\x1a\x45\xdf\xa3\x8f\x42\x82\x84webm" + bytes(50), "webm"),
        (b"OggS\x00" + bytes(21) + b"\x01\x1e\x01vorbis", "ogg"),
        (b"OggS\x00" + bytes(21) + b"\x01\x08\x80theora", None),
        (b"RIFF\x00\x00\x00\x00AVI LIST", None),
        (b"", None),
        (b"\x00" * 100, None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"<?xml version='1.0'?><MPD/>", None),
        (b"%PDF-1.7", None),
        (b"MZ" + bytes(100), None),
        (b"\x7fELF" + bytes(100), None),
        (b"#!/bin/sh", None),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", None),
        (b"GIF89a" + bytes(20), None),
        ((b"\xff\xfd\x90\x00" + bytes(518)) * 3, None),  # layer II
        (b"OggS\x00" + bytes(21) + b"\x01\x50Speex   ", None),
        (b"\x1f\x8b\x08" + bytes(20), None),
    ],
)
def test_bytes_are_what_they_are(head: bytes, signature: str | None) -> None:
    assert find_signature(head) == signature


def test_no_beginning_of_anything_makes_us_stumble() -> None:
    for kind in ENCODED:
        whole = encode(*ENCODED[kind])[:200]
        for length in range(len(whole)):
            find_signature(whole[:length])
            find_signature(whole[:length] + b"\xff" * 8)


def test_kinds_are_kept_under_names_that_stores_know() -> None:
    assert {kind.mime_type for kind in KINDS} <= EXTENSIONS.keys()
    for kind in KINDS:
        assert EXTENSIONS[kind.mime_type] in kind.extensions
        assert all(find_kind(name) is kind for name in kind.names)


@pytest.mark.parametrize(
    ("filename", "extension"),
    [("a.MP3", "mp3"), ("a", ""), (".mp3", ""), ("a.tar.gz", "gz"), ("a.", ""), ("a b.m4a", "m4a")],
)
def test_extension_is_what_follows_the_last_dot(filename: str, extension: str) -> None:
    assert find_extension(filename) == extension
