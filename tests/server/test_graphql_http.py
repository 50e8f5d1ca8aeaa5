"""GraphQL over HTTP as its specification has it: media types, status codes, and what a bad request is told."""

from typing import Any

import httpx
import orjson
import pytest

from server.graphql.endpoint import MAX_BODY_BYTES
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

    is_form = content_type.startswith("multipart")  # which brings files, and must say that no page has sent it
    refusal = (400, "PREFLIGHT_REQUIRED") if is_form else (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (answer.status_code, code_of(answer)) == refusal


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


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "TRACE", "OPTIONS"])
async def test_other_methods_are_not_allowed(studio: Studio, method: str) -> None:
    answer = await studio.client.request(method, "/graphql", params=TYPENAME)

    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)
APOLLO = "application/graphql-response+json,application/json;q=0.9"
SSE, MULTIPART = "text/event-stream", "multipart/mixed"
QUERY, MUTATION = "{ __typename }", "mutation { logOut { __typename } }"
SUBSCRIPTION = "subscription { queues { name } }"


@pytest.mark.parametrize(
    ("accept", "answered", "streamed"),
    [
        (URQL, NEW, SSE),
        (APOLLO, NEW, None),
        (f"multipart/mixed;boundary=graphql;subscriptionSpec=1.0,{OLD}", OLD, MULTIPART),
        (f"multipart/mixed;deferSpec=20220824,{APOLLO}", NEW, MULTIPART),
        (f"multipart/mixed;incrementalSpec=v0.2,{APOLLO}", NEW, MULTIPART),
        (SSE, SSE, SSE),  # graphql-sse, EventSource
        (MULTIPART, MULTIPART, MULTIPART),
        (OLD, OLD, None),  # Relay's examples
        ("*/*", OLD, None),  # fetch, curl
        (f"{SSE}, */*;q=0.1", OLD, SSE),
        (f"{SSE};q=0.5, {MULTIPART}", MULTIPART, MULTIPART),
        (f"{MULTIPART}, {SSE}", MULTIPART, MULTIPART),
        (f"{SSE};q=0, {MULTIPART}, text/*", MULTIPART, MULTIPART),
        (f"{OLD}, {SSE};q=0", OLD, None),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", OLD, None),  # a browser's page
    ],
)
async def test_query_is_streamed_only_if_need_be_and_a_subscription_as_is_liked_best(
    studio: Studio, admin: Person, accept: str, answered: str, streamed: str | None
) -> None:
    for text, expected in ((QUERY, answered), (MUTATION, answered), (SUBSCRIPTION, streamed)):
        assert await read_kind(studio, admin, text, accept) == (expected or "406 NOT_ACCEPTABLE"), text


async def read_kind(studio: Studio, person: Person, query: str, accept: str) -> str:
    """The media type of an answer, which need not end; or how it was refused."""
    token = "" if query == MUTATION else person.token
    headers = {"accept": accept, "authorization": f"Bearer {token}"} if token else {"accept": accept}
    async with studio.client.stream("POST", "/graphql", json={"query": query}, headers=headers) as answer:
        if answer.status_code != 200:
            await answer.aread()
            return f"{answer.status_code} {code_of(answer)}"
        return answer.headers["content-type"].split(";")[0]


async def test_subscription_that_cannot_be_streamed_is_told_how_to_be(studio: Studio) -> None:
    answer = await post(studio, {"query": "subscription { viewerJobs { id } }"})

    assert (answer.status_code, code_of(answer)) == (406, "NOT_ACCEPTABLE")
    assert all(way in answer.text for way in ("graphql-transport-ws", SSE, MULTIPART))


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
async def test_mistake_is_told_to_whom_reads_streams_only_in_one_that_ends(studio: Studio, accept: str) -> None:
    answer = await post(studio, {"query": "subscription { nothing }"}, accept=accept)

    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, accept)
    assert "GRAPHQL_VALIDATION_FAILED" in answer.text
    assert (await post(studio, {"query": 7}, accept=accept)).status_code == 400


async def test_mutation_by_get_is_not_allowed_as_a_stream_either(studio: Studio) -> None:
    answer = await studio.client.get("/graphql", params={"query": MUTATION}, headers={"accept": SSE})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


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
