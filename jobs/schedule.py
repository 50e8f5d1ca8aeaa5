"""What every worker does beside its jobs: ring again for what waits, take back what was lost, sweep orphans."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from jobs.broker import LOST as RING_LOST
from jobs.broker import Bell
from jobs.queue import QUEUES
from jobs.scratch import sweep_scratch
from server import metrics
from server.errors import Unavailable
from server.logs import get_logger
from storage import analyses, assets, clips, covers, jobs, uploads, videos
from storage.blobs import BlobStore
from storage.database import LOST

DISPATCH_SECONDS = 1.0
REAP_SECONDS = 2.0
SWEEP_SECONDS = 3600.0
CALL_OFF_SECONDS = 60.0
TELL_SECONDS = 5.0
EXPIRE_SECONDS = 60.0
DUE_AT_ONCE = 64  # rings that are answered in vain, because one person holds all they may, cost little at this
ORPHAN_AGE = timedelta(hours=6)  # longer than any job works on a file before it owns it
SWEEP_BATCH = 500

log = get_logger(__name__)


async def dispatch(bell: Bell) -> int:
    """Ring for the jobs that are due and that nobody was told of: after a crash, a lost Redis, a retry's pause.

    No queue is given more rings than it has jobs due, so however many workers do this, it stays cheap.
    """
    due: dict[str, list[tuple[str, UUID]]] = defaultdict(list)
    for queue, kind, job_id in await jobs.list_due(QUEUES, DUE_AT_ONCE):
        due[queue].append((kind, job_id))
    rung = 0
    for queue, waiting in due.items():
        missing = len(waiting) - await asyncio.to_thread(bell.broker.count_waiting, queue)
        for kind, job_id in waiting[: max(0, missing)]:
            bell.ring(queue, kind, [job_id])
            rung += 1
    metrics.JOBS_RUNG.inc(rung)
    return rung


async def reap() -> int:
    """Take back the jobs whose worker was lost."""
    lost = await jobs.reap_lost_jobs()
    for state in lost:
        log.warning("job.reaped", job_id=state.id.hex, kind=state.kind, state=state.state)
    metrics.JOBS_REAPED.inc(len(lost))
    return len(lost)


async def sweep(blobs: BlobStore, *, age: timedelta = ORPHAN_AGE) -> int:
    """Delete the files that no row points at: of attempts that lost their lease, of tracks that were deleted."""
    await asyncio.to_thread(sweep_scratch)
    owners: Mapping[str, Callable[[list[str]], Awaitable[set[str]]]] = {
        "jobs/": assets.find_owned_keys,
        "covers/": covers.find_owned_keys,
        "uploads/": uploads.find_owned_keys,
        "analyses/": analyses.find_owned_keys,
        "videos/": videos.find_owned_keys,
        "clips/": clips.find_owned_keys,
    }
    swept = 0
    for prefix, find_owned_keys in owners.items():
        old = [key async for key, changed in blobs.list_keys(prefix) if changed < datetime.now(UTC) - age]
        for start in range(0, len(old), SWEEP_BATCH):
            batch = old[start : start + SWEEP_BATCH]
            for key in set(batch) - await find_owned_keys(batch):
                await blobs.delete(key)
                swept += 1
    return swept


async def keep_doing(what: Callable[[], Awaitable[object]], every_seconds: float) -> None:
    """Do it again and again, with jitter; a part that is away is waited for."""
    while True:
        await asyncio.sleep(every_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        try:
            await what()
        except (*LOST, *RING_LOST, Unavailable, TimeoutError) as error:
            log.warning("schedule.missed", error=str(error) or type(error).__name__)
