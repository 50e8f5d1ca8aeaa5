"""What is asked of whoever moderates, and what they may answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True)
class Words:
    """What somebody wrote: for a new track, or as the title of one that they have."""

    kind: str
    prompt: str | None = None
    lyrics: str | None = None
    title: str | None = None

    def fields(self) -> Iterator[tuple[str, str]]:
        """What was written, by the name of its field."""
        for name in ("prompt", "lyrics", "title"):
            if text := getattr(self, name):
                yield name, text


@dataclass(frozen=True)
class Rejection:
    """What is not allowed, and how it could be put instead; an empty suggestion says that it cannot."""

    reason: str
    message: str
    suggestion: str = ""


class Moderator(Protocol):
    """Somebody who says whether a track may be made of these words."""

    name: str

    async def find_rejection(self, words: Words, user_id: UUID) -> Rejection | None:
        """What is wrong with them; None when nothing is."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
