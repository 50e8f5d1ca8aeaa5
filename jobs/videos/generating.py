"""Generated films: what may be wished, a song's sections as its clips will show them, and each clip in words."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs import queue
from jobs.engines.cuts import Clip, Cues, CutPlan, Part, Screen, plan_sections, read_cues
from jobs.engines.cuts.rhythm import move_parts
from jobs.engines.films import SIZES
from jobs.engines.films.plan import FRAME_RATES
from jobs.engines.motion.prompts import ClipBrief, write_prompt
from jobs.formats.lyrics import Line
from jobs.lyrics import read_lines
from jobs.scratch import fetch_file
from jobs.videos.songs import Look, Song, find_known, find_look
from server.errors import Conflict, SubjectGone
from storage import analyses, clips
from storage.blobs import BlobMissing, BlobStore
from storage.clips import VideoClip
from storage.lyrics import TimedLyrics
from storage.rows import new_id
from storage.tracks import Track
from storage.videos import Video

CLIP_KIND, CLIP_QUEUE = "clips.make", "clips"
MAX_PROMPT = 500
MAX_SEED = 2**31 - 1
MAX_NAME = 80
MOST_CLIPS, SHORTEST_SECONDS = 24, 4.0
MOOD_CHARACTERS = 200


@dataclass(frozen=True)
class GeneratedWish:
    """A film of clips that are made for it, one for each section; the same seed gives our own the same."""

    prompt: str = ""
    seed: int | None = None
    frames_per_second: int = 30

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it, by field."""
        yield from ((f"generated.{name}", told) for name, told in find_problems(self.prompt, self.seed))
        if self.frames_per_second not in FRAME_RATES:
            yield "generated.framesPerSecond", f"One of {', '.join(map(str, FRAME_RATES))}"

    def write(self) -> dict[str, Any]:
        """As it is kept."""
        seed = secrets.randbelow(MAX_SEED) if self.seed is None else self.seed
        return {"prompt": self.prompt.strip(), "seed": seed}


def find_problems(prompt: str, seed: int | None) -> Iterator[tuple[str, str]]:
    """What is wrong with the words and the seed of a clip."""
    if len(prompt) > MAX_PROMPT:
        yield "prompt", f"At most {MAX_PROMPT} characters; this has {len(prompt)}"
    elif "\x00" in prompt:
        yield "prompt", "The character NUL cannot be stored"
    if seed is not None and not 0 <= seed <= MAX_SEED:
        yield "seed", f"From 0 to {MAX_SEED}"


async def draft_clips(video: Video, track: Track) -> list[VideoClip]:
    """The rows of a film's clips; Conflict when nobody knows the song's sections."""
    cues = read_cues(await _get_heard(track), video.duration_seconds)
    parts, _ = await asyncio.to_thread(move_parts, cues, video.frames_per_second)
    telling = await read_telling(track)
    drafted = []
    for number, part in enumerate(merge_parts(parts), start=1):
        clip = VideoClip(
            user_id=video.user_id,
            track_id=video.track_id,
            video_id=video.id,
            job_id=new_id(),
            number=number,
            name=part.name[:MAX_NAME],
            start_seconds=part.start_seconds,
            end_seconds=part.end_seconds,
            energy=part.energy,
            seed=video.wish["seed"],
        )
        clip.prompt = describe_clip(clip, telling, video.wish["prompt"])
        drafted.append(clip)
    return drafted


async def _get_heard(track: Track) -> Mapping[str, Any]:
    """What is known of a song; one in which no beat was found is a film of what else was heard."""
    known = await find_known(track)
    if not known:
        analysis = await analyses.find_analysis(track.id)
        known = (analysis and analysis.song) or {}
    if not known:
        raise Conflict("Nobody knows the sections of the track yet; analyze the track first, by `analyzeTrack`")
    return known


def merge_parts(parts: Sequence[Part]) -> list[Part]:
    """Sections that are each long enough for a clip, and not too many: the shortest joins its shorter neighbour.

    The longer of two that are joined gives the name.
    """
    merged = list(parts)
    while len(merged) > 1:
        place = min(range(len(merged)), key=lambda number: _measure(merged[number]))
        if len(merged) <= MOST_CLIPS and _measure(merged[place]) >= SHORTEST_SECONDS:
            break
        neighbours = [number for number in (place - 1, place + 1) if 0 <= number < len(merged)]
        first = min(place, min(neighbours, key=lambda number: _measure(merged[number])))
        one, other = merged[first : first + 2]
        longer = max(one, other, key=_measure)
        merged[first : first + 2] = [replace(longer, start_seconds=one.start_seconds, end_seconds=other.end_seconds)]
    return merged


def _measure(part: Part) -> float:
    return part.end_seconds - part.start_seconds


@dataclass(frozen=True)
class Telling:
    """What of a song goes into the words of its clips."""

    look: Look
    mood: str
    tempo_bpm: float | None
    lines: tuple[Line, ...]


async def read_telling(track: Track) -> Telling:
    """As it is known now."""
    timed = await TimedLyrics.get_or_none(track_id=track.id)
    lines = () if timed is None else tuple(read_lines(timed.lines, timed.offset_ms))
    cues = read_cues(await find_known(track), track.duration_seconds)
    tempo_bpm = 60 / cues.beat_seconds if cues.has_beats else None
    return Telling(await find_look(track), track.prompt[:MOOD_CHARACTERS], tempo_bpm, lines)


def describe_clip(clip: VideoClip, telling: Telling, prompt: str) -> str:
    """What a model is told to film, of the words of whoever asks, the song's style and mood, and what is sung."""
    sung = [line for line in telling.lines if clip.start_seconds <= line.start_seconds < clip.end_seconds]
    brief = ClipBrief(
        section=clip.name,
        prompt=prompt,
        style=telling.look.sound,
        mood=telling.mood,
        energy=clip.energy,
        tempo_bpm=telling.tempo_bpm,
        lines=tuple(line.text for line in sung),
        palette=telling.look.palette,
        seed=clip.seed,
    )
    return write_prompt(brief)


async def write_jobs(video: Video, drafted: Sequence[VideoClip]) -> None:
    """Write clips and the job of each, in the transaction that writes what waits for them."""
    await clips.write_clips(drafted)
    for clip in drafted:
        await write_job(video, clip)


async def write_job(video: Video, clip: VideoClip) -> None:
    """Have one clip made."""
    await queue.enqueue(
        CLIP_KIND,
        CLIP_QUEUE,
        job_id=clip.job_id,
        user_id=clip.user_id,
        subject_id=clip.track_id,
        parent_id=video.job_id,
    )


async def plan_composition(
    video: Video, song: Song, blobs: BlobStore, folder: Path
) -> tuple[CutPlan, dict[Path, str], list[VideoClip]]:
    """The film of all clips, brought to this folder, with what names their content; EngineRefused as engines do."""
    made = await clips.list_clips(video.id)
    shown, contents = [], {}
    for clip in made:
        path = folder / f"section-{clip.number:02}"
        contents[path] = await _fetch_clip(clip, blobs, path)
        shown.append(Clip(path, clip.duration_seconds or 0.0))
    width, height = SIZES[video.aspect]
    screen = Screen(width, height, song.audio, video.frames_per_second)
    cues = _cue(song, video, made)
    plan = await asyncio.to_thread(plan_sections, cues, shown, screen, seed=video.wish["seed"])
    return plan, contents, made


async def _fetch_clip(clip: VideoClip, blobs: BlobStore, path: Path) -> str:
    gone = SubjectGone(f"The clip of section {clip.number} is gone; ask for a new film")
    if clip.blob_key is None:
        raise gone
    try:
        return await fetch_file(blobs, clip.blob_key, path)
    except BlobMissing as missing:
        raise gone from missing


def _cue(song: Song, video: Video, made: Sequence[VideoClip]) -> Cues:
    """The song with the sections that its clips were made for, whatever was heard in it since."""
    parts = tuple(Part(clip.start_seconds, clip.end_seconds, clip.name, clip.energy) for clip in made)
    return replace(read_cues(song.known, video.duration_seconds), parts=parts)
