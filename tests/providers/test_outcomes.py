"""How the makers of music do: told to admins, from what all workers wrote down."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from server.resources import Resources
from storage import database, providers
from storage.events import get_client
from tests.studio import Person, until

MUSIC_PROVIDERS = """query ($days: Int) { musicProviders(days: $days) { name isConfigured circuit successRate
  medianSeconds p95Seconds lastErrorCode lastFailureAt outcomes { succeeded failed refused fellBack } } }"""
NOTHING = {"succeeded": 0, "failed": 0, "refused": 0, "fellBack": 0}


@pytest_asyncio.fixture(autouse=True)
async def nothing_yet(resources: Resources) -> AsyncIterator[None]:
    await database.fetch("DELETE FROM provider_outcomes")
    yield
    await database.fetch("DELETE FROM provider_outcomes")
    await get_client().hdel(providers.CIRCUITS_KEY, "test:1", "test:2")


async def read(admin: Person, **given: Any) -> dict[str, Any]:
    listed = (await admin.get(MUSIC_PROVIDERS, **given))["musicProviders"]
    return {one.pop("name"): one for one in listed}


async def test_what_never_happened_is_null(admin: Person) -> None:
    fal = (await read(admin))["fal"]
    assert fal.pop("outcomes") == NOTHING
    assert fal.pop("isConfigured") is False
    assert set(fal.values()) == {None}


async def test_rates_and_times_are_those_of_what_was_written_down(admin: Person) -> None:
    for seconds in range(1, 10):
        await providers.note_outcome("fal", "COMPLETE", seconds)
    for code in ("PROVIDER_BUSY", "PROVIDER_CONTENT_REFUSED", "PROVIDER_UNREACHABLE", providers.FELL_BACK):
        await providers.note_outcome("fal", code, 100)
    fal = (await read(admin))["fal"]
    assert fal["outcomes"] == {"succeeded": 9, "failed": 2, "refused": 1, "fellBack": 1}
    assert fal["successRate"] == pytest.approx(9 / 11)
    assert (fal["medianSeconds"], fal["p95Seconds"]) == (5, pytest.approx(8.6))
    assert fal["lastErrorCode"] == "PROVIDER_UNREACHABLE"
    assert fal["lastFailureAt"]


async def test_days_say_how_far_back(admin: Person) -> None:
    await providers.note_outcome("fal", "COMPLETE", 1)
    await database.fetch("UPDATE provider_outcomes SET created_at = now() - interval '25 hours'")
    assert (await read(admin))["fal"]["outcomes"] == NOTHING
    assert (await read(admin, days=7))["fal"]["outcomes"]["succeeded"] == 1
    for days in (0, 31, -1):
        (error,) = (await admin.ask(MUSIC_PROVIDERS, days=days))["errors"]
        assert error["extensions"]["code"] == "VALIDATION_FAILED"


async def test_what_is_too_old_is_forgotten(resources: Resources) -> None:
    await providers.note_outcome("fal", "COMPLETE", 1)
    await providers.note_outcome("local", "COMPLETE", 1)
    await database.fetch("UPDATE provider_outcomes SET created_at = now() - interval '31 days' WHERE provider = 'fal'")
    await providers.forget_outcomes()
    assert set(await providers.read_records(30)) == {"local"}


async def test_circuit_is_the_worst_that_any_worker_tells(admin: Person) -> None:
    await providers.tell_circuits("test:1", {"fal": "closed", "replicate": "half open"})
    await providers.tell_circuits("test:2", {"fal": "open", "replicate": "closed"})
    told = await read(admin)
    assert (told["fal"]["circuit"], told["replicate"]["circuit"]) == ("OPEN", "HALF_OPEN")


async def test_worker_that_says_nothing_any_more_is_not_counted(admin: Person) -> None:
    await get_client().hset(providers.CIRCUITS_KEY, "test:1", '1000 {"fal":"open"}')
    assert (await read(admin))["fal"]["circuit"] is None
    assert not await get_client().hexists(providers.CIRCUITS_KEY, "test:1")


async def test_our_own_composer_is_counted_too_and_its_worker_heard(admin: Person, person: Person) -> None:
    created = await person.create_track()
    await person.wait_until(created["job"]["id"], "COMPLETE")
    local = (await read(admin))["local"]
    assert (local["outcomes"]["succeeded"], local["successRate"], local["isConfigured"]) == (1, 1, True)
    assert local["medianSeconds"] > 0

    async def its_circuit_is_told() -> bool:
        return bool((await read(admin))["local"]["circuit"] == "CLOSED")

    await until(its_circuit_is_told, "a worker tells how its circuits stand, as it does every few seconds")


async def test_nobody_but_admins_is_told(person: Person) -> None:
    (error,) = (await person.ask(MUSIC_PROVIDERS))["errors"]
    assert error["extensions"]["code"] == "NOT_ALLOWED"
    (error,) = (await person.studio.ask(MUSIC_PROVIDERS))["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
