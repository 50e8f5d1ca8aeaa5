from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.indexes import Index


class Migration(migrations.Migration):
    dependencies = [("storage", "0002_next_turn")]

    initial = False

    operations = [
        ops.RemoveIndex(
            model_name="CreditEntry",
            name="credit_entries_reserved",
            fields=None,
        ),
        ops.AddIndex(
            model_name="Job",
            index=Index(fields=["user_id", "finished_at"], name="jobs_user_finished"),
        ),
    ]
