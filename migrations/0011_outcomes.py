from tortoise import migrations
from tortoise.migrations import operations as ops
from storage.rows import new_id
from tortoise import fields
from tortoise.indexes import Index


class Migration(migrations.Migration):
    dependencies = [("storage", "0009_webhooks")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ProviderOutcome",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id, unique=True, db_index=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("provider", fields.CharField(max_length=20)),
                ("code", fields.CharField(max_length=40)),
                ("seconds", fields.FloatField()),
            ],
            options={
                "table": "provider_outcomes",
                "app": "storage",
                "indexes": [Index(fields=["created_at"], name="provider_outcomes_recent")],
                "pk_attr": "id",
                "table_description": "What became of asking one provider, our own composer among them, for one song.",
            },
            bases=["Row"],
        ),
    ]
