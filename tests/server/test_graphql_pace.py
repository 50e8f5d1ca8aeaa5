"""Readers of every speed: who keeps up hears all, who lags hears the newest and the end, who stops is sent away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest

from schema.jobs import snapshot_of
from server.realtime.sockets import MAX_OPERATIONS, WRITE_SECONDS
from server.resources import Resources
from storage import jobs
from storage.events import job_topics, jobs_topic
from storage.lifecycle import State
from storage.rows import write_id
from tests.server.test_graphql_live import make_waiting_job, read_gauges
from tests.studio import WATCH, Person, Studio, until

MESSAGES = "subscription ($id: ID!) { jobProgress(jobId: $id) { state version message } }"
MANY_WAYS = """subscription ($id: ID!, $a: Boolean!, $b: Boolean!, $c: Boolean!, $d: Boolean!, $e: Boolean!) {
  jobProgress(jobId: $id) { version kind @include(if: $a) queue @include(if: $b) stage @include(if: $c)
    attempt @include(if: $d) message @include(if: $e) } }"""
BURST = 40
FLOOD = 10_000  # events of half a KiB each: more than the kernel holds for a socket
GROWTH_BYTES = 64 << 20  # what a flooder may cost for a while: a frame or two, its answer, and the allocator's slack
SLOW_BUFFER, TEXT, CLOSE = 2048, 0x81, 0x88
SENT_AWAY = b"\x03\xf5"  # 1013


async def publish(resources: Resources, job: jobs.Job, versions: range, **changes: Any) -> None:
    """Events of a job, all at once."""
    state = replace(snapshot_of(job), **changes)
    topic, _ = job_topics(job.id, job.user_id)
    pipe = resources.publisher.client.pipeline(transaction=False)
    for version in versions:
        pipe.publish(topic, replace(state, version=version).encode())
    await pipe.execute()


async def test_burst_is_delivered_whole_to_all_who_keep_up(
    resources: Resources, studio: Studio, person: Person
) -> None:
    job = await make_waiting_job(person)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(person.socket()) for _ in range(20)]
        watches = [await each.subscribe(WATCH, id=write_id("job", job.id)) for each in sockets]
        for watch in watches:
            await watch.next()
        versions = range(job.version + 1, job.version + 1 + BURST)
        await publish(resources, job, versions)
        for watch in watches:
            heard = [(await watch.next())["payload"]["data"]["jobProgress"]["version"] for _ in versions]
            assert heard == [*versions]


async def test_same_subscription_by_plan_and_by_executor_says_the_same(
    resources: Resources, studio: Studio, person: Person
) -> None:
    job = await make_waiting_job(person)
    async with person.socket() as connected:
        watches = []
        for chosen in product((True, False), repeat=5):  # twice as many ways as a document may have plans
            variables = dict(zip("abcde", chosen, strict=True))
            watches.append((chosen, await connected.subscribe(MANY_WAYS, id=write_id("job", job.id), **variables)))
        firsts = [(await watch.next())["payload"]["data"]["jobProgress"] for _, watch in watches]
        await publish(resources, job, range(job.version + 1, job.version + 2), state=State.CANCELLED, stage="x")
        for (chosen, watch), first in zip(watches, firsts, strict=True):
            fields = {"version"} | {
                name
                for name, is_chosen in zip(("kind", "queue", "stage", "attempt", "message"), chosen, strict=True)
                if is_chosen
            }
            last, complete = (await watch.next()), (await watch.next())
            assert set(first) == set(last["payload"]["data"]["jobProgress"]) == fields
            assert last["payload"]["data"]["jobProgress"]["version"] == job.version + 1
            assert complete["type"] == "complete"


def frame_of(message: Any) -> bytes:
    """A client's frame, masked with zeros."""
    text = orjson.dumps(message)
    return b"\x81\xff" + len(text).to_bytes(8, "big") + bytes(4) + text


@contextmanager
def slow_client(port: int, payload: Any = None) -> Iterator[socket.socket]:
    """A client that has opened a socket, and for which the kernel holds little."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        client.connect(("127.0.0.1", port))
        upgrade = [
            "GET /graphql HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: bm90aGluZyBpcyByZWFkLg==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        ]
        client.sendall("\r\n".join([*upgrade, "", ""]).encode())
        assert client.recv(200).startswith(b"HTTP/1.1 101 ")
        client.sendall(frame_of({"type": "connection_init", "payload": payload}))
        yield client


def frames_in(said: bytes) -> Iterator[tuple[int, bytes]]:
    """The frames of a server, which masks nothing."""
    at = 0
    while at < len(said):
        kind, length, at = said[at], said[at + 1], at + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(said[at : at + size], "big"), at + size
        yield kind, said[at : at + length]
        at += length


def read_until(client: socket.socket, words: bytes) -> bytes:
    """All that is said up to these words, or to the end of the connection."""
    said = b""
    client.settimeout(10)
    while words not in said[-1000:]:
        more = client.recv(1 << 20)
        if not more:
            break
        said += more
    return said


async def test_reader_that_lags_skips_steps_but_never_the_end(
    resources: Resources, studio: Studio, person: Person
) -> None:
    job = await make_waiting_job(person)
    payload = {"query": MESSAGES, "variables": {"id": write_id("job", job.id)}}
    with slow_client(studio.port, {"authorization": f"Bearer {person.token}"}) as client:
        client.sendall(frame_of({"type": "subscribe", "id": "slow", "payload": payload}))
        said = await asyncio.to_thread(read_until, client, b'"version":1')
        async with person.socket() as connected:
            witness = aiter(await connected.subscribe(WATCH, id=write_id("job", job.id)))
            await anext(witness)
            await publish(resources, job, range(2, FLOOD), message="x" * 280)
            await publish(resources, job, range(FLOOD, FLOOD + 1), state=State.CANCELLED)
            seen = [state["version"] async for state in witness]
        assert seen == [*range(2, FLOOD + 1)]
        said += await asyncio.to_thread(read_until, client, b'"complete"')

    told = [orjson.loads(text) for kind, text in frames_in(said) if kind == TEXT]
    states = [message["payload"]["data"]["jobProgress"] for message in told if message["type"] == "next"]
    versions = [state["version"] for state in states]
    assert versions == sorted(set(versions))
    assert len(versions) < FLOOD
    assert (states[-1]["state"], states[-1]["version"]) == ("CANCELLED", FLOOD)
    assert told[-1] == {"id": "slow", "type": "complete"}


@asynccontextmanager
async def stop_reading(studio: Studio, count: int) -> AsyncIterator[list[socket.socket]]:
    """Clients that ask and ask, and read no answer."""
    flood = frame_of({"type": "ping", "payload": {"much": "x" * 200_000}}) * 500

    def ask(client: socket.socket) -> None:
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(flood)

    async with AsyncExitStack() as stack:
        clients = [stack.enter_context(slow_client(studio.port)) for _ in range(count)]
        await asyncio.gather(*[asyncio.to_thread(ask, client) for client in clients])
        yield clients


async def test_client_that_stops_reading_is_sent_away_and_takes_no_memory(studio: Studio, person: Person) -> None:
    process = Path(f"/proc/{next(each for each in studio.processes if each.name == 'web').child.pid}")
    memory, files = process / "statm", len(list((process / "fd").iterdir()))
    before, used = await read_gauges(studio), read_resident_bytes(memory)
    async with stop_reading(studio, 5) as stuck:
        assert (await read_gauges(studio))["websockets_open"] == before["websockets_open"] + len(stuck)
        async with person.socket() as connected:
            assert (await (await connected.subscribe("{ __typename }")).next())["type"] == "next"
        assert read_resident_bytes(memory) - used < GROWTH_BYTES

        async def are_gone() -> bool:
            return await read_gauges(studio) == before

        await until(are_gone, "the clients that read nothing are sent away", WRITE_SECONDS + 10)
        *_, (kind, said) = frames_in(await asyncio.to_thread(read_until, stuck[0], SENT_AWAY + b"Too slow"))
        assert (kind, said) == (CLOSE, SENT_AWAY + b"Too slow")

        async def are_closed() -> bool:
            return len(list((process / "fd").iterdir())) <= files + 1

        await until(are_closed, "and their descriptors are free, though they never read what was left", 10)


def read_resident_bytes(memory: Path) -> int:
    return int(memory.read_text().split()[1]) * 4096


async def test_reader_who_is_far_behind_with_very_much_is_sent_away_at_once(
    resources: Resources, studio: Studio, person: Person
) -> None:
    owner = (await make_waiting_job(person)).user_id
    states = [replace(snapshot_of(await make_waiting_job(person)), message="x" * 280) for _ in range(300)]
    wish = {"query": "subscription { viewerJobs { id message version } }"}
    with slow_client(studio.port, {"authorization": f"Bearer {person.token}"}) as client:
        for number in range(MAX_OPERATIONS):
            client.sendall(frame_of({"type": "subscribe", "id": str(number), "payload": wish}))
        before = asyncio.get_running_loop().time()
        pipe = resources.publisher.client.pipeline(transaction=False)
        for state in states:
            pipe.publish(jobs_topic(owner), replace(state, version=state.version + 1).encode())
        await pipe.execute()

        async def is_gone() -> bool:
            return not (await read_gauges(studio))["subscriptions_open"]

        await until(is_gone, "who lets tens of thousands of states wait is sent away", WRITE_SECONDS)
        assert asyncio.get_running_loop().time() - before < WRITE_SECONDS - 1
