"""Design tokens: documents that keep the format's rules, the house's for all, one's own for oneself."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from jobs.engines.covers.palette import oklch
from server.pages import palette
from server.pages.answers import HOUSE_HUE
from server.pages.tokens import write_house_tokens
from storage.styles import CATALOGUE
from tests.studio import Person, Studio

URL = "/tokens.json"
ALIAS = re.compile(r"\{([^{}]+)\}")
ALPHA, HEX = 1, re.compile("#[0-9a-f]{6}")
RANGES = {"oklch": ((0, 1), (0, 0.5), (0, 360))}  # the last bound of a hue is excluded
PARTS = {"fontFamily", "fontSize", "fontWeight", "letterSpacing", "lineHeight"}


class Broken(Exception):
    """The document breaks the format's rules."""


def demand(*, holds: bool, path: str, rule: str) -> None:
    if not holds:
        raise Broken(f"{path}: {rule}")


def list_tokens(node: dict[str, Any], path: str = "", inherited: str | None = None) -> Iterator[tuple[str, str, Any]]:
    """Path, type and value of every token; names and properties are checked on the way."""
    known = node.get("$type", inherited)
    demand(
        holds={n for n in node if n[0] == "$"} <= {"$type", "$value", "$description", "$extensions"},
        path=path,
        rule="$",
    )
    demand(holds=isinstance(node.get("$description", ""), str), path=path, rule="a description is a text")
    if "$value" in node:
        demand(holds=known is not None, path=path, rule="a token has a type")
        demand(holds=all(name[0] == "$" for name in node), path=path, rule="nothing below a token")
        yield path, str(known), node["$value"]
        return
    for name, child in node.items():
        if name[0] != "$":
            demand(holds=not set(name) & set("{}."), path=path, rule="no braces or dots in names")
            demand(holds=isinstance(child, dict), path=f"{path}.{name}", rule="a group or a token")
            yield from list_tokens(child, f"{path}.{name}".lstrip("."), known)


def check(document: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """The tokens by path; Broken when they are not as the format has them."""
    tokens = {path: (kind, value) for path, kind, value in list_tokens(document)}
    for path, (kind, value) in tokens.items():
        check_value(tokens, path, kind, value)
    return tokens


def check_value(tokens: dict[str, tuple[str, Any]], path: str, kind: str, value: Any, depth: int = 0) -> None:
    if isinstance(value, str) and (alias := ALIAS.fullmatch(value)):
        demand(holds=alias[1] in tokens and depth < 9, path=path, rule="an alias leads to a token")
        target, found = tokens[alias[1]]
        demand(holds=target == kind, path=path, rule="an alias leads to a token of its type")
        check_value(tokens, path, kind, found, depth + 1)
        return
    if kind == "typography":
        demand(holds=set(value) == PARTS, path=path, rule="all parts of a typography")
        for part, of in {"fontFamily": "fontFamily", "fontSize": "dimension", "fontWeight": "fontWeight"}.items():
            check_value(tokens, f"{path}.{part}", of, value[part])
        check_value(tokens, path, "dimension", value["letterSpacing"])
        check_value(tokens, path, "number", value["lineHeight"])
        return
    rules = {
        "color": is_colour,
        "dimension": lambda one: (
            set(one) == {"value", "unit"} and one["unit"] in ("px", "rem") and is_number(one["value"])
        ),
        "fontFamily": lambda one: isinstance(one, str) or (bool(one) and all(isinstance(name, str) for name in one)),
        "fontWeight": lambda one: is_number(one) and 1 <= one <= 1000,
        "number": is_number,
    }
    demand(holds=kind in rules and bool(rules[kind](value)), path=path, rule=f"no {kind}: {value}")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_colour(value: Any) -> bool:
    if set(value) - {"alpha", "hex"} != {"colorSpace", "components"} or value["colorSpace"] not in RANGES:
        return False
    bounds = RANGES[value["colorSpace"]]
    inside = [low <= part <= high for part, (low, high) in zip(value["components"], bounds, strict=True)]
    return (
        all(inside) and value["components"][2] < 360 and 0 <= value["alpha"] <= 1 and bool(HEX.fullmatch(value["hex"]))
    )


def colours_of(document: dict[str, Any], mode: str) -> dict[str, str]:
    return {name: token["$value"]["hex"] for name, token in document["color"][mode].items()}


async def fetch(studio: Studio, query: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await studio.client.get(URL + query, headers=named)


async def test_house_tokens_are_what_our_pages_show(studio: Studio) -> None:
    answer = await fetch(studio)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    tokens = check(answer.json())
    light, dark = palette.schemes(HOUSE_HUE)
    assert (colours_of(answer.json(), "light"), colours_of(answer.json(), "dark")) == (light, dark)
    assert {kind for kind, _ in tokens.values()} == {"color", "dimension", "fontFamily", "fontWeight", "typography"}
    assert tokens["radius.panel"] == ("dimension", "{radius.large}")


async def test_components_and_hex_are_the_same_colour(studio: Studio) -> None:
    for kind, value in check((await fetch(studio)).json()).values():
        if kind == "color":
            shown = [int(oklch(*value["components"])[at : at + 2], 16) for at in (1, 3, 5)]
            meant = [int(value["hex"][at : at + 2], 16) for at in (1, 3, 5)]
            assert max(abs(one - other) for one, other in zip(shown, meant, strict=True)) <= 1


@pytest.mark.parametrize("slug", [slug for slug, _, _ in CATALOGUE])
async def test_style_gives_its_colours_by_the_names_of_the_house(studio: Studio, slug: str) -> None:
    document = (await fetch(studio, f"?style={slug}")).json()
    check(document)
    known = (await studio.ask("{ styles { slug motif palette { name light { hex } dark { hex } } } }"))["data"][
        "styles"
    ]
    style = next(one for one in known if one["slug"] == slug)
    assert document["$extensions"]["libretto.style"]["slug"] == slug
    assert document["$extensions"]["libretto.style"]["motif"].upper() == style["motif"]
    for mode in ("light", "dark"):
        assert colours_of(document, mode) == {one["name"]: one[mode]["hex"] for one in style["palette"]}
        assert {"ground", "panel", "line", "text", "muted", "accent", "on-accent"} <= set(document["color"][mode])


async def test_public_tokens_are_cached_and_open_to_every_origin(studio: Studio) -> None:
    for query in ("", "?style=lofi"):
        answer = await fetch(studio, query, origin="https://else.example")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, max-age=60"
        again = await fetch(studio, query, if_none_match=answer.headers["etag"])
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert (await fetch(studio)).headers["etag"] != (await fetch(studio, "?style=lofi")).headers["etag"]


@pytest.mark.parametrize("slug", ["", "nothing", "ME", "x" * 5_000, "%00", "%F0%9F%8E%B5", "lofi%27--"])
async def test_unknown_style_is_said_to_be_none(studio: Studio, slug: str) -> None:
    answer = await fetch(studio, f"?style={slug}")
    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "NOT_FOUND", "message": "There is no such style"}}
    assert answer.headers["cache-control"] == "no-store"


async def test_own_tokens_are_for_oneself(studio: Studio, person: Person) -> None:
    other = await studio.make_user()
    mine = await fetch(studio, "?style=me", authorization=f"Bearer {person.token}")
    theirs = await fetch(studio, "?style=me", authorization=f"Bearer {other.token}")
    assert mine.headers["cache-control"] == "private, no-store"
    assert "etag" not in mine.headers
    check(mine.json())
    viewer = (await person.get("{ viewer { style { palette { name dark { hex } } } } }"))["viewer"]
    assert colours_of(mine.json(), "dark") == {one["name"]: one["dark"]["hex"] for one in viewer["style"]["palette"]}
    assert mine.json() != theirs.json()


@pytest.mark.parametrize(
    ("authorization", "code"),
    [("", "UNAUTHENTICATED"), ("Bearer nonsense", "TOKEN_INVALID"), ("Basic abc", "TOKEN_INVALID")],
)
async def test_own_tokens_need_a_token(studio: Studio, authorization: str, code: str) -> None:
    answer = await fetch(studio, "?style=me", authorization=authorization)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert (answer.json()["error"]["code"], answer.headers["cache-control"]) == (code, "no-store")


async def test_own_tokens_are_told_to_trusted_origins_only(studio: Studio, person: Person) -> None:
    for origin, is_trusted in (("http://localhost:3000", True), ("https://else.example", False)):
        asked = {
            "origin": origin,
            "access-control-request-method": "GET",
            "access-control-request-headers": "authorization",
        }
        first = await studio.client.options(f"{URL}?style=me", headers=asked)
        assert (first.status_code == 200) is is_trusted
        answer = await fetch(studio, "?style=me", authorization=f"Bearer {person.token}", origin=origin)
        assert answer.headers.get("access-control-allow-origin") == (origin if is_trusted else None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda house: house["color"].pop("$type"),
        lambda house: house["color"]["light"]["text"]["$value"].pop("components"),
        lambda house: house["color"]["light"]["text"]["$value"].update(hex="#12345"),
        lambda house: house["color"]["light"].update({"a.b": house["color"]["light"]["text"]}),
        lambda house: house["space"]["small"]["$value"].update(unit="em"),
        lambda house: house["radius"]["panel"].update({"$value": "{radius.none}"}),
        lambda house: house["radius"]["panel"].update({"$value": "{color.light.text}"}),
        lambda house: house["weight"]["body"].update({"$value": 0}),
        lambda house: house["text"]["body"]["$value"].pop("fontSize"),
        lambda house: house["font"]["sans"].update({"below": {}}),
        lambda house: house["font"]["sans"].update({"$unknown": 1}),
    ],
)
def test_document_that_breaks_the_rules_is_found_out(spoil: Any) -> None:
    house = write_house_tokens()
    check(house)
    spoil(house)
    with pytest.raises((Broken, KeyError)):
        check(house)
