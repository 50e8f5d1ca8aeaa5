"""Text that becomes HTML: whatever is not markup already is escaped, and what people typed is cleaned first."""

import re
import unicodedata
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

import orjson

VOID = frozenset({"img", "link", "meta"})
_JOINERS = "\u200c\u200d"  # Persian and emoji need them, and they reorder nothing
_UNSAFE_IN_SCRIPT = re.compile("[<>&\u2028\u2029]")


class Markup(str):
    """HTML that we wrote ourselves."""

    __slots__ = ()


@cache
def read_text(name: str) -> str:
    """A file that lies beside this code."""
    return (files("server.pages") / name).read_text(encoding="utf-8")


def fill(name: str, /, **values: object) -> Markup:
    """A template with these values, each escaped unless it is `Markup`."""
    written = {key: value if isinstance(value, Markup) else escape(str(value)) for key, value in values.items()}
    return Markup(Template(read_text(name)).substitute(written))


def element(tag: str, /, *content: str, **attributes: object) -> Markup:
    """An HTML element; a hyphen in an attribute's name is written as an underscore."""
    written = "".join(f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items())
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(*content)}</{tag}>")


def join(*parts: str) -> Markup:
    """These parts in a row, each escaped unless it is `Markup`."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def clean_text(text: str) -> str:
    """One line without control characters and without those that turn the direction of the text around them."""
    line = re.sub(r"\s+", " ", text)
    kept = "".join(c for c in line if c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return unicodedata.normalize("NFC", kept).strip()


def shorten(text: str, length: int) -> str:
    """The first words of a text, at most `length` characters of it."""
    if len(text) <= length:
        return text
    words = text[: length - 1].rpartition(" ")[0]
    return (words if len(words) > length // 2 else text[: length - 1]).rstrip(" ,.;:-") + "…"


def write_clock(seconds: float) -> str:
    """Minutes and seconds, as on a player."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def write_json(value: object) -> Markup:
    """JSON that can end no script and open no tag."""
    text = orjson.dumps(value).decode()
    return Markup(_UNSAFE_IN_SCRIPT.sub(lambda match: f"\\u{ord(match[0]):04x}", text))
