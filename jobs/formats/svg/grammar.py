"""The elements, attributes and properties that a saved drawing is made of; what is not listed does not exist."""

from jobs.formats.svg import values
from jobs.formats.svg.values import Kind

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
UNWRAPPED = "a"  # a link loses its target and stays a group
TEXT = frozenset(("text", "tspan", "textPath"))
WITH_CHARACTERS = TEXT | {"title", "desc"}

# Drawn only where something refers to them. There is no `pattern`: resvg 0.5 makes a picture of a tile as large as the
# transforms around it say, and aborts when it cannot.
UNDRAWN = frozenset(("defs", "symbol", "marker", "clipPath", "mask", "filter", "linearGradient", "radialGradient"))
GRADIENTS = frozenset(("linearGradient", "radialGradient"))
PASSED_ON = frozenset(("fill", "stroke", "marker-start", "marker-mid", "marker-end"))  # to all that stands inside
LAYERS = frozenset(("opacity", "mask", "clip-path", "filter", "mix-blend-mode", "isolation"))
STYLE_ONLY = frozenset(("mix-blend-mode", "isolation"))  # CSS knows no attribute for them


def _table(kind: Kind, names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


# These cannot lead out of the drawing's own box, so the drawing as a whole may have them, too.
_INHERITED: dict[str, Kind] = (
    _table(values.paint, "fill stroke")
    | _table(values.colour, "color")
    | _table(values.share, "fill-opacity stroke-opacity stroke-miterlimit")
    | _table(values.length, "stroke-width stroke-dashoffset")
    | _table(values.dashes, "stroke-dasharray")
    | _table(values.length_or_words, "font-size letter-spacing word-spacing")
    | _table(values.families, "font-family")
    | _table(
        values.words,
        "fill-rule clip-rule stroke-linecap stroke-linejoin paint-order visibility color-interpolation "
        "color-interpolation-filters shape-rendering text-rendering image-rendering "
        "font-style font-weight font-stretch font-variant text-anchor direction writing-mode",
    )
)
PROPERTIES: dict[str, Kind] = (
    _INHERITED
    | _table(values.colour, "stop-color flood-color")
    | _table(values.share, "opacity stop-opacity flood-opacity")
    | _table(values.link, "clip-path mask filter marker-start marker-mid marker-end")
    | _table(values.length_or_words, "baseline-shift")
    | _table(
        values.words,
        "display dominant-baseline alignment-baseline text-decoration vector-effect mask-type mix-blend-mode isolation",
    )
)

_BOX = _table(values.length, "x y width height")
_REGION = _table(values.region, "x y width height")
_FRAME = _table(values.frame, "viewBox") | _table(values.words, "preserveAspectRatio")
_HREF = _table(values.target, "href")
_PLACED_TEXT = _table(values.lengths, "x y dx dy") | _table(values.numbers, "rotate")
_PLACED_TEXT |= _table(values.length, "textLength") | _table(values.words, "lengthAdjust")
_GRADIENT = _HREF | _table(values.words, "gradientUnits spreadMethod") | _table(values.transforms, "gradientTransform")
_TRANSFER = _table(values.words, "type") | _table(values.numbers, "tableValues slope intercept amplitude exponent")
_TRANSFER |= _table(values.number, "offset")

_SHAPES: dict[str, dict[str, Kind]] = {
    "g": {},
    "defs": {},
    "switch": {},
    "use": _BOX | _HREF,
    "image": _BOX | _table(values.words, "preserveAspectRatio"),  # its picture is read apart
    "path": _table(values.outline, "d") | _table(values.number, "pathLength"),
    "polygon": _table(values.outline, "points"),
    "polyline": _table(values.outline, "points"),
    "rect": _BOX | _table(values.length, "rx ry"),
    "circle": _table(values.length, "cx cy r"),
    "ellipse": _table(values.length, "cx cy rx ry"),
    "line": _table(values.length, "x1 y1 x2 y2"),
    "text": _PLACED_TEXT,
    "tspan": _PLACED_TEXT,
    "textPath": _HREF | _table(values.length, "startOffset textLength") | _table(values.words, "method spacing side"),
    "linearGradient": _GRADIENT | _table(values.length, "x1 y1 x2 y2"),
    "radialGradient": _GRADIENT | _table(values.length, "cx cy r fx fy fr"),
    "stop": _table(values.share, "offset"),
    "clipPath": _table(values.words, "clipPathUnits"),
    "mask": _REGION | _table(values.words, "maskUnits maskContentUnits"),
    "symbol": _BOX | _FRAME | _table(values.words, "overflow") | _table(values.length_or_words, "refX refY"),
    "marker": _FRAME
    | _table(values.length, "markerWidth markerHeight")
    | _table(values.length_or_words, "refX refY")
    | _table(values.words, "markerUnits overflow")
    | _table(values.share_or_words, "orient"),
    "filter": _REGION | _table(values.words, "filterUnits primitiveUnits"),
}
_PRIMITIVES: dict[str, dict[str, Kind]] = {
    "feBlend": _table(values.words, "mode"),
    "feColorMatrix": _table(values.words, "type") | _table(values.numbers, "values"),
    "feComponentTransfer": {},
    "feComposite": _table(values.words, "operator") | _table(values.number, "k1 k2 k3 k4"),
    "feDisplacementMap": _table(values.number, "scale") | _table(values.words, "xChannelSelector yChannelSelector"),
    "feDropShadow": _table(values.number, "dx dy") | {"stdDeviation": values.at_most(values.MAX_DEVIATION)},
    "feFlood": {},
    "feGaussianBlur": {"stdDeviation": values.at_most(values.MAX_DEVIATION), "edgeMode": values.words},
    "feMerge": {},
    "feMergeNode": {},
    "feOffset": _table(values.number, "dx dy"),
    "feTurbulence": _table(values.words, "type stitchTiles")
    | _table(values.number, "seed")
    | {"numOctaves": values.at_most(values.MAX_OCTAVES), "baseFrequency": values.at_most(values.MAX_FREQUENCY)},
}
PRIMITIVES = frozenset(_PRIMITIVES)
_TOLD: dict[str, dict[str, Kind]] = {"title": {}, "desc": {}}
_TOLD |= dict.fromkeys(("feFuncR", "feFuncG", "feFuncB", "feFuncA"), _TRANSFER)

_ANYWHERE: dict[str, Kind] = {"xml:space": values.space}
ELEMENTS: dict[str, dict[str, Kind]] = (
    {"svg": _ANYWHERE | _INHERITED | _BOX | _FRAME}
    | {tag: _ANYWHERE | PROPERTIES | _table(values.transforms, "transform") | own for tag, own in _SHAPES.items()}
    | {tag: PROPERTIES | _REGION | _table(values.name, "in in2 result") | own for tag, own in _PRIMITIVES.items()}
    | _TOLD
)
