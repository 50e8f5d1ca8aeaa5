from tortoise import migrations
from tortoise.migrations import operations as ops

# Whether somebody may have one job more running in a queue. A function, because it looks afresh after it has waited for
# whoever takes a job of this queue at the same time: two that counted what was there before them would both go on.
# Who had room when the claim began and has none after it has waited is counted once, not once for each of their jobs:
# ten thousand counts under the lock kept thirty others waiting for a tenth of a second each.
HAS_ROOM = """
CREATE FUNCTION has_room(owner uuid, place varchar, most bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 10000 AS $$
DECLARE
    without_room text := coalesce(current_setting('libretto.without_room', true), '');  -- until the claim is over
BEGIN
    IF strpos(without_room, owner::text) > 0 THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('libretto claims ' || place, 0));
    IF (SELECT count(*) FROM jobs WHERE state = 'RENDERING' AND queue = place AND user_id = owner) < most THEN
        RETURN true;
    END IF;
    PERFORM set_config('libretto.without_room', without_room || owner::text, true);
    RETURN false;
END $$"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0018_references")]

    operations = [ops.RunSQL(HAS_ROOM, reverse_sql="DROP FUNCTION has_room(uuid, varchar, bigint)")]
