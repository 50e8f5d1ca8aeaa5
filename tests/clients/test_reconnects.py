"""Lines are cut, servers drain and tokens end: clients come back by themselves, or are told, and miss no end."""

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from server.resources import Resources
from storage.rows import read_id
from storage.tokens import write_access_token
from storage.users import User
from tests.clients.line import Line, open_line
from tests.clients.node import Client, Operation
from tests.clients.table import CLIENTS, connect, resting_worker
from tests.studio import WATCH, Person, Studio, free_port, until

STAY_AWAY = ["urql", "apollo", "apollo with persisted queries"]  # their streams over fetch are not opened again
COME_BACK = [name for name in CLIENTS if name not in STAY_AWAY]
SOCKETS = [name for name in CLIENTS if "graphql-ws" in name]
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { ... on JobCancelled { job { state } } } }"


async def open_watches(
    stack: AsyncExitStack, line: Line, person: Person, job_id: str
) -> dict[str, tuple[Client, Operation]]:
    """Every client in the table, each with a watch on this job that has shown it as it stands."""
    clients = {name: await stack.enter_async_context(connect(name, line.url, person.token)) for name in CLIENTS}
    watches = {name: (client, await client.run(WATCH, id=job_id)) for name, client in clients.items()}
    for _, watch in watches.values():
        assert (await watch.value())["state"] == "QUEUED"
    return watches


async def assert_ends_are_seen(watches: dict[str, tuple[Client, Operation]], job_id: str, state: str) -> None:
    """Those that come back see the end; the others are told that they do not, and see it when they ask again."""
    for name in COME_BACK:
        states = await watches[name][1].rest()
        assert states[-1]["state"] == state, name
        versions = [each["version"] for each in states]
        assert versions == sorted(versions), name
    for name in STAY_AWAY:
        client, watch = watches[name]
        await assert_is_told(name, watch)
        assert (await (await client.run(WATCH, id=job_id)).rest())[-1]["state"] == state, name


async def assert_is_told(name: str, watch: Operation) -> None:
    """An early end that looked like completion would have the client believe that it knows the last state."""
    heard: dict[str, Any] = {}
    while "error" not in heard:
        assert "complete" not in heard, name
        heard = await watch.next()


async def test_clients_see_the_end_that_came_while_they_were_cut_off(studio: Studio, person: Person) -> None:
    async with open_line(studio.port) as line, AsyncExitStack() as stack:
        with resting_worker(studio):
            job_id = (await person.create_track())["job"]["id"]
            watches = await open_watches(stack, line, person, job_id)
            line.target = free_port()
            line.cut()
        await person.wait_until(job_id, "COMPLETE")
        line.target = studio.port

        await assert_ends_are_seen(watches, job_id, "COMPLETE")


async def test_clients_of_a_server_that_restarts_see_the_end_at_another(studio: Studio, person: Person) -> None:
    port = free_port()
    web = await studio.start_web(port)
    async with open_line(port) as line, AsyncExitStack() as stack:
        with resting_worker(studio):
            job_id = (await person.create_track())["job"]["id"]
            watches = await open_watches(stack, line, person, job_id)
            line.target = studio.port
            web.send(signal.SIGTERM)
            assert await asyncio.to_thread(web.child.wait, 15) == 0
            await person.get(CANCEL, id=job_id)

        await assert_ends_are_seen(watches, job_id, "CANCELLED")
        for name in SOCKETS:
            assert watches[name][0].count_notes(closed=1012) == 1, name


async def make_token(resources: Resources, person: Person, seconds: int) -> str:
    """An access token of this person that ends so soon."""
    user = await User.get(id=read_id("user", person.id))
    return write_access_token(user, uuid4(), secret=resources.settings.secret, seconds=seconds)[0]


@pytest.mark.parametrize("name", COME_BACK)
async def test_client_whose_token_ends_comes_back_with_the_next(
    studio: Studio, resources: Resources, person: Person, name: str
) -> None:
    with resting_worker(studio):
        job_id = (await person.create_track())["job"]["id"]
        async with connect(name, studio.url, await make_token(resources, person, 2), person.token) as client:
            watch = await client.run(WATCH, id=job_id)
            first, again = await watch.value(), await watch.value()
            await person.get(CANCEL, id=job_id)
            rest = await watch.rest()

    assert (first, rest[-1]["state"]) == (again, "CANCELLED")
    if name in SOCKETS:
        assert client.count_notes(closed=4403, reason="TOKEN_EXPIRED") == 1


async def test_client_without_another_token_is_told_that_it_needs_one(
    studio: Studio, resources: Resources, person: Person
) -> None:
    async with connect("graphql-ws", studio.url, await make_token(resources, person, -1)) as client:
        await client.run("subscription { viewerJobs { id } }")

        async def is_told() -> bool:
            return client.count_notes(closed=4403, reason="TOKEN_EXPIRED") > 1  # it tries again, for a better one

        await until(is_told, "the client is told, and asks again", 10)
