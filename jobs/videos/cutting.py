"""Films cut from clips that somebody brought: what may be wished, and the wish turned into a plan of shots."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from jobs.engines.cuts import Clip, CutPlan, Fill, Fit, Screen, plan_cuts, read_cues
from jobs.engines.cuts.plan import MOST_CLIPS
from jobs.engines.films import SIZES
from jobs.engines.films.plan import FRAME_RATES
from jobs.engines.run import EngineRefused
from jobs.scratch import fetch_file
from server.errors import UploadGone, ValidationFailed
from storage.blobs import BlobMissing, BlobStore
from storage.uploads import Upload, UploadStatus

MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class ClipWish:
    """A video that somebody brought, the part of it that may be shown, and what must stay in sight."""

    upload_id: UUID
    start_seconds: float = 0.0
    end_seconds: float | None = None
    focus_x: float = 0.5
    focus_y: float = 0.5
    fit: Fit = "COVER"

    @property
    def has_numbers(self) -> bool:
        """Whether its numbers are such."""
        return all(
            math.isfinite(one) for one in (self.start_seconds, self.end_seconds or 0.0, self.focus_x, self.focus_y)
        )


@dataclass(frozen=True)
class CutWish:
    """A film cut on the beat from clips; the same seed deals them out the same."""

    clips: tuple[ClipWish, ...]
    seed: int | None = None  # the track's
    fill: Fill = "SLOW"
    frames_per_second: int = 30

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it, by field."""
        if not 1 <= len(self.clips) <= MOST_CLIPS:
            yield "cut.clips", f"From 1 to {MOST_CLIPS} clips"
        elif not all(clip.has_numbers for clip in self.clips):
            yield "cut.clips", "Times and places are finite numbers"
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            yield "cut.seed", f"From 0 to {MAX_SEED}"
        if self.frames_per_second not in FRAME_RATES:
            yield "cut.framesPerSecond", f"One of {', '.join(map(str, FRAME_RATES))}"

    def write(self, track_seed: int) -> dict[str, Any]:
        """As it is kept."""
        clips = [asdict(clip) | {"upload_id": clip.upload_id.hex} for clip in self.clips]
        return {"clips": clips, "fill": self.fill, "seed": track_seed if self.seed is None else self.seed}


_KEPT = TypeAdapter(CutWish)


@dataclass(frozen=True)
class Music:
    """The song that a film is cut to: what is known of it, as it is kept."""

    known: Mapping[str, Any]
    duration_seconds: float
    audio: Path = Path()


def read_wish(kept: Mapping[str, Any]) -> CutWish:
    """A wish as it was written."""
    return _KEPT.validate_python({name: kept[name] for name in ("clips", "fill", "seed")})


async def find_clips(user_id: UUID, wish: CutWish) -> dict[UUID, Upload]:
    """The uploads of a wish; ValidationFailed names the first that cannot be shown."""
    ids = {clip.upload_id for clip in wish.clips}
    stored = await Upload.filter(id__in=ids, user_id=user_id, status=UploadStatus.STORED)
    found = {upload.id: upload for upload in stored}
    for number, clip in enumerate(wish.clips, start=1):
        upload = found.get(clip.upload_id)
        if upload is None:
            raise ValidationFailed({"cut.clips": f"Clip {number}: there is no such upload, or it is not STORED"})
        if upload.media is None or upload.media["kind"] != "video":
            raise ValidationFailed(
                {"cut.clips": f"Clip {number}: the upload is no video, and films are cut from videos alone"}
            )
    return found


async def fetch_clips(
    user_id: UUID, wish: CutWish, blobs: BlobStore, folder: Path
) -> tuple[dict[UUID, Upload], dict[Path, str]]:
    """Bring the uploads of a wish here; answers with them and with what names the content of their files."""
    try:
        found = await find_clips(user_id, wish)
        contents = {}
        for upload in found.values():
            assert upload.blob_key is not None  # noqa: S101 - it is STORED
            path = locate_clip(folder, upload.id)
            contents[path] = await fetch_file(blobs, upload.blob_key, path)
    except (BlobMissing, ValidationFailed) as missing:
        raise UploadGone("A clip was deleted before the film was made; make it without") from missing
    return found, contents


def locate_clip(folder: Path, upload_id: UUID) -> Path:
    """Where an upload lies for an engine."""
    return folder / f"clip-{upload_id.hex}"


def plan_cut(wish: CutWish, aspect: str, music: Music, found: Mapping[UUID, Upload], folder: Path = Path()) -> CutPlan:
    """The shots of a film; EngineRefused when its clips cannot make one."""
    width, height = SIZES[aspect]
    screen = Screen(width, height, music.audio, wish.frames_per_second)
    cues = read_cues(music.known, music.duration_seconds)
    return plan_cuts(cues, list(_list_clips(wish.clips, found, folder)), screen, seed=wish.seed or 0, fill=wish.fill)


def check_cut(wish: CutWish, aspect: str, music: Music, found: Mapping[UUID, Upload]) -> None:
    """ValidationFailed unless a film can be planned from a wish."""
    try:
        plan_cut(wish, aspect, music, found)
    except EngineRefused as refused:
        raise ValidationFailed({"cut.clips": refused.message}) from refused


def _list_clips(clips: Sequence[ClipWish], found: Mapping[UUID, Upload], folder: Path) -> Iterator[Clip]:
    for clip in clips:
        media = found[clip.upload_id].media
        assert media is not None  # noqa: S101 - as `find_clips` has seen
        yield Clip(
            locate_clip(folder, clip.upload_id),
            media["duration_seconds"],
            clip.start_seconds,
            clip.end_seconds,
            clip.focus_x,
            clip.focus_y,
            clip.fit,
        )
