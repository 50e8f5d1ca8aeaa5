"""What the tests of outside music share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from tests.fakes.fal import FakeFal
from tests.fakes.replicate import FakeReplicate
from tests.fakes.vendor import Plan
from tests.studio import Person, Process, Studio, running_studio
from tests.tracks.outward import SONG, Vendors, accounts_of


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
    workers: list[Process] = []
    async with AsyncExitStack() as stack:
        fal = await stack.enter_async_context(FakeFal.open())
        replicate = await stack.enter_async_context(FakeReplicate.open())
        fal.plan = replicate.plan = Plan(audio=SONG)

        async def start(**environment: str) -> Process:
            given = {"MUSIC_PROVIDER": "fal"} | accounts_of(fal, replicate)
            workers.append(await outward.start_worker(**given | environment))
            return workers[-1]

        yield Vendors(outward, fal, replicate, start)
        for worker in workers:
            if worker.child.poll() is None:
                worker.kill()


@pytest_asyncio.fixture
async def owner(outward: Studio) -> Person:
    return await outward.make_user()
