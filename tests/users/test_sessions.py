"""Signing up, logging in, refreshing, logging out: as the owner, as a thief, as nobody."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from server.resources import Resources
from storage import database, tokens, users
from storage.rows import read_id
from tests.studio import PASSWORD, SIGN_UP, Person, Studio, free_port, until

VIEWER = "{ viewer { id email plan credits styleSeed accentHue role } }"
LOG_IN = """mutation ($input: LogInInput!) { logIn(input: $input) {
  ... on Session { accessToken user { email } } ... on Failure { code message } } }"""
REFRESH = """mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) {
  ... on Session { accessToken refreshToken } ... on Failure { code message } } }"""


async def refresh(studio: Studio, token: str) -> Any:
    return (await studio.ask(REFRESH, input={"refreshToken": token}))["data"]["refreshSession"]


async def test_new_account_can_see_itself_with_its_first_credits(person: Person) -> None:
    viewer = (await person.get(VIEWER))["viewer"]
    assert (viewer["email"], viewer["plan"], viewer["credits"]) == (person.email, "FREE", 1000)
    assert 0 <= viewer["accentHue"] < 360
    assert viewer["styleSeed"] > 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a" * 300 + "@example.org"}, "email"),
        ({"email": "nul\x00@example.org"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 1000}, "password"),
        ({"displayName": "  "}, "displayName"),
        ({"displayName": "\u3164\u200b"}, "displayName"),
        ({"displayName": "x" * 81}, "displayName"),
    ],
)
async def test_sign_up_names_the_field_that_is_wrong(studio: Studio, change: dict[str, str], field: str) -> None:
    given = {"email": "someone@example.org", "password": PASSWORD, "displayName": "S"} | change
    query = SIGN_UP.replace("... on Failure", "... on ValidationFailed { fields { field } } ... on Failure")
    answer = (await studio.ask(query, input=given))["data"]["signUp"]
    assert answer["code"] == "VALIDATION_FAILED"
    assert [problem["field"] for problem in answer["fields"]] == [field]


async def test_address_can_be_taken_once_whatever_its_case(studio: Studio, person: Person) -> None:
    given = {"email": person.email.upper(), "password": PASSWORD, "displayName": "Again"}
    assert (await studio.ask(SIGN_UP, input=given))["data"]["signUp"]["code"] == "CONFLICT"


async def test_same_address_in_parallel_makes_one_account(studio: Studio) -> None:
    given = {"email": "parallel@example.org", "password": PASSWORD, "displayName": "P"}
    answers = await asyncio.gather(*(studio.ask(SIGN_UP, input=given) for _ in range(8)))
    results = [answer["data"]["signUp"] for answer in answers]
    assert sum("accessToken" in result for result in results) == 1
    assert {result["code"] for result in results if "code" in result} == {"CONFLICT"}


async def test_log_in_takes_the_password_and_nothing_else(studio: Studio, person: Person) -> None:
    right = await studio.ask(LOG_IN, input={"email": f" {person.email.upper()} ", "password": PASSWORD})
    assert right["data"]["logIn"]["user"]["email"] == person.email
    wrong = await studio.ask(LOG_IN, input={"email": person.email, "password": "wrong"})
    nobody = await studio.ask(LOG_IN, input={"email": "nobody@example.org", "password": PASSWORD})
    assert wrong["data"]["logIn"] == nobody["data"]["logIn"]
    assert wrong["data"]["logIn"]["code"] == "NOT_ALLOWED"


async def test_refresh_rotates_and_a_lost_answer_can_be_had_again(studio: Studio, person: Person) -> None:
    first = await refresh(studio, person.refresh_token)
    again = await refresh(studio, person.refresh_token)
    assert first["refreshToken"] == again["refreshToken"] != person.refresh_token
    assert "accessToken" in await refresh(studio, first["refreshToken"])


async def test_parallel_refreshes_of_one_token_give_one_successor(studio: Studio, person: Person) -> None:
    answers = await asyncio.gather(*(refresh(studio, person.refresh_token) for _ in range(10)))
    assert len({answer["refreshToken"] for answer in answers}) == 1


async def test_spent_token_that_comes_back_ends_the_session(
    studio: Studio, resources: Resources, person: Person
) -> None:
    successor = await refresh(studio, person.refresh_token)
    session = UUID(hex=person.refresh_token.split("_")[1])
    await database.fetch("UPDATE sessions SET rotated_at = now() - interval '11 seconds' WHERE id = $1", session)
    assert (await refresh(studio, person.refresh_token))["code"] == "TOKEN_INVALID"
    assert (await refresh(studio, successor["refreshToken"]))["code"] == "TOKEN_INVALID"


async def test_predecessor_of_the_predecessor_is_theft_even_within_the_grace(studio: Studio, person: Person) -> None:
    second = await refresh(studio, person.refresh_token)
    await refresh(studio, second["refreshToken"])
    assert (await refresh(studio, person.refresh_token))["code"] == "TOKEN_INVALID"
    assert (await refresh(studio, second["refreshToken"]))["code"] == "TOKEN_INVALID"


async def test_expired_refresh_token_is_refused(studio: Studio, resources: Resources, person: Person) -> None:
    session = UUID(hex=person.refresh_token.split("_")[1])
    await database.fetch("UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1", session)
    assert (await refresh(studio, person.refresh_token))["code"] == "TOKEN_EXPIRED"


@pytest.mark.parametrize("token", ["", "refresh_1_2", "x" * 5000, "refresh_" + "0" * 32 + "_" + "0" * 64, "a_b_c\x00"])
async def test_made_up_refresh_tokens_are_refused(studio: Studio, token: str) -> None:
    assert (await refresh(studio, token))["code"] == "TOKEN_INVALID"


async def test_logged_out_session_cannot_be_refreshed(studio: Studio, person: Person) -> None:
    assert (await person.get("mutation { logOut { sessionEnded } }"))["logOut"]["sessionEnded"]
    assert (await refresh(studio, person.refresh_token))["code"] == "TOKEN_INVALID"


async def test_logged_out_session_loses_its_access_token_and_its_sockets_at_once(
    studio: Studio, person: Person
) -> None:
    async with person.socket() as socket:
        await person.get("mutation { logOut { sessionEnded } }")
        async with asyncio.timeout(3):
            await socket.connection.wait_closed()
        assert (socket.connection.close_code, socket.connection.close_reason) == (4403, "SESSION_ENDED")
    answer = await person.ask(VIEWER)
    assert answer["errors"][0]["extensions"]["code"] == "TOKEN_INVALID"


async def test_nobody_is_told_to_log_in(studio: Studio) -> None:
    answer = await studio.ask(VIEWER)
    assert answer["data"] == {"viewer": None}
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def forge(person: Person, studio: Studio, **change: Any) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": "libretto",
        "aud": "libretto",
        "sub": read_id("user", person.id).hex,
        "sid": UUID(int=1).hex,
        "role": "admin",
        "iat": now,
        "exp": now + timedelta(hours=1),
    }
    secret = change.pop("secret", studio.settings.secret)
    algorithm, typ = change.pop("algorithm", "HS256"), change.pop("typ", tokens.TYPE)
    return jwt.encode(claims | change, secret, algorithm, headers={"typ": typ})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, "TOKEN_EXPIRED"),
        ({"secret": b"another secret of the right length"}, "TOKEN_INVALID"),
        ({"algorithm": "none", "secret": None}, "TOKEN_INVALID"),
        ({"aud": "somebody"}, "TOKEN_INVALID"),
        ({"iss": "somebody"}, "TOKEN_INVALID"),
        ({"sub": "not an id"}, "TOKEN_INVALID"),
        ({"typ": "JWT"}, "TOKEN_INVALID"),
    ],
)
async def test_expired_and_forged_tokens_are_refused_with_401(
    studio: Studio, person: Person, change: dict[str, Any], code: str
) -> None:
    token = forge(person, studio, **change)
    answer = await studio.client.post("/graphql", json={"query": VIEWER}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize("header", ["Bearer", "Basic abc", "Bearer a b", "Bearer " + "x" * 10_000, "refresh"])
async def test_odd_authorization_headers_are_refused(studio: Studio, header: str) -> None:
    answer = await studio.client.post("/graphql", json={"query": VIEWER}, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "TOKEN_INVALID")


async def test_expired_access_token_does_not_stand_in_the_way_of_a_new_session(studio: Studio, person: Person) -> None:
    expired = forge(person, studio, exp=datetime(2020, 1, 1, tzinfo=UTC))
    renewed = await studio.ask(REFRESH, expired, input={"refreshToken": person.refresh_token})
    assert "accessToken" in renewed["data"]["refreshSession"]
    logged_in = await studio.ask(LOG_IN, expired, input={"email": person.email, "password": PASSWORD})
    assert "accessToken" in logged_in["data"]["logIn"]


async def test_refresh_token_is_no_access_token(studio: Studio, person: Person) -> None:
    answer = await studio.ask(VIEWER, person.refresh_token)
    assert answer["errors"][0]["extensions"]["code"] == "TOKEN_INVALID"


async def test_password_is_kept_as_argon2id_only(resources: Resources, person: Person) -> None:
    user = await users.User.get(email=person.email)
    assert user.password_hash.startswith("$argon2id$")


async def is_refused(person: Person) -> bool:
    answer = await person.ask(VIEWER)
    return "errors" in answer and answer["errors"][0]["extensions"]["code"] == "TOKEN_INVALID"


async def test_session_that_ended_unheard_is_ended_all_the_same(resources: Resources, person: Person) -> None:
    user_id = read_id("user", person.id)
    assert not await is_refused(person)
    await database.fetch("UPDATE sessions SET revoked_at = now() WHERE user_id = $1", user_id)  # nobody is told

    await until(lambda: is_refused(person), "the token is worth nothing", 6)


async def test_process_that_starts_later_knows_who_has_logged_out(studio: Studio, person: Person) -> None:
    await person.get("mutation { logOut { sessionEnded } }")
    port = free_port()
    web = await studio.start_web(port)
    answer = await studio.client.post(
        f"http://127.0.0.1:{port}/graphql", json={"query": VIEWER}, headers={"authorization": f"Bearer {person.token}"}
    )
    assert answer.json()["errors"][0]["extensions"]["code"] == "TOKEN_INVALID"
    web.stop()
    studio.processes.remove(web)


async def test_new_role_ends_the_sessions_that_know_the_old_one(resources: Resources, person: Person) -> None:
    assert await users.revoke_sessions_of(read_id("user", person.id)) == 1

    await until(lambda: is_refused(person), "the token is worth nothing", 6)
