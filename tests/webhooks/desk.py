"""What the tests of webhooks share: the documents that they send, and people with endpoints at a receiver."""

import itertools
from dataclasses import dataclass
from typing import Any

import asyncpg

from storage.rows import read_id
from tests.fakes.receiver import Call, Receiver, Reply
from tests.studio import Person, Studio, until

WEBHOOK = """id url kind events description state disabledReason disabledAt failures failingSince pausedUntil
  previousSecretUntil"""
FAILURES = "... on Failure { code message } ... on ValidationFailed { fields { field message } }"
CREATE = f"""mutation ($input: CreateWebhookInput!) {{ createWebhook(input: $input) {{ __typename
  ... on WebhookCreated {{ secret webhook {{ {WEBHOOK} }} }} {FAILURES} }} }}"""
UPDATE = f"""mutation ($input: UpdateWebhookInput!) {{ updateWebhook(input: $input) {{ __typename
  ... on WebhookUpdated {{ webhook {{ {WEBHOOK} }} }} {FAILURES} }} }}"""
DELETE = """mutation ($id: ID!) { deleteWebhook(webhookId: $id) { __typename
  ... on WebhookDeleted { id } ... on Failure { code message } } }"""
ROTATE = f"""mutation ($id: ID!) {{ rotateWebhookSecret(webhookId: $id) {{ __typename
  ... on WebhookSecretRotated {{ secret webhook {{ {WEBHOOK} }} }} ... on Failure {{ code message }} }} }}"""
ENABLE = f"""mutation ($id: ID!) {{ enableWebhook(webhookId: $id) {{ __typename
  ... on WebhookEnabled {{ webhook {{ {WEBHOOK} }} }} ... on Failure {{ code message }} }} }}"""
DELIVERY = """id eventId type payload state attempts nextAttemptAt lastAttemptAt deliveredAt responseStatus responseBody
  createdAt error { code message } webhook { id }"""
TEST = f"""mutation ($id: ID!) {{ sendTestWebhook(webhookId: $id) {{ __typename
  ... on WebhookTestSent {{ delivery {{ {DELIVERY} }} }} ... on RateLimited {{ retryAfterSeconds }}
  ... on Failure {{ code message }} }} }}"""
REPLAY = f"""mutation ($id: ID!) {{ replayDelivery(deliveryId: $id) {{ __typename
  ... on DeliveryReplayed {{ delivery {{ {DELIVERY} }} }} ... on RateLimited {{ retryAfterSeconds }}
  ... on Failure {{ code message }} }} }}"""
WEBHOOKS = f"query ($first: Int!) {{ webhooks(first: $first) {{ nodes {{ {WEBHOOK} }} }} }}"
DELIVERIES = f"""query ($first: Int!, $id: ID, $after: String) {{
  webhookDeliveries(first: $first, webhookId: $id, after: $after) {{
    nodes {{ {DELIVERY} }} pageInfo {{ endCursor hasNextPage }} }} }}"""
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"
ALL_EVENTS = ["COVER_SAVED", "JOB_COMPLETED", "JOB_FAILED", "JOB_CANCELLED"]

_paths = itertools.count(1)


@dataclass
class Hooked:
    """A studio whose webhooks may reach one receiver, and another receiver in the place of Discord."""

    studio: Studio
    receiver: Receiver
    discord: Receiver
    rows: "asyncpg.Pool[asyncpg.Record]"

    def path(self) -> str:
        """A path of the receiver that nobody else uses."""
        return f"/hook{next(_paths)}"

    async def make_due(self, delivery_id: str) -> None:
        """Let the time pass until the next attempt."""
        row_id = read_id("delivery", delivery_id)
        await self.rows.execute(
            "UPDATE webhooks SET paused_until = NULL"
            " WHERE id = (SELECT webhook_id FROM webhook_deliveries WHERE id = $1)",
            row_id,
        )
        await self.rows.execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE id = $1", row_id)


@dataclass
class Endpoint:
    """Somebody's webhook at the receiver."""

    hooked: Hooked
    owner: Person
    path: str
    id: str
    secret: str

    async def send_test(self) -> Any:
        return (await self.owner.get(TEST, id=self.id))["sendTestWebhook"]["delivery"]

    async def deliveries(self) -> list[Any]:
        page = (await self.owner.get(DELIVERIES, first=100, id=self.id))["webhookDeliveries"]
        nodes: list[Any] = page["nodes"]
        return nodes

    async def read(self) -> Any:
        found = (await self.owner.get(WEBHOOKS, first=100))["webhooks"]["nodes"]
        return next(node for node in found if node["id"] == self.id)

    async def wait_until(self, delivery_id: str, state: str, attempts: int = 1, seconds: float = 20) -> Any:
        """The delivery, once it is in this state after so many attempts."""

        async def reached() -> Any:
            for delivery in await self.deliveries():
                if delivery["id"] == delivery_id and (delivery["state"], delivery["attempts"]) == (state, attempts):
                    return delivery
            return None

        return await until(reached, f"{delivery_id} is {state} after {attempts}", seconds)

    async def wait_for_calls(self, count: int = 1, seconds: float = 20) -> list[Call]:
        return await self.hooked.receiver.wait_for(self.path, count, seconds)


async def make_endpoint(hooked: Hooked, owner: Person, *replies: Reply, **given: Any) -> Endpoint:
    """A webhook of this person's that answers so."""
    path = hooked.path()
    wish = {"url": hooked.receiver.plan(path, *replies), "events": ALL_EVENTS} | given
    created = (await owner.get(CREATE, input=wish))["createWebhook"]
    assert created["__typename"] == "WebhookCreated", created
    return Endpoint(hooked, owner, path, created["webhook"]["id"], created["secret"])
