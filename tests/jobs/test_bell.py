"""Ringing from async code: at once for one, together for a crowd, and nothing is forgotten at the end."""

import secrets
from collections.abc import Iterator

import pytest

from jobs.broker import MAX_TOGETHER, Bell, Doorbell
from storage.rows import new_id
from tests.studio import Studio, until


@pytest.fixture
def queue(studio: Studio) -> Iterator[str]:
    """A queue of its own."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    doorbell = Doorbell(studio.services.redis_url)
    doorbell.flush(name)
    doorbell.client.close()


async def test_ring_arrives(studio: Studio, queue: str) -> None:
    bell = Bell(studio.services.redis_url)

    async def is_rung() -> bool:
        return bell.broker.count_waiting(queue) == 1

    bell.ring(queue, "jobs.probe", [new_id()])
    await until(is_rung, "the ring is there")
    bell.close()


async def test_crowd_is_rung_for_together_and_before_the_end(studio: Studio, queue: str) -> None:
    bell = Bell(studio.services.redis_url)
    for _ in range(3 * MAX_TOGETHER):
        bell.ring(queue, "jobs.probe", [new_id()])
    bell.close()
    doorbell = Doorbell(studio.services.redis_url)
    assert doorbell.count_waiting(queue) == MAX_TOGETHER
    doorbell.client.close()
