from tortoise import migrations
from tortoise.migrations import operations as ops

# The turn of a new job is one after the user's last, or just before whoever is next: a flood of one user stands behind
# another's first job, and the claim needs no more than an index. A function, because it looks afresh: the statement
# that reserves credits waits for the account's row, and would number its job by what was there before it waited.
NEXT_TURN = """
CREATE FUNCTION next_turn(owner uuid, place varchar, urgency smallint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN greatest(
        (SELECT turn + 1 FROM jobs WHERE state = 'QUEUED' AND queue = place AND user_id = owner
            ORDER BY turn DESC LIMIT 1),
        coalesce((SELECT turn - 1 FROM jobs WHERE state = 'QUEUED' AND queue = place AND priority = urgency
            ORDER BY turn LIMIT 1), 0)
            + (SELECT count(*) FROM jobs WHERE state = 'RENDERING' AND queue = place AND user_id = owner));
END $$"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0001_first_rows")]

    operations = [ops.RunSQL(NEXT_TURN, reverse_sql="DROP FUNCTION next_turn(uuid, varchar, smallint)")]
