"""Compiles what mutations and subscriptions have at hand: results and events, and the rows that they name.

What is at hand is shown as it is; where the selection goes on to what hangs on a row, that row is read once more,
through its type's own door, so that one statement brings it all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, cast

from graphql import GraphQLField, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType, GraphQLUnionType, get_named_type
from strawberry.types.base import StrawberryObjectDefinition

from schema.context import Context
from schema.nodes import Node
from schema.plans.choices import Choice
from schema.plans.objects import Objects
from schema.plans.plan import Bound, Info, RootPlan
from schema.plans.queries import Door, compile_door
from schema.plans.shapes import Shape, null_or
from schema.plans.sources import AtHand, NeedsRow, Uncovered
from storage.access import Viewer


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of a result that is read once more."""

    place: int
    find: Callable[[Any], Any]  # the row in the result
    door: Door

    async def read(self, info: Info, result: Any) -> None:
        """Put the row in its place."""
        row = self.find(result)
        if row is not None:
            info.fetched[self.place] = await self.door.find(info.context, row.id)


@dataclass(frozen=True, slots=True)
class Result:
    """How a result is shown."""

    shape: Shape
    readings: list[Reading]

    async def show(self, info: Info, bound: Bound, result: Any) -> Any:
        """The result as the selection wants it."""
        for reading in self.readings:
            await reading.read(info, result)
        return self.shape(result, info, bound)


@dataclass
class Rows:
    """Shows the rows of one result, and notes which must be read."""

    objects: Objects
    viewer: Viewer
    readings: list[Reading] = field(default_factory=list)

    def show(self, graphql_type: GraphQLOutputType, choice: Choice, value: str, find: Callable[[Any], Any]) -> str:
        """The code that shows a value, which may be a row."""
        named = graphql_type.of_type if isinstance(graphql_type, GraphQLNonNull) else graphql_type
        door = _find_door(self.objects, named) if isinstance(named, GraphQLObjectType) else None
        if door is None:
            return self.objects.show(graphql_type, choice, value)
        try:
            shape, row = self.objects.write_row(str(named), choice, AtHand()), value
        except NeedsRow:
            place = len(self.readings)
            reading = Reading(place, find, compile_door(self.objects, str(named), choice, door, self.viewer))
            self.readings.append(reading)
            shape, row = self.objects.code.constant(reading.door.shape), f"c.fetched[{place}]"
        return null_or(value, f"{shape}({row}, c, a)")


def compile_mutation_root(objects: Objects, choice: Choice, viewer: Viewer) -> RootPlan:
    """The plan of one mutation: call what we declared, and show what it answers with."""
    definition, declared = objects.find_declared("Mutation", choice)
    place = objects.note_arguments(definition, choice, declared)
    resolver = declared.base_resolver
    if resolver is None or resolver.info_parameter is None:
        raise Uncovered(f"Mutation.{choice.name} has no resolver")
    function: Callable[..., Any] = cast("Any", resolver.wrapped_func)
    results = _compile_members(objects, definition, choice, viewer)

    async def run(context: Context, bound: Bound) -> Any:
        info = Info(context)
        answer = await function(None, info=info, **bound[place])
        return None if answer is None else await results[type(answer)].show(info, bound, answer)

    return RootPlan(choice.key, choice.nodes, isinstance(definition.type, GraphQLNonNull), run)


def compile_event(objects: Objects, definition: GraphQLField, choice: Choice, viewer: Viewer) -> Result:
    """How the events of a subscription are shown, under its key."""
    rows = Rows(objects, viewer)
    code = rows.show(definition.type, choice, "r", lambda event: event)
    shape = objects.code.function("r", [(choice.key, code)])
    return Result(objects.code.finish(shape), rows.readings)


def _compile_members(
    objects: Objects, definition: GraphQLField, choice: Choice, viewer: Viewer
) -> Mapping[type, Result]:
    named = get_named_type(definition.type)
    members = named.types if isinstance(named, GraphQLUnionType) else (named,)
    results: dict[type, Result] = {}
    for member in members:
        if not isinstance(member, GraphQLObjectType):
            raise Uncovered(f"{named} is abstract")
        rows = Rows(objects, viewer)
        shape = _write_result(objects, member.name, choice, rows)
        results[_class_of(objects, member)] = Result(objects.code.finish(shape), rows.readings)
    return results


def _write_result(objects: Objects, type_name: str, choice: Choice, rows: Rows) -> str:
    pairs = []
    for part in objects.choose(type_name, choice.below):
        if part.name == "__typename":
            pairs.append((part.key, repr(type_name)))
            continue
        definition, declared = objects.find_declared(type_name, part)
        name = declared.python_name
        code = rows.show(definition.type, part, f"r.{name}", attrgetter(name))
        pairs.append((part.key, code))
    return objects.code.function("r", pairs)


def _find_door(objects: Objects, graphql_type: GraphQLObjectType) -> Any:
    origin = _class_of(objects, graphql_type)
    return origin.door if issubclass(origin, Node) else None


def _class_of(objects: Objects, graphql_type: GraphQLObjectType) -> type:
    definition = objects.schema.get_type_by_name(graphql_type.name)
    return cast("StrawberryObjectDefinition", definition).origin
