"""A studio that may send webhooks to receivers on this machine, one for all tests of webhooks."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from tests.fakes.receiver import Receiver
from tests.studio import Person, running_studio
from tests.webhooks.desk import Endpoint, Hooked, make_endpoint


@pytest_asyncio.fixture(scope="session")
async def hooked() -> AsyncIterator[Hooked]:
    """The product, allowed to send to the receivers."""
    async with Receiver.open() as receiver, Receiver.open() as discord:
        environment = {
            "CREDITS_AT_SIGN_UP": "1000",
            "WEBHOOK_PRIVATE_ORIGINS": receiver.url,
            "DISCORD_URL": discord.url,
            "LIBRETTO_ADMIN_EMAILS": "operator@example.org",
        }
        async with (
            running_studio(environment) as studio,
            asyncpg.create_pool(studio.settings.database_url, min_size=1, max_size=2) as rows,
        ):
            yield Hooked(studio, receiver, discord, rows)


@pytest_asyncio.fixture
async def owner(hooked: Hooked) -> Person:
    """Somebody new."""
    return await hooked.studio.make_user()


@pytest_asyncio.fixture
async def endpoint(hooked: Hooked, owner: Person) -> Endpoint:
    """A webhook of theirs that answers with 204."""
    return await make_endpoint(hooked, owner)
