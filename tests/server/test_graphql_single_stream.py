"""graphql-sse with a single connection: every request that makes, uses and ends a stream, and how each is refused."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from graphql import get_introspection_query

from server.graphql.streams.line import LINGER_SECONDS
from server.graphql.streams.reservations import MAX_BODY_BYTES, MAX_OPERATION_ID, MAX_OPERATIONS
from server.graphql.streams.stream import WRITE_SECONDS
from server.resources import Resources
from tests.server.streams import EVENTS, Heard, listen, read_gauges, serve_streams
from tests.studio import WATCH, Person, Studio, until

OWN_JOBS = "subscription { viewerJobs { id state version } }"
HEADER = "x-graphql-event-stream-token"
TOO_SLOW = 'streams_ended_total{reason="TOO_SLOW"}'
GROWTH_BYTES = 64 << 20  # of a process whose clients read nothing: answers, and the allocator's slack


class Caller:
    """Somebody who has reserved a stream."""

    def __init__(self, person: Person, token: str) -> None:
        self.person, self.token = person, token

    async def send(self, method: str, *, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """Any request with the stream's token."""
        given = {HEADER: self.token, "Authorization": f"Bearer {self.person.token}"} | (headers or {})
        kept = {name: value for name, value in given.items() if value}
        return await self.person.studio.client.request(method, "/graphql", headers=kept, **options)

    async def begin(self, operation_id: Any, query: str, **variables: Any) -> httpx.Response:
        """Begin an operation."""
        given = {"query": query, "variables": variables, "extensions": {"operationId": operation_id}}
        return await self.send("POST", json=given)

    async def end(self, operation_id: str) -> httpx.Response:
        """End an operation."""
        return await self.send("DELETE", params={"operationId": operation_id})

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Heard]:
        """Open the stream."""
        client, headers = self.person.studio.client, {HEADER: self.token}
        async with listen(client, "GET", "/graphql", self.person.token, headers=headers) as heard:
            yield heard


async def reserve(person: Person) -> Caller:
    """A stream of this person's, not yet open."""
    headers = {"Authorization": f"Bearer {person.token}"}
    answer = await person.studio.client.put("/graphql", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "text/plain; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    return Caller(person, answer.text)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    return answer.status_code, error["extensions"]["code"]


async def test_operations_share_one_stream_and_each_message_says_whose_it_is(person: Person) -> None:
    caller = await reserve(person)
    async with caller.open() as heard:
        assert heard.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        opening = await heard.up_to(b"\n\n")
        for operation_id in ("one", 'a "2"'):
            answer = await caller.begin(operation_id, "{ __typename }")
            assert (answer.status_code, answer.content) == (202, b"")
        said = [await heard.up_to(b"\n\n") for _ in range(4)]

    tail = b'"extensions":{"cost":{"requested":0}}}}\n\n'
    assert opening.startswith(b"retry: ")
    assert said == [
        b'event: next\ndata: {"id":"one","payload":{"data":{"__typename":"Query"},' + tail,
        b'event: complete\ndata: {"id":"one"}\n\n',
        b'event: next\ndata: {"id":"a \\"2\\"","payload":{"data":{"__typename":"Query"},' + tail,
        b'event: complete\ndata: {"id":"a \\"2\\""}\n\n',
    ]


async def test_job_is_followed_to_its_end_beside_a_mutation(person: Person) -> None:
    job_id = (await person.create_track())["job"]["id"]
    caller = await reserve(person)
    async with caller.open() as heard:
        assert (await caller.begin("job", WATCH, id=job_id)).status_code == 202
        mutation = 'mutation { createSeries(input: {title: "beside"}) { __typename } }'
        assert (await caller.begin("series", mutation)).status_code == 202
        said = await heard.up_to(b'event: complete\ndata: {"id":"job"}\n\n', 60)

    events = [orjson.loads(line[6:]) for line in said.splitlines() if line.startswith(b"data: {")]
    seen = [
        event["payload"]["data"]["jobProgress"]["state"]
        for event in events
        if event["id"] == "job" and "payload" in event
    ]
    assert seen[-1] == "COMPLETE"
    assert seen.count("COMPLETE") == 1
    assert {"id": "series"} in events


async def test_operations_may_begin_before_the_stream_is_open(person: Person) -> None:
    caller = await reserve(person)
    assert (await caller.begin("early", "{ __typename }")).status_code == 202
    async with caller.open() as heard:
        assert b'"id":"early"' in await heard.up_to(b'event: complete\ndata: {"id":"early"}\n\n')


async def test_reservation_that_nobody_takes_up_lapses(resources: Resources, person: Person) -> None:
    async with serve_streams(resources, reservation_seconds=0.3) as client:
        headers = {"Authorization": f"Bearer {person.token}"}
        headers[HEADER] = (await client.put("/graphql", headers=headers)).text
        begun = {"query": "{ __typename }", "extensions": {"operationId": "1"}}
        assert (await client.post("/graphql", headers=headers, json=begun)).status_code == 202

        async def has_lapsed() -> bool:
            answer = await client.delete("/graphql", headers=headers, params={"operationId": "1"})
            return answer.status_code == 404

        await until(has_lapsed, "the reservation lapses", 3)
        async with listen(client, "GET", "/graphql", headers=headers) as heard:
            assert heard.status == 404


async def test_token_in_the_address_opens_a_stream_as_browsers_do(person: Person) -> None:
    caller = await reserve(person)
    async with listen(person.studio.client, "GET", "/graphql", params={"token": caller.token}) as heard:
        assert heard.status == 200
        await caller.begin("1", "{ viewer { id } }")
        assert person.id.encode() in await heard.up_to(b"event: complete")


async def test_ended_operation_says_nothing_more_and_its_id_is_free(person: Person) -> None:
    caller = await reserve(person)
    async with caller.open() as heard:
        for _ in range(3):
            assert (await caller.begin("jobs", OWN_JOBS)).status_code == 202
            assert (await caller.end("jobs")).status_code == 200
        await person.create_track()
        await caller.begin("last", "{ __typename }")
        said = await heard.up_to(b'event: complete\ndata: {"id":"last"}\n\n')

    assert b'"id":"jobs"' not in said


async def test_second_connection_is_refused_while_the_first_one_is_open(studio: Studio, person: Person) -> None:
    caller = await reserve(person)
    async with caller.open() as heard:
        await heard.up_to(b"\n\n")
        assert code_of(await caller.send("GET", headers={"Accept": EVENTS})) == (409, "STREAM_TAKEN")
        assert code_of(await caller.send("PUT")) == (409, "STREAM_TAKEN")

    async def is_gone() -> bool:
        return (await caller.send("GET", headers={"Accept": EVENTS})).status_code == 404

    await until(is_gone, "the reservation ends with its stream", 5)


@pytest.mark.parametrize(
    ("method", "options", "status", "code"),
    [
        ("POST", {"headers": {HEADER: "unknown"}, "json": {}}, 404, "STREAM_NOT_FOUND"),
        ("POST", {"headers": {HEADER: "0123abcd.unknown"}, "json": {}}, 421, "STREAM_ELSEWHERE"),
        ("GET", {"headers": {HEADER: "unknown", "Accept": EVENTS}}, 404, "STREAM_NOT_FOUND"),
        ("GET", {"headers": {HEADER: "0123abcd.unknown", "Accept": EVENTS}}, 421, "STREAM_ELSEWHERE"),
        ("GET", {"headers": {"Accept": "application/json"}}, 406, "NOT_ACCEPTABLE"),
        ("GET", {"headers": {"Authorization": "Bearer x", "Accept": EVENTS}}, 401, "TOKEN_INVALID"),
        ("DELETE", {"headers": {HEADER: "unknown"}, "params": {"operationId": "1"}}, 404, "STREAM_NOT_FOUND"),
        ("DELETE", {"headers": {HEADER: ""}, "params": {"operationId": "1"}}, 404, "STREAM_NOT_FOUND"),
        ("DELETE", {}, 400, "BAD_REQUEST"),
        ("DELETE", {"params": {"operationId": ""}}, 400, "BAD_REQUEST"),
        ("DELETE", {"headers": {"Authorization": "Bearer x"}}, 401, "TOKEN_INVALID"),
        ("DELETE", {"headers": {"Authorization": ""}, "params": {"operationId": "1"}}, 404, "STREAM_NOT_FOUND"),
        ("PUT", {"headers": {"Authorization": "Bearer x"}}, 401, "TOKEN_INVALID"),
        ("PUT", {"headers": {HEADER: "", "Accept": "application/json"}}, 406, "NOT_ACCEPTABLE"),
        ("PUT", {}, 409, "STREAM_TAKEN"),
        ("POST", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", {"json": {}, "headers": {"Accept": EVENTS}}, 406, "NOT_ACCEPTABLE"),
        ("POST", {"json": {}, "headers": {"Authorization": "Bearer x"}}, 401, "TOKEN_INVALID"),
        ("POST", {"json": {}, "headers": {"Authorization": ""}}, 404, "STREAM_NOT_FOUND"),
        ("POST", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "BAD_REQUEST"),
        ("POST", {"json": []}, 400, "BAD_REQUEST"),
        ("POST", {"json": {"query": "", "extensions": {"operationId": "1"}}}, 400, "BAD_REQUEST"),
        ("POST", {"json": {"query": "x" * MAX_BODY_BYTES}}, 413, "BODY_TOO_LARGE"),
        ("POST", {"json": {"query": "{ __typename }"}}, 400, "BAD_REQUEST"),
    ],
)
async def test_request_that_is_wrong_is_told_so(
    person: Person, method: str, options: dict[str, Any], status: int, code: str
) -> None:
    caller = await reserve(person)
    assert code_of(await caller.send(method, **options)) == (status, code)


@pytest.mark.parametrize("operation_id", [None, "", 1, ["1"], "x" * (MAX_OPERATION_ID + 1)])
async def test_operation_must_have_an_id(person: Person, operation_id: Any) -> None:
    caller = await reserve(person)
    assert code_of(await caller.begin(operation_id, "{ __typename }")) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", b"GRAPHQL_PARSE_FAILED"),
        ("{ nothingOfTheKind }", b"GRAPHQL_VALIDATION_FAILED"),
        ('subscription { jobProgress(jobId: "job_0") { id } }', b"NOT_FOUND"),
        ("{" + " ".join(f"a{n}: __typename" for n in range(50)) + "}", b"DOCUMENT_TOO_COMPLEX"),
    ],
)
async def test_operation_that_cannot_run_is_told_so_on_the_stream(person: Person, query: str, code: bytes) -> None:
    caller = await reserve(person)
    async with caller.open() as heard:
        await heard.up_to(b"\n\n")
        assert (await caller.begin("1", query)).status_code == 202
        said = await heard.up_to(b'event: complete\ndata: {"id":"1"}\n\n')

    assert said.startswith(b'event: next\ndata: {"id":"1","payload":{"errors":[')
    assert b'"code":"%b"' % code in said


async def test_whoever_is_not_logged_in_has_streams_as_well(studio: Studio) -> None:
    caller = Caller(Person(studio, "", "", "", ""), (await studio.client.put("/graphql")).text)
    async with listen(studio.client, "GET", "/graphql", params={"token": caller.token}) as heard:
        for number, query in enumerate(("{ __typename }", OWN_JOBS)):
            given = {"query": query, "extensions": {"operationId": str(number)}}
            answer = await caller.send("POST", headers={"Authorization": ""}, json=given)
            assert answer.status_code == 202
        said = await heard.up_to(b'event: complete\ndata: {"id":"1"}\n\n')

    assert b'{"data":{"__typename":"Query"}' in said
    assert b'"code":"UNAUTHENTICATED"' in said


async def test_id_in_use_and_one_operation_too_many_are_refused(person: Person) -> None:
    caller = await reserve(person)
    async with caller.open():
        for number in range(MAX_OPERATIONS):
            assert (await caller.begin(str(number), OWN_JOBS)).status_code == 202

        assert code_of(await caller.begin("0", OWN_JOBS)) == (409, "OPERATION_EXISTS")
        refused = await caller.begin("over", "{ __typename }")
        assert code_of(refused) == (429, "TOO_MANY_OPERATIONS")
        assert refused.headers["retry-after"] == "2"
        await caller.end("0")
        assert (await caller.begin("over", "{ __typename }")).status_code == 202


async def test_stream_of_another_person_or_session_is_not_found(studio: Studio, person: Person) -> None:
    caller, stranger = await reserve(person), await studio.make_user()
    async with caller.open() as heard:
        await caller.begin("1", OWN_JOBS)
        thief = Caller(stranger, caller.token)

        assert code_of(await thief.begin("2", "{ __typename }")) == (404, "STREAM_NOT_FOUND")
        assert code_of(await thief.end("1")) == (404, "STREAM_NOT_FOUND")
        assert code_of(await thief.send("GET", headers={"Accept": EVENTS})) == (404, "STREAM_NOT_FOUND")
        job_id = (await person.create_track())["job"]["id"]
        assert b'"id":"2"' not in await heard.up_to(job_id.encode())


async def test_log_out_ends_reservations_and_streams(studio: Studio, person: Person) -> None:
    waiting, caller = await reserve(person), await reserve(person)
    async with caller.open() as heard:
        await heard.up_to(b"\n\n")
        await person.get("mutation { logOut { __typename } }")
        assert await heard.is_cut_after() == b": SESSION_ENDED\n\n"
    bare = {HEADER: waiting.token, "Accept": EVENTS}
    assert code_of(await studio.client.get("/graphql", headers=bare)) == (404, "STREAM_NOT_FOUND")


async def test_page_of_another_origin_may_ask_for_a_stream(studio: Studio) -> None:
    for method in ("PUT", "DELETE"):
        headers = {
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": f"authorization, {HEADER}",
        }
        answer = await studio.client.options("/graphql", headers=headers)
        assert answer.status_code == 200
        assert HEADER in answer.headers["access-control-allow-headers"]


def stop_reading(port: int, caller: Caller) -> socket.socket:
    """A client that opens its stream and reads nothing of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", port))
    head = [f"GET /graphql?token={caller.token} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Accept: {EVENTS}"]
    client.sendall("\r\n".join([*head, "", ""]).encode())
    return client


async def test_client_that_stops_reading_is_cut_off_and_takes_no_memory(studio: Studio, person: Person) -> None:
    process = Path(f"/proc/{next(each for each in studio.processes if each.name == 'web').child.pid}")
    reader, caller = await reserve(person), await reserve(person)
    before, used = await read_gauges(studio, TOO_SLOW), read_resident_bytes(process)
    stuck = await asyncio.to_thread(stop_reading, studio.port, caller)
    try:
        async with reader.open() as heard:
            for number in range(MAX_OPERATIONS):
                assert (await caller.begin(str(number), get_introspection_query())).status_code == 202
            await reader.begin("1", OWN_JOBS)
            assert (await read_gauges(studio))["subscriptions_open"] > MAX_OPERATIONS / 2  # they wait for their turn
            assert read_resident_bytes(process) - used < GROWTH_BYTES
            job_id = (await person.create_track())["job"]["id"]
            await heard.up_to(job_id.encode())

            async def is_gone() -> bool:
                return (await read_gauges(studio, TOO_SLOW))[TOO_SLOW] == before[TOO_SLOW] + 1

            await until(is_gone, "the client that reads nothing is given up", WRITE_SECONDS + LINGER_SECONDS + 5)

        async def is_clean() -> bool:
            return set((await read_gauges(studio)).values()) == {0} and not has_connection(process, stuck)

        await until(is_clean, "and nothing is left of it, though it never read the rest", 10)
    finally:
        stuck.close()


def has_connection(process: Path, client: socket.socket) -> bool:
    """Whether the other end of this client is still held open there."""
    port = client.getsockname()[1]
    held = {str(each.readlink()) for each in (process / "fd").iterdir() if each.is_symlink()}
    lines = [line.split() for line in (process / "net/tcp").read_text().splitlines()[1:]]
    return any(line[2].endswith(f":{port:04X}") and f"socket:[{line[9]}]" in held for line in lines)


def read_resident_bytes(process: Path) -> int:
    return int((process / "statm").read_text().split()[1]) * 4096
