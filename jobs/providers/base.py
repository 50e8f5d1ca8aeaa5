"""What every provider of the outside can do: take a wish once, be followed, be called off, hand over its file.

A submit is sent once and never again: neither vendor offers an idempotency key, so that whoever sends it twice may pay
twice. What stays is a window: when the answer to a submit is lost, or this process dies before the answer is kept, the
provider may make what nobody fetches. The journal's entry, written before the submit, shows that this happened;
the job then goes to the next provider, and what only waits over there is dropped at the deadline that it was sent with.
"""

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx

from jobs.providers import wire
from jobs.providers.failures import Busy, ResultLost, Setback, TimedOut, Unanswered, Unreachable
from jobs.providers.guard import AddressRefused
from jobs.providers.models import Model, W
from jobs.providers.wire import Reply, Wire
from jobs.providers.wish import Recording, Status, Submission
from server.logs import get_logger
from storage.hints import Hints

Report = Callable[[float, str], None]

WAITING_SHARE, COMPOSING_SHARE = 0.1, 0.8  # of the whole; the rest is copying
COPY_TRIES = 3
CANCEL_TRIES, CANCEL_SECONDS = 2, 10.0
MAX_POLL_PAUSE_SECONDS = 30.0  # however long a Retry-After is

# Said by models and by their hosts when a filter, and not a fault, stopped them.
MODERATED = re.compile(
    r"nsfw|content.?policy|moderati|moderated|flagged|sensitive content|copyright|safety|inappropriate", re.IGNORECASE
)
PERCENT = re.compile(r"(\d{1,3})\s?%")

log = get_logger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often a request is looked after, and for how long nothing may happen to it."""

    first_seconds: float = 1.0
    factor: float = 1.4
    most_seconds: float = 5.0
    most_hinted_seconds: float = 15.0  # when the provider tells us that it is done
    unreachable_seconds: float = 60.0
    stall_seconds: float = 600.0
    deadline_seconds: float = 1800.0


@dataclass(frozen=True)
class Call:
    """A submit as the vendor wants it."""

    path: str
    given: dict[str, Any]
    headers: Mapping[str, str]


class MusicProvider(ABC):
    """One outside service that makes music or clips; every method runs on the loop that the client belongs to."""

    name: ClassVar[str]
    token_hosts: ClassVar[tuple[str, ...]] = ()  # besides the API, who gets our key with a download

    def __init__(self, key: str, base_url: str, *, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._wire = Wire(base_url, self._authorize(key), token_hosts=self.token_hosts)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def submit(self, model: Model[W], wish: W, webhook_url: str | None = None) -> Submission:
        """Send the wish, once; write in the journal that this is about to happen before it does."""
        call = self._write_call(model, wish, webhook_url)
        try:
            reply = await self._wire.ask("POST", call.path, given=call.given, headers=call.headers)
        except wire.NOTHING_SENT as error:
            raise Unreachable(self.name, str(error), nothing_accepted=True) from error
        except wire.LOST as error:
            raise Unanswered(self.name, type(error).__name__) from error
        if reply.status >= 500 or reply.status == 408:  # a proxy's, maybe, in the place of an answer that was given
            raise Unreachable(self.name, f"status {reply.status}")
        if reply.status >= 300:
            raise self._read_failure(reply, nothing_accepted=True)
        submission = self._read_submission(model, reply.read_object())
        if submission is None:
            raise Unanswered(self.name, "the answer does not name the request")
        urls = (submission.status_url, submission.response_url, submission.cancel_url)
        if not all(map(self._wire.is_own, urls)):
            raise Unanswered(self.name, "the answer names addresses that are not the provider's own")
        return submission

    async def follow(self, submission: Submission, report: Report, hints: Hints | None = None) -> Any:
        """Watch a request until it has ended, and read its output; with hints, less often."""
        pace, watch, pause = self.pace, _Watch(self.pace), self.pace.first_seconds
        while True:
            try:
                status = await self.read_status(submission)
                if status.state == "done":
                    return await self.read_output(submission)
                most_seconds = pace.most_hinted_seconds if hints and hints.is_listening else pace.most_seconds
                pause = pace.first_seconds if watch.note(status.news) else min(pause * pace.factor, most_seconds)
                report(*self._show(status))
            except (Unreachable, Busy) as failure:
                if not failure.may_still_come or watch.is_unheard():
                    raise
                pause = min(max(pause, failure.retry_after_seconds or 0), MAX_POLL_PAUSE_SECONDS)
            if watch.is_too_long():
                await self.cancel(submission)
                raise TimedOut(self.name)
            if hints is None:
                await asyncio.sleep(pause)
            elif await hints.wait(subject_of(self.name, submission.request_id), pause):
                pause = pace.first_seconds

    async def copy(
        self, submission: Submission, model: Model[W], wish: W, output: Any, path: Path, report: Report
    ) -> Recording:
        """Copy the file at once: where it lies it is deleted within the hour."""
        url = model.find_file(output)
        if url is None or not url.startswith(("https://", "http://")):
            raise ResultLost(self.name, "the output names no file")
        size_bytes = await self._copy(
            url, path, lambda done: report(0.9 + 0.1 * min(done, 1), f"copying from {self.name}")
        )
        seed = output.get("seed") if isinstance(output, dict) else None
        return Recording(
            provider=self.name,
            model=submission.model,
            path=path,
            size_bytes=size_bytes,
            seed=seed if isinstance(seed, int) else wish.seed if model.seed else None,
            notes=model.notes_on(wish),
        )

    async def cancel(self, submission: Submission) -> bool:
        """Call a request off; whether the provider heard it. It may have ended before, or end in spite of it."""
        for _ in range(CANCEL_TRIES):
            try:
                reply = await self._wire.ask(self._cancel_method, submission.cancel_url, seconds=CANCEL_SECONDS)
            except wire.LOST as error:
                log.warning("provider.cancel_lost", provider=self.name, error=type(error).__name__)
                continue
            log.info("provider.cancelled", provider=self.name, request=submission.request_id, status=reply.status)
            if reply.status < 500 and reply.status != 429:
                return True
        return False

    @abstractmethod
    async def read_status(self, submission: Submission) -> Status:
        """How a request does; raises a Setback when it failed or its status cannot be read."""

    @abstractmethod
    async def read_output(self, submission: Submission) -> Any:
        """What a request that is done has put out; raises a Setback when it failed."""

    _cancel_method: ClassVar[str]

    @abstractmethod
    def _authorize(self, key: str) -> str: ...

    @abstractmethod
    def _write_call(self, model: Model[W], wish: W, webhook_url: str | None) -> Call: ...

    @abstractmethod
    def _read_submission(self, model: Model[Any], answer: dict[str, Any]) -> Submission | None: ...

    @abstractmethod
    def _read_failure(self, reply: Reply, *, nothing_accepted: bool = False) -> Setback: ...

    async def _look(self, url: str, *, is_result: bool = False) -> Reply:
        """Read a page about a request of ours; what is not an answer can be asked for again."""
        try:
            reply = await self._wire.ask("GET", url)
        except wire.LOST as error:
            raise Unreachable(self.name, type(error).__name__, may_still_come=True) from error
        if reply.status == 429:
            raise Busy(self.name, may_still_come=True, retry_after_seconds=reply.retry_after_seconds)
        if reply.read_json() is None or (reply.status >= 500 and not is_result):
            raise Unreachable(self.name, f"status {reply.status}", may_still_come=True)
        return reply

    def _name_submission(self, model: Model[Any], *found: object) -> Submission | None:
        texts = [one for one in found if isinstance(one, str) and one]
        return Submission(self.name, model.name, *texts) if len(texts) == len(found) else None

    def _show(self, status: Status) -> tuple[float, str]:
        if status.state == "composing":
            return WAITING_SHARE + COMPOSING_SHARE * min(max(status.fraction, 0.0), 1.0), f"composing at {self.name}"
        if status.position is None:
            return 0.0, f"waiting at {self.name}"
        return WAITING_SHARE / (2 + status.position), f"waiting at {self.name}, {status.position} before"

    async def _copy(self, url: str, path: Path, report: Callable[[float], None]) -> int:
        for left in reversed(range(COPY_TRIES)):
            try:
                return await self._wire.copy(url, path, report)
            except wire.FileRefused as refused:
                raise ResultLost(self.name, str(refused)) from refused
            except (AddressRefused, httpx.InvalidURL) as refused:
                raise ResultLost(self.name, "its address is not one of the public internet") from refused
            except httpx.HTTPStatusError as answered:
                if answered.response.status_code < 500 and answered.response.status_code != 429:
                    raise ResultLost(self.name, f"status {answered.response.status_code}") from answered
                lost: Exception = answered
            except wire.LOST as error:
                lost = error
            if not left:
                raise Unreachable(self.name, type(lost).__name__, may_still_come=True) from lost
            await asyncio.sleep(self.pace.first_seconds)
        raise AssertionError


class _Watch:
    """Whether a request still moves, and whether it is still heard of."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._began = self._moved = self._heard = time.monotonic()
        self._news: str | None = None

    def note(self, news: str) -> bool:
        """Take what was heard; whether that is new."""
        self._heard = time.monotonic()
        if news == self._news:
            return False
        self._news, self._moved = news, self._heard
        return True

    def is_unheard(self) -> bool:
        return time.monotonic() - self._heard >= self._pace.unreachable_seconds

    def is_too_long(self) -> bool:
        now = time.monotonic()
        return now - self._moved >= self._pace.stall_seconds or now - self._began >= self._pace.deadline_seconds


def subject_of(provider: str, request_id: str) -> str:
    """What a hint about this request is called."""
    return f"{provider}.{request_id}"


def read_fraction(lines: Iterable[str]) -> float:
    """How far a run is by its logs: the last percentage in them, else by how much they say."""
    told, count = None, 0
    for line in lines:
        count += 1
        if found := PERCENT.findall(line):
            told = min(int(found[-1]), 100) / 100
    return count / (count + 10) if told is None else told
