"""Plans of subscriptions: what is watched, and how each event of it is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLError, located_error

from schema.context import Context
from schema.live import Watch
from schema.plans.choices import Choice
from schema.plans.objects import Objects
from schema.plans.plan import Bind, Bound, Info
from schema.plans.results import Result, compile_event
from schema.plans.sources import Uncovered
from storage.access import Viewer


@dataclass(frozen=True, slots=True)
class LiveTemplate:
    """A subscription that was compiled, for all values of its variables."""

    key: str
    nodes: list[FieldNode]
    watch: Watch
    place: int
    bind: Bind
    result: Result

    def fill(self, values: Mapping[str, Any]) -> "LivePlan":
        """The subscription with its variables; a GraphQLError when they leave out too much."""
        bound = self.bind(values)
        return LivePlan(self.key, self.watch, bound[self.place], self, bound)


@dataclass(frozen=True, slots=True)
class LivePlan:
    """One subscription."""

    key: str
    watch: Watch
    arguments: dict[str, Any]  # of what is watched
    template: LiveTemplate
    bound: Bound

    @property
    def is_immediate(self) -> bool:
        """Whether an event holds all that is selected of it."""
        return not self.template.result.readings

    def show(self, event: Any, context: Context) -> dict[str, Any]:
        """The answer that shows an event."""
        shown: dict[str, Any] = self.template.result.shape(event, Info(context), self.bound)
        return shown

    async def fetch(self, event: Any, context: Context) -> dict[str, Any]:
        """The answer that shows an event, whose row is read once more."""
        shown: dict[str, Any] = await self.template.result.show(Info(context), self.bound, event)
        return shown

    def locate(self, error: Exception) -> GraphQLError:
        """The error as the executor would show it."""
        return located_error(error, self.template.nodes, [self.key])


def compile_live(objects: Objects, choice: Choice, viewer: Viewer, make_bind: Callable[[], Bind]) -> LiveTemplate:
    """The plan of a subscription's one root field."""
    definition, declared = objects.find_declared("Subscription", choice)
    watch = declared.metadata.get("watches")
    if not isinstance(watch, Watch):
        raise Uncovered(f"Subscription.{choice.name}")
    place = objects.note_arguments(definition, choice, declared)
    result = compile_event(objects, definition, choice, viewer)
    return LiveTemplate(choice.key, choice.nodes, watch, place, make_bind(), result)
