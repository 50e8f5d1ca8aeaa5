"""Who sings: the spoken voice where the extra `sing` is installed, else the built one; both give syllables."""

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.engines.music.singing import formants, speech
from jobs.engines.music.singing.languages import language_of, language_of_word
from jobs.engines.music.singing.score import SUNG, VOCAL_LIKE
from jobs.engines.music.singing.sounds import Syllable

_HIGH_TRACT, _LOW_TRACT = 1.08, 0.94
_HIGH_VARIANT, _LOW_VARIANT = "+f2", ""
NOT_INSTALLED = (
    "This voice only resembles words, as espeak-ng is not installed;"
    " the extra `sing` brings it (pip install espeakng-loader)"
)
DID_NOT_SPEAK = "This voice only resembles words, as espeak-ng failed; the worker's log says how"
_LETTER_NAMES = {"a": "uh"}  # alone it would be called by its name


@dataclass(frozen=True)
class Voice:
    """A voice with the words that it has learnt."""

    kind: str
    notes: tuple[str, ...]
    tract: float
    known: dict[str, tuple[Syllable, ...]]

    def pronounce(self, word: str) -> tuple[Syllable, ...]:
        """The syllables of a word; at least one."""
        key = word.lower()
        return self.known.get(key) or formants.pronounce(key, self.tract)


def open_voice(words: Iterable[str], text: str, *, is_high: bool) -> Voice:
    """The best voice that there is, and what must be said about it."""
    tract = _HIGH_TRACT if is_high else _LOW_TRACT
    library = speech.find_library()
    if library is None:
        return Voice(VOCAL_LIKE, (NOT_INSTALLED,), tract, {})
    latin, variant = language_of(text), _HIGH_VARIANT if is_high else _LOW_VARIANT
    asked: dict[str, list[str]] = {}
    for word in dict.fromkeys(word.lower() for word in words):
        asked.setdefault(language_of_word(word, latin) + variant, []).append(word)
    spoken = {voice: [_LETTER_NAMES.get(word, word) for word in listed] for voice, listed in asked.items()}
    try:
        heard = speech.pronounce(library, spoken)
    except speech.SpeechFailed:
        return Voice(VOCAL_LIKE, (DID_NOT_SPEAK,), tract, {})
    known = {
        word: heard[voice, said]
        for voice, listed in asked.items()
        for word, said in zip(listed, spoken[voice], strict=True)
    }
    return Voice(SUNG, (), tract, known)
