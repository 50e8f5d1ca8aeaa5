"""One way to write what can be written in many: small letters without marks, disguises and what nobody sees."""

import unicodedata

# Letters of other scripts that look like Latin ones; NFKD takes care of wide, bold and circled ones.
LOOKALIKES = {
    "a": "\u0430\u03b1\u0251",
    "b": "\u0432\u03b2\u0185",
    "c": "\u0441\u03f2\u217d",
    "d": "\u0501\u0111",
    "e": "\u0435\u0454\u03b5",
    "g": "\u0261\u050d",
    "h": "\u04bb\u043d\u210e",
    "i": "\u0456\u03b9\u0131\u04cf",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba",
    "l": "\u0142\u217c",
    "m": "\u043c\u217f",
    "n": "\u0578\u03b7",
    "o": "\u043e\u03bf\u00f8\u0585",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "s": "\u0455\ua731",
    "t": "\u0442\u03c4",
    "u": "\u03c5\u057d\u028b",
    "v": "\u03bd\u0475",
    "w": "\u051d\u03c9\u0561",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3\u04af",
    "z": "\u1d22",
}
LATIN = {like: letter for letter, alike in LOOKALIKES.items() for like in alike}
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mn", "Me"})


class _Folding(dict[int, str]):
    """Folds each character once; there are only so many."""

    def __missing__(self, point: int) -> str:
        folded = self[point] = _fold(chr(point))
        return folded


def _fold(character: str) -> str:
    if character.isspace():
        return " "
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(LATIN.get(one, one) for one in plain if unicodedata.category(one) not in UNSEEN)


_FOLDED = _Folding()


def fold(text: str) -> str:
    """The text as the rules read it."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


def unfold(text: str, start: int, end: int) -> tuple[int, int]:
    """Where in the text stands what is from `start` to `end` once it is folded."""
    if text.isascii():
        return start, end
    at, first, last = 0, len(text), 0
    for index, character in enumerate(text):
        length = len(_FOLDED[ord(character)])
        if length and at < end and at + length > start:
            first, last = min(first, index), index + 1
        at += length
    return first, last
