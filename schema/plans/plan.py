"""Plans that run: bind the arguments, fetch the records, shape them; None means that the executor must answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import ExecutionResult, FieldNode, GraphQLError, located_error

from schema.context import Context
from schema.plans.choices import Choice
from server.errors import LibrettoError
from storage.database import LOST

Bound = list[dict[str, Any]]  # the arguments of the fields that take any, by the names that our functions know
Bind = Callable[[Mapping[str, Any]], Bound]
Runner = Callable[[Context, Bound], Awaitable[Any]]
NOTHING = object()


@dataclass(slots=True)
class Info:
    """What a shape, and the functions that it calls, may lean on."""

    context: Context
    fetched: dict[int, Any] = field(default_factory=dict)  # rows that were read besides, by their place


@dataclass(frozen=True, slots=True)
class RootPlan:
    """One root field: its key in the answer, and how to get what stands there."""

    key: str
    nodes: list[FieldNode]
    is_required: bool  # an error here leaves nothing of the answer
    run: Runner
    constant: Any = NOTHING  # what stands there for everybody

    @classmethod
    def of_constant(cls, choice: Choice, value: Any) -> "RootPlan":
        """A field that is the same for everybody."""

        async def run(_context: Context, _bound: Bound) -> Any:
            return value

        return cls(choice.key, choice.nodes, False, run, value)

    def locate(self, error: Exception) -> GraphQLError:
        """The error as the executor would show it."""
        return located_error(error, self.nodes, [self.key])


@dataclass(frozen=True, slots=True)
class Plan:
    """All root fields of a query or a mutation."""

    roots: tuple[RootPlan, ...]
    bind: Bind
    has_effects: bool = False  # a mutation cannot be run again by the executor

    def find_constant(self) -> dict[str, Any] | None:
        """The answer, if it is the same for everybody at all times."""
        answer = {root.key: root.constant for root in self.roots}
        return None if NOTHING in answer.values() else answer

    async def run(self, values: Mapping[str, Any], context: Context) -> ExecutionResult | None:
        """The answer, its errors included; None when the executor must answer."""
        try:
            bound = self.bind(values)
        except (LibrettoError, GraphQLError):
            return None
        answer: dict[str, Any] = {}
        errors: list[GraphQLError] = []
        for root in self.roots:
            try:
                answer[root.key] = await root.run(context, bound)
            except (LibrettoError, *LOST) as error:
                errors.append(root.locate(error))
            except Exception as fault:
                if not self.has_effects:
                    raise
                errors.append(root.locate(fault))
            else:
                continue
            if root.is_required:
                return ExecutionResult(None, errors)
            answer[root.key] = None
        return ExecutionResult(answer, errors or None)
