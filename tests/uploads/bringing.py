"""Bringing a file as a client does: announce it, PUT it or its parts, complete it, and see what becomes of it."""

import asyncio
import hashlib
from typing import Any

import httpx

from tests.studio import Person, until

UPLOAD = """id status filename mimeType sizeBytes sha256 method url headers fileUrl
  parts { number offsetBytes sizeBytes url } receivedParts { number sizeBytes etag }
  media { kind durationSeconds container audioCodec sampleRate channels videoCodec width height framesPerSecond }
  thumbnails { url width height } rejection { code message } createdAt expiresAt job { id state upload { id } }"""
FAILURE = """... on ValidationFailed { fields { field message } } ... on QuotaExceeded { requiredBytes availableBytes }
  ... on RateLimited { retryAfterSeconds } ... on Failure { code message }"""
CREATE = f"""mutation ($input: CreateUploadInput!) {{ createUpload(input: $input) {{ __typename
  ... on UploadCreated {{ upload {{ {UPLOAD} }} }} {FAILURE} }} }}"""
REFRESH = f"""mutation ($id: ID!) {{ refreshUpload(id: $id) {{ __typename
  ... on UploadRefreshed {{ upload {{ {UPLOAD} }} }} ... on Failure {{ code }} }} }}"""
COMPLETE = f"""mutation ($id: ID!) {{ completeUpload(id: $id) {{ __typename
  ... on UploadCompleted {{ upload {{ {UPLOAD} }} job {{ id kind state }} }}
  ... on UploadIncomplete {{ missingParts }} ... on Failure {{ code message }} }} }}"""
CANCEL = "mutation ($id: ID!) { cancelUpload(id: $id) { __typename ... on Failure { code } } }"
DELETE = "mutation ($id: ID!) { deleteUpload(id: $id) { __typename ... on Failure { code } } }"
FIND = f"query ($id: ID!) {{ upload(id: $id) {{ {UPLOAD} }} }}"
LIST = "query ($status: UploadStatus) { uploads(first: 100, status: $status) { nodes { id status } } }"

FRAME = b"\xff\xfb\x90\x00" + bytes(413)  # 26 ms of silence
SONG = FRAME * 100
PART_BYTES = 8 << 20


def describe(body: bytes, **given: Any) -> dict[str, Any]:
    """What `createUpload` wants to know of a file."""
    digest = hashlib.sha256(body).hexdigest()
    return {"filename": "song.mp3", "mimeType": "audio/mpeg", "sizeBytes": len(body), "sha256": digest} | given


async def create(person: Person, given: dict[str, Any]) -> Any:
    return (await person.get(CREATE, input=given))["createUpload"]


async def announce(person: Person, body: bytes = SONG, **given: Any) -> Any:
    """An upload that is awaited."""
    created = await create(person, describe(body, **given))
    assert created["__typename"] == "UploadCreated", created
    return created["upload"]


async def send(client: httpx.AsyncClient, upload: Any, body: bytes = SONG) -> httpx.Response:
    """PUT the whole file."""
    return await client.put(upload["url"], content=body, headers=upload["headers"])


async def send_part(client: httpx.AsyncClient, part: Any, body: bytes) -> httpx.Response:
    """PUT one part of the file."""
    start = part["offsetBytes"]
    return await client.put(part["url"], content=body[start : start + part["sizeBytes"]])


async def complete(person: Person, upload: Any) -> Any:
    return (await person.get(COMPLETE, id=upload["id"]))["completeUpload"]


async def find(person: Person, upload: Any) -> Any:
    return (await person.get(FIND, id=upload["id"]))["upload"]


async def see_through(person: Person, upload: Any) -> Any:
    """The upload as it is when it has been looked at."""
    completed = await complete(person, upload)
    assert completed["__typename"] == "UploadCompleted", completed

    async def ended() -> Any:
        found = await find(person, upload)
        return found if found["status"] not in ("PENDING", "CHECKING") else None

    return await until(ended, "the upload is looked at", 90)  # a hundred may be before it


async def bring(person: Person, client: httpx.AsyncClient, body: bytes = SONG, **given: Any) -> Any:
    """All of it."""
    upload = await announce(person, body, **given)
    if upload["parts"]:
        answers = await asyncio.gather(*(send_part(client, part, body) for part in upload["parts"]))
    else:
        answers = [await send(client, upload, body)]
    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    return await see_through(person, upload)
