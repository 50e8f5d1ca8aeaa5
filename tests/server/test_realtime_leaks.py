"""Whoever comes and goes leaves nothing behind, and whoever is hostile costs little and is answered plainly."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
import pytest_asyncio
import websockets
from websockets.asyncio.client import ClientConnection

from schema.jobs import snapshot_of
from server.realtime.sockets import MAX_OPERATIONS, PROTOCOL
from server.resources import Resources
from storage import events, jobs
from storage.rows import new_id, read_id, write_id
from tests.bench.meters import resident_kib
from tests.bench.sleepers import count_sent_away, fall_asleep, wake_up
from tests.bench.visitors import WATCH, Place, find_leftovers, read_traces, visit
from tests.studio import Person, Process, Studio, free_port

VISITS = 1_000
SLEEPERS = 20
GROWTH_KIB = 16 << 10
GROWTH_KIB_OF_SLEEPER = 1 << 10
LATE_SECONDS = 1.0
TOMORROW_SECONDS = 86_400.0
HOSTILE_IDS = [
    "\x00",
    '"',
    "\\",
    "\u2028",
    "</script>",
    "__proto__",
    "constructor",
    "\x7f" * 128,
    "'; DROP TABLE jobs; --",
]


@dataclass(frozen=True)
class House:
    """A web process that nobody else visits."""

    web: Process
    port: int

    @property
    def pid(self) -> int:
        return self.web.child.pid


@pytest_asyncio.fixture(scope="module")
async def house(studio: Studio) -> AsyncIterator[House]:
    """Such a process; it must not have stumbled over anything in the end."""
    port = free_port()
    house = House(await studio.start_web(port), port)
    yield house
    house.web.kill()
    log = house.web.log.read_text()
    assert "Traceback" not in log
    assert ".fault" not in log


async def make_waiting_job(person: Person) -> jobs.Job:
    """A job that nobody takes up before tomorrow."""
    state = await jobs.insert_job(
        job_id=new_id(),
        user_id=read_id("user", person.id),
        kind="jobs.probe",
        queue="default",
        delay_seconds=TOMORROW_SECONDS,
    )
    return await jobs.Job.get(id=state.id)


@asynccontextmanager
async def dial(port: int, token: str) -> AsyncIterator[ClientConnection]:
    """A socket that is acknowledged."""
    protocols: Any = [PROTOCOL]
    async with websockets.connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=protocols) as connection:
        await say(connection, {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        assert (await hear(connection))["type"] == "connection_ack"
        yield connection


async def say(connection: ClientConnection, *messages: dict[str, Any]) -> None:
    for message in messages:
        await connection.send(orjson.dumps(message).decode())


async def hear(connection: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        message: dict[str, Any] = orjson.loads(await connection.recv())
    return message


def subscribe(operation_id: str, query: str = "{ __typename }", **variables: Any) -> dict[str, Any]:
    return {"type": "subscribe", "id": operation_id, "payload": {"query": query, "variables": variables}}


async def test_visits_that_end_in_every_way_leave_nothing(
    resources: Resources, studio: Studio, house: House, person: Person
) -> None:
    job_ids = [write_id("job", (await make_waiting_job(person)).id) for _ in range(5)]
    place = Place(house.port, person.token, job_ids)
    before = await read_traces(studio, house.port, house.pid)
    await visit(place, VISITS // 5)
    await find_leftovers(studio, house.port, house.pid, before)
    kib = resident_kib(house.pid)

    await visit(place, VISITS)

    assert not any((await find_leftovers(studio, house.port, house.pid, before)).values())
    assert resident_kib(house.pid) - kib < GROWTH_KIB


async def test_clients_who_read_nothing_are_sent_away_and_keep_nobody_waiting(
    resources: Resources, studio: Studio, house: House, person: Person
) -> None:
    job = await make_waiting_job(person)
    state, job_id, topics = snapshot_of(job), write_id("job", job.id), events.job_topics(job.id, job.user_id)
    place, alone = Place(house.port, person.token, [job_id]), Place(studio.port, person.token, [job_id])
    told_before, kib = await count_sent_away(studio, studio.port), resident_kib(house.pid)
    delays, codes = list[float](), list[int]()
    async with studio.socket(person.token, house.port) as reader:
        watch = await reader.subscribe(WATCH, id=job_id)
        await watch.next()
        asleep = await asyncio.gather(*[asyncio.to_thread(fall_asleep, place) for _ in range(SLEEPERS)])
        one = await asyncio.to_thread(fall_asleep, alone)
        while await count_sent_away(studio, house.port) < SLEEPERS or not codes:
            state = replace(state, version=state.version + 1, message="x" * 280)
            began = time.monotonic()
            await resources.publisher.publish(topics, state.encode())
            while (await watch.next())["payload"]["data"]["jobProgress"]["version"] < state.version:
                pass
            delays.append(time.monotonic() - began)
            if not codes and await count_sent_away(studio, studio.port) > told_before:
                codes.append(await asyncio.to_thread(wake_up, one))

    assert codes == [1013]
    assert max(delays) < LATE_SECONDS
    assert resident_kib(house.pid) - kib < SLEEPERS * GROWTH_KIB_OF_SLEEPER
    for client in (*asleep, one):
        client.close()


async def test_thousand_operations_on_a_socket_are_too_many_one_by_one(
    resources: Resources, house: House, person: Person
) -> None:
    job_id = write_id("job", (await make_waiting_job(person)).id)
    async with dial(house.port, person.token) as connection:
        await say(connection, *[subscribe(f"{number}", WATCH, id=job_id) for number in range(1_000)])
        heard = [await hear(connection) for _ in range(1_000)]
        await say(connection, {"type": "ping"})

        assert Counter(message["type"] for message in heard) == {
            "next": MAX_OPERATIONS,
            "error": 1_000 - MAX_OPERATIONS,
        }
        codes = {error["extensions"]["code"] for each in heard if each["type"] == "error" for error in each["payload"]}
        assert codes == {"TOO_MANY_OPERATIONS"}
        assert (await hear(connection))["type"] == "pong"


async def test_thousands_of_pings_are_answered_in_order(house: House, person: Person) -> None:
    async with dial(house.port, person.token) as connection:
        pings = [{"type": "ping", "payload": {"number": number}} for number in range(5_000)]
        sending = asyncio.create_task(say(connection, *pings))
        heard = [await hear(connection) for _ in pings]
        await sending

    assert [message["payload"]["number"] for message in heard] == list(range(5_000))


@pytest.mark.parametrize("operation_id", HOSTILE_IDS, ids=ascii)
async def test_any_id_comes_back_as_it_was_given(house: House, person: Person, operation_id: str) -> None:
    async with dial(house.port, person.token) as connection:
        await say(connection, subscribe(operation_id, "{"))
        assert (await hear(connection)).items() >= {"id": operation_id, "type": "error"}.items()

        await say(connection, subscribe(operation_id))
        assert (await hear(connection)).items() >= {"id": operation_id, "type": "next"}.items()


@pytest.mark.parametrize("depth", [100, 300, 1_000])
async def test_variables_that_nest_deeply_are_refused_and_the_socket_stays(
    house: House, person: Person, depth: int
) -> None:
    async with dial(house.port, person.token) as connection:
        for text in ('{"a":' * depth + "1" + "}" * depth, "[" * depth + "]" * depth):
            message = orjson.dumps(subscribe("deep", WATCH, id="@")).decode()
            await connection.send(message.replace('"@"', text))
            heard = await hear(connection)

            assert heard["type"] == "error"
            assert {error["extensions"]["code"] for error in heard["payload"]} == {"BAD_USER_INPUT"}
