"""What a value may look like: each kind takes the text of an attribute and gives back a text of its own, or None."""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_CHARACTERS = 4096  # of every value but outlines and pictures
MAX_DEVIATION = 250.0
MAX_REGION = 10_000.0
MAX_SIDE = 16_384.0
SHORTEST_DASHES = 0.5
MAX_OCTAVES = 5
MAX_FREQUENCY = 10.0

# At most eight digits before the point: two flags of an arc may lean on a number of six. A number that goes on is none,
# so that 123456789 is not split in two; the repeats below are possessive, and nothing is tried twice.
_NUMBER = r"[-+]?(?:\d{1,8}(?!\d)(?:\.\d{0,20}(?!\d))?|\.\d{1,20}(?!\d))(?:[eE](?:-\d{1,2}|\+?[0-3])(?!\d))?"
_UNIT = r"(?:px|em|ex|pt|pc|mm|cm|in|%)?"
_GAP = r"(?:\s*+,\s*+|\s++)"
_LENGTH = _NUMBER + _UNIT
_NAME = r"[A-Za-z][A-Za-z0-9-]{0,31}"

_IS_NUMBER = re.compile(_NUMBER, re.ASCII)
_IS_SHARE = re.compile(_NUMBER + "%?", re.ASCII)
_IS_LENGTH = re.compile(_LENGTH, re.ASCII)
_ARE_NUMBERS = re.compile(rf"{_NUMBER}(?:{_GAP}?{_NUMBER})*+", re.ASCII)
_ARE_LENGTHS = re.compile(rf"{_LENGTH}(?:{_GAP}{_LENGTH})*+", re.ASCII)
_IS_OUTLINE = re.compile(rf"(?:[MmZzLlHhVvCcSsQqTtAa]|{_NUMBER}|[\s,]++)*+", re.ASCII)
_IS_NAME = re.compile(rf"{_NAME}", re.ASCII)
_ARE_WORDS = re.compile(rf"{_NAME}(?: {_NAME}){{0,3}}|[1-9]\d{{2}}", re.ASCII)
_IS_COLOUR = re.compile(
    rf"#(?:[0-9A-Fa-f]{{3,4}}|[0-9A-Fa-f]{{6}}|[0-9A-Fa-f]{{8}})|[A-Za-z]{{3,24}}"
    rf"|(?:rgb|hsl)a?\( ?{_NUMBER}(?:%|deg)?(?: ?[ ,/] ?{_NUMBER}%?){{2,3}} ?\)",
    re.ASCII,
)
_ARE_TRANSFORMS = re.compile(
    rf"(?:(?:matrix|translate|scale|rotate|skewX|skewY)\s*+\(\s*+{_NUMBER}(?:{_GAP}?{_NUMBER}){{0,5}}\s*+\)[\s,]*+)++",
    re.ASCII,
)
_IS_URL = re.compile(r"url\( ?([\"']?)#([^\"'()\\ ]{1,256})\1 ?\)(?: (.+))?", re.IGNORECASE)
_IS_FAMILY = re.compile(r"[A-Za-z][A-Za-z0-9-]*+(?: [A-Za-z][A-Za-z0-9-]*+){0,7}", re.ASCII)
_BLANKS = str.maketrans("\t\n\r\f", "    ")


class Link(NamedTuple):
    """A reference to another element of the same drawing, by the id it had; a paint may name a second choice."""

    target: str
    is_url: bool
    otherwise: str | None = None


Value = str | Link
Kind = Callable[[str], Value | None]


def tidy(text: str) -> str:
    """The text with single blanks."""
    return " ".join(text.split()) if len(text) <= MAX_CHARACTERS else ""


def number(text: str) -> str | None:
    text = text.strip()
    return text if _IS_NUMBER.fullmatch(text) else None


def share(text: str) -> str | None:
    """A number, or a percentage."""
    text = text.strip()
    return text if _IS_SHARE.fullmatch(text) else None


def length(text: str) -> str | None:
    text = text.strip()
    return text if _IS_LENGTH.fullmatch(text) else None


def numbers(text: str) -> str | None:
    text = tidy(text)
    return text if _ARE_NUMBERS.fullmatch(text) else None


def lengths(text: str) -> str | None:
    text = tidy(text)
    return text if _ARE_LENGTHS.fullmatch(text) else None


def dashes(text: str) -> str | None:
    """Dashes and gaps that cannot be counted in millions."""
    found = lengths(text)
    if found and sum(abs(float(part)) for part in _IS_NUMBER.findall(found)) >= SHORTEST_DASHES:
        return found
    return "none" if text.strip() == "none" else None


def outline(text: str) -> str | None:
    """The data of a path, or the points of a polygon: commands and numbers in whatever order."""
    text = text.translate(_BLANKS).strip()
    return text if _IS_OUTLINE.fullmatch(text) else None


def transforms(text: str) -> str | None:
    text = tidy(text)
    return text if _ARE_TRANSFORMS.fullmatch(text) else None


def name(text: str) -> str | None:
    text = text.strip()
    return text if _IS_NAME.fullmatch(text) else None


def words(text: str) -> str | None:
    """Keywords, or the weight of a font."""
    text = tidy(text)
    return text if _ARE_WORDS.fullmatch(text) else None


def length_or_words(text: str) -> str | None:
    return length(text) or words(text)


def share_or_words(text: str) -> str | None:
    return share(text) or words(text)


def colour(text: str) -> str | None:
    text = tidy(text)
    return text if _IS_COLOUR.fullmatch(text) else None


def link(text: str) -> Value | None:
    """`none`, or `url(#id)`."""
    text = tidy(text)
    found = _IS_URL.fullmatch(text)
    return Link(found[2], is_url=True) if found else "none" if text == "none" else None


def paint(text: str) -> Value | None:
    """A colour, or `url(#id)` with a second choice."""
    text = tidy(text)
    found = _IS_URL.fullmatch(text)
    return Link(found[2], is_url=True, otherwise=colour(found[3] or "")) if found else colour(text)


def target(text: str) -> Link | None:
    """The `#id` of a `href`."""
    text = text.strip()
    return Link(text[1:], is_url=False) if text.startswith("#") and 1 < len(text) <= 257 else None


def families(text: str) -> str | None:
    """Names of fonts, of which those in quotes need none."""
    names = [tidy(part).strip("\"'") for part in text[:MAX_CHARACTERS].split(",")]
    return ", ".join(part for part in names if _IS_FAMILY.fullmatch(part)) or None


def space(text: str) -> str | None:
    return text if text in ("preserve", "default") else None


def frame(text: str) -> str | None:
    """A view box: a corner, a width and a height."""
    parts = _IS_NUMBER.findall(numbers(text) or "")
    return " ".join(parts) if len(parts) == 4 and all(0 < float(side) <= MAX_SIDE for side in parts[2:]) else None


def at_most(limit: float) -> Kind:
    """Numbers whose size an effect pays for."""

    def bounded(text: str) -> str | None:
        found = numbers(text)
        return found if found and all(abs(float(part)) <= limit for part in _IS_NUMBER.findall(found)) else None

    return bounded


def region(text: str) -> str | None:
    """One edge of the area that an effect covers."""
    found = length(text)
    matched = _IS_NUMBER.match(found) if found else None
    return found if matched and abs(float(matched[0])) <= MAX_REGION else None
