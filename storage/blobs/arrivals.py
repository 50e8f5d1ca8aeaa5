"""What comes from outside: what a link to write says, and what every store can do with files that come in parts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from storage.blobs.keys import Blob, upload_key

MAX_SINGLE_BYTES = 16 << 20  # up to here one PUT will do; what is lost on the way is soon sent again
PART_BYTES = 8 << 20  # S3 takes no smaller parts than 5 MiB, but for the last one, and R2 wants them all of one size


@dataclass(frozen=True)
class Grant:
    """What one link lets its holder write: so many bytes in one place, for a file of this kind."""

    key: str
    size_bytes: int
    mime_type: str
    sha256: str | None = None
    part: int | None = None
    token: str | None = None  # of the file that the part belongs to


@dataclass(frozen=True)
class PutLink:
    """Where to PUT, and with which headers; the length is signed too, and every client sends it by itself."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A part that has arrived whole."""

    number: int
    size_bytes: int
    etag: str


class Uploads(Protocol):
    """The side of a store that others write to, by links; faults are as with the rest of the store."""

    def link(self, grant: Grant, *, expires_in_seconds: int) -> PutLink:
        """A link for PUTs of exactly what is granted; it makes no call, so fields may use it."""
        ...

    async def begin(self, key: str, mime_type: str) -> str:
        """Begin a file that comes in parts; answers with its token."""
        ...

    async def list_parts(self, key: str, token: str) -> list[Part]:
        """The parts that are here, by number; none when the file is joined, dropped or unknown."""
        ...

    async def join(self, key: str, token: str, parts: Sequence[Part]) -> Blob:
        """Make the parts one blob, which no link to a part can change any more; the first to join decides."""
        ...

    async def drop(self, key: str, token: str) -> None:
        """Let go of the parts; fine when they are gone already."""
        ...

    async def list_begun(self, prefix: str) -> list[tuple[str, str, datetime]]:
        """Key, token and beginning of the files in parts that `list_keys` does not show."""
        ...


def arrival_key(owner: str, upload: str, mime_type: str) -> str:
    """Where a file arrives; nothing reads it there but the job that checks it."""
    return upload_key(owner, upload, "arrived", mime_type)


def part_key(key: str, token: str, number: int) -> str:
    """Where a store of ours keeps a part."""
    return f"{key.rpartition('/')[0]}/parts-{token}/{number:05d}.bin"
