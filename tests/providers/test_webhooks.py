"""Webhooks of the vendors: real signatures, keys that change, clocks that differ, deliveries that come twice."""

import base64
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jobs.providers import ReplicateProvider
from jobs.providers.webhooks import (
    REFETCH_SECONDS,
    STALE_SECONDS,
    WINDOW_SECONDS,
    FalKeys,
    WebhookRefused,
    read_keys,
    verify_fal,
    verify_replicate,
)
from server.errors import Unavailable
from tests.fakes.fal import JWKS, FakeFal
from tests.fakes.replicate import SECRET, FakeReplicate
from tests.fakes.vendor import Plan, Run
from tests.server.test_transfers import Clock

RUN = Run("run-1", "fal-ai/ace-step", {"input": {}}, Plan(), looks=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def fal() -> AsyncIterator[FakeFal]:
    async with FakeFal.open() as vendor:
        yield vendor


@pytest.fixture
async def keys(fal: FakeFal, clock: Clock) -> AsyncIterator[FalKeys]:
    keys = FalKeys(fal.url + JWKS, clock=clock)
    yield keys
    await keys.close()


async def test_delivery_of_fal_is_verified_with_its_published_keys(fal: FakeFal, keys: FalKeys, clock: Clock) -> None:
    headers, body = fal.sign_delivery(RUN, timestamp=clock.now)
    delivery = await keys.verify(headers, body)
    assert (delivery.provider, delivery.request_id, delivery.has_succeeded) == ("fal", "run-1", True)
    await keys.verify({name.lower(): value for name, value in headers.items()}, body)
    assert len(fal.requests) == 1


async def test_key_that_is_newer_than_our_last_look_is_looked_up(fal: FakeFal, keys: FalKeys, clock: Clock) -> None:
    await keys.verify(*fal.sign_delivery(RUN, timestamp=clock.now))
    fal.private_keys = [Ed25519PrivateKey.generate()]
    clock.now += REFETCH_SECONDS
    await keys.verify(*fal.sign_delivery(RUN, timestamp=clock.now))
    assert len(fal.requests) == 2


async def test_forger_makes_us_ask_for_keys_at_most_once_a_minute(fal: FakeFal, keys: FalKeys, clock: Clock) -> None:
    headers, body = fal.sign_delivery(RUN, timestamp=clock.now)
    forged = headers | {"X-Fal-Webhook-Signature": "00" * 64}
    for _ in range(20):
        with pytest.raises(WebhookRefused):
            await keys.verify(forged, body)
    assert len(fal.requests) == 1


async def test_document_without_keys_is_read_at_most_once_a_minute(fal: FakeFal, keys: FalKeys, clock: Clock) -> None:
    delivery = fal.sign_delivery(RUN, timestamp=clock.now)
    fal.private_keys = []
    for _ in range(20):
        with pytest.raises(Unavailable):
            await keys.verify(*delivery)
    assert len(fal.requests) == 1


async def test_known_keys_serve_while_they_cannot_be_read_but_not_for_ever(keys: FalKeys, clock: Clock) -> None:
    async with FakeFal.open() as gone:
        elsewhere = FalKeys(gone.url + JWKS, clock=clock)
        await elsewhere.verify(*gone.sign_delivery(RUN, timestamp=clock.now))
    clock.now += STALE_SECONDS
    await elsewhere.verify(*gone.sign_delivery(RUN, timestamp=clock.now))
    clock.now += 1
    with pytest.raises(Unavailable):
        await elsewhere.verify(*gone.sign_delivery(RUN, timestamp=clock.now))
    await elsewhere.close()


@pytest.mark.parametrize("change", ["body", "Request-Id", "User-Id", "Timestamp", "Signature", "missing", "not hex"])
def test_delivery_of_fal_with_anything_changed_is_refused(change: str) -> None:
    vendor, now = FakeFal(), 1_000_000.0
    public = [vendor.private_keys[0].public_key().public_bytes_raw()]
    headers, body = vendor.sign_delivery(RUN, timestamp=now)
    verify_fal(headers, body, public, now=now)
    if change == "body":
        body += b" "
    elif change == "missing":
        headers.popitem()
    elif change == "not hex":
        headers["X-Fal-Webhook-Signature"] = "zz"
    else:
        last = headers[f"X-Fal-Webhook-{change}"]
        headers[f"X-Fal-Webhook-{change}"] = last[:-1] + ("1" if last[-1] != "1" else "2")
    with pytest.raises(WebhookRefused):
        verify_fal(headers, body, public, now=now)


@pytest.mark.parametrize(
    "change", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "missing", "secret"]
)
def test_delivery_of_replicate_with_anything_changed_is_refused(change: str) -> None:
    vendor, now, secret = FakeReplicate(), 1_000_000.0, SECRET
    headers, body = vendor.sign_delivery(RUN, timestamp=now)
    delivery = verify_replicate(headers, body, [secret], now=now)
    assert (delivery.request_id, delivery.has_succeeded) == ("run-1", True)
    if change == "body":
        body += b" "
    elif change == "missing":
        headers.popitem()
    elif change == "secret":
        secret = "whsec_" + base64.b64encode(b"another secret entirely!").decode()
    else:
        headers[change] = headers[change][:4] + ("1" if headers[change][4] != "1" else "2") + headers[change][5:]
    with pytest.raises(WebhookRefused):
        verify_replicate(headers, body, [secret], now=now)


def test_either_of_two_secrets_and_signatures_will_do_while_they_are_changed() -> None:
    headers, body = FakeReplicate().sign_delivery(RUN, timestamp=1_000_000)
    other = "whsec_" + base64.b64encode(b"another secret entirely!").decode()
    headers["webhook-signature"] = f"v1a,unknown v1,{'A' * 43}= {headers['webhook-signature']}"
    assert verify_replicate(headers, body, [other, SECRET], now=1_000_000).id.startswith("replicate.msg_run-1")
    with pytest.raises(WebhookRefused):
        verify_replicate(headers, body, [], now=1_000_000)


def test_known_vector_of_standard_webhooks_is_signed_as_published() -> None:
    """The example that the specification's own libraries are tested with."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    delivery = verify_replicate(headers, b'{"test": 2432232314}', [secret], now=1_614_265_330)
    assert delivery.id == "replicate.msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330"


@pytest.mark.parametrize("off", [-WINDOW_SECONDS - 1, WINDOW_SECONDS + 1])
def test_delivery_from_another_time_is_refused(off: float) -> None:
    headers, body = FakeReplicate().sign_delivery(RUN, timestamp=1_000_000)
    with pytest.raises(WebhookRefused):
        verify_replicate(headers, body, [SECRET], now=1_000_000 + off)
    vendor = FakeFal()
    public = [vendor.private_keys[0].public_key().public_bytes_raw()]
    headers, body = vendor.sign_delivery(RUN, timestamp=1_000_000)
    with pytest.raises(WebhookRefused):
        verify_fal(headers, body, public, now=1_000_000 + off)


async def test_secret_of_replicates_webhooks_is_read_from_the_account() -> None:
    async with FakeReplicate.open() as vendor:
        provider = ReplicateProvider(vendor.key, vendor.url)
        assert await provider.read_webhook_secret() == SECRET
        await provider.close()


@pytest.mark.parametrize(
    "jwks", [None, [], {}, {"keys": 3}, {"keys": [3, {"kty": "RSA"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}]
)
def test_document_without_keys_has_none(jwks: object) -> None:
    assert read_keys(jwks) == []
