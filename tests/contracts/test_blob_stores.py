"""One suite for every blob store: a folder, moto's S3 and nanio's S3, which checks signatures."""

import asyncio
import hashlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it ships no types

from server import transfers
from storage.blobs import BlobMissing, BlobStore, InvalidKey, open_store
from storage.blobs.folder import INCOMING
from storage.blobs.s3 import PART_BYTES
from tests.server.test_transfers import serving, until
from tests.storage.test_blob_keys import TRICKS

KEY = "jobs/1/t/song.m4a"
SONG = bytes(range(256)) * 4000
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "only-for-these-tests"}
COMMANDS = {
    "moto": "moto_server -H 127.0.0.1 -p {port}",
    "nanio": "nanio serve --host 127.0.0.1 --port {port} --data-dir {folder} --no-access-log --log-level error",
}


@dataclass(frozen=True)
class Member:
    """A store under test, and what this suite must know about it."""

    store: BlobStore
    name: str
    count_leftovers: Callable[[], Awaitable[int]]

    @property
    def checks_links(self) -> bool:
        """Whether the other side looks at signatures; moto does not."""
        return self.name != "moto"


@pytest.fixture(scope="module", params=["local", "moto", "nanio"])
async def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Member]:
    folder = tmp_path_factory.mktemp("blobs")
    opened = open_local(folder) if request.param == "local" else open_s3(request.param, folder)
    async with opened as member:
        yield member


@pytest.fixture
def store(member: Member) -> BlobStore:
    return member.store


@pytest.fixture(autouse=True)
async def empty_store(store: BlobStore) -> None:
    for key in [key async for key, _ in store.list_keys("")]:
        await store.delete(key)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@asynccontextmanager
async def open_local(folder: Path) -> AsyncIterator[Member]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        store = await open_store((folder / "kept").as_uri(), base_url=base_url, secret=b"secret")

        async def count_leftovers() -> int:
            return len(list((folder / "kept" / INCOMING).iterdir()))

        async with serving(listener, transfers.routes(store)):
            yield Member(store, "local", count_leftovers)
        await store.close()


@asynccontextmanager
async def open_s3(name: str, folder: Path) -> AsyncIterator[Member]:
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for variable, value in CREDENTIALS.items():
            patch.setenv(variable, value)
        endpoint = await stack.enter_async_context(running_s3(name, folder))
        client = await stack.enter_async_context(
            get_session().create_client("s3", endpoint_url=endpoint, region_name="us-east-1")
        )
        await client.create_bucket(Bucket="kept")

        async def count_leftovers() -> int:
            return len((await client.list_multipart_uploads(Bucket="kept")).get("Uploads", ()))

        url = f"s3://kept?endpoint={endpoint}&region=us-east-1&path_style=true"
        store = await open_store(url, base_url="", secret=b"")
        stack.push_async_callback(store.close)
        yield Member(store, name, count_leftovers)


@asynccontextmanager
async def running_s3(name: str, folder: Path) -> AsyncIterator[str]:
    port = find_free_port()
    program, *arguments = COMMANDS[name].format(port=port, folder=folder).split()
    keys = {
        "NANIO_ACCESS_KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "NANIO_SECRET_KEY": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
    child = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name(program),
        *arguments,
        env=os.environ | keys,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: child.returncode is not None or is_listening(port), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_listening(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def read_all(store: BlobStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.read(key, start, length)])


async def list_all(store: BlobStore, prefix: str) -> set[str]:
    return {key async for key, _ in store.list_keys(prefix)}


async def begun(member: Member) -> bool:
    return await member.count_leftovers() > 0


async def ended(member: Member) -> bool:
    return await member.count_leftovers() == 0


async def until_async(condition: Callable[[], Awaitable[bool]]) -> None:
    ends_at = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.002)


async def test_bytes_come_back_as_they_went_in(store: BlobStore) -> None:
    kept = await store.put(KEY, SONG, "audio/mp4")
    assert (kept.key, kept.size_bytes, kept.mime_type) == (KEY, len(SONG), "audio/mp4")
    assert await store.stat(KEY) == kept
    assert await read_all(store, KEY) == SONG


async def test_file_comes_back_as_it_went_in(store: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "song"
    source.write_bytes(SONG)
    assert (await store.put(KEY, source, "audio/mp4")).size_bytes == len(SONG)
    assert await read_all(store, KEY) == SONG
    assert source.read_bytes() == SONG


async def test_large_file_comes_back_as_it_went_in(member: Member, tmp_path: Path) -> None:
    source = tmp_path / "large"
    part = os.urandom(1_000_000)
    source.write_bytes(part * (2 * PART_BYTES // len(part) + 3))
    kept = await member.store.put(KEY, source, "audio/mp4")
    assert kept == await member.store.stat(KEY)
    digest = hashlib.sha256()
    async for chunk in member.store.read(KEY):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(source.read_bytes()).digest()
    assert await member.count_leftovers() == 0


async def test_empty_blob_is_a_blob(store: BlobStore) -> None:
    assert (await store.put("a/empty.txt", b"", "text/plain")).size_bytes == 0
    assert await read_all(store, "a/empty.txt") == b""
    assert await read_all(store, "a/empty.txt", 5) == b""
    assert await store.stat("a/empty.txt") is not None


async def test_second_put_takes_the_place_of_the_first(store: BlobStore) -> None:
    first = await store.put(KEY, SONG, "audio/mp4")
    second = await store.put(KEY, b"other", "audio/mp4")
    assert first.etag != second.etag
    assert await read_all(store, KEY) == b"other"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 10, SONG[:10]),
        (1000, 5000, SONG[1000:6000]),
        (700_000, None, SONG[700_000:]),
        (len(SONG) - 3, 100, SONG[-3:]),
        (len(SONG), None, b""),
        (len(SONG) + 9, 4, b""),
        (5, 0, b""),
    ],
)
async def test_part_of_a_blob_is_read(store: BlobStore, start: int, length: int | None, expected: bytes) -> None:
    await store.put(KEY, SONG, "audio/mp4")
    assert await read_all(store, KEY, start, length) == expected


async def test_missing_blob_is_named(store: BlobStore) -> None:
    assert await store.stat("jobs/none.wav") is None
    for length in (None, 0, 5):
        with pytest.raises(BlobMissing):
            await read_all(store, "jobs/none.wav", 0, length)


async def test_deleted_blob_is_gone_and_deleting_it_again_is_fine(store: BlobStore) -> None:
    await store.put(KEY, SONG, "audio/mp4")
    await store.delete(KEY)
    await store.delete(KEY)
    assert await store.stat(KEY) is None
    assert await list_all(store, "") == set()


async def test_keys_are_listed_by_prefix_with_their_time(store: BlobStore) -> None:
    wanted = {f"jobs/{job}/t/{name}.wav" for job in ("1", "12", "2") for name in ("mix", "vocals")}
    for key in wanted | {"covers/1/a.png"}:
        await store.put(key, b"x", "image/png" if key.endswith("png") else "audio/wav")
    assert await list_all(store, "") == wanted | {"covers/1/a.png"}
    assert await list_all(store, "jobs/") == wanted
    assert await list_all(store, "jobs/1") == {key for key in wanted if key.startswith("jobs/1")}
    assert await list_all(store, "jobs/1/") == {key for key in wanted if key.startswith("jobs/1/")}
    assert await list_all(store, "jobs/1/t/m") == {"jobs/1/t/mix.wav"}
    assert await list_all(store, "nothing/") == set()
    async for _, changed_at in store.list_keys("jobs/"):
        assert abs(datetime.now(UTC) - changed_at) < timedelta(minutes=5)


@pytest.mark.parametrize("key", TRICKS)
async def test_bad_key_reaches_no_store(store: BlobStore, key: str) -> None:
    with pytest.raises(InvalidKey):
        await store.put(key, b"x", "audio/wav")
    with pytest.raises(InvalidKey):
        await store.stat(key)
    with pytest.raises(InvalidKey):
        await read_all(store, key)
    with pytest.raises(InvalidKey):
        await store.delete(key)
    with pytest.raises(InvalidKey):
        store.link(key, expires_in_seconds=60)


@pytest.mark.parametrize("prefix", ["/", "../", "jobs/../", "jobs//", ".incoming/", "a\x00"])
async def test_bad_prefix_reaches_no_store(store: BlobStore, prefix: str) -> None:
    with pytest.raises(InvalidKey):
        await list_all(store, prefix)


async def test_blob_is_never_kept_as_what_its_key_denies(store: BlobStore) -> None:
    for mime_type in ("text/html", "image/svg+xml", ""):
        with pytest.raises(InvalidKey):
            await store.put("covers/1/a.png", b"<script>", mime_type)


async def test_link_brings_the_file_and_its_parts(member: Member, client: httpx.AsyncClient) -> None:
    await member.store.put(KEY, SONG, "audio/mp4")
    url = member.store.link(KEY, expires_in_seconds=60)
    whole = await client.get(url)
    assert (whole.status_code, whole.content) == (200, SONG)
    assert whole.headers["content-type"] == "audio/mp4"
    part = await client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, SONG[100:200])
    if member.name == "local":  # S3 signs each method apart
        assert (await client.head(url)).headers["content-length"] == str(len(SONG))


async def test_named_link_brings_the_file_too(member: Member, client: httpx.AsyncClient) -> None:
    await member.store.put(KEY, SONG, "audio/mp4")
    answer = await client.get(member.store.link(KEY, expires_in_seconds=60, download_name="Grüße & mehr.m4a"))
    assert (answer.status_code, answer.content) == (200, SONG)
    if member.name != "nanio":  # it knows no response-content-disposition
        assert answer.headers["content-disposition"].endswith("filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%26%20mehr.m4a")


async def test_changed_link_brings_nothing(member: Member, client: httpx.AsyncClient) -> None:
    await member.store.put(KEY, SONG, "audio/mp4")
    await member.store.put("jobs/2/t/song.m4a", SONG, "audio/mp4")
    url = member.store.link(KEY, expires_in_seconds=60)
    changed = [url.replace("jobs/1", "jobs/2"), re.sub(r"(?i)(expires=)\d", r"\g<1>9", url), url[:-1] + "!", url + "0"]
    for link in changed if member.checks_links else ():
        assert (await client.get(link)).status_code == 403, link


async def test_link_ends(member: Member, client: httpx.AsyncClient) -> None:
    await member.store.put(KEY, SONG, "audio/mp4")
    url = member.store.link(KEY, expires_in_seconds=1)
    ends_at = time.monotonic() + 20
    while member.checks_links and (await client.get(url)).status_code != 403:
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.1)


async def test_link_is_the_same_for_a_while(store: BlobStore) -> None:
    links = {store.link(KEY, expires_in_seconds=86_400) for _ in range(50)}
    assert len(links) <= 2  # two when the window ends just now


async def test_many_puts_of_one_key_leave_one_whole_blob(member: Member) -> None:
    versions = [bytes([number]) * 300_000 for number in range(8)]
    await asyncio.gather(*(member.store.put(KEY, version, "audio/mp4") for version in versions))
    assert await read_all(member.store, KEY) in versions
    assert await list_all(member.store, "") == {KEY}
    assert await member.count_leftovers() == 0


async def test_puts_and_deletes_beside_each_other_lose_nothing(store: BlobStore) -> None:
    async def put_and_delete(name: str) -> None:
        for _ in range(10):
            await store.put(f"jobs/1/t/{name}.txt", b"x", "text/plain")
            await store.delete(f"jobs/1/t/{name}.txt")
        await store.put(f"jobs/1/t/{name}.txt", b"x", "text/plain")

    await asyncio.gather(*(put_and_delete(name) for name in "abcd"))
    assert await list_all(store, "jobs/") == {f"jobs/1/t/{name}.txt" for name in "abcd"}


async def test_put_that_is_cancelled_leaves_nothing(member: Member, tmp_path: Path) -> None:
    source = tmp_path / "huge"
    with source.open("wb") as file:
        file.truncate(40 * PART_BYTES)
    putting = asyncio.create_task(member.store.put(KEY, source, "audio/mp4"))
    await until_async(lambda: begun(member))
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await member.store.stat(KEY) is None
    await until_async(lambda: ended(member))
    assert await list_all(member.store, "") == set()


async def test_file_that_cannot_be_read_is_not_kept(member: Member, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await member.store.put(KEY, tmp_path / "none", "audio/mp4")
    assert await member.store.stat(KEY) is None
    assert await member.count_leftovers() == 0


async def test_reader_may_stop_early(store: BlobStore) -> None:
    await store.put(KEY, SONG, "audio/mp4")
    reading = store.read(KEY)
    assert SONG.startswith(await anext(reading))
    assert isinstance(reading, AsyncGenerator)
    await reading.aclose()
    assert await read_all(store, KEY, 0, 3) == SONG[:3]


async def test_store_in_reach_answers_a_ping(store: BlobStore) -> None:
    await store.ping()


async def test_only_a_folder_is_served_by_us(member: Member) -> None:
    assert bool(transfers.routes(member.store)) == (member.name == "local")
