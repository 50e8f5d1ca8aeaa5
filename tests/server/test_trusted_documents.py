"""Trusted documents and persisted queries: by text, by id and by hash, in every mode, on every transport alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
import websockets
from websockets import Subprotocol

from schema.documents import DocumentErrors
from schema.limits import MAX_DOCUMENT_CHARACTERS
from server.errors import Refusal
from server.operations.asked import Asked, BadRequest
from server.operations.trusted import MAX_NOTED, MAX_REMEMBERED, Library, ManifestUnusable, open_library
from server.realtime.sockets import PROTOCOL
from server.settings import Settings, problems_of
from tests.studio import WATCH, Person, Process, Studio, free_port, until

TEXT = "query Root { __typename }"
RELAY_TEXT = "query Kind($name: String!) {\n  __type(name: $name) {\n    name\n  }\n}\n"
MUTATION = 'mutation { createSeries(input: {title: "by id"}) { __typename } }'
RELAY_ID = md5(RELAY_TEXT.encode(), usedforsecurity=False).hexdigest()
MANIFEST = {"root-1": TEXT, RELAY_ID: RELAY_TEXT, "make-series": MUTATION, "watch": WATCH}

MODES = ("off", "log", "enforce")
TRANSPORTS = ("POST", "GET", "socket")
NEW = "application/graphql-response+json"
UNKNOWN = "f" * 64


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def persisted(sha256_hash: Any, version: Any = 1) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": version, "sha256Hash": sha256_hash}}}


@dataclass
class Site:
    """A web process with a manifest."""

    studio: Studio
    process: Process
    port: int

    async def request(self, transport: str, body: dict[str, Any], accept: str = "*/*") -> httpx.Response:
        url, headers = f"http://127.0.0.1:{self.port}/graphql", {"accept": accept}
        if transport == "POST":
            return await self.studio.client.post(url, json=body, headers=headers)
        given = {
            name: value if isinstance(value, str) else orjson.dumps(value).decode()
            for name, value in body.items()
            if value is not None
        }
        return await self.studio.client.get(url, params=given, headers=headers | {"apollo-require-preflight": "true"})

    async def ask(self, transport: str, body: dict[str, Any]) -> dict[str, Any]:
        """The whole answer, as a request would have it."""
        if transport != "socket":
            payload: dict[str, Any] = (await self.request(transport, body)).json()
            return payload
        message = await self.subscribe(body)
        return {"errors": message["payload"]} if message["type"] == "error" else message["payload"]

    async def subscribe(self, payload: dict[str, Any], token: str | None = None) -> dict[str, Any]:
        """The first message of an operation on a socket of its own."""
        url, protocols = f"ws://127.0.0.1:{self.port}/graphql", [Subprotocol(PROTOCOL)]
        async with asyncio.timeout(10), websockets.connect(url, subprotocols=protocols) as connection:
            given = {"authorization": f"Bearer {token}"} if token else None
            await connection.send(orjson.dumps({"type": "connection_init", "payload": given}).decode())
            await connection.send(orjson.dumps({"type": "subscribe", "id": "1", "payload": payload}).decode())
            async for text in connection:
                message: dict[str, Any] = orjson.loads(text)
                if message.get("id") == "1":
                    return message
        raise AssertionError("the socket closed without an answer")

    async def codes(self, body: dict[str, Any]) -> dict[str, str | None]:
        """How it is refused on each transport."""
        return {transport: await self.code(transport, body) for transport in TRANSPORTS}

    async def code(self, transport: str, body: dict[str, Any]) -> str | None:
        """How it is refused; None when it is answered."""
        answer = await self.ask(transport, body)
        return answer["errors"][0]["extensions"]["code"] if "errors" in answer else None

    async def count(self) -> float:
        """The documents outside of the manifest, as /metrics has them."""
        lines = (await self.studio.client.get(f"http://127.0.0.1:{self.port}/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith("libretto_documents_untrusted_total ")).split()[1])


async def start_site(studio: Studio, manifest: Path, mode: str) -> Site:
    port = free_port()
    web = studio.spawn(mode, "web", PORT=str(port), TRUSTED_DOCUMENTS=str(manifest), TRUSTED_DOCUMENTS_MODE=mode)

    async def is_ready() -> bool:
        assert web.child.poll() is None, web.log.read_text()[-4000:]
        with suppress(httpx.TransportError):
            return (await studio.client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        return False

    await until(is_ready, f"the site in mode {mode} is ready")
    return Site(studio, web, port)


@pytest_asyncio.fixture(scope="module")
async def sites(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Site]]:
    """One web process for each mode."""
    manifest = write(tmp_path_factory.mktemp("manifest"), MANIFEST)
    started = await asyncio.gather(*(start_site(studio, manifest, mode) for mode in MODES))
    yield dict(zip(MODES, started, strict=True))
    for site in started:
        site.process.stop()


def write(folder: Path, manifest: Any) -> Path:
    path = folder / "manifest.json"
    path.write_bytes(manifest if isinstance(manifest, bytes) else orjson.dumps(manifest))
    return path


def library_of(folder: Path, manifest: Any = None, mode: str = "off") -> Library:
    given = {"trusted_documents": str(write(folder, manifest))} if manifest is not None else {}
    return open_library(Settings.model_validate(given | {"trusted_documents_mode": mode}))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "body",
    [
        {"query": TEXT},
        {"documentId": "root-1"},
        {"documentId": "sha256:root-1"},
        {"documentId": f"sha256:{digest(TEXT)}"},
        {"documentId": digest(TEXT)},
        {"documentId": "root-1", "operationName": "Root", "extensions": {}},
        {"documentId": "root-1", "extensions": {"persistedQuery": None}},
        {"documentId": "root-1", "query": ""},
        {"doc_id": "root-1", "query": None},
        {"id": "root-1", "query": None},
        {"id": "something of the client's own", "query": TEXT},
        persisted(digest(TEXT)),
        persisted("root-1"),
        persisted("root-1") | {"query": ""},
        persisted("root-1") | {"query": TEXT},
        persisted(digest(TEXT)) | {"query": TEXT},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(TEXT), "miss": True}}, "query": TEXT},
    ],
)
async def test_document_of_the_manifest_is_had_in_every_way_that_clients_know(
    sites: dict[str, Site], mode: str, body: dict[str, Any]
) -> None:
    for transport in TRANSPORTS:
        assert (await sites[mode].ask(transport, body)).get("data") == {"__typename": "Query"}, transport


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("named", [{"documentId": RELAY_ID}, {"id": RELAY_ID}, persisted(digest(RELAY_TEXT))])
async def test_variables_go_with_an_id(sites: dict[str, Site], transport: str, named: dict[str, Any]) -> None:
    answer = await sites["enforce"].ask(transport, named | {"variables": {"name": "Track"}})

    assert answer["data"] == {"__type": {"name": "Track"}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"documentId": UNKNOWN}, "DOCUMENT_NOT_FOUND"),
        ({"documentId": f"sha256:{UNKNOWN}"}, "DOCUMENT_NOT_FOUND"),
        ({"documentId": ""}, "DOCUMENT_NOT_FOUND"),
        ({"documentId": f"x-own:{digest(TEXT)}"}, "DOCUMENT_NOT_FOUND"),
        ({"id": "root-2"}, "DOCUMENT_NOT_FOUND"),
        (persisted(UNKNOWN), "PERSISTED_QUERY_NOT_FOUND"),
        (persisted(""), "PERSISTED_QUERY_NOT_FOUND"),
        (persisted(UNKNOWN) | {"documentId": "root-1"}, "PERSISTED_QUERY_NOT_FOUND"),
        (persisted(UNKNOWN) | {"query": TEXT}, "PERSISTED_QUERY_MISMATCH"),
        (persisted(digest(TEXT).upper()) | {"query": TEXT}, "PERSISTED_QUERY_MISMATCH"),
        (persisted("root-1") | {"query": TEXT + " "}, "PERSISTED_QUERY_MISMATCH"),
        (persisted(digest(TEXT), version=2), "BAD_REQUEST"),
        (persisted(digest(TEXT), version="1"), "BAD_REQUEST"),
        (persisted(digest(TEXT), version=True), "BAD_REQUEST"),
        (persisted(digest(TEXT), version=None) | {"query": TEXT}, "BAD_REQUEST"),
        (persisted(None), "BAD_REQUEST"),
        (persisted([digest(TEXT)]), "BAD_REQUEST"),
        (persisted({}) | {"query": TEXT}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": digest(TEXT)}}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": []}, "query": TEXT}, "BAD_REQUEST"),
        ({"extensions": {}}, "BAD_REQUEST"),
        ({"query": " ", "documentId": "root-1"}, "BAD_REQUEST"),
    ],
)
async def test_what_is_unknown_or_malformed_is_refused_with_a_code(
    sites: dict[str, Site], mode: str, body: dict[str, Any], code: str
) -> None:
    assert await sites[mode].codes(body) == dict.fromkeys(TRANSPORTS, code)


@pytest.mark.parametrize("transport", ["POST", "socket"])
@pytest.mark.parametrize("field", ["documentId", "doc_id", "id"])
@pytest.mark.parametrize("value", [7, True, ["root-1"], {"id": "root-1"}])
async def test_id_that_is_no_string_is_a_bad_request(
    sites: dict[str, Site], transport: str, field: str, value: Any
) -> None:
    answer = await sites["off"].ask(transport, {field: value})

    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert f"`{field}`" in answer["errors"][0]["message"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_apollo_and_urql_are_told_the_word_that_they_look_for(sites: dict[str, Site], transport: str) -> None:
    answer = await sites["off"].ask(transport, persisted(UNKNOWN))

    assert [error["message"] for error in answer["errors"]] == ["PersistedQueryNotFound"]


@pytest.mark.parametrize("transport", ["POST", "GET"])
@pytest.mark.parametrize(
    ("mode", "body", "older", "newer"),
    [
        ("off", persisted(UNKNOWN), 200, 400),
        ("off", {"documentId": UNKNOWN}, 200, 400),
        ("enforce", {"query": "{ __typename }"}, 200, 400),
        ("off", persisted(UNKNOWN) | {"query": TEXT}, 400, 400),
        ("off", persisted(digest(TEXT), version=2), 400, 400),
        ("enforce", {"documentId": "root-1"}, 200, 200),
    ],
)
async def test_status_is_that_of_any_document_that_is_not_executed(
    sites: dict[str, Site], transport: str, mode: str, body: dict[str, Any], older: int, newer: int
) -> None:
    assert (await sites[mode].request(transport, body, "application/json")).status_code == older
    assert (await sites[mode].request(transport, body, NEW)).status_code == newer


async def test_mutation_by_its_id_cannot_be_sent_by_get(sites: dict[str, Site]) -> None:
    answer = await sites["enforce"].request("GET", {"documentId": "make-series"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_subscription_runs_by_its_id(sites: dict[str, Site], person: Person) -> None:
    job_id = (await person.create_track())["job"]["id"]
    asked = {"documentId": "watch", "variables": {"id": job_id}, "query": ""}
    message = await sites["enforce"].subscribe(asked, person.token)

    assert message["payload"]["data"]["jobProgress"]["id"] == job_id


@pytest.mark.parametrize("mode", ["off", "log"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_document_sent_with_its_hash_is_known_by_it_on_every_transport(
    sites: dict[str, Site], mode: str, transport: str
) -> None:
    text = f"query Sent{transport} {{ __typename }}"
    site = sites[mode]

    assert await site.code(transport, persisted(digest(text))) == "PERSISTED_QUERY_NOT_FOUND"
    assert await site.code(transport, persisted(digest(text)) | {"query": text}) is None
    for known in (persisted(digest(text)), {"documentId": f"sha256:{digest(text)}"}):
        assert await site.codes(known) == dict.fromkeys(TRANSPORTS)


@pytest.mark.parametrize("text", ["{ __typename }", TEXT + "\n", "{ __schema { queryType { name } } }", "{"])
async def test_only_the_manifest_runs_where_it_is_enforced(sites: dict[str, Site], text: str) -> None:
    refused, unknown = (dict.fromkeys(TRANSPORTS, why) for why in ("DOCUMENT_NOT_TRUSTED", "PERSISTED_QUERY_NOT_FOUND"))

    assert await sites["enforce"].codes({"query": text}) == refused
    assert await sites["enforce"].codes(persisted(digest(text)) | {"query": text}) == refused
    assert await sites["enforce"].codes(persisted(digest(text))) == unknown


async def test_refused_mutation_changes_nothing(sites: dict[str, Site], person: Person) -> None:
    url = f"http://127.0.0.1:{sites['enforce'].port}/graphql"
    headers = {"authorization": f"Bearer {person.token}"}
    refused = await person.studio.client.post(url, json={"query": MUTATION.replace("by id", "x")}, headers=headers)
    allowed = await person.studio.client.post(url, json={"id": "make-series"}, headers=headers)

    assert refused.json()["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
    assert allowed.json()["data"]["createSeries"]
    assert (await person.get("{ series(first: 10) { nodes { title } } }"))["series"]["nodes"] == [
        {"title": "by id"},
        {"title": "My tracks"},
    ]


async def test_other_documents_are_logged_once_and_counted_each_time(sites: dict[str, Site]) -> None:
    site = sites["log"]
    text = """# of "somebody
      mutation Enter { logIn(input: {email: "a@b.example", password: "hunter\\"2"}) { __typename } }"""
    before = await site.count()
    for transport in ("POST", "socket", "POST"):
        assert await site.code(transport, {"query": text, "operationName": "Enter"}) is None
    assert await site.code("POST", {"documentId": "root-1"}) is None

    assert await site.count() == before + 3
    (line,) = (line for line in site.process.log.read_text().splitlines() if digest(text) in line)
    assert "warning" in line
    assert "Enter" in line
    assert "logIn" in line
    assert "hunter" not in line
    assert "a@b.example" not in line


async def test_nothing_is_logged_or_counted_where_nobody_watches(sites: dict[str, Site]) -> None:
    assert await sites["off"].code("POST", {"query": "query Unwatched { __typename }"}) is None

    assert await sites["off"].count() == 0
    assert "document.untrusted" not in sites["off"].process.log.read_text()


async def test_flood_of_documents_does_not_flood_the_log(sites: dict[str, Site]) -> None:
    site = sites["enforce"]
    before = await site.count()
    for number in range(MAX_NOTED + 50):
        assert await site.code("POST", {"query": f"{{ flood{number}: __typename }}"}) == "DOCUMENT_NOT_TRUSTED"

    log = site.process.log.read_text()
    assert log.count("document.untrusted ") == MAX_NOTED
    assert log.count("document.untrusted_many") == 1
    assert await site.count() == before + MAX_NOTED + 50


@pytest.mark.parametrize(
    "manifest",
    [
        {digest(TEXT): TEXT},
        {f"sha256:{digest(TEXT)}": TEXT},
        {md5(TEXT.encode(), usedforsecurity=False).hexdigest(): TEXT},
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [{"id": "any", "name": "Root", "type": "query", "body": TEXT}],
        },
    ],
)
def test_manifest_is_read_as_each_tool_writes_it(tmp_path: Path, manifest: dict[str, Any]) -> None:
    library = library_of(tmp_path, manifest, "enforce")

    (first,) = manifest if len(manifest) == 1 else ["any"]
    for document_id in (first, digest(TEXT), f"sha256:{digest(TEXT)}"):
        assert Asked.of({"documentId": document_id}, library) == (TEXT, None, {})


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"{", "is not JSON"),
        ([TEXT], "must hold one JSON object"),
        ({"a": {"text": TEXT}}, "must hold one JSON object"),
        ({"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}, "manifest 2"),
        ({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a"}]}, "`body`"),
        ({"format": "apollo-persisted-query-manifest", "version": 1, "operations": []}, "no documents"),
        (
            {
                "format": "apollo-persisted-query-manifest",
                "version": 1,
                "operations": [{"id": "a", "body": TEXT}, {"id": "a", "body": RELAY_TEXT}],
            },
            "two documents of one id: a",
        ),
        ({}, "no documents"),
        ({"": TEXT}, "an empty id"),
        ({"a": ""}, "a (empty): Syntax Error"),
        ({"a": "{"}, "a ({): Syntax Error"),
        ({"a": "{ nope }"}, "Cannot query field 'nope'"),
        ({"a": "#" * (MAX_DOCUMENT_CHARACTERS + 1)}, "length in characters"),
    ],
)
def test_manifest_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, manifest: Any, said: str) -> None:
    with pytest.raises(ManifestUnusable) as raised:
        library_of(tmp_path, manifest)

    assert said in raised.value.message
    assert raised.value.message.startswith("TRUSTED_DOCUMENTS")


def test_every_document_that_does_not_fit_the_schema_is_listed_up_to_a_bound(tmp_path: Path) -> None:
    with pytest.raises(ManifestUnusable) as raised:
        library_of(tmp_path, MANIFEST | {f"old-{number}": f"{{ gone{number} }}" for number in range(30)})

    head, *lines = raised.value.message.splitlines()
    assert "30 of the 34 documents" in head
    assert lines[0] == "  old-0 ({ gone0 }): Cannot query field 'gone0' on type 'Query'."
    assert lines[-1] == "  and 10 more"
    assert len(lines) == 21


@pytest.mark.parametrize("mode", ["log", "enforce"])
def test_mode_that_watches_needs_a_manifest(mode: str) -> None:
    (problem,) = problems_of(Settings.model_validate({"trusted_documents_mode": mode}))

    assert "TRUSTED_DOCUMENTS must name a manifest" in problem


@pytest.mark.parametrize("command", ["web", "run", "doctor"])
async def test_stale_manifest_stops_the_boot_and_is_named_to_the_doctor(
    studio: Studio, tmp_path: Path, command: str
) -> None:
    manifest = write(tmp_path, MANIFEST | {"stale": "query ($a: [ID!]) { tracks(ids: $a) [/red] }"})
    process = studio.spawn(command, command, TRUSTED_DOCUMENTS=str(manifest), PORT=str(free_port()))
    status = await asyncio.to_thread(process.child.wait, 60)

    said = process.log.read_text()
    assert status == 1, said
    assert "1 of the 5 documents" in said
    assert "stale" in said
    assert "[/red]" in said


def remember(library: Library, text: str) -> None:
    Asked.of(persisted(digest(text)) | {"query": text}, library)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{ nope }",
        "{" + " ".join(f"a{n}: __typename" for n in range(50)) + "}",
        "{ __typename #" + "x" * 20_000 + "\n}",
    ],
)
def test_document_that_may_not_run_is_not_remembered(tmp_path: Path, text: str) -> None:
    library = library_of(tmp_path)

    with pytest.raises((DocumentErrors, Refusal)):
        remember(library, text)
    assert library.find(digest(text)) is None


def test_document_in_use_outlives_a_flood_of_others(tmp_path: Path) -> None:
    library = library_of(tmp_path)
    flood = [f"{{ flood{number}: __typename }}" for number in range(MAX_REMEMBERED + 1)]
    remember(library, TEXT)
    assert library.find(digest(TEXT)) == TEXT
    for text in flood:
        remember(library, text)

    assert library.find(digest(TEXT)) == TEXT
    assert library.find(digest(flood[0])) is None
    assert library.find(digest(flood[-1])) == flood[-1]


def test_what_is_remembered_is_bounded_in_number_and_in_characters(tmp_path: Path) -> None:
    library = library_of(tmp_path)
    texts = [f"{{ __typename #{number:08}{'x' * 15_000}\n}}" for number in range(100)]
    for text in texts:
        remember(library, text)
        assert library.find(digest(text)) == text

    kept = [text for text in texts if library.find(digest(text))]
    assert kept == texts[-33:]

    small = [f"{{ small{number}: __typename }}" for number in range(MAX_REMEMBERED + 10)]
    for text in small:
        remember(library, text)
        assert library.find(digest(text)) == text
    assert [text for text in texts + small if library.find(digest(text))] == small[10:]


def test_hash_cannot_be_given_to_another_document(tmp_path: Path) -> None:
    library = library_of(tmp_path, MANIFEST)

    for taken in ("root-1", digest(TEXT), digest("{ mine: __typename }")):
        with pytest.raises(BadRequest):
            Asked.of(persisted(taken) | {"query": "{ other: __typename }"}, library)
    assert library.find("root-1") == library.find(digest(TEXT)) == TEXT
    assert library.find(digest("{ mine: __typename }")) is None
