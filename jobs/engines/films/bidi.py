"""Which way text runs: the implicit levels of Unicode's bidirectional algorithm, without its marks and brackets.

Lyrics come without explicit marks (`jobs.formats.lyrics.clean` takes them out), so its rules X1 to X8 have nothing
to do; paired brackets (N0) are read as any other neutral. https://www.unicode.org/reports/tr9/
"""

import unicodedata
from collections.abc import Sequence

_STRONG = {"L": 0, "R": 1, "AL": 1}
_NUMBERS = ("EN", "AN")


def base_level(text: str) -> int:
    """1 where the first letter that has a direction runs to the left, or else 0."""
    return next((_STRONG[kind] for one in text if (kind := unicodedata.bidirectional(one)) in _STRONG), 0)


def list_levels(text: str, base: int) -> list[int]:
    """The level of each character: odd ones run to the left."""
    kinds = _settle_numbers([unicodedata.bidirectional(one) or "L" for one in text], base)
    directions = _settle_neutrals(kinds, base)
    return [_raise_level(base, kind, way) for kind, way in zip(kinds, directions, strict=True)]


def order_runs(levels: Sequence[int]) -> list[int]:
    """The order from left to right in which things of these levels stand (L2)."""
    order = list(range(len(levels)))
    for level in range(max(levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end + 1
    return order


def _settle_numbers(kinds: list[str], base: int) -> list[str]:
    """The rules W1 to W7."""
    sor = "R" if base else "L"
    previous, strong = sor, sor
    for at, kind in enumerate(kinds):
        if kind == "NSM":
            kinds[at] = previous
        if kinds[at] in _STRONG:
            strong = kinds[at]
        elif kinds[at] == "EN" and strong == "AL":
            kinds[at] = "AN"
        previous = kinds[at]
    _join_separators(kinds)
    strong = sor
    for at, kind in enumerate(kinds):
        if kind in _STRONG:
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[at] = "L"
    return kinds


def _join_separators(kinds: list[str]) -> None:
    """Between and beside numbers, what belongs to them (W4 to W6)."""
    for at in range(1, len(kinds) - 1):
        before, kind, after = kinds[at - 1 : at + 2]
        if before == after and ((kind in ("ES", "CS") and before == "EN") or (kind == "CS" and before == "AN")):
            kinds[at] = before
    for order in (range(len(kinds)), range(len(kinds) - 1, -1, -1)):
        previous = ""
        for at in order:
            if kinds[at] == "ET" and previous == "EN":
                kinds[at] = "EN"
            previous = kinds[at]


def _settle_neutrals(kinds: Sequence[str], base: int) -> list[int]:
    """The direction of each: neutrals take that of both their sides, or else the line's own (N1, N2)."""
    ways = [1 if kind in ("R", "AL", *_NUMBERS) else 0 if kind == "L" else -1 for kind in kinds]
    at = 0
    while at < len(ways):
        if ways[at] >= 0:
            at += 1
            continue
        end = at
        while end < len(ways) and ways[end] < 0:
            end += 1
        before = ways[at - 1] if at else base
        after = ways[end] if end < len(ways) else base
        ways[at:end] = [before if before == after else base] * (end - at)
        at = end
    return ways


def _raise_level(base: int, kind: str, way: int) -> int:
    """The rules I1 and I2."""
    if kind in _NUMBERS:
        return base + (1 if base else 2)
    return base + 1 if way != base % 2 else base
