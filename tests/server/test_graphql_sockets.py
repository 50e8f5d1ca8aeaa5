"""graphql-transport-ws, message by message: what clients may say and hear, and which code sends them away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import pytest
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection

from server.auth import Gatekeeper
from server.operations import Operations
from server.operations.cohorts import Cohorts
from server.operations.trusted import open_library
from server.realtime.sockets import (
    MAX_MESSAGE_BYTES,
    MAX_OPERATION_ID,
    MAX_OPERATIONS,
    MAX_SOCKETS_OF_USER,
    PROTOCOL,
    Sockets,
)
from server.realtime.wire import WireProtocol
from server.resources import Resources
from storage.rows import read_id
from storage.tokens import write_access_token
from storage.users import User
from tests.studio import WATCH, Person, Studio, until

Message = dict[str, Any]

PROTOCOLS: Any = [PROTOCOL]
INIT: Message = {"type": "connection_init"}
OWN_JOBS = "subscription { viewerJobs { id state version } }"
WITH_NUMBER = "query ($first: Int!) { tracks(first: $first) { nodes { id } } }"


def subscribe(operation_id: Any = "1", query: Any = "{ __typename }", **payload: Any) -> Message:
    return {"type": "subscribe", "id": operation_id, "payload": {"query": query} | payload}


def authorized(token: str) -> Message:
    return INIT | {"payload": {"authorization": f"Bearer {token}"}}


class Wire:
    """A socket that adds nothing of its own."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, *messages: Message | str | bytes) -> None:
        for message in messages:
            await self.connection.send(orjson.dumps(message).decode() if isinstance(message, dict) else message)

    async def hear(self, seconds: float = 10) -> Message:
        """The next message."""
        async with asyncio.timeout(seconds):
            frame = await self.connection.recv()
        assert isinstance(frame, str)  # a binary frame would be lost on browsers' clients
        message: Message = orjson.loads(frame)
        return message

    async def ask(self, message: Message) -> Message:
        """Say this, and hear the next that is about it."""
        await self.say(message)
        while (heard := await self.hear()).get("id") != message["id"]:
            pass
        return heard

    async def close_code(self, seconds: float = 10) -> int:
        """The code that the server closes with, whatever it says before."""
        async with asyncio.timeout(seconds):
            await self.connection.wait_closed()
        code = self.connection.close_code
        assert code is not None
        return code


@asynccontextmanager
async def dial(
    studio: Studio, *opening: Message, subprotocol: str | None = PROTOCOL, origin: str | None = None
) -> AsyncIterator[Wire]:
    """A socket that has said this; what an opening is answered with is dropped."""
    url = f"ws://127.0.0.1:{studio.port}/graphql"
    subprotocols: Any = [subprotocol] if subprotocol else None
    headers = {"Origin": origin} if origin else {}
    async with websockets.connect(url, subprotocols=subprotocols, additional_headers=headers) as connection:
        wire = Wire(connection)
        for message in opening:
            await wire.say(message)
            assert (await wire.hear())["type"] == "connection_ack"
        yield wire


def codes_of(message: Message) -> list[str]:
    assert message["type"] == "error", message
    return [error["extensions"]["code"] for error in message["payload"]]


@pytest.mark.parametrize("subprotocol", [None, "graphql-ws", "soap"])
async def test_client_of_another_protocol_is_told_so_by_the_code(studio: Studio, subprotocol: str | None) -> None:
    async with dial(studio, subprotocol=subprotocol) as wire:
        assert await wire.close_code() == 4406


@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"authorization": None}}])
async def test_opening_is_acknowledged(studio: Studio, payload: Message) -> None:
    async with dial(studio) as wire:
        await wire.say(INIT | payload)

        assert await wire.hear() == {"type": "connection_ack", "payload": {"expiresAt": None}}


async def test_acknowledgement_says_when_the_token_ends(studio: Studio, person: Person) -> None:
    async with dial(studio) as wire:
        await wire.say(authorized(person.token))

        assert (await wire.hear())["payload"]["expiresAt"] > "2026"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([subscribe()], 4401),
        ([INIT, INIT], 4429),
        ([INIT | {"payload": []}], 4400),
        ([INIT | {"payload": "Bearer x"}], 4400),
        ([INIT | {"payload": {"authorization": 1}}], 4400),
        ([INIT | {"payload": {"Authorization": ["Bearer x"]}}], 4400),
        ([INIT | {"payload": {"authorization": False}}], 4400),
        ([INIT | {"payload": {"authorization": "Bearer x"}}], 4403),
        ([INIT | {"payload": {"Authorization": "Basic x"}}], 4403),
    ],
)
async def test_opening_that_goes_wrong_ends_the_socket(studio: Studio, messages: list[Message], code: int) -> None:
    async with dial(studio) as wire:
        await wire.say(*messages)

        assert await wire.close_code() == code


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        '"ping"',
        "7",
        "null",
        "{}",
        "[" * 100_000,
        b"\xff\xfe",
        {"type": "unheard of"},
        {"type": 1},
        {"type": "start", "id": "1", "payload": {"query": "{ __typename }"}},
        {"type": "connection_ack"},
        {"type": "next", "id": "1"},
        {"type": "subscribe", "payload": {"query": "{ __typename }"}},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": "1", "payload": None},
        {"type": "subscribe", "id": "1", "payload": [subscribe()]},
        subscribe(1),
        subscribe(None),
        subscribe(""),
        subscribe("x" * (MAX_OPERATION_ID + 1)),
        subscribe(query="x" * MAX_MESSAGE_BYTES),
        {"type": "complete"},
        {"type": "complete", "id": 1},
        {"type": "ping", "payload": "x"},
        {"type": "pong", "payload": []},
        '{"type": "ping", "payload": ' + "[" * 400 + "]" * 400 + "}",
    ],
)
async def test_message_that_is_none_of_the_protocol_ends_the_socket(
    studio: Studio, message: Message | str | bytes
) -> None:
    async with dial(studio, INIT) as wire:
        await wire.say(message)

        assert await wire.close_code() == 4400


async def test_huge_frame_ends_the_socket_and_nothing_else(studio: Studio) -> None:
    async with dial(studio, INIT) as bystander, dial(studio, INIT) as wire:
        with suppress(websockets.ConnectionClosed):
            await wire.say("x" * 10_000_000)

        assert await wire.close_code() == 1009
        assert (await bystander.ask(subscribe()))["type"] == "next"


async def test_binary_frame_is_read_as_text(studio: Studio) -> None:
    async with dial(studio, INIT) as wire:
        await wire.say(orjson.dumps(subscribe()))

        assert (await wire.hear())["payload"]["data"] == {"__typename": "Query"}


@pytest.mark.parametrize("payload", [{}, {"payload": {"sent": "🏃", "at": [1, 2.5]}}, {"payload": None}])
async def test_ping_is_answered_with_its_payload_even_before_the_opening(studio: Studio, payload: Message) -> None:
    async with dial(studio) as wire:
        await wire.say({"type": "ping"} | payload)

        assert await wire.hear() == {"type": "pong"} | payload


async def test_messages_that_need_no_answer_get_none(studio: Studio) -> None:
    async with dial(studio, INIT) as wire:
        await wire.say({"type": "pong"}, {"type": "pong", "payload": {"a": 1}}, {"type": "complete", "id": "unknown"})

        await wire.say(subscribe())
        assert (await wire.hear())["id"] == "1"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": 1}, "BAD_REQUEST"),
        ({"query": None}, "BAD_REQUEST"),
        ({"query": ""}, "BAD_REQUEST"),
        ({"variables": []}, "BAD_REQUEST"),
        ({"operationName": 1}, "BAD_REQUEST"),
        ({"extensions": "x"}, "BAD_REQUEST"),
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothingOfTheKind }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"operationName": "Unknown"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": WITH_NUMBER, "variables": {"first": "ten"}}, "BAD_USER_INPUT"),
        ({"query": WATCH, "variables": {"id": []}}, "BAD_USER_INPUT"),
        ({"query": "{" + " ".join(f"a{n}: __typename" for n in range(50)) + "}"}, "DOCUMENT_TOO_COMPLEX"),
        ({"query": "{ tracks(first: %s) { nodes { id } } }" % ("9" * 10_000)}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": OWN_JOBS}, "UNAUTHENTICATED"),
        ({"query": "subscription { queues { name } }"}, "UNAUTHENTICATED"),
    ],
)
async def test_operation_that_cannot_run_fails_alone(
    studio: Studio, person: Person, payload: Message, code: str
) -> None:
    async with dial(studio, INIT) as wire:
        assert codes_of(await wire.ask(subscribe("broken", **payload))) == [code]

        assert (await wire.ask(subscribe("broken")))["type"] == "next"


@pytest.mark.parametrize("query", [OWN_JOBS, WATCH])
async def test_broken_operation_leaves_the_others_be(studio: Studio, person: Person, query: str) -> None:
    async with dial(studio, authorized(person.token)) as wire:
        job_id = (await person.create_track())["job"]["id"]
        variables = {"variables": {"id": job_id}} if query == WATCH else {}
        assert (await wire.ask(subscribe("watch", query, **variables)))["type"] == "next"
        assert codes_of(await wire.ask(subscribe("broken", "{"))) == ["GRAPHQL_PARSE_FAILED"]

        await person.ask("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=job_id)
        async for state in states_of(wire):
            if state in {"CANCELLED", "COMPLETE"}:
                break


async def states_of(wire: Wire) -> AsyncIterator[str]:
    while True:
        message = await wire.hear()
        if message["type"] == "next":
            (job,) = message["payload"]["data"].values()
            yield job["state"]


async def test_query_and_mutation_run_over_the_socket(studio: Studio, person: Person) -> None:
    mutation = 'mutation { createSeries(input: {title: "by socket"}) { ... on SeriesCreated { series { title } } } }'
    async with dial(studio, authorized(person.token)) as wire:
        for query, name in (("{ viewer { id } }", "viewer"), (mutation, "createSeries")):
            answer = await wire.ask(subscribe("one", query))

            assert name in answer["payload"]["data"]
            assert answer["payload"]["extensions"]["cost"]["requested"] > 0
            assert await wire.hear() == {"id": "one", "type": "complete"}


async def test_operation_is_chosen_by_its_name(studio: Studio) -> None:
    several = "query A { a: __typename } query B { b: __typename }"
    async with dial(studio, INIT) as wire:
        answer = await wire.ask(subscribe("1", several, operationName="B"))

        assert answer["payload"]["data"] == {"b": "Query"}


@pytest.mark.parametrize("operation_id", ["1", "🏃" * MAX_OPERATION_ID])
async def test_id_in_use_ends_the_socket(studio: Studio, person: Person, operation_id: str) -> None:
    async with dial(studio, authorized(person.token)) as wire:
        await wire.say(subscribe(operation_id, OWN_JOBS), subscribe(operation_id, OWN_JOBS))

        assert await wire.close_code() == 4409


async def test_id_is_free_again_once_its_operation_is_complete(studio: Studio, person: Person) -> None:
    async with dial(studio, authorized(person.token)) as wire:
        for _ in range(20):
            await wire.say(subscribe("1", OWN_JOBS), {"type": "complete", "id": "1"})
        await wire.say(subscribe("1"))

        assert [(await wire.hear())["type"] for _ in range(2)] == ["next", "complete"]


async def test_completed_subscription_says_nothing_more(studio: Studio, person: Person) -> None:
    async with dial(studio, authorized(person.token)) as wire:
        await wire.say(subscribe("jobs", OWN_JOBS), {"type": "complete", "id": "jobs"})
        job_id = (await person.create_track())["job"]["id"]
        await person.wait_until(job_id, "COMPLETE")
        await wire.say(subscribe("last"))

        assert (await wire.hear())["id"] == "last"


async def test_one_operation_too_many_is_refused_and_the_rest_goes_on(studio: Studio, person: Person) -> None:
    async with dial(studio, authorized(person.token)) as wire:
        await wire.say(*[subscribe(str(number), OWN_JOBS) for number in range(MAX_OPERATIONS)])

        assert codes_of(await wire.ask(subscribe("over"))) == ["TOO_MANY_OPERATIONS"]
        await wire.say({"type": "complete", "id": "0"})
        assert (await wire.ask(subscribe("over")))["type"] == "next"


async def test_job_of_another_is_not_found(studio: Studio, person: Person) -> None:
    job_id = (await person.create_track())["job"]["id"]
    stranger = await studio.make_user()
    async with dial(studio, authorized(stranger.token)) as wire:
        for asked in (job_id, "job_" + "0" * 32, f"track_{job_id[4:]}", "job_", "\x00", "😀"):
            heard = await wire.ask(subscribe("1", WATCH, variables={"id": asked}))

            assert codes_of(heard) == ["NOT_FOUND"], asked


async def test_queues_are_for_admins(studio: Studio, person: Person) -> None:
    async with dial(studio, authorized(person.token)) as wire:
        assert codes_of(await wire.ask(subscribe("1", "subscription { queues { name } }"))) == ["NOT_ALLOWED"]


async def make_token(resources: Resources, person: Person, seconds: int) -> str:
    """An access token of this person that ends so soon."""
    user = await User.get(id=read_id("user", person.id))
    return write_access_token(user, uuid4(), secret=resources.settings.secret, seconds=seconds)[0]


@pytest.mark.parametrize("seconds", [0, -3, -60])
async def test_token_that_has_ended_opens_nothing(
    studio: Studio, resources: Resources, person: Person, seconds: int
) -> None:
    async with dial(studio) as wire:
        await wire.say(authorized(await make_token(resources, person, seconds)))

        assert await wire.close_code() == 4403
        assert wire.connection.close_reason == "TOKEN_EXPIRED"


async def test_socket_ends_when_its_token_does(studio: Studio, resources: Resources, person: Person) -> None:
    async with dial(studio, authorized(await make_token(resources, person, 2))) as wire:
        await wire.say(subscribe("1", OWN_JOBS))

        assert await wire.close_code(seconds=4) == 4403
        assert wire.connection.close_reason == "TOKEN_EXPIRED"


@pytest.mark.parametrize("origin", [None, "http://localhost:3000", "http://[::1]:3000"])
async def test_pages_of_trusted_origins_and_clients_without_one_connect(studio: Studio, origin: str | None) -> None:
    async with dial(studio, INIT, origin=origin) as wire:
        assert (await wire.ask(subscribe()))["type"] == "next"


@pytest.mark.parametrize("origin", ["https://evil.test", "http://localhost.evil.test", "null", "http://[::1"])
async def test_pages_of_other_origins_are_refused_at_the_door(studio: Studio, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with dial(studio, origin=origin):
            pass

    assert refused.value.response.status_code == 403


@asynccontextmanager
async def serve(sockets: Sockets) -> AsyncIterator[int]:
    """These sockets alone, on a port."""
    app = Starlette(routes=[WebSocketRoute("/graphql", sockets)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws=WireProtocol))
    running = asyncio.create_task(server.serve())

    async def has_started() -> bool:
        return server.started

    await until(has_started, "the sockets are served")
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


async def test_client_that_never_opens_is_sent_away(resources: Resources) -> None:
    gatekeeper, operations = Gatekeeper(resources.settings.secret), Operations(open_library(resources.settings))
    async with serve(Sockets(resources, operations, gatekeeper, Cohorts(operations), init_seconds=0.2)) as port:
        url = f"ws://127.0.0.1:{port}/graphql"
        async with (
            websockets.connect(url, subprotocols=PROTOCOLS) as silent,
            websockets.connect(url, subprotocols=PROTOCOLS) as open_one,
        ):
            await Wire(open_one).say(INIT)
            await Wire(silent).say({"type": "ping"})

            assert await Wire(silent).close_code(seconds=3) == 4408
            assert [(await Wire(open_one).hear())["type"] for _ in range(2)] == ["connection_ack", "ping"]


async def test_person_with_too_many_sockets_is_told_to_try_later(resources: Resources, person: Person) -> None:
    gatekeeper, operations = Gatekeeper(resources.settings.secret), Operations(open_library(resources.settings))
    settings = resources.settings.model_copy(update={"rate_limit_scale": 3 / MAX_SOCKETS_OF_USER})
    few = replace(resources, settings=settings)
    async with serve(Sockets(few, operations, gatekeeper, Cohorts(operations))) as port, AsyncExitStack() as stack:

        async def open_one(opening: Message) -> Wire:
            connecting = websockets.connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=PROTOCOLS)
            wire = Wire(await stack.enter_async_context(connecting))
            await wire.say(opening)
            return wire

        wires = [await open_one(authorized(person.token)) for _ in range(3)]
        for wire in [*wires, await open_one(INIT)]:
            assert (await wire.hear())["type"] == "connection_ack"
        assert await (await open_one(authorized(person.token))).close_code() == 1013

        await wires[0].connection.close()
        assert (await (await open_one(authorized(person.token))).hear())["type"] == "connection_ack"
