"""Links of Spotify: which are taken, what is told of a song, and how its absence, its haste and its silence look."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jobs.songs.links import read_track_link
from jobs.songs.spotify import Spotify
from server.errors import FeatureOff, NotFound, RateLimited, SourceUnavailable, ValidationFailed
from server.settings import Settings, problems_of
from tests.fakes.spotify import (
    CLIENT_ID,
    CLIENT_SECRET,
    TRACK,
    TRACK_ID,
    Answer,
    FakeSpotify,
    running_spotify,
    tell_error,
)
from tests.studio import Person, Studio, free_port

LOOK_UP = """mutation ($url: String!) { lookUpSong(input: {url: $url}) { __typename
  ... on SongFound { song {
    title artists album coverUrl durationSeconds isrc releaseDate isExplicit url } }
  ... on ValidationFailed { fields { field message } } ... on Failure { code message } } }"""
PAGE = f"https://open.spotify.com/track/{TRACK_ID}"


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeSpotify]:
    async with running_spotify() as running:
        yield running


def make_client(fake: FakeSpotify, **given: Any) -> Spotify:
    known = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "api_url": fake.url, "accounts_url": fake.url}
    return Spotify(**known | given)


@pytest_asyncio.fixture
async def spotify(fake: FakeSpotify) -> AsyncIterator[Spotify]:
    client = make_client(fake)
    yield client
    await client.close()


@pytest.mark.parametrize(
    "link",
    [
        PAGE,
        f"{PAGE}?si=0123456789abcdef&utm_source=copy-link",
        f"{PAGE}/#top",
        f"https://open.spotify.com/intl-de/track/{TRACK_ID}?si=1",
        f"https://open.spotify.com/intl-pt-BR/track/{TRACK_ID}",
        f"https://open.spotify.com/embed/track/{TRACK_ID}",
        f"http://OPEN.spotify.com/track/{TRACK_ID}",
        f"  open.spotify.com/track/{TRACK_ID}\n",
        f"spotify:track:{TRACK_ID}",
    ],
)
def test_link_to_a_track_is_read_in_every_form(link: str) -> None:
    assert read_track_link(link) == TRACK_ID


@pytest.mark.parametrize(
    ("link", "told"),
    [
        (f"https://open.spotify.com/album/{TRACK_ID}", "another kind: album"),
        (f"https://open.spotify.com/intl-fr/playlist/{TRACK_ID}", "another kind: playlist"),
        (f"spotify:album:{TRACK_ID}", "another kind: album"),
        ("https://spotify.link/abcdef", "short link"),
        ("https://open.spotify.com/track/short", "22 letters"),
        ("https://open.spotify.com/track/..%2F..%2Fme%2Fplayer0000", "22 letters"),
        (f"https://open.spotify.com.evil.example/track/{TRACK_ID}", "one track"),
        (f"https://user@open.spotify.com/track/{TRACK_ID}", "one track"),
        (f"http://169.254.169.254/track/{TRACK_ID}", "one track"),
        (f"https://open.spotify.com/track/{TRACK_ID}/../../me", "one track"),
        ("", "one track"),
        ("spotify:", "one track"),
        (f"{PAGE}?{'x' * 600}", "At most 500"),
    ],
)
def test_link_to_anything_else_is_refused_with_what_to_do(link: str, told: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_track_link(link)
    assert told in refused.value.fields["url"]


async def test_song_is_told_once_and_then_remembered(fake: FakeSpotify, spotify: Spotify) -> None:
    first = await spotify.look_up(TRACK_ID)
    assert await spotify.look_up(TRACK_ID) == first
    assert (first.title, first.artists, first.isrc) == (TRACK["name"], ("Carly Rae Jepsen",), "USUM71703861")
    assert fake.asked == ["POST /api/token", f"GET /v1/tracks/{TRACK_ID}"]


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"album": None, "artists": None, "external_ids": None},
        {"name": 7, "artists": [None, {"name": ""}], "album": [], "duration_ms": "long", "explicit": "no"},
        {"album": {"images": [{"url": "javascript:alert(1)"}, None]}, "duration_ms": -1, "external_ids": {"isrc": {}}},
    ],
)
async def test_every_part_of_an_answer_may_be_missing_or_odd(fake: FakeSpotify, spotify: Spotify, told: Any) -> None:
    fake.tracks[TRACK_ID] = told
    song = await spotify.look_up(TRACK_ID)
    assert (song.url, song.artists) == (PAGE, ())
    rest = (song.title, song.album, song.cover_url, song.duration_seconds, song.isrc, song.release_date)
    assert (*rest, song.is_explicit) == (None,) * 7


async def test_token_serves_many_and_is_asked_for_once(fake: FakeSpotify, spotify: Spotify) -> None:
    ids = [f"{number:022d}" for number in range(5)]
    fake.tracks |= {one: TRACK | {"name": one} for one in ids}
    songs = await asyncio.gather(*map(spotify.look_up, ids))
    assert [song.title for song in songs] == ids
    assert fake.asked.count("POST /api/token") == 1


async def test_token_is_renewed_before_it_runs_out_and_when_it_is_refused(fake: FakeSpotify) -> None:
    fake.token_seconds = 0
    client = make_client(fake)
    fake.tracks |= {"A" * 22: TRACK, "B" * 22: TRACK, "C" * 22: TRACK}
    await client.look_up("A" * 22)
    fake.token_seconds = 3600
    await client.look_up("B" * 22)
    assert len(fake.given_tokens) == 2
    fake.revoke()
    await client.look_up("C" * 22)
    assert len(fake.given_tokens) == 3
    assert fake.asked[-3:] == [f"GET /v1/tracks/{'C' * 22}", "POST /api/token", f"GET /v1/tracks/{'C' * 22}"]
    await client.close()


async def test_track_that_is_not_there_is_not_found_and_no_outage(fake: FakeSpotify, spotify: Spotify) -> None:
    for _ in range(6):
        with pytest.raises(NotFound):
            await spotify.look_up("Z" * 22)
    assert (await spotify.look_up(TRACK_ID)).title == TRACK["name"]


async def test_haste_is_told_with_its_time_and_nobody_is_asked_meanwhile(fake: FakeSpotify, spotify: Spotify) -> None:
    fake.next_answers.append(tell_error(429, "API rate limit exceeded", Retry_After="25"))
    for _ in range(3):
        with pytest.raises(RateLimited) as refused:
            await spotify.look_up(TRACK_ID)
        assert 20 < refused.value.retry_after_seconds <= 25
    assert len(fake.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        tell_error(503, "Service unavailable"),
        Answer(502, b"<html>nginx</html>"),
        Answer(200, b"<html>sign in</html>"),
        Answer(200, []),
        Answer(200, b" " * (2 << 20)),
        Answer(302, b"", {"Location": "http://169.254.169.254/"}),
        Answer(200, None),
    ],
    ids=["503", "page of a proxy", "no JSON", "no object", "too long", "redirect", "silence"],
)
async def test_answers_of_no_use_are_a_failure_and_then_a_pause(fake: FakeSpotify, answer: Answer) -> None:
    client = make_client(fake, deadline_seconds=0.5)
    fake.next_answers.extend([answer] * 4)
    for _ in range(4):
        with pytest.raises(SourceUnavailable):
            await client.look_up(TRACK_ID)
    asked = len(fake.asked)
    with pytest.raises(SourceUnavailable) as refused:
        await client.look_up(TRACK_ID)
    assert 20 < refused.value.retry_after_seconds <= 30
    assert len(fake.asked) == asked == 5
    await client.close()


async def test_keys_that_spotify_refuses_switch_it_off_for_a_while(fake: FakeSpotify) -> None:
    client = make_client(fake, client_secret="wrong")
    for _ in range(3):
        with pytest.raises(FeatureOff, match="SPOTIFY_CLIENT_ID"):
            await client.look_up(TRACK_ID)
    assert fake.asked == ["POST /api/token"]
    await client.close()


@pytest.mark.parametrize("token", [{}, {"access_token": ""}, {"access_token": "a\r\nX-More: 1", "expires_in": 60}])
async def test_token_that_is_none_goes_nowhere(fake: FakeSpotify, spotify: Spotify, token: Any) -> None:
    fake.next_tokens.append(Answer(200, token))
    with pytest.raises(SourceUnavailable):
        await spotify.look_up(TRACK_ID)
    assert fake.asked == ["POST /api/token"]


async def test_client_learns_of_a_song_by_its_link(studio: Studio, person: Person, fake: FakeSpotify) -> None:
    port, keys = free_port(), {"SPOTIFY_CLIENT_ID": CLIENT_ID, "SPOTIFY_CLIENT_SECRET": CLIENT_SECRET}
    web = await studio.start_web(port, **keys, SPOTIFY_URL=fake.url, SPOTIFY_ACCOUNTS_URL=fake.url)

    async def ask(url: str, token: str | None = person.token) -> Any:
        answer = await studio.client.post(
            f"http://127.0.0.1:{port}/graphql",
            json={"query": LOOK_UP, "variables": {"url": url}},
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        return answer.json()

    assert (await ask(f"{PAGE}?si=1"))["data"]["lookUpSong"]["song"] == {
        "title": "Cut To The Feeling",
        "artists": ["Carly Rae Jepsen"],
        "album": "Cut To The Feeling",
        "coverUrl": "https://i.scdn.co/image/large",
        "durationSeconds": 207.959,
        "isrc": "USUM71703861",
        "releaseDate": "2017-05-26",
        "isExplicit": False,
        "url": PAGE,
    }
    refused = (await ask(f"https://open.spotify.com/album/{TRACK_ID}"))["data"]["lookUpSong"]
    assert (refused["__typename"], refused["fields"][0]["field"]) == ("ValidationFailed", "url")
    missing = (await ask(f"spotify:track:{'Z' * 22}"))["data"]["lookUpSong"]
    assert (missing["__typename"], missing["message"]) == ("NotFound", "Spotify knows no such track")
    assert (await ask(PAGE, token=None))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    fake.next_answers.append(tell_error(500, "Server error"))
    silent = (await ask(f"spotify:track:{'Y' * 22}"))["data"]["lookUpSong"]
    assert silent["code"] == "SOURCE_UNAVAILABLE"
    await asyncio.to_thread(web.stop)
    studio.processes.remove(web)


async def test_without_keys_it_is_off_and_says_which_settings_are_missing(person: Person) -> None:
    refused = (await person.get(LOOK_UP, url=PAGE))["lookUpSong"]
    assert (refused["__typename"], refused["code"]) == ("NotAllowed", "FEATURE_OFF")
    assert "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET" in refused["message"]


def test_half_of_the_keys_is_no_setting() -> None:
    for given in ({"spotify_client_id": "a"}, {"spotify_client_secret": "b"}):
        assert any("SPOTIFY_CLIENT_ID" in problem for problem in problems_of(Settings.model_validate(given)))
    both = {"spotify_client_id": "a", "spotify_client_secret": "b"}
    assert not any("SPOTIFY" in problem for problem in problems_of(Settings.model_validate(both)))
