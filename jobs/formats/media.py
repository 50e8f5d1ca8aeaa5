"""The kinds of media that we take from outside, and how a file says by its first bytes which kind it is.

A kind is named by the client three times, as a type, as an extension and by the bytes; all three must agree.
"""

from collections.abc import Callable
from dataclasses import dataclass

SNIFFED_BYTES = 64 << 10  # as much as a browser or libmagic looks at
MP3_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, -1)
MPEG_2_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, -1)
QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}  # what old files begin with
STILL_BRANDS = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ", b"jp2 ", b"jpx "}


@dataclass(frozen=True)
class MediaKind:
    """One kind: what we call it, what others call it, and what its files begin with."""

    mime_type: str
    extensions: tuple[str, ...]
    signatures: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.mime_type, *self.aliases


KINDS = (
    MediaKind("audio/mpeg", ("mp3", "mpga"), ("mp3",), ("audio/mp3", "audio/x-mp3", "audio/x-mpeg")),
    MediaKind("audio/mp4", ("m4a", "m4b", "mp4"), ("mp4",), ("audio/m4a", "audio/x-m4a", "audio/aacp")),
    MediaKind("audio/aac", ("aac",), ("adts",), ("audio/x-aac",)),
    MediaKind("audio/wav", ("wav", "wave"), ("wav",), ("audio/x-wav", "audio/wave", "audio/vnd.wave")),
    MediaKind("audio/aiff", ("aiff", "aif", "aifc"), ("aiff",), ("audio/x-aiff",)),
    MediaKind("audio/flac", ("flac",), ("flac",), ("audio/x-flac",)),
    MediaKind("audio/ogg", ("ogg", "oga"), ("ogg", "opus"), ("application/ogg",)),
    MediaKind("audio/opus", ("opus",), ("opus",)),
    MediaKind("audio/webm", ("weba", "webm"), ("webm",)),
    MediaKind("video/mp4", ("mp4", "m4v"), ("mp4",), ("video/x-m4v",)),
    MediaKind("video/quicktime", ("mov", "qt"), ("quicktime",)),
    MediaKind("video/webm", ("webm",), ("webm",)),
    MediaKind("video/x-matroska", ("mkv",), ("matroska",), ("video/matroska",)),
    MediaKind("image/jpeg", ("jpg", "jpeg"), ("jpeg",), ("image/jpg",)),
    MediaKind("image/png", ("png",), ("png",)),
    MediaKind("image/webp", ("webp",), ("webp",)),
)
_BY_NAME = {name: kind for kind in KINDS for name in kind.names}


def find_kind(mime_type: str) -> MediaKind | None:
    """The kind that a client means by this type; parameters, such as the codecs of a recorder, do not matter."""
    return _BY_NAME.get(mime_type.partition(";")[0].strip().lower())


def find_extension(filename: str) -> str:
    """The extension of a file's name in small letters, or nothing."""
    stem, dot, extension = filename.rpartition(".")
    return extension.lower() if stem and dot else ""


def find_signature(head: bytes) -> str | None:
    """What a file is by its first 64 KiB; None for what we do not take: text, archives, playlists, programs."""
    for name, is_like in SIGNATURES.items():
        if is_like(head):
            return name
    return None


def _is_mp4(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and len(head) >= 16 and head[8:12] not in STILL_BRANDS and head[8:12] != b"qt  "


def _is_quicktime(head: bytes) -> bool:
    if head[4:8] == b"ftyp":
        return head[8:12] == b"qt  "
    size = int.from_bytes(head[:4])
    return head[4:8] in QUICKTIME_ATOMS and (size >= 8 or size == 1)


def _is_riff(form: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[:4] in (b"RIFF", b"RF64") and head[8:12] == form


def _is_ebml(document: bytes) -> Callable[[bytes], bool]:
    """Matroska and WebM name themselves in the element 0x4282, which stands in the header."""

    def is_like(head: bytes) -> bool:
        header = head[:4096]
        place = header.find(b"\x42\x82", 4)
        if not header.startswith(b"\x1a\x45\xdf\xa3") or place < 0 or place + 3 > len(header):
            return False
        length = header[place + 2] & 0x7F
        return header[place + 3 : place + 3 + length].rstrip(b"\x00") == document

    return is_like


def _is_ogg(codec: bytes | None) -> Callable[[bytes], bool]:
    """An Ogg page whose first packet is of this codec, or of any that we know."""
    known = (codec,) if codec else (b"\x01vorbis", b"\x7fFLAC")

    def is_like(head: bytes) -> bool:
        if not head.startswith(b"OggS\x00") or len(head) < 28:
            return False
        return head[27 + head[26] :].startswith(known)

    return is_like


def _skip_tag(head: bytes) -> int | None:
    """Where the sound begins behind an ID3 tag and its padding; None when that is no tag."""
    if not head.startswith(b"ID3"):
        return 0
    if len(head) < 10 or not 2 <= head[3] <= 4 or head[4] == 0xFF or any(byte & 0x80 for byte in head[6:10]):
        return None
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    start = 10 + size + (10 if head[5] & 0x10 else 0)
    while start < len(head) and head[start] == 0:
        start += 1
    return start


def _is_mp3(head: bytes) -> bool:
    """Two frames in a row, or as many as are in sight behind a tag that is long because of its picture."""
    start = _skip_tag(head)
    if start is None:
        return False
    if start >= len(head):
        return len(head) >= SNIFFED_BYTES
    length = _measure_mp3_frame(head[start:])
    if length is None:
        return False
    following = head[start + length :]
    return len(following) < 4 or _measure_mp3_frame(following) is not None


def _measure_mp3_frame(head: bytes) -> int | None:
    """The length of a frame of MPEG audio, layer III, by its header; None when it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, rate, frequency = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != 1 or rate in (0, 15) or frequency == 3:
        return None
    hertz = (44100, 48000, 32000)[frequency] >> {3: 0, 2: 1, 0: 2}[version]
    samples, kilobits = (1152, MP3_RATES[rate]) if version == 3 else (576, MPEG_2_RATES[rate])
    return samples // 8 * kilobits * 1000 // hertz + (head[2] >> 1 & 1)


def _is_adts(head: bytes) -> bool:
    """Two frames of AAC in a row."""
    start = _skip_tag(head)
    if start is None or start + 7 > len(head):
        return False
    frame = head[start:]
    if frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0 or frame[2] >> 2 & 15 > 12:
        return False
    length = (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
    following = frame[length : length + 2]
    return length >= 7 and (len(following) < 2 or (following[0] == 0xFF and following[1] & 0xF6 == 0xF0))


SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "mp4": _is_mp4,
    "quicktime": _is_quicktime,
    "wav": _is_riff(b"WAVE"),
    "webp": _is_riff(b"WEBP"),
    "aiff": lambda head: head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"),
    "flac": lambda head: head[:4] == b"fLaC",
    "opus": _is_ogg(b"OpusHead"),
    "ogg": _is_ogg(None),
    "webm": _is_ebml(b"webm"),
    "matroska": _is_ebml(b"matroska"),
    "jpeg": lambda head: head[:3] == b"\xff\xd8\xff",
    "png": lambda head: head[:8] == b"\x89PNG\r\n\x1a\n",
    "adts": _is_adts,
    "mp3": _is_mp3,
}
