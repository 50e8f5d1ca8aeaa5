"""Compiles a validated operation into a plan, from what the types declare; raises Uncovered for what it cannot."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

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
from tortoise.fields.data import JSONField
from tortoise.models import Model

from schema.plans.choices import Choice, Chooser
from schema.plans.plan import Arguments, Plan, RootPlan
from schema.plans.shapes import Code, null_or
from schema.plans.statements import Statement, rows_of, select
from schema.reads import Computed, NodeId, Relation
from schema.roots import One, Page, Whole
from storage.access import Viewer
from storage.rows import CURSOR

BOTTOM = "t"
FROM_JSON = {UUID: "UUID", datetime: "moment", float: "float"}
Access = Callable[[str], str]  # a column's name → the code that reads it


class Uncovered(Exception):
    """The executor must answer this; the message says which field is not declared."""


class Compiler:
    """Compiles the fields of one operation, for one role and one set of directives' values."""

    def __init__(
        self,
        schema: Schema,
        core: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        values: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._core = core
        self._chooser = Chooser(core, fragments, values)
        self._code = Code()
        self._arguments: list[tuple[GraphQLField, FieldNode, StrawberryField]] = []

    def compile(self, selection_set: SelectionSetNode, viewer: Viewer) -> Plan:
        """The plan of a query."""
        chosen = self._chooser.choose("Query", [selection_set])
        return Plan(
            tuple(self._root(choice, viewer) for choice in chosen), Arguments(self._schema, tuple(self._arguments))
        )

    def _root(self, choice: Choice, viewer: Viewer) -> RootPlan:
        if choice.name == "__typename":
            return RootPlan.constant(choice.key, "Query")
        definition, declared = self._declared("Query", choice)
        reads = declared.metadata.get("reads")
        arguments = self._note_arguments(definition, choice, declared)
        if isinstance(reads, One | Whole):
            return self._rows(choice, definition, reads, viewer, arguments)
        if isinstance(reads, Page):
            return self._page(choice, definition, reads, viewer, arguments)
        raise Uncovered(f"Query.{choice.name}")

    def _rows(
        self, choice: Choice, definition: GraphQLField, reads: One | Whole, viewer: Viewer, arguments: int
    ) -> RootPlan:
        statement = Statement()
        shape = self._row(str(get_named_type(definition.type)), choice, reads.table, statement, BOTTOM)
        if isinstance(reads, Whole):
            sql = select(statement, BOTTOM, rows_of(reads.table), f'ORDER BY {BOTTOM}."{reads.order}"')
            return RootPlan.whole(choice.key, sql, self._code, shape)
        parts = [f'"{reads.scope.owner_column}" = $1'] if reads.scope.binds(viewer) else []
        parts += [f"id = ${len(parts) + 1}"] if reads.kind is not None else []
        sql = select(statement, BOTTOM, rows_of(reads.table, parts))
        return RootPlan.one(choice.key, sql, self._code, shape, reads, arguments)

    def _page(self, choice: Choice, definition: GraphQLField, reads: Page, viewer: Viewer, arguments: int) -> RootPlan:
        statement = Statement()
        statement.column(BOTTOM, "id")  # first, for the cursors
        connection = get_named_type(definition.type)
        shape = self._connection(str(connection), choice, reads.table, statement)

        def write(given: tuple[str, ...], *, is_behind: bool) -> str:
            columns = [reads.scope.owner_column or ""] if reads.scope.binds(viewer) else []
            parts = [f'"{column}" = ${place}' for place, column in enumerate([*columns, *given], 2)]
            parts += [f"id < ${len(parts) + 2}"] if is_behind else []
            rows = rows_of(reads.table, parts, "ORDER BY id DESC LIMIT $1")
            return select(statement, BOTTOM, rows, f"ORDER BY {BOTTOM}.id DESC")

        return RootPlan.page(choice.key, write, self._code, shape, reads, arguments)

    def _connection(self, type_name: str, choice: Choice, table: type[Model], statement: Statement) -> str:
        pairs = []
        for part in self._chooser.choose(type_name, choice.below):
            if part.name == "edges":
                pairs.append(
                    (part.key, self._edges(f"{type_name.removesuffix('Connection')}Edge", part, table, statement))
                )
            elif part.name == "nodes":
                node = self._row(type_name.removesuffix("Connection"), part, table, statement, BOTTOM)
                pairs.append((part.key, f"[{node}(r, c, a) for r in p.rows]"))
            elif part.name == "pageInfo":
                info = self._plain("PageInfo", part)
                pairs.append((part.key, f"{info}(p.info, c, a)"))
            else:
                pairs.append((part.key, self._typename(part, type_name)))
        return self._code.function("p", pairs)

    def _edges(self, type_name: str, choice: Choice, table: type[Model], statement: Statement) -> str:
        pairs = []
        for part in self._chooser.choose(type_name, choice.below):
            if part.name == "node":
                node = self._row(type_name.removesuffix("Edge"), part, table, statement, BOTTOM)
                pairs.append((part.key, f"{node}(r, c, a)"))
            elif part.name == "cursor":
                pairs.append((part.key, f"{CURSOR + '_'!r} + r[0].hex"))
            else:
                pairs.append((part.key, self._typename(part, type_name)))
        return f"[{self._code.function('r', pairs)}(r, c, a) for r in p.rows]"

    def _row(self, type_name: str, choice: Choice, table: type[Model], statement: Statement, alias: str) -> str:
        """A function that shapes a record's columns as an object of this type."""
        return self._object(type_name, choice, table, statement, alias, is_json=False)

    def _object(
        self, type_name: str, choice: Choice, table: type[Model], statement: Statement, alias: str, *, is_json: bool
    ) -> str:
        def access(name: str) -> str:
            return _read(table, name, f"r[{statement.column(alias, name)}]", is_json=is_json)

        pairs = []
        for part in self._chooser.choose(type_name, choice.below):
            if part.name == "__typename":
                pairs.append((part.key, self._typename(part, type_name)))
                continue
            definition, declared = self._declared(type_name, part)
            reads = declared.metadata.get("reads")
            if isinstance(reads, Relation):
                if is_json:
                    raise Uncovered(f"{type_name}.{part.name} below a list")
                pairs.append((part.key, self._related(definition, part, reads, statement, alias)))
            else:
                pairs.append((part.key, self._value(definition, part, declared, access)))
        return self._code.function("r", pairs)

    def _related(
        self, definition: GraphQLField, choice: Choice, reads: Relation, statement: Statement, alias: str
    ) -> str:
        type_name, table = str(get_named_type(definition.type)), reads.table()
        if reads.many:
            inner, own = Statement(), statement.new_alias("m")
            shape = self._object(type_name, choice, table, inner, own, is_json=True)
            place = statement.expression(statement.join_many(reads, alias, own, inner))
            return f"[{shape}(r, c, a) for r in loads(r[{place}] or '[]')]"
        own = statement.join_one(reads, alias)
        place = statement.column(own, "id")
        return null_or(f"r[{place}]", f"{self._row(type_name, choice, table, statement, own)}(r, c, a)")

    def _value(self, definition: GraphQLField, choice: Choice, declared: StrawberryField, access: Access) -> str:
        reads = declared.metadata.get("reads")
        if isinstance(reads, NodeId):
            return f"{reads.kind + '_'!r} + {access('id')}.hex"
        if reads is None and declared.base_resolver is None:
            return self._shown(definition.type, choice, access(declared.python_name))
        if not isinstance(reads, Computed) or declared.base_resolver is None:
            raise Uncovered(f"{choice.name} is not declared")
        function = self._code.constant(declared.base_resolver.wrapped_func)
        row = ", ".join(f"{name}={access(name)}" for name in reads.columns)
        given = [f"Row({row})"]
        if declared.base_resolver.info_parameter is not None:
            given.append("c")
        if declared.arguments:
            given.append(f"**a[{self._note_arguments(definition, choice, declared)}]")
        return self._shown(definition.type, choice, f"{function}({', '.join(given)})")

    def _shown(self, graphql_type: GraphQLOutputType, choice: Choice, value: str) -> str:
        """The code that shows a value as its type has it."""
        nullable = graphql_type.of_type if isinstance(graphql_type, GraphQLNonNull) else graphql_type
        if isinstance(nullable, GraphQLList):
            return f"[{self._shown(nullable.of_type, choice, 'x')} for x in {value}]"
        if isinstance(nullable, GraphQLEnumType):
            names = {_raw(member.value): name for name, member in nullable.values.items()}
            return f"{self._code.constant(names)}[{value}]"
        if is_leaf_type(nullable):
            return self._number(value) if nullable.name == "Float" and not value.startswith("r[") else value
        if isinstance(nullable, GraphQLObjectType):
            shape = self._plain(nullable.name, choice)
            it = self._code.name()  # its own, since in a comprehension it is the whole function's
            return f"(None if ({it} := {value}) is None else {shape}({it}, c, a))"
        raise Uncovered(f"{nullable} is abstract")

    def _number(self, value: str) -> str:
        """JSON does not keep 5.0 apart from 5, a Float does."""
        it = self._code.name()
        return f"(None if ({it} := {value}) is None else float({it}))"

    def _plain(self, type_name: str, choice: Choice) -> str:
        """A function that shapes an object of ours, which no table holds."""
        pairs = []
        for part in self._chooser.choose(type_name, choice.below):
            if part.name == "__typename":
                pairs.append((part.key, self._typename(part, type_name)))
                continue
            definition, declared = self._declared(type_name, part)
            if declared.base_resolver is not None:
                raise Uncovered(f"{type_name}.{part.name}")
            pairs.append((part.key, self._shown(definition.type, part, f"o.{declared.python_name}")))
        return self._code.function("o", pairs)

    def _typename(self, choice: Choice, type_name: str) -> str:
        if choice.name != "__typename":
            raise Uncovered(f"{type_name}.{choice.name}")
        return repr(type_name)

    def _declared(self, type_name: str, choice: Choice) -> tuple[GraphQLField, StrawberryField]:
        graphql_type = self._core.type_map[type_name]
        declared = self._schema.get_field_for_type(choice.name, type_name)
        if declared is None or not isinstance(graphql_type, GraphQLObjectType):
            raise Uncovered(f"{type_name}.{choice.name}")
        return graphql_type.fields[choice.name], declared

    def _note_arguments(self, definition: GraphQLField, choice: Choice, declared: StrawberryField) -> int:
        self._arguments.append((definition, choice.node, declared))
        return len(self._arguments) - 1


def compile_plan(
    schema: Schema,
    core: GraphQLSchema,
    selection_set: SelectionSetNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    values: Mapping[str, Any],
    viewer: Viewer,
) -> Plan:
    """The plan of a query's selection, for viewers of this one's role."""
    return Compiler(schema, core, fragments, values).compile(selection_set, viewer)


def _read(table: type[Model], name: str, code: str, *, is_json: bool) -> str:
    """How a column comes out of a record, or out of a JSON array of columns."""
    kind = table._meta.fields_map[name]  # noqa: SLF001 - Tortoise's own way to ask
    if isinstance(kind, JSONField) and not is_json:
        return null_or(code, f"loads({code})")
    reader = FROM_JSON.get(kind.field_type) if is_json else None
    return code if reader is None else null_or(code, f"{reader}({code})")


def _raw(value: Any) -> Any:
    return getattr(value, "value", value)
