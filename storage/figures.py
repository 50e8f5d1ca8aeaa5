"""Figures of the product: what people do with it, counted over all of them together and never told of anybody."""

from dataclasses import dataclass

import asyncpg

from server.errors import Unavailable
from storage import database

TIMEOUT_SECONDS = 5

# Sums over everything that is stored; what was deleted is not. A person came back on day n if anything is left of the
# n-th 24 hours after the sign-up: a track, a saved cover, a log-in, or the last refresh of a session.
READ = """
WITH span AS (SELECT now() - make_interval(days => $1) AS begin),
made AS (
    SELECT tracks.id, user_id, created_at, completed_at, visual_version,
        extract(epoch FROM completed_at - created_at)::float8 AS seconds
    FROM tracks, span WHERE created_at >= begin
),
saved AS (SELECT user_id, created_at, size_bytes FROM saved_covers, span WHERE created_at >= begin),
people AS (SELECT users.id, users.created_at FROM users, span WHERE created_at >= begin),
acts AS (
    SELECT user_id, created_at AS at FROM made UNION ALL SELECT user_id, created_at FROM saved
    UNION ALL SELECT user_id, sessions.created_at FROM sessions JOIN people ON user_id = people.id
    UNION ALL SELECT user_id, rotated_at FROM sessions JOIN people ON user_id = people.id
),
active AS (
    SELECT DISTINCT people.id, floor(extract(epoch FROM at - people.created_at) / 86400)::int AS day
    FROM people JOIN acts ON user_id = people.id
),
cohorts AS (
    SELECT day, count(*) AS people, count(active.id) AS returned
    FROM (VALUES (1), (7)) AS days (day) CROSS JOIN people LEFT JOIN active USING (id, day)
    WHERE people.created_at + make_interval(days => day + 1) <= now() GROUP BY day
),
first_saves AS (
    SELECT count(tracks.id) AS tracks
    FROM (SELECT user_id, min(created_at) FROM saved_covers GROUP BY user_id) AS firsts (saver, at)
    JOIN span ON at >= begin LEFT JOIN tracks ON user_id = saver AND created_at <= at GROUP BY saver
),
first_sounds AS (
    SELECT extract(epoch FROM min(completed_at) - people.created_at) AS seconds
    FROM people JOIN made ON user_id = people.id AND completed_at IS NOT NULL
    GROUP BY people.id, people.created_at
)
SELECT
    (SELECT count(*) FROM people) AS sign_ups,
    made.*, sizes.*,
    (SELECT count(DISTINCT track_id) FROM saved_covers JOIN made ON made.id = track_id)::float8
        / nullif(tracks_created, 0) AS saved_cover_share,
    (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY tracks) FROM first_saves) AS tracks_before_first_save,
    sounds.*,
    coalesce((SELECT people FROM cohorts WHERE day = 1), 0) AS day1_people,
    coalesce((SELECT returned FROM cohorts WHERE day = 1), 0) AS day1_returned,
    coalesce((SELECT people FROM cohorts WHERE day = 7), 0) AS day7_people,
    coalesce((SELECT returned FROM cohorts WHERE day = 7), 0) AS day7_returned
FROM (
    SELECT count(*) AS tracks_created, count(completed_at) AS tracks_completed,
        avg(visual_version)::float8 AS visual_versions_mean, max(visual_version) AS visual_versions_max,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS render_p50_seconds,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS render_p95_seconds
    FROM made
) made, (
    SELECT count(*) AS covers_saved, percentile_disc(0.5) WITHIN GROUP (ORDER BY size_bytes) AS svg_p50_bytes,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY size_bytes) AS svg_p95_bytes, max(size_bytes) AS svg_max_bytes
    FROM saved
) sizes, (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS first_sound_p50_seconds,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS first_sound_p95_seconds
    FROM first_sounds
) sounds"""


@dataclass(frozen=True)
class Figures:
    """Those of some days; None where there is nothing to tell."""

    sign_ups: int
    tracks_created: int
    tracks_completed: int
    visual_versions_mean: float | None
    visual_versions_max: int | None
    render_p50_seconds: float | None
    render_p95_seconds: float | None
    covers_saved: int
    svg_p50_bytes: int | None
    svg_p95_bytes: int | None
    svg_max_bytes: int | None
    saved_cover_share: float | None
    tracks_before_first_save: float | None
    first_sound_p50_seconds: float | None
    first_sound_p95_seconds: float | None
    day1_people: int
    day1_returned: int
    day7_people: int
    day7_returned: int


async def read_figures(days: int) -> Figures:
    """The figures of so many days until now; Unavailable when counting takes too long."""
    try:
        async with database.transaction():
            await database.fetch(f"SET LOCAL statement_timeout = '{TIMEOUT_SECONDS}s'")
            row = await database.fetch_one(READ, days)
    except asyncpg.QueryCanceledError as error:
        raise Unavailable("Counting takes too long right now; ask for fewer days") from error
    assert row is not None  # noqa: S101 - sums always answer with a row
    return Figures(**row)
