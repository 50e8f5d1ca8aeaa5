"""A video's rows turned into what an engine takes: a frozen plan, and a hash of all that the film's bytes hang on."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import orjson

from jobs.engines.cuts import CutPlan, MadeCutFilm, make_cut_film
from jobs.engines.films import SIZES, Coding, FilmPlan, MadeFilm, make_film
from jobs.engines.run import EngineRefused
from jobs.formats.lyrics import Line
from jobs.videos.cutting import Music, fetch_clips, plan_cut, read_wish
from jobs.videos.generating import plan_composition
from jobs.videos.songs import Song, fetch_song
from server.errors import EngineFailed
from storage.blobs import BlobStore
from storage.videos import Video, VideoKind

ENGINE_VERSION = 1  # rises when the engines draw otherwise, so that no film is joined from two kinds of pictures


@dataclass(frozen=True)
class Order:
    """What one attempt makes."""

    engine: Callable[..., MadeFilm | MadeCutFilm]
    plan: FilmPlan | CutPlan
    plan_hash: str
    lines: tuple[Line, ...]
    is_trained: bool = False  # whether a trained model made any of its pictures

    @property
    def film_seconds(self) -> float:
        """How long the film is, in whole frames."""
        return self.plan.frame_count / self.plan.fps


async def read_order(video: Video, blobs: BlobStore, folder: Path) -> Order:
    """What is to be made of a video, its sources in this folder."""
    song = await fetch_song(video, blobs, folder)
    if video.kind is VideoKind.LYRIC:
        plan = _plan_lyric(video, song)
        return Order(make_film, plan, hash_plan(plan, song.contents), song.lines)
    if video.kind is VideoKind.GENERATED:
        return await _order_generated(video, song, blobs, folder)
    cut, contents = await _plan_cut(video, song, blobs, folder)
    return Order(make_cut_film, cut, hash_plan(cut, contents), song.lines)


def _plan_lyric(video: Video, song: Song) -> FilmPlan:
    width, height = SIZES[video.aspect]
    return FilmPlan(
        width=width,
        height=height,
        duration_seconds=video.duration_seconds,
        theme=(video.theme or "").lower(),
        palette=song.palette,
        audio=song.audio,
        fps=video.frames_per_second,
        lines=song.lines,
        title=video.title,
        artist=video.wish["artist"],
        levels=song.levels,
        beats_seconds=tuple(song.known.get("beats_seconds") or ()),
        sections_seconds=tuple(part["start_seconds"] for part in song.known.get("sections") or ()),
        cover=song.cover,
        is_zoomed=video.wish["is_zoomed"],
        coding=Coding(video.wish["codec"], video.wish["is_variable_rate"]),
    )


async def _plan_cut(video: Video, song: Song, blobs: BlobStore, folder: Path) -> tuple[CutPlan, dict[Path, str]]:
    wish = replace(read_wish(video.wish), frames_per_second=video.frames_per_second)
    found, contents = await fetch_clips(video.user_id, wish, blobs, folder)
    music = Music(song.known, video.duration_seconds, song.audio)
    try:
        plan = await asyncio.to_thread(plan_cut, wish, video.aspect, music, found, folder)
    except EngineRefused as refused:
        raise EngineFailed(str(refused)) from refused
    return plan, contents | song.contents


async def _order_generated(video: Video, song: Song, blobs: BlobStore, folder: Path) -> Order:
    try:
        plan, contents, clips = await plan_composition(video, song, blobs, folder)
    except EngineRefused as refused:
        raise EngineFailed(str(refused)) from refused
    is_trained = any(clip.provider != "local" for clip in clips)
    return Order(make_cut_film, plan, hash_plan(plan, contents | song.contents), song.lines, is_trained)


def hash_plan(plan: FilmPlan | CutPlan, contents: Mapping[Path, str]) -> str:
    """Names a plan by what is in it and in its files, wherever these lie, and by what encodes it."""
    told = {"engine": ENGINE_VERSION, "encoder": version("av"), "plan": asdict(plan)}
    encoded = orjson.dumps(told, default=lambda path: contents[path], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(encoded).hexdigest()
