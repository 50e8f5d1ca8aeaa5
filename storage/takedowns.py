"""Takedowns: a track that broke a rule is hidden from the world, and its owner keeps it."""

from uuid import UUID

from server.errors import Conflict, NotFound, TakenDown
from storage import audits, database
from storage.access import Viewer
from storage.rows import DIGITS, write_id
from storage.tracks import Track

FOLDERS = {"jobs": "job_id", "covers": "id"}  # what the second part of a file's key is, by the first


async def take_down(viewer: Viewer, track_id: UUID, *, reason: str, note: str) -> Track:
    """Hide a track from the world, for this reason, until it is restored; Conflict when it is hidden already."""
    return await _move(
        viewer,
        track_id,
        "UPDATE tracks SET taken_down_at = now(), takedown_reason = $2, version = version + 1"
        " WHERE id = $1 AND taken_down_at IS NULL RETURNING *",
        reason,
        action="track.taken_down",
        note=f"{reason}: {note}" if note else reason,
        refusal="The track is taken down already",
    )


async def restore(viewer: Viewer, track_id: UUID, *, note: str) -> Track:
    """Let the world see a track again, as far as its owner does; Conflict when it is not taken down."""
    return await _move(
        viewer,
        track_id,
        "UPDATE tracks SET taken_down_at = NULL, takedown_reason = NULL, version = version + 1"
        " WHERE id = $1 AND taken_down_at IS NOT NULL RETURNING *",
        action="track.restored",
        note=note,
        refusal="The track is not taken down",
    )


async def _move(
    viewer: Viewer, track_id: UUID, update: str, *values: str, action: str, note: str, refusal: str
) -> Track:
    actor_id = viewer.require_admin()
    async with database.transaction():
        if not await database.fetch(update, track_id, *values):
            if await Track.exists(id=track_id):
                raise Conflict(refusal)
            raise NotFound("There is no such track")
        await audits.write_entry(actor_id, action, write_id("track", track_id), note)
        return await Track.get(id=track_id)


async def check_shared(key: str) -> None:
    """Whether the world may have this file of a track right now: raises NotFound or TakenDown when not."""
    folder, name, *_ = [*key.split("/"), ""]
    if folder not in FOLDERS or DIGITS.fullmatch(name) is None:
        raise NotFound
    column = FOLDERS[folder]
    rows = await database.read(
        f"SELECT taken_down_at FROM tracks WHERE {column} = $1 AND visibility <> 'PRIVATE' AND status = 'COMPLETE'",  # noqa: S608 - our own names
        UUID(hex=name),
    )
    if not rows:
        raise NotFound
    if rows[0]["taken_down_at"] is not None:
        raise TakenDown
