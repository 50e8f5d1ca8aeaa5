"""A mutation is guard clauses and one call; whatever it refuses becomes a member of its union."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import strawberry

from schema.failures import failure_of
from server.errors import Refusal

P = ParamSpec("P")
T = TypeVar("T")


def mutation(resolver: Callable[P, Awaitable[T]]) -> Any:
    """Declare a mutation whose refusals are failures of its answer, not errors of the request."""

    @wraps(resolver)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return await resolver(*args, **kwargs)
        except Refusal as refusal:
            return failure_of(refusal)

    return strawberry.mutation(resolver=guarded, description=resolver.__doc__)
