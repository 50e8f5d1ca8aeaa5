"""The chain of providers: the chosen one first, and the next one when it fails in a way that is not the wish's fault.

A job that comes back after a crash follows what it has submitted before anything else, and never submits a second time
where something was accepted, or may have been. The last member is usually `local`, which always answers.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from jobs.bridge import wait
from jobs.providers.circuits import Circuits
from jobs.providers.failures import Resting, Setback, Unanswered
from jobs.providers.wish import Entry, Journal
from server.errors import JobFailed, ProviderFailed
from server.logs import get_logger

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

log = get_logger(__name__)


class Member(Protocol[T_co]):
    """Somebody who can make it: `Remote` for an outside provider, `Local` for our own engine."""

    @property
    def name(self) -> str:
        """How settings, metrics and people call it."""

    def make(self) -> T_co:
        """Make it, in the actor's thread; raises a Setback when the next member is to be asked."""

    def abandon(self) -> None:
        """Call off what may still run there, because another member is asked."""


@dataclass(frozen=True)
class Local(Generic[T]):
    """A member that works in this very process tree, so that nothing of it is left when it fails."""

    name: str
    work: Callable[[], T]

    def make(self) -> T:
        """Do the work."""
        return self.work()

    def abandon(self) -> None:
        """There is nothing to call off."""


class Recorder(Protocol):
    """Who counts what the providers do."""

    def note_outcome(self, provider: str, outcome: str, seconds: float) -> None:
        """A member that was asked has made it (`complete`) or failed (the failure's code in small letters)."""

    def note_fallback(self, provider: str, to: str) -> None:
        """Another member is asked because this one failed or rests."""


def make_by_chain(
    members: Sequence[Member[T]], *, journal: Journal, circuits: Circuits, recorder: Recorder
) -> tuple[str, T]:
    """Who made it, and what they made."""
    return _Chain(journal, circuits, recorder).walk(members)


class _Chain:
    """One job's way along the members."""

    def __init__(self, journal: Journal, circuits: Circuits, recorder: Recorder) -> None:
        self._journal, self._circuits, self._recorder = journal, circuits, recorder
        self._setbacks: list[Setback] = []

    def walk(self, members: Sequence[Member[T]]) -> tuple[str, T]:
        entries = self._read_entries()
        following = {name for name, entry in entries.items() if entry.state == "submitted"}
        left = [member for member in members if member.name not in entries or member.name in following]
        left.sort(key=lambda member: member.name not in following)
        while left:
            member = left.pop(0)
            try:
                return member.name, self._ask(member, is_resumed=member.name in following, is_last=not left)
            except Setback as setback:
                if not setback.falls_back:
                    raise
                self._setbacks.append(setback)
            if left:
                self._recorder.note_fallback(member.name, left[0].name)
        raise self._summarise()

    def _read_entries(self) -> Mapping[str, Entry]:
        entries = dict(wait(self._journal.read()))
        for name, entry in entries.items():
            if entry.state == "begun":  # by a worker that died, or lost the answer: accepted or not, nobody can say
                wait(self._journal.end(name, Unanswered.code))
                entries[name] = Entry("ended")
        return entries

    def _ask(self, member: Member[T], *, is_resumed: bool, is_last: bool) -> T:
        circuit, began = self._circuits.get(member.name), time.monotonic()
        if not is_resumed and not circuit.admit():
            raise Resting(member.name, nothing_accepted=True)
        try:
            made = member.make()
        except Setback as setback:
            log.warning("provider.failed", provider=member.name, error=setback.code, told=setback.told)
            circuit.note_failure(setback)
            self._recorder.note_outcome(member.name, setback.code.lower(), time.monotonic() - began)
            self._settle(member, setback, is_last=is_last)
            raise
        except JobFailed as failed:  # our own engine's, which nobody is asked after
            self._recorder.note_outcome(member.name, failed.code.lower(), time.monotonic() - began)
            raise
        circuit.note_success()
        self._recorder.note_outcome(member.name, "complete", time.monotonic() - began)
        return made

    def _settle(self, member: Member[T], setback: Setback, *, is_last: bool) -> None:
        if setback.nothing_accepted:
            return wait(self._journal.forget(member.name))
        if setback.may_still_come:
            if is_last:
                return None  # the next attempt at this job follows it
            member.abandon()
        return wait(self._journal.end(member.name, setback.code))

    def _summarise(self) -> ProviderFailed:
        if not self._setbacks:
            return ProviderFailed("Every provider that may be asked has failed", retryable=False)
        if len(self._setbacks) == 1:
            return self._setbacks[0]
        told = "; ".join(setback.message for setback in self._setbacks)
        return ProviderFailed(told, retryable=any(setback.retryable for setback in self._setbacks))
