"""Bring the tables forward or back with Tortoise's own migrations, one process at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from tortoise import connections
from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget

from server.errors import Unavailable
from server.settings import get_settings
from storage import styles
from storage.database import LOST, configuration

CONNECT_SECONDS = 10.0
LOCK = 0x4C696272  # any number, as long as every version of Libretto takes the same
LATEST, NOTHING = "__latest__", "__first__"  # Tortoise's own names for both ends

CONFIG = configuration(get_settings().database_url or "postgresql:///libretto")  # what `tortoise makemigrations` reads


async def migrate(url: str, target: str = LATEST) -> list[str]:
    """Run what leads to `target` (a migration's name, or `__latest__`); answers with what was done."""
    done: list[str] = []
    async with _alone(url), _executor(url) as executor:
        name = target if target in (LATEST, NOTHING) else await _full_name(executor, target)
        await executor.migrate(
            [MigrationTarget(app_label="storage", name=name)],
            progress=lambda event, _app, name: done.append(f"{event} {name}") if event.endswith("done") else None,
        )
        if target == LATEST:
            await styles.write_catalogue()
    return [line.replace("apply_done", "applied").replace("rollback_done", "rolled back") for line in done]


async def list_pending(url: str) -> list[str]:
    """The migrations that have yet to run."""
    async with _executor(url) as executor:
        return [step.migration.name for step in await executor.plan()]


async def find_drift() -> list[str]:
    """What the rows say and the migrations do not; the database at hand is not asked."""
    async with TortoiseContext() as context:
        await context.init(config=CONFIG, init_connections=False)
        assert context.apps is not None  # noqa: S101 - init has filled it
        writers = await MigrationAutodetector(context.apps, CONFIG["apps"]).changes()
    return [str(operation) for writer in writers for operation in writer.operations]


@asynccontextmanager
async def _executor(url: str) -> AsyncIterator[MigrationExecutor]:
    config = configuration(url, pool_size=2, is_patient=True)
    async with TortoiseContext() as context:
        await context.init(config=config)
        yield MigrationExecutor(connections.get("default"), config["apps"])


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[None]:
    """Hold a lock that ends with its transaction, so that it works behind a pooler as well."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except (*LOST, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"DATABASE_URL leads to no PostgreSQL that lets us in: {error}") from error
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            yield
    finally:
        await connection.close()


async def _full_name(executor: MigrationExecutor, prefix: str) -> str:
    await executor.loader.build_graph()
    names = [key.name for key in executor.loader.graph.nodes if key.name.startswith(prefix)]
    if len(names) != 1:
        raise SystemExit(f"{prefix!r} names {len(names)} migrations; see the folder `migrations`")
    return names[0]
