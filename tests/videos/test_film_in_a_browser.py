"""Films in a real browser, on a page of another origin: as they are rendered, and whole with the words beside them."""

import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import pytest_asyncio

from tests.clients.node import HERE
from tests.clients.table import resting_worker
from tests.covers.chromium import Page, open_page
from tests.studio import Person, Studio, until
from tests.videos.filming import create, film, read, sing_song

SECONDS = 32  # of music: seven segments
THERE_SECONDS = 20  # of them when the page is opened: more than players stay behind the end of what grows
LINES = "query ($id: ID!) { track(id: $id) { timedLyrics { lines { text startSeconds endSeconds } } } }"
LYRIC = {"framesPerSecond": 24}
# What one has sought away from, the two frames before the first picture, and waiting for what is being rendered.
HARMLESS = {"aborted", "bufferSeekOverHole", "bufferStalledError"}
CLOCK_SECONDS = 0.125  # hls.js's clock begins as the first picture is decoded, two frames before it is shown


@pytest.fixture(scope="module")
def player() -> Iterator[str]:
    """Where somebody's page with a player is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=HERE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://player.test:{server.server_port}/player.html"
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A tab of a browser for which every name is this machine."""
    async with open_page(tmp_path_factory.mktemp("chromium"), "127.0.0.1") as opened:
        yield opened


@pytest_asyncio.fixture
async def tab(browser: Page, player: str) -> Page:
    await browser.open(player)
    return browser


@pytest_asyncio.fixture(scope="module")
async def singer(studio: Studio) -> Person:
    return await studio.make_user()


@pytest_asyncio.fixture(scope="module")
async def song(singer: Person) -> str:
    return await sing_song(singer, SECONDS)


async def watch_until(tab: Page, met: str, what: str, seconds: float = 60) -> Any:
    """What the page has seen, once this holds of it in its own words; no error that ends the playing is let pass."""

    async def is_met() -> Any:
        seen = await tab.ask("look()")
        assert not [one for one in seen["errors"] if one["fatal"]], seen
        return seen if await tab.ask(f"(({{ {', '.join(seen)} }}) => {met})(look())") else None

    return await until(is_met, f"{what}; {await tab.ask('look()')}", seconds)


async def test_film_is_played_from_its_beginning_while_it_is_rendered_and_to_its_end(
    studio: Studio, singer: Person, song: str, tab: Page
) -> None:
    created = await create(singer, song, lyric={"framesPerSecond": 60})  # which takes a while
    video_id = created["video"]["id"]

    async def can_be_streamed() -> Any:
        shown = await read(singer, video_id)
        return shown if shown["previewSeconds"] >= THERE_SECONDS else None

    shown = await until(can_be_streamed, "there is something to be played", 90)
    with resting_worker(studio):
        await tab.ask(f"stream({shown['previewUrl']!r})")
        early = await watch_until(tab, "at > 1 && frames > 10", "it plays what is there")
        assert early["at"] < 5
        assert (early["playlists"][-1]["live"], early["size"]) == (True, [1080, 1080])
        assert (await read(singer, video_id))["status"] == "RENDERING"
    await singer.wait_until(created["job"]["id"], "COMPLETE", seconds=120)
    whole = await watch_until(tab, "!playlists.at(-1).live", "it hears of the end")
    assert early["playlists"][-1]["segments"] < whole["playlists"][-1]["segments"] == 7

    await tab.ask("seek(31)")
    ended = await watch_until(tab, "hasEnded", "it plays to its end")
    assert ended["duration"] == pytest.approx(shown["durationSeconds"], abs=CLOCK_SECONDS)
    await tab.ask("seek(1)")
    back = await watch_until(tab, "at > 2 && !hasEnded", "it plays on from where one has gone back to")
    assert back["at"] < 5
    assert {one["details"] for one in back["errors"]} <= HARMLESS


async def test_finished_film_and_its_playlist_are_played_by_the_browser_alone_with_the_words_in_time(
    singer: Person, song: str, tab: Page
) -> None:
    made = await film(singer, song, lyric=LYRIC | {"offsetMs": 500})
    (words,) = [one["url"] for one in made["captions"] if one["format"] == "VTT"]
    await tab.ask(f"load({made['film']['url']!r}, {words!r})")
    seen = await watch_until(tab, "at > 0.5 && frames > 5", "it plays")
    assert (seen["size"], seen["errors"]) == ([1080, 1080], [])
    assert seen["duration"] == pytest.approx(made["durationSeconds"], abs=1 / 24)

    lines = (await singer.get(LINES, id=song))["track"]["timedLyrics"]["lines"]
    cues = await tab.ask("listCues()")
    assert [cue["text"] for cue in cues] == [line["text"] for line in lines]
    starts = [line["startSeconds"] + 0.5 for line in lines]
    assert [cue["start"] for cue in cues] == pytest.approx(starts, abs=0.001)
    assert all(cue["end"] >= line["endSeconds"] + 0.499 for cue, line in zip(cues, lines, strict=True))
    for cue in cues:
        await tab.ask(f"seek({(cue['start'] + cue['end']) / 2})")
        assert await tab.ask("[...video.textTracks[0].activeCues].map((cue) => cue.startTime)") == [cue["start"]]

    await tab.ask(f"load({made['previewUrl']!r})")
    await watch_until(tab, "at > 0.5 && at < 5 && duration > 30 && frames > 5", "it plays the playlist without hls.js")
    await tab.ask("seek(31)")
    await watch_until(tab, "hasEnded", "it plays the playlist to its end")
