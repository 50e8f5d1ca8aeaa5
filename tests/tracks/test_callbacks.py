"""Webhooks of music providers: one that is theirs wakes the worker that waits, any other changes nothing at all."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from tests.fakes.vendor import Plan, Run, Vendor
from tests.studio import Person, Process, free_port, until
from tests.tracks.outward import SONG, Vendors, accounts_of, ask_for_track, wait_for_look

PROVIDERS = ("fal", "replicate")


@dataclass
class Reachable:
    """A web process that providers can call, and the two of them."""

    vendors: Vendors
    web: Process
    url: str

    def vendor(self, name: str) -> Vendor:
        vendor: Vendor = getattr(self.vendors, name)
        return vendor

    async def start_worker(self, provider: str) -> Process:
        worker: Process = await self.vendors.start(
            MUSIC_PROVIDER=provider, MUSIC_FALLBACK="", PUBLIC_URL=self.url, PROVIDER_WEBHOOKS="on"
        )
        return worker

    async def make_run(self, owner: Person, provider: str) -> tuple[str, Run]:
        """A job whose run over there goes on until somebody ends it; the worker's next look is seconds away."""
        vendor = self.vendor(provider)
        vendor.plan = Plan(endless=True, audio=SONG)
        await self.start_worker(provider)
        _, job_id = await ask_for_track(owner)
        await wait_for_look(vendor)
        return job_id, vendor.runs[0]


@pytest_asyncio.fixture
async def reachable(vendors: Vendors) -> AsyncIterator[Reachable]:
    port = free_port()
    web = await vendors.studio.start_web(port, **accounts_of(vendors.fal, vendors.replicate))
    yield Reachable(vendors, web, f"http://127.0.0.1:{port}")
    web.kill()


async def look_again(run: Run, looks: int, seconds: float) -> None:
    async def looked() -> bool:
        return run.looks > looks

    await until(looked, "the worker looks again", seconds)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_delivery_ends_the_pause_at_once(reachable: Reachable, owner: Person, provider: str) -> None:
    vendor = reachable.vendor(provider)
    job_id, run = await reachable.make_run(owner, provider)
    await look_again(run, 4, seconds=20)  # the next pause is longer than two seconds
    run.plan.endless, looks = False, run.looks
    assert (await vendor.deliver(run)).status_code == 204
    await look_again(run, looks, seconds=1)
    await owner.wait_until(job_id, "COMPLETE")
    assert len(vendor.submits) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_delivery_is_believed_in_nothing(reachable: Reachable, owner: Person, provider: str) -> None:
    vendor = reachable.vendor(provider)
    job_id, run = await reachable.make_run(owner, provider)
    looks = run.looks
    assert (await vendor.deliver(run)).status_code == 204  # it says that a song is done which is not
    await look_again(run, looks, seconds=1)
    assert (await owner.job(job_id))["state"] == "RENDERING"
    run.plan.endless = False
    await owner.wait_until(job_id, "COMPLETE")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_same_delivery_wakes_once(reachable: Reachable, owner: Person, provider: str) -> None:
    vendor, now = reachable.vendor(provider), time.time()
    _, run = await reachable.make_run(owner, provider)
    other = await reachable.vendors.studio.start_web(
        free_port(), **accounts_of(reachable.vendors.fal, reachable.vendors.replicate)
    )
    elsewhere = replace(run, webhook_url=run.webhook_url)
    answers = [await vendor.deliver(one, timestamp=now) for one in (run, run, elsewhere)]
    assert [answer.status_code for answer in answers] == [204, 204, 204]
    await reachable.web.wait_for("is_new=True")
    log = reachable.web.log.read_text()
    assert (log.count("is_new=True"), log.count("is_new=False")) == (1, 2)
    other.kill()


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("wrong", ["signature", "body", "late"])
async def test_delivery_that_is_not_theirs_is_refused_and_wakes_nobody(
    reachable: Reachable, provider: str, wrong: str
) -> None:
    vendor = reachable.vendor(provider)
    run = Run("run-1", "somewhere", {"input": {}}, Plan(), looks=1)
    headers, body = vendor.sign_delivery(run, timestamp=time.time() - (400 if wrong == "late" else 0))
    if wrong == "signature":
        headers[list(headers)[-1]] = "v1," + "00" * 32
    client, url = reachable.vendors.studio.client, f"{reachable.url}/webhooks/{provider}"
    answer = await client.post(url, content=body + (b" " if wrong == "body" else b""), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "WEBHOOK_REFUSED")
    assert "callback.received" not in reachable.web.log.read_text()


async def test_delivery_that_is_too_large_is_not_read_to_its_end(reachable: Reachable) -> None:
    answer = await reachable.vendors.studio.client.post(f"{reachable.url}/webhooks/fal", content=b"x" * (1 << 20 | 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_nobody_but_our_own_providers_has_a_door(vendors: Vendors, reachable: Reachable) -> None:
    client = vendors.studio.client
    assert (await client.post(f"{reachable.url}/webhooks/suno", content=b"{}")).status_code == 404
    assert (await client.post("/webhooks/replicate", content=b"{}")).status_code == 404  # this process has no token
    assert (await client.get(f"{reachable.url}/webhooks/fal")).status_code == 405


async def test_secret_in_the_settings_is_the_only_one_that_counts(vendors: Vendors) -> None:
    port = free_port()
    settings = accounts_of(vendors.fal, vendors.replicate) | {"REPLICATE_WEBHOOK_SECRET": "whsec_AAAA"}
    web = await vendors.studio.start_web(port, **settings)
    run = Run("run-1", "somewhere", {"input": {}}, Plan(), webhook_url=f"http://127.0.0.1:{port}/webhooks/replicate")
    assert (await vendors.replicate.deliver(run)).status_code == 401
    assert vendors.replicate.requests == []
    web.kill()


async def test_keys_that_cannot_be_read_make_the_provider_come_back(vendors: Vendors) -> None:
    port = free_port()
    settings = accounts_of(vendors.fal, vendors.replicate) | {"FAL_JWKS_URL": "http://127.0.0.1:1/keys"}
    web = await vendors.studio.start_web(port, **settings)
    run = Run("run-1", "somewhere", {}, Plan(), webhook_url=f"http://127.0.0.1:{port}/webhooks/fal")
    answer = await vendors.fal.deliver(run)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    web.kill()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"PUBLIC_URL": "https://studio.example"}, "https://studio.example/webhooks/fal"),
        ({"PUBLIC_URL": "https://studio.example", "PROVIDER_WEBHOOKS": "off"}, ""),
        ({"PUBLIC_URL": "http://studio.example"}, ""),
    ],
)
async def test_providers_are_told_of_an_address_that_they_can_reach(
    vendors: Vendors, owner: Person, settings: dict[str, str], told: str
) -> None:
    await vendors.start(**settings)
    _, job_id = await ask_for_track(owner)
    await owner.wait_until(job_id, "COMPLETE")
    assert [run.webhook_url for run in vendors.fal.runs] == [told]
