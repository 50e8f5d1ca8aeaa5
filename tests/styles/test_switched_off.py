"""A studio that has switched the style system off: the look of the house, and what still works."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from jobs.engines.covers import palette
from jobs.engines.styles import HOUSE_SEED
from tests.studio import Person, Studio, running_studio

VIEWER = "{ viewer { styleSeed accentHue flourish style { id } unlocks { slug } } }"
TRACK = "query ($id: ID!) { track(id: $id) { seed unlocked cover { svgUrl } series { isDefault trackCount } } }"
CREATE = """mutation { createSeries(input: {title: "S"}) { __typename ... on Failure { code message } } }"""
CHOOSE = """mutation { chooseFlourish(input: {flourish: FRAME}) { __typename ... on Failure { code message } } }"""


@pytest_asyncio.fixture(scope="module")
async def plain() -> AsyncIterator[Studio]:
    """Its own services, web process and worker, none of them with a style."""
    flags = ("STYLE_SEED_ENABLED", "STYLE_UNLOCKS_ENABLED", "STYLE_SERIES_ENABLED")
    async with running_studio(dict.fromkeys(flags, "false")) as running:
        yield running


async def run(studio: Studio, *arguments: str) -> str:
    """What a command prints, which must not fail."""
    process = studio.spawn("command", *arguments)
    status = await asyncio.to_thread(process.child.wait, 60)
    studio.processes.remove(process)
    assert status == 0, process.log.read_text()
    return process.log.read_text()


@pytest_asyncio.fixture(scope="module")
async def somebody(plain: Studio) -> Person:
    return await plain.make_user()


async def test_account_has_the_look_of_the_house(somebody: Person) -> None:
    viewer = (await somebody.get(VIEWER))["viewer"]
    assert viewer == {"styleSeed": None, "accentHue": 262, "flourish": None, "style": None, "unlocks": []}


async def test_track_is_made_in_the_default_series_and_unlocks_nothing(plain: Studio, somebody: Person) -> None:
    created = await somebody.create_track()
    await somebody.wait_until(created["job"]["id"], "COMPLETE")
    track = (await somebody.get(TRACK, id=created["track"]["id"]))["track"]
    assert track["unlocked"] == []
    assert track["series"] == {"isDefault": True, "trackCount": 1}
    drawing = (await plain.client.get(track["cover"]["svgUrl"])).text
    colours = palette(HOUSE_SEED, dark=True)
    house = {colours.ground, colours.text, colours.accent, *colours.figures}
    assert set(re.findall(r"#[0-9a-f]{6}", drawing)) <= house


@pytest.mark.parametrize("mutation", [CREATE, CHOOSE])
async def test_what_is_off_says_so(somebody: Person, mutation: str) -> None:
    (refused,) = (await somebody.get(mutation)).values()
    assert (refused["__typename"], refused["code"]) == ("NotAllowed", "FEATURE_OFF")
    assert "studio" in refused["message"]


async def test_own_tokens_are_none(plain: Studio, somebody: Person) -> None:
    headers = {"Authorization": f"Bearer {somebody.token}"}
    answer = await plain.client.get("/tokens.json?style=me", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_command_gives_seeds_to_those_without(plain: Studio) -> None:
    late = await plain.make_user()
    assert (await late.get(VIEWER))["viewer"]["styleSeed"] is None
    assert "accounts lack" in await run(plain, "users", "backfill-style-seeds", "--dry-run")
    assert (await late.get(VIEWER))["viewer"]["styleSeed"] is None
    assert "given" in await run(plain, "users", "backfill-style-seeds")
    viewer = (await late.get(VIEWER))["viewer"]
    assert viewer["styleSeed"] is not None
    assert viewer["style"] is not None
    assert "0 accounts" in await run(plain, "users", "backfill-style-seeds")
    assert (await late.get(VIEWER))["viewer"] == viewer
