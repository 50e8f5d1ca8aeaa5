"""How a word may sound, by its letters alone: enough to count its syllables, and to sing something like it."""

import re
import unicodedata
from functools import lru_cache

_MOST_LETTERS = 32
_SPOKEN = {
    "the": "ð ə", "a": "ə", "i": "aɪ", "you": "j uː", "to": "t uː", "of": "ʌ v", "my": "m aɪ", "your": "j ɔː",
    "we": "w iː", "are": "ɑː ɹ", "is": "ɪ z", "was": "w ʌ z", "one": "w ʌ n", "love": "l ʌ v", "come": "k ʌ m",
    "some": "s ʌ m", "eyes": "aɪ z", "who": "h uː", "do": "d uː", "said": "s ɛ d", "there": "ð ɛ ɹ", "they": "ð eɪ",
    "give": "ɡ ɪ v", "live": "l ɪ v", "have": "h æ v", "gone": "ɡ ɔ n", "heart": "h ɑː ɹ t", "through": "θ ɹ uː",
    "world": "w ɜː l d", "every": "ɛ v ɹ iː", "oh": "oʊ", "hey": "h eɪ", "were": "w ɜː",
}  # fmt: skip
_GROUPS = {
    "tch": "tʃ", "igh": "aɪ", "eau": "oʊ", "dge": "dʒ", "tion": "ʃ ə n", "ough": "oʊ", "augh": "ɔː", "sh": "ʃ",
    "ch": "tʃ", "th": "θ", "ph": "f", "ck": "k", "ng": "ŋ", "wh": "w", "qu": "k w", "gh": "", "kn": "n", "wr": "ɹ",
    "ee": "iː", "ea": "iː", "oo": "uː", "ou": "aʊ", "ow": "oʊ", "ai": "eɪ", "ay": "eɪ", "oa": "oʊ", "oi": "ɔɪ",
    "oy": "ɔɪ", "au": "ɔː", "aw": "ɔː", "ie": "iː", "ei": "eɪ", "ey": "iː", "ew": "uː", "ue": "uː", "er": "ɜː",
    "ir": "ɜː", "ur": "ɜː", "ar": "ɑː ɹ", "or": "ɔː ɹ", "all": "ɔː l",
}  # fmt: skip
_LONG = {"a": "eɪ", "e": "iː", "i": "aɪ", "o": "oʊ", "u": "uː", "y": "aɪ"}
_SHORT = {"a": "æ", "e": "ɛ", "i": "ɪ", "o": "ɑ", "u": "ʌ", "y": "iː"}
_SINGLE = {
    "b": "b", "c": "k", "d": "d", "f": "f", "g": "ɡ", "h": "h", "j": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n",
    "p": "p", "q": "k", "r": "ɹ", "s": "s", "t": "t", "v": "v", "w": "w", "x": "k s", "z": "z", "ß": "s", "þ": "θ",
    "ð": "ð", "ø": "ɜː", "æ": "ɛ", "œ": "ɜː", "ı": "ɪ", "ł": "w", "đ": "d",
}  # fmt: skip
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SYLLABARIES = ("HIRAGANA", "KATAKANA", "HANGUL", "ETHIOPIC", "CHEROKEE", "YI")
_MAGIC = re.compile(r"([aeiouy])([bcdfgklmnpstvz])e(s|d)?$")
_INITIAL = re.compile("sh|ch|ts|zh|kh|th|ph|ps|[a-z]")
_GROUP = re.compile("|".join(sorted(_GROUPS, key=len, reverse=True)))


@lru_cache(maxsize=4096)
def spell(word: str) -> tuple[str, ...]:
    """The sounds of a word as IPA symbols, the vowel of its first syllable stressed."""
    plain = _romanise(word.lower())[:_MOST_LETTERS]
    sounds = _SPOKEN[plain].split() if plain in _SPOKEN else _read(plain.replace("'", ""))
    return tuple(_stress_first(_voice(sounds)))


def _read(word: str) -> list[str]:
    word = re.sub(r"([bcdfgklmnprstvz])\1", r"\1", word)
    word, at, sounds = _without_silent_end(word), 0, []
    magic = _MAGIC.search(word)
    while at < len(word):
        if group := _GROUP.match(word, at):
            sounds += _GROUPS[group[0]].split()
            at = group.end()
            continue
        letter = word[at]
        if magic and at == magic.start():
            sounds += [_LONG[letter], _SINGLE[magic[2]] if magic[2] != "c" else "s"]
            sounds += _SINGLE[magic[3]].split() if magic[3] else []
            break
        if letter in _SHORT:
            sounds += _vowel(word, at)
        elif letter in "cg" and word[at + 1 : at + 2] in ("e", "i", "y"):
            sounds.append("s" if letter == "c" else "dʒ")
        else:
            sounds += _SINGLE.get(letter, "").split()
        at += 1
    return sounds or ["l", "ɑː"]


def _vowel(word: str, at: int) -> list[str]:
    letter = word[at]
    if letter == "y" and at == 0 and len(word) > 1:
        return ["j"]
    is_last = at == len(word) - 1
    is_only = not any(other in _SHORT for index, other in enumerate(word) if index != at)
    if is_last and is_only:
        return [_LONG[letter]]
    if is_last and letter in "ao":
        return ["ə" if letter == "a" else "oʊ"]
    return [_SHORT[letter]]


def _without_silent_end(word: str) -> str:
    has_other = any(letter in _SHORT for letter in word[:-1])
    if word.endswith("e") and has_other and not _MAGIC.search(word) and not word.endswith(("ee", "ie", "ue")):
        return word[:-1]
    return word


def _voice(sounds: list[str]) -> list[str]:
    """A word of consonants alone, as some scripts write it, is given vowels."""
    if any(sound[:1] in "aeiouæɑɒɔəɛɜɪʊʌ" for sound in sounds):
        return sounds
    return [each for sound in sounds for each in (sound, "ɑ")][: 2 * len(sounds) - (len(sounds) > 1)]


def _stress_first(sounds: list[str]) -> list[str]:
    for index, sound in enumerate(sounds):
        if sound[:1] in "aeiouæɑɒɔəɛɜɪʊʌ":
            return [*sounds[:index], "ˈ" + sound, *sounds[index + 1 :]]
    return sounds


def _romanise(word: str) -> str:
    return "".join(_letter(each) for each in word)


def _letter(character: str) -> str:
    if character.isascii():
        return _DIGITS[int(character)] if character.isdigit() else character if character.isalpha() else ""
    if character in _SINGLE:
        return character
    bare = unicodedata.normalize("NFKD", character)[:1]
    if bare.isascii() and bare.isalpha():
        return bare.lower()
    name = unicodedata.name(character, "")
    if not name or unicodedata.category(character)[0] not in "LN":
        return ""
    if name.startswith("CJK"):
        return "la"
    last = re.sub("[^a-z]", "", name.split(" WITH ")[0].rsplit(" ", 1)[-1].lower())
    if name.startswith(_SYLLABARIES):
        return last[:4]
    if len(last) == 2 and last[0] == "e":
        return last[1]  # the names of half the Slavic consonants: em, en, er
    return last[:2] if len(last) == 2 and last[0] in "iy" else (_INITIAL.match(last) or [""])[0]
