"""Signed links of the local store over a real socket."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from server import transfers
from storage.blobs.local import LocalStore

SONG = bytes(range(256)) * 40
KEY = "jobs/1/t/song.m4a"


@asynccontextmanager
async def serving(listener: socket.socket, routes: list[Route]) -> AsyncIterator[None]:
    """An own server with these routes on this socket, until the block ends."""
    config = uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def until(condition: Callable[[], bool], deadline_seconds: float = 20) -> None:
    """Wait for the condition, or fail."""
    ends_at = time.monotonic() + deadline_seconds
    while not condition():
        assert time.monotonic() < ends_at, "this did not become true in time"
        await asyncio.sleep(0.01)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[LocalStore]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        store = LocalStore(tmp_path / "blobs", base_url=base_url, secret=b"secret", clock=clock)
        store.prepare()
        await store.put(KEY, SONG, "audio/mp4")
        async with serving(listener, transfers.routes(store)):
            yield store


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def url(store: LocalStore) -> str:
    return store.link(KEY, expires_in_seconds=3600)


async def test_whole_file_comes_with_every_guard(client: httpx.AsyncClient, url: str, store: LocalStore) -> None:
    answer = await client.get(url)
    blob = await store.stat(KEY)
    assert blob is not None
    assert (answer.status_code, answer.content) == (200, SONG)
    assert answer.headers["content-type"] == "audio/mp4"
    assert answer.headers["content-length"] == str(len(SONG))
    assert answer.headers["etag"] == f'"{blob.etag}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Content-Range" in answer.headers["access-control-expose-headers"]
    private, _, max_age = answer.headers["cache-control"].partition(", max-age=")
    assert private == "private"
    assert 3600 <= int(max_age) <= 4500


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, len(SONG)),
        ("bytes=-100", len(SONG) - 100, len(SONG)),
        ("bytes=-99999999", 0, len(SONG)),
        ("bytes=10-99999999", 10, len(SONG)),
        ("BYTES = 5 - 7", 5, 8),
    ],
)
async def test_one_range_is_sent_alone(client: httpx.AsyncClient, url: str, asked: str, first: int, end: int) -> None:
    answer = await client.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, SONG[first:end])
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(SONG)}"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=-5-9", "x"]
)
async def test_odd_range_gets_the_whole(client: httpx.AsyncClient, url: str, asked: str) -> None:
    answer = await client.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, SONG)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("asked", [f"bytes={len(SONG)}-", "bytes=999999-1000000", "bytes=-0"])
async def test_range_beyond_the_end_is_refused(client: httpx.AsyncClient, url: str, asked: str) -> None:
    answer = await client.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.json()["error"]["code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == f"bytes */{len(SONG)}"


async def test_if_range_sends_a_part_of_the_same_version_only(client: httpx.AsyncClient, url: str) -> None:
    etag = (await client.head(url)).headers["etag"]
    expected = {etag: 206, '"other"': 200, f"W/{etag}": 200, "Sat, 21 Nov 2026 04:00:00 GMT": 200}
    for value, status in expected.items():
        answer = await client.get(url, headers={"Range": "bytes=0-3", "If-Range": value})
        assert answer.status_code == status, value


async def test_known_version_is_not_sent_again(client: httpx.AsyncClient, url: str) -> None:
    etag = (await client.get(url)).headers["etag"]
    for value in (etag, f'"other", W/{etag}', "*"):
        answer = await client.get(url, headers={"If-None-Match": value, "Range": "bytes=0-3"})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await client.get(url, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_overwritten_file_has_another_etag(client: httpx.AsyncClient, url: str, store: LocalStore) -> None:
    before = (await client.get(url)).headers["etag"]
    await store.put(KEY, SONG[::-1], "audio/mp4")
    after = await client.get(url, headers={"If-None-Match": before})
    assert (after.status_code, after.content) == (200, SONG[::-1])


async def test_head_tells_all_and_sends_nothing(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.head(url, headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(SONG))
    assert answer.headers["accept-ranges"] == "bytes"


async def test_empty_file_is_served(client: httpx.AsyncClient, store: LocalStore) -> None:
    await store.put("a/empty.txt", b"", "text/plain")
    url = store.link("a/empty.txt", expires_in_seconds=60)
    answer = await client.get(url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await client.get(url, headers={"Range": "bytes=0-"})).status_code == 416


async def test_svg_may_style_itself_and_nothing_else(client: httpx.AsyncClient, store: LocalStore) -> None:
    await store.put("covers/1/a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
    answer = await client.get(store.link("covers/1/a.svg", expires_in_seconds=60))
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


async def test_download_is_saved_under_its_name(client: httpx.AsyncClient, store: LocalStore) -> None:
    url = store.link(KEY, expires_in_seconds=60, download_name="Grüße\r\n & 100%.m4a")
    disposition = (await client.get(url)).headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.endswith("filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%26%20100%25.m4a")


async def test_changed_link_is_refused(client: httpx.AsyncClient, url: str, store: LocalStore) -> None:
    await store.put("jobs/2/t/song.m4a", b"private", "audio/mp4")
    named = store.link(KEY, expires_in_seconds=60, download_name="a.m4a")
    changed = [
        url.replace("jobs/1", "jobs/2"),
        url.replace("expires=1", "expires=2"),
        url + "0",
        url + "&name=evil.exe",
        named.replace("a.m4a", "b.m4a"),
        url.partition("?")[0],
        url.partition("&")[0],
        url.replace("signature=", "signature=%F0%9F%8E%B5"),
        url.replace("expires=", "expires=x"),
        url.replace(KEY, "jobs/1/t/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"),
        url.replace(KEY, ".incoming/x"),
    ]
    for link in changed:
        answer = await client.get(link)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "LINK_INVALID"), link
        assert answer.headers["cache-control"] == "no-store"


async def test_expired_link_is_refused(client: httpx.AsyncClient, url: str, clock: Clock) -> None:
    clock.now += 3600
    assert (await client.get(url)).status_code == 200
    clock.now += 900
    answer = await client.get(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "LINK_EXPIRED")


async def test_link_stays_the_same_for_a_quarter_of_its_life(store: LocalStore, clock: Clock) -> None:
    clock.now = 3600 * 100
    first = store.link(KEY, expires_in_seconds=3600)
    clock.now += 899
    assert store.link(KEY, expires_in_seconds=3600) == first
    clock.now += 1
    assert store.link(KEY, expires_in_seconds=3600) != first


async def test_another_secret_signs_another_link(store: LocalStore, clock: Clock, url: str) -> None:
    other = LocalStore(store.root, base_url="http://127.0.0.1", secret=b"other", clock=clock)
    assert other.link(KEY, expires_in_seconds=3600).rpartition("=")[2] != url.rpartition("=")[2]


async def test_deleted_file_is_not_found(client: httpx.AsyncClient, url: str, store: LocalStore) -> None:
    await store.delete(KEY)
    answer = await client.get(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(client: httpx.AsyncClient, url: str, method: str) -> None:
    answer = await client.request(method, url)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


async def test_player_on_another_origin_may_ask_for_ranges(client: httpx.AsyncClient, url: str) -> None:
    headers = {"Origin": "https://player.example", "Access-Control-Request-Headers": "range"}
    answer = await client.options(url, headers=headers | {"Access-Control-Request-Method": "GET"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Range" in answer.headers["access-control-allow-headers"]


async def test_client_that_goes_away_leaves_no_descriptor(store: LocalStore, tmp_path: Path) -> None:
    big = tmp_path / "big.wav"
    with big.open("wb") as file:
        file.truncate(200_000_000)
    await store.put("a/big.wav", big, "audio/wav")
    url = httpx.URL(store.link("a/big.wav", expires_in_seconds=60))
    kept = store.root / "a/big.wav"
    for _ in range(8):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(1_000_000)
        assert _count_descriptors(kept) > 0
        writer.transport.abort()
    await until(lambda: _count_descriptors(kept) == 0)


def _count_descriptors(path: Path) -> int:
    wanted = path.stat()
    found = 0
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 -- names are all that is asked for
        try:
            found += os.path.samestat(os.fstat(int(name)), wanted)
        except OSError:
            continue  # the listing's own descriptor
    return found
