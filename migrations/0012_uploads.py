from tortoise import migrations
from tortoise.migrations import operations as ops
from storage.rows import new_id
from storage.uploads import UploadStatus
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0011_outcomes")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Upload",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("job_id", fields.UUIDField(null=True)),
                ("filename", fields.CharField(max_length=255)),
                ("mime_type", fields.CharField(max_length=80)),
                ("size_bytes", fields.BigIntField()),
                ("sha256", fields.CharField(null=True, max_length=64)),
                ("status", fields.CharEnumField(default=UploadStatus.PENDING, enum_type=UploadStatus, max_length=9)),
                ("part_bytes", fields.IntField(null=True)),
                ("part_token", fields.TextField(null=True, unique=False)),
                ("received", fields.JSONField(null=True)),
                ("blob_key", fields.CharField(null=True, max_length=512)),
                ("rejection_code", fields.CharField(null=True, max_length=40)),
                ("rejection_message", fields.CharField(null=True, max_length=255)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "uploads",
                "app": "storage",
                "indexes": [
                    Index(fields=["user_id", "id"], name="uploads_user"),
                    Index(fields=["status", "expires_at"], name="uploads_by_end"),
                ],
                "pk_attr": "id",
                "table_description": "A file that somebody brings; later work refers to it once it is STORED, and reads it under its `blob_key`.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="Upload",
            constraint=CheckConstraint(
                check="(status = 'STORED') = (blob_key IS NOT NULL)", name="uploads_stored_have_bytes"
            ),
        ),
        ops.AddConstraint(
            model_name="Upload",
            constraint=CheckConstraint(check="size_bytes > 0", name="uploads_size_positive"),
        ),
    ]
