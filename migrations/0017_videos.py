from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from storage.lifecycle import State
from storage.rows import new_id
from storage.videos import PieceKind, VideoKind
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0016_imports")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Video",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("job_id", fields.UUIDField()),
                (
                    "kind",
                    fields.CharEnumField(
                        description="LYRIC: LYRIC\nCUT: CUT\nGENERATED: GENERATED", enum_type=VideoKind, max_length=9
                    ),
                ),
                (
                    "status",
                    fields.CharEnumField(
                        default=State.QUEUED,
                        description="QUEUED: QUEUED\nRENDERING: RENDERING\nCOMPLETE: COMPLETE\nFAILED: FAILED\nCANCELLED: CANCELLED",
                        enum_type=State,
                        max_length=10,
                    ),
                ),
                ("aspect", fields.CharField(max_length=9)),
                ("title", fields.CharField(max_length=120)),
                ("theme", fields.CharField(null=True, max_length=24)),
                ("frames_per_second", fields.SmallIntField()),
                ("duration_seconds", fields.FloatField()),
                ("wish", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("film", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("preview_key", fields.CharField(null=True, max_length=512)),
                ("preview_seconds", fields.FloatField(default=0.0)),
                ("log_key", fields.CharField(null=True, max_length=512)),
                ("completed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("version", fields.IntField(default=1)),
            ],
            options={
                "table": "videos",
                "app": "storage",
                "indexes": [
                    Index(fields=["user_id", "id"], name="videos_user"),
                    Index(fields=["track_id", "id"], name="videos_track"),
                    Index(fields=["expires_at"], name="videos_by_end"),
                ],
                "pk_attr": "id",
                "table_description": "A film: what was asked for, and what came of it; `film` is null until it is there, its files until they expire.",
            },
            bases=["Row"],
        ),
        ops.CreateModel(
            name="VideoPiece",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("track_id", fields.UUIDField()),
                ("video_id", fields.UUIDField()),
                (
                    "kind",
                    fields.CharEnumField(
                        description="SEGMENT: SEGMENT\nSTREAM: STREAM\nFRAME: FRAME", enum_type=PieceKind, max_length=7
                    ),
                ),
                ("number", fields.IntField()),
                ("plan_hash", fields.CharField(max_length=64)),
                ("blob_key", fields.CharField(max_length=512)),
                ("duration_seconds", fields.FloatField(default=0.0)),
            ],
            options={
                "table": "video_pieces",
                "app": "storage",
                "indexes": [Index(fields=["track_id"], name="video_pieces_track")],
                "pk_attr": "id",
                "table_description": "A piece of a film that is being rendered; those of another plan than the film's now are worth nothing.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(model_name="Video", constraint=UniqueConstraint(fields=("job_id",), name="videos_job_key")),
        ops.AddConstraint(
            model_name="Video",
            constraint=CheckConstraint(check="kind IN ('LYRIC', 'CUT', 'GENERATED')", name="videos_kind_known"),
        ),
        ops.AddConstraint(
            model_name="Video",
            constraint=CheckConstraint(
                check="aspect IN ('LANDSCAPE', 'PORTRAIT', 'SQUARE')", name="videos_aspect_known"
            ),
        ),
        ops.AddConstraint(
            model_name="VideoPiece",
            constraint=UniqueConstraint(fields=("video_id", "kind", "number"), name="video_pieces_place_key"),
        ),
        ops.AddConstraint(
            model_name="VideoPiece",
            constraint=CheckConstraint(check="kind IN ('SEGMENT', 'STREAM', 'FRAME')", name="video_pieces_kind_known"),
        ),
    ]
