"""Announcing a file: what is taken, what room there is, how often, and what a file may be called."""

import asyncio
import os
import struct
from collections import Counter
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest
import pytest_asyncio

from server.resources import Resources
from storage import database
from storage.rows import read_id
from tests.studio import Person, Studio, free_port
from tests.uploads.bringing import CANCEL, CREATE, SONG, announce, bring, create, describe, see_through, send_part

MIB = 1 << 20
MAX_BYTES = 200 * MIB
HEAD = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 48_000, 192_000, 4, 16)
WAV = (HEAD + b"data" + struct.pack("<I", MAX_BYTES - len(HEAD) - 8)).ljust(MIB, b"\x01")


@pytest.fixture
def client(studio: Studio) -> httpx.AsyncClient:
    return studio.client


async def rows_of(person: Person) -> list[database.Record]:
    return await database.fetch("SELECT * FROM uploads WHERE user_id = $1", read_id("user", person.id))


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("sizeBytes", {"sizeBytes": MAX_BYTES + 1}),
        ("sizeBytes", {"sizeBytes": 0}),
        ("sizeBytes", {"sizeBytes": -5}),
        ("mimeType", {"mimeType": "text/html"}),
        ("mimeType", {"mimeType": "image/svg+xml"}),
        ("mimeType", {"mimeType": "application/zip"}),
        ("mimeType", {"mimeType": ""}),
        ("mimeType", {"mimeType": "audio/mpeg\r\nX: y"}),
        ("filename", {"filename": ""}),
        ("filename", {"filename": "\u202e\u0000\u0007"}),
        ("filename", {"filename": "song.wav"}),
        ("filename", {"filename": "song.mp3.html"}),
        ("filename", {"filename": "x" * 300 + ".exe"}),
        ("sha256", {"sha256": "abc"}),
        ("sha256", {"sha256": "g" * 64}),
        ("idempotencyKey", {"idempotencyKey": ""}),
    ],
)
async def test_file_that_we_do_not_take_is_refused_by_field(
    resources: Resources, person: Person, field: str, given: dict[str, Any]
) -> None:
    refused = await create(person, describe(SONG, **given))
    assert (refused["__typename"], refused["code"]) == ("ValidationFailed", "VALIDATION_FAILED")
    assert [problem["field"] for problem in refused["fields"]] == [field]
    assert await rows_of(person) == []


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("../../etc/passwd.mp3", ".. .. etc passwd.mp3"),
        ("C:\\songs\\a.mp3", "C: songs a.mp3"),
        ("\u202egnp.3pm.mp3", "gnp.3pm.mp3"),
        ("a\r\nSet-Cookie: x\x00.mp3", "aSet-Cookie: x.mp3"),
        ("Cafe\u0301.MP3", "Caf\u00e9.MP3"),
        ("夜想曲.mp3", "夜想曲.mp3"),
        ("no extension", "no extension"),
        ("é" * 200 + ".mp3", "é" * 127),
        ("'; DROP TABLE uploads; --.mp3", "'; DROP TABLE uploads; --.mp3"),
    ],
)
async def test_name_is_only_shown_and_never_part_of_a_key(
    person: Person, client: httpx.AsyncClient, filename: str, shown: str
) -> None:
    stored = await bring(person, client, filename=filename)
    assert (stored["status"], stored["filename"]) == ("STORED", shown)
    answer = await client.get(stored["fileUrl"])
    assert answer.content == SONG
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert "set-cookie" not in answer.headers
    assert "kept-1.mp3?" in stored["fileUrl"]


@pytest.mark.parametrize("mime_type", ["audio/mpeg", "audio/mp3", "Audio/MPEG", "audio/mpeg; codecs=mp3"])
async def test_type_may_be_called_as_others_call_it(person: Person, mime_type: str) -> None:
    assert (await announce(person, mimeType=mime_type))["mimeType"] == "audio/mpeg"


async def test_client_says_whether_a_file_comes_in_parts(person: Person) -> None:
    limit = 16 * MIB
    cases: list[tuple[int, dict[str, Any], int]] = [
        (limit, {}, 0),
        (limit + 1, {}, 3),
        (limit + 1, {"inParts": False}, 0),
        (5, {"inParts": True}, 1),
    ]
    for size, given, parts in cases:
        upload = await announce(person, sizeBytes=size, **given)
        assert (len(upload["parts"]), upload["url"] is None) == (parts, parts > 0)


async def test_room_is_reserved_and_given_back(resources: Resources, person: Person) -> None:
    given = describe(SONG, sizeBytes=MAX_BYTES, sha256=None)
    answers = await asyncio.gather(*(create(person, given) for _ in range(14)))
    assert Counter(answer["__typename"] for answer in answers) == {"UploadCreated": 10, "QuotaExceeded": 4}
    refused = next(answer for answer in answers if answer["__typename"] == "QuotaExceeded")
    assert (refused["code"], refused["requiredBytes"], refused["availableBytes"]) == (
        "QUOTA_EXCEEDED",
        MAX_BYTES,
        48 * MIB,
    )
    assert len(await rows_of(person)) == 10
    first = next(answer["upload"] for answer in answers if answer["__typename"] == "UploadCreated")
    await person.get(CANCEL, id=first["id"])
    assert (await create(person, given))["__typename"] == "UploadCreated"
    await database.fetch("UPDATE users SET plan = 'pro' WHERE id = $1", read_id("user", person.id))
    assert (await create(person, given))["__typename"] == "UploadCreated"


async def test_same_key_and_input_reserve_once(resources: Resources, person: Person) -> None:
    given = describe(SONG, sizeBytes=20 * MIB, idempotencyKey="once")
    answers = await asyncio.gather(*(create(person, given) for _ in range(5)))
    assert len({answer["upload"]["id"] for answer in answers}) == 1
    assert len(await rows_of(person)) == 1
    assert (await create(person, given | {"sizeBytes": 1}))["code"] == "CONFLICT"


@pytest_asyncio.fixture
async def limited(studio: Studio) -> Any:
    """A web process that counts."""
    port = free_port()
    web = await studio.start_web(port, RATE_LIMIT_SCALE="1")
    yield f"http://127.0.0.1:{port}/graphql"
    web.kill()


async def test_sixty_an_hour_are_announced_and_no_more(
    resources: Resources, person: Person, client: httpx.AsyncClient, limited: str
) -> None:
    body = {"query": CREATE, "variables": {"input": describe(SONG)}}
    headers = {"Authorization": f"Bearer {person.token}"}
    answers = await asyncio.gather(*(client.post(limited, json=body, headers=headers) for _ in range(63)))
    results = [answer.json()["data"]["createUpload"] for answer in answers]
    assert Counter(result["__typename"] for result in results) == {"UploadCreated": 60, "RateLimited": 3}
    assert len(await rows_of(person)) == 60


async def test_largest_file_passes_through_a_web_process_whose_memory_stays_flat(
    studio: Studio, resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    body = WAV * 200
    given = {"filename": "long.wav", "mimeType": "audio/wav"}
    whole = await announce(person, body, **given, inParts=False)
    in_parts = await announce(person, body, **given)
    assert len(in_parts["parts"]) == 25
    web = psutil.Process(next(each for each in studio.processes if each.name == "web").child.pid)
    before, peak = web.memory_info().rss, 0
    putting = asyncio.gather(
        client.put(whole["url"], content=body, headers=whole["headers"], timeout=100),
        *(send_part(client, part, body) for part in in_parts["parts"]),
    )
    while not putting.done():
        peak = max(peak, web.memory_info().rss)
        await asyncio.sleep(0.02)
    assert {answer.status_code for answer in await putting} == {200}
    print(f"memory of the web process: {before >> 20} MiB before, at most {(peak - before) >> 20} MiB more")
    for each in (whole, in_parts):
        stored = await see_through(person, each)
        assert (stored["status"], stored["sizeBytes"]) == ("STORED", MAX_BYTES)
    assert max(peak, web.memory_info().rss) - before <= 30 * MIB


async def test_browser_is_told_that_any_page_may_put(person: Person, client: httpx.AsyncClient) -> None:
    upload = await announce(person)
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    preflight = await client.options(upload["url"], headers=asked | {"Access-Control-Request-Headers": "content-type"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-methods"] == "PUT"
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
    headers = upload["headers"] | {"Origin": "https://app.example"}
    answer = await client.put(upload["url"], content=os.urandom(len(SONG)), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "WRONG_SHA256")
    assert answer.headers["access-control-allow-origin"] == "*"
    answer = await client.put(upload["url"], content=SONG, headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "ETag" in answer.headers["access-control-expose-headers"]
