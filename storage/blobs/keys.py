"""How blobs are named, which kinds of media we keep, and what a link to one says."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from server.errors import LibrettoError

MAX_KEY_LENGTH = 512
MAX_SEGMENT_LENGTH = 200  # file systems stop at 255 bytes
MAX_DOWNLOAD_NAME_BYTES = 255
MAX_LINK_SECONDS = 604_800  # S3 signs for a week at most

# Folders have no dot and files have one, so no key can ever stand where another needs a folder.
_KEY = re.compile(
    rf"(?:[A-Za-z0-9_-]{{1,{MAX_SEGMENT_LENGTH}}}/)*"
    rf"(?=[^/]{{1,{MAX_SEGMENT_LENGTH}}}\Z)[A-Za-z0-9_-][A-Za-z0-9._-]*\.(?P<extension>[a-z0-9]+)",
    re.ASCII,
)
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-]+/)*(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)?", re.ASCII)

MIME_TYPES = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "apkg": "application/apkg",
    "ass": "text/x-ssa",
    "bin": "application/octet-stream",
    "csv": "text/csv",
    "dat": "application/x-audiowaveform",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "flac": "audio/flac",
    "html": "text/html",
    "jpg": "image/jpeg",
    "json": "application/json",
    "log": "text/x-log",
    "lrc": "text/x-lrc",
    "m4a": "audio/mp4",
    "md": "text/markdown",
    "mid": "audio/midi",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "pdf": "application/pdf",
    "png": "image/png",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "srt": "application/x-subrip",
    "svg": "image/svg+xml",
    "ts": "video/mp2t",
    "txt": "text/plain",
    "vtt": "text/vtt",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "webm": "video/webm",
    "webp": "image/webp",
    "xml": "application/xml",
    "zip": "application/zip",
}
EXTENSIONS = {mime_type: extension for extension, mime_type in MIME_TYPES.items()}
_JOINERS = "\u200c\u200d"  # Persian and emoji need them, and they reorder nothing
_SAFE_INLINE = re.compile(r"(?:audio|video|image)/.+|text/(?:plain|vtt|x-log|x-lrc)|application/json")


class InvalidKey(LibrettoError):
    """This is not the key of a blob."""

    code = "INVALID_KEY"


class BlobMissing(LibrettoError):
    """There is no blob under this key."""

    code = "BLOB_MISSING"


class LinkRefused(LibrettoError):
    """This link is not one of ours."""

    code = "LINK_INVALID"


class LinkExpired(LinkRefused):
    """This link has expired; ask for a fresh one."""

    code = "LINK_EXPIRED"


@dataclass(frozen=True)
class Blob:
    """What a store knows about one blob; the `etag` changes whenever the bytes do."""

    key: str
    size_bytes: int
    mime_type: str
    etag: str


def check_key(key: str) -> str:
    """The key itself, or `InvalidKey`."""
    found = _KEY.fullmatch(key) if len(key) <= MAX_KEY_LENGTH else None
    if found is None or found["extension"] not in MIME_TYPES:
        raise InvalidKey(f"{key[:80]!r} is not the key of a blob")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, or `InvalidKey` when no key can begin with it."""
    if len(prefix) > MAX_KEY_LENGTH or not _PREFIX.fullmatch(prefix):
        raise InvalidKey(f"No key begins with {prefix[:80]!r}")
    return prefix


def is_key(text: str) -> bool:
    """Whether a store could have written this key for us."""
    try:
        check_key(text)
    except InvalidKey:
        return False
    return True


def mime_type_of(key: str) -> str:
    """The one kind of media that a key's extension stands for."""
    return MIME_TYPES[check_key(key).rpartition(".")[2]]


def check_mime_type(key: str, mime_type: str) -> None:
    """`InvalidKey` unless the key's extension says the same as `mime_type`: a blob is served as what its key says."""
    if mime_type_of(key) != mime_type:
        raise InvalidKey(f"{key!r} cannot be the key of {mime_type!r}")


def attempt_key(job_id: object, token: object, name: str) -> str:
    """Where one attempt of a job keeps a file; no other attempt can write there, so a zombie overwrites nothing."""
    return check_key(f"jobs/{job_id}/{token}/{name}")


def upload_key(owner: str, upload: str, name: str, mime_type: str) -> str:
    """Where the bytes of one upload stand, whatever its owner called the file."""
    if mime_type not in EXTENSIONS:
        raise InvalidKey(f"{mime_type[:80]!r} is not a kind of media that we keep")
    return check_key(f"uploads/{owner}/{upload}/{name}.{EXTENSIONS[mime_type]}")


def link_window(now: float, expires_in_seconds: int) -> tuple[int, int]:
    """When a link made `now` counts as signed and when it ends: the same for a quarter of its life, to be cached.

    It lives at least `expires_in_seconds` and at most a quarter longer.
    """
    lifetime = max(1, min(expires_in_seconds, MAX_LINK_SECONDS * 4 // 5))
    step = max(1, lifetime // 4)
    signed_at = int(now) // step * step
    return signed_at, signed_at + lifetime + step


def content_type(mime_type: str) -> str:
    """The Content-Type to serve a kind of media with; all our text is UTF-8."""
    return f"{mime_type}; charset=utf-8" if mime_type.startswith("text/") else mime_type


def content_disposition(mime_type: str, download_name: str | None, *, sandboxed: bool = False) -> str:
    """Shown in place when that is safe and no name to save it under was asked for (RFC 6266, RFC 8187).

    `sandboxed` says that a policy beside it stops scripts, so that SVG may be shown too; `<img>` shows it either way.
    """
    name = clean_name(download_name or "")
    if not name:
        safe = sandboxed if mime_type == "image/svg+xml" else bool(_SAFE_INLINE.fullmatch(mime_type))
        return "inline" if safe else "attachment"
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode())
    if plain == name:
        return f'attachment; filename="{plain}"'
    if not plain.strip() or plain.startswith("."):  # nothing of it could be written in ASCII
        plain = f"download{plain.strip()}"
    return f"attachment; filename=\"{plain.strip()}\"; filename*=UTF-8''{quote(name, safe='')}"


def clean_name(name: str) -> str:
    """A name that a person gave, without control and direction characters, in NFC and of at most 255 bytes."""
    kept = "".join(
        " " if char in "/\\" else char
        for char in name
        if char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )
    whole = unicodedata.normalize("NFC", kept).strip()
    return whole.encode()[:MAX_DOWNLOAD_NAME_BYTES].decode(errors="ignore").strip()
