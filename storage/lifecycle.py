"""The states of work, and what else changes in the statement that changes one.

        ┌────────── retry, lost worker, drain, replay ──────────┐
        ▼                                                       │
     QUEUED ──claim──▶ RENDERING ──finish──▶ COMPLETE           │
        │                  ├───────fail────▶ FAILED ────────────┤   FAILED for good is the dead letter
        └──────cancel──────┴──────cancel───▶ CANCELLED ─────────┘

A track, an analysis, a video or a clip of one follows its job and the job's credits settle in the very statement that
moves the job, so that no crash can part them: COMPLETE captures what was reserved, FAILED and CANCELLED give it back.
What webhooks are told of an end is written there too.
"""

from enum import StrEnum

from storage.rows import NEW_ID
from storage.webhooks.facts import TELL_OF_ENDS


class State(StrEnum):
    """Where a job, and what it makes, stands."""

    QUEUED = "QUEUED"
    RENDERING = "RENDERING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({State.COMPLETE, State.FAILED, State.CANCELLED})

FOLLOW = """
followed AS (
    UPDATE tracks SET status = moved.state, version = tracks.version + 1,
        completed_at = CASE WHEN moved.state = 'COMPLETE' THEN now() END
    FROM moved WHERE tracks.job_id = moved.id
), followed_analyses AS (
    UPDATE analyses SET status = moved.state, version = analyses.version + 1
    FROM moved WHERE analyses.job_id = moved.id
), followed_videos AS (
    UPDATE videos SET status = moved.state, version = videos.version + 1,
        completed_at = CASE WHEN moved.state = 'COMPLETE' THEN now() END,
        log_key = CASE WHEN moved.state = 'FAILED' THEN moved.log_key END
    FROM moved WHERE videos.job_id = moved.id
), followed_clips AS (
    UPDATE video_clips SET status = moved.state, version = video_clips.version + 1
    FROM moved WHERE video_clips.job_id = moved.id
)"""

SETTLE = f"""
settled AS (
    INSERT INTO credit_entries (id, user_id, job_id, round, kind, available_delta, held_delta, created_at)
    SELECT {NEW_ID}, held.user_id, held.job_id, held.round,
        CASE WHEN moved.state = 'COMPLETE' THEN 'CAPTURE' ELSE 'REFUND' END,
        CASE WHEN moved.state = 'COMPLETE' THEN 0 ELSE held.held_delta END,
        -held.held_delta, now()
    FROM moved JOIN credit_entries held
        ON held.job_id = moved.id AND held.round = moved.round AND held.kind = 'RESERVE'
    WHERE moved.state IN ('COMPLETE', 'FAILED', 'CANCELLED')
    ON CONFLICT DO NOTHING
    RETURNING user_id, available_delta
), paid AS (
    UPDATE users SET credits = users.credits + sums.credits
    FROM (SELECT user_id, sum(available_delta) AS credits FROM settled GROUP BY user_id) sums
    WHERE users.id = sums.user_id AND sums.credits <> 0
)"""  # noqa: S608 - our own text


def moving(update: str, *more: str) -> str:
    """One statement that moves jobs by `update` (which returns whole rows) and all that follows them."""
    follow = ", ".join((FOLLOW, SETTLE, *more))
    return f"WITH moved AS ({update} RETURNING jobs.*), {follow} SELECT * FROM moved"  # noqa: S608 - our own text


def ending(update: str) -> str:
    """One statement that moves jobs by `update`, perhaps to their end, of which webhooks are told."""
    return moving(update, TELL_OF_ENDS)
