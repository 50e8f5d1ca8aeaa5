"""Webhooks: what owners ask for; `sender` delivers, `messages` phrases, `addresses` says where to, `post` goes."""

import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from jobs.webhooks.addresses import find_own_origins, read_target
from jobs.webhooks.messages import SECRET_PREFIX
from server.errors import ValidationFailed
from server.logs import get_logger
from server.settings import Settings
from storage import allowances, webhooks
from storage.access import Viewer
from storage.rows import new_id
from storage.seals import Seal
from storage.webhooks import Webhook, WebhookDelivery, WebhookKind
from storage.webhooks.endpoints import Address

SECRET_BYTES = 32
MAX_DESCRIPTION = 200

log = get_logger(__name__)


@dataclass(frozen=True)
class Wish:
    """What somebody wants of a webhook; None is what shall stay as it is."""

    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None


def url_place(webhook_id: UUID) -> str:
    """Where a sealed address stands."""
    return f"webhooks.url {webhook_id.hex}"


def secret_place(webhook_id: UUID) -> str:
    """Where a sealed secret stands, also once it is the one before."""
    return f"webhooks.secret {webhook_id.hex}"


async def create_webhook(
    viewer: Viewer, kind: WebhookKind, wish: Wish, settings: Settings
) -> tuple[Webhook, str | None]:
    """A new endpoint, and its secret, which is never shown again; Discord's has none but its address."""
    user_id, seal, webhook_id = viewer.require_user(), Seal(settings.secret), new_id()
    address, events, description = _check(wish, kind, webhook_id, settings)
    secret = _new_secret() if kind == WebhookKind.STANDARD else None
    webhook = Webhook(
        id=webhook_id,
        user_id=user_id,
        kind=kind,
        shown_url=address.shown if address else "",
        sealed_url=address.sealed if address else b"",
        sealed_secret=None if secret is None else seal.close(secret, secret_place(webhook_id)),
        events=events or [],
        description=description or "",
    )
    await webhooks.write_webhook(webhook)
    log.info("webhook.created", webhook_id=webhook_id.hex, user_id=user_id.hex, kind=kind, events=webhook.events)
    return webhook, secret


async def update_webhook(viewer: Viewer, webhook_id: UUID, wish: Wish, settings: Settings) -> Webhook:
    """Change what is given."""
    webhook = await webhooks.get_own_webhook(viewer, webhook_id)
    address, events, description = _check(wish, webhook.kind, webhook_id, settings)
    updated = await webhooks.update_webhook(webhook_id, events=events, description=description, address=address)
    log.info("webhook.updated", webhook_id=webhook_id.hex, has_new_address=address is not None, events=updated.events)
    return updated


async def rotate_secret(viewer: Viewer, webhook_id: UUID, settings: Settings) -> tuple[Webhook, str]:
    """A new secret, which is never shown again; the one before signs beside it for a day."""
    webhook, secret = await webhooks.get_own_webhook(viewer, webhook_id), _new_secret()
    sealed = Seal(settings.secret).close(secret, secret_place(webhook.id))
    rotated = await webhooks.rotate_secret(webhook.id, sealed)
    log.info("webhook.secret_rotated", webhook_id=webhook_id.hex)
    return rotated, secret


async def enable_webhook(viewer: Viewer, webhook_id: UUID) -> Webhook:
    """Send to an endpoint again that was disabled."""
    webhook = await webhooks.enable_webhook((await webhooks.get_own_webhook(viewer, webhook_id)).id)
    log.info("webhook.enabled", webhook_id=webhook_id.hex)
    return webhook


async def delete_webhook(viewer: Viewer, webhook_id: UUID) -> None:
    """Forget an endpoint."""
    await webhooks.delete_webhook((await webhooks.get_own_webhook(viewer, webhook_id)).id)
    log.info("webhook.deleted", webhook_id=webhook_id.hex)


async def send_test(viewer: Viewer, webhook_id: UUID) -> WebhookDelivery:
    """Send an event that stands for nothing, if that is allowed so soon."""
    webhook = await webhooks.get_own_webhook(viewer, webhook_id)
    await allowances.spend(allowances.WEBHOOK_SENDS, webhook.user_id)
    return await webhooks.write_test(viewer, webhook_id)


async def replay_delivery(viewer: Viewer, delivery_id: UUID) -> WebhookDelivery:
    """Deliver again, if that is allowed so soon."""
    delivery = await webhooks.get_own_delivery(viewer, delivery_id)
    await allowances.spend(allowances.WEBHOOK_SENDS, delivery.user_id)
    replayed = await webhooks.replay_delivery(viewer, delivery_id)
    log.info("webhook.replayed", webhook_id=delivery.webhook_id.hex, delivery_id=delivery_id.hex)
    return replayed


def _check(
    wish: Wish, kind: WebhookKind, webhook_id: UUID, settings: Settings
) -> tuple[Address | None, list[str] | None, str | None]:
    """What is given, fit to be written; ValidationFailed names all that is not."""
    problems: dict[str, str] = {}
    address, events = None, None
    if wish.url is not None:
        try:
            target = read_target(wish.url, kind, find_own_origins(settings))
            address = Address(target.shown, Seal(settings.secret).close(target.url, url_place(webhook_id)))
        except ValidationFailed as refused:
            problems |= refused.fields
    if wish.events is not None:
        events = list(dict.fromkeys(wish.events))
        if not events:
            problems["events"] = "At least one"
    description = wish.description
    if description is not None:
        description = description.strip()
        if len(description) > MAX_DESCRIPTION or "\x00" in description:
            problems["description"] = f"At most {MAX_DESCRIPTION} characters"
    if problems:
        raise ValidationFailed(problems)
    return address, events, description


def _new_secret() -> str:
    return SECRET_PREFIX + b64encode(os.urandom(SECRET_BYTES)).decode()
