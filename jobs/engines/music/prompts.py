"""What the words of a prompt ask for: style, tempo, key, mode, instruments, mood."""

import re
from dataclasses import dataclass, replace

from jobs.engines.music.score import SongPlan
from jobs.engines.music.styles import STYLES, Style
from jobs.engines.music.theory import KEYS, MODES, key_number

SLOWEST_BPM, FASTEST_BPM = 56, 190
_MINOR_KEY_WORDS = ("sad", "melancholic", "melancholy", "dark", "moody", "tense", "lonely", "gloomy", "heartbreak")
_MAJOR_KEY_WORDS = ("happy", "bright", "joyful", "uplifting", "cheerful", "sunny", "hopeful", "playful", "warm")
_TEMPO_WORDS = {
    "slow": -0.7,
    "calm": -0.5,
    "relaxed": -0.4,
    "sleepy": -0.8,
    "fast": 0.8,
    "upbeat": 0.5,
    "energetic": 0.7,
}
_TONE_WORDS = {"warm": -2.0, "dark": -3.0, "soft": -2.0, "bright": 3.0, "crisp": 2.0, "sparkling": 3.0}
_SPACE_WORDS = {"dreamy": 1.4, "spacious": 1.5, "epic": 1.3, "dry": 0.4, "intimate": 0.6}
_LEAD_WORDS = {
    "piano": "piano", "flute": "flute", "sax": "sax", "saxophone": "sax", "guitar": "overdrive", "bells": "bell",
    "bell": "bell", "vibraphone": "vibes", "strings": "strings", "violin": "strings", "brass": "brass",
    "trumpet": "brass", "organ": "organ", "synth": "square", "pluck": "pluck", "glass": "glass",
}  # fmt: skip
_CHORD_WORDS = {"piano": "piano", "guitar": "steel", "organ": "organ", "strings": "strings", "rhodes": "epiano"}
_NO_DRUMS = re.compile(r"\b(no|without|zero) (drums|beat|percussion)\b|\b(drumless|beatless)\b")
_BPM = re.compile(r"\b(\d{2,3}) ?bpm\b")
_KEY = re.compile(r"\b([A-Ga-g])( ?sharp|#| ?flat|b)?[ -](major|minor|maj|min)\b|\bkey of ([A-G])(#|b)?")
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
    has_drums: bool

    @property
    def key(self) -> str:
        """The name of the tonic."""
        return KEYS[self.tonic]


def read_plan(plan: SongPlan) -> Brief:
    """Settle everything that the prompt, the leanings and the dice decide."""
    text = plan.prompt.lower()
    words = frozenset(re.findall(r"[a-z0-9-]+", text))
    style = _coloured(_chosen_style(plan, text, words), words)
    dice = plan.draw("brief")
    tonic_draw, mode_draw, tempo_draw, lead_draw = dice.random(4)
    key, mode = _asked_key(plan.prompt)
    tonic = key if key is not None else key_number(plan.key) if plan.key else int(tonic_draw * 12)
    asked_bpm = _BPM.search(text)
    tempo = _tempo(style, float(asked_bpm[1]) if asked_bpm else None, plan.tempo_bpm, words, tempo_draw)
    lead = next((voice for word, voice in _LEAD_WORDS.items() if word in words), None)
    return Brief(
        title=_title(plan, style),
        style=style,
        tempo_bpm=tempo,
        has_fixed_tempo=asked_bpm is not None or plan.tempo_bpm is not None,
        tonic=tonic,
        mode=mode or _mode(style, words, mode_draw),
        lead="voice" if plan.has_vocals else lead or style.leads[int(lead_draw * len(style.leads))],
        has_drums=not _NO_DRUMS.search(text),
    )


def _chosen_style(plan: SongPlan, text: str, words: frozenset[str]) -> Style:
    if plan.style in STYLES:
        return STYLES[plan.style]
    scores = {style.id: sum(_votes(word, text, words) for word in style.words) for style in STYLES.values()}
    best = max(scores.values())
    if best == 0:
        return list(STYLES.values())[plan.seed % len(STYLES)]
    return STYLES[next(style for style, score in scores.items() if score == best)]


def _votes(word: str, text: str, words: frozenset[str]) -> int:
    found = word in text if " " in word else word in words
    return found * (3 if word.replace("-", "").replace(" ", "") in STYLES else 1)


def _coloured(style: Style, words: frozenset[str]) -> Style:
    brightness = style.brightness + sum(change for word, change in _TONE_WORDS.items() if word in words)
    reverb = style.reverb_seconds
    for word, factor in _SPACE_WORDS.items():
        reverb *= factor if word in words else 1
    layers = list(style.layers)
    for word, voice in _CHORD_WORDS.items():
        if word in words:
            layers[0] = replace(layers[0], voice=voice)
    return replace(style, brightness=brightness, reverb_seconds=min(reverb, 1.48), layers=tuple(layers))


def _asked_key(prompt: str) -> tuple[int | None, str | None]:
    found = _KEY.search(prompt)
    if not found:
        return None, None
    letter = found[1] or found[4]
    sign = (found[2] or found[5] or "").strip().replace("sharp", "#").replace("flat", "b")
    quality = found[3] or ""
    mode = "minor" if quality.startswith("min") else "major" if quality else None
    return key_number(letter + sign), mode


def _mode(style: Style, words: frozenset[str], draw: float) -> str:
    wanted = "minor" if words & set(_MINOR_KEY_WORDS) else "major" if words & set(_MAJOR_KEY_WORDS) else None
    fitting = [mode for mode in style.modes if wanted is None or _is_minor(mode) == (wanted == "minor")]
    return fitting[int(draw * len(fitting))] if fitting else wanted or style.modes[0]


def _is_minor(mode: str) -> bool:
    return MODES[mode][2] == 3


def _tempo(style: Style, asked: float | None, leaning: float | None, words: frozenset[str], draw: float) -> float:
    low, high = style.tempo
    if asked is not None:
        return _folded(asked, SLOWEST_BPM, FASTEST_BPM)
    if leaning is not None:
        return min(max(_folded(leaning, low * 0.8, high * 1.3), low), high)
    lean = 0.5 + sum(change for word, change in _TEMPO_WORDS.items() if word in words) + (draw - 0.5) * 0.6
    return float(round(min(max(low + lean * (high - low), low - 8, SLOWEST_BPM), high + 8)))


def _folded(tempo: float, low: float, high: float) -> float:
    while tempo < low and tempo * 2 <= high:
        tempo *= 2
    while tempo > high and tempo / 2 >= low:
        tempo /= 2
    return min(max(tempo, SLOWEST_BPM), FASTEST_BPM)


def _title(plan: SongPlan, style: Style) -> str:
    words = [word for word in re.findall(r"[^\W\d_]{3,14}", plan.prompt) if word.lower() not in _STOP_WORDS]
    dice = plan.draw("title")
    ending = _ENDINGS[int(dice.integers(len(_ENDINGS)))]
    chosen = words[int(dice.integers(len(words)))] if words else style.id
    return f"{chosen.capitalize()} {ending}"
