"""Design tokens (designtokens.org, 2025.10): the house's colours and measures, or with `style` those of a style."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from jobs.engines.covers.palette import read_oklch
from jobs.styles import read_style_leanings
from server.auth import Gatekeeper
from server.errors import LibrettoError, NotFound, Refusal, Unauthenticated
from server.http import JSON
from server.pages import palette
from server.pages.answers import HOUSE_HUE, PUBLIC_SECONDS, SAFE_HEADERS, names
from storage import styles
from storage.styles import OWN_SLUG, Style

Tokens = dict[str, Any]

OPEN = {"Access-Control-Allow-Origin": "*"}  # to every origin; what is somebody's own is told to trusted ones
EXTENSION = "libretto.style"
MAX_SLUG = 40
ROLES = {
    "ground": "Behind everything",
    "panel": "Behind what is set off from the ground",
    "glow": "Light on the ground",
    "glow-too": "A second light on the ground",
    "line": "Borders; never the only sign of anything",
    "text": "Text on ground and panel",
    "muted": "Text that stands back, on ground and panel",
    "bar": "Graphics on ground and panel",
    "accent": "Links, buttons and what is chosen; readable on ground and panel",
    "on-accent": "Text on the accent",
}
SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
MONOSPACE = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace"]
SPACES_PX = {"tight": 4, "small": 8, "medium": 16, "large": 24, "huge": 56}
RADII_PX = {"small": 12, "large": 20, "round": 999}
SIZES_PX = {"small": 14, "body": 16, "lead": 19, "title": 58}


async def answer(request: Request, gatekeeper: Gatekeeper) -> Response:
    """The tokens that are asked for; those of one's own style need a token of ours."""
    slug = request.query_params.get("style")
    try:
        if slug is None:
            return _show(request, write_house_tokens())
        if slug == OWN_SLUG:
            own = write_style_tokens(await _get_own_style(request, gatekeeper))
            return _write(own, {"Cache-Control": "private, no-store"})
        return _show(request, write_style_tokens(await _get_catalogue_style(slug)))
    except Unauthenticated as refusal:
        return _refuse(401, refusal, {"WWW-Authenticate": "Bearer"})
    except Refusal as refusal:
        return _refuse(404, refusal, {} if slug == OWN_SLUG else OPEN)


def write_house_tokens() -> Tokens:
    """The look of our own pages."""
    light, dark = palette.schemes(HOUSE_HUE)
    return {
        "$description": "Libretto",
        "color": _write_colours(light, dark),
        "font": {
            "$type": "fontFamily",
            "sans": {"$value": SANS, "$description": "Everything that is read"},
            "monospace": {"$value": MONOSPACE, "$description": "What is typed or copied"},
        },
        "weight": {"$type": "fontWeight", "body": {"$value": 400}, "strong": {"$value": 600}, "title": {"$value": 750}},
        "size": _write_dimensions(SIZES_PX),
        "space": _write_dimensions(SPACES_PX),
        "radius": _write_dimensions(RADII_PX) | {"panel": {"$value": "{radius.large}", "$description": "Panels, art"}},
        "text": {
            "$type": "typography",
            "body": {"$value": _write_typography("body", "body", 1.6)},
            "title": {"$value": _write_typography("title", "title", 1.08)},
        },
    }


def write_style_tokens(style: Style) -> Tokens:
    """The colours of a style, by the same names as those of the house, and what else the style leans to."""
    leanings = read_style_leanings(style.slug, style.seed, style.leanings_version)
    light = {one.name: one.light for one in leanings.swatches}
    dark = {one.name: one.dark for one in leanings.swatches}
    return {
        "$description": f"{style.name}: {style.description}",
        "$extensions": {
            EXTENSION: {
                "slug": style.slug,
                "accentHue": leanings.accent_hue,
                "motif": leanings.motif,
                "tempoBpm": [leanings.tempo_min_bpm, leanings.tempo_max_bpm],
                "keys": list(leanings.keys),
                "instruments": list(leanings.instruments),
            }
        },
        "color": _write_colours(light, dark),
    }


async def _get_own_style(request: Request, gatekeeper: Gatekeeper) -> Style:
    viewer, _ = gatekeeper.read(request.headers.get("authorization"))
    style = await styles.find_own_style(viewer.require_user())
    if style is None:
        raise NotFound("You have no style of your own; this studio gives none, or has yet to give you one")
    return style


async def _get_catalogue_style(slug: str) -> Style:
    style = await styles.find_catalogue_style(slug) if len(slug) <= MAX_SLUG and "\x00" not in slug else None
    if style is None:
        raise NotFound("There is no such style")
    return style


def _write_colours(light: Mapping[str, str], dark: Mapping[str, str]) -> Tokens:
    modes = {"light": light, "dark": dark}
    return {"$type": "color"} | {
        mode: {name: _write_colour(name, colour) for name, colour in colours.items()} for mode, colours in modes.items()
    }


def _write_colour(name: str, colour: str) -> Tokens:
    lightness, chroma, hue = read_oklch(colour)
    components = [round(lightness, 4), round(chroma, 4), round(hue, 2) % 360]
    value = {"colorSpace": "oklch", "components": components, "alpha": 1, "hex": colour}
    return {"$value": value, "$description": ROLES.get(name, "In drawings; the higher, the further from the ground")}


def _write_dimensions(pixels: Mapping[str, int]) -> Tokens:
    values = {name: {"$value": {"value": size, "unit": "px"}} for name, size in pixels.items()}
    return {"$type": "dimension"} | values


def _write_typography(size: str, weight: str, line_height: float) -> Tokens:
    return {
        "fontFamily": "{font.sans}",
        "fontSize": f"{{size.{size}}}",
        "fontWeight": f"{{weight.{weight}}}",
        "letterSpacing": {"value": 0, "unit": "px"},
        "lineHeight": line_height,
    }


def _show(request: Request, tokens: Tokens) -> Response:
    body = orjson.dumps(tokens)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = OPEN | {"ETag": etag, "Cache-Control": f"public, max-age={PUBLIC_SECONDS}"}
    if names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=SAFE_HEADERS | headers)
    return _write(tokens, headers)


def _refuse(status: int, refusal: LibrettoError, headers: Mapping[str, str]) -> Response:
    problem = {"code": refusal.code, "message": refusal.message}
    return _write({"error": problem}, {"Cache-Control": "no-store", **headers}, status)


def _write(content: Tokens, headers: Mapping[str, str], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {**SAFE_HEADERS, **headers}, JSON)
