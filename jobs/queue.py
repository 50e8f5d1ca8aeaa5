"""The queue: put work in, take work out, and say how it ended.

A ring names a job, but whoever answers it takes the job whose turn it is (`storage.jobs.claim_next`), and the next one
after it: fairness is decided in the database.
"""

import random
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jobs import broker
from jobs.bridge import wait
from jobs.foundry import Foundry
from jobs.progress import Progress
from server import metrics
from server.errors import JobFailed, JobInterrupted, JobStopped, LibrettoError, Unavailable
from server.logs import bound_contextvars, get_contextvars, get_logger
from storage import database, jobs
from storage.blobs import BlobStore
from storage.jobs import JobState, Lease
from storage.rows import write_id

RETRY_BASE_SECONDS = 2.0
RETRY_CAP_SECONDS = 300.0
SETTLE_PAUSES_SECONDS = (0.2, 0.5, 1, 2, 4, 4, 8, 8)

log = get_logger(__name__)


@dataclass(frozen=True)
class Queue:
    """A class of work: how much of it one worker does at a time, and how much one person may hold everywhere."""

    name: str
    slots: int | None  # None: as many as the setting WORKER_SLOTS says
    running_per_user: int
    poll_milliseconds: int = 100  # of each idle slot: half of it is the mean wait before a job starts


QUEUES = {
    queue.name: queue
    for queue in (
        Queue("media", slots=None, running_per_user=8),
        Queue("remote", slots=32, running_per_user=16, poll_milliseconds=1000),  # waits for others, hardly works
        Queue("clips", slots=16, running_per_user=16, poll_milliseconds=1000),
        Queue("speech", slots=1, running_per_user=4),
        Queue("delivery", slots=4, running_per_user=32),
        Queue("default", slots=2, running_per_user=8),
    )
}


@dataclass(frozen=True)
class Work:
    """What an actor is given: its lease, where to report, where files go, who makes music, what engines may use."""

    lease: Lease
    report: Progress
    blobs: BlobStore
    foundry: Foundry
    engine_memory_bytes: int
    engine_gate: threading.Semaphore  # of the job's queue: whoever is through may run one engine


@dataclass(frozen=True)
class Kind:
    """A kind of job: its name, the queue it waits in, the actor that does it, and how often it is tried."""

    name: str
    queue: str
    act: Callable[[Work], None]
    max_attempts: int = 3
    also_in: tuple[str, ...] = ()  # queues where some of it waits instead


async def enqueue(
    kind: str,
    queue: str,
    *,
    job_id: UUID,
    user_id: UUID,
    subject_id: UUID | None = None,
    payload: Mapping[str, Any] | None = None,
    max_attempts: int = 3,
    parent_id: UUID | None = None,
    waits_for_children: bool = False,
) -> JobState:
    """Write a job in the transaction at hand, and ring when that is committed, unless it waits for its children."""
    state = await jobs.insert_job(
        job_id=job_id,
        user_id=user_id,
        kind=kind,
        queue=queue,
        subject_id=subject_id,
        payload=dict(payload or {}),
        max_attempts=max_attempts,
        parent_id=parent_id,
        request_id=find_request_id(),
        waits_for_children=waits_for_children,
    )
    if not waits_for_children:
        await ring_for(state)
    return state


async def ring_for(job: JobState) -> None:
    """Ring for a job that was written in the transaction at hand, once that is committed."""
    await database.after_commit(lambda: broker.ring(job.queue, job.kind, job.id))


def find_request_id() -> str | None:
    """The id of the request at hand, which the job's log lines carry too."""
    request_id: str | None = get_contextvars().get("request_id")
    return request_id


class Desk:
    """Answers the rings of one worker process."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        blobs: BlobStore,
        foundry: Foundry,
        *,
        worker: str,
        engine_memory_bytes: int,
        engines_at_once: int,
    ) -> None:
        self._kinds = kinds
        self._blobs = blobs
        self._foundry = foundry
        self._worker = worker
        self._engine_memory_bytes = engine_memory_bytes
        self._engine_gates = {name: threading.Semaphore(engines_at_once) for name in QUEUES}
        self._closed = threading.Event()
        self._interrupted = threading.Event()
        self._running = 0
        self._changed = threading.Condition()

    def close(self) -> None:
        """Take no more work."""
        self._closed.set()

    def interrupt(self) -> None:
        """Make whoever works give the work back at the next report."""
        self._interrupted.set()

    def answer(self, queue: Queue) -> None:
        """Take the jobs of this queue in their turn and see them through, until there are none: a ring only wakes."""
        while not self._closed.is_set() and self._answer_once(queue):
            pass

    def _answer_once(self, queue: Queue) -> bool:
        try:
            lease = wait(jobs.claim_next(queue.name, worker=self._worker, running_per_user=queue.running_per_user))
        except (*database.LOST, TimeoutError) as error:
            log.warning("claim.failed", queue=queue.name, error=str(error))
            return False
        if lease is None:
            return False
        with bound_contextvars(
            job_id=write_id("job", lease.job_id), request_id=lease.request_id, attempt=lease.attempt
        ):
            self._count(+1)
            try:
                with metrics.JOB_SECONDS.labels(lease.kind).time():
                    self._see_through(lease)
            finally:
                self._count(-1)
        return True

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether all that runs has ended within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, seconds)

    def _count(self, step: int) -> None:
        with self._changed:
            self._running += step
            self._changed.notify_all()
        metrics.JOBS_RUNNING.inc(step)

    def _see_through(self, lease: Lease) -> None:
        log.info("job.started", kind=lease.kind)
        report = Progress(lease, self._interrupted)
        gate = self._engine_gates[lease.queue]
        work = Work(lease, report, self._blobs, self._foundry, self._engine_memory_bytes, gate)
        try:
            self._kinds[lease.kind].act(work)
            outcome = "complete"
        except JobInterrupted:
            settle(lambda: jobs.give_back(lease))
            outcome = "interrupted"
        except JobStopped as stopped:
            outcome = stopped.code.lower()
        except JobFailed as failure:
            outcome = _end_badly(
                lease, failure.code, failure.message, retryable=failure.retryable, log_key=failure.log_key
            )
        except (*database.LOST, Unavailable, TimeoutError) as lost:
            log.warning("job.storage_lost", error=str(lost))
            outcome = _end_badly(lease, "STORAGE_LOST", "The storage went away meanwhile", retryable=True)
        except Exception:
            log.exception("job.fault", kind=lease.kind)
            outcome = _end_badly(lease, "INTERNAL", "Something went wrong on our side", retryable=False)
        metrics.JOBS_ENDED.labels(lease.kind, outcome).inc()
        log.info("job.ended", kind=lease.kind, outcome=outcome)


def settle(move: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Write how a job ended, through a restart of the database if need be; LeaseLost when that is no longer ours."""
    for pause_seconds in SETTLE_PAUSES_SECONDS:
        try:
            return wait(move())
        except (*database.LOST, TimeoutError) as error:
            log.warning("settle.retried", error=str(error))
            time.sleep(pause_seconds)
    return wait(move())


def _end_badly(lease: Lease, code: str, message: str, *, retryable: bool, log_key: str | None = None) -> str:
    log.warning("job.failed", kind=lease.kind, error=code, message=message, retryable=retryable)
    try:
        if retryable and lease.attempt < lease.max_attempts:
            delay_seconds = retry_delay_seconds(lease.attempt)
            settle(lambda: jobs.retry_job(lease, code, message, delay_seconds=delay_seconds))
            return "retried"
        settle(lambda: jobs.fail_job(lease, code, message, retryable=retryable, log_key=log_key))
    except LibrettoError as error:
        return error.code.lower()
    return "failed"


def retry_delay_seconds(attempt: int) -> float:
    """Exponential, with full jitter: a crowd that failed together does not come back together."""
    return random.uniform(0, min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2**attempt))  # noqa: S311 - jitter
