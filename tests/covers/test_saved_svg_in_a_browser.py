"""Hostile drawings in a real browser, as a picture, inside a page and as a page: nothing is asked for, nothing runs."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import pytest_asyncio

from jobs.engines.covers import CoverPlan, draw_cover
from jobs.formats.svg import sanitise
from tests.covers.chromium import Page, open_page
from tests.covers.hostile import HARMFUL
from tests.covers.test_saved_svg import NAMESPACE, TAGS, Checker

OWN = [draw_cover(CoverPlan(seed, seed * 7 + 3, 1, dark=seed % 2 == 0)).encode() for seed in range(6)]
SAVED = {name: sanitise(svg) for name, svg in HARMFUL.items()} | {f"own {at}": svg for at, svg in enumerate(OWN)}
LIST_CONTENT = """[...document.querySelectorAll("*")].map(one => [one.namespaceURI, one.localName,
    ...[...one.attributes].map(given => given.name + "=" + given.value)])"""
DECODE_ALL = "Promise.all([...document.images].map(one => one.decode().then(() => one.naturalWidth > 0, () => false)))"


class Everywhere:
    """Answers for every host there is, with pages of ours and with nothing; remembers who asked for what."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []

    async def answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection, one request; what is not HTTP is remembered as it came."""
        try:
            line = await reader.readline()
            while line.startswith(b"GET ") and (await reader.readline()).strip():
                pass
        except (ValueError, ConnectionError):
            line = b"something that is not HTTP"
        path = unquote(line.decode("latin-1").removeprefix("GET ").partition(" HTTP")[0])
        if line and path not in self.pages:
            self.asked.append(path)
        kind, body = self.pages.get(path, ("text/plain", b""))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()


@pytest_asyncio.fixture(scope="module")
async def everywhere() -> AsyncIterator[Everywhere]:
    yield Everywhere()


@pytest_asyncio.fixture(scope="module")
async def page(everywhere: Everywhere, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A tab for which all of the internet is a socket of ours."""
    folder: Path = tmp_path_factory.mktemp("chromium")
    server = await asyncio.start_server(everywhere.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, open_page(folder, f"127.0.0.1:{port}") as opened:
        yield opened


async def watch(page: Page, everywhere: Everywhere, kind: str, body: bytes) -> list[str]:
    """All that a page did which it was not asked to do."""
    everywhere.pages["/page"] = (f"{kind}; charset=utf-8", body)
    everywhere.asked.clear()
    await page.open("http://libretto.test/page")
    wanted = {"http://libretto.test/page", *(f"http://libretto.test{path}" for path in everywhere.pages)}
    fetched = [url for url in page.requests if url not in wanted and not url.startswith("data:image/png")]
    return [*page.deeds, *fetched, *(path for path in everywhere.asked if path != "/favicon.ico")]


def hold(svg: bytes) -> bytes:
    """A page with the drawing in its text."""
    return b"<!doctype html><title>q</title><body style='margin:0'><div>" + svg + b"</div>"


async def test_browser_does_what_the_drawings_want_when_nobody_minds(page: Page, everywhere: Everywhere) -> None:
    """Otherwise the silence of the tests below would mean nothing."""
    did = set()
    for name, svg in HARMFUL.items():
        inside = await watch(page, everywhere, "text/html", hold(svg))
        if inside or await watch(page, everywhere, "image/svg+xml", svg):
            did.add(name)
    assert len(did) >= 60, sorted(did)
    assert {name.partition(":")[0] for name in did} == {"script", "event", "link", "fetch", "page"}


@pytest.mark.parametrize("name", SAVED)
async def test_saved_drawing_is_still_as_a_page_and_inside_one(name: str, page: Page, everywhere: Everywhere) -> None:
    assert await watch(page, everywhere, "image/svg+xml", SAVED[name]) == []
    found = await page.ask(LIST_CONTENT)
    assert found[0][:2] == [NAMESPACE, "svg"]
    assert {namespace for namespace, *_ in found} == {NAMESPACE}
    assert {tag.lower() for _, tag, *_ in found} <= TAGS
    for element in found:
        for given in element[2:]:
            attribute, _, value = given.partition("=")
            assert Checker.allows(attribute.lower(), value, is_root=element is found[0]), given
    assert await watch(page, everywhere, "text/html", hold(SAVED[name])) == []


async def test_saved_drawings_are_still_as_pictures_and_can_be_seen(page: Page, everywhere: Everywhere) -> None:
    for at, svg in enumerate(SAVED.values()):
        everywhere.pages[f"/{at}.svg"] = ("image/svg+xml", svg)
    pictures = "".join(f'<img src="/{at}.svg">' for at in range(len(SAVED)))
    assert await watch(page, everywhere, "text/html", hold(pictures.encode())) == []
    assert await page.ask(DECODE_ALL) == [True] * len(SAVED)
