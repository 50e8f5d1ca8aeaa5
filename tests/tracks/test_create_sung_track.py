"""Tracks with vocals, as a client asks for them and reads them."""

import subprocess
import sys
from typing import Any

import pytest

from server.doctor import machine
from server.doctor.findings import Level
from server.settings import Settings
from tests.studio import Person, Studio

SUNG = """query ($id: ID!) { track(id: $id) { id status hasVocals lyrics durationSeconds stems { name url } midi { url }
  vocals { kind words notes } timedLyrics { source lines { text startSeconds endSeconds
    words { text startSeconds endSeconds confidence } } } } }"""
LYRICS = "[verse]\nOver the water we go\n[chorus]\nSlowly, slowly home"
DOCTOR_WITHOUT = """
import asyncio, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "espeakng_loader":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from server.doctor import machine
from server.settings import Settings
async def main():
    async for found in machine.check_singing(Settings(_env_file=None)):
        print(found.level.name, found.text, found.advice)
asyncio.run(main())
"""


ALIGN = """mutation ($input: AlignLyricsInput!) { alignLyrics(input: $input) { __typename
  ... on Failure { code message } } }"""


async def finish(person: Person, **given: Any) -> Any:
    created = await person.create_track(**given)
    await person.wait_until(created["job"]["id"], "COMPLETE")
    return await read(person, created["track"]["id"])


async def read(person: Person, track_id: str) -> Any:
    return (await person.get(SUNG, id=track_id))["track"]


async def test_given_lyrics_are_sung_and_every_word_has_its_time(studio: Studio, person: Person) -> None:
    track = await finish(person, hasVocals=True, lyrics=LYRICS, durationSeconds=20)
    assert track["vocals"] == {"kind": "SUNG", "words": "GIVEN", "notes": []}
    assert [stem["name"] for stem in track["stems"]] == ["bass", "chords", "drums", "lead", "vocals"]
    vocals = next(stem["url"] for stem in track["stems"] if stem["name"] == "vocals")
    assert (await studio.client.get(vocals)).content[4:8] == b"ftyp"
    assert b"vocals" in (await studio.client.get(track["midi"]["url"])).content
    assert track["lyrics"] == LYRICS
    timed = track["timedLyrics"]
    assert timed["source"] == "COMPOSED"
    assert {line["text"] for line in timed["lines"]} == {"Over the water we go", "Slowly, slowly home"}
    for line in timed["lines"]:
        assert [word["text"] for word in line["words"]] == line["text"].split()
        assert line["startSeconds"] == line["words"][0]["startSeconds"] >= 0
        assert line["endSeconds"] == line["words"][-1]["endSeconds"] <= track["durationSeconds"]
        assert {word["confidence"] for word in line["words"]} == {1.0}


async def test_without_lyrics_the_words_that_are_sung_can_be_read(person: Person) -> None:
    track = await finish(person, hasVocals=True, durationSeconds=12)
    assert track["lyrics"] is None
    assert track["vocals"]["words"] == "WRITTEN"
    assert track["timedLyrics"]["lines"]


async def test_exact_times_do_not_give_way_to_found_ones_unless_that_is_asked_for(person: Person) -> None:
    track = await finish(person, hasVocals=True, lyrics=LYRICS, durationSeconds=20)
    refused = (await person.get(ALIGN, input={"trackId": track["id"]}))["alignLyrics"]
    assert (refused["code"], "exact times" in refused["message"]) == ("CONFLICT", True)
    assert (await read(person, track["id"]))["timedLyrics"] == track["timedLyrics"]
    other = {"trackId": track["id"], "text": "Other words"}
    for given in (other, {"trackId": track["id"], "replacesComposed": True}):
        assert (await person.get(ALIGN, input=given))["alignLyrics"]["code"] == "CONFLICT"
    assert (await read(person, track["id"]))["timedLyrics"] == track["timedLyrics"]
    asked = (await person.get(ALIGN, input=other | {"replacesComposed": True}))["alignLyrics"]
    assert asked["__typename"] == "LyricsRequested"


async def test_an_instrumental_track_has_nobody_who_sings(person: Person) -> None:
    track = await finish(person, lyrics=LYRICS)
    assert track["vocals"] == {"kind": "NONE", "words": None, "notes": []}
    assert track["timedLyrics"] is None
    assert "vocals" not in {stem["name"] for stem in track["stems"]}


async def test_before_it_is_made_nothing_is_said_of_its_voice(person: Person) -> None:
    created = await person.create_track(hasVocals=True, durationSeconds=600)
    track = await read(person, created["track"]["id"])
    await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])
    assert track["status"] != "COMPLETE"
    assert (track["vocals"], track["timedLyrics"]) == (None, None)


async def test_the_words_of_a_sung_track_are_its_owners(studio: Studio, person: Person) -> None:
    created = await person.create_track(hasVocals=True)
    await person.wait_until(created["job"]["id"], "COMPLETE")
    other = await studio.make_user()
    answer = await other.ask(SUNG, id=created["track"]["id"])
    assert answer["data"] == {"track": None}
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_the_doctor_is_content_where_words_can_be_sung() -> None:
    (found,) = [finding async for finding in machine.check_singing(Settings(_env_file=None))]
    assert found.level is Level.OK


async def test_the_words_of_a_page_of_songs_are_read_at_once_and_those_of_a_hundred_are_too_many(
    person: Person,
) -> None:
    page = "query ($first: Int!) { tracks(first: $first) { nodes { timedLyrics { lines { words { text } } } } } }"
    assert (await person.get(page, first=40))["tracks"]["nodes"] == []
    refused = await person.ask(page, first=100)
    assert refused["errors"][0]["extensions"]["code"] == "DOCUMENT_TOO_COMPLEX"


def test_the_doctor_says_what_brings_words_where_they_cannot_be_sung() -> None:
    without = subprocess.run([sys.executable, "-c", DOCTOR_WITHOUT], check=True, capture_output=True, text=True)
    assert without.stdout.startswith("WARN")
    assert "pip install espeakng-loader" in without.stdout


@pytest.mark.parametrize("lyrics", ["", "   \n", "❤ ❤"])
async def test_lyrics_without_words_are_no_error(person: Person, lyrics: str) -> None:
    track = await finish(person, hasVocals=True, lyrics=lyrics)
    assert track["vocals"]["words"] == "WRITTEN"
    assert bool(track["vocals"]["notes"]) == bool(lyrics.strip())
