"""Writes the code that shows objects: what a selection chooses of a type, taken from a source of columns."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)
from strawberry import Schema
from strawberry.types.field import StrawberryField

from schema.plans.choices import Choice, Chooser
from schema.plans.shapes import Code, null_or
from schema.plans.sources import Source, Uncovered
from schema.reads import Computed, Figure, NodeId, Relation


class Objects:
    """The shapes of one operation, for one set of directives' values."""

    def __init__(
        self,
        schema: Schema,
        core: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        values: Mapping[str, Any],
    ) -> None:
        self.schema = schema
        self.core = core
        self.code = Code()
        self.arguments: list[tuple[GraphQLField, FieldNode, StrawberryField]] = []
        self._chooser = Chooser(core, fragments, values)

    def choose(self, type_name: str, below: list[SelectionSetNode]) -> list[Choice]:
        """What is chosen of a type."""
        return self._chooser.choose(type_name, below)

    def write_row(self, type_name: str, choice: Choice, source: Source) -> str:
        """A function that shows a row of a table, with what hangs on it."""
        pairs = []
        for part in self.choose(type_name, choice.below):
            if part.name == "__typename":
                pairs.append((part.key, repr(type_name)))
                continue
            definition, declared = self.find_declared(type_name, part)
            reads = declared.metadata.get("reads")
            if isinstance(reads, Relation):
                pairs.append((part.key, self._related(definition, part, reads, source)))
            else:
                pairs.append((part.key, self._value(definition, part, declared, source)))
        return self.code.function("r", pairs)

    def write_plain(self, type_name: str, choice: Choice) -> str:
        """A function that shows an object of ours, which no table holds."""
        pairs = []
        for part in self.choose(type_name, choice.below):
            if part.name == "__typename":
                pairs.append((part.key, repr(type_name)))
                continue
            definition, declared = self.find_declared(type_name, part)
            if declared.base_resolver is not None:
                raise Uncovered(f"{type_name}.{part.name} is not declared")
            pairs.append((part.key, self.show(definition.type, part, f"r.{declared.python_name}")))
        return self.code.function("r", pairs)

    def show(self, graphql_type: GraphQLOutputType, choice: Choice, value: str) -> str:
        """The code that shows a value as its type has it."""
        nullable = graphql_type.of_type if isinstance(graphql_type, GraphQLNonNull) else graphql_type
        if isinstance(nullable, GraphQLList):
            return f"[{self.show(nullable.of_type, choice, 'x')} for x in {value}]"
        if isinstance(nullable, GraphQLEnumType):
            names = {getattr(member.value, "value", member.value): name for name, member in nullable.values.items()}
            names |= {None: None} if nullable is graphql_type else {}
            return f"{self.code.constant(names)}[{value}]"
        if is_leaf_type(nullable):
            return self._number(value) if nullable.name == "Float" and not value.startswith("r[") else value
        if isinstance(nullable, GraphQLObjectType):
            it = self.code.name()  # its own, since in a comprehension it is the whole function's
            return f"(None if ({it} := {value}) is None else {self.write_plain(nullable.name, choice)}({it}, c, a))"
        raise Uncovered(f"{nullable} is abstract")

    def find_declared(self, type_name: str, choice: Choice) -> tuple[GraphQLField, StrawberryField]:
        """The field that is chosen, as the schema has it and as we declared it."""
        graphql_type = self.core.type_map[type_name]
        declared = self.schema.get_field_for_type(choice.name, type_name)
        if declared is None or not isinstance(graphql_type, GraphQLObjectType):
            raise Uncovered(f"{type_name}.{choice.name}")
        return graphql_type.fields[choice.name], declared

    def note_arguments(self, definition: GraphQLField, choice: Choice, declared: StrawberryField) -> int:
        """The place of a field's arguments among those of the operation."""
        self.arguments.append((definition, choice.node, declared))
        return len(self.arguments) - 1

    def _related(self, definition: GraphQLField, choice: Choice, reads: Relation, source: Source) -> str:
        type_name = str(get_named_type(definition.type))
        if reads.many:
            join, inner = source.join_many(reads)
            shape = self.write_row(type_name, choice, inner)
            return f"[{shape}(r, c, a) for r in {join()}]"
        test, joined = source.join_one(reads)
        return null_or(test, f"{self.write_row(type_name, choice, joined)}(r, c, a)")

    def _value(self, definition: GraphQLField, choice: Choice, declared: StrawberryField, source: Source) -> str:
        reads = declared.metadata.get("reads")
        if isinstance(reads, NodeId):
            return f"{reads.kind + '_'!r} + {source.column('id')}.hex"
        if isinstance(reads, Figure):
            return self.show(definition.type, choice, source.figure(reads))
        if reads is None and declared.base_resolver is None:
            return self.show(definition.type, choice, source.column(declared.python_name))
        if not isinstance(reads, Computed) or declared.base_resolver is None:
            raise Uncovered(f"{choice.name} is not declared")
        function = self.code.constant(declared.base_resolver.wrapped_func)
        row = ", ".join(f"{name}={source.column(name)}" for name in reads.columns)
        given = [f"Row({row})"]
        if declared.base_resolver.info_parameter is not None:
            given.append("c")
        if declared.arguments:
            given.append(f"**a[{self.note_arguments(definition, choice, declared)}]")
        return self.show(definition.type, choice, f"{function}({', '.join(given)})")

    def _number(self, value: str) -> str:
        """JSON does not keep 5.0 apart from 5, a Float does."""
        it = self.code.name()
        return f"(None if ({it} := {value}) is None else float({it}))"
