from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

# Going back, what the version before cannot hold leaves: styles with an owner, and accounts without a seed.
FORGET_OWN_STYLES = "DELETE FROM styles WHERE user_id IS NOT NULL"
GIVE_SEEDS = "UPDATE users SET style_seed = floor(random() * 2147483647)::int WHERE style_seed IS NULL"


class Migration(migrations.Migration):
    dependencies = [("storage", "0005_saved_covers")]

    initial = False

    operations = [
        ops.AlterField(model_name="User", name="style_seed", field=fields.IntField(null=True)),
        ops.RunSQL("SELECT 1", reverse_sql=GIVE_SEEDS),
        ops.AddField(model_name="User", name="flourish", field=fields.CharField(null=True, max_length=20)),
        ops.AddField(
            model_name="User",
            name="unlocks",
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(model_name="Style", name="user_id", field=fields.UUIDField(null=True)),
        ops.AddField(model_name="Style", name="seed", field=fields.IntField(null=True)),
        ops.AddField(model_name="Style", name="leanings_version", field=fields.SmallIntField(null=True)),
        ops.AlterModelOptions(
            name="Style",
            options={
                "table": "styles",
                "app": "storage",
                "pk_attr": "id",
                "table_description": "A style: of the catalogue, or with an owner their own.",
            },
        ),
        ops.RemoveConstraint(model_name="Style", name="styles_slug_key"),
        ops.RunSQL("SELECT 1", reverse_sql=FORGET_OWN_STYLES),
        ops.AddConstraint(
            model_name="Style",
            constraint=UniqueConstraint(
                fields=("slug",), name="styles_catalogue_slug_key", condition="user_id IS NULL"
            ),
        ),
        ops.AddConstraint(model_name="Style", constraint=UniqueConstraint(fields=("user_id",), name="styles_user_key")),
        ops.AddConstraint(
            model_name="Style",
            constraint=CheckConstraint(
                check="(user_id IS NULL) = (seed IS NULL) AND (user_id IS NULL) = (leanings_version IS NULL)",
                name="styles_own_has_seed",
            ),
        ),
    ]
