"""Endpoints: writing, changing and forgetting them, each by its owner alone."""

from dataclasses import dataclass
from uuid import UUID

import orjson

from server.errors import Conflict, NotFound
from storage import database
from storage.access import Viewer
from storage.webhooks.rows import Webhook, WebhookState

MAX_WEBHOOKS = 10  # of one person
ROTATION_HOURS = 24  # for so long an old secret signs as well

ROTATE = """
UPDATE webhooks SET sealed_previous_secret = sealed_secret, sealed_secret = $2,
    previous_secret_until = now() + make_interval(hours => $3)
WHERE id = $1 AND sealed_secret IS NOT NULL RETURNING id"""

UPDATE = """
UPDATE webhooks SET events = coalesce($2::jsonb, events), description = coalesce($3, description),
    shown_url = coalesce($4, shown_url), sealed_url = coalesce($5, sealed_url)
WHERE id = $1"""

ENABLE = """
UPDATE webhooks SET state = 'ACTIVE', disabled_reason = NULL, disabled_at = NULL, failures = 0, failing_since = NULL,
    paused_until = NULL
WHERE id = $1 AND state = 'DISABLED' RETURNING id"""


@dataclass(frozen=True)
class Address:
    """Where an endpoint is: as its owner may see it, and sealed."""

    shown: str
    sealed: bytes


async def get_own_webhook(viewer: Viewer, webhook_id: UUID) -> Webhook:
    """An endpoint of the viewer's; NotFound otherwise."""
    webhook = await Webhook.get_or_none(id=webhook_id, user_id=viewer.require_user())
    if webhook is None:
        raise NotFound("There is no such webhook")
    return webhook


async def write_webhook(webhook: Webhook) -> None:
    """A new endpoint; Conflict when its owner has as many as one may have."""
    async with database.transaction():
        await database.fetch("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", webhook.user_id)
        if await Webhook.filter(user_id=webhook.user_id).count() >= MAX_WEBHOOKS:
            raise Conflict(f"There are {MAX_WEBHOOKS} webhooks already; delete one first")
        await webhook.save(force_create=True)


async def update_webhook(
    webhook_id: UUID, *, events: list[str] | None, description: str | None, address: Address | None
) -> Webhook:
    """Change what is given; what is on its way goes to the new address as well."""
    await database.fetch(
        UPDATE,
        webhook_id,
        None if events is None else orjson.dumps(events).decode(),
        description,
        None if address is None else address.shown,
        None if address is None else address.sealed,
    )
    return await _get(webhook_id)


async def rotate_secret(webhook_id: UUID, sealed_secret: bytes) -> Webhook:
    """Sign with a new secret, and for a day with the one before as well."""
    if not await database.fetch(ROTATE, webhook_id, sealed_secret, ROTATION_HOURS):
        raise Conflict("A Discord webhook has no secret; its address is the secret, and Discord makes a new one")
    return await _get(webhook_id)


async def enable_webhook(webhook_id: UUID) -> Webhook:
    """Send to an endpoint again that was disabled; what failed meanwhile can be replayed."""
    if not await database.fetch(ENABLE, webhook_id):
        raise Conflict("The webhook is not disabled")
    return await _get(webhook_id)


async def delete_webhook(webhook_id: UUID) -> None:
    """Forget an endpoint and what was delivered to it."""
    async with database.transaction():
        await database.fetch("DELETE FROM webhooks WHERE id = $1", webhook_id)
        await database.fetch("DELETE FROM webhook_deliveries WHERE webhook_id = $1", webhook_id)


def require_active(webhook: Webhook) -> None:
    """Raise Conflict when an endpoint is sent nothing."""
    if webhook.state != WebhookState.ACTIVE:
        raise Conflict("The webhook is disabled; enable it first")


async def _get(webhook_id: UUID) -> Webhook:
    webhook = await Webhook.get_or_none(id=webhook_id)
    if webhook is None:
        raise NotFound("There is no such webhook")
    return webhook
