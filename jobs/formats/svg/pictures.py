"""Pictures inside a drawing: PNG, JPEG and WebP, rebuilt from the parts that carry the picture and nothing else."""

import binascii
import re
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import NamedTuple

MAX_PICTURE_BYTES = 512 << 10
MAX_SIDE_PIXELS = 8192
MAX_SCANS = 24  # a progressive JPEG pays for each with a pass over all of its pixels

_LINK = re.compile(r"data:image/(png|jpeg|webp);base64,", re.IGNORECASE)
_PNG_PARTS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"IDAT", b"IEND"))
_JPEG_PARTS = frozenset((0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE))
_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
_JPEG_ENDS_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class Broken(ValueError):
    """The bytes are not the picture they say they are."""


class Picture(NamedTuple):
    """One picture, rebuilt."""

    bytes: bytes
    width: int
    height: int


class Embedded(NamedTuple):
    """A picture as it stands in a drawing."""

    link: str
    pixels: int


def read_picture(link: str) -> Embedded | None:
    """The picture of a `data:` link, or None if it is not one that may stay."""
    head = _LINK.match(link.lstrip()[:32])
    if not head or len(link) > MAX_PICTURE_BYTES * 3 // 2:
        return None
    kind = head[1].lower()
    try:
        body = b64decode("".join(link.lstrip()[head.end() :].split()), validate=True)
        picture = _READERS[kind](body)
    except (binascii.Error, Broken, IndexError, struct.error):
        return None
    if len(body) > MAX_PICTURE_BYTES or not 0 < max(picture.width, picture.height) <= MAX_SIDE_PIXELS:
        return None
    return Embedded(f"data:image/{kind};base64,{b64encode(picture.bytes).decode()}", picture.width * picture.height)


def _read_png(body: bytes) -> Picture:
    _expect(body.startswith(b"\x89PNG\r\n\x1a\n") and body[12:16] == b"IHDR")
    kept, at, kind = [body[:8]], 8, b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", body, at)
        part = body[at : at + size + 12]
        _expect(len(part) == size + 12 and zlib.crc32(part[4:-4]) == int.from_bytes(part[-4:]))
        _expect(kind != b"IHDR" or at == 8)
        if kind in _PNG_PARTS:
            kept.append(part)
        at += size + 12
    width, height = struct.unpack_from(">II", body, 16)
    return Picture(b"".join(kept), width, height)


def _read_jpeg(body: bytes) -> Picture:
    _expect(body.startswith(b"\xff\xd8"))
    kept, at, scans, frames = [b"\xff\xd8"], 2, 0, []
    while (marker := body[at + 1]) != 0xD9:
        _expect(body[at] == 0xFF)
        end = at + 2 + int.from_bytes(body[at + 2 : at + 4])
        if marker in _JPEG_FRAMES:
            frames.append(struct.unpack_from(">HH", body, at + 5))
        elif marker == 0xDA:
            scans += 1
            ending = _JPEG_ENDS_SCAN.search(body, end)
            _expect(ending is not None)
            end = ending.start() if ending else end
        elif 0xC0 <= marker <= 0xCF:
            _expect(marker in _JPEG_PARTS)
        if marker in _JPEG_PARTS:
            kept.append(body[at:end])
        at = end
    _expect(len(frames) == 1 and 0 < scans <= MAX_SCANS)
    height, width = frames[0]
    return Picture(b"".join([*kept, b"\xff\xd9"]), width, height)


def _read_webp(body: bytes) -> Picture:
    _expect(body[:4] == b"RIFF" and body[8:12] == b"WEBP")
    parts: dict[bytes, bytes] = {}
    at, end = 12, min(len(body), 8 + int.from_bytes(body[4:8], "little"))
    while at < end:
        kind, size = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "little")
        _expect(at + 8 + size <= len(body))
        parts.setdefault(kind, body[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    if b"VP8L" in parts:
        width, height = _measure_lossless(parts[b"VP8L"])
        return _write_webp({b"VP8L": parts[b"VP8L"]}, width, height)
    _expect(b"VP8 " in parts and parts[b"VP8 "][3:6] == b"\x9d\x01\x2a")
    width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", parts[b"VP8 "], 6))
    if b"ALPH" not in parts:
        return _write_webp({b"VP8 ": parts[b"VP8 "]}, width, height)
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") if width and height else b""
    _expect(bool(sides))
    alpha_only = b"\x10\0\0\0" + sides
    return _write_webp({b"VP8X": alpha_only, b"ALPH": parts[b"ALPH"], b"VP8 ": parts[b"VP8 "]}, width, height)


def _measure_lossless(part: bytes) -> tuple[int, int]:
    _expect(part[:1] == b"\x2f")
    (bits,) = struct.unpack_from("<I", part, 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _write_webp(parts: dict[bytes, bytes], width: int, height: int) -> Picture:
    chunks = b"".join(
        kind + len(part).to_bytes(4, "little") + part + b"\0" * (len(part) % 2) for kind, part in parts.items()
    )
    return Picture(b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks, width, height)


def _expect(holds: bool) -> None:  # noqa: FBT001 -- reads as a sentence
    if not holds:
        raise Broken


_READERS: dict[str, Callable[[bytes], Picture]] = {"png": _read_png, "jpeg": _read_jpeg, "webp": _read_webp}
