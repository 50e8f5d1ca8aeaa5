"""The soak: workers are killed every second, one is frozen past its lease, and each job is done once all the same."""

import asyncio
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from jobs import queue
from storage import credits as ledger
from storage import database
from storage.jobs import LEASE_SECONDS
from storage.rows import new_id
from tests.bench.people import enqueue_all, make_users
from tests.bench.report import Figure, Table, at_most, percentile
from tests.studio import Process, Studio, until

PEOPLE = 5
WORKERS = 3  # one of them is frozen for a while
BATCH = 50  # enqueued each second, so that whoever is killed is at work
ROUND_SECONDS = 1.0
POLL_SECONDS = 0.2
STATEMENT_SECONDS = 0.1  # in which what a worker said before it froze is done
THAW_SECONDS = LEASE_SECONDS + 5

HELD = "SELECT id, lease_token FROM jobs WHERE state = 'RENDERING' AND worker LIKE '%:' || $1"
TURNED = """SELECT id, lease_token > token AS is_taken
    FROM jobs JOIN unnest($1::uuid[], $2::bigint[]) AS held(job_id, token) ON id = job_id
    WHERE lease_token > token OR state = 'COMPLETE'"""
ENDS = """SELECT count(*) FILTER (WHERE state = 'COMPLETE') AS complete,
    count(*) FILTER (WHERE state IN ('FAILED', 'CANCELLED')) AS failed, sum(crash_count) AS crashes FROM jobs
    WHERE user_id = ANY($1)"""
EFFECTS = """SELECT count(*) FILTER (WHERE captures <> 1) AS wrong FROM (SELECT jobs.id, count(entries.id) AS captures
    FROM jobs LEFT JOIN credit_entries entries ON entries.job_id = jobs.id AND entries.kind = 'CAPTURE'
    WHERE jobs.user_id = ANY($1) GROUP BY jobs.id) settled"""
BALANCES = "SELECT sum(credits) AS left FROM users WHERE id = ANY($1)"


@dataclass
class Soak:
    """What happens to the workers, and what comes of it."""

    studio: Studio
    user_ids: list[UUID]
    workers: list[Process] = field(default_factory=list)
    logs: list[Process] = field(default_factory=list)
    kills: int = 0
    freezes: int = 0
    waits: list[float] = field(default_factory=list)
    chores: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self) -> None:
        """One more worker."""
        worker = self.studio.spawn("worker", "worker")
        self.workers.append(worker)
        self.logs.append(worker)

    async def kill_one(self) -> None:
        """As a crash would, if one is up; another takes its place."""
        ready = [worker for worker in self.workers if "worker.ready" in worker.log.read_text()]
        if not ready:
            return
        victim = random.choice(ready)
        victim.kill()
        self.kills += 1
        self.workers.remove(victim)
        self.spawn()
        self._begin(self._time_second_start(victim))

    async def freeze_one(self) -> None:
        """Stop a worker that holds a job, and let it go on long after its lease."""
        for worker in [worker for worker in self.workers if "worker.ready" in worker.log.read_text()]:
            worker.send(signal.SIGSTOP)
            await asyncio.sleep(STATEMENT_SECONDS)
            if held := await database.read(HELD, str(worker.child.pid)):
                self.workers.remove(worker)
                self.freezes += 1
                self.spawn()
                self._begin(self._time_second_start(worker))
                self._begin(self._thaw(worker, [row["id"].hex for row in held]))
                return
            worker.send(signal.SIGCONT)

    async def finish(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self.chores)

    def _begin(self, chore: Coroutine[None, None, None]) -> None:
        self.chores.add(asyncio.create_task(chore))

    async def _thaw(self, worker: Process, held: Sequence[str]) -> None:
        await asyncio.sleep(THAW_SECONDS)
        worker.send(signal.SIGCONT)

        async def has_let_go() -> bool:
            lines = [line for line in worker.log.read_text().splitlines() if "job.ended" in line]
            return all(any(job_id in line for line in lines) for job_id in held)

        await until(has_let_go, "the thawed worker has let go")

    async def _time_second_start(self, victim: Process) -> None:
        began = time.monotonic()
        held = {row["id"]: row["lease_token"] for row in await database.read(HELD, str(victim.child.pid))}
        while held and time.monotonic() - began < 2 * THAW_SECONDS:
            for row in await database.read(TURNED, list(held), list(held.values())):
                del held[row["id"]]
                waited = time.monotonic() - began
                if row["is_taken"] or waited > LEASE_SECONDS:  # else its last words reached PostgreSQL after all
                    self.waits.append(waited)
            await asyncio.sleep(POLL_SECONDS)
        self.waits += [float("inf")] * len(held)


async def soak(studio: Studio, count: int) -> Table:
    """So many jobs of several people, each of which costs a credit, in the worst of worlds."""
    user_ids = await make_users(PEOPLE)
    (before,) = await database.read(BALANCES, user_ids)
    running = Soak(studio, user_ids)
    for _ in range(WORKERS):
        running.spawn()
    await asyncio.gather(*(worker.wait_for("worker.ready") for worker in running.workers))
    began = time.monotonic()
    owners = itertools.islice(itertools.cycle(user_ids), count)
    while batch := list(itertools.islice(owners, BATCH)):
        await _run_round(running, batch)
    await until(lambda: _all_ended(user_ids, count), "every job has ended", 180)
    seconds = time.monotonic() - began
    await running.finish()
    return await _show(running, count, seconds, int(before["left"]))


async def _run_round(running: Soak, batch: Sequence[UUID]) -> None:
    ends_at = time.monotonic() + ROUND_SECONDS
    enqueuing = asyncio.create_task(enqueue_all(request_paid_probe, batch))
    await asyncio.sleep(random.uniform(0.01, 0.15))
    await (running.kill_one() if running.freezes else running.freeze_one())
    await enqueuing
    await asyncio.sleep(max(0.0, ends_at - time.monotonic()))


async def request_paid_probe(user_id: UUID) -> None:
    """A probe that costs a credit, so that doing it twice would show in the ledger."""
    job_id = new_id()
    async with database.transaction():
        await ledger.reserve_credits(user_id, job_id, 1)
        await queue.enqueue("jobs.probe", "default", job_id=job_id, user_id=user_id)


async def _all_ended(user_ids: list[UUID], count: int) -> bool:
    (row,) = await database.read(ENDS, user_ids)
    return bool(row["complete"] + row["failed"] >= count)


async def _show(running: Soak, count: int, seconds: float, credits_before: int) -> Table:
    (ends,) = await database.read(ENDS, running.user_ids)
    (effects,) = await database.read(EFFECTS, running.user_ids)
    (after,) = await database.read(BALANCES, running.user_ids)
    return Table(
        f"Jobs: the soak, {count:,} jobs of {PEOPLE} people, a worker killed every second, one frozen past its lease",
        [
            at_most("lost: not COMPLETE", count - ends["complete"], "jobs", 0),
            at_most("captured not exactly once", effects["wrong"], "jobs", 0),
            at_most("completed by two attempts", _count_double_ends(running.logs), "jobs", 0),
            at_most("credits astray", abs(credits_before - int(after["left"]) - count), "credits", 0),
            Figure("workers killed with SIGKILL", running.kills),
            Figure("workers frozen with a job in hand, thawed after the lease", running.freezes),
            Figure("jobs that lost their worker", int(ends["crashes"])),
            at_most("worker lost → its job runs again, longest", max(running.waits, default=0), "s", 30),
            Figure("  p50", percentile(running.waits, 0.5), "s"),
            Figure("all done in", seconds, "s"),
        ],
    )


def _count_double_ends(workers: Sequence[Process]) -> int:
    ends: Counter[str] = Counter()
    for worker in workers:
        for line in worker.log.read_bytes().splitlines():
            if b'"outcome":"complete"' in line and line.endswith(b"}"):
                ends[orjson.loads(line)["job_id"]] += 1
    return sum(times > 1 for times in ends.values())
