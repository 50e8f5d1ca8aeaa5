"""From a plan to the files of a song: compose, synthesise stem by stem, master, encode."""

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from jobs.engines.music.compose import compose, list_beats, list_chords, list_downbeats, list_instruments, list_sections
from jobs.engines.music.encoding import BackgroundM4a
from jobs.engines.music.finish import Finished, OnMixed, Progress, Report, finish_mix, write_tags
from jobs.engines.music.prompts import Brief
from jobs.engines.music.rooms import BLOCK
from jobs.engines.music.score import Chord, Score, Section, SongPlan
from jobs.engines.music.sheet import write_sheet
from jobs.engines.music.singing.score import TimedLine
from jobs.engines.music.stems import list_stems, open_stems
from jobs.engines.music.unmet import list_unmet
from jobs.engines.music.voices import SAMPLE_RATE, Signal

SHORTEST_SECONDS, LONGEST_SECONDS = 5, 600
_STEM_BITS_PER_SECOND, _BASS_BITS_PER_SECOND = 160_000, 112_000
_COMPOSED, _SYNTHESISED = 0.02, 0.6  # shares of the work, as measured


@dataclass(frozen=True)
class Singing:
    """What is sung in a song: by what kind of voice, whose words, each with its time, and what should be known."""

    kind: str
    source: str
    notes: tuple[str, ...]
    lines: tuple[TimedLine, ...]


@dataclass(frozen=True)
class Song(Finished):
    """The files of a song that we composed, and all that is known of it."""

    stems: dict[str, Path]
    midi: Path
    title: str
    tempo_bpm: float
    key: str
    mode: str
    style: str
    sections: list[Section]
    chords: list[Chord]
    beats_seconds: list[float]
    downbeats_seconds: list[float]
    beats_per_bar: int
    instruments: list[str]
    understood: list[str]
    notes: list[str]  # what was asked for and is not in it
    vocals: Singing | None = None


def render_song(plan: SongPlan, folder: Path, report: Report, on_mixed: OnMixed | None = None) -> Song:
    """Make the song in the folder; equal plans give equal bytes. `on_mixed` hears it before it is mastered."""
    if not SHORTEST_SECONDS <= plan.duration_seconds <= LONGEST_SECONDS:
        raise ValueError(f"duration_seconds must be {SHORTEST_SECONDS} to {LONGEST_SECONDS}")
    progress = Progress(report)
    progress.move(0.0, "composing")
    brief, score = compose(plan)
    progress.move(_COMPOSED, "composing")
    stems = {name: folder / f"{name}.m4a" for name in list_stems(plan)}
    mix = _mix_stems(plan, brief, score, stems, progress)
    if on_mixed is not None:
        on_mixed(mix, score)
    finished = finish_mix(mix, folder, progress.after(_SYNTHESISED), score.title)
    midi = folder / "song.mid"
    write_sheet(midi, score)
    song = Song(
        **asdict(finished),
        stems=stems,
        midi=midi,
        title=score.title,
        tempo_bpm=score.grid.tempo_bpm,
        key=score.key,
        mode=score.mode,
        style=score.style,
        sections=list_sections(score),
        chords=list_chords(score),
        beats_seconds=list_beats(score),
        downbeats_seconds=list_downbeats(score),
        beats_per_bar=score.grid.metre.beats,
        instruments=list_instruments(score),
        understood=list(score.understood),
        notes=list_unmet(plan, score),
        vocals=_singing_of(score),
    )
    progress.move(1.0, "encoding")
    return song


def _singing_of(score: Score) -> Singing | None:
    sung = score.vocals
    if sung is None:
        return None
    return Singing(sung.kind, sung.source, sung.notes, tuple(line.timed for line in sung.lines))


def _mix_stems(plan: SongPlan, brief: Brief, score: Score, files: dict[str, Path], progress: Progress) -> Signal:
    """Sound every stem, hand it to its encoder, and keep the sum."""
    samples = round(plan.duration_seconds * SAMPLE_RATE)
    mix = np.zeros((2, samples), np.float32)
    progress.move(_COMPOSED, "synthesising")
    stems = open_stems(plan, brief, score)
    with ExitStack() as opened:
        encoders = {name: opened.enter_context(_stem_encoder(name, path, progress)) for name, path in files.items()}
        for start in range(0, samples, BLOCK):
            for index, (name, stem) in enumerate(stems.items()):
                block = stem.read_block()
                mix[:, start : start + BLOCK] += block
                encoders[name].write(block)
                done = (start + BLOCK * (index + 1) / len(stems)) / samples
                progress.move(_COMPOSED + min(done, 1.0) * (_SYNTHESISED - _COMPOSED), "synthesising")
        progress.move(_SYNTHESISED, "mixing")
    return mix


def _stem_encoder(name: str, path: Path, progress: Progress) -> BackgroundM4a:
    """The bass stands in the middle, so one channel holds it."""
    is_bass = name == "bass"
    rate = _BASS_BITS_PER_SECOND if is_bass else _STEM_BITS_PER_SECOND
    channels = 1 if is_bass else 2
    return BackgroundM4a(path, bits_per_second=rate, channels=channels, beat=progress.beat, tags=write_tags(name))
