from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import UniqueConstraint

from storage.rows import new_id


class Migration(migrations.Migration):
    dependencies = [("storage", "0017_videos")]

    initial = False

    operations = [
        ops.CreateModel(
            name="TrackReference",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("upload_id", fields.UUIDField()),
                ("position", fields.SmallIntField()),
                ("filename", fields.CharField(max_length=255)),
                ("duration_seconds", fields.FloatField()),
            ],
            options={
                "table": "track_references",
                "app": "storage",
                "indexes": [Index(fields=["upload_id"], name="track_references_upload")],
                "pk_attr": "id",
                "table_description": "A recording that a track was asked to take after; the upload may be deleted once the track has been made.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="TrackReference",
            constraint=UniqueConstraint(fields=("track_id", "position"), name="track_references_position"),
        ),
    ]
