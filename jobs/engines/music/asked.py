"""What the words of a prompt ask for, read before any style is chosen."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jobs.engines.music.theory import key_number
from jobs.engines.music.vocabulary import ERA_KITS, FORM_WORDS, INSTRUMENTS, MOODS, PARTS, Mood

_BPM = re.compile(r"\b(\d{2,3}(?:\.\d)?) ?(?:bpm|beats per minute)\b")
_SIGN = r"[ -]?(?i:sharp|flat)|#|♯|b|♭"
_KEY = re.compile(
    rf"\b([A-Ga-g])({_SIGN})?[ -]((?i:major|minor|maj|min))\b|\b([A-G])({_SIGN})?[ -]((?i:dorian|lydian|mixolydian))\b"
    rf"|\b(?i:key of) ([A-G])({_SIGN})?"
)
_MODE = re.compile(r"\b(major|minor|dorian|lydian|mixolydian)\b(?: (?:key|mode|scale))?")
_PLAYED = "|".join(re.escape(word) for word in sorted({*INSTRUMENTS, *PARTS}, key=len, reverse=True))
_PLAYERS = rf"((?:{_PLAYED})\b(?:(?:,| and| or|, and|, or| &|, no) (?:an? |any |the )?(?:{_PLAYED})\b)*)"
_WITHOUT = re.compile(rf"\b(?:no|without|zero|minus)(?: any)? {_PLAYERS}")
_ONLY = re.compile(rf"\b(?:only|just|solo|nothing but)(?: an?| the)? {_PLAYERS}|\b((?:{_PLAYED})) only\b")
_DRUMLESS = re.compile(r"\b(drumless|beatless)\b")
_WORDS = re.compile(r"[a-z0-9&/-]+")
_NAME = re.compile(rf"\b(?:{_PLAYED})\b")


@dataclass(frozen=True)
class Asked:
    """The wishes of a prompt; what it does not name is None or empty."""

    text: str
    words: tuple[str, ...]
    tempo_bpm: float | None
    tonic: int | None
    mode: str | None
    moods: tuple[str, ...]
    instruments: tuple[str, ...]  # in the order of the prompt
    is_alone: bool  # what is named shall play, and nothing else
    without: frozenset[str]  # parts
    without_instruments: frozenset[str]
    marks: frozenset[str]  # of the form
    kit: str | None

    @property
    def mood(self) -> Mood:
        """All moods together."""
        found = [MOODS[word] for word in self.moods]
        space = 1.0
        for mood in found:
            space *= mood.space
        return Mood(
            mode=sum(mood.mode for mood in found),
            tempo=sum(mood.tempo for mood in found),
            energy=sum(mood.energy for mood in found),
            bright_db=sum(mood.bright_db for mood in found),
            space=space,
        )


def read_prompt(prompt: str) -> Asked:
    """Every wish that the words of the prompt express."""
    text = prompt.lower()
    words = tuple(_WORDS.findall(text))
    refused = {name for found in _WITHOUT.finditer(text) for name in _NAME.findall(found[1])}
    alone = [name for found in _ONLY.finditer(text) for name in _NAME.findall(found[1] or found[2])]
    named = [*alone, *(name for name in _NAME.findall(_WITHOUT.sub(" ", text)) if name in INSTRUMENTS)]
    tonic, quality = _asked_key(prompt)
    mode = _MODE.search(text)
    bpm = _BPM.search(text)
    without = {PARTS[name] for name in refused if name in PARTS} | ({"drums"} if _DRUMLESS.search(text) else set())
    if alone:
        without |= _left_out(alone)
    return Asked(
        text=text,
        words=words,
        tempo_bpm=float(bpm[1]) if bpm else None,
        tonic=tonic,
        mode=quality or (mode[1] if mode else None),
        moods=tuple(dict.fromkeys(word for word in words if word in MOODS)),
        instruments=tuple(dict.fromkeys(name for name in named if name in INSTRUMENTS)),
        is_alone=bool(alone),
        without=frozenset(without),
        without_instruments=frozenset(refused & INSTRUMENTS.keys()),
        marks=frozenset(mark for phrase, mark in FORM_WORDS.items() if re.search(rf"\b{phrase}\b", text)),
        kit=next((kit for word, kit in ERA_KITS.items() if word in words), None),
    )


def _left_out(alone: Iterable[str]) -> set[str]:
    """The parts that nobody of those who play alone can take."""
    taken = {PARTS[name] for name in alone if name in PARTS}
    for name in alone:
        if name in INSTRUMENTS:
            played = INSTRUMENTS[name]
            taken |= {part for part in ("lead", "chords", "bass") if getattr(played, part)}
    return {"drums", "bass", "chords", "lead"} - taken


def _asked_key(prompt: str) -> tuple[int | None, str | None]:
    found = _KEY.search(prompt)
    if not found:
        return None, None
    letter = found[1] or found[4] or found[7]
    sign = (found[2] or found[5] or found[8] or "").strip(" -").lower().replace("sharp", "#").replace("flat", "b")
    quality = (found[3] or "").lower()
    mode = "minor" if quality.startswith("min") else "major" if quality else (found[6] or "").lower() or None
    return key_number(letter + sign.replace("♯", "#").replace("♭", "b")), mode
