"""Pictures of drawings that people saved, in every crop; they know no bounds, so a child with limits draws them."""

from importlib.resources import as_file, files
from pathlib import Path
from xml.etree import ElementTree as ET

import resvg_py

from jobs.engines.covers import CROPS, FONT
from jobs.engines.run import Report

SVG_NAMESPACE = "http://www.w3.org/2000/svg"


def draw_pictures(svg: Path, background: str, folder: Path, report: Report) -> dict[str, Path]:
    """A PNG for each crop of a drawing that was rebuilt before: as large as fills it, on this colour."""
    drawing = svg.read_text()
    made = {}
    for done, (name, (width, height)) in enumerate(CROPS.items()):
        report(done / len(CROPS), "drawing")
        made[name] = folder / f"saved-{name.lower()}.png"
        made[name].write_bytes(_rasterise(frame_drawing(drawing, width, height), background))
    return made


def frame_drawing(svg: str, width: int, height: int) -> str:
    """The drawing at this size: its middle, as large as leaves no edge empty."""
    ET.register_namespace("", SVG_NAMESPACE)
    root = ET.fromstring(svg)  # noqa: S314 -- without a document type: it was rebuilt
    if "viewBox" not in root.attrib:
        sides = (root.attrib[side].removesuffix("px") for side in ("width", "height"))
        root.set("viewBox", f"0 0 {' '.join(sides)}")
    for name in ("x", "y"):
        root.attrib.pop(name, None)
    root.set("width", str(width))
    root.set("height", str(height))
    root.set("preserveAspectRatio", "xMidYMid slice")
    return ET.tostring(root, encoding="unicode")


def _rasterise(svg: str, background: str) -> bytes:
    with as_file(files("jobs.engines.covers").joinpath(FONT)) as font:
        picture: bytes = resvg_py.svg_to_bytes(
            svg_string=svg,
            background=background,
            skip_system_fonts=True,
            font_files=[str(font)],
            font_family="Geologica",
            serif_family="Geologica",
            sans_serif_family="Geologica",
            cursive_family="Geologica",
            fantasy_family="Geologica",
            monospace_family="Geologica",
        )
        return bytes(picture)
