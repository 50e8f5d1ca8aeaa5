"""A mutation is guard clauses and one call; whatever it refuses becomes a member of its union."""

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import getdoc
from typing import Any, ParamSpec, TypeVar

import strawberry

from schema.failures import failure_of
from server.errors import RateLimited, Refusal, ValidationFailed
from storage.allowances import note_refusal
from storage.names import tidy_name

MAX_KEY = 255
MAX_TITLE = 120
P = ParamSpec("P")
T = TypeVar("T")


def mutation(resolver: Callable[P, Awaitable[T]]) -> Any:
    """Declare a mutation whose refusals are failures of its answer, not errors of the request."""

    @wraps(resolver)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return await resolver(*args, **kwargs)
        except Refusal as refusal:
            if isinstance(refusal, RateLimited):
                note_refusal(refusal)
            return failure_of(refusal)

    return strawberry.mutation(resolver=guarded, description=getdoc(resolver))


def check_title(title: str) -> str:
    """A title as it is kept; ValidationFailed when it is none."""
    tidy = tidy_name(title)
    if not 1 <= len(tidy) <= MAX_TITLE or "\x00" in title:
        raise ValidationFailed({"title": f"From 1 to {MAX_TITLE} characters that can be seen"})
    return tidy


def find_key_problems(idempotency_key: str | None) -> dict[str, str]:
    """What is wrong with an idempotency key, by field."""
    if idempotency_key is None or (1 <= len(idempotency_key) <= MAX_KEY and "\x00" not in idempotency_key):
        return {}
    return {"idempotencyKey": f"From 1 to {MAX_KEY} characters"}
