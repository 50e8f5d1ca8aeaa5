"""Imports: a song that somebody brought becomes a track like any other, and sounds as its owner mastered it."""

import secrets
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from jobs import covers, moderation, queue, recordings
from jobs.bridge import wait, wait_beating
from jobs.engines.covers import CoverPlan
from jobs.engines.tracks import ImportedTrack, import_track
from jobs.make import make
from jobs.moderation import Words
from jobs.queue import Work
from jobs.scratch import scratch_folder
from jobs.seals import sign_files
from jobs.tracks import MAX_SEED, put_asset
from server.errors import Conflict, UploadGone, ValidationFailed
from storage import allowances, attestations, database, idempotency, jobs, tracks, uploads
from storage.access import Viewer
from storage.assets import replace_assets
from storage.covers import keep_cover
from storage.jobs import JobState
from storage.rows import new_id
from storage.series import Series
from storage.tracks import IMPORTED, Track
from storage.uploads import Upload, UploadStatus

KIND, QUEUE = "tracks.import", "media"
RIGHTS_WORDING = "rights-1"  # names the text below: a new text gets a new name
RIGHTS = "I made this recording, or have the right to bring it here and to share it"


@dataclass(frozen=True)
class ImportWish:
    """An upload that somebody wants to have as a track."""

    upload_id: UUID
    title: str
    rights_attested: bool


@dataclass(frozen=True)
class RequestedImport:
    """The answer to a wish: the track to be, and the job that makes it."""

    track: Track
    job: JobState


async def request_import(viewer: Viewer, wish: ImportWish, *, idempotency_key: str | None = None) -> RequestedImport:
    """Write the track, what its owner attests, and the job; all of it or nothing."""
    user_id = viewer.require_user()
    if not wish.rights_attested:
        raise ValidationFailed({"rightsAttested": f"Only true will do, which says: {RIGHTS}"})
    claim = user_id, "importTrack", idempotency_key or "", asdict(wish)
    first_id = await idempotency.find_answer(*claim) if idempotency_key else None
    if first_id is not None:
        return await _get_first(viewer, first_id)
    _check(await uploads.get_own_upload(viewer, wish.upload_id))
    await moderation.check(Words("title", title=wish.title), user_id)
    await allowances.spend_track(user_id)
    async with database.transaction():
        upload = await uploads.hold_own_upload(viewer, wish.upload_id)
        track_id = new_id()
        first_id = await idempotency.claim_key(*claim, track_id) if idempotency_key else track_id
        if first_id == track_id:
            return await _write(upload, wish, track_id)
    return await _get_first(viewer, first_id)


def _check(upload: Upload) -> None:
    """Conflict for a file that is not there, ValidationFailed for one that is no song."""
    if upload.status is not UploadStatus.STORED:
        raise Conflict(f"The upload is {upload.status.lower()}; only one that is STORED becomes a track")
    if problem := recordings.find_problem(upload):
        raise ValidationFailed({"uploadId": problem})


async def _write(upload: Upload, wish: ImportWish, track_id: UUID) -> RequestedImport:
    assert upload.media is not None  # noqa: S101 - it was checked, and a file that is STORED never changes
    track = Track(
        id=track_id,
        user_id=upload.user_id,
        job_id=new_id(),
        series_id=(await Series.get(user_id=upload.user_id, is_default=True)).id,
        title=wish.title,
        prompt="",
        duration_seconds=upload.media["duration_seconds"],
        seed=secrets.randbelow(MAX_SEED),
        slug=tracks.new_slug(),
    )
    await track.save(force_create=True)
    await attestations.keep_attestation(upload.user_id, track_id, RIGHTS_WORDING)
    assert track.job_id is not None  # noqa: S101 - see above
    job = await queue.enqueue(
        KIND,
        QUEUE,
        job_id=track.job_id,
        user_id=upload.user_id,
        subject_id=track_id,
        payload={"upload_id": upload.id},
    )
    return RequestedImport(track, job)


async def _get_first(viewer: Viewer, track_id: UUID) -> RequestedImport:
    track = await tracks.find_track(viewer, track_id)
    if track is None or track.job_id is None:
        raise Conflict("The track that this idempotency key made was deleted; use a new key")
    (job,) = await jobs.read_states([track.job_id])
    return RequestedImport(track, job)


def import_upload(work: Work) -> None:
    """Make of an upload what is kept of a track, and its cover."""
    title, upload, cover = wait(_take(work))
    with scratch_folder() as folder:
        file = folder / "upload"
        wait_beating(recordings.copy_upload(work.blobs, upload, file), lambda: work.report(0, "reading"))
        made = make(work, import_track, file, cover, folder)
        sign_files(work, made.cover.crops.values(), title, "algorithmicMedia")
        wait_beating(_keep(work, cover, made), lambda: work.report(1, "keeping"))


async def _take(work: Work) -> tuple[str, Upload, CoverPlan]:
    track = await tracks.hold_track(work.lease.subject_id)
    upload_id = UUID(work.lease.payload["upload_id"])
    upload = await Upload.get_or_none(id=upload_id, user_id=track.user_id, status=UploadStatus.STORED)
    if upload is None:
        raise UploadGone
    owner, style = await covers.find_owner_and_style(track)
    return track.title, upload, covers.plan_cover(owner, track, style, track.visual_version)


async def _keep(work: Work, cover: CoverPlan, made: ImportedTrack) -> None:
    track_id, song = work.lease.subject_id, made.song
    assert track_id is not None  # noqa: S101 - an import always has its track
    assets = [
        await put_asset(work, "MIX", "", song.mix, song.duration_seconds),
        await put_asset(work, "PEAKS", "", song.peaks, None),
    ]
    cover_keys = await covers.put_cover(work.blobs, track_id, cover.visual_version, made.cover)
    known: dict[str, object] = {"provider": IMPORTED, "lufs": song.lufs, "true_peak_dbtp": song.true_peak_dbtp}
    async with database.transaction():
        await jobs.complete_job(work.lease, {"track_id": track_id})
        await replace_assets(track_id, assets)
        drawn = covers.describe_drawing(replace(cover, contour=made.contour))
        await keep_cover(work.lease.user_id, track_id, cover.visual_version, cover_keys, drawn)
        await tracks.keep_music(track_id, known, duration_seconds=song.duration_seconds)
