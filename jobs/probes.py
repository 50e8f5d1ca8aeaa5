"""Probes: a job that does nothing but pass through the queue, for the doctor, the benchmark and the curious."""

from uuid import UUID

from jobs import queue
from jobs.bridge import wait
from jobs.queue import Work
from storage import jobs
from storage.jobs import JobState
from storage.rows import new_id


async def request_probe(user_id: UUID) -> JobState:
    """Send a job through the queue."""
    return await queue.enqueue("jobs.probe", "default", job_id=new_id(), user_id=user_id)


def probe(work: Work) -> None:
    """Arrive."""
    wait(jobs.complete_job(work.lease, {"worker_answered": True}))
