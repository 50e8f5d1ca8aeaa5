"""What browsers may do for the pages that they show: read our answers, or only those that we trust them with."""

from itertools import product

import pytest

from server.origins import Origins
from tests.studio import Person, Studio

JSON = "application/json"
TYPENAME = {"query": "{ __typename }"}
TRUSTED = ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:5173"]
UNTRUSTED = ["https://evil.test", "http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://[::1", "null"]


@pytest.mark.parametrize("origin", TRUSTED + UNTRUSTED)
async def test_only_pages_of_trusted_origins_may_read_the_answer(studio: Studio, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "authorization,content-type"
    preflight = await studio.client.options("/graphql", headers=asked)
    answer = await studio.client.post("/graphql", json=TYPENAME, headers={"origin": origin})

    assert preflight.status_code == (200 if origin in TRUSTED else 400)
    assert answer.headers.get("access-control-allow-origin") == (origin if origin in TRUSTED else None)
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "name", ["apollo-require-preflight", "x-apollo-operation-name", "x-graphql-event-stream-token"]
)
async def test_headers_and_methods_of_graphql_clients_are_allowed(studio: Studio, name: str) -> None:
    asked = {"origin": TRUSTED[0], "access-control-request-method": "PUT", "access-control-request-headers": name}
    preflight = await studio.client.options("/graphql", headers=asked)

    assert preflight.status_code == 200
    assert name in preflight.headers["access-control-allow-headers"].split(", ")
    assert "PUT" in preflight.headers["access-control-allow-methods"].split(", ")


@pytest.mark.parametrize("name", ["cookie", "x-anything", "authorization, x-anything"])
async def test_other_headers_and_methods_are_not(studio: Studio, name: str) -> None:
    asked = {"origin": TRUSTED[0], "access-control-request-method": "POST", "access-control-request-headers": name}
    preflight = await studio.client.options("/graphql", headers=asked)
    patch = await studio.client.options("/graphql", headers=asked | {"access-control-request-method": "PATCH"})

    assert (preflight.status_code, preflight.text) == (400, "Disallowed CORS headers")
    assert "method" in patch.text


async def test_files_keep_their_own_rule_for_pages_elsewhere(studio: Studio) -> None:
    asked = {"origin": UNTRUSTED[0], "access-control-request-method": "GET", "access-control-request-headers": "range"}
    preflight = await studio.client.options("/media/x", headers=asked)
    answer = await studio.client.get("/media/x", headers={"origin": TRUSTED[0]})

    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    assert answer.headers["access-control-allow-origin"] == "*"


FORGED = {"sec-fetch-site": "cross-site"}


@pytest.mark.parametrize(
    ("headers", "is_served"),
    [
        ({}, True),  # no browser
        ({"origin": UNTRUSTED[0]}, True),  # nor this, whatever it says
        ({"sec-fetch-site": "none"}, True),  # an address that somebody typed
        ({"sec-fetch-site": "same-origin"}, True),
        (FORGED, False),  # a picture, a link, a script
        (FORGED | {"origin": UNTRUSTED[0]}, False),
        (FORGED | {"origin": "null"}, False),
        (FORGED | {"origin": "null", "host": ""}, False),
        (FORGED | {"origin": TRUSTED[0]}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": TRUSTED[0]}, True),
        ({"sec-fetch-site": "whatever-comes-next"}, False),
        *((FORGED | {"content-type": kind}, False) for kind in ("", "text/plain", "multipart/form-data; boundary=x")),
        (FORGED | {"content-type": "TEXT/PLAIN; application/json"}, False),
        (FORGED | {"content-type": JSON}, True),
        *(
            (FORGED | {name: value}, bool(value))
            for name, value in product(
                ("apollo-require-preflight", "graphql-require-preflight", "x-apollo-operation-name"), ("", "yes")
            )
        ),
    ],
)
async def test_get_is_served_unless_a_foreign_page_may_have_a_browser_send_it(
    studio: Studio,
    headers: dict[str, str],
    is_served: bool,  # noqa: FBT001 - a column of the table
) -> None:
    answer = await studio.client.get("/graphql", params=TYPENAME, headers=headers)

    if is_served:
        assert answer.json()["data"] == {"__typename": "Query"}
    else:
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["extensions"]["code"] == "CSRF_REFUSED"


@pytest.mark.parametrize("params", [{"token": "x"}, TYPENAME])
async def test_stream_is_not_opened_for_a_foreign_page(studio: Studio, params: dict[str, str]) -> None:
    headers = FORGED | {"origin": UNTRUSTED[0], "accept": "text/event-stream"}
    answer = await studio.client.get("/graphql", params=params, headers=headers)

    assert answer.json()["errors"][0]["extensions"]["code"] == "CSRF_REFUSED"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_form_of_a_foreign_page_changes_nothing(studio: Studio, person: Person, kind: str) -> None:
    headers = FORGED | {"origin": UNTRUSTED[0], "content-type": kind, "authorization": f"Bearer {person.token}"}
    body = b'{"query": "mutation { createSeries(input: {title: \\"forged\\"}) { __typename } }"}'
    answer = await studio.client.post("/graphql", content=body, headers=headers)

    assert answer.status_code == (400 if kind.startswith("multipart") else 415)  # a form must say that it is no page's
    assert "forged" not in str(await person.get("{ series(first: 9) { nodes { title } } }"))


@pytest.mark.parametrize(
    ("profile", "origin", "host", "is_trusted"),
    [
        ("dev", "http://localhost:3000", "studio.test", True),
        ("production", "http://localhost:3000", "studio.test", False),
        ("production", "https://app.test", "studio.test", True),
        ("production", "https://app.test:8443", "studio.test", False),
        ("production", "https://studio.test", "studio.test", True),
        ("production", "null", "", False),
        ("production", "", "", False),
        ("dev", "ftp://localhost", "studio.test", False),
        ("dev", "http://localhost:3000.evil.test", "studio.test", False),
    ],
)
def test_origin_is_trusted_by_the_settings_the_host_and_on_this_machine(
    studio: Studio,
    profile: str,
    origin: str,
    host: str,
    is_trusted: bool,  # noqa: FBT001 - a column of the table
) -> None:
    settings = studio.settings.model_copy(
        update={"libretto_profile": profile, "trusted_origins": frozenset({"https://app.test"})}
    )
    assert Origins(settings).trusts(origin, host) == is_trusted
