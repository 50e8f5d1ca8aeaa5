"""Visitors who come, watch and leave in every way there is, most of them without a word; and what is left of them."""

import asyncio
import itertools
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped]
import redis.asyncio as redis
from prometheus_client.parser import text_string_to_metric_families

from storage.rows import read_id, write_id
from tests.bench.meters import resident_kib
from tests.bench.people import make_job
from tests.bench.report import Figure, Table, at_most
from tests.studio import Studio, until

TOGETHER = 40
JOBS = 5
WARM_UP = 200
SETTLE_SECONDS = 15.0
GOAL_MIB = 16
TOKEN_BYTES = 41  # of a stream that was reserved
VANISH = struct.pack("ii", 1, 0)  # SO_LINGER, so that the other side is told by a reset
EVENTS = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json'

WATCH = "subscription ($id: ID!) { jobProgress(jobId: $id) { id state version } }"
WATCH_AND_READ = "subscription ($id: ID!) { jobProgress(jobId: $id) { id state version track { id } } }"
WATCH_ALL = "subscription { viewerJobs { id state version } }"


@dataclass(frozen=True)
class Place:
    """Where visitors come to, and what there is to watch."""

    port: int
    token: str
    job_ids: Sequence[str]


@dataclass(frozen=True)
class Traces:
    """What a web process holds for those who are there."""

    sockets: int
    streams: int
    operations: int
    topics: int
    descriptors: int

    def minus(self, other: "Traces") -> dict[str, int]:
        """What is more than it was."""
        return {each.name: max(0, getattr(self, each.name) - getattr(other, each.name)) for each in fields(self)}


class Caller:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def say(self, *parts: bytes) -> None:
        self._writer.write(b"".join(parts))

    async def hear(self, words: bytes) -> bytes:
        """All up to these words."""
        return await self._reader.readuntil(words)

    async def hear_exactly(self, count: int) -> bytes:
        """So many bytes."""
        return await self._reader.readexactly(count)

    async def hear_all(self) -> None:
        """All that comes until the other side hangs up."""
        with suppress(ConnectionError):
            while await self._reader.read(1 << 16):
                pass

    async def open(self, place: Place, *frames: bytes) -> None:
        """Become a WebSocket, and say this."""
        self.say(write_upgrade(place.port))
        await self.hear(b"\r\n\r\n")
        self.say(*frames)

    def vanish(self) -> None:
        """Reset the connection; what was not sent stays unsaid."""
        with suppress(OSError):  # the other side was first
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, VANISH)
        self._writer.transport.abort()


def write_frame(message: Any, opcode: int = 0x81) -> bytes:
    """A client's frame, masked with zeros."""
    text = message if isinstance(message, bytes) else orjson.dumps(message)
    size = bytes((0x80 | len(text),)) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return bytes((opcode,)) + size + bytes(4) + text


def write_upgrade(port: int) -> bytes:
    """The request that opens a WebSocket."""
    return (
        b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: bm90aGluZyBpcyByZWFkLg==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n" % port
    )


def write_opening(token: str) -> bytes:
    """The first frame of a socket."""
    return write_frame({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})


def write_request(place: Place, method: str, accept: str, body: Any = None, **headers: str) -> bytes:
    """A request for a stream, or about one."""
    text = b"" if body is None else orjson.dumps(body)
    given = {
        "Host": f"127.0.0.1:{place.port}",
        "Authorization": f"Bearer {place.token}",
        "Accept": accept,
        "Content-Type": "application/json",
        "Content-Length": str(len(text)),
    } | headers
    head = [f"{method} /graphql HTTP/1.1", *[f"{name}: {value}" for name, value in given.items()], "", ""]
    return "\r\n".join(head).encode() + text


def write_subscribe(operation_id: str, query: str, job_id: str = "") -> bytes:
    """A frame that begins an operation."""
    payload = {"query": query, "variables": {"id": job_id} if job_id else {}}
    return write_frame({"type": "subscribe", "id": operation_id, "payload": payload})


@asynccontextmanager
async def call(place: Place) -> AsyncIterator[Caller]:
    """A connection, which ends with a reset unless it has ended before."""
    caller = Caller(*await asyncio.open_connection("127.0.0.1", place.port))
    try:
        yield caller
    finally:
        caller.vanish()


async def vanish_at_the_door(place: Place) -> None:
    async with call(place):
        pass


async def vanish_in_a_request(place: Place) -> None:
    async with call(place) as caller:
        caller.say(write_upgrade(place.port)[:-20])
        await asyncio.sleep(0)


async def vanish_in_the_opening(place: Place) -> None:
    async with call(place) as caller:
        await caller.open(place, write_opening(place.token)[:-20])


async def vanish_in_a_subscribe(place: Place) -> None:
    async with call(place) as caller:
        watches = [write_subscribe(job_id, WATCH, job_id) for job_id in place.job_ids]
        await caller.open(place, write_opening(place.token), *watches, watches[0][:-20])
        await caller.hear(b"connection_ack")


async def vanish_while_watching(place: Place) -> None:
    async with call(place) as caller:
        watches = [
            write_subscribe(f"{number}", query, job_id)
            for number, (query, job_id) in enumerate(itertools.product((WATCH, WATCH_AND_READ), place.job_ids))
        ]
        await caller.open(place, write_opening(place.token), write_subscribe("all", WATCH_ALL), *watches)
        await caller.hear(b'"id":"%d","type":"next"' % (len(watches) - 1))


async def change_the_channel_and_leave(place: Place) -> None:
    async with call(place) as caller:
        await caller.open(place, write_opening(place.token))
        complete = write_frame({"type": "complete", "id": "1"})
        for job_id in place.job_ids:
            caller.say(write_subscribe("1", random.choice((WATCH, WATCH_AND_READ)), job_id), complete)
        caller.say(write_subscribe("last", WATCH, place.job_ids[0]))
        await caller.hear(b'"id":"last","type":"next"')
        caller.say(write_frame((1000).to_bytes(2, "big"), 0x88))
        await caller.hear_all()


async def be_sent_away(place: Place) -> None:
    async with call(place) as caller:
        watch = write_subscribe("1", WATCH, place.job_ids[0])
        await caller.open(place, write_opening(place.token), watch, write_frame([]))
        await caller.hear((4400).to_bytes(2, "big"))


async def cut_a_stream(place: Place) -> None:
    async with call(place) as caller:
        body = {"query": random.choice((WATCH, WATCH_AND_READ)), "variables": {"id": place.job_ids[0]}}
        caller.say(write_request(place, "POST", random.choice((EVENTS, MULTIPART)), body))
        await caller.hear(b'"version"')


async def vanish_before_a_stream(place: Place) -> None:
    async with call(place) as caller:
        body = {"query": WATCH_AND_READ, "variables": {"id": place.job_ids[0]}}
        caller.say(write_request(place, "POST", random.choice((EVENTS, MULTIPART)), body))
        await asyncio.sleep(0)


async def cut_a_shared_stream(place: Place) -> None:
    async with call(place) as asking, call(place) as listening:
        asking.say(write_request(place, "PUT", "text/plain"))
        await asking.hear(b"\r\n\r\n")
        token = {"X-GraphQL-Event-Stream-Token": (await asking.hear_exactly(TOKEN_BYTES)).decode()}
        listening.say(write_request(place, "GET", EVENTS, **token))
        for job_id in place.job_ids:
            payload = {"query": WATCH, "variables": {"id": job_id}, "extensions": {"operationId": job_id}}
            asking.say(write_request(place, "POST", "application/json", payload, **token))
        await listening.hear(b'"version"')


VISITS: Sequence[Callable[[Place], Awaitable[None]]] = (
    vanish_at_the_door,
    vanish_in_a_request,
    vanish_in_the_opening,
    vanish_in_a_subscribe,
    vanish_while_watching,
    change_the_channel_and_leave,
    be_sent_away,
    cut_a_stream,
    vanish_before_a_stream,
    cut_a_shared_stream,
)


async def visit(place: Place, count: int) -> None:
    """So many visits of every kind in turn, some side by side."""
    visits = itertools.islice(itertools.cycle(VISITS), count)

    async def come_and_go(visits: Iterator[Callable[[Place], Awaitable[None]]]) -> None:
        for one in visits:
            async with asyncio.timeout(30):
                await one(place)

    await asyncio.gather(*[come_and_go(visits) for _ in range(TOGETHER)])


def count_descriptors(pid: int) -> int:
    """What a process holds open, but for its services: the pool of PostgreSQL grows and shrinks as it is used."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir())) - len(psutil.Process(pid).net_connections("unix"))


async def read_traces(studio: Studio, port: int, pid: int) -> Traces:
    """What this web process, the only one with visitors, holds now."""
    text = (await studio.client.get(f"http://127.0.0.1:{port}/metrics")).text
    async with redis.Redis.from_url(studio.settings.redis_url) as valkey:
        topics = await valkey.pubsub_channels("job*")
    families = [each for each in text_string_to_metric_families(text) if each.type == "gauge" and each.samples]
    gauges = {each.name: each.samples[0].value for each in families}
    return Traces(
        sockets=int(gauges["libretto_websockets_open"]),
        streams=int(gauges["libretto_streams_open"]),
        operations=int(gauges["libretto_subscriptions_open"]),
        topics=len(topics),
        descriptors=count_descriptors(pid),
    )


async def find_leftovers(studio: Studio, port: int, pid: int, before: Traces) -> dict[str, int]:
    """What the process still holds of its visitors once it has had time to notice that they are gone."""
    left: dict[str, int] = {}

    async def is_clean() -> bool:
        left.update((await read_traces(studio, port, pid)).minus(before))
        return not any(left.values())

    with suppress(AssertionError):  # what is left is told by name
        await until(is_clean, "nothing is left", SETTLE_SECONDS)
    return left


async def measure_visits(studio: Studio, pid: int, count: int) -> Table:
    """So many visits, after some that warm up."""
    person = await studio.make_user()
    user_id = read_id("user", person.id)
    place = Place(studio.port, person.token, [write_id("job", await make_job(user_id)) for _ in range(JOBS)])
    before = await read_traces(studio, studio.port, pid)
    await visit(place, max(WARM_UP, count // 10))
    await find_leftovers(studio, studio.port, pid, before)
    kib, began = resident_kib(pid), time.monotonic()
    await visit(place, count)
    seconds = time.monotonic() - began
    left = await find_leftovers(studio, studio.port, pid, before)
    grown = (resident_kib(pid) - kib) / 1024
    return Table(
        f"Realtime: {count:,} visits, most of which end without a word",
        [
            *[at_most(f"left of them: {name}", number, "", 0) for name, number in left.items()],
            at_most("memory grown by", grown, "MiB", GOAL_MIB),
            Figure("visits", count / seconds, "/s"),
        ],
    )
