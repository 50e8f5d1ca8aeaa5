"""The way below ASGI: byte for byte what the way through ASGI answers, whatever comes over the wire and however."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import orjson
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.routing import Route
from uvicorn.config import Config
from uvicorn.server import ServerState

from schema.documents import Operation
from server.auth import Gatekeeper
from server.graphql.endpoint import MAX_BODY_BYTES, GraphQLEndpoint
from server.graphql.front import MAX_HEAD_BYTES, MAX_HEADERS, Front
from server.graphql.pace import Pace
from server.graphql.streams import Streams
from server.middleware import middleware
from server.operations import Operations, Payload
from server.operations.cohorts import Cohorts
from server.operations.trusted import open_library
from server.origins import Origins
from server.resources import Resources
from tests.studio import Person, Studio, until

NEW = "application/graphql-response+json"
FRONT, ASGI = "/graphql", "/graphql?way=asgi"  # a query string of no meaning goes the longer way
HELLO = {"query": "{ __typename }"}
ANSWER = {"data": {"__typename": "Query"}, "extensions": {"cost": {"requested": 0}}}
CREATE = 'mutation { createSeries(input: {title: "of both ways"}) { __typename } }'
TITLES = "{ series(first: 50) { nodes { title } } }"
BIG = 1_000_000


class Answer(NamedTuple):
    """One answer as it came over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Wire:
    """A connection on which any bytes can be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)

    async def hear(self) -> Answer:
        """The next answer, which has a length."""
        async with asyncio.timeout(15):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            lines = [line.partition(": ") for line in head[1:] if line]
            headers = sorted((name.lower(), value) for name, _, value in lines)
            body = await self.reader.readexactly(int(dict(headers)["content-length"]))
        return Answer(int(head[0].split(" ")[1]), headers, body)

    def pause(self) -> None:
        """Read nothing from here on."""
        cast("asyncio.ReadTransport", self.writer.transport).pause_reading()

    def resume(self) -> None:
        """Read on."""
        cast("asyncio.ReadTransport", self.writer.transport).resume_reading()

    async def is_closed(self, seconds: float = 3) -> bool:
        """Whether nothing more comes, ever; before an idle connection would be closed anyhow."""
        async with asyncio.timeout(seconds):
            with suppress(ConnectionResetError):
                return not await self.reader.read(1)
        return True


@asynccontextmanager
async def open_wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=8 * BIG)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def write_request(path: str, body: Any = None, *, version: str = "1.1", method: str = "POST", **headers: str) -> bytes:
    """A request of JSON, or of these very bytes."""
    content = body if isinstance(body, bytes) else orjson.dumps(HELLO if body is None else body)
    named = {"host": "studio.test", "content-type": "application/json", "content-length": str(len(content))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


async def exchange(port: int, request: bytes) -> Answer:
    async with open_wire(port) as wire:
        wire.send(request)
        return await wire.hear()


REQUESTS: dict[str, dict[str, Any]] = {
    "a query": {},
    "a query in the newer media type": {"accept": NEW},
    "a query with a name and variables": {
        "body": {"query": "query A($n: String!) { __type(name: $n) { name } }", "variables": {"n": "Job"}}
    },
    "a field that fails": {"body": {"query": "{ viewer { id } __typename }"}},
    "a mutation that is refused": {"body": {"query": CREATE}},
    "a document that is no text": {"body": {"query": "{"}, "accept": NEW},
    "a document that is not valid": {"body": {"query": "{ nothing }"}, "accept": NEW},
    "variables that do not fit": {
        "body": {"query": "query ($n: Int!) { tracks(first: $n) { nodes { id } } }", "variables": {"n": "x"}}
    },
    "nothing": {"body": b""},
    "no JSON": {"body": b"{"},
    "a batch": {"body": [HELLO]},
    "another content type": {"content_type": "text/plain"},
    "nothing of ours accepted": {"accept": "text/html"},
    "a token that is not ours": {"authorization": "Bearer x"},
    "a page that is trusted": {"origin": "http://localhost:3000"},
    "a page that is not": {"origin": "https://evil.test"},
    "no page at all": {"origin": "null", "host": ""},
    "our own page": {"origin": "http://studio.test"},
    "a fault for a trusted page": {"body": {"query": "{ a"}, "origin": "http://localhost:3000"},
    "a subscription that nobody can be sent": {"body": {"query": "subscription { viewerJobs { id } }"}},
    "an older client": {"version": "1.0"},
    "an older client that would stay": {"version": "1.0", "connection": "keep-alive"},
    "a client that leaves": {"connection": "close"},
    "a header that comes twice": {"accept": f"text/html\r\naccept: {NEW}"},
    "two tokens": {"authorization": "Bearer x\r\nauthorization: Bearer y"},
    "many headers": {f"x_{number}": "y" for number in range(MAX_HEADERS - 10)},
    "a length that is a lie": {"content_length": "-1"},
    "a length in words": {"content_length": "ten"},
    "a length without end": {"content_length": "9" * 40},
    "two lengths": {"content_length": "26\r\ncontent-length: 26"},
    "a length and chunks": {"transfer_encoding": "chunked"},
    "too many headers": {f"x_{number}": "y" for number in range(MAX_HEADERS)},
    "too long a body": {"body": b" " * (MAX_BODY_BYTES + 1)},
}


@pytest.mark.parametrize("given", REQUESTS.values(), ids=REQUESTS.keys())
async def test_both_ways_give_the_same_answer(studio: Studio, given: dict[str, Any]) -> None:
    front, asgi = [
        await exchange(studio.port, write_request(path, **{"x_request_id": "mine"} | given)) for path in (FRONT, ASGI)
    ]

    assert front == asgi
    assert front.status in {200, 400, 401, 406, 413, 415}


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_mutation_with_a_token_happens_once(studio: Studio, person: Person, path: str) -> None:
    token = f"Bearer {person.token}"
    answer = await exchange(studio.port, write_request(path, {"query": CREATE}, authorization=token))

    assert orjson.loads(answer.body)["data"] == {"createSeries": {"__typename": "SeriesCreated"}}
    titles = (await person.get(TITLES))["series"]["nodes"]
    assert titles.count({"title": "of both ways"}) == 1


async def test_both_ways_are_counted_alike(studio: Studio) -> None:
    async def read_count() -> float:
        text = (await studio.client.get("/metrics")).text
        line = 'libretto_request_duration_seconds_count{route="graphql",status="415"} '
        return sum(float(each.removeprefix(line)) for each in text.splitlines() if each.startswith(line))

    before = await read_count()
    for path in (FRONT, ASGI):
        await exchange(studio.port, write_request(path, content_type="text/plain"))
    assert await read_count() == before + 2


async def test_request_without_an_id_gets_one_of_its_own(studio: Studio) -> None:
    answers = [await exchange(studio.port, write_request(path)) for path in (FRONT, ASGI) * 2]

    assert len({answer.header("x-request-id") for answer in answers}) == len(answers)


async def test_connection_serves_one_request_after_another(studio: Studio, person: Person) -> None:
    async with open_wire(studio.port) as wire:
        for path in (FRONT, ASGI, FRONT, FRONT, ASGI):
            wire.send(write_request(path))
            assert orjson.loads((await wire.hear()).body) == ANSWER
        wire.send(write_request(FRONT, {"query": "{ viewer { id } }"}, authorization=f"Bearer {person.token}"))
        assert orjson.loads((await wire.hear()).body)["data"]["viewer"] == {"id": person.id}
        wire.send(b"GET /healthz HTTP/1.1\r\nhost: studio.test\r\n\r\n")
        assert (await wire.hear()).status == 200


async def test_requests_sent_in_one_go_are_answered_in_their_order(studio: Studio, person: Person) -> None:
    token = f"Bearer {person.token}"
    queries = [f"{{ a{n}: viewer {{ id }} }}" if n % 3 else f"{{ a{n}: __typename }}" for n in range(30)]
    paths = [ASGI if n % 5 == 4 else FRONT for n in range(30)]
    async with open_wire(studio.port) as wire:
        wire.send(
            b"".join(write_request(p, {"query": q}, authorization=token) for p, q in zip(paths, queries, strict=True))
        )
        seen = [orjson.loads((await wire.hear()).body)["data"] for _ in queries]

    assert [next(iter(data)) for data in seen] == [f"a{n}" for n in range(30)]


@pytest.mark.parametrize("size", [1, 7, 50])
async def test_request_may_come_in_pieces(studio: Studio, size: int) -> None:
    request = write_request(FRONT)
    async with open_wire(studio.port) as wire:
        for at in range(0, len(request), size):
            wire.send(request[at : at + size])
            await wire.writer.drain()
            await asyncio.sleep(0)  # so that uvloop sends it by itself
        assert orjson.loads((await wire.hear()).body) == ANSWER


async def test_body_at_the_limit_is_read_below_asgi(studio: Studio) -> None:
    body = orjson.dumps(HELLO)

    answer = await exchange(studio.port, write_request(FRONT, body + b" " * (MAX_BODY_BYTES - len(body))))
    assert orjson.loads(answer.body) == ANSWER


async def test_body_that_would_be_too_long_is_refused_before_it_comes(studio: Studio) -> None:
    head = write_request(FRONT, b"", content_length=str(MAX_BODY_BYTES + 1))

    answer = await exchange(studio.port, head)
    assert answer.status == 413
    assert orjson.loads(answer.body)["errors"][0]["extensions"]["code"] == "BODY_TOO_LARGE"


async def test_client_that_asks_whether_it_may_send_is_told_so(studio: Studio) -> None:
    body = orjson.dumps(HELLO)
    async with open_wire(studio.port) as wire:
        wire.send(write_request(FRONT, b"", content_length=str(len(body)), expect="100-continue"))
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(body)
        assert orjson.loads((await wire.hear()).body) == ANSWER


async def test_body_in_chunks_is_read_and_what_comes_behind_it_is_not(studio: Studio) -> None:
    body = orjson.dumps(HELLO)
    chunks = b"%x\r\n%b\r\n0\r\nx-trailer: %b\r\n\r\n" % (len(body), body, b"y" * 10_000)
    request = write_request(FRONT, b"", transfer_encoding="chunked").replace(b"content-length: 0\r\n", b"")
    async with open_wire(studio.port) as wire:
        wire.send(request, chunks, write_request(FRONT))
        assert [orjson.loads((await wire.hear()).body) for _ in range(2)] == [ANSWER, ANSWER]


async def test_head_without_end_is_cut_off(studio: Studio) -> None:
    async with open_wire(studio.port) as wire:
        wire.send(b"POST /graphql HTTP/1.1\r\nx-endless: ")
        wire.writer.write(b"x" * 20 * MAX_HEAD_BYTES)
        with suppress(ConnectionResetError):
            assert (await wire.hear()).status == 400
        assert await wire.is_closed()


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_stream_begins_with_what_was_read_and_the_connection_lives_on(studio: Studio, path: str) -> None:
    request = write_request(path, accept="text/event-stream", x_request_id="mine")
    async with open_wire(studio.port) as wire:
        for _ in range(2):
            wire.send(request[:-9], request[-9:])
            said = await wire.reader.readuntil(b"\r\n0\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"x-request-id: mine\r\n" in said
            assert b'data: {"data":{"__typename":"Query"}' in said
            wire.send(write_request(FRONT))
            assert orjson.loads((await wire.hear()).body) == ANSWER


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_stream_for_a_client_that_leaves_is_its_last(studio: Studio, path: str) -> None:
    async with open_wire(studio.port) as wire:
        wire.send(write_request(path, accept="text/event-stream", connection="close"))
        assert b"connection: close\r\n" in await wire.reader.readuntil(b"\r\n0\r\n\r\n")
        assert await wire.is_closed()


H2C = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2_settings": "AAMAAABkAAQAAP__"}
SOCKET = {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13"} | {
    "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ=="
}
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(orjson.dumps(HELLO)), orjson.dumps(HELLO))
UPGRADES = {
    "to HTTP/2": write_request(FRONT, **H2C),
    "to HTTP/2, by ASGI": write_request(ASGI, **H2C),
    "in large letters": write_request(FRONT, **H2C).replace(b"upgrade:", b"UPGRADE:"),
    "to HTTP/2, in chunks": write_request(FRONT, CHUNKED, transfer_encoding="chunked", **H2C).replace(
        b"content-length: %d\r\n" % len(CHUNKED), b""
    ),
    "to HTTP/2 or a socket": write_request(FRONT, **H2C | {"upgrade": "websocket, h2c"}),
    "to a socket, with a body": write_request(FRONT, **SOCKET),
    "to a socket, in an older version": write_request(FRONT, version="1.0", **SOCKET),
    "of a client that leaves": write_request(FRONT, **H2C | {"connection": "Upgrade, close"}),
}


@pytest.mark.parametrize("size", [1, 50, 10_000])
@pytest.mark.parametrize("request_", UPGRADES.values(), ids=UPGRADES.keys())
async def test_upgrade_that_we_do_not_know_is_ignored(studio: Studio, request_: bytes, size: int) -> None:
    is_last = b"HTTP/1.0" in request_ or b"close" in request_
    sent = request_ if is_last else request_ + request_ + write_request(FRONT)
    async with open_wire(studio.port) as wire:
        for at in range(0, len(sent), size):
            wire.send(sent[at : at + size])
            await asyncio.sleep(0)
        for _ in range(1 if is_last else 3):
            assert orjson.loads((await wire.hear()).body) == ANSWER


@pytest.mark.parametrize("given", [H2C, SOCKET, SOCKET | {"method": "GET"}], ids=["HTTP/2", "socket", "GET"])
@pytest.mark.parametrize("splits", [False, True])
async def test_body_of_an_upgrade_is_never_a_request(studio: Studio, given: dict[str, str], splits: bool) -> None:  # noqa: FBT001 - a parameter
    inner = b"GET /healthz HTTP/1.1\r\nhost: studio.test\r\n\r\n"
    head = write_request(FRONT, inner, **given).removesuffix(inner)
    async with open_wire(studio.port) as wire:
        wire.send(head)
        if splits:
            await wire.writer.drain()
            await exchange(studio.port, write_request(FRONT))
        wire.send(inner, write_request(FRONT))
        assert (await wire.hear()).status == 400, "it is no JSON"
        assert orjson.loads((await wire.hear()).body) == ANSWER


async def test_many_upgrades_in_one_go_are_answered_in_their_order(studio: Studio) -> None:
    async with open_wire(studio.port) as wire:
        wire.send(b"".join(write_request(FRONT, x_request_id=f"n{n}", **H2C) for n in range(500)))
        assert [(await wire.hear()).header("x-request-id") for _ in range(500)] == [f"n{n}" for n in range(500)]


async def test_who_takes_us_for_a_proxy_is_refused(studio: Studio) -> None:
    async with open_wire(studio.port) as wire:
        wire.send(b"CONNECT studio.test:80 HTTP/1.1\r\nhost: studio.test\r\n\r\n", write_request(FRONT))
        assert (await wire.hear()).status == 400
        assert await wire.is_closed()


async def test_request_for_no_path_is_answered(studio: Studio) -> None:
    assert (await exchange(studio.port, write_request("*", b"", method="OPTIONS"))).status == 404


@pytest.mark.parametrize(
    "sent", [b"", b"POST /gra", b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"]
)
async def test_client_that_leaves_halfway_disturbs_nobody(studio: Studio, sent: bytes) -> None:
    async with open_wire(studio.port) as wire:
        wire.send(sent)
        await wire.writer.drain()
    assert (await exchange(studio.port, write_request(FRONT))).status == 200


class Stage(Operations):
    """Operations that do as a test tells them; `{ __typename }` is answered at once, all else when it may go on."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(open_library(resources.settings))
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.begun, self.ended = 0, 0
        self.size = 10
        self.breaks = False

    def find(self, query: str, name: str | None, variables: Mapping[str, Any]) -> Operation:
        operation = copy(super().find(query, name, variables))
        operation.fixed = None
        if query == HELLO["query"]:
            self.begun += 1
            operation.fixed = orjson.dumps(self._write())
        return operation

    async def run(self, *_: Any) -> Payload:
        self.begun += 1
        await self.may_go_on.wait()
        self.ended += 1
        return self._write()

    def _write(self) -> Payload:
        if self.breaks:
            raise ZeroDivisionError("nobody foresaw this")
        return {"data": "x" * self.size}


async def wait_until(condition: Callable[[], object], what: str) -> None:
    async def met() -> object:
        return condition()

    await until(met, what)


@dataclass
class House:
    """A server in this process: what it runs, and what uvicorn knows of it."""

    port: int
    stage: Stage
    state: ServerState

    async def hear_elsewhere(self, times: int = 3) -> None:
        """Go round the loop with others' requests."""
        for _ in range(times):
            assert (await exchange(self.port, write_request(FRONT, {"query": "{"}))).status == 200

    def is_idle(self) -> bool:
        return not self.state.connections and not self.state.tasks


@asynccontextmanager
async def open_house(resources: Resources, pace: Pace) -> AsyncIterator[House]:
    stage, origins, gatekeeper = Stage(resources), Origins(resources.settings), Gatekeeper(resources.settings.secret)
    endpoint = GraphQLEndpoint(
        resources, stage, gatekeeper, origins, Streams(resources, stage, gatekeeper, Cohorts(stage))
    )
    routes = [Route("/graphql", endpoint.answer, methods=["GET", "POST", "PUT", "DELETE"])]
    app, state = Starlette(routes=routes, middleware=middleware(origins)), ServerState()
    config = Config(app, log_config=None, access_log=False, lifespan="off")
    front = partial(Front, endpoint, origins, pace, config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(front, "127.0.0.1", 0)
    async with server:
        yield House(server.sockets[0].getsockname()[1], stage, state)
    for connection in list(state.connections):
        connection.transport.abort()


@pytest_asyncio.fixture
async def house(resources: Resources) -> AsyncIterator[House]:
    async with open_house(resources, Pace()) as opened:
        yield opened


WAITING = {"query": "{ viewer { id } }"}


@pytest.mark.parametrize("query", [HELLO, WAITING], ids=["at once", "in a task"])
async def test_fault_is_masked_on_both_ways(house: House, query: dict[str, str]) -> None:
    house.stage.breaks = True
    given = {"x_request_id": "mine", "origin": "http://localhost:3000"}
    front, asgi = [await exchange(house.port, write_request(path, query, **given)) for path in (FRONT, ASGI)]

    assert front == asgi
    assert front.status == 500
    assert front.header("access-control-allow-origin") == "http://localhost:3000"
    extensions = orjson.loads(front.body)["errors"][0]["extensions"]
    assert extensions == {"code": "INTERNAL", "requestId": "mine"}
    assert b"foresaw" not in front.body


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_client_that_leaves_does_not_stop_what_was_begun(house: House, path: str) -> None:
    house.stage.may_go_on.clear()
    async with open_wire(house.port) as wire:
        wire.send(write_request(path, WAITING))
        await wait_until(lambda: house.stage.begun, "it is begun")
    await wait_until(lambda: not house.state.connections, "the connection is gone")
    house.stage.may_go_on.set()

    await wait_until(lambda: house.stage.ended, "it goes on to its end")
    await wait_until(house.is_idle, "and nothing is left of it")
    await house.hear_elsewhere(1)


async def test_others_are_served_while_a_request_waits(house: House) -> None:
    house.stage.may_go_on.clear()
    async with open_wire(house.port) as wire:
        wire.send(write_request(FRONT, WAITING), write_request(FRONT), write_request(FRONT, WAITING))
        await house.hear_elsewhere()
        assert house.stage.begun == 1, "what follows on the same connection waits for its turn"
        house.stage.may_go_on.set()
        assert [(await wire.hear()).status for _ in range(3)] == [200] * 3
    assert (house.stage.begun, house.stage.ended) == (3, 2)


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_process_that_stops_lets_a_request_end_and_then_hangs_up(house: House, path: str) -> None:
    house.stage.may_go_on.clear()
    async with open_wire(house.port) as wire, open_wire(house.port) as idle:
        idle.send(write_request(path))
        assert (await idle.hear()).header("connection") is None
        wire.send(write_request(path, WAITING))
        await wait_until(lambda: house.stage.begun == 2, "it is begun")
        for connection in list(house.state.connections):
            connection.shutdown()
        assert await idle.is_closed()
        assert house.state.tasks
        house.stage.may_go_on.set()
        answer = await wire.hear()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert await wire.is_closed()
    await wait_until(house.is_idle, "nothing is left")


async def test_client_that_reads_nothing_is_answered_no_further_than_the_line_is_long(house: House) -> None:
    house.stage.size = BIG
    async with open_wire(house.port) as wire:
        wire.pause()
        wire.send(*[write_request(FRONT) for _ in range(200)])
        await wait_until(lambda: house.stage.begun, "the first is answered")
        await house.hear_elsewhere(20)
        assert house.stage.begun < 20
        wire.resume()
        assert {len((await wire.hear()).body) for _ in range(200)} == {len(orjson.dumps({"data": "x" * BIG}))}


async def test_connection_that_is_idle_is_closed(house: House) -> None:
    async with open_wire(house.port) as wire:
        wire.send(write_request(FRONT))
        assert (await wire.hear()).status == 200
        assert await wire.is_closed(10)


async def test_socket_that_is_asked_for_behind_a_request_is_refused_in_its_turn(house: House) -> None:
    house.stage.may_go_on.clear()
    async with open_wire(house.port) as wire:
        wire.send(
            write_request(FRONT, WAITING), write_request(FRONT, b"", method="GET", **SOCKET), write_request(FRONT)
        )
        await house.hear_elsewhere()
        house.stage.may_go_on.set()
        assert [(await wire.hear()).status for _ in range(3)] == [200, 400, 200]
