"""Asking for generated films as a client does, of songs whose sections are short."""

from typing import Any

import orjson

from storage import database
from storage.rows import read_id
from tests.studio import Person, until
from tests.videos.filming import create

SECTIONS = """query ($id: ID!) { video(id: $id) { status version film { url } job { id state progress message error {
  code message } } sections { id number name startSeconds endSeconds prompt seed provider model notes status version
  clip { url } job { id kind queue state attempt error { code message } } } } }"""
REGENERATE = """mutation ($input: RegenerateSectionInput!) { regenerateSection(input: $input) { __typename
  ... on SectionRegenerated { video { id status version film { url } } job { id state } }
  ... on ValidationFailed { fields { field message } } ... on Failure { code message } } }"""
RATE = {"framesPerSecond": 24}


async def generate(person: Person, track_id: str, **given: Any) -> Any:
    """The answer to a wish for a film of clips that are made for it."""
    return await create(person, track_id, lyric=None, generated=RATE | given)


async def see(person: Person, video_id: str) -> Any:
    """A video and its sections."""
    return (await person.get(SECTIONS, id=video_id))["video"]


async def finish(person: Person, created: Any, *states: str) -> Any:
    """The same, once its job has ended so."""
    job = await person.wait_until(created["job"]["id"], "COMPLETE", "FAILED", "CANCELLED", seconds=240)
    assert job["state"] in (states or ("COMPLETE",)), job
    return await see(person, created["video"]["id"])


async def regenerate(person: Person, video_id: str, number: int, **given: Any) -> Any:
    wish = {"videoId": video_id, "number": number} | given
    return (await person.get(REGENERATE, input=wish))["regenerateSection"]


async def tell_sections(track_id: str, *names: str, seconds: float = 6.0) -> None:
    """Have a song known by sections of a test's choice, as long as each other."""
    sections = [
        {"name": name, "start_seconds": at * seconds, "end_seconds": (at + 1) * seconds}
        for at, name in enumerate(names)
    ]
    await database.fetch(
        "UPDATE tracks SET music = jsonb_set(music, '{sections}', $2) WHERE id = $1",
        read_id("track", track_id),
        orjson.dumps(sections).decode(),
    )


async def wait_for_sections(person: Person, video_id: str, state: str, count: int = 1) -> Any:
    """The video, once so many of its sections are in this state."""

    async def reached() -> Any:
        shown = await see(person, video_id)
        return shown if sum(one["status"] == state for one in shown["sections"]) >= count else None

    return await until(reached, f"{count} sections are {state}", seconds=120)
