"""Discord's form: only to its own addresses, which are secrets, and no title mentions anybody."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.webhooks.messages import write_discord
from storage.rows import read_id
from tests.fakes.receiver import Reply
from tests.studio import Person, until
from tests.webhooks.desk import CREATE, DELIVERIES, ROTATE, TEST, WEBHOOKS, Endpoint, Hooked

TOKEN = "t" * 60 + "_-SECRET"
UPDATE_TRACK = "mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) { __typename } }"
NEXT_LOOK = """mutation ($id: ID!) { incrementVisualVersion(trackId: $id) {
  ... on VisualVersionIncremented { job { id } } } }"""


async def make_discord(hooked: Hooked, owner: Person, number: int, *replies: Reply) -> Endpoint:
    path = f"/api/webhooks/{number}/{TOKEN}"
    hooked.discord.plan(path, *replies)
    wish = {"url": f"https://discord.com{path}", "kind": "DISCORD", "events": ["JOB_COMPLETED", "JOB_FAILED"]}
    created = (await owner.get(CREATE, input=wish))["createWebhook"]
    assert (created["__typename"], created["secret"]) == ("WebhookCreated", None)
    return Endpoint(hooked, owner, path, created["webhook"]["id"], "")


async def test_message_shows_a_public_cover_and_mentions_nobody(hooked: Hooked, owner: Person) -> None:
    created = await owner.create_track()
    await owner.wait_until(created["job"]["id"], "COMPLETE")
    given = {"trackId": created["track"]["id"], "visibility": "PUBLIC", "title": "@everyone look"}
    await owner.get(UPDATE_TRACK, input=given)
    endpoint = await make_discord(hooked, owner, 1)
    await owner.get(NEXT_LOOK, id=created["track"]["id"])
    (call,) = await hooked.discord.wait_for(endpoint.path)
    message = call.read_json()
    assert message["allowed_mentions"] == {"parse": []}
    (embed,) = message["embeds"]
    assert (embed["title"], embed["description"]) == ("@everyone look", "Covers draw is done.")
    assert (await hooked.studio.client.get(embed["image"]["url"], follow_redirects=True)).status_code == 200
    assert not {name for name in call.headers if name.startswith("webhook-")}


async def test_address_is_shown_and_logged_nowhere(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_discord(hooked, owner, 2, Reply(500))
    sent = (await owner.get(TEST, id=endpoint.id))["sendTestWebhook"]["delivery"]
    await endpoint.wait_until(sent["id"], "PENDING")
    shown = [await owner.get(WEBHOOKS, first=5), await owner.get(DELIVERIES, first=5)]
    assert "https://discord.com/api/webhooks/2/…" in str(shown)
    assert TOKEN not in str(shown)
    for process in hooked.studio.processes:
        assert TOKEN not in await asyncio.to_thread(process.log.read_text)
    row = await hooked.rows.fetchrow("SELECT * FROM webhooks WHERE id = $1", read_id("webhook", endpoint.id))
    assert TOKEN not in str(dict(row or {}))
    assert TOKEN.encode() not in row["sealed_url"]
    assert (await owner.get(ROTATE, id=endpoint.id))["rotateWebhookSecret"]["code"] == "CONFLICT"


async def test_429_waits_for_as_long_as_discord_says(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_discord(hooked, owner, 3, Reply(429, b'{"retry_after": 42.5, "global": false}'), Reply(204))
    sent = (await owner.get(TEST, id=endpoint.id))["sendTestWebhook"]["delivery"]
    await endpoint.wait_until(sent["id"], "PENDING")
    pause = await hooked.rows.fetchval(
        "SELECT extract(epoch FROM paused_until - now())::float8 FROM webhooks WHERE id = $1",
        read_id("webhook", endpoint.id),
    )
    assert 35 < pause <= 42.5
    await hooked.make_due(sent["id"])
    await endpoint.wait_until(sent["id"], "DELIVERED", 2)


async def test_404_means_that_the_webhook_was_deleted_there(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_discord(hooked, owner, 4, Reply(404))
    await owner.get(TEST, id=endpoint.id)

    async def is_disabled() -> bool:
        return bool((await endpoint.read())["disabledReason"] == "GONE")

    await until(is_disabled, "the webhook is disabled")


@pytest.mark.parametrize(
    "url",
    [
        f"http://discord.com/api/webhooks/1/{TOKEN}",
        f"https://discord.com:8443/api/webhooks/1/{TOKEN}",
        f"https://user@discord.com/api/webhooks/1/{TOKEN}",
        f"https://discord.com.evil.example/api/webhooks/1/{TOKEN}",
        f"https://evil.example/api/webhooks/1/{TOKEN}",
        f"https://discord.com/api/webhooks/x/{TOKEN}",
        f"https://discord.com/api/webhooks/1/{TOKEN}/../../../x",
        f"https://discord.com/api/webhooks/1/{TOKEN}?wait=true",
        "https://discord.com/api/webhooks/1/short",
        f"https://discord.com//api/webhooks/1/{TOKEN}",
    ],
)
async def test_other_addresses_are_not_discords(hooked: Hooked, owner: Person, url: str) -> None:
    wish = {"url": url, "kind": "DISCORD", "events": ["COVER_SAVED"]}
    refused = (await owner.get(CREATE, input=wish))["createWebhook"]
    assert [problem["field"] for problem in refused["fields"]] == ["url"]
    assert TOKEN not in str(refused)
    assert (await owner.get(WEBHOOKS, first=5))["webhooks"]["nodes"] == []


async def test_standard_webhook_does_not_reach_what_stands_for_discord(hooked: Hooked, owner: Person) -> None:
    wish = {"url": f"{hooked.discord.url}/x", "events": ["COVER_SAVED"]}
    assert (await owner.get(CREATE, input=wish))["createWebhook"]["code"] == "VALIDATION_FAILED"


def test_long_texts_are_clamped_to_what_discord_takes() -> None:
    facts: dict[str, Any] = {"title": "x" * 999, "kind": "k" * 9999, "errorCode": "E"}
    message = write_discord("job.failed", facts, datetime.now(UTC), "https://a.example")
    assert message.count(b"x") <= 260
    assert len(message) < 5000
