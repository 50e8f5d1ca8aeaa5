"""graphql-transport-ws as graphql-ws's own server speaks it, row by row, and ours beside it.

The behaviours are those of its PROTOCOL.md and of its tests of the server. Every row runs against both; where we
differ, the row says how and why.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio
import websockets
from websockets.asyncio.client import ClientConnection

from server.resources import Resources
from storage import jobs
from storage.rows import read_id
from tests.clients.node import read_lines, running_script
from tests.studio import Studio

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10
TOKEN = "the token of somebody with a job that waits"

Heard = tuple[Any, ...]
Frame = dict[str, Any] | str | bytes | list[str]


@dataclass(frozen=True)
class Says:
    """What a client sends: a message, or a frame as it is; in fragments if there are several."""

    frame: Frame


@dataclass(frozen=True)
class Row:
    """A behaviour: what a client says, and what it hears of it, in turn."""

    name: str
    steps: list[Says | Heard]
    ours: list[Says | Heard] = field(default_factory=list)  # where we differ
    why: str = ""
    is_open: bool = True
    offered: tuple[str, ...] = (PROTOCOL,)


def init(**payload: Any) -> Says:
    return Says({"type": "connection_init", **payload})


def subscribe(query: Any = "{ __typename }", operation_id: Any = "1", **payload: Any) -> Says:
    return Says({"type": "subscribe", "id": operation_id, "payload": {"query": query, **payload}})


def complete(operation_id: Any = "1") -> Says:
    return Says({"type": "complete", "id": operation_id})


def closed(code: int, reason: str = "Invalid message received") -> Heard:
    return ("closed", code, reason)


WATCH = "subscription { viewerJobs { __typename } }"
OPENING = init(payload={"authorization": f"Bearer {TOKEN}"})
ACK: Heard = ("connection_ack", ["expiresAt"])
ANSWER: Heard = ("next", "1", {"__typename": "Query"})
END: Heard = ("complete", "1")
ERROR: Heard = ("error", "1")
EVENT: Heard = ("next", "1", {"viewerJobs": {"__typename": "Job"}})
BAD = closed(4400)

ONE_OF_MANY = "one operation that is malformed must not end all the others on its socket"
DOCUMENTED = "a trusted document is asked for by its id alone, so `query` may be absent"
SAYS_WHAT = "the reason is a code of ours, so that a client sees what to do"

NO_MESSAGES: dict[str, Frame] = {
    "nothing": "",
    "a text that is no JSON": "{",
    "bytes that are no text": b"\xff\xfe",
    "a list": "[]",
    "a string": '"ping"',
    "a number": "7",
    "null": "null",
    "an object without a type": {"id": "1"},
    "a type that is a number": {"type": 1},
    "a type that is null": {"type": None},
}
SERVERS_OWN: dict[str, dict[str, Any]] = {
    "an acknowledgement by the client": {"type": "connection_ack"},
    "a result by the client": {"type": "next", "id": "1", "payload": {"data": {}}},
    "an error by the client": {"type": "error", "id": "1", "payload": [{"message": "no"}]},
}
INCOMPLETE: dict[str, dict[str, Any]] = {
    "no id": {"payload": {"query": "{ __typename }"}},
    "an empty id": {"id": "", "payload": {"query": "{ __typename }"}},
    "a number for an id": {"id": 1, "payload": {"query": "{ __typename }"}},
    "no payload": {"id": "1"},
    "a payload of null": {"id": "1", "payload": None},
    "a list for a payload": {"id": "1", "payload": []},
}
MALFORMED: list[tuple[str, dict[str, Any], str]] = [
    ("a number for a query", {"query": 1}, ONE_OF_MANY),
    ("a query of null", {"query": None}, DOCUMENTED),
    ("a string for variables", {"variables": "{}"}, ONE_OF_MANY),
    ("a number for an operation's name", {"operationName": 1}, ONE_OF_MANY),
    ("a list for extensions", {"extensions": []}, ONE_OF_MANY),
]

HANDSHAKE = [
    Row(
        "no subprotocol is not acceptable",
        [closed(4406, "Subprotocol not acceptable")],
        ours=[closed(4406, "Speak graphql-transport-ws")],
        why="the reason tells which one is",
        is_open=False,
        offered=(),
    ),
    Row(
        "the deprecated subprotocol is not acceptable",
        [closed(4406, "Subprotocol not acceptable")],
        ours=[closed(4406, "Speak graphql-transport-ws")],
        why="the reason tells which one is",
        is_open=False,
        offered=("graphql-ws",),
    ),
    Row("the subprotocol is chosen of several", [OPENING, ACK], is_open=False, offered=("graphql-ws", PROTOCOL)),
    Row("init without a payload is acknowledged", [init(), ACK], is_open=False),
    Row("init with a payload of null is acknowledged", [init(payload=None), ACK], is_open=False),
    Row("init with unknown parameters is acknowledged", [init(payload={"a": [1]}), ACK], is_open=False),
    Row("init with a list for a payload is invalid", [init(payload=[]), BAD], is_open=False),
    Row("init with a string for a payload is invalid", [init(payload="x"), BAD], is_open=False),
    Row("init twice at once is once too many", [init(), init(), closed(4429, "Too many initialisation requests")],
        is_open=False),
    Row("init again later is once too many", [init(), closed(4429, "Too many initialisation requests")]),
    Row("init with a token that is no good is forbidden", [init(payload={"authorization": "Bearer x"}),
        closed(4403, "Forbidden")], ours=[init(payload={"authorization": "Bearer x"}), closed(4403, "TOKEN_INVALID")],
        why=SAYS_WHAT, is_open=False),
    Row("subscribe before init is unauthorized", [subscribe(), closed(4401, "Unauthorized")], is_open=False),
    Row("ping before init is answered", [Says({"type": "ping"}), ("pong", None)], is_open=False),
    Row("complete before init is ignored", [complete()], is_open=False),
]  # fmt: skip

MESSAGES = [
    Row("ping is answered", [Says({"type": "ping"}), ("pong", None)]),
    Row("ping is answered with its payload", [Says({"type": "ping", "payload": {"a": "é"}}), ("pong", {"a": "é"})]),
    Row("ping with a payload of null is answered", [Says({"type": "ping", "payload": None}), ("pong", None)]),
    Row("ping with a string for a payload is invalid", [Says({"type": "ping", "payload": "x"}), BAD]),
    Row("pong that nobody asked for is ignored", [Says({"type": "pong"}), Says({"type": "pong", "payload": {}})]),
    Row("pong with a list for a payload is invalid", [Says({"type": "pong", "payload": []}), BAD]),
    Row("a member that is not known is ignored", [Says({"type": "ping", "more": 1}), ("pong", None)]),
    Row("a message in fragments is one", [Says(['{"type":', '"ping"', "}"]), ("pong", None)]),
    Row("a message in a binary frame is read", [Says(b'{"type": "ping"}'), ("pong", None)]),
    *[Row(f"{name} is invalid", [Says(frame), BAD]) for name, frame in NO_MESSAGES.items()],
    *[
        Row(
            f"{name} is invalid",
            [Says(message), closed(4500, f"Unexpected message of type {message['type']} received")],
            ours=[Says(message), BAD],
            why="PROTOCOL.md asks for 4400, for the fault is the client's",
        )
        for name, message in SERVERS_OWN.items()
    ],
    Row("a type that is not known is invalid", [Says({"type": "start", "id": "1"}), BAD]),
]

OPERATIONS = [
    Row("a query is answered and complete", [subscribe(), ANSWER, END]),
    Row("a mutation is answered and complete", [subscribe("mutation { __typename }"),
        ("next", "1", {"__typename": "Mutation"}), END]),
    Row("a subscription goes on", [subscribe(WATCH), EVENT]),
    Row("null stands for what is left out", [subscribe(operationName=None, variables=None, extensions=None), ANSWER,
        END]),
    Row("extensions that are not known are ignored", [subscribe(extensions={"a": {}}), ANSWER, END]),
    Row("a name chooses the operation", [subscribe("query A { a: __typename } query B { b: __typename }",
        operationName="B"), ("next", "1", {"b": "Query"}), END]),
    Row("a name that no operation has is an error", [subscribe("query A { __typename }", operationName="B"), ERROR]),
    Row("several operations and no name is an error", [subscribe("query A { a: __typename } query B { __typename }"),
        ERROR]),
    Row("a document that is not valid is an error and the socket stays", [subscribe("{ nothingOfTheKind }"), ERROR,
        subscribe(), ANSWER, END]),
    Row("a subscription that is not valid is an error", [subscribe("subscription { nothingOfTheKind }"), ERROR]),
    Row("a document that cannot be read is an error", [subscribe("{"), closed(4500, "Syntax Error: Expected Name, found"
        " <EOF>.")], ours=[subscribe("{"), ERROR, subscribe(), ANSWER, END], why=ONE_OF_MANY),
    Row("variables that do not fit are an error", [subscribe("query ($a: Int!) { series(first: $a) { __typename } }"),
        ("next", "1", None), END], ours=[subscribe("query ($a: Int!) { series(first: $a) { __typename } }"), ERROR],
        why="nothing was executed, for which PROTOCOL.md has `error`"),
    *[
        Row(f"subscribe with {name} is invalid", [Says({"type": "subscribe", **message}), BAD])
        for name, message in INCOMPLETE.items()
    ],
    *[
        Row(f"subscribe with {name} is malformed", [subscribe(**payload), BAD], ours=[subscribe(**payload), ERROR],
            why=why)
        for name, payload, why in MALFORMED
    ],
    Row("an id of great length serves", [subscribe(operation_id="x" * 129), ("next", "x" * 129,
        {"__typename": "Query"}), ("complete", "x" * 129)], ours=[subscribe(operation_id="x" * 129), BAD],
        why="an id comes back with every event; 128 characters are three times a UUID"),
]  # fmt: skip

ENDS = [
    Row("an id in use is a duplicate", [subscribe(WATCH), EVENT, subscribe(),
        closed(4409, "Subscriber for 1 already exists")]),
    Row("an id is in use from the moment that it is sent", [subscribe(WATCH), subscribe(WATCH),
        closed(4409, "Subscriber for 1 already exists")]),
    Row("an id is free after a complete by the client", [subscribe(WATCH), EVENT, complete(), subscribe(WATCH), EVENT]),
    Row("an id is free after a complete by the server", [subscribe(), ANSWER, END, subscribe(), ANSWER, END]),
    Row("an id is free after an error", [subscribe("{ no }"), ERROR, subscribe(), ANSWER, END]),
    Row("operations on a socket are kept apart", [subscribe(WATCH), EVENT, subscribe(operation_id="2"),
        ("next", "2", {"__typename": "Query"}), ("complete", "2")]),
    Row("a complete by the client is not answered", [subscribe(WATCH), EVENT, complete()]),
    Row("a complete of nothing is ignored", [complete("unknown"), complete("unknown")]),
    Row("a complete without an id is invalid", [Says({"type": "complete"}), BAD]),
    Row("a complete with a number for an id is invalid", [complete(1), BAD]),
]  # fmt: skip

TABLE = [*HANDSHAKE, *MESSAGES, *OPERATIONS, *ENDS]


def sum_up(text: str | bytes) -> Heard:
    """What is to be compared of a frame: how an error is worded, and when a token ends, is each server's own."""
    assert isinstance(text, str)  # a binary frame would be lost on browsers' clients
    message: dict[str, Any] = orjson.loads(text)
    match message["type"]:
        case "connection_ack":
            return ("connection_ack", sorted(message["payload"]))
        case "next":
            return ("next", message["id"], message["payload"].get("data"))
        case "pong":
            return ("pong", message.get("payload"))
        case "error":
            assert all(isinstance(error["message"], str) for error in message["payload"])
            return ("error", message["id"])
        case kind:
            return (kind, message.get("id"))


async def hear(connection: ClientConnection, passing: tuple[str, ...] = ("ping",)) -> Heard:
    """The next that a client hears, but for what may come at any time."""
    try:
        async with asyncio.timeout(INIT_SECONDS + 5):
            while (heard := sum_up(await connection.recv()))[0] in passing:
                pass
    except websockets.ConnectionClosed:
        return ("closed", connection.close_code, connection.close_reason)
    return heard


@dataclass(frozen=True)
class Server:
    """Where a server listens, and a token that it takes."""

    url: str
    token: str

    async def play(self, row: Row, steps: Iterable[Says | Heard]) -> list[Says | Heard]:
        """Say what a row says; what is heard stands in the place of what should be."""
        played: list[Says | Heard] = []
        offered: Any = row.offered or None
        async with websockets.connect(self.url, subprotocols=offered) as connection:
            for step in [OPENING, ACK, *steps] if row.is_open else steps:
                if isinstance(step, Says):
                    await connection.send(self._write(step.frame))
                    played.append(step)
                elif step[0] == "closed":
                    played.append(await hear(connection, ("ping", "connection_ack", "next")))  # whichever is faster
                else:
                    played.append(await hear(connection))
            if not played or isinstance(played[-1], Says) or played[-1][0] != "closed":
                await connection.send('{"type": "ping", "payload": {"is": "last"}}')
                assert await hear(connection) == ("pong", {"is": "last"})  # and nothing else was said before
        return played[2:] if row.is_open else played

    def _write(self, frame: Frame) -> Any:
        return orjson.dumps(frame).decode().replace(TOKEN, self.token) if isinstance(frame, dict) else frame


@asynccontextmanager
async def running_reference(init_seconds: float) -> AsyncIterator[Server]:
    """The server of graphql-ws."""
    async with running_script("reference", TOKEN, str(init_seconds)) as process:
        port = (await anext(read_lines(process)))["port"]
        yield Server(f"ws://127.0.0.1:{port}/", TOKEN)


@pytest_asyncio.fixture(scope="module")
async def reference() -> AsyncIterator[Server]:
    async with running_reference(INIT_SECONDS) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def ours(studio: Studio, resources: Resources) -> Server:
    """Our server, and somebody with a job that nobody takes up before tomorrow."""
    person = await studio.make_user()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await jobs.Job.create(
        user_id=read_id("user", person.id), kind="tracks.render", queue="media", available_at=tomorrow
    )
    return Server(f"ws://127.0.0.1:{studio.port}/graphql", person.token)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
async def test_reference_does_what_the_table_says(reference: Server, row: Row) -> None:
    assert await reference.play(row, row.steps) == row.steps


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
async def test_we_do_what_the_table_says(ours: Server, row: Row) -> None:
    expected = row.ours or row.steps

    assert await ours.play(row, expected) == expected


def test_every_difference_has_a_reason() -> None:
    assert [row.name for row in TABLE if bool(row.ours) != bool(row.why) or row.ours == row.steps] == []
    assert len({row.name for row in TABLE}) == len(TABLE)


async def test_init_that_does_not_come_in_time_closes_the_socket(ours: Server) -> None:
    silent = Row("silence", [closed(4408, "Connection initialisation timeout")], is_open=False)
    async with running_reference(0.2) as impatient:
        for server in (impatient, ours):
            assert await server.play(silent, silent.steps) == silent.steps
