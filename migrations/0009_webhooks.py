from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from storage.rows import new_id
from storage.webhooks.rows import DeliveryState, DisabledReason, WebhookKind, WebhookState
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index, PartialIndex
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0007_cover_art")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Webhook",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                (
                    "kind",
                    fields.CharEnumField(
                        description="STANDARD: STANDARD\nDISCORD: DISCORD", enum_type=WebhookKind, max_length=8
                    ),
                ),
                ("shown_url", fields.CharField(max_length=2048)),
                ("sealed_url", fields.BinaryField()),
                ("sealed_secret", fields.BinaryField(null=True)),
                ("sealed_previous_secret", fields.BinaryField(null=True)),
                ("previous_secret_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("events", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("description", fields.CharField(default="", max_length=200)),
                (
                    "state",
                    fields.CharEnumField(
                        default=WebhookState.ACTIVE,
                        description="ACTIVE: ACTIVE\nDISABLED: DISABLED",
                        enum_type=WebhookState,
                        max_length=8,
                    ),
                ),
                (
                    "disabled_reason",
                    fields.CharEnumField(
                        null=True, description="GONE: GONE\nFAILING: FAILING", enum_type=DisabledReason, max_length=8
                    ),
                ),
                ("disabled_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("failures", fields.IntField(default=0)),
                ("failing_since", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("paused_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "webhooks",
                "app": "storage",
                "indexes": [Index(fields=["user_id", "id"], name="webhooks_user")],
                "pk_attr": "id",
                "table_description": "An address that somebody wants to be told at; the address and the secrets are sealed.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("webhook_id", fields.UUIDField()),
                ("event_id", fields.UUIDField()),
                ("type", fields.CharField(max_length=40)),
                ("facts", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                (
                    "state",
                    fields.CharEnumField(
                        default=DeliveryState.PENDING,
                        description="PENDING: PENDING\nSENDING: SENDING\nDELIVERED: DELIVERED\nFAILED: FAILED",
                        enum_type=DeliveryState,
                        max_length=9,
                    ),
                ),
                ("attempts", fields.IntField(default=0)),
                ("claims", fields.IntField(default=0)),
                ("lease_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("next_attempt_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_attempt_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("delivered_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("response_status", fields.IntField(null=True)),
                ("response_body", fields.TextField(null=True, unique=False)),
                ("error_code", fields.CharField(null=True, max_length=40)),
                ("error_message", fields.CharField(null=True, max_length=500)),
            ],
            options={
                "table": "webhook_deliveries",
                "app": "storage",
                "indexes": [
                    Index(fields=["webhook_id", "id"], name="webhook_deliveries_webhook"),
                    PartialIndex(
                        fields=["webhook_id", "next_attempt_at", "id"],
                        name="webhook_deliveries_waiting",
                        condition={"state": "PENDING"},
                    ),
                    PartialIndex(
                        fields=["next_attempt_at"], name="webhook_deliveries_due", condition={"state": "PENDING"}
                    ),
                    PartialIndex(
                        fields=["webhook_id", "user_id", "lease_until"],
                        name="webhook_deliveries_sending",
                        condition={"state": "SENDING"},
                    ),
                ],
                "pk_attr": "id",
                "table_description": "One event on its way to one endpoint, written in the statement that made the event a fact.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="Webhook",
            constraint=CheckConstraint(check="kind IN ('STANDARD', 'DISCORD')", name="webhooks_kind_known"),
        ),
        ops.AddConstraint(
            model_name="Webhook",
            constraint=CheckConstraint(
                check="(state = 'DISABLED') = (disabled_reason IS NOT NULL)", name="webhooks_disabled_for_a_reason"
            ),
        ),
        ops.AddConstraint(
            model_name="Webhook",
            constraint=CheckConstraint(
                check="(kind = 'STANDARD') = (sealed_secret IS NOT NULL)", name="webhooks_standard_is_signed"
            ),
        ),
        ops.AddConstraint(
            model_name="WebhookDelivery",
            constraint=UniqueConstraint(fields=("webhook_id", "event_id"), name="webhook_deliveries_once"),
        ),
        ops.AddConstraint(
            model_name="WebhookDelivery",
            constraint=CheckConstraint(
                check="state IN ('PENDING', 'SENDING', 'DELIVERED', 'FAILED')", name="webhook_deliveries_state_known"
            ),
        ),
    ]
