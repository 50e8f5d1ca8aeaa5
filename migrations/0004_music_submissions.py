from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from storage.rows import new_id
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import PartialIndex
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("storage", "0003_jobs_by_end")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ProviderSubmission",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("job_id", fields.UUIDField()),
                ("round", fields.IntField()),
                ("provider", fields.CharField(max_length=20)),
                ("model", fields.CharField(max_length=40)),
                ("state", fields.CharField(max_length=9)),
                ("submission", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("code", fields.CharField(null=True, max_length=40)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "provider_submissions",
                "app": "storage",
                "indexes": [
                    PartialIndex(
                        fields=["created_at"], name="provider_submissions_followed", condition={"state": "submitted"}
                    )
                ],
                "pk_attr": "id",
                "table_description": "A job's one submit to one provider, in one round of the job: an admin's replay may submit anew.",
            },
            bases=["Row"],
        ),
        ops.AddConstraint(
            model_name="ProviderSubmission",
            constraint=UniqueConstraint(fields=("job_id", "round", "provider"), name="provider_submissions_once"),
        ),
        ops.AddConstraint(
            model_name="ProviderSubmission",
            constraint=CheckConstraint(
                check="state IN ('begun', 'submitted', 'ended')", name="provider_submissions_state_known"
            ),
        ),
    ]
