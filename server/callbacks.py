"""Webhooks that music providers send us: a delivery that is really theirs wakes the job that waits, and does no more.

Whatever it says is not believed: the worker asks the provider. So one that is lost, late, forged or sent twice changes
nothing but when that question is asked.
"""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.providers import ReplicateProvider
from jobs.providers.base import subject_of
from jobs.providers.webhooks import WINDOW_SECONDS, FalKeys, Keyring, ReplicateSecrets, WebhookRefused
from server.errors import LibrettoError, Unavailable
from server.logs import get_logger
from server.resources import Resources
from server.settings import Settings
from storage import hints

MAX_BODY_BYTES = 1 << 20  # Replicate sends the whole prediction, with all its logs
RETRY_AFTER_SECONDS = 30

log = get_logger(__name__)


class DeliveryTooLarge(LibrettoError):
    """The delivery is larger than 1 MiB."""

    code = "BODY_TOO_LARGE"


class Callbacks:
    """Answers `/webhooks/{provider}` for the providers that we have an account with."""

    def __init__(self, resources: Resources) -> None:
        self._redis = resources.publisher.client
        self._keyrings = dict(_open_keyrings(resources.settings))

    def routes(self) -> list[Route]:
        """Where providers knock."""
        return [Route("/webhooks/{provider}", self.receive, methods=["POST"])]

    async def close(self) -> None:
        """Close the connections."""
        for keyring in self._keyrings.values():
            await keyring.close()

    async def receive(self, request: Request) -> Response:
        """Take one delivery; what a provider gets to hear depends on its signature alone."""
        provider = request.path_params["provider"]
        keyring = self._keyrings.get(provider)
        if keyring is None:
            return Response(status_code=404)
        try:
            delivery = await keyring.verify(request.headers, await _read_body(request))
            subject = subject_of(provider, delivery.request_id)
            is_new = await hints.pass_on(self._redis, delivery.id, subject, remembered_seconds=2 * WINDOW_SECONDS)
        except (WebhookRefused, DeliveryTooLarge, Unavailable) as error:
            log.warning("callback.refused", provider=provider, error=error.code, message=error.message)
            return _refuse(error)
        log.info("callback.received", provider=provider, request=delivery.request_id, is_new=is_new)
        return Response(status_code=204)


def _open_keyrings(settings: Settings) -> list[tuple[str, Keyring[bytes] | Keyring[str]]]:
    keys, secret = settings.music_keys, settings.replicate_webhook_secret.get_secret_value()
    opened: list[tuple[str, Keyring[bytes] | Keyring[str]]] = []
    if "fal" in keys:
        opened.append(("fal", FalKeys(settings.fal_jwks_url)))
    if "replicate" in keys:
        account = ReplicateProvider(keys["replicate"], settings.replicate_url)
        opened.append(("replicate", ReplicateSecrets(secret, account)))
    return opened


def _refuse(error: LibrettoError) -> Response:
    problem = {"code": error.code, "message": error.message}
    if isinstance(error, Unavailable):
        return JSONResponse(problem, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return JSONResponse(problem, 413 if isinstance(error, DeliveryTooLarge) else 401)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise DeliveryTooLarge
    except ClientDisconnect:
        raise WebhookRefused("The delivery ended early") from None
    return bytes(body)
