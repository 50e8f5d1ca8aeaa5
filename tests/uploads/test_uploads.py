"""Files that people bring, through the whole product, with a folder and with a bucket that checks signatures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it ships no types

from jobs.uploads import expire_uploads
from server.resources import Resources, open_resources
from storage import database
from storage.blobs.folder import INCOMING
from storage.rows import read_id
from tests.contracts.test_blob_stores import CREDENTIALS, running_s3
from tests.studio import Person, Studio, running_studio, until
from tests.uploads.bringing import (
    CANCEL,
    COMPLETE,
    DELETE,
    FIND,
    FRAME,
    LIST,
    PART_BYTES,
    REFRESH,
    SONG,
    announce,
    bring,
    complete,
    describe,
    find,
    see_through,
    send,
    send_part,
)

ADMIN = "admin@example.org"
FILM = FRAME * (2 * PART_BYTES // len(FRAME) + 5)  # three parts


@pytest_asyncio.fixture(scope="module", params=["folder", "bucket"])
async def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    """A studio of our own, whose worker may be stopped."""
    async with AsyncExitStack() as stack:
        environment = {"LIBRETTO_ADMIN_EMAILS": ADMIN}
        if request.param == "bucket":
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for name, value in CREDENTIALS.items():
                patch.setenv(name, value)
            endpoint = await stack.enter_async_context(running_s3("nanio", tmp_path_factory.mktemp("bucket")))
            async with get_session().create_client("s3", endpoint_url=endpoint, region_name="us-east-1") as s3:
                await s3.create_bucket(Bucket="kept")
            environment |= CREDENTIALS | {"BLOB_STORE_URL": f"s3://kept?endpoint={endpoint}&region=us-east-1"}
        yield await stack.enter_async_context(running_studio(environment))


@pytest_asyncio.fixture(scope="module")
async def resources(studio: Studio) -> AsyncIterator[Resources]:
    async with open_resources(studio.settings) as opened:
        yield opened


@pytest.fixture
def client(studio: Studio) -> httpx.AsyncClient:
    return studio.client


@asynccontextmanager
async def without_worker(studio: Studio) -> AsyncIterator[None]:
    """Nobody looks at what is complete, until the block ends."""
    (worker,) = (process for process in studio.processes if process.name == "worker")
    await asyncio.to_thread(worker.stop)
    studio.processes.remove(worker)
    try:
        yield
    finally:
        await studio.start_worker()


async def keys_of(resources: Resources, upload: Any) -> list[str]:
    """What is kept of an upload, parts included."""
    row_id = read_id("upload", upload["id"]).hex
    begun = [key for key, _, _ in await resources.blobs.uploads.list_begun("uploads/")]
    listed = [key async for key, _ in resources.blobs.list_keys("uploads/")]
    return [key for key in [*listed, *begun] if f"/{row_id}/" in key]


async def reserved_bytes(person: Person) -> int:
    row = await database.fetch_one(
        "SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes FROM uploads"
        " WHERE user_id = $1 AND status IN ('PENDING', 'CHECKING', 'STORED')",
        read_id("user", person.id),
    )
    assert row is not None
    return int(row["bytes"])


async def download(client: httpx.AsyncClient, upload: Any) -> bytes:
    answer = await client.get(upload["fileUrl"])
    assert answer.status_code == 200
    return answer.content


async def test_small_file_comes_whole_and_is_kept(
    resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    upload = await announce(person)
    assert (upload["status"], upload["method"], upload["parts"]) == ("PENDING", "PUT", [])
    assert upload["headers"]["Content-Type"] == "audio/mpeg"
    assert upload["fileUrl"] is None
    assert (await send(client, upload)).status_code == 200
    stored = await see_through(person, upload)
    assert (stored["status"], stored["rejection"], stored["url"]) == ("STORED", None, None)
    assert stored["job"]["upload"] == {"id": upload["id"]}
    assert await download(client, stored) == SONG
    await until(lambda: has_keys(resources, upload, 1), "only the kept file is left")


async def has_keys(resources: Resources, upload: Any, count: int) -> bool:
    return len(await keys_of(resources, upload)) == count


async def test_large_file_comes_in_parts_in_any_order_and_again(
    resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    upload = await announce(person, FILM)
    assert upload["url"] is None
    assert [part["number"] for part in upload["parts"]] == [1, 2, 3]
    assert sum(part["sizeBytes"] for part in upload["parts"]) == len(FILM)
    for part in [upload["parts"][number] for number in (2, 0, 1, 2)]:
        assert (await send_part(client, part, FILM)).status_code == 200
    stored = await see_through(person, upload)
    assert stored["status"] == "STORED"
    assert await download(client, stored) == FILM
    await until(lambda: has_keys(resources, upload, 1), "only the kept file is left")


async def test_upload_goes_on_where_a_killed_connection_left_it(
    resources: Resources, person: Person, client: httpx.AsyncClient, studio: Studio
) -> None:
    upload = await announce(person, FILM)
    await send_part(client, upload["parts"][1], FILM)
    await send_half(upload["parts"][0], FILM)
    early = await complete(person, upload)
    assert (early["__typename"], early["missingParts"]) == ("UploadIncomplete", [1, 3])
    refreshed = (await person.get(REFRESH, id=upload["id"]))["refreshUpload"]["upload"]
    assert [(part["number"], part["sizeBytes"]) for part in refreshed["receivedParts"]] == [(2, PART_BYTES)]
    assert (await find(person, upload))["receivedParts"] == refreshed["receivedParts"]
    if not studio.settings.blob_store_url:
        await until(lambda: is_empty(studio), "half a part is gone")
    for part in (refreshed["parts"][0], refreshed["parts"][2]):
        assert (await send_part(client, part, FILM)).status_code == 200
    assert await download(client, await see_through(person, upload)) == FILM


async def is_empty(studio: Studio) -> bool:
    return list((studio.home / "files" / INCOMING).iterdir()) == []


async def send_half(part: Any, body: bytes) -> None:
    """Half of a part, then the line is cut."""
    url = urlsplit(part["url"])
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {part['sizeBytes']}\r\n\r\n"
    writer.write(head.encode() + body[part["offsetBytes"] :][: part["sizeBytes"] // 2])
    await writer.drain()
    writer.transport.abort()


async def test_file_that_has_not_arrived_is_not_complete(person: Person, client: httpx.AsyncClient) -> None:
    upload = await announce(person)
    early = await complete(person, upload)
    assert (early["__typename"], early["code"], early["missingParts"]) == ("UploadIncomplete", "UPLOAD_INCOMPLETE", [1])
    assert (await find(person, upload))["status"] == "PENDING"
    await send(client, upload)
    assert (await see_through(person, upload))["status"] == "STORED"


@pytest.mark.parametrize(
    ("code", "body", "given"),
    [
        ("WRONG_SHA256", FILM, {"sha256": "0" * 64}),
        ("UNKNOWN_TYPE", b"<!doctype html><script>alert(1)</script>", {}),
        ("UNKNOWN_TYPE", b"PK\x03\x04" + bytes(1000), {}),
        ("UNKNOWN_TYPE", b'<svg xmlns="http://www.w3.org/2000/svg"/>', {"mimeType": "image/png", "filename": "a.png"}),
        ("UNKNOWN_TYPE", b"#EXTM3U\nfile:///etc/passwd", {"mimeType": "video/mp4", "filename": "a.mp4"}),
        ("UNKNOWN_TYPE", b"ffconcat version 1.0\nfile /etc/passwd", {"mimeType": "video/mp4", "filename": "a.mp4"}),
        ("WRONG_TYPE", b"\x89PNG\r\n\x1a\n" + bytes(100), {}),
        ("WRONG_TYPE", SONG, {"mimeType": "audio/wav", "filename": "song.wav"}),
    ],
)
async def test_file_that_is_not_what_was_announced_is_rejected_and_nothing_stays(
    resources: Resources, person: Person, client: httpx.AsyncClient, code: str, body: bytes, given: dict[str, Any]
) -> None:
    rejected = await bring(person, client, body, **given)
    assert (rejected["status"], rejected["rejection"]["code"]) == ("REJECTED", code)
    assert rejected["fileUrl"] is None
    assert await reserved_bytes(person) == 0
    await until(lambda: has_keys(resources, rejected, 0), "nothing is left")
    again = await complete(person, rejected)
    assert (again["upload"]["status"], again["job"]["id"]) == ("REJECTED", rejected["job"]["id"])


async def test_wrong_hash_of_a_whole_file_is_seen_at_once_or_in_the_end(
    resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    upload = await announce(person, sha256="0" * 64)
    if (await send(client, upload)).status_code == 200:
        assert (await see_through(person, upload))["rejection"]["code"] == "WRONG_SHA256"
    else:
        assert (await complete(person, upload))["__typename"] == "UploadIncomplete"
    assert await keys_of(resources, upload) == []


async def test_whoever_completes_twice_at_once_gets_one_job(person: Person, client: httpx.AsyncClient) -> None:
    upload = await announce(person)
    await send(client, upload)
    answers = await asyncio.gather(*(complete(person, upload) for _ in range(6)))
    assert len({answer["job"]["id"] for answer in answers}) == 1
    stored = await see_through(person, upload)
    assert (stored["status"], stored["job"]["id"]) == ("STORED", answers[0]["job"]["id"])


async def test_file_that_is_swapped_before_it_is_looked_at_is_refused(
    resources: Resources, person: Person, client: httpx.AsyncClient, studio: Studio
) -> None:
    upload = await announce(person, sha256=None)
    announced = await announce(person)
    for each in (upload, announced):
        await send(client, each)
    async with without_worker(studio):
        for each in (upload, announced):
            assert (await complete(person, each))["upload"]["status"] == "CHECKING"
        swapped = await send(client, announced, SONG[::-1])
        await send(client, upload, b"<html>".ljust(len(SONG)))
    rejected = await see_through(person, upload)
    assert rejected["rejection"]["code"] == "UNKNOWN_TYPE"
    ended = await see_through(person, announced)
    if swapped.status_code == 200:
        assert ended["rejection"]["code"] == "WRONG_SHA256"
    else:  # the link knew the digest
        assert await download(client, ended) == SONG


async def test_file_that_is_swapped_after_it_was_looked_at_stays_as_it_was(
    person: Person, client: httpx.AsyncClient
) -> None:
    whole, film = await announce(person, sha256=None), await announce(person, FILM)
    await send(client, whole)
    for part in film["parts"]:
        await send_part(client, part, FILM)
    stored = [await see_through(person, each) for each in (whole, film)]
    await send(client, whole, bytes(len(SONG)))
    for part in film["parts"]:
        await send_part(client, part, bytes(len(FILM)))
    assert [await download(client, each) for each in stored] == [SONG, FILM]
    assert [await download(client, await find(person, each)) for each in stored] == [SONG, FILM]


async def test_cancelled_and_deleted_uploads_leave_nothing(
    resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    film = await announce(person, FILM)
    await send_part(client, film["parts"][0], FILM)
    whole = await announce(person)
    await send(client, whole)
    assert await reserved_bytes(person) == len(FILM) + len(SONG)
    for each in (film, whole, whole):
        assert (await person.get(CANCEL, id=each["id"]))["cancelUpload"]["__typename"] == "UploadCancelled"
    assert await reserved_bytes(person) == 0
    assert [await keys_of(resources, each) for each in (film, whole)] == [[], []]
    assert (await complete(person, film))["code"] == "CONFLICT"
    stored = await bring(person, client)
    assert (await person.get(CANCEL, id=stored["id"]))["cancelUpload"]["code"] == "CONFLICT"
    for each in (film, whole, stored):
        assert (await person.get(DELETE, id=each["id"]))["deleteUpload"]["__typename"] == "UploadDeleted"
    assert await reserved_bytes(person) == 0
    assert (await person.get(LIST))["uploads"]["nodes"] == []
    await until(lambda: has_keys(resources, stored, 0), "nothing is left")


async def test_abandoned_uploads_expire_and_leave_nothing(
    resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    film, whole, kept = await announce(person, FILM), await announce(person), await bring(person, client)
    await send_part(client, film["parts"][0], FILM)
    await send(client, whole)
    await database.fetch(
        "UPDATE uploads SET expires_at = now() - interval '1 s' WHERE user_id = $1", read_id("user", person.id)
    )

    async def expired() -> bool:  # by the worker of the studio, if it comes first
        await expire_uploads(resources.blobs)
        return [(await find(person, each))["status"] for each in (film, whole)] == ["EXPIRED"] * 2

    await until(expired, "both expire")
    await until(lambda: has_keys(resources, film, 0), "no part is left")
    await until(lambda: has_keys(resources, whole, 0), "no file is left")
    assert await reserved_bytes(person) == len(SONG)
    assert await download(client, await find(person, kept)) == SONG
    assert (await complete(person, whole))["code"] == "CONFLICT"


async def test_only_its_owner_sees_and_moves_an_upload(
    studio: Studio, person: Person, client: httpx.AsyncClient
) -> None:
    upload = await announce(person)
    await send(client, upload)
    documents = {"refreshUpload": REFRESH, "completeUpload": COMPLETE, "cancelUpload": CANCEL, "deleteUpload": DELETE}
    for somebody in (await studio.make_user(), await studio.make_user(ADMIN)):
        for name, document in documents.items():
            assert (await somebody.get(document, id=upload["id"]))[name]["code"] == "NOT_FOUND"
        assert (await somebody.ask(FIND, id=upload["id"]))["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert (await somebody.get(LIST))["uploads"]["nodes"] == []
    for document in (*documents.values(), FIND):
        nobody = await studio.ask(document, id=upload["id"])
        assert nobody["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await find(person, upload))["status"] == "PENDING"
    assert (await see_through(person, upload))["status"] == "STORED"


async def test_hundred_small_uploads_at_once_all_arrive(person: Person, client: httpx.AsyncClient) -> None:
    bodies = [SONG + FRAME * number for number in range(100)]
    uploads = await asyncio.gather(*(announce(person, body) for body in bodies))
    answers = await asyncio.gather(*(send(client, *each) for each in zip(uploads, bodies, strict=True)))
    assert {answer.status_code for answer in answers} == {200}
    stored = await asyncio.gather(*(see_through(person, upload) for upload in uploads))
    assert {each["status"] for each in stored} == {"STORED"}
    assert [each["sha256"] for each in stored] == [describe(body)["sha256"] for body in bodies]
    assert await reserved_bytes(person) == sum(map(len, bodies))


async def test_uploads_are_listed_newest_first_and_by_status(person: Person, client: httpx.AsyncClient) -> None:
    stored, waiting = await bring(person, client), await announce(person)
    assert [node["id"] for node in (await person.get(LIST))["uploads"]["nodes"]] == [waiting["id"], stored["id"]]
    only = (await person.get(LIST, status="STORED"))["uploads"]["nodes"]
    assert only == [{"id": stored["id"], "status": "STORED"}]
