"""From bytes to a tree of allowed elements: one pass of a parser that knows no document type, no entity and no file."""

from dataclasses import dataclass, field
from xml.parsers.expat import ExpatError, ParserCreate

from jobs.formats.svg.grammar import ELEMENTS, PROPERTIES, STYLE_ONLY, SVG_NAMESPACE, TEXT, UNWRAPPED, WITH_CHARACTERS
from jobs.formats.svg.pictures import read_picture
from jobs.formats.svg.refusal import Reason, SvgRefused
from jobs.formats.svg.values import MAX_CHARACTERS, Value

MAX_ELEMENTS = 5_000
MAX_DEPTH = 64
MAX_PIXELS = 16_800_000  # of all embedded pictures together; a reader of the drawing holds them at once
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
XLINK_NAMESPACE = "http://www.w3.org/1999/xlink"

_KNOWN_NAMES = {f"{XML_NAMESPACE} space": "xml:space", f"{XLINK_NAMESPACE} href": "href"}


@dataclass(slots=True, eq=False)
class Element:
    """One element that stays, with what stays of it; `name` is the id it came with."""

    tag: str
    attributes: dict[str, Value] = field(default_factory=dict)
    style: dict[str, Value] = field(default_factory=dict)
    name: str | None = None
    pixels: int = 0
    children: list["Element | str"] = field(default_factory=list)


def read_document(svg: bytes) -> Element:
    """The root of the drawing."""
    try:
        svg.decode("utf-8")
    except UnicodeDecodeError:
        raise SvgRefused(Reason.NOT_UTF8, "An SVG is saved as plain UTF-8") from None
    if b"\0" in svg:
        raise SvgRefused(Reason.NOT_UTF8, "An SVG is saved as plain UTF-8")
    reader = _Reader()
    parser = ParserCreate(encoding="utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.XmlDeclHandler = reader.declare
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.add_text
    try:
        parser.Parse(svg, True)
    except ExpatError as error:
        message = f"This is not well-formed XML: line {error.lineno}, column {error.offset}"
        raise SvgRefused(Reason.NOT_WELL_FORMED, message) from None
    return reader.root


class _Reader:
    """Hears the parser and keeps what is allowed."""

    def __init__(self) -> None:
        self.root = Element("svg")
        self._open: list[Element] = []
        self._skipped_depth = 0
        self._elements = 0
        self._pixels = 0

    def declare(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002 -- expat's signature
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
            raise SvgRefused(Reason.NOT_UTF8, "An SVG is saved as plain UTF-8")

    def refuse_doctype(self, *_: object) -> None:
        raise SvgRefused(Reason.DOCTYPE, "An SVG is saved without a document type")

    def start(self, full_name: str, given: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise SvgRefused(Reason.TOO_MANY_ELEMENTS, f"An SVG has at most {MAX_ELEMENTS} elements")
        if len(self._open) + self._skipped_depth >= MAX_DEPTH:
            raise SvgRefused(Reason.TOO_DEEP, f"Elements stand at most {MAX_DEPTH} deep in each other")
        element = None if self._skipped_depth else self._make_element(full_name, given)
        if element is None:
            self._skipped_depth += 1
            return
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _: str) -> None:
        if self._skipped_depth:
            self._skipped_depth -= 1
        else:
            self._open.pop()

    def add_text(self, text: str) -> None:
        if not self._skipped_depth and self._open[-1].tag in WITH_CHARACTERS:
            self._open[-1].children.append(text.replace("\r", " "))

    def _make_element(self, full_name: str, given: dict[str, str]) -> Element | None:
        namespace, _, tag = full_name.rpartition(" ")
        if not self._open and (namespace, tag) != (SVG_NAMESPACE, "svg"):
            raise SvgRefused(Reason.NOT_SVG, f'An SVG begins with <svg xmlns="{SVG_NAMESPACE}">')
        if tag == UNWRAPPED:
            tag = "tspan" if self._open[-1].tag in TEXT else "g"
        if namespace != SVG_NAMESPACE or tag not in ELEMENTS:
            return None
        element = Element(tag)
        _keep_attributes(element, given)
        if tag == "image" and not self._keep_picture(element, given):
            return None
        return element

    def _keep_picture(self, element: Element, given: dict[str, str]) -> bool:
        """Whether an image has a picture of its own."""
        picture = read_picture(given.get("href") or given.get(f"{XLINK_NAMESPACE} href") or "")
        if picture is None:
            return False
        self._pixels += picture.pixels
        if self._pixels > MAX_PIXELS:
            raise SvgRefused(Reason.TOO_MANY_PIXELS, f"The pictures in an SVG have at most {MAX_PIXELS} pixels in all")
        element.attributes["href"] = picture.link
        element.pixels = picture.pixels
        return True


def _keep_attributes(element: Element, given: dict[str, str]) -> None:
    kinds = ELEMENTS[element.tag]
    for full_name, text in given.items():
        name = _KNOWN_NAMES.get(full_name, full_name)
        kind = kinds.get(name)
        if kind is not None and name not in STYLE_ONLY and (name == full_name or name not in given):
            value = kind(text)
            if value is not None:
                element.attributes[name] = value
        elif name == "id":
            element.name = text
    style = given.get("style", "")
    if len(style) <= MAX_CHARACTERS:
        _keep_style(element, style)


def _keep_style(element: Element, text: str) -> None:
    """The known declarations become attributes, over which they have the last word."""
    kinds = ELEMENTS[element.tag]
    for declaration in _drop_comments(text).split(";"):
        name, _, words = declaration.partition(":")
        name = name.strip().lower()
        kind = kinds.get(name) if name in PROPERTIES else None
        value = kind(words.partition("!")[0]) if kind else None
        if value is not None:
            target = element.style if name in STYLE_ONLY else element.attributes
            target[name] = value


def _drop_comments(text: str) -> str:
    first, *rest = text.split("/*")
    return first + "".join(part.partition("*/")[2] for part in rest)
