from tortoise import migrations
from tortoise.migrations import operations as ops

# Whether somebody may have one job more running in a queue. A function, because it looks afresh after it has waited for
# whoever takes a job of this queue at the same time: two that counted what was there before them would both go on.
HAS_ROOM = """
CREATE FUNCTION has_room(owner uuid, place varchar, most bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 10000 AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('libretto claims ' || place, 0));
    RETURN (SELECT count(*) FROM jobs WHERE state = 'RENDERING' AND queue = place AND user_id = owner) < most;
END $$"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0018_references")]

    operations = [ops.RunSQL(HAS_ROOM, reverse_sql="DROP FUNCTION has_room(uuid, varchar, bigint)")]
