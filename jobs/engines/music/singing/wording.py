"""Words for who gives none: verses and a chorus that rhyme, about what the prompt is about and in its mood."""

import re
from collections.abc import Iterator
from itertools import cycle

import numpy as np

from jobs.engines.music.score import SongPlan
from jobs.engines.music.styles import STYLES
from jobs.engines.music.vocabulary import INSTRUMENTS, MOODS, PARTS

_RHYMES = (
    ("in the quiet of the night", "running after the light", "till the morning is bright", "and it feels so right"),
    ("at the end of the day", "we will find our own way", "tell me that you will stay", "and the clouds blow away"),
    ("in the pouring rain", "on a midnight train", "and I call your name", "till we meet again"),
    ("like a slow burning fire", "and the flame climbs higher", "singing over the wire", "all I ever desire"),
    ("with a beat in my heart", "at the place where we start", "never falling apart", "like a story, like art"),
    ("underneath the wide sky", "we are learning to fly", "and we never ask why", "with no time for goodbye"),
    ("by the edge of the sea", "and it carries me", "where the wind runs free", "you are all that I see"),
    ("on the long road home", "and we never walk alone", "over river and stone", "to a place of our own"),
    ("everywhere that I go", "when the lamps burn low", "and the rivers flow", "there is something I know"),
    ("hear the rush of the sound", "we were lost, we are found", "turning round and round", "feet above the ground"),
    ("like a walk through a dream", "on a silver stream", "by the window's gleam", "we are more than we seem"),
    ("and the sky turns blue", "I am coming to you", "every word of it true", "we begin something new"),
    ("in the silver and gold", "in a hand I can hold", "out of rain, out of cold", "in a story we told"),
    ("on an empty street", "to the drum of our feet", "when our two hearts beat", "and the air tastes sweet"),
)
_OPENINGS = {
    "bright": (
        "I feel the summer", "we go dancing", "come on, take me", "open windows", "all my friends are here",
        "we are laughing", "hear the music", "I keep smiling", "now the city sings", "throw your hands up",
    ),
    "dark": (
        "I still remember", "shadows follow", "I keep falling", "all my letters", "cold and silent",
        "nothing answers", "I am waiting", "there you left me", "lonely houses", "I was dreaming",
    ),
    "calm": (
        "slow and easy", "softly drifting", "lay your head down", "I am watching", "time is moving",
        "silver water", "gentle voices", "hold me closer", "breathing slowly", "evening settles",
    ),
    "strong": (
        "I hear the thunder", "we are rising", "nothing stops us", "feel the engine", "run beside me",
        "light the signal", "raise your voices", "break the silence", "we keep driving", "stand together",
    ),
}  # fmt: skip
_MOODS = {
    "dark": (
        "sad", "dark", "melancholic", "melancholy", "moody", "lonely", "gloomy", "tense", "heartbreak", "rainy", "rain",
        "winter", "midnight", "lost",
    ),
    "calm": (
        "calm", "slow", "relaxed", "sleepy", "soft", "gentle", "dreamy", "lofi", "ambient", "peaceful", "chill",
        "quiet", "lullaby", "warm", "evening",
    ),
    "strong": (
        "epic", "energetic", "fast", "powerful", "rock", "metal", "driving", "heavy", "breaks", "techno", "intense",
        "battle", "race",
    ),
}  # fmt: skip
_HOOKS = ("oh {topic}, {topic}", "give me {topic} tonight", "all I need is {topic}", "{topic}, carry me on")
_PLAIN_TOPICS = ("starlight", "morning", "the river", "the open road", "tomorrow", "the ocean")
_NO_TOPICS = frozenset((
    "and", "the", "for", "with", "without", "from", "are", "our", "your", "some", "about", "into", "over", "under",
    "song", "track", "music", "tune", "beat", "beats", "bpm", "minor", "major", "key", "tempo", "style", "vocals",
    "vocal", "voice", "female", "male", "singer", "sung", "lyrics", "instrumental", "drums", "bass", "guitar", "piano",
    "synth", "strings", "brass", "organ", "sax", "flute", "violin", "pop", "rock", "jazz", "house", "techno", "ambient",
    "lofi", "funk", "folk", "cinematic", "synthwave", "breaks", "trap", "metal", "soul", "disco", "calm", "slow",
    "fast", "sad", "happy", "dark", "bright", "energetic", "upbeat", "warm", "soft", "dreamy", "epic", "relaxed",
    "moody", "chill", "very", "this", "that", "make", "please", "short", "long", "intro", "chorus", "verse",
))  # fmt: skip
_GENRES = frozenset(word for style in STYLES.values() for word in style.words)
_NAMES_OF_MUSIC = _GENRES | INSTRUMENTS.keys() | PARTS.keys() | MOODS.keys()
_CLAUSES = frozenset(("we", "I", "you", "there", "tell", "hear", "all", "every", "never", "feet"))
_VERSES = 3


def write_lyrics(plan: SongPlan) -> str:
    """Three verses, a chorus and a bridge, as somebody would write them down."""
    dice = plan.draw("words")
    listed = _OPENINGS[_mood(plan.prompt)]
    openings = cycle([listed[int(index)] for index in dice.permutation(len(listed))])
    families = cycle([int(index) for index in dice.permutation(len(_RHYMES))])
    topic = _topic(plan.prompt, dice)
    chorus = _chorus(topic, next(families), openings, dice)
    verses = [
        f"{_pair(next(families), openings, dice)}\n{_pair(next(families), openings, dice)}" for _ in range(_VERSES)
    ]
    headed = [f"[Verse {number}]\n{verse}" for number, verse in enumerate(verses, 1)]
    return "\n\n".join(
        [headed[0], f"[Chorus]\n{chorus}", *headed[1:], f"[Bridge]\n{_pair(next(families), openings, dice)}"]
    )


def _mood(prompt: str) -> str:
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    votes = {mood: len(words & set(listed)) for mood, listed in _MOODS.items()}
    best = max(votes, key=lambda mood: votes[mood])
    return best if votes[best] else "bright"


def _topic(prompt: str, dice: np.random.Generator) -> str:
    words = [word for word in re.findall(r"[^\W\d_]{3,12}", prompt.lower()) if word not in _NO_TOPICS | _NAMES_OF_MUSIC]
    listed: list[str] = list(dict.fromkeys(words)) or list(_PLAIN_TOPICS)
    return listed[int(dice.integers(len(listed)))]


def _chorus(topic: str, family: int, openings: Iterator[str], dice: np.random.Generator) -> str:
    hook = _HOOKS[int(dice.integers(len(_HOOKS)))].format(topic=topic)
    ends = [_RHYMES[family][int(index)] for index in dice.permutation(len(_RHYMES[family]))]
    return "\n".join(_line(opening, end) for opening, end in zip(_hooked(hook, openings), ends, strict=False))


def _hooked(hook: str, openings: Iterator[str]) -> Iterator[str]:
    while True:
        yield f"{hook},"
        yield next(openings)


def _pair(family: int, openings: Iterator[str], dice: np.random.Generator) -> str:
    """Two lines that rhyme."""
    ends = [_RHYMES[family][int(index)] for index in dice.permutation(len(_RHYMES[family]))[:2]]
    return "\n".join(_line(next(openings), end) for end in ends)


def _line(opening: str, end: str) -> str:
    is_clause = end.split(" ", 1)[0] in _CLAUSES and not opening.endswith(",")
    line = f"{opening}{',' if is_clause else ''} {end}"
    return line[:1].upper() + line[1:]
