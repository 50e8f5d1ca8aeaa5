from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from storage.lifecycle import State
from storage.rows import new_id
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index, PartialIndex
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Asset",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("kind", fields.CharField(max_length=8)),
                ("name", fields.CharField(default="", max_length=40)),
                ("blob_key", fields.CharField(max_length=512)),
                ("mime_type", fields.CharField(max_length=80)),
                ("size_bytes", fields.BigIntField()),
                ("duration_seconds", fields.FloatField(null=True)),
            ],
            options={
                "table": "assets",
                "app": "storage",
                "indexes": [Index(fields=["track_id", "kind"], name="assets_track")],
                "pk_attr": "id",
                "table_description": "One file of a track.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="Cover",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("visual_version", fields.IntField()),
                ("svg_key", fields.CharField(max_length=512)),
                ("square_key", fields.CharField(null=True, max_length=512)),
                ("portrait_key", fields.CharField(null=True, max_length=512)),
                ("landscape_key", fields.CharField(null=True, max_length=512)),
            ],
            options={
                "table": "covers",
                "app": "storage",
                "pk_attr": "id",
                "table_description": "A picture of a track; the PNG keys are filled when the crops have been drawn.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="CreditEntry",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("job_id", fields.UUIDField(null=True)),
                ("round", fields.IntField(default=0)),
                ("kind", fields.CharField(max_length=8)),
                ("available_delta", fields.IntField()),
                ("held_delta", fields.IntField(default=0)),
            ],
            options={
                "table": "credit_entries",
                "app": "storage",
                "indexes": [
                    Index(fields=["user_id", "id"], name="credit_entries_user"),
                    PartialIndex(fields=["job_id"], name="credit_entries_reserved", condition={"kind": "RESERVE"}),
                ],
                "pk_attr": "id",
                "table_description": "One line of the ledger; the sum of `available_delta` is the balance, that of `held_delta` what is reserved.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("operation", fields.CharField(max_length=40)),
                ("key", fields.CharField(max_length=255)),
                ("input_hash", fields.CharField(max_length=64)),
                ("answer_id", fields.UUIDField()),
            ],
            options={
                "table": "idempotency_keys",
                "app": "storage",
                "pk_attr": "id",
                "table_description": "A key that was used once, and what it made.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="Job",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("kind", fields.CharField(max_length=40)),
                ("queue", fields.CharField(max_length=16)),
                (
                    "state",
                    fields.CharEnumField(
                        default=State.QUEUED,
                        description="QUEUED: QUEUED\nRENDERING: RENDERING\nCOMPLETE: COMPLETE\nFAILED: FAILED\nCANCELLED: CANCELLED",
                        enum_type=State,
                        max_length=10,
                    ),
                ),
                ("stage", fields.CharField(default="queued", max_length=40)),
                ("progress", fields.FloatField(default=0.0)),
                ("message", fields.CharField(default="", max_length=280)),
                ("version", fields.IntField(default=1)),
                ("attempt", fields.IntField(default=0)),
                ("max_attempts", fields.IntField(default=3)),
                ("crash_count", fields.IntField(default=0)),
                ("round", fields.IntField(default=0)),
                ("priority", fields.SmallIntField(default=0)),
                ("turn", fields.BigIntField(default=0)),
                ("available_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("lease_token", fields.BigIntField(default=0)),
                ("lease_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("worker", fields.CharField(null=True, max_length=80)),
                ("parent_id", fields.UUIDField(null=True)),
                ("subject_id", fields.UUIDField(null=True)),
                ("payload", fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ("result", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("error_code", fields.CharField(null=True, max_length=40)),
                ("error_message", fields.CharField(null=True, max_length=500)),
                ("error_retryable", fields.BooleanField(null=True)),
                ("log_key", fields.CharField(null=True, max_length=512)),
                ("request_id", fields.CharField(null=True, max_length=64)),
                ("started_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("finished_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "jobs",
                "app": "storage",
                "indexes": [
                    Index(fields=["user_id", "id"], name="jobs_user"),
                    PartialIndex(
                        fields=["queue", "priority", "turn", "id", "user_id"],
                        name="jobs_waiting",
                        condition={"state": "QUEUED"},
                    ),
                    PartialIndex(
                        fields=["queue", "user_id", "turn"], name="jobs_waiting_user", condition={"state": "QUEUED"}
                    ),
                    PartialIndex(
                        fields=["queue", "user_id", "lease_until"],
                        name="jobs_running",
                        condition={"state": "RENDERING"},
                    ),
                    Index(fields=["queue", "finished_at"], name="jobs_finished"),
                    Index(fields=["subject_id"], name="jobs_subject"),
                ],
                "pk_attr": "id",
                "table_description": "A piece of work that takes time.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="Series",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("title", fields.CharField(max_length=120)),
                ("is_default", fields.BooleanField(default=False)),
            ],
            options={
                "table": "series",
                "app": "storage",
                "indexes": [Index(fields=["user_id", "id"], name="series_user")],
                "pk_attr": "id",
                "table_description": "A row of tracks that belong together.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="Style",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("slug", fields.CharField(max_length=40)),
                ("name", fields.CharField(max_length=80)),
                ("description", fields.CharField(max_length=280)),
            ],
            options={
                "table": "styles",
                "app": "storage",
                "pk_attr": "id",
                "table_description": "A style of the catalogue.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="Track",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("series_id", fields.UUIDField(null=True)),
                ("style_id", fields.UUIDField(null=True)),
                ("job_id", fields.UUIDField(null=True)),
                ("title", fields.CharField(max_length=120)),
                ("prompt", fields.TextField(unique=False)),
                ("lyrics", fields.TextField(null=True, unique=False)),
                ("duration_seconds", fields.FloatField()),
                ("has_vocals", fields.BooleanField(default=False)),
                ("seed", fields.IntField()),
                (
                    "status",
                    fields.CharEnumField(
                        default=State.QUEUED,
                        description="QUEUED: QUEUED\nRENDERING: RENDERING\nCOMPLETE: COMPLETE\nFAILED: FAILED\nCANCELLED: CANCELLED",
                        enum_type=State,
                        max_length=10,
                    ),
                ),
                ("visual_version", fields.IntField(default=1)),
                ("visibility", fields.CharField(default="PRIVATE", max_length=8)),
                ("slug", fields.CharField(max_length=32)),
                ("music", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("completed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("version", fields.IntField(default=1)),
            ],
            options={
                "table": "tracks",
                "app": "storage",
                "indexes": [
                    Index(fields=["user_id", "id"], name="tracks_user"),
                    Index(fields=["series_id", "id"], name="tracks_series"),
                    Index(fields=["job_id"], name="tracks_job"),
                ],
                "pk_attr": "id",
                "table_description": "A piece of music: what was asked for, and what came of it.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("email", fields.CharField(max_length=254)),
                ("password_hash", fields.CharField(max_length=255)),
                ("display_name", fields.CharField(max_length=80)),
                ("role", fields.CharField(default="user", max_length=8)),
                ("plan", fields.CharField(default="free", max_length=8)),
                ("credits", fields.IntField(default=0)),
                ("style_seed", fields.IntField()),
                ("accent_hue", fields.SmallIntField()),
            ],
            options={"table": "users", "app": "storage", "pk_attr": "id", "table_description": "An account."},
            bases=["Row"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "storage.User",
                        source_field="user_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("token_hash", fields.BinaryField()),
                ("previous_hash", fields.BinaryField(null=True)),
                ("rotated_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sessions",
                "app": "storage",
                "indexes": [Index(fields=["user_id"], name="sessions_user")],
                "pk_attr": "id",
                "table_description": "One log-in; its refresh token changes at each use and only hashes of it are kept.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="Cover",
            constraint=UniqueConstraint(fields=("track_id", "visual_version"), name="covers_track_version_key"),
        ),
        ops.AddConstraint(
            model_name="CreditEntry",
            constraint=UniqueConstraint(
                fields=("job_id", "round"), name="credit_entries_reserve_once", condition="kind = 'RESERVE'"
            ),
        ),
        ops.AddConstraint(
            model_name="CreditEntry",
            constraint=UniqueConstraint(
                fields=("job_id", "round"), name="credit_entries_settle_once", condition="kind IN ('CAPTURE', 'REFUND')"
            ),
        ),
        ops.AddConstraint(
            model_name="IdempotencyKey",
            constraint=UniqueConstraint(fields=("user_id", "operation", "key"), name="idempotency_keys_key"),
        ),
        ops.AddConstraint(
            model_name="Job",
            constraint=CheckConstraint(check="progress >= 0 AND progress <= 1", name="jobs_progress_fraction"),
        ),
        ops.AddConstraint(
            model_name="Series",
            constraint=UniqueConstraint(fields=("user_id",), name="series_one_default", condition="is_default"),
        ),
        ops.AddConstraint(model_name="Style", constraint=UniqueConstraint(fields=("slug",), name="styles_slug_key")),
        ops.AddConstraint(model_name="Track", constraint=UniqueConstraint(fields=("slug",), name="tracks_slug_key")),
        ops.AddConstraint(
            model_name="Track",
            constraint=CheckConstraint(
                check="visibility IN ('PRIVATE', 'UNLISTED', 'PUBLIC')", name="tracks_visibility_known"
            ),
        ),
        ops.AddConstraint(model_name="User", constraint=UniqueConstraint(fields=("email",), name="users_email_key")),
        ops.AddConstraint(
            model_name="User", constraint=CheckConstraint(check="credits >= 0", name="users_credits_not_negative")
        ),
        # dead rows of a queue slow its claims down long before they are a fifth of the table
        ops.RunSQL(
            "ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)",
            reverse_sql="ALTER TABLE jobs RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
        ),
    ]
