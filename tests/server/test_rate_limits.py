"""Limits over HTTP: an answer that spends says what is left, a refusal when to come back; nothing goes blindly."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import psutil  # type: ignore[import-untyped]
import pytest_asyncio

from tests.studio import CREATE_TRACK, Person, Studio, running_studio

SERIES = """mutation { createSeries(input: {title: "S"}) { __typename
  ... on RateLimited { code retryAfterSeconds } } }"""
ALLOWANCES = "{ allowances { name limit seconds remaining resetsAt } }"
PLANS = "{ plans { plan limits { name limit seconds } creditsAtSignUp secondsPerCredit maxTrackSeconds } }"
LEFT = "{ viewer { credits } tracks(first: 10) { nodes { id } } creditEntries(first: 10) { nodes { kind } } }"


@pytest_asyncio.fixture(scope="module")
async def limited() -> AsyncIterator[Studio]:
    """A studio with its limits on."""
    async with running_studio({"RATE_LIMIT_SCALE": "1", "CREDITS_AT_SIGN_UP": "100"}) as running:
        running.processes.pop().kill()  # nobody need make what is asked for
        yield running


@pytest_asyncio.fixture
async def owner(limited: Studio) -> Person:
    return await limited.make_user()


async def post(person: Person, query: str, **variables: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.token}", "Origin": "http://localhost:3000"}
    given = {"query": query, "variables": variables}
    return await person.studio.client.post("/graphql", json=given, headers=headers)


async def test_answers_tell_what_is_left_until_nothing_is(owner: Person) -> None:
    wish = {"prompt": "a calm lofi evening", "durationSeconds": 5}
    for remaining in (4, 3, 2, 1, 0):
        answer = await post(owner, CREATE_TRACK, input=wish)
        assert answer.json()["data"]["createTrack"]["__typename"] == "TrackCreated"
        assert answer.headers["ratelimit-policy"] == '"tracks.create";q=5;w=60'
        name, left, seconds = answer.headers["ratelimit"].split(";")
        assert (name, left) == ('"tracks.create"', f"r={remaining}")
        assert 50 < int(seconds.removeprefix("t=")) <= 60
        assert "retry-after" not in answer.headers
    refused = await post(owner, CREATE_TRACK, input=wish)
    assert refused.json()["data"]["createTrack"]["code"] == "RATE_LIMITED"
    assert refused.headers["ratelimit"].startswith('"tracks.create";r=0;t=')
    assert refused.headers["ratelimit"].endswith(f"t={refused.headers['retry-after']}")
    assert {"RateLimit", "RateLimit-Policy"} <= set(refused.headers["access-control-expose-headers"].split(", "))


async def test_what_spends_nothing_has_no_such_headers(owner: Person) -> None:
    answer = await post(owner, ALLOWANCES)
    assert not {"ratelimit", "ratelimit-policy", "retry-after"} & set(answer.headers)


async def test_answer_that_is_given_again_does_not_say_to_come_back(owner: Person) -> None:
    wish = {"prompt": "a calm lofi evening", "durationSeconds": 5, "idempotencyKey": "once"}
    for _ in range(7):
        answer = await post(owner, CREATE_TRACK, input=wish)
        assert answer.json()["data"]["createTrack"]["__typename"] == "TrackCreated"
        assert "retry-after" not in answer.headers


async def test_client_can_ask_before_it_is_refused(owner: Person) -> None:
    await owner.get(SERIES)
    told = {one["name"]: one for one in (await owner.get(ALLOWANCES))["allowances"]}
    series = told["series.create"]
    assert (series["limit"], series["seconds"], series["remaining"]) == (10, 3600, 9)
    assert series["resetsAt"]
    assert (told["covers.save"]["remaining"], told["covers.save"]["resetsAt"]) == (30, None)
    (error,) = (await owner.studio.ask(ALLOWANCES))["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_plans_are_shown_to_whoever_chooses(limited: Studio) -> None:
    free, pro = (await limited.ask(PLANS))["data"]["plans"]
    limits = {one["name"]: one["limit"] for one in free["limits"]}
    of_both = {"analyses.request": 20, "covers.save": 30, "lyrics.align": 20, "series.create": 10}
    of_both |= {"songs.look_up": 30, "uploads.create": 60, "videos.create": 10, "webhooks.send": 10}
    of_both |= {"videos.generate": 5, "videos.regenerate": 30}
    assert (free["plan"], limits) == ("FREE", of_both | {"tracks.create": 5})
    limits = {one["name"]: one["limit"] for one in pro["limits"]}
    assert (pro["plan"], limits) == ("PRO", of_both | {"tracks.create": 20})
    assert (free["creditsAtSignUp"], free["secondsPerCredit"], free["maxTrackSeconds"]) == (100, 6, 600)


async def test_without_redis_nothing_is_charged_and_it_is_said_clearly(limited: Studio, owner: Person) -> None:
    valkey = psutil.Process(limited.services.valkey_pid)
    before = await owner.get(LEFT)
    valkey.kill()
    valkey.wait(10)
    try:
        answer = await post(owner, CREATE_TRACK, input={"prompt": "a calm lofi evening", "durationSeconds": 5})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "UNAVAILABLE"
        assert "cannot be counted" in error["message"]
        (error,) = (await owner.ask(ALLOWANCES))["errors"]
        assert error["extensions"]["code"] == "UNAVAILABLE"
        assert await owner.get(LEFT) == before
    finally:
        await asyncio.to_thread(limited.services.revive)
    answer = await post(owner, CREATE_TRACK, input={"prompt": "a calm lofi evening", "durationSeconds": 5})
    assert answer.json()["data"]["createTrack"]["__typename"] == "TrackCreated"
