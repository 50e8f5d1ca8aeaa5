"""What is asked of an outside provider, what was sent there, and what came back: plain values that storage can keep."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias


@dataclass(frozen=True)
class ReferenceLink:
    """A recording that the song takes after; no address where it cannot be fetched from outside."""

    url: str | None
    seconds: float
    count: int  # how many were given; this is the first of them


@dataclass(frozen=True)
class SongWish:
    """A song as somebody asks for it, whoever makes it."""

    prompt: str
    seconds: float
    has_vocals: bool = False
    lyrics: str | None = None
    seed: int | None = None
    reference: ReferenceLink | None = None


Shape: TypeAlias = Literal["LANDSCAPE", "PORTRAIT", "SQUARE"]


@dataclass(frozen=True)
class ClipWish:
    """Moving pictures without sound as a film wants them, whoever makes them."""

    prompt: str
    seconds: float
    shape: Shape = "LANDSCAPE"
    seed: int | None = None


Wish: TypeAlias = SongWish | ClipWish


@dataclass(frozen=True)
class Submission:
    """A request that a provider accepted: what is needed to follow it from any machine, and no secret."""

    provider: str
    model: str
    request_id: str
    status_url: str
    response_url: str
    cancel_url: str

    def as_dict(self) -> dict[str, str]:
        """For a JSON column; `Submission(**kept)` brings it back."""
        return asdict(self)


@dataclass(frozen=True)
class Entry:
    """How far a job got with one provider.

    begun ──► submitted ──► ended     a failure ends it for good: this job never submits there again
      └──► (no entry)                 the provider certainly accepted nothing, so that it may be asked again
    """

    state: Literal["begun", "submitted", "ended"]
    submission: Submission | None = None


class Journal(Protocol):
    """Where one job keeps its submissions, by provider; every call is committed when it returns."""

    async def read(self) -> Mapping[str, Entry]:
        """All of its entries."""

    async def begin(self, provider: str, model: str) -> None:
        """Write that a submit is about to be sent; LeaseLost when the job is not ours any more or has such an entry."""

    async def keep(self, submission: Submission) -> bool:
        """Keep what was answered, whoever holds the job now; False when nobody will follow it, so that it is cancelled.

        That is so when the job has ended, or when another worker found the entry begun and ended it.
        """

    async def end(self, provider: str, code: str) -> None:
        """Write that nothing more comes from there, and why."""

    async def forget(self, provider: str) -> None:
        """Take back what was begun: nothing was accepted."""


@dataclass(frozen=True)
class Recording:
    """A file of sound or pictures as a provider made it, not looked into yet: a child does that first."""

    provider: str
    model: str
    path: Path
    size_bytes: int
    seed: int | None
    notes: tuple[str, ...]  # in what it differs from the wish, for people to read


@dataclass(frozen=True)
class Status:
    """How a request does."""

    state: Literal["waiting", "composing", "done"]
    position: int | None = None  # how many are before it
    fraction: float = 0.0  # of the composing
    news: str = ""  # differs whenever something has moved
