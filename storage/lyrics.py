"""Lyrics in time: for each track one row of lines and words, and for a while what engines have heard before."""

from typing import Any
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from server.errors import Conflict, NotFound
from storage import database
from storage.access import Viewer
from storage.rows import Row, new_id

COMPOSER = "local"  # the engine of words that were not looked for, as it sang them
KeptLines = list[list[list[Any]]]  # of each line its words, each as text, start, end and confidence

KEEP = """
INSERT INTO timed_lyrics
    (id, created_at, user_id, track_id, source, engine, language, lines, is_from_cache, offset_ms, version)
VALUES ($1, now(), $2, $3, $4, $5, $6, $7, $8, 0, 1)
ON CONFLICT (track_id) DO UPDATE SET source = excluded.source, engine = excluded.engine,
    language = excluded.language, lines = excluded.lines, is_from_cache = excluded.is_from_cache, offset_ms = 0,
    version = timed_lyrics.version + 1"""

CORRECT = """
UPDATE timed_lyrics SET lines = $3, source = 'EDITED', version = version + 1
WHERE id = $1 AND version = $2 RETURNING *"""

SHIFT = """
UPDATE timed_lyrics SET offset_ms = $3, version = version + 1
WHERE track_id = $1 AND user_id = $2 RETURNING *"""

KEEP_HEARD = """
INSERT INTO heard_lyrics (id, created_at, user_id, key, heard) VALUES ($1, now(), $2, $3, $4)
ON CONFLICT (user_id, key) DO UPDATE SET heard = excluded.heard, created_at = excluded.created_at"""

FIND_HEARD = """
SELECT heard FROM heard_lyrics
WHERE user_id = $1 AND key = $2 AND created_at > now() - make_interval(days => $3)"""

FORGET_HEARD = "DELETE FROM heard_lyrics WHERE created_at <= now() - make_interval(days => $1) RETURNING id"


class TimedLyrics(Row):
    """The words of a track, each with its time; the offset is added to all of them."""

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    source = fields.CharField(max_length=16)
    engine = fields.CharField(max_length=24)
    language = fields.CharField(max_length=8, null=True)
    lines: fields.Field[KeptLines] = fields.JSONField()
    offset_ms = fields.IntField(default=0)
    is_from_cache = fields.BooleanField(default=False)
    version = fields.IntField(default=1)

    class Meta:
        table = "timed_lyrics"
        constraints = (
            UniqueConstraint(fields=("track_id",), name="timed_lyrics_track_key"),
            CheckConstraint(
                check="source IN ('ALIGNED', 'TRANSCRIBED', 'BEAT_ESTIMATE', 'COMPOSED', 'EDITED')",
                name="timed_lyrics_source_known",
            ),
        )


class HeardLyrics(Row):
    """What an engine heard in a recording of somebody's, by all that the answer hangs on."""

    user_id = fields.UUIDField()
    key = fields.CharField(max_length=64)
    heard: fields.Field[dict[str, Any]] = fields.JSONField()

    class Meta:
        table = "heard_lyrics"
        indexes = (Index(fields=("created_at",), name="heard_lyrics_age"),)
        constraints = (UniqueConstraint(fields=("user_id", "key"), name="heard_lyrics_key"),)


async def keep_lyrics(lyrics: TimedLyrics) -> None:
    """Write the words of a track in place of those that it had, in the transaction at hand."""
    await database.fetch(
        KEEP,
        new_id(),
        lyrics.user_id,
        lyrics.track_id,
        lyrics.source,
        lyrics.engine,
        lyrics.language,
        orjson.dumps(lyrics.lines).decode(),
        lyrics.is_from_cache,
    )


async def are_sung(track_id: UUID) -> bool:
    """Whether a track has the times of words that our own composer sang, and so knows exactly."""
    return await TimedLyrics.exists(track_id=track_id, engine=COMPOSER)


async def get_own_lyrics(viewer: Viewer, track_id: UUID) -> TimedLyrics:
    """The words of a track that the viewer may change; NotFound otherwise."""
    lyrics = await TimedLyrics.get_or_none(track_id=track_id, user_id=viewer.require_user())
    if lyrics is None:
        raise NotFound("There is no such track, or it has no lyrics in time yet")
    return lyrics


async def correct_lyrics(lyrics: TimedLyrics, lines: KeptLines) -> TimedLyrics:
    """Write lines that were corrected; Conflict when they have changed since they were read."""
    record = await database.fetch_one(CORRECT, lyrics.id, lyrics.version, orjson.dumps(lines).decode())
    if record is None:
        raise Conflict("The lyrics have changed meanwhile; read them again")
    return await TimedLyrics.get(id=lyrics.id)


async def shift_lyrics(viewer: Viewer, track_id: UUID, offset_ms: int) -> TimedLyrics:
    """Say how much later all words are heard than was found; NotFound when the viewer has no such lyrics."""
    record = await database.fetch_one(SHIFT, track_id, viewer.require_user(), offset_ms)
    if record is None:
        raise NotFound("There is no such track, or it has no lyrics in time yet")
    return await TimedLyrics.get(id=record["id"])


async def has_words(track_id: UUID) -> bool:
    """Whether a track has words in time."""
    timed = await TimedLyrics.get_or_none(track_id=track_id)
    return timed is not None and bool(timed.lines)


async def find_heard(user_id: UUID, key: str, max_age_days: int) -> dict[str, Any] | None:
    """What an engine heard under this key, unless that is too long ago."""
    record = await database.fetch_one(FIND_HEARD, user_id, key, max_age_days)
    if record is None:
        return None
    heard: dict[str, Any] = orjson.loads(record["heard"])
    return heard


async def keep_heard(user_id: UUID, key: str, heard: dict[str, Any]) -> None:
    """Remember what an engine heard."""
    await database.fetch(KEEP_HEARD, new_id(), user_id, key, orjson.dumps(heard).decode())


async def forget_heard(max_age_days: int) -> int:
    """Forget what was heard too long ago; answers with how much that was."""
    return len(await database.fetch(FORGET_HEARD, max_age_days))
