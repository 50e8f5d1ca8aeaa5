"""What a process holds open while it runs, opened in order and closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from jobs.broker import Bell, close_bell, open_bell
from jobs.moderation import close_moderation, open_moderation
from jobs.songs import close_songs, open_songs
from server.errors import Unavailable
from server.settings import Settings
from storage import database
from storage.allowances import close_allowances, open_allowances
from storage.blobs import BlobStore, open_store
from storage.events import Publisher, close_events, open_events
from storage.hub import Hub


@dataclass
class Resources:
    """The database is open as well; it is found through `storage.database`."""

    settings: Settings
    blobs: BlobStore
    publisher: Publisher
    bell: Bell
    hub: Hub

    async def find_problems(self) -> dict[str, str]:
        """What does not answer right now, and how it says so."""
        problems = {}
        checks = {"database": database.ping, "redis": self.publisher.ping, "storage": self.blobs.ping}
        for name, check in checks.items():
            try:
                await check()
            except Unavailable as error:
                problems[name] = error.message
        if "database" not in problems and (pending := await database.list_pending_migrations()):
            problems["migrations"] = f"{len(pending)} have yet to run; try `libretto migrate`"
        return problems


def store_url(settings: Settings) -> str:
    """Where files go when nothing else is said."""
    return settings.blob_store_url or (settings.libretto_home / "files").as_uri()


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open all of it; `settings` name the database and Redis."""
    async with AsyncExitStack() as stack:
        await database.open_database(settings.database_url, settings.database_pool_size)
        stack.push_async_callback(database.close_database)
        blobs = await open_store(store_url(settings), base_url=settings.base_url, secret=settings.secret)
        stack.push_async_callback(blobs.close)
        publisher, bell = open_events(settings.redis_url), open_bell(settings.redis_url)
        stack.push_async_callback(close_events)
        stack.callback(close_bell)
        open_allowances(settings.redis_url, settings.rate_limit_scale)
        stack.push_async_callback(close_allowances)
        open_moderation(settings)
        stack.push_async_callback(close_moderation)
        open_songs(settings)
        stack.push_async_callback(close_songs)
        yield Resources(
            settings, blobs, publisher, bell, Hub(settings.redis_url, token_seconds=settings.access_token_seconds)
        )
