"""Lyrics as people write them: sections, lines and words, with everything stripped that is not sung."""

import re
import unicodedata
from dataclasses import dataclass

MOST_LETTERS = 32  # of what is sung as one word; what is longer becomes several
MOST_WORDS = 12  # of a line
_MARKUP = re.compile(r"<[^<>\n]{0,200}>|\[\d{1,3}:\d{2}(?:[.:]\d{1,3})?\]")
_HEADING = re.compile(
    r"^[\[({*#\s]*(?P<name>(?:pre|post)?[\s-]*(?:verse|chorus|refrain|hook|bridge|intro|outro|drop|interlude|solo|"
    r"instrumental|strophe|couplet|estribillo|vers|refrão|coro|ritornello|break|build))\b[^\w\n]*"
    r"(?:\d{1,2}|[ivx]{1,4})?[^\w\n]*(?:x ?\d{1,2}|\d{1,2} ?x)?[\])}*:\s]*$",
    re.IGNORECASE,
)
_OTHER_HEADING = re.compile(r"^\s*\[[^\]\n]{0,80}\]\s*$")
_CHORUSES = ("chorus", "refrain", "hook", "drop", "estribillo", "refrão", "coro", "ritornello")
_BRIDGES = ("bridge", "interlude", "break")
_KEPT_FORMATS = "\u200c\u200d"  # join letters in Persian and in Indian scripts
_WORD = re.compile(r"\S+")
_SEPARATE = re.compile(  # scripts that write no spaces: each character is sung by itself
    "[\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f][\u3041\u3043\u3045\u3047"
    "\u3049\u3063\u3083\u3085\u3087\u3099\u309a\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30fc]*"
)


@dataclass(frozen=True)
class Word:
    """A word as it is shown, and what of it is sung."""

    text: str
    sung: str
    is_joined: bool = False  # to the word before, without a space


@dataclass(frozen=True)
class Line:
    """A line of the lyrics."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The line as it is shown."""
        return "".join(("" if word.is_joined else " ") + word.text for word in self.words).strip()


@dataclass(frozen=True)
class Stanza:
    """Lines that belong together; `kind` is verse, chorus or bridge where the text says so."""

    kind: str | None
    lines: tuple[Line, ...]


def read_lyrics(text: str) -> tuple[Stanza, ...]:
    """The stanzas of a text; none when there is nothing in it that can be sung."""
    stanzas: list[Stanza] = []
    kind: str | None = None
    lines: list[Line] = []

    def close() -> None:
        if lines:
            stanzas.append(Stanza(kind, tuple(lines)))
            lines.clear()

    for raw in _clean(text).split("\n"):
        if heading := _HEADING.match(raw):
            close()
            kind = _kind_of(heading["name"])
        elif _OTHER_HEADING.match(raw) and not raw.strip().startswith("[["):
            close()
            kind = None
        elif not raw.strip():
            close()
        elif words := _read_words(raw):
            lines += _cut(words)
    close()
    return tuple(stanzas)


def _cut(words: tuple[Word, ...]) -> list[Line]:
    """A line, or several where somebody wrote on without a break."""
    length = -(-len(words) // -(-len(words) // MOST_WORDS))
    return [Line(words[at : at + length]) for at in range(0, len(words), length)]


def _clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = _MARKUP.sub(" ", text)
    return "".join(each if _is_kept(each) else " " if each.isspace() else "" for each in text)


def _is_kept(character: str) -> bool:
    if character in "\n" + _KEPT_FORMATS:
        return True
    return not unicodedata.category(character).startswith("C") and not (character.isspace() and character != " ")


def _kind_of(name: str) -> str:
    name = name.lower()
    if name.startswith("pre"):
        return "verse"
    if any(each in name for each in _CHORUSES):
        return "chorus"
    return "bridge" if any(each in name for each in _BRIDGES) else "verse"


def _read_words(raw: str) -> tuple[Word, ...]:
    words: list[Word] = []
    for found in _WORD.finditer(raw):
        pieces = _pieces(found[0])
        if not pieces and words:  # a dash or a heart is shown with the word before it
            last = words[-1]
            words[-1] = Word(f"{last.text} {found[0]}"[: 2 * MOST_LETTERS], last.sung, last.is_joined)
        words += [Word(piece, _sung(piece), is_joined=index > 0) for index, piece in enumerate(pieces)]
    return tuple(words)


def _pieces(token: str) -> list[str]:
    """The token, cut where a script writes no spaces and where nobody has the breath."""
    parts, last = [], 0
    for found in _SEPARATE.finditer(token):
        parts += [token[last : found.start()], found[0]]
        last = found.end()
    parts.append(token[last:])
    pieces: list[str] = []
    for part in parts:
        if part and not _sung(part) and pieces:
            pieces[-1] += part[:MOST_LETTERS]
        elif part and _sung(part):
            pieces += [part[at : at + MOST_LETTERS] for at in range(0, len(part), MOST_LETTERS)]
    return [piece for piece in pieces if _sung(piece)]


def _sung(text: str) -> str:
    """Letters, digits and the apostrophes between them."""
    kept = "".join(each for each in text.replace("\u2019", "'") if each == "'" or _is_letter(each))
    return kept.strip("'" + _KEPT_FORMATS)


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in _KEPT_FORMATS
