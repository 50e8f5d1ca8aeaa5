"""Webhooks that providers send us: is one theirs, is it fresh, was it here before; nothing else in it is believed.

A delivery is a hint to look, never the truth: the job reads the result from the provider itself.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from jobs.providers.failures import Setback
from jobs.providers.guard import make_tls
from jobs.providers.replicate import ReplicateProvider
from jobs.providers.wire import TIMEOUT, read_body
from server.errors import LibrettoError, Unavailable
from server.logs import get_logger

K = TypeVar("K")

WINDOW_SECONDS = 300.0  # between their clock and ours
JWKS_URL = "https://rest.fal.ai/.well-known/jwks.json"
FRESH_SECONDS, STALE_SECONDS = 3600.0, 86_400.0  # fal allows a day; within the last of it old keys still serve
REFETCH_SECONDS = 60.0  # between two looks for a key that we do not know: a forger must not make us a nuisance
SECRET_PREFIX = "whsec_"  # noqa: S105 - what such a secret begins with

log = get_logger(__name__)


class WebhookRefused(LibrettoError):
    """This delivery is not signed by the provider."""

    code = "WEBHOOK_REFUSED"


@dataclass(frozen=True)
class Delivery:
    """A delivery whose signature is right."""

    provider: str
    id: str  # the same only when it is sent in again, word for word
    request_id: str
    has_succeeded: bool


def verify_fal(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], *, now: float) -> Delivery:
    """A delivery of fal's, signed by one of these Ed25519 public keys."""
    given = _read_headers(headers, "x-fal-webhook-", "request-id", "user-id", "timestamp", "signature")
    request_id, user_id, timestamp, signature = given
    _require_fresh(timestamp, now)
    signed = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
    try:
        raw = bytes.fromhex(signature)
    except ValueError as error:
        raise WebhookRefused("The signature is not hexadecimal") from error
    if not any(_is_signed(key, raw, signed) for key in keys):
        raise WebhookRefused
    payload = _read_payload(body)
    if payload.get("request_id") != request_id:
        raise WebhookRefused("The delivery speaks of another request than its headers")
    return Delivery("fal", f"fal.{request_id}.{timestamp}", request_id, payload.get("status") == "OK")


def verify_replicate(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: float) -> Delivery:
    """A delivery of Replicate's, signed with one of these secrets in the form of Standard Webhooks."""
    delivery_id, timestamp, signatures = _read_headers(headers, "webhook-", "id", "timestamp", "signature")
    _require_fresh(timestamp, now)
    signed = b".".join((delivery_id.encode(), timestamp.encode(), body))
    given = [text.removeprefix("v1,") for text in signatures.split(" ") if text.startswith("v1,")]
    expected = [_sign(secret, signed) for secret in secrets]
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one in given for other in expected):
        raise WebhookRefused
    payload = _read_payload(body)
    return Delivery(
        "replicate",
        f"replicate.{delivery_id}.{timestamp}",
        str(payload.get("id", "")),
        payload.get("status") == "succeeded",
    )


def _read_headers(headers: Mapping[str, str], prefix: str, *names: str) -> list[str]:
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        return [lowered[prefix + name] for name in names]
    except KeyError as missing:
        raise WebhookRefused(f"The header {missing} is missing") from missing


def _require_fresh(timestamp: str, now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now - int(timestamp[:12])) > WINDOW_SECONDS:
        raise WebhookRefused("The delivery is too old or too new")


def _read_payload(body: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WebhookRefused("The delivery is not JSON") from error
    if not isinstance(payload, dict):
        raise WebhookRefused("The delivery is not a JSON object")
    return payload


def _is_signed(key: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _sign(secret: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise Unavailable("The secret of the provider's webhooks is not base64") from error
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def read_keys(jwks: object) -> list[bytes]:
    """The Ed25519 keys of a JWKS document; what else is in it is left out."""
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    found = []
    for key in listed if isinstance(listed, list) else ():
        if isinstance(key, dict) and (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519"):
            text = str(key.get("x", ""))
            try:
                raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            except (binascii.Error, ValueError):
                continue
            if len(raw) == 32:
                found.append(raw)
    return found


class Keyring(ABC, Generic[K]):
    """A provider's keys: kept for an hour, looked up again when a signature fits none, and served stale if need be."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: list[K] = []
        self._fetched_at = self._tried_at = float("-inf")

    async def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """A delivery signed by a key that the provider has now, also by one that is newer than our last look."""
        await self._refresh(FRESH_SECONDS)
        try:
            return self._check(headers, body)
        except WebhookRefused:
            known = self._keys
            await self._refresh(REFETCH_SECONDS)
            if self._keys == known:
                raise
            return self._check(headers, body)

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    async def _fetch(self) -> list[K]:
        """The keys as the provider has them now; none when they cannot be read."""

    @abstractmethod
    def _check(self, headers: Mapping[str, str], body: bytes) -> Delivery: ...

    async def _refresh(self, older_than_seconds: float) -> None:
        async with self._lock:
            now = self._clock()
            if now - self._fetched_at >= older_than_seconds and now - self._tried_at >= REFETCH_SECONDS:
                self._tried_at = now
                if keys := await self._fetch():
                    self._keys, self._fetched_at = keys, now
        if self._clock() - self._fetched_at > STALE_SECONDS:
            raise Unavailable("The keys of the provider's webhooks cannot be read")


class FalKeys(Keyring[bytes]):
    """The public keys that fal publishes."""

    def __init__(self, url: str = JWKS_URL, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock)
        self._url = url
        self._client = httpx.AsyncClient(verify=make_tls(), timeout=TIMEOUT, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _fetch(self) -> list[bytes]:
        try:
            async with self._client.stream("GET", self._url) as response:
                if response.status_code != 200:
                    return []
                return read_keys(orjson.loads(await read_body(response)))
        except (httpx.TransportError, orjson.JSONDecodeError):
            return []

    def _check(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        return verify_fal(headers, body, self._keys, now=self._clock())


class ReplicateSecrets(Keyring[str]):
    """The secret of our account with Replicate: as the settings have it, or as Replicate tells it to us."""

    def __init__(self, given: str, account: ReplicateProvider, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock)
        self._given, self._account = given, account

    async def close(self) -> None:
        """Close the connections."""
        await self._account.close()

    async def _fetch(self) -> list[str]:
        if self._given:
            return [self._given]
        try:
            secret = await self._account.read_webhook_secret()
        except Setback as failure:
            log.warning("provider.secret_unread", provider=failure.provider, error=failure.code)
            return []
        return [secret] if secret else []

    def _check(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        return verify_replicate(headers, body, self._keys, now=self._clock())
