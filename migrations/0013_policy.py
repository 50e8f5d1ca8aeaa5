from tortoise import migrations
from tortoise.migrations import operations as ops
from storage.rows import new_id
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0012_uploads")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Track",
            name="taken_down_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Track",
            name="takedown_reason",
            field=fields.CharField(null=True, max_length=16),
        ),
        ops.AddConstraint(
            model_name="Track",
            constraint=CheckConstraint(
                check="(taken_down_at IS NULL) = (takedown_reason IS NULL)", name="tracks_takedown_has_reason"
            ),
        ),
        ops.CreateModel(
            name="Report",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("track_id", fields.UUIDField()),
                ("reporter_id", fields.UUIDField(null=True)),
                ("reason", fields.CharField(max_length=16)),
                ("details", fields.TextField(unique=False)),
                ("email", fields.CharField(null=True, max_length=254)),
                ("state", fields.CharField(default="OPEN", max_length=9)),
                ("decided_by_id", fields.UUIDField(null=True)),
                ("decided_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("note", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "reports",
                "app": "storage",
                "indexes": [Index(fields=["state", "id"], name="reports_state")],
                "pk_attr": "id",
                "table_description": "What somebody has to say against a shared track, and what was decided about it.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="Report",
            constraint=CheckConstraint(check="state IN ('OPEN', 'UPHELD', 'DISMISSED')", name="reports_state_known"),
        ),
        ops.AddConstraint(
            model_name="Report",
            constraint=CheckConstraint(check="(state = 'OPEN') = (decided_at IS NULL)", name="reports_decided_once"),
        ),
        ops.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("actor_id", fields.UUIDField()),
                ("action", fields.CharField(max_length=40)),
                ("subject", fields.CharField(max_length=80)),
                ("note", fields.TextField(unique=False)),
            ],
            options={
                "table": "audit_entries",
                "app": "storage",
                "indexes": [Index(fields=["subject", "id"], name="audit_entries_subject")],
                "pk_attr": "id",
                "table_description": "What somebody in charge did to somebody else's things: who, what, when and why; rows are only added.",
            },
            bases=["Row"],
        ),
    ]
