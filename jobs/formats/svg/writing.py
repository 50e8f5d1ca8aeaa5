"""From a tree of allowed elements back to bytes, always in the same form."""

from jobs.formats.svg.grammar import PASSED_ON, SVG_NAMESPACE
from jobs.formats.svg.reading import Element
from jobs.formats.svg.values import Link, Value

_TEXT_MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_VALUE_MARKS = _TEXT_MARKS | str.maketrans({'"': "&quot;"})


def write_document(root: Element, elements: list[Element], named: dict[str, Element]) -> bytes:
    """The drawing with its ids counted anew; only those that something refers to are kept."""
    wanted = {value.target for element in elements for value in element.attributes.values() if isinstance(value, Link)}
    ids = {name: f"p{number}" for number, name in enumerate(name for name in named if name in wanted)}
    writer = _Writer(ids, {named[name]: ids[name] for name in ids})
    writer.write(root, f' xmlns="{SVG_NAMESPACE}"')
    return f"{''.join(writer.pieces)}\n".encode()


class _Writer:
    """Collects the text of the drawing."""

    def __init__(self, ids: dict[str, str], own_ids: dict[Element, str]) -> None:
        self._ids, self._own_ids = ids, own_ids
        self.pieces: list[str] = []

    def write(self, element: Element, namespace: str = "") -> None:
        own_id = f' id="{self._own_ids[element]}"' if element in self._own_ids else ""
        self.pieces.append(f"<{element.tag}{namespace}{own_id}")
        for name, value in element.attributes.items():
            text = self._resolve(name, value) if isinstance(value, Link) else value
            if text is not None:
                self.pieces.append(f' {name}="{text.translate(_VALUE_MARKS)}"')
        if element.style:
            self.pieces.append(f' style="{_join_style(element.style)}"')
        self._write_inside(element)

    def _write_inside(self, element: Element) -> None:
        if not element.children:
            self.pieces.append("/>")
            return
        self.pieces.append(">")
        for child in element.children:
            if isinstance(child, Element):
                self.write(child)
            else:
                self.pieces.append(child.translate(_TEXT_MARKS))
        self.pieces.append(f"</{element.tag}>")

    def _resolve(self, name: str, link: Link) -> str | None:
        """The reference by its new id; a paint that leads nowhere paints nothing."""
        new_id = self._ids.get(link.target)
        if new_id is None:
            return (link.otherwise or "none") if name in PASSED_ON else None
        reference = f"url(#{new_id})" if link.is_url else f"#{new_id}"
        return f"{reference} {link.otherwise}" if link.otherwise else reference


def _join_style(style: dict[str, Value]) -> str:
    return ";".join(f"{name}:{value}" for name, value in style.items())
