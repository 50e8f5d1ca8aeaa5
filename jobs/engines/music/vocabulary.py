"""The words that a prompt may use, and what each of them means for the song."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mood:
    """What a mood does: 1 is major and -1 minor, tempo and energy lean by shares, brightness is in dB."""

    mode: int = 0
    tempo: float = 0.0
    energy: float = 0.0
    bright_db: float = 0.0
    space: float = 1.0


_SAD, _DARK, _GLAD = Mood(-1, -0.3, -0.06, -1.5), Mood(-1, -0.15, 0.0, -3.0), Mood(1, 0.25, 0.04, 1.0)
_CALM, _STRONG, _FAR = Mood(0, -0.5, -0.12, -1.5, 1.15), Mood(0, 0.6, 0.1, 0.5), Mood(0, -0.1, -0.04, -0.5, 1.4)
MOODS = {
    "sad": _SAD, "melancholic": _SAD, "melancholy": _SAD, "lonely": _SAD, "heartbreak": _SAD, "sorrowful": _SAD,
    "nostalgic": Mood(0, -0.2, -0.04, -2.0), "bittersweet": Mood(0, -0.15, -0.02, -1.0), "moody": _DARK, "dark": _DARK,
    "gloomy": _DARK, "ominous": _DARK, "sinister": _DARK, "tense": Mood(-1, 0.2, 0.05, -1.0), "eerie": _DARK,
    "mysterious": Mood(-1, -0.1, -0.05, -1.5, 1.3), "happy": _GLAD, "joyful": _GLAD, "cheerful": _GLAD, "sunny": _GLAD,
    "uplifting": _GLAD, "playful": _GLAD, "hopeful": Mood(1, 0.1), "triumphant": Mood(1, 0.2, 0.08, 1.0),
    "romantic": Mood(0, -0.3, -0.05, -1.0), "warm": Mood(1, 0.0, 0.0, -2.0), "bright": Mood(1, 0.0, 0.0, 3.0),
    "calm": _CALM, "relaxed": _CALM, "relaxing": _CALM, "peaceful": _CALM, "gentle": _CALM, "soft": _CALM,
    "sleepy": Mood(0, -0.8, -0.15, -2.5, 1.2), "mellow": _CALM, "serene": _CALM, "quiet": _CALM,
    "energetic": _STRONG, "powerful": _STRONG, "driving": _STRONG, "upbeat": Mood(0, 0.5, 0.06, 0.5), "wild": _STRONG,
    "aggressive": Mood(-1, 0.5, 0.12, 1.0, 0.8), "angry": Mood(-1, 0.5, 0.12, 0.5, 0.8), "intense": _STRONG,
    "epic": Mood(0, 0.0, 0.06, 0.0, 1.3), "dreamy": _FAR, "ethereal": _FAR, "spacious": _FAR, "floating": _FAR,
    "dry": Mood(space=0.4), "intimate": Mood(0, -0.2, -0.08, -1.0, 0.6), "crisp": Mood(bright_db=2.0),
    "sparkling": Mood(bright_db=3.0), "slow": Mood(tempo=-0.8), "fast": Mood(tempo=0.8), "quick": Mood(tempo=0.6),
    "vintage": Mood(bright_db=-3.0), "old": Mood(bright_db=-2.0), "retro": Mood(bright_db=-1.0),
}  # fmt: skip
ERA_KITS = {
    "60s": "vintage", "sixties": "vintage", "70s": "vintage", "seventies": "vintage", "80s": "gated",
    "eighties": "gated", "90s": "sampler", "nineties": "sampler", "808": "trap", "909": "machine",
}  # fmt: skip


@dataclass(frozen=True)
class Instrument:
    """The voices that play it, best first, as the lead, in the chords and as the bass; none where it cannot be that."""

    lead: tuple[str, ...] = ()
    chords: tuple[str, ...] = ()
    bass: tuple[str, ...] = ()


_PIANO = Instrument(("piano", "grand"), ("piano", "grand"), ("grand",))
_KEYS = Instrument(("epiano",), ("epiano",))
_GUITAR = Instrument(("nylon", "overdrive", "steel"), ("steel", "nylon", "crunch", "muted"), ("nylon",))
_ELECTRIC = Instrument(("overdrive",), ("crunch", "muted"), ("picked",))
_STRINGS = Instrument(("strings", "fiddle"), ("strings", "viola"), ("cello",))
_SYNTH = Instrument(("square", "solo", "stab"), ("wide", "super"), ("saw",))
_SAX, _REED, _FIDDLE, _TRUMPET = (Instrument((voice,)) for voice in ("sax", "reed", "fiddle", "brass"))
_BELL, _VIBES, _ORGAN, _ACCORDION, _CLAV, _PLUCK, _GLASS = (
    Instrument((voice,), (voice,)) for voice in ("bell", "vibes", "organ", "accordion", "clav", "pluck", "glass")
)
INSTRUMENTS = {
    "electric guitar": _ELECTRIC, "acoustic guitar": _GUITAR, "electric piano": _KEYS, "piano": _PIANO, "keys": _KEYS,
    "rhodes": _KEYS, "flute": Instrument(("flute",)), "sax": _SAX, "saxophone": _SAX, "guitar": _GUITAR,
    "guitars": _GUITAR, "ukulele": _GUITAR, "banjo": _GUITAR, "harp": _PLUCK, "bells": _BELL, "bell": _BELL,
    "celesta": _BELL, "vibraphone": _VIBES, "vibes": _VIBES, "marimba": _VIBES, "strings": _STRINGS,
    "orchestra": _STRINGS, "violin": _FIDDLE, "fiddle": _FIDDLE, "cello": Instrument(("viola",), (), ("cello",)),
    "viola": Instrument(("viola",), ("viola",)), "brass": Instrument(("brass",), ("horns", "brass")),
    "horns": Instrument(("brass",), ("horns", "brass")), "trumpet": _TRUMPET, "trombone": _TRUMPET, "organ": _ORGAN,
    "accordion": _ACCORDION, "harmonica": _REED, "melodica": _REED, "clarinet": _REED, "oboe": _REED, "synth": _SYNTH,
    "synths": _SYNTH, "synthesizer": _SYNTH, "pluck": _PLUCK, "pad": Instrument((), ("wide", "warm")),
    "pads": Instrument((), ("wide", "warm")), "glass": _GLASS, "choir": Instrument((), ("choir",)), "clavinet": _CLAV,
}  # fmt: skip
PARTS = {
    "drums": "drums", "drum": "drums", "beat": "drums", "beats": "drums", "percussion": "drums", "bass": "bass",
    "bassline": "bass", "chords": "chords", "pads": "chords", "melody": "lead", "lead": "lead",
}  # fmt: skip

FORM_WORDS = {
    "no intro": "no intro", "without intro": "no intro", "short intro": "short intro", "long intro": "long intro",
    "builds up": "build", "build up": "build", "buildup": "build", "build-up": "build", "crescendo": "build",
    "gradually": "build", "with a drop": "drop", "the drop": "drop", "big drop": "drop", "beat drop": "drop",
    "loop": "loop", "loopable": "loop", "fade out": "fade", "fades out": "fade", "no outro": "no outro",
}  # fmt: skip
