"""Why a drawing is not taken: the reasons a client may rely on."""

from enum import StrEnum


class Reason(StrEnum):
    """What is wrong with the drawing as a whole; whatever can be left out is left out instead."""

    TOO_LARGE = "TOO_LARGE"
    NOT_UTF8 = "NOT_UTF8"
    DOCTYPE = "DOCTYPE"
    NOT_WELL_FORMED = "NOT_WELL_FORMED"
    NOT_SVG = "NOT_SVG"
    NO_DIMENSIONS = "NO_DIMENSIONS"
    TOO_MANY_ELEMENTS = "TOO_MANY_ELEMENTS"
    TOO_DEEP = "TOO_DEEP"
    TOO_MUCH_DRAWING = "TOO_MUCH_DRAWING"
    TOO_MANY_EFFECTS = "TOO_MANY_EFFECTS"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    REFERENCE_LOOP = "REFERENCE_LOOP"


class SvgRefused(ValueError):
    """The drawing is not taken."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason, self.message = reason, message
        super().__init__(f"{reason}: {message}")
