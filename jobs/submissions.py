"""What jobs have sent to music providers: their journal in the database, and calling off what nobody waits for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from jobs.providers import Entry, MusicProvider, Submission, call_off
from jobs.queue import Work
from server.errors import LeaseLost
from storage import submissions

STRAY_AGE = timedelta(hours=1)  # by then a provider has dropped what it was sent: `Pace.deadline_seconds`, twice
STRAYS_AT_ONCE = 20


@dataclass(frozen=True)
class JobJournal:
    """One round of a job; without the token of its lease nothing can be begun."""

    job_id: UUID
    round_number: int
    token: int = -1

    @classmethod
    def of(cls, work: Work) -> "JobJournal":
        """Of the job that is worked on."""
        return cls(work.lease.job_id, work.lease.round, work.lease.token)

    async def read(self) -> Mapping[str, Entry]:
        """All of its entries."""
        kept = await submissions.read(self.job_id, self.round_number)
        return {one.provider: Entry(one.state, Submission(**one.sent) if one.sent else None) for one in kept}

    async def begin(self, provider: str, model: str) -> None:
        """Write that a submit is about to be sent."""
        if not await submissions.begin(self.job_id, self.round_number, self.token, provider, model):
            raise LeaseLost

    async def keep(self, submission: Submission) -> bool:
        """Keep what was answered; False when nobody will follow it."""
        given = submission.as_dict()
        return await submissions.keep(self.job_id, self.round_number, submission.provider, given)

    async def end(self, provider: str, code: str) -> None:
        """Write that nothing more comes from there, and why."""
        await submissions.end(self.job_id, self.round_number, provider, code)

    async def forget(self, provider: str) -> None:
        """Take back what was begun: nothing was accepted."""
        await submissions.forget(self.job_id, self.round_number, provider)


async def call_off_strays(providers: Mapping[str, MusicProvider]) -> int:
    """Call off what jobs that have ended left running over there; answers with how many had something."""
    strays = await submissions.list_strays(providers, STRAY_AGE, STRAYS_AT_ONCE)
    for job_id, round_number in strays:
        await call_off(providers, JobJournal(job_id, round_number))
    return len(strays)
