"""Generated films whose clips outside providers make: side by side, once, with what went wrong told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from server.resources import Resources, open_resources
from tests.fakes.vendor import Plan, make_mp4
from tests.studio import Person, Studio, free_port, running_studio, until
from tests.tracks.outward import Vendors, open_vendors
from tests.videos.filming import CANCEL, RETRY, fetch, make_song, probe
from tests.videos.generating import finish, generate, regenerate, see, tell_sections, wait_for_sections

CLIP = make_mp4(320, 240, frames=100)
WHO = "{ musicProviders { name succeeded } }"


@pytest_asyncio.fixture(scope="module")
async def outward() -> AsyncIterator[Studio]:
    """A studio of its own, whose workers these tests start."""
    async with running_studio({"CREDITS_AT_SIGN_UP": "100"}) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def owner(outward: Studio) -> Person:
    return await outward.make_user()


@pytest_asyncio.fixture(scope="module")
async def rows(outward: Studio) -> AsyncIterator[Resources]:
    async with open_resources(outward.settings) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module")
async def song(outward: Studio, rows: Resources, owner: Person) -> str:
    """A song of two sections, made by the studio's first worker, which ends then."""
    track_id = await make_song(owner, 12)
    await tell_sections(track_id, "verse", "chorus")
    for process in [one for one in outward.processes if one.name == "worker"]:
        process.kill()
        outward.processes.remove(process)
    return track_id


@pytest_asyncio.fixture
async def vendors(outward: Studio, song: str) -> AsyncIterator[Vendors]:
    async with open_vendors(outward, Plan(video=CLIP), VIDEO_PROVIDER="fal") as opened:
        yield opened


async def test_clips_are_made_side_by_side_and_counted_as_no_music(vendors: Vendors, owner: Person, song: str) -> None:
    vendors.fal.may_answer.clear()
    port = free_port()
    await vendors.start(WORKER_METRICS_PORT=str(port))
    created = await generate(owner, song, prompt="paper boats")

    async def are_sent() -> bool:
        return len(vendors.fal.submits) == 2

    await until(are_sent, "both clips are asked for before either is answered")
    vendors.fal.may_answer.set()
    shown = await finish(owner, created)
    assert [one["provider"] for one in shown["sections"]] == ["fal", "fal"]
    assert all(one["model"] for one in shown["sections"])
    assert all(run.given["prompt"].startswith("paper boats. ") for run in vendors.fal.runs)
    assert probe(await fetch(vendors.studio, shown["film"]["url"]))["frames"] == 288
    counted = (await vendors.studio.client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert 'libretto_clip_outcomes_total{outcome="complete",provider="fal"} 2.0' in counted
    assert "libretto_music_outcomes_total{" not in counted


async def test_provider_that_fails_is_followed_by_the_next_and_that_is_told(
    vendors: Vendors, owner: Person, song: str
) -> None:
    vendors.fal.refuse_submit(503)
    await vendors.start()
    shown = await finish(owner, await generate(owner, song))
    assert sorted(one["provider"] for one in shown["sections"]) == ["fal", "replicate"]
    (fallen,) = [one for one in shown["sections"] if one["provider"] == "replicate"]
    assert "fal did not make it, so replicate was asked" in fallen["notes"]


async def test_refused_section_fails_the_film_with_its_reason_and_is_made_alone_of_other_words(
    vendors: Vendors, owner: Person, song: str
) -> None:
    vendors.fal.submit_answers.append(vendors.fal.moderated)
    await vendors.start()
    created = await generate(owner, song)
    failed = await finish(owner, created, "FAILED")
    (refused,) = [one for one in failed["sections"] if one["status"] == "FAILED"]
    (kept,) = [one for one in failed["sections"] if one["status"] == "COMPLETE"]
    assert failed["job"]["error"]["code"] == refused["job"]["error"]["code"]
    assert failed["job"]["error"]["message"].startswith(f"Section {refused['number']}, {refused['name']}: ")
    again = await regenerate(owner, created["video"]["id"], refused["number"], prompt="a quiet harbour")
    shown = await finish(owner, again)
    assert shown["sections"][kept["number"] - 1] == kept
    mended: Any = shown["sections"][refused["number"] - 1]
    assert (mended["status"], mended["provider"]) == ("COMPLETE", "fal")
    assert vendors.fal.runs[-1].given["prompt"].startswith("a quiet harbour. ")
    assert len(vendors.fal.runs) == 2


async def test_sections_that_failed_are_made_anew_beside_each_other_and_the_film_is_composed_once(
    vendors: Vendors, owner: Person, song: str
) -> None:
    vendors.fal.submit_answers += [vendors.fal.moderated] * 2
    await vendors.start()
    created = await generate(owner, song)
    failed = await finish(owner, created, "FAILED")
    assert failed["job"]["error"]["message"].endswith(" (other parts that are missing: 1)")
    vendors.fal.may_answer.clear()
    video_id = created["video"]["id"]
    first = await regenerate(owner, video_id, 1, prompt="a quiet harbour")
    assert (await regenerate(owner, video_id, 1))["code"] == "CONFLICT"
    wish = {"prompt": "a red kite", "idempotencyKey": "second"}
    second = await regenerate(owner, video_id, 2, **wish)
    assert second["__typename"] == "SectionRegenerated", second
    assert second["job"]["id"] == first["job"]["id"] != created["job"]["id"]
    assert (await regenerate(owner, video_id, 2, **wish))["job"]["id"] == first["job"]["id"]
    old_job = failed["sections"][1]["job"]["id"]
    assert (await owner.get(RETRY, id=old_job))["retryJob"]["code"] == "CONFLICT"
    vendors.fal.may_answer.set()
    shown = await finish(owner, first)
    assert [one["status"] for one in shown["sections"]] == ["COMPLETE", "COMPLETE"]
    assert sorted(run.given["prompt"][:8] for run in vendors.fal.runs) == ["a quiet ", "a red ki"]
    assert (await owner.job(created["job"]["id"]))["state"] == "FAILED"


async def test_killed_workers_clips_are_followed_and_the_film_is_made_once(
    vendors: Vendors, owner: Person, song: str
) -> None:
    vendors.fal.plan = Plan(video=CLIP, logs=("10%",), endless=True)
    worker = await vendors.start()
    created = await generate(owner, song)

    async def are_followed() -> bool:
        return len(vendors.fal.runs) == 2 and all(run.looks for run in vendors.fal.runs)

    await until(are_followed, "both clips are on their way")
    worker.kill()
    vendors.fal.plan.endless = False
    await vendors.start()
    shown = await finish(owner, created)
    assert len(vendors.fal.submits) == 2
    assert [one["job"]["attempt"] for one in shown["sections"]] == [2, 2]
    assert shown["job"]["id"] == created["job"]["id"]


async def test_cancelled_film_calls_its_clips_off(vendors: Vendors, owner: Person, song: str) -> None:
    vendors.fal.plan = Plan(video=CLIP, logs=("10%",), endless=True)
    await vendors.start()
    created = await generate(owner, song)
    await wait_for_sections(owner, created["video"]["id"], "RENDERING", 2)

    async def are_followed() -> bool:
        return len(vendors.fal.runs) == 2 and all(run.looks for run in vendors.fal.runs)

    await until(are_followed, "both clips are on their way")
    await owner.get(CANCEL, id=created["job"]["id"])

    async def are_called_off() -> bool:
        return all(run.cancelled for run in vendors.fal.runs)

    await until(are_called_off, "both are cancelled over there")
    shown = await see(owner, created["video"]["id"])
    assert [one["status"] for one in shown["sections"]] == ["CANCELLED", "CANCELLED"]
