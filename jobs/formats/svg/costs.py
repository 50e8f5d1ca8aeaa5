"""What a drawing costs whoever draws it, with every repeat counted, before anybody draws it."""

from typing import NamedTuple

from jobs.formats.svg.grammar import GRADIENTS, LAYERS, PASSED_ON, PRIMITIVES, UNDRAWN
from jobs.formats.svg.reading import Element
from jobs.formats.svg.refusal import Reason, SvgRefused
from jobs.formats.svg.values import Link

MAX_DRAWN = 20_000  # elements, each further 64 characters of outline or text, and each 4096 pixels of a picture
MAX_LAYERS = 500  # opacities, clips, masks, blends and filters
MAX_FILTER_STEPS = 24
MAX_NESTING = 64  # of elements in each other when what they refer to stands in their place
TURBULENCE_STEPS = 4  # measured: 0.8 s at 1024², a blur 0.2 s
CHARACTERS_OF_AN_ELEMENT = 64
PIXELS_OF_AN_ELEMENT = 4096
CORNERS_OF_AN_ELEMENT = 16  # each has its marker


class Cost(NamedTuple):
    """Of one element and all that is drawn for it."""

    drawn: int = 0
    layers: int = 0
    filter_steps: int = 0
    nesting: int = 0

    def plus(self, other: "Cost", times: int = 1) -> "Cost":
        """With so many of another cost below it."""
        return Cost(
            self.drawn + other.drawn * times,
            self.layers + other.layers * times,
            self.filter_steps + other.filter_steps * times,
            max(self.nesting, other.nesting + 1),
        )


def check_costs(root: Element, named: dict[str, Element]) -> None:
    """Refuse a drawing that grows out of bounds; also one whose costly parts nothing refers to yet."""
    bill = _Bill(named)
    for element in (root, *named.values()):
        bill.cost(element, 0)


class _Bill:
    """Adds up each element once, however often it is drawn."""

    def __init__(self, named: dict[str, Element]) -> None:
        self._named = named
        self._known: dict[Element, Cost] = {}
        self._under_way: set[Element] = set()

    def cost(self, element: Element, depth: int) -> Cost:
        """The cost of drawing this element where it is referred to."""
        if element in self._known:
            return self._known[element]
        if element in self._under_way:
            raise SvgRefused(Reason.REFERENCE_LOOP, "Elements refer to each other in a circle")
        if depth > MAX_NESTING:
            raise _too_deep()
        self._under_way.add(element)
        cost = self._known[element] = self._add_up(element, depth)
        self._under_way.remove(element)
        _check(cost)
        return cost

    def _add_up(self, element: Element, depth: int) -> Cost:
        cost = _measure(element)
        for child in element.children:
            if isinstance(child, Element):
                inside = self.cost(child, depth + 1)
                cost = cost.plus(inside, 0 if child.tag in UNDRAWN else 1)
        for name, value in sorted(element.attributes.items(), key=_is_passed_on):
            if isinstance(value, Link) and value.target in self._named:
                target = self._named[value.target]
                inside = self.cost(target, depth + 1)
                cost = cost.plus(inside, _count_repeats(name, target, cost.drawn))
                _check(cost)
        return cost


def _is_passed_on(attribute: tuple[str, object]) -> bool:
    """What is handed down to all that stands inside comes last, when that is known."""
    return attribute[0] in PASSED_ON


def _measure(element: Element) -> Cost:
    """What the element costs by itself."""
    outline = element.attributes.get("d") or element.attributes.get("points") or ""
    characters = len(outline) + sum(len(child) for child in element.children if isinstance(child, str))
    layers = sum(name in LAYERS for name in (*element.attributes, *element.style))
    steps = TURBULENCE_STEPS if element.tag == "feTurbulence" else int(element.tag in PRIMITIVES)
    drawn = 1 + characters // CHARACTERS_OF_AN_ELEMENT + element.pixels // PIXELS_OF_AN_ELEMENT
    return Cost(drawn, layers, steps)


def _count_repeats(name: str, target: Element, drawn: int) -> int:
    """How often this reference draws its target."""
    if target.tag in GRADIENTS:
        return 0
    if name not in PASSED_ON:
        return 1
    return drawn * CORNERS_OF_AN_ELEMENT if name.startswith("marker") else drawn


def _check(cost: Cost) -> None:
    if cost.nesting > MAX_NESTING:
        raise _too_deep()
    if cost.drawn > MAX_DRAWN:
        raise SvgRefused(Reason.TOO_MUCH_DRAWING, f"With its repeats an SVG draws at most {MAX_DRAWN} elements")
    if cost.layers > MAX_LAYERS or cost.filter_steps > MAX_FILTER_STEPS:
        message = f"With its repeats an SVG has at most {MAX_LAYERS} layers and {MAX_FILTER_STEPS} filter steps"
        raise SvgRefused(Reason.TOO_MANY_EFFECTS, message)


def _too_deep() -> SvgRefused:
    return SvgRefused(Reason.TOO_DEEP, f"With its references an SVG is at most {MAX_NESTING} deep")
