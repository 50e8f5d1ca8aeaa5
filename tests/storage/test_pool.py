"""The pool of connections: how many, who is next, and what becomes of one that comes back in a bad way."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
import pytest_asyncio
from tortoise.context import TortoiseContext

from server.resources import Resources
from storage import database
from storage.pool import Pool
from storage.users import User
from tests.studio import Studio, until

SIZE = 2


@pytest.fixture
def name() -> str:
    """What the connections of one test are called."""
    return f"pool-{secrets.token_hex(6)}"


@pytest_asyncio.fixture
async def pool(studio: Studio, name: str) -> AsyncIterator[Pool]:
    """A pool of its own."""
    connect = partial(asyncpg.connect, studio.services.database_url, server_settings={"application_name": name})
    made = Pool(connect, SIZE)
    yield made
    await made.close()


async def count_open(name: str) -> int:
    rows = await database.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = $1", name)
    return len(rows)


async def test_crowd_shares_what_there_is(resources: Resources, pool: Pool, name: str) -> None:
    answers = await asyncio.gather(*(pool.fetch("SELECT $1::int AS n, pg_sleep(0.01)", n) for n in range(20)))
    assert [records[0]["n"] for records in answers] == [*range(20)]
    assert await count_open(name) == SIZE


async def test_cancelled_statement_costs_nobody_the_connection(resources: Resources, pool: Pool, name: str) -> None:
    slow = [asyncio.create_task(pool.fetch("SELECT pg_sleep(60)")) for _ in range(SIZE)]

    async def are_under_way() -> bool:
        rows = await database.fetch(
            "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'PgSleep'", name
        )
        return len(rows) == SIZE

    await until(are_under_way, "the slow statements are under way")
    waiting = asyncio.create_task(pool.fetch("SELECT 1 AS one"))
    for task in slow:
        task.cancel()
    async with asyncio.timeout(5):
        assert (await waiting)[0]["one"] == 1
        await asyncio.gather(*(pool.fetch("SELECT 1") for _ in range(2 * SIZE)))
    assert await count_open(name) == SIZE


async def test_transaction_that_was_left_open_is_rolled_back(pool: Pool) -> None:
    connections = [await pool.acquire() for _ in range(SIZE)]
    for connection in connections:
        await connection.execute("BEGIN")
        await pool.release(connection)
    again = [await pool.acquire() for _ in range(SIZE)]
    assert set(again) == set(connections)
    assert not any(connection.is_in_transaction() for connection in again)
    for connection in again:
        await pool.release(connection)


async def test_connection_that_was_lost_is_replaced(resources: Resources, pool: Pool, name: str) -> None:
    connections = [await pool.acquire() for _ in range(SIZE)]
    await database.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", name)

    async def are_closed() -> bool:
        return all(connection.is_closed() for connection in connections)

    await until(are_closed, "the connections have noticed")
    for connection in connections:
        await pool.release(connection)
    assert (await pool.fetch("SELECT 1 AS one"))[0]["one"] == 1
    assert await count_open(name) == 1


async def test_one_who_stops_waiting_takes_nothing_along(pool: Pool) -> None:
    connections = [await pool.acquire() for _ in range(SIZE)]
    gone, patient = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    for connection in connections:
        await pool.release(connection)
    async with asyncio.timeout(5):
        assert await patient in connections
    await pool.release(await patient)


async def test_one_who_is_handed_a_connection_and_stops_gives_it_on(pool: Pool) -> None:
    connections = [await pool.acquire() for _ in range(SIZE)]
    gone, patient = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    await pool.release(connections[0])
    gone.cancel()
    async with asyncio.timeout(5):
        assert await patient is connections[0]
    for connection in connections:
        await pool.release(connection)


async def test_everybody_who_waits_hears_that_there_is_no_connection() -> None:
    async def connect() -> None:
        await asyncio.sleep(0)
        raise ConnectionRefusedError

    pool = Pool(connect, 1)
    refused = await asyncio.gather(*(pool.fetch("SELECT 1") for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in refused] == [ConnectionRefusedError] * 3


async def test_closed_pool_takes_back_what_is_lent_and_lends_no_more(pool: Pool) -> None:
    connection = await pool.acquire()
    await pool.close()
    assert not connection.is_closed()
    await pool.release(connection)
    assert connection.is_closed()
    with pytest.raises(asyncpg.InterfaceError):
        await pool.acquire()


async def test_process_keeps_to_the_size_of_its_pool(studio: Studio) -> None:
    name = f"pool-{secrets.token_hex(6)}"
    url = f"{studio.services.database_url}&application_name={name}"
    context = TortoiseContext()
    async with context:
        await context.init(config=database.configuration(url, pool_size=3))
        counts = await asyncio.gather(*(read_in_some_way(name, number) for number in range(30)))
    assert max(counts) == 3


async def read_in_some_way(name: str, number: int) -> int:
    """How many connections there are, asked alone, in a transaction, or beside the ORM."""
    if number % 3 == 0:
        return await count_open(name)
    if number % 3 == 1:
        async with database.transaction():
            return await count_open(name)
    await User.get_or_none(email=name)
    return await count_open(name)
