from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from storage.rows import new_id
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0014_analyses")]

    initial = False

    operations = [
        ops.CreateModel(
            name="HeardLyrics",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("key", fields.CharField(max_length=64)),
                ("heard", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={
                "table": "heard_lyrics",
                "app": "storage",
                "indexes": [Index(fields=["created_at"], name="heard_lyrics_age")],
                "pk_attr": "id",
                "table_description": "What an engine heard in a recording of somebody's, by all that the answer hangs on.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="TimedLyrics",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("source", fields.CharField(max_length=16)),
                ("engine", fields.CharField(max_length=24)),
                ("language", fields.CharField(null=True, max_length=8)),
                ("lines", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("offset_ms", fields.IntField(default=0)),
                ("is_from_cache", fields.BooleanField(default=False)),
                ("version", fields.IntField(default=1)),
            ],
            options={
                "table": "timed_lyrics",
                "app": "storage",
                "pk_attr": "id",
                "table_description": "The words of a track, each with its time; the offset is added to all of them.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="HeardLyrics",
            constraint=UniqueConstraint(fields=("user_id", "key"), name="heard_lyrics_key"),
        ),
        ops.AddConstraint(
            model_name="TimedLyrics",
            constraint=UniqueConstraint(fields=("track_id",), name="timed_lyrics_track_key"),
        ),
        ops.AddConstraint(
            model_name="TimedLyrics",
            constraint=CheckConstraint(
                check="source IN ('ALIGNED', 'TRANSCRIBED', 'BEAT_ESTIMATE', 'COMPOSED', 'EDITED')",
                name="timed_lyrics_source_known",
            ),
        ),
    ]
