"""One job's trip to one provider: submit once, follow, copy; stopped in any moment without losing what was accepted."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from jobs.bridge import wait, wait_beating
from jobs.providers.base import MusicProvider, Report
from jobs.providers.failures import ModelMissing, ResultLost, Unanswered
from jobs.providers.models import Model
from jobs.providers.tables import choose_model, find_model
from jobs.providers.wire import ASK_SECONDS
from jobs.providers.wish import Journal, Recording, Submission, Wish
from server.errors import EngineDied, EngineFailed, EngineStalled, JobCancelled, JobStopped, LeaseLost
from server.logs import get_logger
from storage import database
from storage.hints import Hints

T = TypeVar("T")

BEAT_SECONDS = 0.25
SETTLE_SECONDS = 2 * ASK_SECONDS  # a submit on its way, and the cancel after it
KEEP_PAUSES_SECONDS = (0.1, 0.5, 1, 2, 4)

log = get_logger(__name__)


@dataclass
class Remote(Generic[T]):
    """A member of the chain that goes out to a provider, and has `finish` make of its recording what a job wants."""

    provider: MusicProvider
    wish: Wish
    path: Path
    journal: Journal
    report: Report
    finish: Callable[[Recording], T]
    preferred_model: str = ""
    webhook_url: str | None = None
    hints: Hints | None = None
    _shown: tuple[float, str] = (0.0, "starting")
    _sending: "asyncio.Task[Submission] | None" = None
    _submission: Submission | None = field(default=None)

    @property
    def name(self) -> str:
        """The provider's."""
        return self.provider.name

    def make(self) -> T:
        """What `finish` makes of the recording; a file that breaks our engine is the provider's failure."""
        try:
            recording = wait_beating(self._travel(), lambda: self.report(*self._shown), BEAT_SECONDS)
        except JobCancelled:
            wait(self._call_off())
            raise
        except JobStopped:
            wait(self._settle())
            raise
        try:
            return self.finish(recording)
        except (EngineFailed, EngineDied, EngineStalled) as failed:
            raise ResultLost(self.name, f"it cannot be read ({failed.code})") from failed

    def abandon(self) -> None:
        """Call off what may still run over there."""
        wait(self._call_off())

    async def _travel(self) -> Recording:
        entry = (await self.journal.read()).get(self.name)
        self._submission = entry.submission if entry else None
        if self._submission is None:
            model = choose_model(self.name, self.wish, self.preferred_model)
            if model is None:
                raise ModelMissing(self.name, "no model of it can make this", nothing_accepted=True)
            self._sending = asyncio.create_task(self._send(model))
            await asyncio.shield(self._sending)  # what was sent must be kept, even if the job stops meanwhile
        return await self._fetch()

    async def _send(self, model: Model[Any]) -> Submission:
        await self.journal.begin(self.name, model.name)
        submission = await self.provider.submit(model, self.wish, self.webhook_url)
        self._submission = submission
        log.info("provider.submitted", provider=self.name, model=model.name, request=submission.request_id)
        try:
            wanted = await self._keep(submission)
        except (*database.LOST, TimeoutError) as error:
            await self.provider.cancel(submission)  # nobody could follow it
            raise Unanswered(self.name, "its answer could not be kept") from error
        if not wanted:
            await self.provider.cancel(submission)
            raise LeaseLost
        return submission

    async def _keep(self, submission: Submission) -> bool:
        for pause_seconds in KEEP_PAUSES_SECONDS:
            try:
                return await self.journal.keep(submission)
            except (*database.LOST, TimeoutError):
                await asyncio.sleep(pause_seconds)
        return await self.journal.keep(submission)

    async def _fetch(self) -> Recording:
        submission = self._submission
        assert submission is not None  # noqa: S101 - it was sent, or found in the journal
        model = find_model(submission.provider, submission.model)
        if model is None:
            raise ModelMissing(self.name, "it is not in the table any more")
        output = await self.provider.follow(submission, self._show, self.hints)
        return await self.provider.copy(submission, model, self.wish, output, self.path, self._show)

    def _show(self, fraction: float, stage: str) -> None:
        self._shown = (fraction, stage)

    async def _settle(self) -> None:
        if self._sending is not None:
            done, _ = await asyncio.wait([self._sending], timeout=SETTLE_SECONDS)
            if done and not self._sending.cancelled() and (error := self._sending.exception()):
                log.info("provider.submit_stopped", provider=self.name, error=repr(error))

    async def _call_off(self) -> None:
        await self._settle()
        if self._submission is not None:
            await self.provider.cancel(self._submission)


async def call_off(providers: Mapping[str, MusicProvider], journal: Journal) -> None:
    """Cancel whatever a job that has ended still has out there; for jobs that were cancelled while nobody held them."""
    for name, entry in (await journal.read()).items():
        provider = providers.get(name)
        if provider and entry.state == "submitted" and entry.submission and await provider.cancel(entry.submission):
            await journal.end(name, JobCancelled.code)
