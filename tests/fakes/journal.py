"""A journal of submissions in memory, and a recorder that only remembers."""

from collections.abc import Mapping

from jobs.providers import Entry, Submission
from server.errors import LeaseLost


class MemoryJournal:
    """What one job would keep in the database."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.codes: dict[str, str] = {}
        self.models: dict[str, str] = {}

    async def read(self) -> Mapping[str, Entry]:
        return dict(self.entries)

    async def begin(self, provider: str, model: str) -> None:
        if provider in self.entries:
            raise LeaseLost
        self.entries[provider] = Entry("begun")
        self.models[provider] = model

    async def keep(self, submission: Submission) -> bool:
        wanted = self.entries.get(submission.provider) == Entry("begun")
        if wanted:
            self.entries[submission.provider] = Entry("submitted", submission)
        return wanted

    async def end(self, provider: str, code: str) -> None:
        self.entries[provider] = Entry("ended")
        self.codes[provider] = code

    async def forget(self, provider: str) -> None:
        self.entries.pop(provider, None)


class MemoryRecorder:
    """What metrics would count."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.fallbacks: list[tuple[str, str]] = []

    def note_outcome(self, provider: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append((provider, outcome))

    def note_fallback(self, provider: str, to: str) -> None:
        self.fallbacks.append((provider, to))
