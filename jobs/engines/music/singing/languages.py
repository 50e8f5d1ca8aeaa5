"""Which language words are in: by their script, and for the Latin one by the small words that every text has."""

import re
import unicodedata
from collections import Counter

ENGLISH = "en-us"
_SCRIPTS = {
    "CYRILLIC": "ru", "GREEK": "el", "ARABIC": "ar", "HEBREW": "he", "HIRAGANA": "ja", "KATAKANA": "ja",
    "HANGUL": "ko", "CJK": "cmn", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "THAI": "th",
    "GEORGIAN": "ka", "ARMENIAN": "hy",
}  # fmt: skip
_SMALL_WORDS = {
    "de": "der die das und ich nicht ist du wir mit ein eine auf zu mein dein im den",
    "fr": "le les et je est pas dans une que tu nous des mon ton pour sur qui au",
    "es": "el los y yo que en una por mi con las del como tu para está amor",
    "it": "il che di non per una sono mi della con gli nel come più ti sei",
    "pt": "o os que não uma com meu você por mais da em um são eu",
    "nl": "het een van ik niet en de je dat met mijn zijn voor",
    "sv": "och jag det att är inte en du som med på min",
    "pl": "nie się na jest to w i z że ja ty jak",
    "tr": "bir ve bu ben sen için ne gibi çok da",
}
_MARKS = {"ñ": "es", "¿": "es", "ß": "de", "ã": "pt", "õ": "pt", "ł": "pl", "ę": "pl", "ş": "tr", "ğ": "tr"}
_ENOUGH = 2


def language_of(text: str) -> str:
    """The language of the Latin words of a text."""
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    votes = {name: sum(words[each] for each in small.split()) for name, small in _SMALL_WORDS.items()}
    for mark, name in _MARKS.items():
        votes[name] += _ENOUGH * (mark in text.lower())
    english = sum(words[each] for each in ("the", "and", "you", "i", "my", "of", "to", "in", "me", "a", "it", "we"))
    best = max(votes, key=lambda name: votes[name])
    return best if votes[best] >= max(_ENOUGH, english + 1) else ENGLISH


def language_of_word(word: str, latin: str) -> str:
    """The language of one word, where the Latin script means this one."""
    for character in word:
        if character.isalpha():
            script = unicodedata.name(character, "").split(" ")[0].split("-")[0]
            return _SCRIPTS.get(script, latin)
    return latin
