"""Analyses: what was heard in a track, one row for each, filled part by part while its job goes on."""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from server.errors import SubjectGone
from storage import database
from storage.lifecycle import State
from storage.rows import Row

Part = Literal["waveforms", "song", "pitch"]
SUPERSEDED = "The track was deleted, or another job listens to it now"
PARTS: tuple[Part, ...] = ("waveforms", "song", "pitch")
_KEY = re.compile("analyses/([0-9a-f]{32})/")


class PitchNetwork(StrEnum):
    """Which of CREPE's networks listens for the pitch; each says more than the one before, and takes longer."""

    NONE = "NONE"
    TINY = "TINY"
    FULL = "FULL"

    def includes(self, other: "PitchNetwork") -> bool:
        """Whether what this one says is as good as what the other would say."""
        return list(PitchNetwork).index(self) >= list(PitchNetwork).index(other)


class Analysis(Row):
    """What was heard in a track; a part that is null is not there yet."""

    user_id = fields.UUIDField()
    track_id = fields.UUIDField()
    job_id = fields.UUIDField()
    status = fields.CharEnumField(State, max_length=10, default=State.QUEUED)
    pitch_wish = fields.CharEnumField(PitchNetwork, max_length=4)
    mix_key = fields.CharField(max_length=512)
    audio_sha256 = fields.CharField(max_length=64, null=True)
    engine_version = fields.IntField(default=0)
    waveforms: fields.Field[list[dict[str, Any]] | None] = fields.JSONField(null=True)
    song: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    pitch: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    version = fields.IntField(default=1)

    class Meta:
        table = "analyses"
        constraints = (
            UniqueConstraint(fields=("track_id",), name="analyses_track_key"),
            UniqueConstraint(fields=("job_id",), name="analyses_job_key"),
            CheckConstraint(check="pitch_wish IN ('NONE', 'TINY', 'FULL')", name="analyses_pitch_known"),
        )


async def find_analysis(track_id: UUID) -> Analysis | None:
    """The analysis of a track; whoever asks has found the track by its own door."""
    return await Analysis.get_or_none(track_id=track_id)


async def begin_analysis(analysis: Analysis) -> Analysis:
    """Write that a job listens to a track, in the transaction that asks for it; parts of before stay until then."""
    await database.fetch(
        "INSERT INTO analyses (id, created_at, user_id, track_id, job_id, status, pitch_wish, mix_key, engine_version,"
        " version) VALUES ($1, now(), $2, $3, $4, 'QUEUED', $5, $6, 0, 1) ON CONFLICT (track_id) DO UPDATE"
        " SET job_id = excluded.job_id, status = excluded.status, pitch_wish = excluded.pitch_wish,"
        " mix_key = excluded.mix_key, version = analyses.version + 1",
        analysis.id,
        analysis.user_id,
        analysis.track_id,
        analysis.job_id,
        analysis.pitch_wish.value,
        analysis.mix_key,
    )
    return await Analysis.get(track_id=analysis.track_id)


async def get_job_analysis(job_id: UUID) -> Analysis:
    """The analysis that a job works on; SubjectGone when there is none, or another job does."""
    analysis = await Analysis.get_or_none(job_id=job_id)
    if analysis is None:
        raise SubjectGone(SUPERSEDED)
    return analysis


async def keep_part(analysis: Analysis, part: Part, heard: object, *, audio_sha256: str, engine_version: int) -> None:
    """Write one part, in the transaction that tells of it; what was heard in other audio, or otherwise, goes then."""
    same = "(audio_sha256, engine_version) = ($4::varchar, $5::int)"
    others = ", ".join(f"{other} = CASE WHEN {same} THEN {other} END" for other in PARTS if other != part)
    changed = await database.fetch(
        f"UPDATE analyses SET {part} = $3, {others}, audio_sha256 = $4::varchar, engine_version = $5::int,"  # noqa: S608 - our own text
        " version = version + 1 WHERE id = $1 AND job_id = $2 RETURNING id",
        analysis.id,
        analysis.job_id,
        orjson.dumps(heard).decode(),
        audio_sha256,
        engine_version,
    )
    if not changed:
        raise SubjectGone(SUPERSEDED)


async def find_owned_keys(keys: Collection[str]) -> set[str]:
    """Those of these blobs that an analysis points at."""
    rows = await database.read(
        "SELECT jsonb_path_query(waveforms::jsonb, '$[*].*') #>> '{}' AS key FROM analyses WHERE track_id = ANY($1)"
        " UNION ALL SELECT pitch::jsonb ->> 'contour' FROM analyses WHERE track_id = ANY($1)",
        list({UUID(hex=found[1]) for key in keys if (found := _KEY.match(key))}),
    )
    return {row["key"] for row in rows if row["key"] is not None}
