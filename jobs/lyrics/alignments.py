"""Finding when each word of a track is heard: known words are aligned, unknown ones written down."""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter

from jobs import queue
from jobs.bridge import wait, wait_beating
from jobs.engines.run import EngineRefused
from jobs.engines.speech import EngineName, Heard, SpeechPlan, time_words
from jobs.engines.speech.words import read_text
from jobs.lyrics.kept import keep_lines
from jobs.lyrics.models import get_model
from jobs.make import make
from jobs.queue import Work
from jobs.scratch import scratch_folder
from server import metrics
from server.errors import Conflict, EngineDied, EngineStalled, SpeechModelMissing, SubjectGone, ValidationFailed
from server.logs import get_logger
from server.settings import Settings, get_settings
from storage import allowances, database, idempotency, jobs, lyrics, tracks
from storage.access import Viewer
from storage.assets import find_asset
from storage.jobs import JobState
from storage.lifecycle import State
from storage.lyrics import TimedLyrics
from storage.rows import new_id

KIND, QUEUE = "lyrics.align", "speech"
MAX_TEXT = 5_000
COMPOSED = (
    "Its words have exact times, as we sang them; to find other words give a text and `replacesComposed: true`,"
    " and the exact times are gone"
)
NO_MODEL = "This studio has no speech model that works, so words cannot be written down; give the text and it is placed"
MODEL_UNUSABLE = "This studio's speech model cannot be used; whoever runs it finds the reason in the worker's log"
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_HEARD = TypeAdapter(Heard)

log = get_logger(__name__)


@dataclass(frozen=True)
class LyricsWish:
    """A track, and the words to find in it; without a text those that it was made with, else whatever is heard."""

    track_id: UUID
    text: str | None = None
    language: str | None = None

    def problems(self) -> dict[str, str]:
        """What is wrong with it, by field."""
        return dict(self._problems())

    def _problems(self) -> Iterator[tuple[str, str]]:
        if self.language is not None and not _LANGUAGE.fullmatch(self.language):
            yield "language", "A code of two or three small letters, such as `en`"
        if self.text is None:
            return
        if len(self.text) > MAX_TEXT:
            yield "text", f"At most {MAX_TEXT} characters; this has {len(self.text)}"
        elif "\x00" in self.text:
            yield "text", "The character NUL cannot be stored"
        elif not has_words(self.text):
            yield "text", "There are no words in it; leave it out to have the words written down"


@dataclass(frozen=True)
class _Order:
    """What one job listens to, and for what."""

    user_id: UUID
    track_id: UUID
    blob_key: str
    text: str | None
    language: str | None


def has_words(text: str) -> bool:
    """Whether a text has something that can be sung."""
    try:
        read_text(text)
    except EngineRefused:
        return False
    return True


async def request_lyrics(
    viewer: Viewer, wish: LyricsWish, *, replaces_composed: bool = False, idempotency_key: str | None = None
) -> JobState:
    """Write the job that finds the words of a track; the same key gives the first one again.

    Times of words that we sang are exact, and gone once others are found: whoever asks must want that.
    """
    track = await tracks.get_own_track(viewer, wish.track_id)
    if problems := wish.problems():
        raise ValidationFailed(problems)
    if track.status != State.COMPLETE:
        raise Conflict("The track is not complete, so there is nothing to listen to")
    claim = track.user_id, "alignLyrics", idempotency_key or "", asdict(wish)
    if idempotency_key is not None and (first_id := await idempotency.find_answer(*claim)):
        return await _read_job(first_id)
    if not (wish.text and replaces_composed) and await lyrics.are_sung(track.id):
        raise Conflict(COMPOSED)
    await allowances.spend(allowances.LYRICS, track.user_id)
    job_id = new_id()
    async with database.transaction():
        if idempotency_key is not None:
            first_id = await idempotency.claim_key(*claim, job_id)
            if first_id != job_id:
                return await _read_job(first_id)
        return await queue.enqueue(
            KIND,
            QUEUE,
            job_id=job_id,
            user_id=track.user_id,
            subject_id=track.id,
            payload={"text": wish.text, "language": wish.language},
        )


async def _read_job(job_id: UUID) -> JobState:
    (job,) = await jobs.read_states([job_id])
    return job


def align(work: Work) -> None:
    """Find the words of a track, unless they were found in the same recording before."""
    order, settings = wait(_take(work)), get_settings()
    with scratch_folder() as folder:
        work.report(0.0, "fetching")
        path, digest = wait_beating(_fetch(work, order, folder), lambda: work.report(0.0, "fetching"))
        key = _key_of(settings, order, digest)
        known = wait(lyrics.find_heard(order.user_id, key, settings.lyrics_cache_days))
        heard = _HEARD.validate_python(known) if known else _listen(work, settings, order, path)
    wait(_keep(work, order, heard, key, is_known=known is not None))
    metrics.LYRICS_TIMED.labels(heard.source, str(known is not None).lower()).inc()


async def _take(work: Work) -> _Order:
    track = await tracks.hold_track(work.lease.subject_id)
    mix = await find_asset(track.id, "MIX")
    if mix is None:
        raise SubjectGone("The track has no recording any more")
    given = work.lease.payload
    text = given["text"] if given["text"] is not None else track.lyrics
    known = text if text is not None and has_words(text) else None
    return _Order(track.user_id, track.id, mix.blob_key, known, given["language"])


async def _fetch(work: Work, order: _Order, folder: Path) -> tuple[Path, str]:
    """Write the recording into the folder; answers with where it lies and the hash of its bytes."""
    path, digest = folder / Path(order.blob_key).name, hashlib.sha256()
    with path.open("wb") as file:
        async for chunk in work.blobs.read(order.blob_key):
            digest.update(chunk)
            file.write(chunk)
    return path, digest.hexdigest()


def _key_of(settings: Settings, order: _Order, digest: str) -> str:
    """A hash of all that the answer hangs on."""
    parts = (digest, order.text or "", order.language or "", settings.speech_engine, settings.speech_model)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _listen(work: Work, settings: Settings, order: _Order, path: Path) -> Heard:
    """Have an engine listen; in the setting `auto` the beat places words where there is no model for it."""
    beats = SpeechPlan("beats", text=order.text, language=order.language)
    chosen = settings.speech_engine
    if chosen == "beats":
        return _run(work, settings, path, beats)
    name: EngineName = "faster-whisper" if chosen == "auto" else chosen
    try:
        model = wait_beating(_get_model(settings), lambda: work.report(0.0, "loading"))
        plan = replace(beats, engine=name, model=model, threads=settings.speech_threads)
        return _run(work, settings, path, plan)
    except (SpeechModelMissing, EngineDied, EngineStalled) as failure:
        metrics.SPEECH_FAILURES.labels(name, failure.code).inc()
        log.warning("speech.failed", engine=name, error=failure.code, message=failure.message)
        is_last = not failure.retryable or work.lease.attempt >= work.lease.max_attempts
        if chosen != "auto" or order.text is None or not is_last:
            if isinstance(failure, SpeechModelMissing):
                raise SpeechModelMissing(NO_MODEL if order.text is None else MODEL_UNUSABLE) from failure
            raise
    return _run(work, settings, path, beats)


async def _get_model(settings: Settings) -> Path:
    return await asyncio.to_thread(get_model, settings)


def _run(work: Work, settings: Settings, path: Path, plan: SpeechPlan) -> Heard:
    """Run one engine, with the memory that the settings grant it."""
    own = replace(work, engine_memory_bytes=settings.speech_memory_mb << 20)
    return make(own, time_words, path, plan)


async def _keep(work: Work, order: _Order, heard: Heard, key: str, *, is_known: bool) -> None:
    async with database.transaction():
        await tracks.hold_track(order.track_id)
        await jobs.complete_job(work.lease, {"track_id": order.track_id, "is_from_cache": is_known})
        await lyrics.keep_lyrics(
            TimedLyrics(
                user_id=order.user_id,
                track_id=order.track_id,
                source=heard.source,
                engine=heard.engine,
                language=heard.language,
                lines=keep_lines(heard.lines),
                is_from_cache=is_known,
            )
        )
        if not is_known and _is_lasting(heard, get_settings()):
            await lyrics.keep_heard(order.user_id, key, _HEARD.dump_python(heard, mode="json"))


def _is_lasting(heard: Heard, settings: Settings) -> bool:
    """Whether to remember it: not an estimate that stands in for a model, which may be there the next time."""
    stands_in = heard.engine == "beats" and settings.speech_engine != "beats"
    return settings.lyrics_cache_days > 0 and not stands_in
