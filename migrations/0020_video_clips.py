from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import UniqueConstraint

from storage.lifecycle import State
from storage.rows import new_id


class Migration(migrations.Migration):
    dependencies = [("storage", "0019_room")]

    initial = False

    operations = [
        ops.CreateModel(
            name="VideoClip",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("video_id", fields.UUIDField()),
                ("job_id", fields.UUIDField()),
                ("number", fields.SmallIntField()),
                ("name", fields.CharField(max_length=80)),
                ("start_seconds", fields.FloatField()),
                ("end_seconds", fields.FloatField()),
                ("energy", fields.FloatField()),
                ("prompt", fields.TextField(unique=False)),
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
                ("provider", fields.CharField(null=True, max_length=20)),
                ("model", fields.CharField(null=True, max_length=40)),
                ("notes", fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ("blob_key", fields.CharField(null=True, max_length=512)),
                ("duration_seconds", fields.FloatField(null=True)),
                ("version", fields.IntField(default=1)),
            ],
            options={
                "table": "video_clips",
                "app": "storage",
                "indexes": [Index(fields=["track_id"], name="video_clips_track")],
                "pk_attr": "id",
                "table_description": "What is shown while one section plays: what was wished for, who made it, and where it is.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="VideoClip",
            constraint=UniqueConstraint(fields=("video_id", "number"), name="video_clips_place_key"),
        ),
        ops.AddConstraint(
            model_name="VideoClip", constraint=UniqueConstraint(fields=("job_id",), name="video_clips_job_key")
        ),
        ops.AddIndex(model_name="Job", index=Index(fields=["parent_id"], name="jobs_children")),
    ]
