"""What jobs work on: one whose subject was deleted, or is another job's by now, cannot run again."""

from uuid import UUID

from server.errors import Conflict
from storage import database

MAKERS = {  # the table of each kind whose rows name the job that makes them
    "tracks.render": "tracks",
    "tracks.import": "tracks",
    "analyses.listen": "analyses",
    "videos.render": "videos",
    "clips.make": "video_clips",
}
OTHERS = {  # the table that holds the subject of each other kind
    "covers.draw": "tracks",
    "covers.rasterise": "saved_covers",
    "lyrics.align": "tracks",
    "uploads.check": "uploads",
}


async def check_subject(job_id: UUID, kind: str, subject_id: UUID | None) -> None:
    """Conflict when a job has nothing to work on any more."""
    if table := MAKERS.get(kind):
        found = await database.fetch(f"SELECT FROM {table} WHERE job_id = $1", job_id)
    elif table := OTHERS.get(kind):
        found = await database.fetch(f"SELECT FROM {table} WHERE id = $1", subject_id)
    else:
        return
    if not found:
        raise Conflict("What the job worked on was deleted, or is another job's by now; ask for it anew")
