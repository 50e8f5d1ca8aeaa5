"""Webhooks in the API: the secret is shown once, everything is its owner's alone, and there are limits."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from server.settings import Settings, problems_of
from storage.rows import read_id
from tests.fakes.receiver import Reply
from tests.studio import Person, free_port
from tests.webhooks.desk import (
    ALL_EVENTS,
    CREATE,
    DELETE,
    DELIVERIES,
    ENABLE,
    REPLAY,
    ROTATE,
    TEST,
    UPDATE,
    WEBHOOKS,
    Endpoint,
    Hooked,
    make_endpoint,
)

NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Webhook { url } ... on WebhookDelivery { payload } } }"
URL = "https://hooks.example/mine?key=1"


@pytest_asyncio.fixture(scope="module")
async def operator(hooked: Hooked) -> Person:
    return await hooked.studio.make_user("operator@example.org")


@pytest_asyncio.fixture
async def limited(hooked: Hooked) -> AsyncIterator[str]:
    """A web process that counts."""
    port = free_port()
    web = await hooked.studio.start_web(port, RATE_LIMIT_SCALE="1")
    yield f"http://127.0.0.1:{port}/graphql"
    web.kill()
    hooked.studio.processes.remove(web)


async def row_of(hooked: Hooked, webhook_id: str) -> dict[str, Any]:
    row = await hooked.rows.fetchrow("SELECT * FROM webhooks WHERE id = $1", read_id("webhook", webhook_id))
    return dict(row or {})


async def test_new_webhook_shows_its_secret_this_once(hooked: Hooked, owner: Person) -> None:
    given = {"url": URL, "events": ["JOB_FAILED", "COVER_SAVED", "JOB_FAILED"], "description": " My bot "}
    created = (await owner.get(CREATE, input=given))["createWebhook"]
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", created["secret"])
    webhook = created["webhook"]
    assert (webhook["url"], webhook["kind"], webhook["state"]) == (URL, "STANDARD", "ACTIVE")
    assert (webhook["events"], webhook["description"]) == (["JOB_FAILED", "COVER_SAVED"], "My bot")
    assert (await owner.get(WEBHOOKS, first=5))["webhooks"]["nodes"] == [webhook]
    row = await row_of(hooked, webhook["id"])
    assert created["secret"].removeprefix("whsec_").encode() not in row["sealed_secret"]
    for process in hooked.studio.processes:
        assert created["secret"] not in process.log.read_text()


async def test_secrets_are_in_no_type_but_the_two_that_show_them_once(owner: Person) -> None:
    types = (await owner.get("{ __schema { types { name fields { name } } } }"))["__schema"]["types"]
    showing = {kind["name"] for kind in types for field in kind["fields"] or () if field["name"] == "secret"}
    assert showing == {"WebhookCreated", "WebhookSecretRotated"}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"url": "http://hooks.example/"}, ["url"]),
        ({"url": "https://10.0.0.1/"}, ["url"]),
        ({"url": "https://user:pass@hooks.example/"}, ["url"]),
        ({"events": []}, ["events"]),
        ({"description": "x" * 201}, ["description"]),
        ({"description": "nul \x00"}, ["description"]),
        ({"url": "", "events": []}, ["url", "events"]),
    ],
)
async def test_bad_input_is_told_by_field_and_makes_nothing(
    endpoint: Endpoint, change: dict[str, Any], fields: list[str]
) -> None:
    owner, before = endpoint.owner, await endpoint.read()
    refused = (await owner.get(CREATE, input={"url": URL, "events": ALL_EVENTS} | change))["createWebhook"]
    assert [problem["field"] for problem in refused["fields"]] == fields
    refused = (await owner.get(UPDATE, input={"webhookId": endpoint.id} | change))["updateWebhook"]
    assert [problem["field"] for problem in refused["fields"]] == fields
    assert (await owner.get(WEBHOOKS, first=5))["webhooks"]["nodes"] == [before]


async def test_update_changes_what_is_given_and_nothing_else(endpoint: Endpoint) -> None:
    before = await endpoint.read()
    given = {"webhookId": endpoint.id, "description": "Other"}
    updated = (await endpoint.owner.get(UPDATE, input=given))["updateWebhook"]["webhook"]
    assert updated == before | {"description": "Other"}
    more = {"webhookId": endpoint.id, "url": URL, "events": ["COVER_SAVED"]}
    updated = (await endpoint.owner.get(UPDATE, input=more))["updateWebhook"]["webhook"]
    assert updated == before | {"description": "Other", "url": URL, "events": ["COVER_SAVED"]}


async def test_deleted_webhook_goes_with_its_deliveries(endpoint: Endpoint) -> None:
    sent = await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "DELIVERED")
    assert (await endpoint.owner.get(DELETE, id=endpoint.id))["deleteWebhook"]["id"] == endpoint.id
    assert await endpoint.deliveries() == []
    assert (await endpoint.owner.get(WEBHOOKS, first=5))["webhooks"]["nodes"] == []
    assert (await endpoint.owner.get(DELETE, id=endpoint.id))["deleteWebhook"]["code"] == "NOT_FOUND"


async def test_ten_webhooks_are_enough(owner: Person) -> None:
    given = {"url": URL, "events": ["COVER_SAVED"]}
    answers = await asyncio.gather(*(owner.get(CREATE, input=given) for _ in range(13)))
    results = [answer["createWebhook"] for answer in answers]
    assert Counter(result["__typename"] for result in results) == {"WebhookCreated": 10, "Conflict": 3}
    assert len((await owner.get(WEBHOOKS, first=100))["webhooks"]["nodes"]) == 10


async def test_test_says_that_it_is_one(endpoint: Endpoint) -> None:
    await endpoint.owner.get(UPDATE, input={"webhookId": endpoint.id, "events": ["COVER_SAVED"]})
    sent = await endpoint.send_test()
    assert (sent["type"], sent["state"], sent["webhook"]) == ("webhook.test", "PENDING", {"id": endpoint.id})
    (call,) = await endpoint.wait_for_calls()
    event = call.read_json()
    assert (event["type"], event["data"]) == ("webhook.test", {"webhookId": endpoint.id, "links": {}})
    done = await endpoint.wait_until(sent["id"], "DELIVERED")
    assert (await endpoint.owner.get(NODE, id=done["id"]))["node"]["payload"] == done["payload"]


async def test_delivery_on_its_way_is_not_replayed(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(500))
    sent = await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "PENDING")
    assert (await owner.get(REPLAY, id=sent["id"]))["replayDelivery"]["code"] == "CONFLICT"


async def test_everything_is_its_owners_alone(hooked: Hooked, endpoint: Endpoint, operator: Person) -> None:
    sent = await endpoint.send_test()
    done = await endpoint.wait_until(sent["id"], "DELIVERED")
    before, row = await endpoint.read(), await row_of(hooked, endpoint.id)
    asks: list[tuple[str, dict[str, Any]]] = [
        (UPDATE, {"input": {"webhookId": endpoint.id, "description": "mine"}}),
        (DELETE, {"id": endpoint.id}),
        (ROTATE, {"id": endpoint.id}),
        (ENABLE, {"id": endpoint.id}),
        (TEST, {"id": endpoint.id}),
        (REPLAY, {"id": sent["id"]}),
    ]
    for somebody in (await hooked.studio.make_user(), operator):
        for query, given in asks:
            (result,) = (await somebody.get(query, **given)).values()
            assert result["code"] == "NOT_FOUND", query
        for node_id in (endpoint.id, sent["id"]):
            answer = await somebody.ask(NODE, id=node_id)
            assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert (await somebody.get(WEBHOOKS, first=5))["webhooks"]["nodes"] == []
        assert (await somebody.get(DELIVERIES, first=5, id=endpoint.id))["webhookDeliveries"]["nodes"] == []
    nobodys: list[tuple[str, dict[str, Any]]] = [
        *asks,
        (CREATE, {"input": {"url": URL, "events": ALL_EVENTS}}),
        (WEBHOOKS, {"first": 1}),
    ]
    for query, given in [*nobodys, (DELIVERIES, {"first": 1}), (NODE, {"id": endpoint.id})]:
        answer = await hooked.studio.ask(query, **given)
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED", query
    assert (await endpoint.read(), await row_of(hooked, endpoint.id)) == (before, row)
    assert await endpoint.deliveries() == [done]


@pytest.mark.parametrize("unknown", ["", "nonsense", "webhook_" + "0" * 32, "delivery_" + "0" * 32, "\x00"])
async def test_id_that_is_none_is_not_found(owner: Person, unknown: str) -> None:
    for query in (DELETE, ROTATE, ENABLE, TEST, REPLAY):
        (result,) = (await owner.get(query, id=unknown)).values()
        assert result["code"] == "NOT_FOUND"
    given = {"webhookId": unknown, "description": "x"}
    assert (await owner.get(UPDATE, input=given))["updateWebhook"]["code"] == "NOT_FOUND"


async def test_deliveries_are_paged_newest_first(hooked: Hooked, owner: Person) -> None:
    one, other = await make_endpoint(hooked, owner), await make_endpoint(hooked, owner)
    ids = [(await one.send_test())["id"] for _ in range(3)]
    foreign = (await other.send_test())["id"]
    page = (await owner.get(DELIVERIES, first=2, id=one.id))["webhookDeliveries"]
    assert [node["id"] for node in page["nodes"]] == [ids[2], ids[1]]
    rest = await owner.get(DELIVERIES, first=2, id=one.id, after=page["pageInfo"]["endCursor"])
    assert [node["id"] for node in rest["webhookDeliveries"]["nodes"]] == [ids[0]]
    everything = (await owner.get(DELIVERIES, first=9))["webhookDeliveries"]["nodes"]
    assert [node["id"] for node in everything] == [foreign, *reversed(ids)]


async def test_tests_and_replays_together_are_ten_a_minute(endpoint: Endpoint, limited: str) -> None:
    sent = await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "DELIVERED")
    results = []
    for query, row_id in [(TEST, endpoint.id)] * 9 + [(REPLAY, sent["id"])] + [(TEST, endpoint.id)] * 2:
        answer = await endpoint.hooked.studio.client.post(
            limited,
            json={"query": query, "variables": {"id": row_id}},
            headers={"Authorization": f"Bearer {endpoint.owner.token}"},
        )
        results += answer.json()["data"].values()
    kinds = Counter(result["__typename"] for result in results)
    assert kinds == {"WebhookTestSent": 9, "DeliveryReplayed": 1, "RateLimited": 2}
    assert 0 < results[-1]["retryAfterSeconds"] <= 60
    assert len(await endpoint.deliveries()) == 10


async def test_age_of_what_is_due_is_shown_and_attempts_are_logged_without_their_address(
    hooked: Hooked, endpoint: Endpoint
) -> None:
    sent = await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "DELIVERED")
    page = (await hooked.studio.client.get("/metrics")).text
    assert "libretto_webhook_oldest_due_age_seconds" in page
    worker = next(process for process in hooked.studio.processes if process.name == "worker")
    await worker.wait_for(read_id("delivery", sent["id"]).hex)
    assert endpoint.path not in worker.log.read_text()


@pytest.mark.parametrize("origin", ["10.0.0.7:80", "http://10.0.0.7/", "ftp://a", "http://u@a", "https://*"])
def test_private_origins_must_be_origins(origin: str) -> None:
    problems = problems_of(Settings.model_validate({"webhook_private_origins": origin}))
    assert [problem for problem in problems if problem.startswith("WEBHOOK_PRIVATE_ORIGINS")]
    fine = Settings.model_validate({"webhook_private_origins": "http://10.0.0.7:80, https://[fd00::1]:8443"})
    assert problems_of(fine) == []
