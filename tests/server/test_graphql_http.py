"""GraphQL over HTTP as its specification has it: media types, status codes, and what a bad request is told."""

from typing import Any

import httpx
import orjson
import pytest

from server.graphql import MAX_BODY_BYTES
from tests.studio import Person, Studio

OLD = "application/json"
NEW = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}
ANSWER = {"data": {"__typename": "Query"}, "extensions": {"cost": {"requested": 0}}}
WITH_NUMBER = "query ($first: Int!) { tracks(first: $first) { nodes { id } } }"
LONG_NUMBER = "{ tracks(first: %s) { nodes { id } } }" % ("9" * 10_000)


async def post(studio: Studio, body: Any, **headers: str) -> httpx.Response:
    """A POST of JSON, or of these very bytes."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await studio.client.post("/graphql", content=content, headers={"content-type": OLD} | named)


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["errors"][0]["extensions"]["code"]
    return code


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("*/*", OLD),
        ("", OLD),
        (OLD, OLD),
        ("APPLICATION/JSON; charset=utf-8", OLD),
        ("application/*", OLD),
        ("application/json, text/plain, */*", OLD),
        ("text/html, */*;q=0.1", OLD),
        ('multipart/mixed;boundary="graphql", application/json', OLD),
        (NEW, NEW),
        (f"{NEW}, {OLD};q=0.9", NEW),
        (f"{OLD};q=0.5, {NEW}", NEW),
        (f"{NEW};q=0, {OLD}", OLD),
        (f"*/*, {OLD};q=0", NEW),
    ],
)
async def test_client_gets_the_media_type_that_it_likes_best(studio: Studio, accept: str, answered: str) -> None:
    answer = await post(studio, TYPENAME, accept=accept)

    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{answered}; charset=utf-8")
    assert answer.json() == ANSWER


@pytest.mark.parametrize("accept", ["text/html", "image/png, text/*", f"{OLD};q=0", f"{OLD};q=soon", f"{OLD};q=nan"])
async def test_client_that_accepts_nothing_of_ours_is_told_so(studio: Studio, accept: str) -> None:
    answer = await post(studio, TYPENAME, accept=accept)

    assert (answer.status_code, code_of(answer)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize(
    "content_type",
    [OLD, f"{OLD}; charset=utf-8", f'{OLD};charset="UTF-8"', "Application/JSON ; charset=utf8"],
)
async def test_json_in_utf_8_is_read(studio: Studio, content_type: str) -> None:
    assert (await post(studio, TYPENAME, content_type=content_type)).json() == ANSWER


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonx",
        f"{OLD}; charset=latin-1",
        f"{OLD}; charset=utf-16",
        f"{OLD}; charset=not-utf-8",
    ],
)
async def test_what_a_foreign_form_could_send_is_refused(studio: Studio, content_type: str) -> None:
    answer = await post(studio, TYPENAME, content_type=content_type)

    assert (answer.status_code, code_of(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_body_without_a_content_type_is_refused(studio: Studio) -> None:
    answer = await studio.client.post("/graphql", content=orjson.dumps(TYPENAME))

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"query": "{ __typename }"',
        b"null",
        b'"{ __typename }"',
        b"7",
        b"[]",
        orjson.dumps([TYPENAME, TYPENAME]),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'\xef\xbb\xbf{"query": "{ __typename }"}',
        b'{"query": "{ __type(name: \\"\xff\\") { name } }"}',
        b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}',
        b'{"query": "{ __typename }", "variables": {"a": NaN}}',
        '{"query": "{ __typename }"}'.encode("utf-16"),
    ],
)
async def test_body_that_is_no_single_json_object_is_a_bad_request(studio: Studio, body: bytes) -> None:
    answer = await post(studio, body, accept=NEW)

    assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")
    assert "data" not in answer.json()


@pytest.mark.parametrize(
    ("name", "value"),
    [("query", value) for value in (None, 0, False, "", "  ", {"a": 1}, ["{ __typename }"])]
    + [("operationName", value) for value in (0, False, {"a": 1}, ["A"])]
    + [(name, value) for name in ("variables", "extensions") for value in ("{}", 0, False, [1])],
)
async def test_parameter_of_a_wrong_type_is_a_bad_request(studio: Studio, name: str, value: Any) -> None:
    answer = await post(studio, TYPENAME | {name: value})

    assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")
    assert f"`{name}`" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("name", ["operationName", "variables", "extensions"])
@pytest.mark.parametrize("media_type", [OLD, NEW])
async def test_parameter_that_is_null_is_as_if_it_were_not_there(studio: Studio, name: str, media_type: str) -> None:
    answer = await post(studio, TYPENAME | {name: None}, accept=media_type)

    assert (answer.status_code, answer.json()) == (200, ANSWER)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothingOfTheKind }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "fragment F on Query { __typename }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { __typename }", "operationName": "B"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { __typename } query B { __typename }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": LONG_NUMBER}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": WITH_NUMBER, "variables": {"first": "ten"}}, "BAD_USER_INPUT"),
        ({"query": WITH_NUMBER}, "BAD_USER_INPUT"),
        ({"query": "{" + " ".join(f"a{n}: __typename" for n in range(50)) + "}"}, "DOCUMENT_TOO_COMPLEX"),
    ],
)
async def test_document_that_is_not_executed_is_400_in_the_newer_media_type_only(
    studio: Studio, body: dict[str, Any], code: str
) -> None:
    newer, older = [await post(studio, body, accept=accept) for accept in (NEW, OLD)]

    assert (newer.status_code, code_of(newer)) == (400, code)
    assert "data" not in newer.json()
    assert (older.status_code, code_of(older)) == (200, code)
    assert older.json().get("data") is None


async def test_operation_is_chosen_by_its_name(studio: Studio) -> None:
    several = "query A { a: __typename } query B { b: __typename }"

    assert (await post(studio, {"query": several, "operationName": "B"})).json()["data"] == {"b": "Query"}


async def test_error_of_a_field_keeps_the_rest_of_the_data(studio: Studio) -> None:
    answer = await post(studio, {"query": "{ viewer { id } __typename }"}, accept=NEW)

    assert answer.status_code == 200
    assert answer.json()["data"] == {"viewer": None, "__typename": "Query"}
    (error,) = answer.json()["errors"]
    assert error["path"] == ["viewer"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_get_serves_queries_with_variables(studio: Studio) -> None:
    query = "query Named($name: String!) { __type(name: $name) { name } }"
    given = {"query": query, "operationName": "Named", "variables": '{"name": "Track"}', "extensions": "{}"}
    answer = await studio.client.get("/graphql", params=given, headers={"accept": NEW})

    assert (answer.status_code, answer.json()["data"]) == (200, {"__type": {"name": "Track"}})


async def test_get_of_a_mutation_is_not_allowed_and_changes_nothing(studio: Studio, person: Person) -> None:
    mutation = 'mutation { createSeries(input: {title: "by GET"}) { __typename } }'
    headers = {"authorization": f"Bearer {person.token}"}
    answer = await studio.client.get("/graphql", params={"query": mutation}, headers=headers)

    assert (answer.status_code, answer.headers["allow"], code_of(answer)) == (405, "POST", "METHOD_NOT_ALLOWED")
    titles = (await person.get("{ series(first: 10) { nodes { title } } }"))["series"]["nodes"]
    assert {"title": "by GET"} not in titles


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"query": ""},
        {"query": "subscription { viewerJobs { id } }"},
        {"query": "{ __typename }", "variables": "{"},
        {"query": "{ __typename }", "variables": "[]"},
        {"query": "{ __typename }", "variables": "[" * 5_000},
        {"query": "{ __typename }", "extensions": "7"},
        {"query": "{ __typename }", "variables": '{"a": "\\ud800"}'},
    ],
)
async def test_get_that_is_no_query_is_a_bad_request(studio: Studio, given: dict[str, str]) -> None:
    answer = await studio.client.get("/graphql", params=given)

    assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")


async def test_get_of_bytes_that_are_no_text_is_not_our_fault(studio: Studio) -> None:
    answer = await studio.client.get("/graphql?query=%ff%fe%00")

    assert code_of(answer) == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"])
async def test_other_methods_are_not_allowed(studio: Studio, method: str) -> None:
    answer = await studio.client.request(method, "/graphql", params=TYPENAME)

    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


async def test_subscription_by_post_is_sent_to_the_socket(studio: Studio) -> None:
    answer = await post(studio, {"query": "subscription { viewerJobs { id } }"})

    assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")
    assert "graphql-transport-ws" in answer.text


@pytest.mark.parametrize("size_bytes", [MAX_BODY_BYTES + 1, 20 * MAX_BODY_BYTES])
async def test_body_over_the_limit_is_refused_and_the_next_one_is_served(studio: Studio, size_bytes: int) -> None:
    answer = await post(studio, b" " * size_bytes)

    assert (answer.status_code, code_of(answer)) == (413, "BODY_TOO_LARGE")
    assert (await post(studio, TYPENAME)).json() == ANSWER


async def test_body_at_the_limit_is_read(studio: Studio) -> None:
    body = orjson.dumps(TYPENAME)

    assert (await post(studio, body + b" " * (MAX_BODY_BYTES - len(body)))).json() == ANSWER


async def test_request_id_of_the_caller_comes_back_everywhere(studio: Studio) -> None:
    answer = await post(studio, {"query": "{ viewer { id } nope }"}, x_request_id="Mine_7-b")

    assert answer.headers["x-request-id"] == "Mine_7-b"
    assert {error["extensions"]["requestId"] for error in answer.json()["errors"]} == {"Mine_7-b"}


@pytest.mark.parametrize("unfit", ["two words", "x" * 65, "<script>", '";drop', ""])
async def test_request_id_that_is_unfit_for_a_log_is_replaced(studio: Studio, unfit: str) -> None:
    answer = await post(studio, TYPENAME, x_request_id=unfit)

    assert answer.headers["x-request-id"] not in {unfit, ""}
    assert answer.headers["x-request-id"].isalnum()


@pytest.mark.parametrize("given", ["Basic abc", "Bearer", "Bearer x", "bearer a.b.c", "Bearer " + "x" * 5_000])
async def test_token_that_is_not_ours_is_unauthorized(studio: Studio, given: str) -> None:
    answer = await post(studio, TYPENAME, authorization=given)

    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_INVALID")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


TRUSTED = ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:5173"]
UNTRUSTED = ["https://evil.test", "http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://[::1", "null"]


@pytest.mark.parametrize("origin", TRUSTED + UNTRUSTED)
async def test_only_pages_of_trusted_origins_may_read_the_answer(studio: Studio, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "authorization,content-type"
    preflight = await studio.client.options("/graphql", headers=asked)
    answer = await post(studio, TYPENAME, origin=origin)

    assert preflight.status_code == (200 if origin in TRUSTED else 400)
    assert answer.headers.get("access-control-allow-origin") == (origin if origin in TRUSTED else None)
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ viewr { id } }", {}),
        ('{ track(idd: "x") { titel } }', {}),
        ("{ ... on Trak { id } }", {}),
        ("{ __typename @skp }", {}),
        ("{ ...Pag } fragment Page on Query { __typename }", {}),
        ("{ jobs(first: 1, state: COMPLET) { nodes { id } } }", {}),
        ("query ($state: JobState) { jobs(first: 1, state: $state) { nodes { id } } }", {"state": "COMPLET"}),
        (
            "mutation ($input: LogInInput!) { logIn(input: $input) { __typename } }",
            {"input": {"emal": "", "email": "", "password": ""}},
        ),
    ],
)
async def test_errors_do_not_suggest_names(studio: Studio, query: str, variables: dict[str, Any]) -> None:
    answer = await post(studio, {"query": query, "variables": variables})

    assert answer.json()["errors"]
    assert "did you mean" not in answer.text.lower()


async def test_error_quotes_no_more_than_a_little_of_what_was_sent(studio: Studio) -> None:
    for body in (
        {"query": LONG_NUMBER},
        {"query": "{ __typename }", "operationName": "x" * 1_000_000},
        {"query": WITH_NUMBER, "variables": {"first": "x" * 1_000_000}},
    ):
        assert len((await post(studio, body)).content) < 2_000


async def test_answers_are_kept_by_no_cache(studio: Studio) -> None:
    assert (await post(studio, TYPENAME)).headers["cache-control"] == "no-store"
    assert (await studio.client.get("/graphql", params=TYPENAME)).headers["cache-control"] == "no-store"
