"""Moderation as clients meet it: what is refused costs and changes nothing, and the operator's own has its say."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jobs.moderation import Words
from jobs.moderation.remote import RemoteModerator
from server.errors import Unavailable
from server.settings import Settings, problems_of
from storage.rows import new_id
from tests.fakes.moderator import KEY, SECRET, Moderator, running_moderator
from tests.studio import Person, Studio, free_port

REFUSED = "a song in the style of Taylor Swift about rain"
CREATE = """mutation ($input: CreateTrackInput!) { createTrack(input: $input) { __typename
  ... on TrackCreated { track { id } } ... on PolicyRejected { reason suggestion policyUrl }
  ... on Failure { code message } } }"""
UPDATE = """mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) { __typename
  ... on TrackUpdated { track { title } } ... on PolicyRejected { reason suggestion policyUrl }
  ... on Failure { code } } }"""


@pytest_asyncio.fixture
async def moderator() -> AsyncIterator[Moderator]:
    async with running_moderator() as running:
        yield running


async def create(person: Person, **given: Any) -> Any:
    return (await person.get(CREATE, input={"prompt": "a calm evening", "durationSeconds": 5} | given))["createTrack"]


@pytest.mark.parametrize("given", [{"prompt": REFUSED}, {"lyrics": "sieg heil\nand more"}])
async def test_refused_wish_costs_and_writes_nothing(studio: Studio, person: Person, given: dict[str, str]) -> None:
    refused = await create(person, **given)
    assert (refused["__typename"], refused["code"]) == ("PolicyRejected", "POLICY_REJECTED")
    assert refused["policyUrl"] == f"{studio.url}/policy"
    assert await person.credits() == 1000
    assert (await person.get("{ tracks(first: 1) { nodes { id } } }"))["tracks"]["nodes"] == []
    assert (await person.get("{ jobs(first: 1) { nodes { id } } }"))["jobs"]["nodes"] == []


async def test_suggestion_can_be_sent_in_place_of_what_was_refused(person: Person) -> None:
    refused = await create(person, prompt=REFUSED, idempotencyKey="one")
    assert refused["reason"] == "IMPERSONATION"
    assert refused["suggestion"] == "a song in a bright, narrative country-pop style about rain"
    assert (await create(person, prompt=refused["suggestion"], idempotencyKey="one"))["__typename"] == "TrackCreated"


async def test_title_is_read_too_and_stays_as_it_was(person: Person) -> None:
    track_id = (await create(person))["track"]["id"]
    refused = (await person.get(UPDATE, input={"trackId": track_id, "title": "Death to all muslims"}))["updateTrack"]
    assert (refused["__typename"], refused["reason"]) == ("PolicyRejected", "VIOLENCE")
    kept = await person.get("query ($id: ID!) { track(id: $id) { title } }", id=track_id)
    assert kept["track"]["title"] == "A calm evening"


async def test_refused_wish_is_not_counted(studio: Studio) -> None:
    port = free_port()
    await studio.start_web(port, RATE_LIMIT_SCALE="0.2")  # one track a minute
    web = studio.processes[-1]
    person = await studio.make_user()

    async def send(prompt: str) -> Any:
        given = {"prompt": prompt, "durationSeconds": 5}
        answer = await studio.client.post(
            f"http://127.0.0.1:{port}/graphql",
            json={"query": CREATE, "variables": {"input": given}},
            headers={"Authorization": f"Bearer {person.token}"},
        )
        return answer.json()["data"]["createTrack"]["__typename"]

    assert [await send(REFUSED) for _ in range(3)] == ["PolicyRejected"] * 3
    assert [await send("calm"), await send("calm"), await send(REFUSED)] == [
        "TrackCreated",
        "RateLimited",
        "PolicyRejected",
    ]
    web.stop()
    studio.processes.remove(web)


async def test_own_moderator_is_asked_by_a_signed_request(moderator: Moderator) -> None:
    asking, user_id = RemoteModerator(moderator.url, KEY, must_answer=True), new_id()
    assert await asking.find_rejection(Words("track", prompt="calm", lyrics="la"), user_id) is None
    assert await asking.find_rejection(Words("title", title="Calm"), user_id) is None
    first, second = moderator.asked
    assert moderator.problems == []
    assert (first["kind"], first["prompt"], first["lyrics"]) == ("track", "calm", "la")
    assert (second["kind"], second["title"]) == ("title", "Calm")
    assert first["user"] == second["user"]
    assert user_id.hex not in str(moderator.asked)
    await asking.close()


async def test_own_moderator_may_refuse_in_its_own_words(moderator: Moderator) -> None:
    moderator.answer = {"allowed": False, "reason": "BRAND", "suggestion": "a fizzy drink"}
    asking = RemoteModerator(moderator.url, KEY, must_answer=True)
    rejection = await asking.find_rejection(Words("track", prompt="a song about a brand"), new_id())
    assert rejection is not None
    assert (rejection.reason, rejection.suggestion) == ("BRAND", "a fizzy drink")
    await asking.close()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, None),
        (500, {"allowed": True}),
        (302, b""),
        (200, b"<html>"),
        (200, {"allowed": "yes"}),
        (200, []),
        (200, {"allowed": False, "reason": 7}),
        (200, b" " * 100_000),
    ],
)
async def test_moderator_that_says_neither_yes_nor_no_has_not_answered(
    moderator: Moderator, status: int, answer: Any
) -> None:
    moderator.status, moderator.answer = status, answer
    for must_answer in (True, False):
        asking = RemoteModerator(moderator.url, KEY, must_answer=must_answer, deadline_seconds=0.3)
        if must_answer:
            with pytest.raises(Unavailable):
                await asking.find_rejection(Words("track", prompt="calm"), new_id())
        else:
            assert await asking.find_rejection(Words("track", prompt="calm"), new_id()) is None
        await asking.close()


async def test_silent_moderator_makes_wishes_wait_and_first_answers_are_given_again(
    studio: Studio, person: Person, moderator: Moderator
) -> None:
    port = free_port()
    await studio.start_web(port, MODERATION_URL=moderator.url, MODERATION_SECRET=SECRET)
    web = studio.processes[-1]

    async def send(**given: Any) -> Any:
        answer = await studio.client.post(
            f"http://127.0.0.1:{port}/graphql",
            json={"query": CREATE, "variables": {"input": {"prompt": "calm", "durationSeconds": 5} | given}},
            headers={"Authorization": f"Bearer {person.token}"},
        )
        return answer.status_code, answer.json()

    status, made = await send(idempotencyKey="once")
    assert (status, moderator.problems, len(moderator.asked)) == (200, [], 1)
    moderator.answer = {"allowed": False, "reason": "BRAND"}
    assert (await send())[1]["data"]["createTrack"]["reason"] == "BRAND"
    assert (await send(idempotencyKey="once"))[1] == made
    assert (await send(prompt=REFUSED))[1]["data"]["createTrack"]["reason"] == "IMPERSONATION"
    asked = len(moderator.asked)
    assert asked == 3, "the rules come first, and whom they refuse is asked no further"
    moderator.answer = b"?"
    status, answer = await send(idempotencyKey="twice")
    assert (status, answer["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")
    assert (await send(idempotencyKey="once"))[1] == made
    assert await person.credits() == 999
    await asyncio.to_thread(web.stop)
    studio.processes.remove(web)


def test_settings_without_a_secret_are_refused() -> None:
    settings = Settings.model_validate({"moderation_url": "https://example.org", "moderation_secret": "short"})
    assert any("MODERATION_SECRET" in problem for problem in problems_of(settings))
    given = {"moderation_url": "https://example.org", "moderation_secret": SECRET}
    assert not any("MODERATION" in problem for problem in problems_of(Settings.model_validate(given)))
    assert any(
        "MODERATION_URL" in problem for problem in problems_of(Settings.model_validate({"moderation_url": "ftp:x"}))
    )
