"""A studio whose workers ask outside providers for music or clips, and those providers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.fakes.fal import JWKS, FakeFal
from tests.fakes.replicate import FakeReplicate
from tests.fakes.vendor import Plan, Vendor, make_wav
from tests.studio import Person, Process, Studio, until

SECONDS = 8
SONG = make_wav(SECONDS, rate=22_050)


@dataclass
class Vendors:
    """A studio, the two vendors that its workers may ask, and how to start such a worker."""

    studio: Studio
    fal: FakeFal
    replicate: FakeReplicate
    start: Callable[..., Awaitable[Process]]


def accounts_of(fal: FakeFal, replicate: FakeReplicate) -> dict[str, str]:
    """The settings of a process that knows the two."""
    return {
        "FAL_KEY": fal.key,
        "FAL_URL": fal.url,
        "FAL_JWKS_URL": fal.url + JWKS,
        "REPLICATE_API_TOKEN": replicate.key,
        "REPLICATE_URL": replicate.url,
    }


@asynccontextmanager
async def open_vendors(studio: Studio, plan: Plan, **settings: str) -> AsyncIterator[Vendors]:
    """Both vendors with this to give; the workers that are started with these settings end with the block."""
    workers: list[Process] = []
    async with FakeFal.open() as fal, FakeReplicate.open() as replicate:
        fal.plan = replicate.plan = plan

        async def start(**environment: str) -> Process:
            workers.append(await studio.start_worker(**settings | accounts_of(fal, replicate) | environment))
            return workers[-1]

        yield Vendors(studio, fal, replicate, start)
        for worker in workers:
            if worker.child.poll() is None:
                worker.kill()


async def ask_for_track(owner: Person) -> tuple[str, str]:
    created = await owner.create_track(durationSeconds=SECONDS)
    return created["track"]["id"], created["job"]["id"]


async def wait_for_look(vendor: Vendor) -> None:
    """By then the worker has kept what it was answered."""

    async def is_looked_after() -> bool:
        return bool(vendor.runs and vendor.runs[0].looks)

    await until(is_looked_after, "the worker asks how the run does")
