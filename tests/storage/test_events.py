"""Publishing: in order, a batch at a time, and without waiting for Redis."""

import asyncio
import secrets
import time

import redis.asyncio as redis

from storage.events import PAUSE_SECONDS, Publisher, connect
from tests.studio import Studio, free_port

COUNT = 300


async def hear(pubsub: "redis.client.PubSub", count: int) -> list[bytes]:
    heard: list[bytes] = []
    async with asyncio.timeout(10):
        while len(heard) < count:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                heard.append(message["data"])
    return heard


async def test_events_of_a_topic_arrive_in_order_and_the_last_before_the_end(studio: Studio) -> None:
    topic = f"test:{secrets.token_hex(8)}"
    client = connect(studio.services.redis_url)
    async with client.pubsub() as pubsub:
        await pubsub.subscribe(topic)
        await pubsub.get_message(timeout=5)
        publisher = Publisher(studio.services.redis_url)
        for number in range(COUNT):
            await publisher.publish((topic,), b"%d" % number)
            if number % 50 == 0:
                await asyncio.sleep(PAUSE_SECONDS)  # so that there are several batches
        await publisher.close()
        assert await hear(pubsub, COUNT) == [b"%d" % number for number in range(COUNT)]
    await client.aclose()


async def test_dead_redis_holds_nobody_up() -> None:
    publisher = Publisher(f"redis://127.0.0.1:{free_port()}")
    began = time.monotonic()
    for _ in range(1_000):
        await publisher.publish(("test",), b"lost")
    await publisher.close()
    assert time.monotonic() - began < 1
