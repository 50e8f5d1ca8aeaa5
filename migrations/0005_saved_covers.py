from tortoise import migrations
from tortoise.migrations import operations as ops
from storage.rows import new_id
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0004_music_submissions")]

    initial = False

    operations = [
        ops.CreateModel(
            name="SavedCover",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("mode", fields.CharField(max_length=5)),
                ("visual_version", fields.IntField()),
                ("svg_key", fields.CharField(max_length=512)),
                ("size_bytes", fields.IntField()),
            ],
            options={
                "table": "saved_covers",
                "app": "storage",
                "indexes": [
                    Index(fields=["user_id", "id"], name="saved_covers_user"),
                    Index(fields=["track_id", "id"], name="saved_covers_track"),
                ],
                "pk_attr": "id",
                "table_description": "A picture of a track that its owner drew, as we rebuilt it.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="SavedCover",
            constraint=CheckConstraint(check="mode IN ('DARK', 'LIGHT')", name="saved_covers_mode_known"),
        ),
    ]
