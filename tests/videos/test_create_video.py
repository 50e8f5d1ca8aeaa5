"""A lyric video as a client meets it: asked for, rendered, downloaded with its words beside it; and what is refused."""

import asyncio
import re
from typing import Any

import av
import pytest
import pytest_asyncio

from jobs.engines.films.coders import list_codecs
from jobs.videos.codecs import KEY
from jobs.videos.songs import measure_levels
from server.resources import Resources
from storage import database, presence, webhooks
from storage.events import get_client
from storage.rows import new_id, read_id
from storage.webhooks import Webhook, WebhookDelivery, WebhookKind
from tests.studio import Person, Studio, until
from tests.videos.filming import (
    DELETE,
    LIST,
    READ,
    blobs_of,
    create,
    fetch,
    film,
    make_song,
    probe,
    read,
    sing_song,
)

REFUSED = "sieg heil"
HOSTILE = r"""{\an8}<b>[in]drawtext=text='x':x=1,%{pts}</b> ../../etc/passwd"""


@pytest_asyncio.fixture(scope="module")
async def singer(studio: Studio) -> Person:
    """Somebody with two songs, which are made once."""
    return await studio.make_user()


@pytest_asyncio.fixture(scope="module")
async def song(singer: Person) -> str:
    return await sing_song(singer)


@pytest_asyncio.fixture(scope="module")
async def tune(singer: Person) -> str:
    """One without words."""
    return await make_song(singer)


async def count_videos(track_id: str) -> int:
    rows = await database.fetch("SELECT count(*) AS n FROM videos WHERE track_id = $1", read_id("track", track_id))
    count: int = rows[0]["n"]
    return count


async def test_lyric_video_is_rendered_and_downloaded_with_its_words(
    studio: Studio, resources: Resources, singer: Person, song: str
) -> None:
    before = await singer.credits()
    made = await film(singer, song, lyric={"artist": "The Boats", "framesPerSecond": 24, "title": "Rain"})
    assert (made["kind"], made["status"], made["aspect"], made["theme"]) == ("LYRIC", "COMPLETE", "SQUARE", "KARAOKE")
    assert (made["job"]["kind"], made["job"]["queue"], made["track"]["id"]) == ("videos.render", "media", song)
    assert (made["notes"], made["logUrl"], made["previewFrame"], made["isExpired"]) == ([], None, None, False)
    answer = await studio.client.get(made["film"]["url"])
    assert (answer.headers["content-type"], len(answer.content)) == ("video/mp4", made["film"]["sizeBytes"])
    assert answer.headers["content-disposition"] == 'attachment; filename="Rain.mp4"'
    told = probe(answer.content)
    assert (told["size"], told["codecs"]) == ((1080, 1080), ("h264", "aac"))
    assert told["frames"] == round(made["durationSeconds"] * 24)
    assert (await fetch(studio, made["poster"]["url"]))[:3] == b"\xff\xd8\xff"
    part = await studio.client.get(made["film"]["url"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, answer.content[100:200])
    assert await singer.credits() == before
    assert await blobs_of(resources, made["id"]) >= {"film.mp4", "poster.jpg", "words.vtt", "words.srt", "words.lrc"}

    async def is_tidy() -> bool:
        return not [name for name in await blobs_of(resources, made["id"]) if re.match(r"frame|segment.*mp4", name)]

    await until(is_tidy, "what the film was joined from is gone")


async def test_words_beside_the_film_are_those_that_are_sung_later_by_what_was_asked(
    studio: Studio, singer: Person, song: str
) -> None:
    exact = await singer.get(
        "query ($id: ID!) { track(id: $id) { timedLyrics { lines { text startSeconds } } } }", id=song
    )
    lines = exact["track"]["timedLyrics"]["lines"]
    made = await film(singer, song, lyric={"offsetMs": 500, "theme": "MINIMAL", "framesPerSecond": 24})
    files = {one["format"]: (await fetch(studio, one["url"])).decode() for one in made["captions"]}
    assert [one["mimeType"] for one in made["captions"]] == ["text/vtt", "application/x-subrip", "text/x-lrc"]
    assert files["VTT"].startswith("WEBVTT")
    start = lines[0]["startSeconds"] + 0.5
    assert f"00:00:{start:06.3f}".replace(".", ",") in files["SRT"]
    assert all(line["text"] in files["SRT"] for line in lines)
    assert "[ti:" in files["LRC"]


async def test_song_without_words_is_filmed_by_its_sound_or_its_cover_and_nothing_else(
    studio: Studio, resources: Resources, singer: Person, tune: str
) -> None:
    refused = await create(singer, tune, lyric={"theme": "POP"})
    assert refused["code"] == "CONFLICT"
    assert "alignLyrics" in refused["message"]
    assert await count_videos(tune) == 0
    made = await film(singer, tune, lyric={"framesPerSecond": 24})
    assert (made["theme"], made["captions"]) == ("WAVEFORM", [])
    covered = await film(singer, tune, aspect="PORTRAIT", lyric={"theme": "COVER", "framesPerSecond": 24})
    assert (covered["status"], covered["width"], covered["height"]) == ("COMPLETE", 1080, 1920)
    assert probe(await fetch(studio, covered["film"]["url"]))["size"] == (1080, 1920)


async def test_hostile_title_is_shown_literally_and_saves_under_a_harmless_name(
    studio: Studio, singer: Person, tune: str
) -> None:
    made = await film(singer, tune, lyric={"title": HOSTILE, "framesPerSecond": 24})
    assert (made["title"], made["status"]) == (HOSTILE, "COMPLETE")
    answer = await studio.client.head(made["film"]["url"])
    saved = answer.headers["content-disposition"]
    assert "/" not in saved.replace("UTF-8''", "")
    assert saved.startswith("attachment; ")


async def test_title_that_no_font_can_write_is_told(singer: Person, tune: str) -> None:
    made = await film(singer, tune, lyric={"title": "\U00012000\U00012001", "framesPerSecond": 24})
    assert made["notes"] == ["The title is not shown, since none of the fonts has its script"]


@pytest.mark.skipif(
    "h264_nvenc" in list_codecs() or "h264_nvenc" not in av.codecs_available,
    reason="this machine has that hardware, or an FFmpeg that knows nothing of it",
)
async def test_codec_that_no_worker_has_is_refused_and_says_what_there_is(
    resources: Resources, singer: Person, tune: str
) -> None:
    async def is_told() -> bool:
        return bool(await presence.listen(KEY))

    await until(is_told, "the worker has told what it can", seconds=60)
    before = await count_videos(tune)
    refused = await create(singer, tune, lyric={"codec": "H264_NVENC"})
    assert (refused["__typename"], refused["code"]) == ("Conflict", "CODEC_MISSING")
    assert "No worker of this studio can encode h264_nvenc; there are h264, " in refused["message"]
    assert await count_videos(tune) == before
    await presence.tell(KEY, "another machine", ["h264", "h264_nvenc"])
    try:
        created = await create(singer, tune, lyric={"codec": "H264_NVENC"})
    finally:
        await get_client().hdel(KEY, "another machine")
    failed = await singer.wait_until(created["job"]["id"], "FAILED", "COMPLETE")
    assert failed["error"]["code"] == "CODEC_MISSING"
    assert "h264_nvenc does not open on this machine; there are h264, " in failed["error"]["message"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"lyric": {"framesPerSecond": 23}}, "lyric.framesPerSecond"),
        ({"lyric": {"framesPerSecond": 0}}, "lyric.framesPerSecond"),
        ({"lyric": {"framesPerSecond": 2**31 - 1}}, "lyric.framesPerSecond"),
        ({"lyric": {"offsetMs": 60_001}}, "lyric.offsetMs"),
        ({"lyric": {"offsetMs": -(2**31)}}, "lyric.offsetMs"),
        ({"lyric": {"title": "  "}}, "lyric.title"),
        ({"lyric": {"title": "\u200b\u2066"}}, "lyric.title"),
        ({"lyric": {"artist": "\u3164"}}, "lyric.artist"),
        ({"lyric": {"title": "x" * 121}}, "lyric.title"),
        ({"lyric": {"title": "a\x00b"}}, "lyric.title"),
        ({"lyric": {"artist": "x" * 121}}, "lyric.artist"),
        ({"lyric": {"artist": "\x00"}}, "lyric.artist"),
        ({"lyric": {"codec": "H264_VIDEOTOOLBOX"}}, "lyric.codec"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_wish_that_makes_no_film_is_refused_by_its_field(
    resources: Resources, singer: Person, tune: str, given: Any, field: str
) -> None:
    before = await count_videos(tune)
    refused = await create(singer, tune, **given)
    assert [one["field"] for one in refused["fields"]] == [field]
    assert await count_videos(tune) == before


@pytest.mark.parametrize(
    "given",
    [
        {"aspect": "CIRCLE"},
        {"lyric": {"theme": "NOIR"}},
        {"lyric": {"framesPerSecond": 29.97}},
        {"lyric": {"framesPerSecond": 1e308}},
        {"lyric": {"offsetMs": 2**40}},
    ],
)
async def test_what_the_schema_does_not_know_is_no_request(singer: Person, tune: str, given: Any) -> None:
    answer = await singer.ask(
        "mutation ($input: CreateVideoInput!) { createVideo(input: $input) { __typename } }",
        input={"trackId": tune, "lyric": {}} | given,
    )
    assert answer["errors"]


async def test_words_that_the_policy_forbids_are_not_written_on_a_film(
    resources: Resources, singer: Person, tune: str
) -> None:
    before = await count_videos(tune)
    for name in ("title", "artist"):
        refused = await create(singer, tune, lyric={name: REFUSED})
        assert (refused["__typename"], refused["code"]) == ("PolicyRejected", "POLICY_REJECTED")
    assert await count_videos(tune) == before


async def test_track_without_audio_is_waited_for(resources: Resources, person: Person) -> None:
    created = await person.create_track(durationSeconds=300)
    refused = await create(person, created["track"]["id"])
    assert refused["code"] == "CONFLICT"
    assert "wait" in refused["message"]
    await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])


async def test_key_that_is_used_again_gives_the_first_video(resources: Resources, singer: Person, tune: str) -> None:
    wish = {"lyric": {"framesPerSecond": 24}, "idempotencyKey": "once"}
    before = await count_videos(tune)
    created = await asyncio.gather(*(create(singer, tune, **wish) for _ in range(4)))
    assert len({one["video"]["id"] for one in created}) == 1
    assert await count_videos(tune) == before + 1
    assert (await create(singer, tune, **wish | {"aspect": "PORTRAIT"}))["code"] == "CONFLICT"
    video_id = created[0]["video"]["id"]
    assert (await singer.get(DELETE, id=video_id))["deleteVideo"]["code"] == "CONFLICT"
    await singer.wait_until(created[0]["job"]["id"], "COMPLETE")
    assert (await singer.get(DELETE, id=video_id))["deleteVideo"]["id"] == video_id
    assert (await create(singer, tune, **wish))["code"] == "CONFLICT"


async def test_webhooks_are_told_which_film_is_done(resources: Resources, singer: Person, tune: str) -> None:
    hook = Webhook(
        user_id=read_id("user", singer.id),
        kind=WebhookKind.STANDARD,
        shown_url="https://hooks.example/",
        sealed_url=b"sealed",
        sealed_secret=b"sealed",
        events=["job.completed"],
    )
    await webhooks.write_webhook(hook)
    made = await film(singer, tune, lyric={"framesPerSecond": 24})
    (told,) = await WebhookDelivery.filter(webhook_id=hook.id)
    facts = {name: told.facts[name] for name in ("kind", "videoId", "trackId")}
    assert facts == {"kind": "videos.render", "videoId": made["id"], "trackId": tune}


def test_levels_are_those_of_the_waveform() -> None:
    peaks = {"data": [-64, 32, 0, 0, -10, 128, -128, 0]}
    assert measure_levels(peaks, 2) == (0.25, 1.0)
    assert measure_levels(peaks, 8)[1::2] == (0.5, 0.0, 1.0, 1.0)
    assert measure_levels({"data": [0, 0, 0, 0]}, 3) == (0.0, 0.0, 0.0)


async def test_video_is_its_owners_and_admins_see_it(
    studio: Studio, resources: Resources, singer: Person, admin: Person, tune: str
) -> None:
    stranger = await studio.make_user()
    before = await count_videos(tune)
    for other in (stranger, admin):
        assert (await create(other, tune))["code"] == "NOT_FOUND"
    answer = await studio.ask(
        "mutation ($input: CreateVideoInput!) { createVideo(input: $input) { __typename } }",
        None,
        input={"trackId": tune, "lyric": {}},
    )
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await count_videos(tune) == before
    made = await film(singer, tune, lyric={"framesPerSecond": 24})
    for token in (None, stranger.token):
        assert (await studio.ask(READ, token, id=made["id"]))["errors"]
    assert (await read(admin, made["id"]))["id"] == made["id"]
    for other in (stranger, admin):
        assert (await other.get(DELETE, id=made["id"]))["deleteVideo"]["code"] == "NOT_FOUND"
        assert made["id"] not in [one["id"] for one in (await other.get(LIST, track=tune))["videos"]["nodes"]]
    assert made["id"] in [one["id"] for one in (await singer.get(LIST, track=tune))["videos"]["nodes"]]
    assert (await read(singer, made["id"]))["version"] == made["version"]
    for wrong in ("video_1", f"video_{new_id().hex}", tune):
        assert (await singer.get(DELETE, id=wrong))["deleteVideo"]["code"] == "NOT_FOUND"
