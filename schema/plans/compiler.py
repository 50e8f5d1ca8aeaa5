"""Compiles a validated operation into a plan, from what the types declare; raises Uncovered for what it cannot."""

from collections.abc import Mapping
from typing import Any

from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, OperationType
from strawberry import Schema

from schema.plans.arguments import compile_arguments
from schema.plans.choices import Choice
from schema.plans.inputs import Unsure
from schema.plans.live import LiveTemplate, compile_live
from schema.plans.objects import Objects
from schema.plans.plan import Bind, Bound, Plan, RootPlan
from schema.plans.queries import compile_query_root
from schema.plans.results import compile_mutation_root
from schema.plans.sources import Uncovered
from storage.access import Viewer

ROOTS = {
    OperationType.QUERY: ("Query", compile_query_root),
    OperationType.MUTATION: ("Mutation", compile_mutation_root),
}


class Compiler:
    """Compiles one operation, for one role and one set of directives' values."""

    def __init__(
        self,
        schema: Schema,
        core: GraphQLSchema,
        definition: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        values: Mapping[str, Any],
    ) -> None:
        self._definition = definition
        self._objects = Objects(schema, core, fragments, values)

    def compile(self, viewer: Viewer) -> Plan:
        """The plan of a query or a mutation."""
        roots = tuple(self._root(choice, viewer) for choice in self._choose())
        return Plan(roots, self._bind(), has_effects=self._definition.operation is OperationType.MUTATION)

    def compile_live(self, viewer: Viewer) -> LiveTemplate:
        """The plan of a subscription."""
        (choice,) = self._choose()
        return compile_live(self._objects, choice, viewer, self._bind)

    def _choose(self) -> list[Choice]:
        return self._objects.choose(self._definition.operation.value.capitalize(), [self._definition.selection_set])

    def _root(self, choice: Choice, viewer: Viewer) -> RootPlan:
        type_name, compile_root = ROOTS[self._definition.operation]
        if choice.name == "__typename":
            return RootPlan.of_constant(choice, type_name)
        return compile_root(self._objects, choice, viewer)

    def _bind(self) -> Bind:
        try:
            readers = [compile_arguments(self._objects.schema, *noted) for noted in self._objects.arguments]
        except Unsure:
            raise Uncovered("a variable inside of a literal that has parts") from None

        def bind(values: Mapping[str, Any]) -> Bound:
            return [read(values) for read in readers]

        return bind
