"""SVG from strangers, rebuilt from what is known to be harmless: no script, no link, nothing from elsewhere, bounded.

bytes ─ reading ─► elements, attributes and values of the grammar ─ costs ─► bounded ─ writing ─► bytes
Nothing of the original text is copied through: what is not understood is not written.
"""

import re

from jobs.formats.svg.costs import check_costs
from jobs.formats.svg.reading import Element, read_document
from jobs.formats.svg.refusal import Reason, SvgRefused
from jobs.formats.svg.values import MAX_SIDE
from jobs.formats.svg.writing import write_document

__all__ = ["MAX_SVG_BYTES", "Reason", "SvgRefused", "sanitise"]

MAX_SVG_BYTES = 1 << 20

_SIDE = re.compile(r"(\d+(?:\.\d*)?)(?:px)?", re.ASCII)


def sanitise(svg: bytes) -> bytes:
    """The drawing without anything that acts, links or fetches; its own output comes out as it went in.

    Raises SvgRefused when there is no drawing, or one that is too much.
    """
    _check_bytes(svg)
    root = read_document(svg)
    _settle_dimensions(root)
    elements = _list_elements(root)
    named: dict[str, Element] = {}
    for element in elements:
        if element.name:
            named.setdefault(element.name, element)
    check_costs(root, named)
    rebuilt = write_document(root, elements, named)
    _check_bytes(rebuilt)
    return rebuilt


def _check_bytes(svg: bytes) -> None:
    if len(svg) > MAX_SVG_BYTES:
        raise SvgRefused(Reason.TOO_LARGE, f"An SVG has at most {MAX_SVG_BYTES} bytes")


def _settle_dimensions(root: Element) -> None:
    """Leave a size in pixels or none, and never neither a size nor a shape."""
    for name in ("width", "height"):
        found = _SIDE.fullmatch(str(root.attributes.get(name, "")))
        if not found or not 0 < float(found[1]) <= MAX_SIDE:
            root.attributes.pop(name, None)
    if "viewBox" not in root.attributes and not {"width", "height"} <= root.attributes.keys():
        raise SvgRefused(Reason.NO_DIMENSIONS, f"An SVG has a viewBox, or a width and a height, up to {MAX_SIDE:.0f}")


def _list_elements(root: Element) -> list[Element]:
    """All elements in the order of the document, which is the order of their new ids."""
    found = [root]
    for child in root.children:
        if isinstance(child, Element):
            found += _list_elements(child)
    return found
