"""The connection to PostgreSQL: open it, run named SQL, hold a transaction, and act after its commit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
from tortoise import Tortoise, connections
from tortoise.transactions import in_transaction

import migrations
from server.errors import Unavailable
from server.logs import get_logger
from storage.pool import Client

ROW_MODULES = (
    "storage.users",
    "storage.credits",
    "storage.styles",
    "storage.series",
    "storage.tracks",
    "storage.covers",
    "storage.lyrics",
    "storage.assets",
    "storage.jobs.rows",
    "storage.idempotency",
    "storage.submissions",
    "storage.webhooks.rows",
    "storage.providers",
    "storage.uploads",
    "storage.reports",
    "storage.audits",
    "storage.analyses",
    "storage.attestations",
    "storage.videos",
    "storage.clips",
    "storage.references",
)
LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # how a statement fails that begins while the connection is being lost
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # such as no connection more than there are
)

SESSION = {
    "idle_in_transaction_session_timeout": "10s",  # a frozen process must not keep its rows from the reaper
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "plan_cache_mode": "force_generic_plan",  # to plan a page of tracks afresh costs as much as to read it
}

KNOWN_MIGRATIONS = {path.stem for path in Path(migrations.__path__[0]).glob("[0-9]*.py")}

Record = dict[str, Any]
AfterCommit = Callable[[], Awaitable[None]]

_after_commit: ContextVar[list[AfterCommit] | None] = ContextVar("after_commit", default=None)
log = get_logger(__name__)


def configuration(url: str, pool_size: int = 10, *, is_patient: bool = False) -> dict[str, Any]:
    """What Tortoise wants to know, from a `postgresql://` address; unknown query parameters go to asyncpg.

    Patience is for migrations: nothing cuts off one that works on a large table, or thinks on a busy machine.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    credentials: dict[str, Any] = {
        "host": query.pop("host", "") or parts.hostname or "localhost",
        "port": parts.port or 5432,
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password or "") or None,
        "database": parts.path.lstrip("/") or "libretto",
        "minsize": min(2, pool_size),
        "maxsize": pool_size,
        "application_name": query.pop("application_name", "libretto"),
        "command_timeout": None if is_patient else 60,
    }
    has_pooler = query.get("statement_cache_size") == "0"  # which refuses settings that it does not know
    if not (has_pooler or is_patient):
        credentials["server_settings"] = SESSION
    if "sslmode" in query:
        credentials["ssl"] = query.pop("sslmode")
    credentials |= {name: int(value) if value.isdigit() else value for name, value in query.items()}
    return {
        "connections": {"default": {"engine": "storage.pool", "credentials": credentials}},
        "apps": {
            "storage": {"models": list(ROW_MODULES), "migrations": "migrations", "default_connection": "default"},
        },
        "use_tz": True,
        "timezone": "UTC",
    }


async def open_database(url: str, pool_size: int = 10) -> None:
    """Open the pool of this process."""
    await Tortoise.init(config=configuration(url, pool_size), _enable_global_fallback=True)


async def close_database() -> None:
    """Close the pool of this process."""
    await Tortoise.close_connections()


async def fetch(sql: str, *values: object) -> list[Record]:
    """Run one statement in the transaction at hand, or alone."""
    return [dict(record) for record in await _fetch(sql, values)]


async def fetch_one(sql: str, *values: object) -> Record | None:
    """The first row of one statement."""
    records = await _fetch(sql, values)
    return dict(records[0]) if records else None


async def fetch_records(sql: str, *values: object) -> list[Any]:
    """Run one statement that only reads, for the driver's own records; once more if the connection was lost."""
    try:
        return await _fetch(sql, values)
    except LOST:
        return await _fetch(sql, values)


async def read(sql: str, *values: object) -> list[Record]:
    """Run one statement that only reads; a connection that was lost meanwhile is tried once more."""
    return [dict(record) for record in await fetch_records(sql, *values)]


async def _fetch(sql: str, values: tuple[object, ...]) -> list[Any]:
    client = connections.get("default")
    if isinstance(client, Client) and client.pool is not None:
        return await client.pool.fetch(sql, *values)
    async with client.acquire_connection() as connection:  # of the transaction at hand, or the first of all
        records: list[Any] = await connection.fetch(sql, *values)
        return records


async def ping() -> None:
    """Raise Unavailable unless PostgreSQL answers."""
    try:
        await fetch("SELECT 1")
    except LOST as error:
        raise Unavailable(f"PostgreSQL does not answer: {error}") from error


async def list_pending_migrations() -> list[str]:
    """The migrations of this version that the database at hand has not seen."""
    try:
        rows = await fetch("SELECT name FROM tortoise_migrations")
    except asyncpg.UndefinedTableError:  # there are no tables yet
        rows = []
    return sorted(KNOWN_MIGRATIONS - {row["name"] for row in rows})


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """One transaction; what `after_commit` was given runs once it is durable, and never when it is not."""
    if _after_commit.get() is not None:
        yield
        return
    acts: list[AfterCommit] = []
    token = _after_commit.set(acts)
    try:
        async with in_transaction():
            yield
    finally:
        _after_commit.reset(token)
    await _run(acts)


async def after_commit(act: AfterCommit) -> None:
    """Run `act` after the commit of the transaction at hand, or now if there is none."""
    acts = _after_commit.get()
    if acts is None:
        await _run([act])
    else:
        acts.append(act)


async def _run(acts: Sequence[AfterCommit]) -> None:
    for act in acts:
        try:
            await act()
        except Exception:
            log.warning("after_commit.failed", exc_info=True)
