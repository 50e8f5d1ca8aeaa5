"""A full studio by SQL alone: people, tracks, jobs, covers and files in a few seconds, with ids that can be told."""

import random
from uuid import UUID

import asyncpg

PEOPLE, STYLES = 100, 1_000
EPOCH_MILLISECONDS = 1_750_000_000_000
KINDS = {"user": 1, "series": 2, "style": 3, "track": 4, "job": 5, "cover": 6, "asset": 7}
BUSY_PEOPLE = 99  # the last one has no tracks: what is written for measure is written for that one

FUNCTION = f"""
CREATE FUNCTION pg_temp.row_id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex({EPOCH_MILLISECONDS} + n), 12, '0') || '7' || lpad(to_hex(kind), 3, '0') || '8000'
        || lpad(to_hex(n), 12, '0'))::uuid $$"""

STATEMENTS = (
    """INSERT INTO users (id, email, password_hash, display_name, role, plan, credits, style_seed, accent_hue,
        created_at)
    SELECT pg_temp.row_id(1, n), n || '@bench.example', '', 'Somebody', 'user', 'free', 1000000000, n, n % 360, now()
    FROM generate_series(1, {people}) n""",
    """INSERT INTO series (id, user_id, title, is_default, created_at)
    SELECT pg_temp.row_id(2, n), pg_temp.row_id(1, n), 'My tracks', true, now() FROM generate_series(1, {people}) n""",
    """INSERT INTO styles (id, slug, name, description, created_at)
    SELECT pg_temp.row_id(3, n), 'bench-' || n, 'Style ' || n, 'Made to measure', now()
    FROM generate_series(1, {styles}) n""",
    """INSERT INTO jobs (id, user_id, kind, queue, state, stage, progress, message, version, attempt, max_attempts,
        crash_count, round, priority, turn, available_at, lease_token, subject_id, payload, created_at, started_at,
        finished_at)
    SELECT pg_temp.row_id(5, n), pg_temp.row_id(1, 1 + (n % {tracks}) % {busy}),
        CASE WHEN n > {tracks} THEN 'covers.draw' ELSE 'tracks.render' END,
        CASE WHEN n > {tracks} THEN 'default' ELSE 'media' END, 'COMPLETE', 'complete', 1, '', 9, 1, 3, 0, 0, 0, 0,
        at, 1, pg_temp.row_id(4, 1 + (n - 1) % {tracks}), '{{}}', at, at, at
    FROM generate_series(1, 2 * {tracks}) n, LATERAL (SELECT now() - make_interval(days => 2, secs => n)) clock(at)""",
    """INSERT INTO tracks (id, user_id, series_id, style_id, job_id, title, prompt, duration_seconds, has_vocals, seed,
        status, visual_version, visibility, slug, completed_at, version, created_at)
    SELECT pg_temp.row_id(4, n), pg_temp.row_id(1, owner), pg_temp.row_id(2, owner),
        pg_temp.row_id(3, 1 + n % {styles}), pg_temp.row_id(5, n), 'Track number ' || n, 'a calm evening, number ' || n,
        30 + n % 300, false, n, 'COMPLETE', 1, 'PRIVATE', 'bench-' || n, now(), 2, now()
    FROM generate_series(1, {tracks}) n, LATERAL (SELECT 1 + n % {busy}) whose(owner)""",
    """INSERT INTO covers (id, user_id, track_id, visual_version, svg_key, square_key, created_at)
    SELECT pg_temp.row_id(6, n), pg_temp.row_id(1, 1 + n % {busy}), pg_temp.row_id(4, n), 1,
        'covers/' || md5(n::text) || '/1/cover.svg', 'covers/' || md5(n::text) || '/1/cover-square.png', now()
    FROM generate_series(1, {tracks}) n""",
    """INSERT INTO assets (id, user_id, track_id, kind, name, blob_key, mime_type, size_bytes, duration_seconds,
        created_at)
    SELECT pg_temp.row_id(7, n), pg_temp.row_id(1, 1 + n % {busy}), pg_temp.row_id(4, n), 'MIX', '',
        'jobs/' || md5(n::text) || '/1/mix.m4a', 'audio/mp4', 1000000, 30, now()
    FROM generate_series(1, {tracks}) n""",
)


def row_id(kind: str, number: int) -> UUID:
    """The id of the row of this number, as the SQL makes it."""
    return UUID(f"{EPOCH_MILLISECONDS + number:012x}7{KINDS[kind]:03x}8000{number:012x}")


def random_track(rng: random.Random, tracks: int) -> tuple[UUID, int]:
    """A track and the number of its owner."""
    number = rng.randint(1, tracks)
    return row_id("track", number), 1 + number % BUSY_PEOPLE


async def fill(url: str, tracks: int) -> None:
    """Write it all, then let PostgreSQL look at what it has."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(FUNCTION)
            for statement in STATEMENTS:
                counts = {"people": PEOPLE, "styles": STYLES, "busy": BUSY_PEOPLE, "tracks": tracks}
                await connection.execute(statement.format(**counts))
        for table in ("users", "series", "styles", "jobs", "tracks", "covers", "assets"):
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()
