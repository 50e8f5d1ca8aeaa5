"""Unlocks: what somebody has earned by making tracks; each gives a flourish for covers, and none locks a style.

An account keeps, by the unlock's name, how far it got and when it got there. That is counted anew in the transaction
that completes a track, behind a lock on the account: two that complete at once are counted one after the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from server.errors import Locked
from storage import database
from storage.users import User

Kept = Mapping[str, tuple[int, str | None]]  # by slug: how many, and since when it is unlocked


@dataclass(frozen=True)
class Unlock:
    """A row of the catalogue: so many of what is counted unlock it."""

    slug: str
    name: str
    description: str
    counted: str  # a column of COUNT
    goal: int
    flourish: str  # the engine's name for what it gives


CATALOGUE = (
    Unlock("first-track", "First light", "Finish your first track", "tracks", 1, "frame"),
    Unlock("ten-tracks", "A record's worth", "Finish ten tracks", "tracks", 10, "halo"),
    Unlock("fifty-tracks", "House band", "Finish fifty tracks", "tracks", 50, "sunrise"),
    Unlock("three-styles", "Good company", "Finish tracks in three styles", "styles", 3, "corners"),
    Unlock("eleven-styles", "Wide ears", "Finish tracks in eleven styles", "styles", 11, "ribbon"),
    Unlock("own-style", "Signature", "Finish three tracks in your own style", "own", 3, "stardust"),
    Unlock("whole-series", "An arc", "Finish five tracks of one series that you began", "longest_series", 5, "beads"),
    Unlock("first-song", "Somebody sings", "Finish a track with vocals", "sung", 1, "dusk"),
    Unlock("long-form", "Long breath", "Finish a track of five minutes", "long", 1, "vignette"),
    Unlock("night-owl", "Night owl", "Finish a track between midnight and five, UTC", "nightly", 1, "crescent"),
)
FLOURISHES = {unlock.flourish: unlock for unlock in CATALOGUE}

COUNT = """
WITH made AS (
    SELECT tracks.*, styles.user_id AS style_owner, NOT series.is_default AS was_begun
    FROM tracks LEFT JOIN styles ON styles.id = style_id LEFT JOIN series ON series.id = series_id
    WHERE tracks.user_id = $1 AND status = 'COMPLETE' AND music ->> 'provider' IS DISTINCT FROM 'upload'
)
SELECT to_json(now())#>>'{}' AS now, count(*) AS tracks, count(DISTINCT style_id) AS styles,
    count(*) FILTER (WHERE style_owner IS NOT NULL) AS own,
    count(*) FILTER (WHERE has_vocals) AS sung,
    count(*) FILTER (WHERE duration_seconds >= 300) AS long,
    count(*) FILTER (WHERE extract(hour FROM completed_at AT TIME ZONE 'UTC') < 5) AS nightly,
    (SELECT coalesce(max(count), 0) FROM (
        SELECT count(*) AS count FROM made WHERE was_begun GROUP BY series_id) counted) AS longest_series
FROM made"""


async def note_completion(user_id: UUID) -> list[str]:
    """Count anew, in the transaction that completes a track; answers with what this unlocked."""
    row = await database.fetch_one("SELECT unlocks FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    kept = read_kept(row and row["unlocks"])
    if row is None or all(kept.get(unlock.slug, (0, None))[1] for unlock in CATALOGUE):
        return []
    counts = await database.fetch_one(COUNT, user_id)
    assert counts is not None  # noqa: S101 - an aggregate has one row
    after = {unlock.slug: _count(unlock, kept.get(unlock.slug, (0, None))[1], counts) for unlock in CATALOGUE}
    await database.fetch("UPDATE users SET unlocks = $2 WHERE id = $1", user_id, orjson.dumps(after).decode())
    return [slug for slug, (_, at) in after.items() if at and not kept.get(slug, (0, None))[1]]


async def choose_flourish(user_id: UUID, flourish: str | None) -> User:
    """What is drawn over an account's covers from now on; Locked when it has not earned that."""
    user = await User.get(id=user_id)
    if flourish is not None:
        unlock = FLOURISHES[flourish]
        _, unlocked_at = read_progress(unlock, user.unlocks or {})
        if unlocked_at is None:
            raise Locked(f"{unlock.description} to unlock this")
    user.flourish = flourish
    await user.save(update_fields=["flourish"])
    return user


def read_kept(written: str | Mapping[str, Any] | None) -> Kept:
    """What an account keeps, as the database or the ORM gives it."""
    return orjson.loads(written) if isinstance(written, str) else written or {}


def read_progress(unlock: Unlock, kept: Kept) -> tuple[float, datetime | None]:
    """How far somebody is with an unlock, from 0 to 1, and since when they have it."""
    count, at = kept.get(unlock.slug, (0, None))
    return (1.0, datetime.fromisoformat(at)) if at else (min(count / unlock.goal, 1.0), None)


def _count(unlock: Unlock, at: str | None, counts: Mapping[str, Any]) -> tuple[int, str | None]:
    count = int(counts[unlock.counted])
    return count, at or (counts["now"] if count >= unlock.goal else None)
