"""Sleepers: clients who ask for all that they may and read nothing of it, while the others want to hear."""

import asyncio
import re
import socket
import time
from uuid import uuid4

from server.realtime.sockets import PACE_SECONDS, WRITE_SECONDS
from server.resources import Resources
from storage.rows import write_id
from storage.tokens import write_access_token
from storage.users import User
from tests.bench.meters import resident_kib
from tests.bench.realtime import Scene, Seen, Shape, Theatre
from tests.bench.report import Figure, Table, at_most
from tests.bench.visitors import Place, write_opening, write_subscribe, write_upgrade
from tests.studio import Studio, until

OPERATIONS = 100  # as many as a socket carries
BUFFER_BYTES = 2048  # so that what is not read waits on the server's side
READ_SECONDS = 10.0
OTHERS = 50
STEADY_SECONDS = 8.0
CLOSE_SECONDS = 2 * WRITE_SECONDS + PACE_SECONDS  # the kernel takes what it has room for first, in its own time
GOAL_KIB, GOAL_P99_MS = 512, 250
TOKEN_SECONDS = 600
CLOSED = re.compile(r'^libretto_websockets_closed_total\{code="1013"\} (\S+)$', re.MULTILINE)

WATCH_CLOSELY = """subscription ($id: ID!) { jobProgress(jobId: $id) {
    id kind queue state stage progress message attempt createdAt startedAt finishedAt version } }"""


def fall_asleep(place: Place, query: str = WATCH_CLOSELY) -> socket.socket:
    """Ask the same a hundred times, and read no answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    client.connect(("127.0.0.1", place.port))
    client.sendall(write_upgrade(place.port))
    assert client.recv(1024).endswith(b"\r\n\r\n")
    client.sendall(write_opening(place.token))
    job_id = place.job_ids[0] if "$id" in query else ""
    client.sendall(b"".join(write_subscribe(f"{number}", query, job_id) for number in range(OPERATIONS)))
    return client


def wake_up(client: socket.socket) -> int:
    """Read all that is still there, and find the code that it ends with."""
    client.settimeout(READ_SECONDS)
    heard = b""
    while chunk := client.recv(1 << 16):
        heard = (heard + chunk)[-200:]
    _, closing, farewell = heard.rpartition(b"\x88")
    assert closing, heard
    return int.from_bytes(farewell[1:3], "big")


async def count_sent_away(studio: Studio, port: int) -> int:
    """How many sockets were closed because their clients did not read."""
    found = CLOSED.search((await studio.client.get(f"http://127.0.0.1:{port}/metrics")).text)
    return int(float(found[1])) if found else 0


async def measure_sleepers(studio: Studio, resources: Resources, pid: int, count: int) -> Table:
    """A few who read, then so many beside them who do not, while the job that all watch changes and changes."""
    kib: list[float] = []
    async with Theatre(studio, resources, pid).watch(Shape(OTHERS, 1)) as (scene, _):
        await scene.burst()  # warms up
        quiet = await scene.steady(STEADY_SECONDS)
        place = await _find_place(studio, resources, scene)
        before, began = resident_kib(pid), time.monotonic()
        asleep = await asyncio.gather(*[asyncio.to_thread(fall_asleep, place) for _ in range(count)])
        await scene.burst()
        disturbed = await scene.steady(STEADY_SECONDS)

        async def are_sent_away() -> bool:
            kib.append(resident_kib(pid) - before)
            await scene.steady(1)
            return await count_sent_away(studio, studio.port) == count

        await until(are_sent_away, "who does not read is sent away", 60)
        seconds = time.monotonic() - began
        for client in asleep:
            client.close()
    return _show(count, quiet, disturbed, max(kib) / count, seconds)


async def _find_place(studio: Studio, resources: Resources, scene: Scene) -> Place:
    job = scene.topics[0].state
    user = await User.get(id=job.user_id)
    token, _ = write_access_token(user, uuid4(), secret=resources.settings.secret, seconds=TOKEN_SECONDS)
    return Place(studio.port, token, [write_id("job", job.id)])


def _show(count: int, quiet: Seen, disturbed: Seen, kib: float, seconds: float) -> Table:
    return Table(
        f"Realtime: {count} clients with {OPERATIONS} operations each read nothing, {OTHERS} others do",
        [
            at_most("memory for each who does not read", kib, "KiB", GOAL_KIB),
            at_most("all of them are closed with 1013 within", seconds, "s", CLOSE_SECONDS),
            Figure("the others, before: p99 from event to screen", quiet.p99_ms, "ms"),
            at_most("the others, meanwhile: p99", disturbed.p99_ms, "ms", GOAL_P99_MS),
        ],
    )
