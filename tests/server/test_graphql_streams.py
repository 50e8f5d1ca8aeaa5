"""GraphQL over HTTP streams: both forms byte for byte, why a stream ends, and that nothing is left of it."""

import asyncio
import re
import signal
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
import redis.asyncio as redis
from tortoise.transactions import in_transaction

from server.graphql.streams.register import DRAIN_WAVE_SECONDS, MAX_STREAMS_OF_ONE
from server.resources import Resources
from storage import events, jobs
from storage.rows import read_id, write_id
from storage.tokens import write_access_token
from storage.users import User
from tests.server.streams import EVENTS, MULTIPART, Heard, listen, read_gauges, serve_streams, subscribe
from tests.studio import WATCH, Person, Studio, free_port, until

OWN_JOBS = "subscription { viewerJobs { id state version } }"
STATE = "subscription ($id: ID!) { jobProgress(jobId: $id) { state } }"
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"
CUTS = 200


async def make_waiting_job(person: Person) -> jobs.Job:
    """A job that nobody takes up before tomorrow."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return await jobs.Job.create(
        user_id=read_id("user", person.id), kind="tracks.render", queue="media", available_at=tomorrow
    )


def read_events(said: bytes) -> list[Any]:
    """The results in an event stream."""
    return [orjson.loads(line[6:]) for line in said.splitlines() if line.startswith(b"data: ")]


async def test_event_stream_is_as_its_clients_read_it(resources: Resources, person: Person) -> None:
    job = await make_waiting_job(person)
    async with subscribe(person, STATE, id=write_id("job", job.id)) as heard:
        begun = await heard.up_to(b"}\n\n")
        await person.get(CANCEL, id=write_id("job", job.id))
        said = begun + await heard.rest()

    assert heard.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert heard.response.headers["cache-control"] == "no-cache, no-transform"
    assert heard.response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in heard.response.headers
    assert re.fullmatch(
        rb"retry: [123]\d{3}\n\n"
        rb'event: next\ndata: {"data":{"jobProgress":{"state":"QUEUED"}},"extensions":{"cost":{"requested":\d}}}\n\n'
        rb'event: next\ndata: {"data":{"jobProgress":{"state":"CANCELLED"}},"extensions":{"cost":{"requested":\d}}}\n\n'
        rb"event: complete\ndata:\n\n",
        said,
    )


async def test_multipart_is_as_apollo_reads_it(resources: Resources, person: Person) -> None:
    job = await make_waiting_job(person)
    async with subscribe(person, STATE, accept=MULTIPART, id=write_id("job", job.id)) as heard:
        begun = await heard.up_to(b"}\r\n--graphql")  # or the client would not know that the part is complete
        await person.get(CANCEL, id=write_id("job", job.id))
        said = begun + await heard.rest()

    assert heard.response.headers["content-type"] == 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    assert re.fullmatch(
        rb"\r\n--graphql\r\nContent-Type: application/json\r\n\r\n"
        rb'{"payload":{"data":{"jobProgress":{"state":"QUEUED"}},"extensions":{"cost":{"requested":\d}}}}'
        rb"\r\n--graphql\r\nContent-Type: application/json\r\n\r\n"
        rb'{"payload":{"data":{"jobProgress":{"state":"CANCELLED"}},"extensions":{"cost":{"requested":\d}}}}'
        rb"\r\n--graphql--\r\n",
        said,
    )


async def test_job_is_followed_to_its_end(person: Person) -> None:
    job_id = (await person.create_track())["job"]["id"]
    async with subscribe(person, WATCH, id=job_id) as heard:
        seen = [event["data"]["jobProgress"] for event in read_events(await heard.rest(60))]

    versions = [state["version"] for state in seen]
    assert versions == sorted(set(versions))
    assert [state["state"] for state in seen].count("COMPLETE") == 1
    assert seen[-1]["state"] == "COMPLETE"


@pytest.mark.parametrize(
    ("accept", "beat"),
    [(EVENTS, b":\n\n"), (MULTIPART, b"\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql")],
)
async def test_silent_stream_is_kept_alive(resources: Resources, person: Person, accept: str, beat: bytes) -> None:
    given = {"json": {"query": OWN_JOBS}, "headers": {"Accept": accept}}
    async with (
        serve_streams(resources, heartbeat_seconds=0.1) as client,
        listen(client, "POST", "/graphql", person.token, **given) as heard,
    ):
        await heard.up_to(beat)
        assert [await heard.up_to(beat) for _ in range(3)] == [beat] * 3


@pytest.mark.parametrize("accept", [EVENTS, "multipart/mixed"])
async def test_query_and_mutation_run_over_a_stream(person: Person, accept: str) -> None:
    mutation = 'mutation { createSeries(input: {title: "by stream"}) { ... on SeriesCreated { series { title } } } }'
    for query, name in (("{ viewer { id } }", b"viewer"), (mutation, b"by stream")):
        async with subscribe(person, query, accept=accept) as heard:
            said = await heard.rest()

        assert name in said
        assert said.endswith(b"data:\n\n" if accept == EVENTS else b"\r\n--graphql--\r\n")
    assert "by stream" in str(await person.get("{ series(first: 10) { nodes { title } } }"))


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        (WATCH, {"id": []}, "BAD_USER_INPUT"),
        (WATCH, {"id": "job_" + "0" * 32}, "NOT_FOUND"),
        ("subscription { queues { name } }", {}, "NOT_ALLOWED"),
    ],
)
async def test_operation_that_cannot_run_says_why_and_is_complete(
    person: Person, query: str, variables: dict[str, Any], code: str
) -> None:
    async with subscribe(person, query, **variables) as heard:
        said = await heard.rest()
    async with subscribe(person, query, accept=MULTIPART, **variables) as parts:
        told = await parts.rest()

    (only,) = read_events(said)
    assert [error["extensions"]["code"] for error in only.pop("errors")] == [code]
    assert only == {}
    assert heard.status == parts.status == 200
    assert said.endswith(b"event: complete\ndata:\n\n")
    assert told.startswith(b'\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{"payload":{"errors":[')
    assert told.endswith(b"}\r\n--graphql--\r\n")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", b"GRAPHQL_PARSE_FAILED"),
        ("subscription { nothingOfTheKind }", b"GRAPHQL_VALIDATION_FAILED"),
        ("{" + " ".join(f"a{n}: __typename" for n in range(50)) + "}", b"DOCUMENT_TOO_COMPLEX"),
    ],
)
async def test_document_that_is_refused_is_told_so_in_a_stream(person: Person, query: str, code: bytes) -> None:
    async with subscribe(person, query) as heard:
        said = await heard.rest()
    async with subscribe(person, query, accept="multipart/mixed") as parts:
        told = await parts.rest()

    assert (heard.status, heard.response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert re.fullmatch(rb'retry: \d+\n\nevent: next\ndata: {"errors":\[.*\]}\n\nevent: complete\ndata:\n\n', said)
    assert (parts.status, parts.response.headers["content-type"].split(";")[0]) == (200, "multipart/mixed")
    assert told.endswith(b"]}}\r\n--graphql--\r\n")
    assert b'"code":"%b"' % code in said
    assert b'"code":"%b"' % code in told


@pytest.mark.parametrize("token", ["x", ""])
async def test_stream_is_refused_by_a_status_when_it_is_not_asked_for_as_it_should_be(
    studio: Studio, token: str
) -> None:
    async with listen(studio.client, "POST", "/graphql", token, json={"query": OWN_JOBS if token else 1}) as heard:
        answer = orjson.loads(await heard.rest())

    assert heard.status == (401 if token else 400)
    assert answer["errors"][0]["extensions"]["code"] == ("TOKEN_INVALID" if token else "BAD_REQUEST")


async def test_stranger_hears_nothing_of_a_job(studio: Studio, resources: Resources, person: Person) -> None:
    job, stranger = await make_waiting_job(person), await studio.make_user()
    async with subscribe(stranger, STATE, id=write_id("job", job.id)) as heard:
        (only,) = read_events(await heard.rest())

    assert [error["extensions"]["code"] for error in only["errors"]] == ["NOT_FOUND"]


async def make_token(resources: Resources, person: Person, seconds: int) -> str:
    """An access token of this person that ends so soon."""
    user = await User.get(id=read_id("user", person.id))
    return write_access_token(user, uuid4(), secret=resources.settings.secret, seconds=seconds)[0]


async def test_event_stream_is_cut_when_its_token_ends(resources: Resources, person: Person) -> None:
    person.token = await make_token(resources, person, 2)
    async with subscribe(person, OWN_JOBS) as heard:
        assert (await heard.is_cut_after()).endswith(b": TOKEN_EXPIRED\n\n")


async def test_multipart_says_that_its_token_has_ended(resources: Resources, person: Person) -> None:
    person.token = await make_token(resources, person, 2)
    async with subscribe(person, OWN_JOBS, accept=MULTIPART) as heard:
        said = await heard.rest()

    assert said.endswith(
        b'\r\nContent-Type: application/json\r\n\r\n{"payload":null,"errors":[{"message":"The access token has expired;'
        b' refresh the session.","extensions":{"code":"TOKEN_EXPIRED"}}]}\r\n--graphql--\r\n'
    )


async def test_log_out_ends_the_streams_of_the_session_and_no_others(studio: Studio, person: Person) -> None:
    again = await log_in_again(studio, person)
    async with subscribe(person, OWN_JOBS) as leaving, subscribe(again, OWN_JOBS) as staying:
        await leaving.up_to(b"\n\n")
        await staying.up_to(b"\n\n")
        await person.get("mutation { logOut { __typename } }")

        assert (await leaving.is_cut_after()).endswith(b": SESSION_ENDED\n\n")
        job_id = (await again.create_track())["job"]["id"]
        await staying.up_to(job_id.encode())


async def log_in_again(studio: Studio, person: Person) -> Person:
    query = """mutation ($input: LogInInput!) { logIn(input: $input) {
      ... on Session { accessToken refreshToken } } }"""
    given = {"email": person.email, "password": "correct horse battery"}
    session = (await studio.ask(query, input=given))["data"]["logIn"]
    return Person(studio, person.id, person.email, session["accessToken"], session["refreshToken"])


async def test_streams_that_are_cut_leave_nothing_behind(resources: Resources, studio: Studio, person: Person) -> None:
    job = await make_waiting_job(person)
    async with redis.Redis.from_url(studio.settings.redis_url) as valkey:
        for _ in range(CUTS // 50):
            await asyncio.gather(*[watch_and_leave(person, job) for _ in range(50)])

        async def is_clean() -> bool:
            topics = events.job_topics(job.id, job.user_id)
            listeners = [count for _, count in await valkey.pubsub_numsub(*topics)]
            return listeners == [0, 0] and set((await read_gauges(studio)).values()) == {0}

        await until(is_clean, "nobody watches the job and no stream is counted", 15)


async def watch_and_leave(person: Person, job: jobs.Job) -> None:
    """Watch a job, then go away without a word."""
    async with subscribe(person, STATE, id=write_id("job", job.id)) as heard:
        await heard.up_to(b"QUEUED")


async def test_web_process_that_stops_sends_its_streams_elsewhere(studio: Studio, person: Person) -> None:
    port = free_port()
    web = await studio.start_web(port)
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(subscribe(person, OWN_JOBS, accept=accept, port=port))
            for accept in [EVENTS] * 10 + [MULTIPART] * 10
        ]
        web.send(signal.SIGTERM)
        began = asyncio.get_running_loop().time()
        last_words = await asyncio.gather(*[hear_the_end(each) for each in streams])

    assert {said.rsplit(b"\n", 3)[-3] for said, _ in last_words[:10]} == {b": RESTARTING"}
    assert all(b'"code":"RESTARTING"' in said and said.endswith(b"--\r\n") for said, _ in last_words[10:])
    moments = [moment - began for _, moment in last_words]
    assert max(moments) - min(moments) > 0.5  # in waves
    assert max(moments) < DRAIN_WAVE_SECONDS + 1
    assert await asyncio.to_thread(web.child.wait, 10) == 0
    assert "error" not in web.log.read_text().lower()


async def test_mutation_on_a_stream_is_finished_by_a_process_that_stops(
    studio: Studio, resources: Resources, person: Person
) -> None:
    port = free_port()
    web = await studio.start_web(port)
    mutation = 'mutation { createSeries(input: {title: "at last"}) { ... on SeriesCreated { series { title } } } }'
    async with AsyncExitStack() as stack:
        transaction = await stack.enter_async_context(in_transaction())
        await transaction.execute_query("LOCK TABLE series IN EXCLUSIVE MODE")
        heard = await stack.enter_async_context(subscribe(person, mutation, port=port))
        web.send(signal.SIGTERM)

        async def has_drained() -> bool:
            with suppress(httpx.TransportError):
                await studio.client.get(f"http://127.0.0.1:{port}/healthz")
                return False
            return True

        await until(has_drained, "the process takes no more requests", DRAIN_WAVE_SECONDS + 5)
        await transaction.rollback()
        assert b"at last" in await heard.rest()
    assert await asyncio.to_thread(web.child.wait, 10) == 0


async def hear_the_end(heard: Heard) -> tuple[bytes, float]:
    """The last words of a stream, and when they came."""
    is_event_stream = heard.response.headers["content-type"].startswith(EVENTS)
    said = await (heard.is_cut_after() if is_event_stream else heard.rest())
    return said, asyncio.get_running_loop().time()


async def test_process_that_drains_opens_no_stream(studio: Studio, person: Person) -> None:
    port = free_port()
    web = await studio.start_web(port)
    async with subscribe(person, OWN_JOBS, port=port) as heard:
        await heard.up_to(b"\n\n")
        web.send(signal.SIGTERM)
        await web.wait_for("")

        async def is_refused() -> bool:
            async with subscribe(person, OWN_JOBS, port=port) as late:
                if late.status == 200:
                    return False
                answer = orjson.loads(await late.rest())
            assert (late.status, late.response.headers["retry-after"]) == (503, "2")
            return bool(answer["errors"][0]["extensions"]["code"] == "RESTARTING")

        await until(is_refused, "a new stream is refused", 3)
    await asyncio.to_thread(web.child.wait, 10)


async def test_one_person_may_open_so_many_streams_and_no_more(studio: Studio, person: Person) -> None:
    neighbour = await studio.make_user()
    async with AsyncExitStack() as stack, httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as client:
        given, url = {"json": {"query": OWN_JOBS}}, f"{studio.url}/graphql"
        opening = [
            stack.enter_async_context(listen(client, "POST", url, person.token, **given))
            for _ in range(MAX_STREAMS_OF_ONE)
        ]
        assert {heard.status for heard in [await one for one in opening]} == {200}

        async with listen(client, "POST", url, person.token, **given) as refused:
            answer = orjson.loads(await refused.rest())
        assert refused.status == 429
        assert refused.response.headers["retry-after"] == "2"
        assert answer["errors"][0]["extensions"]["code"] == "TOO_MANY_STREAMS"
        async with subscribe(neighbour, OWN_JOBS) as heard:
            assert heard.status == 200

    async def has_room() -> bool:
        async with subscribe(person, OWN_JOBS) as heard:
            return heard.status == 200

    await until(has_room, "there is room again", 5)
