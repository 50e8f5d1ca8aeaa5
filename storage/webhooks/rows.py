"""The rows of webhooks: an endpoint, and each delivery to it.

PENDING ──claim──▶ SENDING ──2xx──▶ DELIVERED ──┐
   ▲                  ├──last try──▶ FAILED ────┤
   ├── any other try ─┤                         │
   ├── lost worker ───┘                         │
   └────────────────── replay ──────────────────┘
"""

from enum import StrEnum

from tortoise import fields
from tortoise.indexes import Index, PartialIndex
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from storage.rows import Row


class WebhookKind(StrEnum):
    """What a receiver understands."""

    STANDARD = "STANDARD"
    DISCORD = "DISCORD"


class WebhookState(StrEnum):
    """Whether an endpoint is sent anything."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


class DisabledReason(StrEnum):
    """Why an endpoint is sent nothing any more."""

    GONE = "GONE"
    FAILING = "FAILING"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Webhook(Row):
    """An address that somebody wants to be told at; the address and the secrets are sealed."""

    user_id = fields.UUIDField()
    kind = fields.CharEnumField(WebhookKind, max_length=8)
    shown_url = fields.CharField(max_length=2048)
    sealed_url = fields.BinaryField()
    sealed_secret = fields.BinaryField(null=True)
    sealed_previous_secret = fields.BinaryField(null=True)
    previous_secret_until = fields.DatetimeField(null=True)
    events: fields.Field[list[str]] = fields.JSONField()
    description = fields.CharField(max_length=200, default="")
    state = fields.CharEnumField(WebhookState, max_length=8, default=WebhookState.ACTIVE)
    disabled_reason = fields.CharEnumField(DisabledReason, max_length=8, null=True)
    disabled_at = fields.DatetimeField(null=True)
    failures = fields.IntField(default=0)
    failing_since = fields.DatetimeField(null=True)
    paused_until = fields.DatetimeField(null=True)

    class Meta:
        table = "webhooks"
        indexes = (Index(fields=("user_id", "id"), name="webhooks_user"),)
        constraints = (
            CheckConstraint(check="kind IN ('STANDARD', 'DISCORD')", name="webhooks_kind_known"),
            CheckConstraint(
                check="(state = 'DISABLED') = (disabled_reason IS NOT NULL)", name="webhooks_disabled_for_a_reason"
            ),
            CheckConstraint(
                check="(kind = 'STANDARD') = (sealed_secret IS NOT NULL)", name="webhooks_standard_is_signed"
            ),
        )


class WebhookDelivery(Row):
    """One event on its way to one endpoint, written in the statement that made the event a fact."""

    user_id = fields.UUIDField()
    webhook_id = fields.UUIDField()
    event_id = fields.UUIDField()
    type = fields.CharField(max_length=40)
    facts: fields.Field[dict[str, object]] = fields.JSONField()
    state = fields.CharEnumField(DeliveryState, max_length=9, default=DeliveryState.PENDING)
    attempts = fields.IntField(default=0)
    claims = fields.IntField(default=0)
    lease_until = fields.DatetimeField(null=True)
    next_attempt_at = fields.DatetimeField(null=True)
    last_attempt_at = fields.DatetimeField(null=True)
    delivered_at = fields.DatetimeField(null=True)
    response_status = fields.IntField(null=True)
    response_body = fields.TextField(null=True)
    error_code = fields.CharField(max_length=40, null=True)
    error_message = fields.CharField(max_length=500, null=True)

    class Meta:
        table = "webhook_deliveries"
        indexes = (
            Index(fields=("webhook_id", "id"), name="webhook_deliveries_webhook"),
            PartialIndex(
                fields=("webhook_id", "next_attempt_at", "id"),
                name="webhook_deliveries_waiting",
                condition={"state": "PENDING"},
            ),
            PartialIndex(fields=("next_attempt_at",), name="webhook_deliveries_due", condition={"state": "PENDING"}),
            PartialIndex(
                fields=("webhook_id", "user_id", "lease_until"),
                name="webhook_deliveries_sending",
                condition={"state": "SENDING"},
            ),
        )
        constraints = (
            UniqueConstraint(fields=("webhook_id", "event_id"), name="webhook_deliveries_once"),
            CheckConstraint(
                check="state IN ('PENDING', 'SENDING', 'DELIVERED', 'FAILED')", name="webhook_deliveries_state_known"
            ),
        )
