"""Migrations go forward and back, one process at a time, and end where the rows say."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import asyncpg
import pytest_asyncio

from storage import migrate
from storage.database import ROW_MODULES, configuration
from storage.rows import Row
from tests.studio import Studio

NAMES = """
SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'public'
UNION SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"""


@pytest_asyncio.fixture
async def empty_url(studio: Studio) -> AsyncIterator[str]:
    """A database of its own, with nothing in it."""
    name = f"empty_{secrets.token_hex(4)}"
    url = await asyncio.to_thread(studio.services.create_database, name)
    yield url
    await asyncio.to_thread(studio.services.drop_database, name)


async def fetch(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(sql)
        return rows
    finally:
        await connection.close()


async def names_of_tables(url: str) -> set[str]:
    rows = await fetch(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows} - {"tortoise_migrations"}


async def test_rows_and_migrations_say_the_same() -> None:
    assert await migrate.find_drift() == []


async def test_every_named_index_and_constraint_of_the_rows_exists(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    rows = await fetch(empty_url, NAMES)
    existing = {row["name"] for row in rows}
    tables = [table for module in map(import_module, ROW_MODULES) for table in vars(module).values() if is_table(table)]
    assert {table.__name__ for table in tables} >= {"User", "Session", "Track", "Series", "Job", "CreditEntry"}
    for table in tables:
        declared = [index.name for index in table.Meta.indexes] if hasattr(table.Meta, "indexes") else []
        declared += [constraint.name for constraint in getattr(table.Meta, "constraints", ())]
        assert set(declared) <= existing, table.__name__


def is_table(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Row) and thing is not Row


async def test_migrations_go_back_to_nothing_and_forward_again(empty_url: str) -> None:
    await migrate.migrate(empty_url)
    tables = await names_of_tables(empty_url)
    assert {"users", "tracks", "jobs", "credit_entries"} <= tables
    await migrate.migrate(empty_url, migrate.NOTHING)
    assert await names_of_tables(empty_url) == set()
    await migrate.migrate(empty_url)
    assert await names_of_tables(empty_url) == tables
    assert await migrate.list_pending(empty_url) == []


def test_migration_may_take_as_long_as_it_needs() -> None:
    """On a busy machine one has thought for longer than a request may hold its transaction, and was cut off."""
    hurried, patient = (
        configuration("postgresql:///libretto", is_patient=is_patient)["connections"]["default"]["credentials"]
        for is_patient in (False, True)
    )
    assert "idle_in_transaction_session_timeout" in hurried["server_settings"]
    assert "server_settings" not in patient
    assert (hurried["command_timeout"] is None, patient["command_timeout"] is None) == (False, True)


async def test_processes_that_migrate_at_once_take_turns(empty_url: str) -> None:
    done = await asyncio.gather(*(migrate.migrate(empty_url) for _ in range(4)))
    assert sum(map(len, done)) == len(max(done, key=len))
