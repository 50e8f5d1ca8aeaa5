from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0006_personal_styles")]

    initial = False

    operations = [
        ops.AddField(model_name="Cover", name="algorithm", field=fields.SmallIntField(null=True)),
        ops.AddField(
            model_name="Cover",
            name="subject",
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(model_name="SavedCover", name="status", field=fields.CharField(null=True, max_length=8)),
        ops.AddField(model_name="SavedCover", name="job_id", field=fields.UUIDField(null=True)),
        ops.AddField(model_name="SavedCover", name="square_key", field=fields.CharField(null=True, max_length=512)),
        ops.AddField(model_name="SavedCover", name="portrait_key", field=fields.CharField(null=True, max_length=512)),
        ops.AddField(model_name="SavedCover", name="landscape_key", field=fields.CharField(null=True, max_length=512)),
        ops.AddField(model_name="SavedCover", name="pictures_bytes", field=fields.IntField(null=True)),
        ops.AddConstraint(
            model_name="SavedCover",
            constraint=CheckConstraint(
                check="status IN ('QUEUED', 'READY', 'REFUSED')", name="saved_covers_status_known"
            ),
        ),
        ops.AddField(model_name="Track", name="saved_cover_id", field=fields.UUIDField(null=True)),
    ]
