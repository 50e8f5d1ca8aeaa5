"""A studio whose workers ask outside providers for music, and those providers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.fal import JWKS, FakeFal
from tests.fakes.replicate import FakeReplicate
from tests.fakes.vendor import Vendor, make_wav
from tests.studio import Person, Studio, until

SECONDS = 8
SONG = make_wav(SECONDS, rate=22_050)


@dataclass
class Vendors:
    """A studio, the two vendors that its workers may ask, and how to start such a worker."""

    studio: Studio
    fal: FakeFal
    replicate: FakeReplicate
    start: Callable[..., Any]


def accounts_of(fal: FakeFal, replicate: FakeReplicate) -> dict[str, str]:
    """The settings of a process that knows the two."""
    return {
        "FAL_KEY": fal.key,
        "FAL_URL": fal.url,
        "FAL_JWKS_URL": fal.url + JWKS,
        "REPLICATE_API_TOKEN": replicate.key,
        "REPLICATE_URL": replicate.url,
    }


async def ask_for_track(owner: Person) -> tuple[str, str]:
    created = await owner.create_track(durationSeconds=SECONDS)
    return created["track"]["id"], created["job"]["id"]


async def wait_for_look(vendor: Vendor) -> None:
    """By then the worker has kept what it was answered."""

    async def is_looked_after() -> bool:
        return bool(vendor.runs and vendor.runs[0].looks)

    await until(is_looked_after, "the worker asks how the run does")
