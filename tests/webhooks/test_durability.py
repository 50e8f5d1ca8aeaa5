"""Deliveries through crashes and crowds: at least once under one id, and nobody waits for another's silence."""

import asyncio
import os
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from storage.rows import read_id
from tests.fakes.receiver import Reply
from tests.studio import Person, running_studio, until
from tests.webhooks.desk import Endpoint, Hooked, make_endpoint

FILL = """
INSERT INTO webhook_deliveries (id, user_id, webhook_id, event_id, type, facts, state, attempts, claims,
    next_attempt_at, created_at)
SELECT gen_random_uuid(), user_id, id, gen_random_uuid(), 'webhook.test', '{}', 'PENDING', 0, 0, now(), now()
FROM webhooks, generate_series(1, 50) WHERE id = ANY($1)"""
DELIVERED = "SELECT count(*) FROM webhook_deliveries WHERE webhook_id = ANY($1) AND state = 'DELIVERED'"


async def test_worker_that_dies_between_send_and_note_leaves_it_to_another_under_the_same_id(
    hooked: Hooked, owner: Person
) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(manner="hang"), Reply(200))
    sent = await endpoint.send_test()
    await endpoint.wait_for_calls()
    dead = [process for process in hooked.studio.processes if process.name == "worker"][-1]
    dead.kill()
    hooked.studio.processes.remove(dead)
    (stuck,) = await endpoint.deliveries()
    assert (stuck["state"], stuck["attempts"]) == ("SENDING", 0)
    row_id = read_id("delivery", sent["id"])
    lease = await hooked.rows.fetchval("SELECT lease_until FROM webhook_deliveries WHERE id = $1", row_id)
    assert 0 < (lease - datetime.now(UTC)).total_seconds() <= 30
    await hooked.studio.start_worker()
    await hooked.rows.execute("UPDATE webhook_deliveries SET lease_until = now() WHERE id = $1", row_id)
    done = await endpoint.wait_until(sent["id"], "DELIVERED")
    first, second = hooked.receiver.calls_to(endpoint.path)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == done["eventId"]
    assert first.body == second.body


async def test_drained_worker_notes_what_it_was_sending(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(200, b"slow", manner="drip"))
    sent = await endpoint.send_test()
    await endpoint.wait_for_calls()
    worker = [process for process in hooked.studio.processes if process.name == "worker"][-1]
    assert await asyncio.to_thread(worker.stop, 40) == 0
    hooked.studio.processes.remove(worker)
    try:
        (noted,) = await endpoint.deliveries()
        assert (noted["id"], noted["state"], noted["attempts"]) == (sent["id"], "PENDING", 1)
    finally:
        await hooked.studio.start_worker()


async def make_crowd(hooked: Hooked, count: int, *replies: Reply) -> list[Endpoint]:
    owners = [await hooked.studio.make_user() for _ in range(-(-count // 5))]
    return [await make_endpoint(hooked, owners[n // 5], *replies) for n in range(count)]


async def test_of_twenty_endpoints_five_hang_and_the_others_wait_for_none_of_them(hooked: Hooked) -> None:
    healthy, hanging = await make_crowd(hooked, 15), await make_crowd(hooked, 5, Reply(manner="hang"))
    ids = [read_id("webhook", endpoint.id) for endpoint in (*healthy, *hanging)]
    await hooked.rows.execute(FILL, ids)
    began = time.monotonic()

    async def all_through() -> bool:
        return bool(await hooked.rows.fetchval(DELIVERED, ids) == 750)

    await until(all_through, "750 deliveries to healthy endpoints are through", seconds=60)
    seconds = time.monotonic() - began
    print(f"750 deliveries to 15 healthy endpoints, beside 5 that hang: {seconds:.1f} s")
    assert seconds < 30
    for endpoint in hanging:
        assert hooked.receiver.open_most[endpoint.path] <= 2
        assert len(hooked.receiver.calls_to(endpoint.path)) <= 6
    for endpoint in (*healthy, *hanging):
        await hooked.rows.execute(
            "DELETE FROM webhook_deliveries WHERE webhook_id = $1", read_id("webhook", endpoint.id)
        )


async def test_one_persons_flood_delays_nobody_else(hooked: Hooked, owner: Person) -> None:
    flooded = [await make_endpoint(hooked, owner, Reply(manner="hang")) for _ in range(10)]
    ids = [read_id("webhook", endpoint.id) for endpoint in flooded]
    await hooked.rows.execute(FILL, ids)
    await hooked.receiver.wait_for(flooded[0].path)
    other = await make_endpoint(hooked, await hooked.studio.make_user())
    await other.send_test()
    await other.wait_for_calls(seconds=5)
    sending = await hooked.rows.fetchval(
        "SELECT count(*) FROM webhook_deliveries WHERE webhook_id = ANY($1) AND state = 'SENDING'", ids
    )
    assert sending <= 8
    await hooked.rows.execute("DELETE FROM webhook_deliveries WHERE webhook_id = ANY($1)", ids)


async def test_two_workers_send_each_delivery_once(hooked: Hooked, owner: Person) -> None:
    endpoints = [await make_endpoint(hooked, owner) for _ in range(4)]
    second = await hooked.studio.start_worker("--queues", "delivery")
    ids = [read_id("webhook", endpoint.id) for endpoint in endpoints]
    await hooked.rows.execute(FILL, ids)

    async def all_through() -> bool:
        return bool(await hooked.rows.fetchval(DELIVERED, ids) == 200)

    await until(all_through, "200 deliveries are through", seconds=60)
    for endpoint in endpoints:
        calls = hooked.receiver.calls_to(endpoint.path)
        assert len({call.headers["webhook-id"] for call in calls}) == len(calls) == 50
        assert hooked.receiver.open_most[endpoint.path] <= 2
    second.kill()
    hooked.studio.processes.remove(second)


async def test_secret_that_cannot_be_read_is_told_and_nothing_goes_out_unsigned(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner)
    await hooked.rows.execute(
        "UPDATE webhooks SET sealed_secret = $2 WHERE id = $1", read_id("webhook", endpoint.id), os.urandom(60)
    )
    sent = await endpoint.send_test()
    assert (await endpoint.wait_until(sent["id"], "PENDING"))["error"]["code"] == "SEAL_BROKEN"
    assert hooked.receiver.calls_to(endpoint.path) == []


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "ALL_PROXY"])
async def test_proxies_of_the_environment_are_not_asked(hooked: Hooked, proxy: str) -> None:
    before = hooked.discord.connections
    environment = {"WEBHOOK_PRIVATE_ORIGINS": hooked.receiver.url, proxy: hooked.discord.url}
    async with running_studio(environment) as studio:
        beside = Hooked(studio, hooked.receiver, hooked.discord, hooked.rows)
        endpoint = await make_endpoint(beside, await studio.make_user())
        await endpoint.send_test()
        (call,) = await endpoint.wait_for_calls()
        Verifier(endpoint.secret).verify(call.body, dict(call.headers))
    assert hooked.discord.connections == before
