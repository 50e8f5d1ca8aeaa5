"""People with credits, and work that many of them ask for."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from storage import jobs
from storage.rows import new_id
from storage.users import User

ENQUEUE_TOGETHER = 8
CREDITS = 1_000_000


async def make_users(count: int) -> list[UUID]:
    """People with credits, without the price of a password each."""
    rows = [
        User(email=f"{random.getrandbits(64):x}@bench.example", password_hash="", display_name="Somebody",
             credits=CREDITS, style_seed=1, accent_hue=1)
        for _ in range(count)
    ]  # fmt: skip
    for row in rows:
        await row.save()
    return [row.id for row in rows]


async def enqueue_all(request: Callable[[UUID], Awaitable[object]], user_ids: Sequence[UUID]) -> float:
    """A job for each of these; answers with how long that took."""
    waiting = iter(user_ids)

    async def enqueue() -> None:
        for user_id in waiting:
            await request(user_id)

    began = time.monotonic()
    await asyncio.gather(*(enqueue() for _ in range(ENQUEUE_TOGETHER)))
    return time.monotonic() - began


async def make_job(user_id: UUID) -> UUID:
    """A job that waits, where no worker runs."""
    job_id = new_id()
    await jobs.insert_job(job_id=job_id, user_id=user_id, kind="jobs.probe", queue="default")
    return job_id
