"""Lost ends: clients watch jobs while sockets are cut and Redis and web processes die; each must see each end."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from server import logs
from storage import jobs
from storage.access import Viewer
from storage.rows import read_id, write_id
from tests.bench.people import make_job
from tests.bench.report import Figure, Table, at_most
from tests.bench.stage import Helper, open_stage, start_aside
from tests.studio import Process, Studio, free_port

CUT_SHARE = 0.3
MOST_BEATS = 4
LIVES_SHARE = 0.8  # of the storm; what ends at its very end is told in peace
DELAY_SECONDS = 5.0
PATIENCE_SECONDS = 30.0  # after the storm; what has not been seen by then never will be


@dataclass
class Storm:
    """What goes wrong, until it is over; then all is well again."""

    studio: Studio
    webs: dict[int, Process]
    screens: Helper
    seconds: float
    faults: Counter[str] = field(default_factory=Counter)

    async def rage(self) -> None:
        """Every kind of fault at its own pace, so that they meet."""
        await asyncio.gather(
            self._repeat(self._cut_sockets, 1.0),
            self._repeat(self._break_valkey, 3.0),
            self._repeat(self._kill_web, 5.0),
        )

    async def _repeat(self, fault: Callable[[], Awaitable[None]], mean_pause: float) -> None:
        ends_at = time.monotonic() + self.seconds
        while time.monotonic() < ends_at:
            await fault()
            await asyncio.sleep(random.uniform(0, 2 * mean_pause))

    async def _cut_sockets(self) -> None:
        await self.screens.ask({"cut": random.uniform(0, CUT_SHARE)})
        self.faults["sockets cut, up to a third of them"] += 1

    async def _break_valkey(self) -> None:
        await (
            self._freeze_valkey()
            if self.faults["Valkey killed"] > self.faults["Valkey frozen"]
            else self._kill_valkey()
        )

    async def _kill_valkey(self) -> None:
        self._signal_valkey(signal.SIGKILL)
        self.faults["Valkey killed"] += 1
        await asyncio.sleep(random.uniform(0, 4))
        await asyncio.to_thread(self.studio.services.revive)

    async def _freeze_valkey(self) -> None:
        self._signal_valkey(signal.SIGSTOP)
        self.faults["Valkey frozen"] += 1
        await asyncio.sleep(random.uniform(2, min(12, self.seconds / 2)))  # the hub gives up on it after 10 s
        self._signal_valkey(signal.SIGCONT)

    def _signal_valkey(self, number: signal.Signals) -> None:
        pid = self.studio.services.valkey_pid
        assert pid is not None
        os.kill(pid, number)

    async def _kill_web(self) -> None:
        port = random.choice([*self.webs])
        self.webs[port].kill()
        await asyncio.sleep(random.uniform(0, 2))
        self.webs[port] = self.studio.spawn("web", "web", PORT=str(port))
        await self.webs[port].wait_for("web.ready")  # whether Valkey is there or not
        self.faults["one of the two web processes killed"] += 1


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """A storm."""
    logs.configure("bench", level="error")  # that Redis is away is no news here
    size = (20, 20, 10.0) if quick else (200, 200, 60.0)
    async with open_stage() as (studio, _):
        return [await measure_loss(studio, *size)]


async def measure_loss(studio: Studio, clients: int, count: int, seconds: float) -> Table:
    """Two web processes of one studio, so many clients that watch so many jobs, and all that may happen to them."""
    async with start_aside("tests.bench.screens") as screens:
        ports = [studio.port, free_port()]
        webs = {port: await studio.start_web(port) for port in ports}
        person = await studio.make_user()
        user_id = read_id("user", person.id)
        job_ids = [write_id("job", await make_job(user_id)) for _ in range(count)]
        await screens.ask({"ports": ports, "token": person.token, "jobs": job_ids, "clients": clients}, 120)
        storm = Storm(studio, webs, screens, seconds)
        raging = asyncio.create_task(storm.rage())
        ends = dict(await asyncio.gather(*[_live(user_id, seconds * LIVES_SHARE) for _ in job_ids]))
        await raging
        seen = await _wait_for_ends(screens, ends)
    return _show(clients, count, seconds, storm.faults, seen)


async def _live(user_id: UUID, seconds: float) -> tuple[str, float]:
    """One job, from its start to its end, at random times; and when that was durable."""
    moments = sorted(random.uniform(0, seconds) for _ in range(random.randint(2, 2 + MOST_BEATS)))
    began = time.monotonic()
    await asyncio.sleep(moments[0])
    lease = await jobs.claim_next("default", worker="the benchmark", running_per_user=1_000_000)
    assert lease is not None
    for number, moment in enumerate(moments[1:-1]):
        await asyncio.sleep(began + moment - time.monotonic())
        await jobs.beat(lease, number / MOST_BEATS, "rendering", f"step {number}")
    await asyncio.sleep(began + moments[-1] - time.monotonic())
    match random.choice(["complete", "fail", "cancel"]):
        case "complete":
            await jobs.complete_job(lease, {})
        case "fail":
            await jobs.fail_job(lease, "OUT_OF_LUCK", "It was not to be", retryable=False)
        case _:
            await jobs.cancel_job(Viewer(user_id), lease.job_id)
    return write_id("job", lease.job_id), time.monotonic()


async def _wait_for_ends(screens: Helper, ends: Mapping[str, float]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = await screens.ask({"ends": ends})
        if not seen["kinds"]["each"]["missed"] or time.monotonic() > deadline:
            return seen
        await asyncio.sleep(0.5)


def _show(clients: int, count: int, seconds: float, faults: Mapping[str, int], seen: Any) -> Table:
    each, asking, blind = (seen["kinds"][kind] for kind in ("each", "all, asking again", "all"))
    return Table(
        f"Realtime: {count} jobs, each watched by {clients} clients, through {seconds:.0f} s of faults",
        [
            at_most("jobProgress: ends never shown", each["missed"], f"of {each['pairs']:,}", 0),
            *_show_delays(each),
            at_most(
                "viewerJobs, jobs read again on coming back: never shown",
                asking["missed"],
                f"of {asking['pairs']:,}",
                0,
            ),
            *_show_delays(asking),
            Figure(
                "viewerJobs alone: never shown",
                blind["missed"],
                f"of {blind['pairs']:,}",
                "of ended jobs it shows none anew",
            ),
            at_most("clients that were told to give up", len(seen["refused"]), "", 0),
            Figure("times that a client came back", seen["comebacks"]),
            *[Figure(what, times, "times") for what, times in faults.items()],
        ],
        "; ".join(seen["refused"][:3]) or "delays: from the commit on, as long as the client was connected",
    )


def _show_delays(kind: Mapping[str, float]) -> list[Figure]:
    return [
        Figure("  from commit, or coming back, to screen: p50", kind["p50"] * 1000, "ms"),
        Figure("  p99", kind["p99"] * 1000, "ms"),
        at_most("  worst", kind["worst"], "s", DELAY_SECONDS),
    ]
