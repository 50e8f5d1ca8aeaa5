from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from storage.analyses import PitchNetwork
from storage.lifecycle import State
from storage.rows import new_id
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0013_policy")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Analysis",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("track_id", fields.UUIDField()),
                ("job_id", fields.UUIDField()),
                (
                    "status",
                    fields.CharEnumField(
                        default=State.QUEUED,
                        description="QUEUED: QUEUED\nRENDERING: RENDERING\nCOMPLETE: COMPLETE\nFAILED: FAILED\nCANCELLED: CANCELLED",
                        enum_type=State,
                        max_length=10,
                    ),
                ),
                (
                    "pitch_wish",
                    fields.CharEnumField(
                        description="NONE: NONE\nTINY: TINY\nFULL: FULL", enum_type=PitchNetwork, max_length=4
                    ),
                ),
                ("mix_key", fields.CharField(max_length=512)),
                ("audio_sha256", fields.CharField(null=True, max_length=64)),
                ("engine_version", fields.IntField(default=0)),
                ("waveforms", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("song", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("pitch", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("version", fields.IntField(default=1)),
            ],
            options={
                "table": "analyses",
                "app": "storage",
                "pk_attr": "id",
                "table_description": "What was heard in a track; a part that is null is not there yet.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="Analysis",
            constraint=UniqueConstraint(fields=("track_id",), name="analyses_track_key"),
        ),
        ops.AddConstraint(
            model_name="Analysis",
            constraint=UniqueConstraint(fields=("job_id",), name="analyses_job_key"),
        ),
        ops.AddConstraint(
            model_name="Analysis",
            constraint=CheckConstraint(check="pitch_wish IN ('NONE', 'TINY', 'FULL')", name="analyses_pitch_known"),
        ),
    ]
