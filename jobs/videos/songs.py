"""What is known of the song that a film is made of, brought to where its engine can read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from jobs import covers
from jobs.engines.covers import palette
from jobs.engines.covers.palette import Palette
from jobs.engines.styles import read_leanings
from jobs.formats.lyrics import Line
from jobs.lyrics import read_lines
from jobs.scratch import fetch_file
from jobs.styles import read_style_leanings
from server.errors import SubjectGone
from storage import analyses, assets, tracks
from storage.blobs import BlobMissing, BlobStore
from storage.covers import find_chosen_cover, find_drawn_cover
from storage.lyrics import TimedLyrics
from storage.tracks import Track
from storage.videos import Video

LEVELS_PER_SECOND = 10
LOUDEST = 128
KNOWN = ("beats_seconds", "downbeats_seconds", "beats_per_bar", "sections", "tempo", "bars_confidence")


@dataclass(frozen=True)
class Look:
    """How a song looks: its colours, the motif of its style, and the style by the composer's name for it."""

    palette: Palette
    motif: str
    sound: str = ""


@dataclass(frozen=True)
class Song:
    """A song as films show it; `contents` names what is in the files, by their paths."""

    audio: Path
    palette: Palette
    lines: tuple[Line, ...]
    levels: tuple[float, ...]
    known: Mapping[str, Any]  # its beats, bars and sections, if anybody had told them when the film was asked for
    cover: Path | None
    contents: dict[Path, str]


async def fetch_song(video: Video, blobs: BlobStore, folder: Path) -> Song:
    """What a video is made of, as it is now; SubjectGone when some of it was deleted."""
    track = await tracks.hold_track(video.track_id)
    audio, cover = folder / "song", folder / "cover.png" if video.theme == "COVER" else None
    try:
        contents = {audio: await fetch_file(blobs, await _get_audio_key(track), audio)}
        if cover is not None:
            contents[cover] = await fetch_file(blobs, await _get_cover_key(track), cover)
        levels = await read_levels(track, video.duration_seconds, blobs)
    except BlobMissing as missing:
        raise SubjectGone("The track's files are gone") from missing
    known, look = await recall_known(video, track), await find_look(track)
    lines = await _find_lines(video)
    return Song(audio, look.palette, lines, levels, known, cover, contents)


async def find_look(track: Track) -> Look:
    """The colours of whose track it is, and the style that it was asked for in."""
    owner, style = await covers.find_owner_and_style(track)
    seed = covers.plan_cover(owner, track, style, track.visual_version).style_seed
    if style is None:
        return Look(palette(seed), read_leanings(seed).motif)
    leanings = read_style_leanings(style.slug, style.seed, style.leanings_version)
    return Look(palette(seed), leanings.motif, leanings.sound)


async def _get_audio_key(track: Track) -> str:
    mix = await assets.find_asset(track.id, "MIX")
    if mix is None:
        raise SubjectGone("The track's audio is gone")
    return mix.blob_key


async def _get_cover_key(track: Track) -> str:
    """The picture that the track shows."""
    cover = await find_chosen_cover(track.saved_cover_id) or await find_drawn_cover(track.id)
    if cover is None or cover.square_key is None:
        raise SubjectGone("The track's cover is gone")
    return cover.square_key


async def _find_lines(video: Video) -> tuple[Line, ...]:
    timed = await TimedLyrics.get_or_none(track_id=video.track_id)
    if timed is None:
        return ()
    return tuple(read_lines(timed.lines, timed.offset_ms + int(video.wish.get("offset_ms", 0))))


async def find_known(track: Track) -> Mapping[str, Any]:
    """Its beats, bars and sections: as the composer tells, else as they were heard, else nothing."""
    analysis = await analyses.find_analysis(track.id)
    for known in (track.music, None if analysis is None else analysis.song):
        if known is not None and known.get("beats_seconds"):
            return known
    return {}


async def freeze_known(track: Track) -> dict[str, Any]:
    """The same as a film's wish keeps it, so that what is heard or forgotten later does not change a film half-way."""
    known = await find_known(track)
    return {name: known[name] for name in KNOWN if name in known}


async def recall_known(video: Video, track: Track) -> Mapping[str, Any]:
    """What was known when the film was asked for; of films from before that was kept, what is known now."""
    kept: Mapping[str, Any] | None = video.wish.get("known")
    return await find_known(track) if kept is None else kept


async def read_levels(track: Track, seconds: float, blobs: BlobStore) -> tuple[float, ...]:
    """How loud so many tenths of a second of a song are; nothing where that was not measured."""
    peaks = await assets.find_asset(track.id, "PEAKS")
    if peaks is None:
        return ()
    document = orjson.loads(b"".join([part async for part in blobs.read(peaks.blob_key)]))
    return measure_levels(document, max(1, round(seconds * LEVELS_PER_SECOND)))


def measure_levels(peaks: Mapping[str, Any], count: int) -> tuple[float, ...]:
    """How loud so many equal stretches of a song are, the loudest of them 1, from the waveform that players draw."""
    lows, highs = peaks["data"][::2], peaks["data"][1::2]
    heights = [max(-low, high) / LOUDEST for low, high in zip(lows, highs, strict=True)]
    means = [_mean(heights[at * len(heights) // count : (at + 1) * len(heights) // count]) for at in range(count)]
    loudest = max(means)
    return tuple(round(mean / loudest, 4) for mean in means) if loudest > 0 else (0.0,) * count


def _mean(heights: Sequence[float]) -> float:
    return max(0.0, sum(heights) / len(heights)) if heights else 0.0
