from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from storage.rows import new_id
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index


class Migration(migrations.Migration):
    dependencies = [("storage", "0015_lyrics")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Upload",
            name="media",
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(
            model_name="Upload",
            name="thumbnails",
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.CreateModel(
            name="Attestation",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("user_id", fields.UUIDField()),
                ("subject_id", fields.UUIDField()),
                ("wording", fields.CharField(max_length=40)),
            ],
            options={
                "table": "attestations",
                "app": "storage",
                "indexes": [Index(fields=["subject_id"], name="attestations_subject")],
                "pk_attr": "id",
                "table_description": "What somebody said of a work when it was created; it outlasts the work, for whoever asks later.",
            },
            bases=["Row"],
        ),
    ]
