"""Webhooks: the endpoints that people name, and what is delivered to them."""

from storage.webhooks.deliveries import (
    Claim,
    Note,
    claim_deliveries,
    get_own_delivery,
    has_due,
    note_attempt,
    read_oldest_due_seconds,
    replay_delivery,
    sweep_deliveries,
    write_test,
)
from storage.webhooks.endpoints import (
    delete_webhook,
    enable_webhook,
    get_own_webhook,
    rotate_secret,
    update_webhook,
    write_webhook,
)
from storage.webhooks.rows import (
    DeliveryState,
    DisabledReason,
    Webhook,
    WebhookDelivery,
    WebhookKind,
    WebhookState,
)

__all__ = [
    "Claim",
    "DeliveryState",
    "DisabledReason",
    "Note",
    "Webhook",
    "WebhookDelivery",
    "WebhookKind",
    "WebhookState",
    "claim_deliveries",
    "delete_webhook",
    "enable_webhook",
    "get_own_delivery",
    "get_own_webhook",
    "has_due",
    "note_attempt",
    "read_oldest_due_seconds",
    "replay_delivery",
    "rotate_secret",
    "sweep_deliveries",
    "update_webhook",
    "write_test",
    "write_webhook",
]
