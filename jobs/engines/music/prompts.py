"""From a plan to a brief: the wishes of the prompt, then the leanings of the user, then dice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from jobs.engines.music.asked import Asked, read_prompt
from jobs.engines.music.score import Reference, SongPlan
from jobs.engines.music.styles import STYLES, Layer, Style
from jobs.engines.music.theory import MODES, key_number, spell
from jobs.engines.music.vocabulary import INSTRUMENTS, Instrument

SLOWEST_BPM, FASTEST_BPM = 56, 190
LONGEST_REVERB_SECONDS = 1.48
_NO_VOTES = (False, 0, 0)
_ENDINGS = ("Nights", "Morning", "Lines", "Drift", "Avenue", "Signal", "Garden", "Tides", "Letters", "Echo")
_STOP_WORDS = frozenset(("and", "bpm", "for", "from", "into", "major", "minor", "song", "the", "track", "with"))


@dataclass(frozen=True)
class Brief:
    """What is settled before the first note."""

    title: str
    style: Style
    tempo_bpm: float
    has_fixed_tempo: bool
    tonic: int
    mode: str
    lead: str
    silent: frozenset[str] = frozenset()  # parts that do not play
    energy: float = 0.0  # added to that of every section
    marks: frozenset[str] = frozenset()  # wishes for the form
    understood: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name of the tonic."""
        return spell(self.tonic, self.mode)[self.tonic]


def read_plan(plan: SongPlan) -> Brief:
    """Settle everything that the prompt, the reference, the leanings and the dice decide."""
    asked = read_prompt(plan.prompt)
    reference = _left_to(asked, plan.reference or Reference())
    chosen, is_named = _chosen_style(plan, asked)
    dice = plan.draw("brief")
    tonic_draw, mode_draw, tempo_draw, lead_draw = dice.random(4)
    style = _coloured(_settled(chosen, plan.draw("variant")), asked)
    key = reference.key or plan.key
    tonic = asked.tonic if asked.tonic is not None else key_number(key) if key else int(tonic_draw * 12)
    tempo_bpm = asked.tempo_bpm or reference.tempo_bpm
    return Brief(
        title=_title(plan, style),
        style=style,
        tempo_bpm=_tempo(style, asked, tempo_bpm, plan.tempo_bpm, tempo_draw),
        has_fixed_tempo=tempo_bpm is not None or plan.tempo_bpm is not None,
        tonic=tonic,
        mode=asked.mode or reference.mode or _mode(style, asked.mood.mode, mode_draw),
        lead=_lead(style, asked, lead_draw),
        silent=_silent(style, asked),
        energy=max(min(asked.mood.energy, 0.15), -0.2),
        marks=asked.marks,
        understood=(*_understood(asked, style if is_named else None), *_taken(reference)),
    )


def _left_to(asked: Asked, reference: Reference) -> Reference:
    """What a reference still decides: the words of the prompt come first."""
    names_key = asked.tonic is not None or asked.mode is not None
    tempo_bpm = None if asked.tempo_bpm is not None else reference.tempo_bpm
    return Reference(
        tempo_bpm=None if tempo_bpm is None else _folded(tempo_bpm, SLOWEST_BPM, FASTEST_BPM),
        key=None if names_key else reference.key,
        mode=None if names_key else reference.mode,
    )


def _taken(reference: Reference) -> Iterator[str]:
    """What of a reference is in the song, in words of ours."""
    if reference.tempo_bpm is not None:
        yield f"tempo {reference.tempo_bpm:g} bpm, of your reference"
    if reference.key is not None:
        yield f"key {reference.key} {reference.mode}, of your reference"


def _chosen_style(plan: SongPlan, asked: Asked) -> tuple[Style, bool]:
    """The style asked for by id or by words, or one by the seed; and whether it was asked for."""
    if plan.style in STYLES:
        return STYLES[plan.style], True
    scores = {style.id: _votes(style, asked) for style in STYLES.values()}
    best = max(scores.values())
    if best == _NO_VOTES:
        return list(STYLES.values())[plan.seed % len(STYLES)], False
    return STYLES[next(style for style, score in scores.items() if score == best)], True


def _votes(style: Style, asked: Asked) -> tuple[bool, int, int]:
    """Whether the genre is named, how early, and how many words hint at it."""
    genre = [asked.text.find(word) for word in style.words if _is_said(word, asked)]
    return bool(genre), -min(genre, default=0), sum(_is_said(word, asked) for word in style.moods)


def _is_said(word: str, asked: Asked) -> bool:
    return bool(re.search(rf"\b{re.escape(word)}\b", asked.text)) if " " in word else word in asked.words


def _settled(style: Style, dice: np.random.Generator) -> Style:
    """The style with one of each of its alternatives."""

    def pick(text: str) -> str:
        choices = text.split("|")
        return choices[int(dice.random() * len(choices))]

    return replace(
        style,
        grooves=(pick(style.grooves[0]), pick(style.grooves[1])),
        bass=(pick(style.bass[0]), pick(style.bass[1])),
        layers=tuple(replace(layer, pattern=pick(layer.pattern)) for layer in style.layers),
    )


def _coloured(style: Style, asked: Asked) -> Style:
    mood = asked.mood
    layers = _layers(style, asked)
    bass = next((_fitting(played.bass, style) for played in _played(asked) if played.bass and asked.is_alone), None)
    return replace(
        style,
        brightness=style.brightness + max(min(mood.bright_db, 4.0), -5.0),
        reverb_seconds=min(style.reverb_seconds * mood.space, LONGEST_REVERB_SECONDS),
        layers=layers,
        bass_voice=bass or style.bass_voice,
        form="club" if "drop" in asked.marks else style.form,
        kit=asked.kit if asked.kit and style.kit != "none" else style.kit,
    )


def _layers(style: Style, asked: Asked) -> tuple[Layer, ...]:
    """The layers of the style, with the first ones given to the instruments that were named."""
    refused = {voice for name in asked.without_instruments for voice in _voices(INSTRUMENTS[name])}
    layers = [layer for layer in style.layers if layer.voice not in refused] or [
        replace(style.layers[0], voice="epiano" if "epiano" not in refused else "organ")
    ]
    wanted = [played for played in _played(asked) if played.chords]
    if asked.is_alone and wanted:
        return tuple(
            replace(layer, voice=_fitting(wanted[index % len(wanted)].chords, style))
            for index, layer in enumerate(layers)
        )
    for index, played in enumerate(wanted[: len(layers)]):
        if not any(layer.voice in played.chords for layer in layers):
            layers[index] = replace(layers[index], voice=played.chords[0])
    return tuple(layers)


def _lead(style: Style, asked: Asked, draw: float) -> str:
    """Who carries the tune: a named instrument that cannot play chords before one that can."""
    named = sorted((played for played in _played(asked) if played.lead), key=lambda played: bool(played.chords))
    if named:
        return _fitting(named[0].lead, style)
    refused = {voice for name in asked.without_instruments for voice in _voices(INSTRUMENTS[name])}
    leads = [voice for voice in style.leads if voice not in refused] or ["vibes"]
    return leads[int(draw * len(leads))]


def _played(asked: Asked) -> list[Instrument]:
    return [INSTRUMENTS[name] for name in asked.instruments]


def _fitting(voices: tuple[str, ...], style: Style) -> str:
    """The one of the voices that the style itself would use, else the first."""
    own = {*style.leads, style.bass_voice, *(layer.voice for layer in style.layers)}
    return next((voice for voice in voices if voice in own), voices[0])


def _voices(instrument: Instrument) -> tuple[str, ...]:
    return (*instrument.lead, *instrument.chords, *instrument.bass)


def _silent(style: Style, asked: Asked) -> frozenset[str]:
    silent = asked.without | ({"drums"} if style.kit == "none" else frozenset())
    if silent >= {"drums", "bass", "chords", "lead"}:
        silent = asked.without - {"chords"}  # a song without anybody is none
    return frozenset(silent)


def _mode(style: Style, leaning: int, draw: float) -> str:
    fitting = [mode for mode in style.modes if not leaning or _is_minor(mode) == (leaning < 0)]
    return fitting[int(draw * len(fitting))] if fitting else "minor" if leaning < 0 else "major"


def _is_minor(mode: str) -> bool:
    return MODES[mode][2] == 3


def _tempo(style: Style, asked: Asked, wanted: float | None, leaning: float | None, draw: float) -> float:
    low, high = style.tempo
    if wanted is not None:
        return _folded(wanted, SLOWEST_BPM, FASTEST_BPM)
    if leaning is not None:
        return min(max(_folded(leaning, low * 0.8, high * 1.3), low), high)
    lean = 0.5 + asked.mood.tempo + (draw - 0.5) * 0.6
    return float(round(min(max(low + lean * (high - low), low - 8, SLOWEST_BPM), high + 8)))


def _folded(tempo: float, low: float, high: float) -> float:
    while tempo < low and tempo * 2 <= high:
        tempo *= 2
    while tempo > high and tempo / 2 >= low:
        tempo /= 2
    return min(max(tempo, SLOWEST_BPM), FASTEST_BPM)


def _understood(asked: Asked, style: Style | None) -> list[str]:
    """What of the prompt is in the song, in words of ours."""
    told = [f"style {style.id}"] if style else []
    told += [f"mood {word}" for word in asked.moods]
    if asked.tempo_bpm is not None and SLOWEST_BPM <= asked.tempo_bpm <= FASTEST_BPM:
        told.append(f"tempo {asked.tempo_bpm:g} bpm")
    if asked.tonic is not None:
        told.append(f"key {spell(asked.tonic, asked.mode or 'major')[asked.tonic]} {asked.mode or ''}".strip())
    elif asked.mode:
        told.append(f"mode {asked.mode}")
    told += [f"{'only' if asked.is_alone else 'with'} {name}" for name in asked.instruments]
    told += [f"without {name}" for name in sorted(asked.without if not asked.is_alone else ())]
    told += [f"without {name}" for name in sorted(asked.without_instruments)]
    if asked.kit:
        told.append(f"drums {asked.kit}")
    return told + [f"form {mark}" for mark in sorted(asked.marks)]


def _title(plan: SongPlan, style: Style) -> str:
    words = [word for word in re.findall(r"[^\W\d_]{3,14}", plan.prompt) if word.lower() not in _STOP_WORDS]
    dice = plan.draw("title")
    ending = _ENDINGS[int(dice.integers(len(_ENDINGS)))]
    chosen = words[int(dice.integers(len(words)))] if words else style.id
    return f"{chosen.capitalize()} {ending}"
