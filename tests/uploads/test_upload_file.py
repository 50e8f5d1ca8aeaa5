"""Small files sent along with the request itself, in the form that graphql-multipart-request-spec describes."""

import json
from typing import Any

import httpx
import pytest

from server.resources import Resources
from storage import database
from storage.rows import read_id
from tests.studio import Person, Studio, until
from tests.uploads.bringing import FRAME, SONG, find, see_through

UPLOAD_FILE = """mutation ($input: UploadFileInput!) { uploadFile(input: $input) { __typename
  ... on UploadCompleted { upload { id status filename mimeType sizeBytes } job { id state } }
  ... on ValidationFailed { fields { field } } ... on Failure { code message } } }"""
LARGE = FRAME * (3 * (1 << 20) // len(FRAME))  # more than the front takes, and on disk while it is read
MAP = {"0": ["variables.input.file"]}
PREFLIGHT = {"apollo-require-preflight": "true"}


def operations(**given: Any) -> dict[str, Any]:
    return {"query": UPLOAD_FILE, "variables": {"input": {"file": None} | given}}


async def send_form(
    person: Person,
    body: bytes = SONG,
    *,
    asked: Any = None,
    places: Any = None,
    headers: dict[str, str] | None = None,
    **named: str,
) -> httpx.Response:
    form = {"operations": json.dumps(asked or operations()), "map": json.dumps(MAP if places is None else places)}
    file = (named.get("filename", "song.mp3"), body, named.get("mime_type", "audio/mpeg"))
    return await person.studio.client.post(
        "/graphql",
        data=form,
        files={"0": file},
        headers={"Authorization": f"Bearer {person.token}"} | (PREFLIGHT if headers is None else headers),
    )


async def rows_of(person: Person) -> list[database.Record]:
    return await database.fetch("SELECT * FROM uploads WHERE user_id = $1", read_id("user", person.id))


@pytest.mark.parametrize("body", [SONG, LARGE], ids=["small", "large"])
async def test_small_file_comes_with_the_request(studio: Studio, person: Person, body: bytes) -> None:
    answer = await send_form(person, body)
    brought = answer.json()["data"]["uploadFile"]
    assert brought["__typename"] == "UploadCompleted", brought
    assert (brought["upload"]["filename"], brought["upload"]["sizeBytes"]) == ("song.mp3", len(body))
    stored = await see_through(person, brought["upload"])
    assert stored["status"] == "STORED"
    assert (await studio.client.get(stored["fileUrl"])).content == body


@pytest.mark.parametrize("name", ["x-requested-with", "graphql-preflight", "graphql-require-preflight"])
async def test_any_header_that_makes_browsers_ask_first_will_do(person: Person, name: str) -> None:
    assert "uploadFile" in (await send_form(person, headers={name: "1"})).json()["data"]


async def test_form_that_a_foreign_page_could_send_is_refused(resources: Resources, person: Person) -> None:
    for body in (SONG, LARGE):
        answer = await send_form(person, body, headers={})
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "PREFLIGHT_REQUIRED")
    assert await rows_of(person) == []


async def test_more_than_ten_megabytes_are_refused_before_they_are_read(resources: Resources, person: Person) -> None:
    answer = await send_form(person, bytes(11 << 20))
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (413, "BODY_TOO_LARGE")
    assert await rows_of(person) == []


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ([operations()], None),
        ("text", None),
        (None, []),
        (None, {"1": ["variables.input.file"]}),
        (None, {"0": "variables.input.file"}),
        (None, {"0": ["variables.input.nothing"]}),
        (None, {"0": ["variables.input.file.deeper"]}),
        (None, {"0": ["query"]}),
        (None, {"0": ["variables.input.file", "variables.input.file"]}),
        (None, {"operations": ["variables.input.file"]}),
    ],
)
async def test_form_that_makes_no_sense_is_a_bad_request(
    resources: Resources, person: Person, asked: Any, places: Any
) -> None:
    answer = await send_form(person, asked=asked, places=places)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")
    assert await rows_of(person) == []


@pytest.mark.parametrize(
    "broken", [b"", b"--x\r\n", b"not a form", b"--x\r\nContent-Disposition: form-data\r\n\r\n--x--"]
)
async def test_broken_form_is_a_bad_request(studio: Studio, person: Person, broken: bytes) -> None:
    headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "multipart/form-data; boundary=x"} | PREFLIGHT
    answer = await studio.client.post("/graphql", content=broken, headers=headers)
    assert answer.status_code in (400, 413)
    assert answer.json()["errors"][0]["extensions"]["code"] in ("BAD_REQUEST", "BODY_TOO_LARGE")


async def test_file_that_is_text_in_the_variables_is_the_clients_mistake(person: Person) -> None:
    for file in (None, "song", {"size_bytes": 1}):
        answer = await person.ask(UPLOAD_FILE, input={"file": file})
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_same_rules_hold_as_for_any_upload(resources: Resources, person: Person, studio: Studio) -> None:
    refused = (await send_form(person, filename="page.html", mime_type="text/html")).json()["data"]["uploadFile"]
    assert (refused["__typename"], refused["fields"]) == ("ValidationFailed", [{"field": "mimeType"}])
    nobody = await send_form(person, headers=PREFLIGHT | {"Authorization": ""})
    assert nobody.json()["errors"][0]["extensions"]["code"] in ("UNAUTHENTICATED", "TOKEN_INVALID")
    assert await rows_of(person) == []
    lie = (await send_form(person, b"<html>")).json()["data"]["uploadFile"]["upload"]

    async def rejected() -> Any:
        return (await find(person, lie))["rejection"]

    assert (await until(rejected, "the lie is seen"))["code"] == "UNKNOWN_TYPE"


async def test_same_key_brings_one_file(resources: Resources, person: Person) -> None:
    answers = [await send_form(person, asked=operations(idempotencyKey="once")) for _ in range(3)]
    assert len({answer.json()["data"]["uploadFile"]["upload"]["id"] for answer in answers}) == 1
    assert len(await rows_of(person)) == 1
