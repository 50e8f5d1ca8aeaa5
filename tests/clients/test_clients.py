"""The clients that people use, each through the same questions: it gets what it asks for, its errors, and every end."""

import re

import pytest

from tests.clients.table import CLIENTS, connect, resting_worker
from tests.studio import WATCH, Person, Studio, until

SERIES = "query Named($first: Int!) { series(first: $first) { nodes { __typename title } pageInfo { hasNextPage } } }"
CREATE_SERIES = """mutation ($input: CreateSeriesInput!) { createSeries(input: $input) { __typename
  ... on SeriesCreated { series { title } } ... on Failure { code } ... on ValidationFailed { fields { field } } } }"""
OWN_JOBS = "subscription { viewerJobs { id state version } }"


@pytest.fixture(params=CLIENTS)
def name(request: pytest.FixtureRequest) -> str:
    """Each of the clients."""
    found: str = request.param
    return found


async def test_query_and_mutation_are_answered(studio: Studio, person: Person, name: str) -> None:
    async with connect(name, studio.url, person.token) as client:
        created = await client.ask(CREATE_SERIES, input={"title": f"by {name}"})
        page = await client.ask(SERIES, first=1)

    assert created["series"]["title"] == f"by {name}"
    assert [node["title"] for node in page["nodes"]] == [f"by {name}"]
    assert page["pageInfo"]["hasNextPage"]


async def test_mutation_that_is_refused_says_why_in_its_data(studio: Studio, person: Person, name: str) -> None:
    async with connect(name, studio.url, person.token) as client:
        refused = await client.ask(CREATE_SERIES, input={"title": ""})

    assert refused == {
        "__typename": "ValidationFailed",
        "code": "VALIDATION_FAILED",
        "fields": [{"field": "title"} | ({"__typename": "FieldProblem"} if "apollo" in name else {})],
    }


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ viewer { id } }", "UNAUTHENTICATED"),
        ("{ nothingOfTheKind }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($first: Int!) { series(first: $first) { nodes { id } } }", "BAD_USER_INPUT"),
        (OWN_JOBS, "UNAUTHENTICATED"),
        ("subscription { nothingOfTheKind }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_error_comes_with_its_code(studio: Studio, name: str, query: str, code: str) -> None:
    async with connect(name, studio.url) as client:
        (error,) = await client.fail(query)

    assert error["extensions"]["code"] == code
    assert error["message"]


async def test_job_is_shown_as_it_stands_and_then_until_its_end(studio: Studio, person: Person, name: str) -> None:
    async with connect(name, studio.url, person.token) as client:
        with resting_worker(studio):
            job = (await person.create_track())["job"]
            watch = await client.run(WATCH, id=job["id"])
            first = await watch.value()
        rest = await watch.rest()

    assert (first["id"], first["state"], first["version"]) == (job["id"], "QUEUED", job["version"])
    versions = [state["version"] for state in (first, *rest)]
    assert versions == sorted(set(versions))
    assert [state["state"] for state in rest].count("COMPLETE") == 1
    assert rest[-1]["state"] == "COMPLETE"


async def test_job_of_another_is_not_found(studio: Studio, person: Person, name: str) -> None:
    job_id = (await person.create_track())["job"]["id"]
    stranger = await studio.make_user()
    async with connect(name, studio.url, stranger.token) as client:
        (error,) = await client.fail(WATCH, id=job_id)

    assert error["extensions"]["code"] == "NOT_FOUND"


async def count_operations(studio: Studio) -> float:
    """What the web process counts of operations that go on."""
    (found,) = re.findall(
        r"^libretto_subscriptions_open (\S+)$", (await studio.client.get("/metrics")).text, re.MULTILINE
    )
    return float(found)


async def test_operation_that_the_client_ends_is_ended_at_the_server(studio: Studio, person: Person, name: str) -> None:
    async def is_idle() -> bool:
        return await count_operations(studio) == 0

    await until(is_idle, "what went before is over", 5)
    async with connect(name, studio.url, person.token) as client:
        with resting_worker(studio):
            job_id = (await person.create_track())["job"]["id"]
            watch = await client.run(WATCH, id=job_id)
            await watch.value()
            assert await count_operations(studio) == 1
            await watch.stop()
            await until(is_idle, "the operation is ended", 5)


async def test_urql_is_answered_in_json_though_it_would_take_a_stream(studio: Studio, person: Person) -> None:
    async with connect("urql", studio.url, person.token) as client:
        await client.ask(SERIES, first=1)
        await client.ask(CREATE_SERIES, input={"title": "by urql"})
        watch = await client.run(OWN_JOBS)
        await client.ask(SERIES, first=2)
        await watch.stop()

    plain = [note for note in client.notes if "application/json" in note["accept"]]
    assert len(plain) == 3
    for note in plain:
        assert "text/event-stream" in note["accept"]
        assert (note["status"], note["type"]) == (200, "application/graphql-response+json; charset=utf-8")
    assert client.count_notes(type="text/event-stream; charset=utf-8") == 1


async def test_apollo_watches_over_a_multipart_response(studio: Studio, person: Person) -> None:
    job_id = (await person.create_track())["job"]["id"]
    async with connect("apollo", studio.url, person.token) as client:
        states = await (await client.run(WATCH, id=job_id)).rest()

    assert states[-1]["state"] == "COMPLETE"
    (note,) = client.notes
    assert note["type"].startswith("multipart/mixed")
    assert "subscriptionSpec=1.0" in note["type"]


async def test_apollo_sends_a_document_once_and_then_its_hash(studio: Studio, person: Person) -> None:
    unheard_of = f"query Persisted_{person.id} {{ viewer {{ id }} }}"
    async with connect("apollo with persisted queries", studio.url, person.token) as client:
        seen = [(await client.ask(unheard_of))["id"] for _ in range(3)]

    assert seen == [person.id] * 3
    assert [note["method"] for note in client.notes] == ["GET", "POST", "GET", "GET"]
