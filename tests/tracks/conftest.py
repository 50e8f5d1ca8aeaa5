"""What the tests of outside music share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.fakes.fal import FakeFal
from tests.fakes.vendor import Plan
from tests.studio import Person, Studio, running_studio
from tests.tracks.outward import SONG, Vendors, open_vendors


@pytest_asyncio.fixture(scope="module")
async def outward() -> AsyncIterator[Studio]:
    """A studio of its own, whose workers these tests start."""
    async with running_studio(
        {"CREDITS_AT_SIGN_UP": "100", "MUSIC_PROVIDER": "fal", "FAL_KEY": FakeFal.key}
    ) as running:
        running.processes.pop().kill()
        yield running


@pytest_asyncio.fixture
async def vendors(outward: Studio) -> AsyncIterator[Vendors]:
    async with open_vendors(outward, Plan(audio=SONG), MUSIC_PROVIDER="fal") as opened:
        yield opened


@pytest_asyncio.fixture
async def owner(outward: Studio) -> Person:
    return await outward.make_user()
