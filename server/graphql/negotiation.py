"""What a client sends and what it takes: the content type of its body and the media types of our answers."""

from functools import lru_cache
from typing import NamedTuple

from server.http import JSON

RESPONSE_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"

REMEMBERED_TEXTS = 256
REMEMBERED_LENGTH = 512  # no client that means well sends a longer one


class Accepted(NamedTuple):
    """What a client likes best for one answer, and for a stream of them; None where it takes nothing of ours."""

    answer: str | None
    stream: str | None


def negotiate(accept: bytes | None) -> Accepted:
    """By the greatest weight, then by what is named first; whoever names nothing is answered in plain JSON.

    A stream must be named: who takes anything at all is better served with an answer that ends.
    """
    read = _remember_accept if accept is None or len(accept) <= REMEMBERED_LENGTH else _read_accept
    return read(accept)


def is_json(content_type: bytes | None) -> bool:
    """Whether a body is JSON in UTF-8, which no form and no plain link of a foreign page can send."""
    if content_type is None or len(content_type) > REMEMBERED_LENGTH:
        return False
    return _remember_is_json(content_type)


def _read_accept(accept: bytes | None) -> Accepted:
    weights: dict[str, float] = {}
    for part in (accept or b"*/*").decode("latin-1").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights.setdefault(kind, _weight(parameters))
    for kind in [*weights]:
        for offered in (JSON, RESPONSE_JSON) if kind in {"application/*", "*/*"} else ():
            weights.setdefault(offered, weights[kind])  # a type that is named itself keeps its own weight
    return Accepted(_find_best(weights, {JSON, RESPONSE_JSON}), _find_best(weights, {EVENT_STREAM, MULTIPART}))


def _find_best(weights: dict[str, float], offered: set[str]) -> str | None:
    taken = [kind for kind in weights if kind in offered and weights[kind] > 0]
    return max(taken, key=lambda kind: weights[kind], default=None)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _read_is_json(content_type: bytes) -> bool:
    kind, *parameters = (piece.strip().lower() for piece in content_type.decode("latin-1").split(";"))
    charsets = {piece.partition("=")[2].strip(' "') for piece in parameters if piece.startswith("charset")}
    return kind == JSON and charsets <= {"utf-8", "utf8"}


_remember_accept = lru_cache(REMEMBERED_TEXTS)(_read_accept)
_remember_is_json = lru_cache(REMEMBERED_TEXTS)(_read_is_json)
