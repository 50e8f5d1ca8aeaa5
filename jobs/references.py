"""References: what a new track takes after, checked when it is asked for, listened to and linked when it is made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from jobs import recordings
from jobs.bridge import wait_beating
from jobs.engines.analyses.songs import SongAnalysis, analyse_recording
from jobs.engines.music.score import Reference
from jobs.make import make
from jobs.providers.wish import ReferenceLink
from jobs.queue import Work
from server.errors import UploadGone, ValidationFailed
from storage import attestations, references
from storage.references import TrackReference
from storage.tracks import Track
from storage.uploads import Upload, UploadStatus

MAX_REFERENCES = 3
LINK_SECONDS = 2 * 3600  # a provider's queue, and its longest run
RIGHTS_WORDING = "reference-1"  # names the text below: a new text gets a new name
RIGHTS = "I made this recording, or have the right to have music made after it"
SURE = 0.2  # of what is heard in a reference; below it the song goes its own way


@dataclass(frozen=True)
class ReferenceWish:
    """An upload that a track is to take after."""

    upload_id: UUID
    rights_attested: bool


def find_problems(wishes: Sequence[ReferenceWish]) -> Iterator[tuple[str, str]]:
    """What is wrong with the references of a wish, by field, as far as the wish itself tells."""
    if len(wishes) > MAX_REFERENCES:
        yield "references", f"At most {MAX_REFERENCES}"
    seen: set[UUID] = set()
    for index, wish in enumerate(wishes):
        if not wish.rights_attested:
            yield f"references.{index}.rightsAttested", f"Only true will do, which says: {RIGHTS}"
        if wish.upload_id in seen:
            yield f"references.{index}.uploadId", "It is there already"
        seen.add(wish.upload_id)


async def check_references(user_id: UUID, wishes: Sequence[ReferenceWish], *, are_held: bool = False) -> list[Upload]:
    """The uploads of a wish; ValidationFailed by field when one is none of theirs, not stored, or no song."""
    if not wishes:
        return []
    found = await references.find_uploads(user_id, [wish.upload_id for wish in wishes], are_held=are_held)
    problems = dict(_find_faults(wishes, found))
    if problems:
        raise ValidationFailed(problems)
    return [found[wish.upload_id] for wish in wishes]


def _find_faults(wishes: Sequence[ReferenceWish], found: Mapping[UUID, Upload]) -> Iterator[tuple[str, str]]:
    for index, wish in enumerate(wishes):
        upload = found.get(wish.upload_id)
        if upload is None:
            yield f"references.{index}.uploadId", "There is no such upload"
        elif upload.status is not UploadStatus.STORED:
            yield (
                f"references.{index}.uploadId",
                f"The upload is {upload.status.lower()}; only one that is STORED will do",
            )
        elif problem := recordings.find_problem(upload):
            yield f"references.{index}.uploadId", problem


async def keep_references(track: Track, uploads: Sequence[Upload]) -> None:
    """Write what a track takes after and what its owner attests, in the transaction that asks for the track."""
    rows = []
    for position, upload in enumerate(uploads):
        assert upload.media is not None  # noqa: S101 - it was checked, and a file that is STORED never changes
        rows.append(
            TrackReference(
                user_id=track.user_id,
                track_id=track.id,
                upload_id=upload.id,
                position=position,
                filename=upload.filename,
                duration_seconds=upload.media["duration_seconds"],
            )
        )
        await attestations.keep_attestation(track.user_id, track.id, RIGHTS_WORDING)
    await references.keep_references(rows)


async def get_uploads(track: Track) -> list[Upload]:
    """What a track takes after; UploadGone when something of it was deleted after an earlier end of the job."""
    count, stored = await references.list_stored(track.id)
    if len(stored) < count:
        raise UploadGone
    return stored


def hear_reference(work: Work, uploads: Sequence[Upload], folder: Path) -> Reference | None:
    """Tempo and key of the first reference, where there is one and they are plain to hear."""
    if not uploads:
        return None
    file, stage = folder / "reference", "listening to your reference"
    wait_beating(recordings.copy_upload(work.blobs, uploads[0], file), lambda: work.report(0, stage))
    heard = make(work, analyse_recording, file, report=lambda _fraction, _stage: work.report(0, stage))
    file.unlink()
    return read_reference(heard)


def read_reference(heard: SongAnalysis) -> Reference:
    """What of an analysis a new song takes."""
    tempo = heard.tempo if heard.tempo and heard.tempo.confidence >= SURE else None
    key = heard.keys[0] if heard.keys and heard.key_confidence >= SURE else None
    return Reference(
        tempo_bpm=round(tempo.bpm, 1) if tempo else None,
        key=key.tonic if key else None,
        mode=key.mode if key else None,
    )


def link_reference(work: Work, uploads: Sequence[Upload]) -> ReferenceLink | None:
    """Where a provider fetches the first reference; no address where providers cannot reach our files."""
    if not uploads:
        return None
    first = uploads[0]
    assert first.blob_key is not None  # noqa: S101 - it is STORED
    assert first.media is not None  # noqa: S101 - and was measured
    url = work.blobs.link(first.blob_key, expires_in_seconds=LINK_SECONDS)
    is_reachable = url.startswith("https://") or bool(work.foundry.webhooks_url)
    return ReferenceLink(url if is_reachable else None, first.media["duration_seconds"], len(uploads))
