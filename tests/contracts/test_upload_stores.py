"""One suite for what clients write into every blob store by links: a folder, moto's S3 and nanio's, which checks."""

import asyncio
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from jobs.uploads import drop_strays
from server.errors import Unavailable
from storage.blobs import BlobMissing
from storage.blobs.arrivals import Grant, Part, Uploads
from tests.contracts.test_blob_stores import Member, list_all, open_local, open_s3, read_all

KEY = "uploads/1a/2b/arrived.mp3"
SONG = os.urandom(300_000)
PART = 5 << 20  # the least that S3 takes
FILM = os.urandom(2 * PART + 70_000)
WHOLE = Grant(KEY, len(SONG), "audio/mpeg")


@pytest.fixture(scope="module", params=["local", "moto", "nanio"])
async def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Member]:
    folder = tmp_path_factory.mktemp("blobs")
    opened = open_local(folder) if request.param == "local" else open_s3(request.param, folder)
    async with opened as member:
        yield member


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def uploads(member: Member) -> Uploads:
    return member.store.uploads


@pytest.fixture(autouse=True)
async def empty_store(member: Member) -> AsyncIterator[None]:
    yield
    for key in await list_all(member.store, ""):
        await member.store.delete(key)


async def put(
    client: httpx.AsyncClient,
    uploads: Uploads,
    grant: Grant,
    body: bytes,
    **headers: str,
) -> httpx.Response:
    link = uploads.link(grant, expires_in_seconds=600)
    return await client.put(link.url, content=body, headers=link.headers | headers)


def cut(token: str, body: bytes = FILM) -> list[tuple[Grant, bytes]]:
    pieces = [body[start : start + PART] for start in range(0, len(body), PART)]
    return [
        (Grant(KEY, len(piece), "audio/mpeg", None, number, token), piece) for number, piece in enumerate(pieces, 1)
    ]


async def test_whole_file_comes_by_its_link(member: Member, uploads: Uploads, client: httpx.AsyncClient) -> None:
    answer = await put(client, uploads, WHOLE, SONG)
    assert answer.status_code == 200, answer.text
    assert await read_all(member.store, KEY) == SONG
    kept = await member.store.stat(KEY)
    assert kept is not None
    assert (kept.size_bytes, kept.mime_type) == (len(SONG), "audio/mpeg")
    assert answer.headers["etag"].strip('"') == kept.etag


@pytest.mark.parametrize("body", [SONG[:-1], SONG + b"x", b""])
async def test_body_of_another_length_is_refused(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
    body: bytes,
) -> None:
    answer = await put(client, uploads, WHOLE, body)
    if member.checks_links:
        assert 400 <= answer.status_code < 500
        assert await member.store.stat(KEY) is None


async def test_body_of_no_stated_length_is_refused(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield SONG

    link = uploads.link(WHOLE, expires_in_seconds=600)
    answer = await client.put(link.url, content=pieces(), headers=link.headers)
    if member.checks_links:
        assert 400 <= answer.status_code < 500
        assert await member.store.stat(KEY) is None


async def test_link_is_for_its_own_type_method_and_key(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    link = uploads.link(WHOLE, expires_in_seconds=600)
    answers = [
        await client.put(link.url, content=SONG, headers={"Content-Type": "text/html"}),
        await client.put(link.url, content=SONG),
        await client.put(link.url.replace("/1a/", "/1b/"), content=SONG, headers=link.headers),
        await client.put(re.sub(r"(?i)(expires=)\d", r"\g<1>9", link.url), content=SONG, headers=link.headers),
        await client.put(re.sub(r"(?i)(signature=)..", r"\g<1>00", link.url), content=SONG, headers=link.headers),
        await client.put(link.url.partition("?")[0], content=SONG, headers=link.headers),
        await client.post(link.url, content=SONG, headers=link.headers),
        await client.delete(link.url),
        await client.get(link.url),
    ]
    if member.checks_links:
        assert {answer.status_code // 100 for answer in answers} == {4}
        assert await list_all(member.store, "") == set()


async def test_link_to_read_is_none_to_write_and_the_other_way_round(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    await put(client, uploads, WHOLE, SONG)
    read = member.store.link(KEY, expires_in_seconds=600)
    write = uploads.link(WHOLE, expires_in_seconds=600).url
    answers = [
        await client.put(read, content=b"x" * len(SONG), headers={"Content-Type": "audio/mpeg"}),
        await client.put(read.replace("/media/", "/files/"), content=b"x" * len(SONG)),
        await client.get(write),
        await client.get(write.replace("/files/", "/media/")),
    ]
    if member.checks_links:
        assert {answer.status_code // 100 for answer in answers} == {4}
    assert await read_all(member.store, KEY) == SONG or not member.checks_links


async def test_link_ends(member: Member, uploads: Uploads, client: httpx.AsyncClient) -> None:
    link = uploads.link(WHOLE, expires_in_seconds=1)
    ends_at = time.monotonic() + 20
    while member.checks_links and (await client.put(link.url, content=SONG, headers=link.headers)).status_code != 403:
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.1)


async def test_digest_is_checked_where_the_store_does_so(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    grant = Grant(KEY, len(SONG), "audio/mpeg", hashlib.sha256(SONG).hexdigest())
    lie = await put(client, uploads, grant, SONG[::-1])
    if member.name == "local":
        assert (lie.status_code, lie.json()["error"]["code"]) == (400, "WRONG_SHA256")
        assert await member.store.stat(KEY) is None
    assert (await put(client, uploads, grant, SONG)).status_code == 200
    assert await read_all(member.store, KEY) == SONG


async def test_parts_come_in_any_order_and_again(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    token = await uploads.begin(KEY, "audio/mpeg")
    parts = cut(token)
    assert await uploads.list_parts(KEY, token) == []
    assert (await put(client, uploads, parts[0][0], os.urandom(PART))).status_code == 200
    for grant, body in reversed(parts):
        assert (await put(client, uploads, grant, body)).status_code == 200
    listed = await uploads.list_parts(KEY, token)
    assert [(part.number, part.size_bytes) for part in listed] == [(1, PART), (2, PART), (3, 70_000)]
    assert await member.store.stat(KEY) is None
    joined = await uploads.join(KEY, token, listed)
    assert joined == await member.store.stat(KEY)
    assert joined.size_bytes == len(FILM)
    assert await read_all(member.store, KEY) == FILM
    assert await list_all(member.store, "") == {KEY}
    assert await member.count_leftovers() == 0


async def test_part_of_another_length_number_or_file_is_refused(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    token = await uploads.begin(KEY, "audio/mpeg")
    grant, body = cut(token)[2]
    url = uploads.link(grant, expires_in_seconds=600).url
    other_token = await uploads.begin(KEY, "audio/mpeg")
    answers = [
        await client.put(url, content=body[:-1]),
        await client.put(re.sub(r"(part|partNumber)=3", r"\g<1>=2", url), content=body),
        await client.put(url.replace(token, other_token), content=body),
        await client.put(re.sub(r"[&?](part|partNumber)=3", "", url), content=body),
    ]
    if member.checks_links:
        assert {answer.status_code // 100 for answer in answers} == {4}
        assert await uploads.list_parts(KEY, token) == await uploads.list_parts(KEY, other_token) == []
    for each in (token, other_token):
        await uploads.drop(KEY, each)


async def test_joined_file_cannot_be_changed_by_its_links(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    token = await uploads.begin(KEY, "audio/mpeg")
    for grant, body in cut(token):
        await put(client, uploads, grant, body)
    await uploads.join(KEY, token, await uploads.list_parts(KEY, token))
    for grant, body in cut(token):
        await put(client, uploads, grant, body[::-1])
    assert await read_all(member.store, KEY) == FILM


async def test_dropped_parts_are_gone_and_dropping_again_is_fine(
    member: Member,
    uploads: Uploads,
    client: httpx.AsyncClient,
) -> None:
    token = await uploads.begin(KEY, "audio/mpeg")
    grant, body = cut(token)[2]
    await put(client, uploads, grant, body)
    for _ in range(2):
        await uploads.drop(KEY, token)
        assert await uploads.list_parts(KEY, token) == []
    assert await list_all(member.store, "") == set()
    assert await member.count_leftovers() == 0


async def test_part_that_never_came_joins_nothing(member: Member, uploads: Uploads) -> None:
    token = await uploads.begin(KEY, "audio/mpeg")
    with pytest.raises((BlobMissing, Unavailable)):
        await uploads.join(KEY, token, [Part(1, 5, "none")])
    assert await member.store.stat(KEY) is None
    await uploads.drop(KEY, token)


async def test_files_begun_in_parts_can_be_found(member: Member, uploads: Uploads) -> None:
    token = await uploads.begin(KEY, "audio/mpeg")
    begun = await uploads.list_begun("uploads/")
    if member.name != "local":  # there they are blobs like any other
        ((key, found, begun_at),) = begun
        assert (key, found) == (KEY, token)
        assert abs(datetime.now(UTC) - begun_at) < timedelta(minutes=5) or member.name == "moto"  # for which it is 2010
    await uploads.drop(KEY, token)
    assert await uploads.list_begun("uploads/") == []


async def test_parts_that_no_row_knows_are_dropped_after_days(member: Member, uploads: Uploads) -> None:
    token = await uploads.begin(KEY, "audio/mpeg")
    await drop_strays(member.store)
    left = {"local": 0, "moto": 0, "nanio": 1}[member.name]  # for moto it is 2010
    assert len(await uploads.list_begun("uploads/")) == left
    await uploads.drop(KEY, token)


async def test_link_is_the_same_for_a_while(uploads: Uploads) -> None:
    assert len({uploads.link(WHOLE, expires_in_seconds=86_400).url for _ in range(50)}) <= 2
