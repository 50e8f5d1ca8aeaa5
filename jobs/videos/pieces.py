"""Keeps the pieces of a film as they are finished, while its engine goes on, and brings them back after a crash."""

import asyncio
import re
from concurrent.futures import CancelledError, Future
from pathlib import Path
from uuid import UUID

from jobs.bridge import begin
from jobs.engines.films.encoding import SEGMENT_SECONDS
from jobs.queue import Work
from jobs.scratch import fetch_file
from jobs.videos.orders import Order
from server.errors import LeaseLost, Unavailable
from server.logs import get_logger
from storage import videos
from storage.blobs import BlobMissing, BlobStore
from storage.database import LOST
from storage.videos import PieceKind, Video, VideoPiece

PREVIEW = "preview.jpg"
CLOSE_SECONDS = 5.0  # a drain has ten in all
PACE = re.compile(r"frame \d")  # what an engine tells while it draws: too much for a stage
_PIECE = re.compile(r"segment-(\d{4,6})\.(mp4|ts)")
_KINDS = {"mp4": (PieceKind.SEGMENT, "video/mp4"), "ts": (PieceKind.STREAM, "video/mp2t")}

log = get_logger(__name__)


class Shelf:
    """The pieces of one attempt; whatever goes wrong with them, the film is made all the same."""

    def __init__(self, work: Work, video: Video, order: Order, folder: Path) -> None:
        self._work, self._video, self._order, self._folder = work, video, order, folder
        self._known: set[tuple[PieceKind, int]] = set()
        self._frame_number = 0
        self._frame_changed = 0
        self._sending: Future[None] | None = None

    async def bring_back(self) -> int:
        """Fetch the segments that an earlier attempt at the same film has finished; answers with how many."""
        gone = await videos.drop_other_plans(self._work.lease, self._video.id, self._order.plan_hash)
        await delete_blobs(self._work.blobs, gone)
        for piece in await videos.list_pieces(self._video.id):
            if piece.kind is PieceKind.FRAME:
                self._frame_number = max(self._frame_number, piece.number)
            elif piece.kind is PieceKind.STREAM or await self._fetch(piece):
                self._known.add((piece.kind, piece.number))
        return sum(kind is PieceKind.SEGMENT for kind, _ in self._known)

    async def _fetch(self, piece: VideoPiece) -> bool:
        path = self._folder / f"segment-{piece.number:04}.mp4"
        part = path.with_suffix(".part")
        try:
            await fetch_file(self._work.blobs, piece.blob_key, part)
        except BlobMissing:
            await videos.forget_piece(piece)
            return False
        part.replace(path)
        return True

    def report(self, fraction: float, stage: str) -> None:
        """Tell how far the film is, and look for what is new of it; that is kept without waiting for it."""
        self._work.report(fraction, *(("drawing", stage) if PACE.match(stage) else (stage,)))
        if self._sending is None or self._sending.done():
            self._note_outcome()
            self._sending = begin(self._keep_new())

    def close(self) -> None:
        """Let what is on its way arrive, if that does not take long."""
        if self._sending is not None:
            try:
                self._sending.result(CLOSE_SECONDS)
            except TimeoutError:
                self._sending.cancel()
            except (OSError, *LOST, Unavailable, LeaseLost):
                self._note_outcome()

    def _note_outcome(self) -> None:
        try:
            error = self._sending.exception() if self._sending else None
        except CancelledError:
            return
        if isinstance(error, LeaseLost):
            return  # which the next beat tells, and why
        if isinstance(error, (OSError, *LOST, Unavailable)):
            log.warning("pieces.not_kept", error=str(error) or type(error).__name__)
        elif error is not None:
            raise error

    async def keep_stream(self) -> None:
        """Keep what is left to stream, once the film is whole."""
        await self._keep_pieces({PieceKind.STREAM})

    async def _keep_new(self) -> None:
        await self._keep_pieces(set(PieceKind) - {PieceKind.FRAME})
        await self._show_newest()

    async def _keep_pieces(self, kinds: set[PieceKind]) -> None:
        pieces = []
        for path in sorted(self._folder.iterdir()):
            if found := _PIECE.fullmatch(path.name):
                number, (kind, mime_type) = int(found[1]), _KINDS[found[2]]
                if kind in kinds and (kind, number) not in self._known:
                    pieces.append(await self._put(kind, number, path, mime_type))
        if pieces:
            await videos.keep_pieces(self._work.lease, self._video.id, pieces)
            self._known |= {(piece.kind, piece.number) for piece in pieces}

    async def _put(self, kind: PieceKind, number: int, source: Path | bytes, mime_type: str) -> VideoPiece:
        name = source.name if isinstance(source, Path) else f"frame-{number}.jpg"
        key = piece_key(self._video.id, self._work.lease.token, name)
        await self._work.blobs.put(key, source, mime_type)
        return VideoPiece(
            track_id=self._video.track_id,
            video_id=self._video.id,
            kind=kind,
            number=number,
            plan_hash=self._order.plan_hash,
            blob_key=key,
            duration_seconds=self._measure(number) if kind is not PieceKind.FRAME else 0.0,
        )

    def _measure(self, number: int) -> float:
        start = number * SEGMENT_SECONDS
        return float(round(min(SEGMENT_SECONDS, self._order.film_seconds - start), 6))

    async def _show_newest(self) -> None:
        preview = self._folder / PREVIEW
        if not preview.exists() or preview.stat().st_mtime_ns == self._frame_changed:
            return
        self._frame_changed = preview.stat().st_mtime_ns
        self._frame_number += 1
        picture = await asyncio.to_thread(preview.read_bytes)
        frame = await self._put(PieceKind.FRAME, self._frame_number, picture, "image/jpeg")
        await delete_blobs(self._work.blobs, await videos.show_frame(self._work.lease, frame))


def piece_key(video_id: UUID, token: int, name: str) -> str:
    """Where one attempt keeps a file; no other can write there, so that what one deletes is never another's."""
    return f"videos/{video_id.hex}/{token}/{name}"


async def delete_blobs(blobs: BlobStore, keys: list[str]) -> None:
    """Let go of files that no row points at any more; what fails goes with the next sweep."""
    try:
        for key in keys:
            await blobs.delete(key)
    except Unavailable as error:
        log.warning("pieces.not_deleted", count=len(keys), error=str(error))


async def drop_cancelled(blobs: BlobStore, video_id: UUID, token: int) -> None:
    """Leave nothing of a film that was cancelled: no piece of any attempt, no file of this one.

    Somebody may have it rendered again already; then what is kept of it is brought back, and stays.
    """
    await delete_blobs(blobs, await videos.drop_cancelled_pieces(video_id))
    left = [key async for key, _ in blobs.list_keys(piece_key(video_id, token, ""))]
    await delete_blobs(blobs, sorted(set(left) - await videos.find_owned_keys(left)))
