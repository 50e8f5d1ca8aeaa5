"""The public pages over a real socket, with real rows and files behind them."""

import base64
import hashlib
import io
import json
import re
import secrets
import wave
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from starlette.requests import Request

from jobs.formats.peaks import write_peaks
from server.pages import palette
from server.pages.answers import Page, show
from server.pages.markup import Markup
from server.pages.oembed import read_slug
from server.resources import Resources
from storage import tracks, users
from storage.assets import Asset
from storage.covers import Drawing, keep_cover
from storage.lifecycle import State
from storage.rows import new_id
from storage.tracks import Track
from tests.studio import Studio

SECONDS = 4.0
RATE = 8000
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="#375"/></svg>'
MUSIC = {
    "tempo_bpm": 96.0,
    "key": "F#",
    "mode": "minor",
    "sections": [
        {"name": "intro", "start_seconds": 0.0, "end_seconds": 1.5},
        {"name": "chorus", "start_seconds": 1.5, "end_seconds": 4.0},
    ],
}
HOSTILE = "</title><script>alert(1)</script>\" onload='x' $title \u202etxt.exe\u2066\x07 \u2028 &amp;"
ALL_PATHS = (
    "/",
    "/policy",
    "/robots.txt",
    "/share/{slug}",
    "/embed/{slug}",
    "/share/{slug}/audio",
    "/oembed?url={url}",
    "/share/none",
)


class Reader(HTMLParser):
    """A page as a browser or a scraper takes it apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in self._open[-1:]:
            self.texts.setdefault(tag, []).append(data)

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of each such tag."""
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]

    @property
    def meta(self) -> dict[str, str]:
        """What is said about the page, by name or property."""
        known = [attrs for attrs in self.all("meta") if "content" in attrs]
        return {attrs.get("property") or attrs.get("name", ""): attrs["content"] for attrs in known}

    @property
    def record(self) -> dict[str, Any]:
        """The page's JSON-LD."""
        found: dict[str, Any] = next(json.loads(text) for text in self.texts["script"] if text.startswith("{"))
        return found


async def make_shared_track(resources: Resources, tmp_path: Path, **given: Any) -> Track:
    """A finished track with its files; `given` replaces columns, `hue` and `display_name` are its owner's."""
    owner = await users.create_user(
        email=f"{secrets.token_hex(6)}@example.org",
        password_hash="-",
        display_name=given.pop("display_name", "Ada"),
        role="user",
        credits_granted=0,
        look=users.Look(1, given.pop("hue", 200), 1),
    )
    columns: dict[str, Any] = {
        "user_id": owner.id,
        "title": "Night train",
        "prompt": "a calm lofi evening on a train",
        "duration_seconds": SECONDS,
        "seed": 7,
        "status": State.COMPLETE,
        "visibility": "PUBLIC",
        "slug": tracks.new_slug(),
        "job_id": new_id(),
        "music": MUSIC,
    }
    track = await Track.create(**columns | given)
    await put_files(resources, track, tmp_path)
    return track


async def put_files(resources: Resources, track: Track, tmp_path: Path) -> None:
    """The song, its waveform and its cover."""
    samples = (np.sin(np.arange(int(SECONDS * RATE)) / 9) / 2).astype(np.float32)[None]
    write_peaks(tmp_path / "peaks.json", samples, RATE)
    song = io.BytesIO()
    with wave.open(song, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    files: tuple[tuple[Any, str, str, bytes], ...] = (
        ("MIX", "mix.wav", "audio/wav", song.getvalue()),
        ("PEAKS", "peaks.json", "application/json", (tmp_path / "peaks.json").read_bytes()),
    )
    for kind, name, mime_type, content in files:
        blob = await resources.blobs.put(key_of(track, name), content, mime_type)
        await Asset.create(
            user_id=track.user_id,
            track_id=track.id,
            kind=kind,
            blob_key=blob.key,
            mime_type=mime_type,
            size_bytes=blob.size_bytes,
            duration_seconds=SECONDS if kind == "MIX" else None,
        )
    await put_cover(resources, track, 1)


def key_of(track: Track, name: str) -> str:
    """Where a file of the song lies."""
    assert track.job_id is not None
    return f"jobs/{track.job_id.hex}/t/{name}"


async def put_cover(resources: Resources, track: Track, visual_version: int, *, is_drawn: bool = True) -> None:
    """A cover, as drawing alone or with its pictures."""
    folder = f"covers/{track.id.hex}/{visual_version}"
    keys = {"svg": f"{folder}/cover.svg"}
    await resources.blobs.put(keys["svg"], SVG, "image/svg+xml")
    if is_drawn:
        for name, size in (("square", (64, 64)), ("portrait", (36, 64)), ("landscape", (64, 36))):
            out = io.BytesIO()
            Image.new("RGB", size, "#335577").save(out, "png")
            keys[name] = f"{folder}/cover-{name}.png"
            await resources.blobs.put(keys[name], out.getvalue(), "image/png")
    await keep_cover(track.user_id, track.id, visual_version, keys, Drawing(2, {"title": "", "contour": None}))


@pytest_asyncio.fixture
async def shared_track(resources: Resources, tmp_path: Path) -> Track:
    return await make_shared_track(resources, tmp_path)


async def read(studio: Studio, path: str) -> Reader:
    answer = await studio.client.get(path)
    assert answer.status_code == 200, answer.text
    return Reader(answer.text)


async def test_share_page_shows_the_song_and_who_made_it(studio: Studio, shared_track: Track) -> None:
    answer = await studio.client.get(f"/share/{shared_track.slug}")
    page = Reader(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.texts["h1"] == ["Night train"]
    assert "Ada" in page.texts["bdi"]
    assert "a calm lofi evening on a train" in "".join(page.texts["p"])
    assert page.texts["li"][:3] == ["0:04", "96 BPM", "F♯ minor"]
    assert [attrs["data-seconds"] for attrs in page.all("a") if "data-seconds" in attrs] == ["0", "1.5"]
    assert "controls" in page.all("audio")[0]
    assert "autoplay" not in page.all("audio")[0]
    assert page.all("path", id="bars")[0]["d"].count("M") == 100


async def test_private_unfinished_and_missing_tracks_cannot_be_told_apart(
    studio: Studio, resources: Resources, tmp_path: Path
) -> None:
    private = await make_shared_track(resources, tmp_path, visibility="PRIVATE")
    unfinished = await make_shared_track(resources, tmp_path, status=State.RENDERING)
    for path in ("/share/{}", "/embed/{}", "/share/{}/audio", "/share/{}/cover.png", "/oembed?url=" + "{}"):
        is_oembed = path.startswith("/oembed")
        names = [private.slug, unfinished.slug, tracks.new_slug(), "%00", "\u00e9"]
        if is_oembed:
            names = [f"{studio.settings.base_url}/share/{slug}" for slug in names[:3]]
        answers = [await studio.client.get(path.format(name)) for name in names]
        assert [answer.status_code for answer in answers] == [404] * len(names), path
        assert len({answer.content for answer in answers}) == 1
        assert len({str(sorted(without_id(answer.headers).items())) for answer in answers}) == 1


def without_id(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("x-request-id", "date")}


async def test_track_that_becomes_private_is_gone(studio: Studio, shared_track: Track) -> None:
    assert (await studio.client.get(f"/share/{shared_track.slug}")).status_code == 200
    await tracks.update_track(shared_track, title=None, visibility="PRIVATE")
    assert (await studio.client.get(f"/share/{shared_track.slug}")).status_code == 404


async def test_hostile_texts_stay_texts(studio: Studio, resources: Resources, tmp_path: Path) -> None:
    track = await make_shared_track(resources, tmp_path, title=HOSTILE, prompt=HOSTILE, display_name=HOSTILE[:80])
    for path in (f"/share/{track.slug}", f"/embed/{track.slug}"):
        answer = await studio.client.get(path)
        page = Reader(answer.text)
        assert "alert(1)" in "".join(page.texts["title"])
        assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
        assert not re.search("[\u202e\u2066\u2028\x07]", answer.text)
        assert all("alert" not in text or text.startswith("{") for text in page.texts["script"])
    record = (await read(studio, f"/share/{track.slug}")).record
    assert record["name"].startswith("</title><script>alert(1)</script>")
    assert record["name"].endswith("$title txt.exe &amp;")


async def test_only_the_script_and_style_that_we_wrote_may_run(studio: Studio, shared_track: Track) -> None:
    for path in (f"/share/{shared_track.slug}", f"/embed/{shared_track.slug}"):
        answer = await studio.client.get(path)
        page, policy = Reader(answer.text), answer.headers["content-security-policy"]
        script = next(text for text in page.texts["script"] if not text.startswith("{"))
        for text in (script, page.texts["style"][0]):
            assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
        assert "unsafe" not in policy
        assert not [attrs for _, attrs in page.tags if "style" in attrs]


def test_files_of_a_bucket_are_let_in_by_their_origin_alone() -> None:
    request = Request({"type": "http", "method": "GET", "headers": []})
    page = Page("Song", Markup("<p>Song</p>"), media=("https://bucket.example.org/covers/1.png?signature=x",))
    policy = show(request, page).headers["content-security-policy"].split("; ")
    assert "img-src 'self' data: https://bucket.example.org" in policy
    assert "media-src 'self' https://bucket.example.org" in policy
    assert "script-src 'none'" in policy


async def test_pages_load_nothing_from_anywhere_else(studio: Studio, shared_track: Track) -> None:
    for path in ("/", "/policy", f"/share/{shared_track.slug}", f"/embed/{shared_track.slug}"):
        page = await read(studio, path)
        loaded = [attrs["src"] for _, attrs in page.tags if "src" in attrs]
        loaded += [attrs["href"] for attrs in page.all("link")]
        assert all(link.startswith((studio.settings.base_url, "/", "data:")) for link in loaded), loaded


async def test_unlisted_tracks_ask_not_to_be_indexed(
    studio: Studio, resources: Resources, tmp_path: Path, shared_track: Track
) -> None:
    unlisted = await make_shared_track(resources, tmp_path, visibility="UNLISTED")
    answer = await studio.client.get(f"/share/{unlisted.slug}")
    assert answer.headers["x-robots-tag"] == Reader(answer.text).meta["robots"] == "noindex"
    answer = await studio.client.get(f"/share/{shared_track.slug}")
    assert "x-robots-tag" not in answer.headers
    assert "robots" not in Reader(answer.text).meta


async def test_previews_lead_to_a_picture_and_to_the_song(studio: Studio, shared_track: Track) -> None:
    page = await read(studio, f"/share/{shared_track.slug}")
    url = f"{studio.settings.base_url}/share/{shared_track.slug}"
    expected = {
        "og:type": "music.song",
        "og:url": url,
        "og:title": "Night train",
        "og:site_name": "Libretto",
        "og:audio:type": "audio/wav",
        "music:duration": "4",
        "twitter:card": "player",
        "twitter:player": url.replace("/share/", "/embed/"),
    }
    assert expected.items() <= page.meta.items()
    assert page.all("link", rel="canonical")[0]["href"] == url
    picture = await studio.client.get(page.meta["og:image"], follow_redirects=True)
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (64, 36)
    song = await studio.client.get(page.meta["og:audio"], headers={"range": "bytes=0-3"}, follow_redirects=True)
    assert (song.status_code, song.content) == (206, b"RIFF")
    assert page.record["audio"]["contentUrl"] == page.meta["og:audio"]


async def test_download_is_saved_under_the_title(studio: Studio, shared_track: Track) -> None:
    page = await read(studio, f"/share/{shared_track.slug}")
    link = next(attrs["href"] for attrs in page.all("a") if "download" in attrs)
    answer = await studio.client.get(link)
    assert answer.headers["content-disposition"] == 'attachment; filename="Night train.wav"'


async def test_while_a_cover_is_being_drawn_the_pictures_before_it_are_shown(
    studio: Studio, resources: Resources, shared_track: Track
) -> None:
    await put_cover(resources, shared_track, 2, is_drawn=False)
    page = await read(studio, f"/share/{shared_track.slug}")
    answer = await studio.client.get(page.all("img")[0]["src"])
    assert answer.headers["content-type"] == "image/png"
    assert f"/covers/{shared_track.id.hex}/1/" in page.all("img")[0]["src"]
    picture = await studio.client.get(page.meta["og:image"])
    assert f"/covers/{shared_track.id.hex}/1/" in picture.headers["location"]


async def test_page_works_when_the_waveform_is_gone(studio: Studio, resources: Resources, shared_track: Track) -> None:
    await resources.blobs.delete(key_of(shared_track, "peaks.json"))
    page = await read(studio, f"/share/{shared_track.slug}")
    assert page.all("path", id="bars")[0]["d"] == ""
    assert page.all("audio")


async def test_only_the_embed_may_be_framed(studio: Studio, shared_track: Track) -> None:
    for path in ALL_PATHS:
        url = f"{studio.settings.base_url}/share/{shared_track.slug}"
        answer = await studio.client.get(path.format(slug=shared_track.slug, url=url))
        policy = answer.headers.get("content-security-policy", "")
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert policy.endswith("frame-ancestors *" if path.startswith("/embed") else "frame-ancestors 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "set-cookie" not in answer.headers


async def test_page_that_did_not_change_is_not_sent_again(studio: Studio, shared_track: Track) -> None:
    path = f"/share/{shared_track.slug}"
    first = await studio.client.get(path)
    assert first.headers["cache-control"] == "public, max-age=60"
    again = await studio.client.get(path, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    await tracks.update_track(shared_track, title="Day train", visibility=None)
    changed = await studio.client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_head_tells_what_get_would(studio: Studio, shared_track: Track) -> None:
    for path in ("/", "/policy", f"/share/{shared_track.slug}", f"/embed/{shared_track.slug}"):
        head, got = await studio.client.head(path), await studio.client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert without_id(head.headers) == without_id(got.headers)


async def test_oembed_describes_our_own_pages(studio: Studio, shared_track: Track) -> None:
    url = f"{studio.settings.base_url}/share/{shared_track.slug}"
    page = await read(studio, f"/share/{shared_track.slug}")
    found = page.all("link", type="application/json+oembed")[0]["href"]
    answer = await studio.client.get(found)
    described = answer.json()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert described["type"] == "rich"
    assert described["version"] == "1.0"
    assert described["thumbnail_url"] == f"{url}/cover.png"
    assert page.texts["textarea"][0] == described["html"]
    assert not page.all("iframe")
    (frame,) = Reader(described["html"]).all("iframe")
    assert frame["src"] == url.replace("/share/", "/embed/")
    assert frame["loading"] == "lazy"
    assert frame["sandbox"].startswith("allow-scripts allow-same-origin")
    small = (await studio.client.get("/oembed", params={"url": url, "maxwidth": 300, "maxheight": 1})).json()
    assert (small["width"], small["height"]) == (300, 120)
    large = (await studio.client.get("/oembed", params={"url": url, "maxwidth": 9000})).json()
    assert (large["width"], large["height"]) == (600, 168)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"url": "nonsense"}, 400),
        ({"url": "http://[::1"}, 400),
        ({"url": "javascript:alert(1)"}, 400),
        ({"url": "{ours}", "maxwidth": "wide"}, 400),
        ({"url": "{ours}", "maxheight": "0"}, 400),
        ({"url": "{ours}", "format": "xml"}, 501),
        ({"url": "https://example.org/share/{slug}"}, 404),
        ({"url": "{base}/graphql"}, 404),
        ({"url": "{ours}/audio"}, 404),
        ({"url": "{ours}x"}, 404),
        ({"url": "{ours}/?utm_source=mail#t=3", "format": "json"}, 200),
    ],
)
async def test_oembed_refuses_what_is_not_ours(
    studio: Studio, shared_track: Track, query: dict[str, str], status: int
) -> None:
    base = studio.settings.base_url
    known = {"base": base, "slug": shared_track.slug, "ours": f"{base}/share/{shared_track.slug}"}
    answer = await studio.client.get("/oembed", params={name: text.format(**known) for name, text in query.items()})
    assert answer.status_code == status, answer.text


def test_share_links_are_known_below_a_path_too() -> None:
    assert read_slug("https://a.org/music/share/abc", "https://a.org/music") == "abc"
    assert read_slug("https://A.org/share/abc", "https://a.org") == "abc"
    assert read_slug("https://a.org/share/abc", "https://a.org/music") is None
    assert read_slug("https://a.org@evil.org/share/abc", "https://a.org") is None


async def test_front_page_has_a_query_that_can_be_copied(studio: Studio) -> None:
    page = await read(studio, "/")
    command = next(text for text in page.texts["code"] if text.startswith("curl"))
    assert f"curl {studio.settings.base_url}/graphql " in command
    body = json.loads(command.rpartition("-d '")[2].removesuffix("'"))
    assert body == {"query": "{ styles { slug name description } }"}
    assert {"href": "/policy"} in page.all("a")


async def test_policy_and_robots_are_there(studio: Studio) -> None:
    assert "No impersonation" in (await read(studio, "/policy")).texts["h2"]
    robots = await studio.client.get("/robots.txt")
    assert "Disallow: /graphql" in robots.text.splitlines()


def test_every_hue_can_be_read_in_light_and_dark() -> None:
    for hue in range(360):
        for scheme in palette.schemes(hue):
            colours = {name: palette.read_colour(text) for name, text in scheme.items()}
            for ground in palette.GROUNDS:
                for name, ratio in {"text": 7, "muted": 4.5, "accent": 4.5, "bar": 3}.items():
                    assert palette.contrast(colours[name], colours[ground]) >= ratio, (hue, name, ground)
            assert palette.contrast(colours["on-accent"], colours["accent"]) >= 4.5, hue
