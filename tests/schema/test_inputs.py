"""Compiled readers of variables and arguments give what graphql-core and Strawberry give, or leave it to them."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import pytest
import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
    parse,
)
from graphql.execution.values import VariableValues, get_argument_values, get_variable_values
from graphql.language import FieldNode
from strawberry.relay import GlobalID
from strawberry.scalars import JSON
from strawberry.types.arguments import convert_arguments

from schema import schema
from schema.plans.arguments import compile_arguments
from schema.plans.inputs import Unsure, compile_variables
from schema.tracks import CreateTrackInput

DOCUMENTS = 60  # for each field
REQUESTS = 6  # for each document
JUNK: list[Any] = [None, True, False, 0, 1, -1, 7, 10**400, -(10**30)]
JUNK += [2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 2**53 + 1]
JUNK += [0.0, -0.0, 1.0, 1.5, -3.0, 1e300, float("nan"), float("inf"), float("-inf")]
JUNK += ["", "1", "RED", "red", "SMALL", "nonsense", "2020-01-01T00:00:00", "\x00", "\ud800", "x" * 5_000]
JUNK += [[], {}, [None], [[1]], [1, "a", None], {"a": 1}, {"name": None}, [{"name": "n"}], {"": []}]

FITTING: dict[str, list[Any]] = {
    "Int": [0, 1, -5, 2**31 - 1, 3.0],
    "Float": [0, 1, 1.5, -2.0, 2**60, 2**60 + 1],
    "Boolean": [True, False],
    "String": ["", "text"],
    "ID": ["track_1", "x", 4, 5.0],
    "DateTime": ["2024-01-01T00:00:00+00:00"],
    "GlobalID": ["VHJhY2s6MQ=="],
}


@strawberry.enum
class Colour(Enum):
    RED = "red"
    BLUE = 2


@strawberry.input
class Leaf:
    name: str
    weight: float = 1
    colour: Colour | None = None
    count: int | None = strawberry.UNSET


@strawberry.input
class Branch:
    leaf: Leaf
    given_name: str = strawberry.field(name="called", default="some")
    leaves: list[Leaf] | None = None
    colours: list[Colour] = strawberry.field(default_factory=lambda: [Colour.RED])
    grid: list[list[int | None]] | None = strawberry.UNSET
    later: Annotated["Leaf", strawberry.lazy(__name__)] | None
    when: datetime | None = None
    anything: JSON | None = None


@strawberry.input
class Endless:
    name: str
    next: "Endless | None" = None


@strawberry.input(one_of=True)
class Either:
    name: strawberry.Maybe[str]
    count: strawberry.Maybe[int]


@strawberry.input
class Perhaps:
    name: strawberry.Maybe[str]
    other: strawberry.Maybe[str | None]


@strawberry.type
class Query:
    @strawberry.field
    def plain(self, a: int, b: str = "b", c: float | None = None, *, d: bool = True, e: Colour = Colour.BLUE) -> int:
        return len(locals())

    @strawberry.field
    def unset(self, a: strawberry.ID | None = strawberry.UNSET, b: list[int] | None = strawberry.UNSET) -> int:
        return len(locals())

    @strawberry.field
    def lists(self, a: list[int], b: list[list[str] | None] | None, c: list[Colour | None] | None = None) -> int:
        return len(locals())

    @strawberry.field
    def inputs(self, branch: Branch, leaf: Leaf | None = None, leaves: list[Leaf | None] | None = None) -> int:
        return len(locals())

    @strawberry.field
    def scalars(self, a: datetime | None = None, b: JSON | None = None, c: list[JSON] | None = None) -> int:
        return len(locals())

    @strawberry.field
    def endless(self, endless: Endless) -> int:
        return len(locals())

    @strawberry.field
    def either(self, either: Either, also: int | None = None) -> int:
        return len(locals())

    @strawberry.field
    def perhaps(self, perhaps: Perhaps | None = None) -> int:
        return len(locals())

    @strawberry.field
    def ids(self, node: GlobalID | None = None) -> int:
        return len(locals())


HAND_MADE = strawberry.Schema(Query)
WRITTEN = build_schema("""
type Query { written(a: Deep! = {name: "x"}, b: [Kind!] = [A], c: Raw): Int }
input Deep { name: String!  kind: Kind! = B  numbers: [Float!] = [1, 2]  below: Below = {id: 4} }
input Below { id: ID!  on: Boolean = true }
enum Kind { A B }
scalar Raw
""")


@dataclass
class Writer:
    """Writes one field of a random document, most of which makes sense, and variables for it."""

    dice: random.Random
    declared: dict[str, tuple[str, GraphQLInputType]] = field(default_factory=dict)

    def write(self, name: str, definition: GraphQLField) -> str:
        wanted = [(key, slot) for key, slot in definition.args.items() if self.wants(slot)]
        given = ", ".join(f"{key}: {self.literal(slot.type)}" for key, slot in wanted)
        head = f"({', '.join(text for text, _ in self.declared.values())})" if self.declared else ""
        return f"query {head} {{ {name} {f'({given})' if given else ''} }}"

    def request(self) -> dict[str, Any]:
        given = {name: self.value(kind) for name, (_, kind) in self.declared.items() if self.dice.random() < 0.85}
        return {**given, "undeclared": self.dice.choice(JUNK)}

    def wants(self, slot: GraphQLArgument | GraphQLInputField) -> bool:
        required = is_required_argument(slot) if isinstance(slot, GraphQLArgument) else is_required_input_field(slot)
        return self.dice.random() < (0.98 if required else 0.5)

    def value(self, kind: GraphQLInputType, fit: float = 0.95) -> Any:
        """A JSON value, for a variable."""
        nullable = get_nullable_type(kind)
        if self.dice.random() > fit:
            return self.dice.choice(JUNK)
        if nullable is kind and self.dice.random() < 0.2:
            return None
        if isinstance(nullable, GraphQLList):
            return [self.value(nullable.of_type) for _ in range(self.dice.randrange(3))]
        if isinstance(nullable, GraphQLInputObjectType):
            wanted = [name for name, slot in nullable.fields.items() if self.wants(slot)]
            value = {name: self.value(nullable.fields[name].type) for name in self.dice.sample(wanted, len(wanted))}
            return value if self.dice.random() < 0.95 else {**value, "unknown": 1}
        if isinstance(nullable, GraphQLEnumType):
            return self.dice.choice(list(nullable.values))
        return self.dice.choice(FITTING.get(nullable.name, JUNK))

    def literal(self, kind: GraphQLInputType, *, is_constant: bool = False) -> str:
        """GraphQL's text of a value, with variables here and there."""
        nullable = get_nullable_type(kind)
        if not is_constant and self.dice.random() < 0.3:
            return self.variable(kind)
        if nullable is kind and self.dice.random() < 0.1:
            return "null"
        if isinstance(nullable, GraphQLInputObjectType):
            wanted = [(name, slot) for name, slot in nullable.fields.items() if self.wants(slot)]
            pairs = [f"{name}: {self.literal(slot.type, is_constant=is_constant)}" for name, slot in wanted]
            return f"{{{', '.join(pairs if self.dice.random() < 0.97 else [*pairs, 'unknown: 1'])}}}"
        if isinstance(nullable, GraphQLList):
            items = [self.literal(nullable.of_type, is_constant=is_constant) for _ in range(self.dice.randrange(4))]
            return items[0] if len(items) == 1 and not items[0].startswith("$") else f"[{', '.join(items)}]"
        value = self.value(kind, fit=0.98)
        if isinstance(nullable, GraphQLEnumType) and value in list(nullable.values):
            return str(value)
        return write_literal(value)

    def variable(self, kind: GraphQLInputType) -> str:
        """A new one that may stand here, which can be stricter than it must, and have a default."""
        name, nullable = f"v{len(self.declared)}", get_nullable_type(kind)
        own: Any = self.dice.choice([kind, kind, nullable, GraphQLNonNull(nullable)])
        default = f" = {self.literal(own, is_constant=True)}" if self.dice.random() < 0.2 else ""
        self.declared[name] = (f"${name}: {own}{default}", own)
        return f"${name}"


def write_literal(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key or None}: {write_literal(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(write_literal, value))}]"
    if value in ("\ud800", float("inf"), float("-inf")) or value != value:
        return "null"
    return json.dumps(value)


def show(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and True differ."""
    if is_dataclass(value):
        return type(value), [(one.name, show(getattr(value, one.name))) for one in fields(value)]
    if isinstance(value, dict):
        return dict, [(key, show(one)) for key, one in value.items()]
    if isinstance(value, list):
        return list, [show(one) for one in value]
    return type(value), repr(value) if isinstance(value, float) else value


def outcome(function: Callable[..., Any], *given: Any) -> Any:
    try:
        return show(function(*given))
    except (GraphQLError, TypeError, ValueError, AttributeError) as error:
        return type(error), str(error)


def fields_with_arguments(core: GraphQLSchema) -> list[tuple[str, str]]:
    objects = [named for named in core.type_map.values() if isinstance(named, GraphQLObjectType)]
    ours = [named for named in objects if not named.name.startswith("__")]
    return [(named.name, name) for named in ours for name, one in named.fields.items() if one.args]


def core_of(owner: strawberry.Schema) -> GraphQLSchema:
    return owner._schema  # noqa: SLF001 - there is no public door


def parse_field(source: str) -> tuple[OperationDefinitionNode, FieldNode]:
    operation = parse(source).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    node = operation.selection_set.selections[0]
    assert isinstance(node, FieldNode)
    return operation, node


def read_slowly(core: GraphQLSchema, operation: OperationDefinitionNode, given: dict[str, Any]) -> Any:
    read = get_variable_values(core, operation.variable_definitions or (), given)
    return read if isinstance(read, VariableValues) else None


def cases(core: GraphQLSchema, type_name: str, name: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Documents that select the field, each with variables to it."""
    named = core.type_map[type_name]
    assert isinstance(named, GraphQLObjectType)
    for seed in range(DOCUMENTS):
        writer = Writer(random.Random(f"{type_name}.{name} {seed}"))
        source = writer.write(name, named.fields[name])
        yield source, [writer.request() for _ in range(REQUESTS)]


FIELDS = [(owner, *names) for owner in (schema, HAND_MADE) for names in fields_with_arguments(core_of(owner))]


@pytest.mark.parametrize(
    ("core", "type_name", "name"),
    [*((core_of(owner), *names) for owner, *names in FIELDS), (WRITTEN, "Query", "written")],
)
def test_variables_are_what_graphql_core_reads(core: GraphQLSchema, type_name: str, name: str) -> None:
    accepted = answered = 0
    for source, requests in cases(core, type_name, name):
        operation, _ = parse_field(source)
        read = compile_variables(core, operation.variable_definitions or ())
        for given in requests:
            fast, slow = read(given), read_slowly(core, operation, given)
            accepted += slow is not None
            if fast is not None:
                answered += 1
                assert slow is not None, (source, given)
                assert show(fast) == show(slow.coerced), (source, given)
    assert answered > accepted / 2, "what fits must be read without the slow way"


@pytest.mark.parametrize(("owner", "type_name", "name"), FIELDS)
def test_arguments_are_what_strawberry_gives(owner: strawberry.Schema, type_name: str, name: str) -> None:
    core, declared = core_of(owner), owner.get_field_for_type(name, type_name)
    definition = core.type_map[type_name].fields[name]  # type: ignore[attr-defined]
    assert declared is not None

    def get_slowly(node: FieldNode, values: VariableValues) -> dict[str, Any]:
        given = get_argument_values(definition, node, values)
        return convert_arguments(given, declared.arguments, owner.schema_converter.scalar_registry, owner.config)

    compared = 0
    for source, requests in cases(core, type_name, name):
        operation, node = parse_field(source)
        try:
            get = compile_arguments(owner, definition, node, declared)
        except Unsure:  # for a literal that is wrong, or that only the executor can read
            continue
        for given in requests:
            values = read_slowly(core, operation, given)
            if values is not None:
                compared += 1
                assert outcome(get, values.coerced) == outcome(get_slowly, node, values), (source, given)
    assert compared > DOCUMENTS, "most documents must be compared"


CREATE_TRACK = "mutation ($input: CreateTrackInput!) { createTrack(input: $input) { __typename } }"
LITERALS = (
    "{ scalars(b: {a: 1}) }",
    '{ lists(a: [1, 2], b: [["x"]], c: [RED]) }',
    '{ inputs(branch: {leaf: {name: "n"}, later: null}) }',
)


@pytest.mark.parametrize("source", LITERALS)
def test_no_two_requests_share_what_may_change(source: str) -> None:
    _, node = parse_field(source)
    declared = HAND_MADE.get_field_for_type(node.name.value, "Query")
    assert declared is not None
    get = compile_arguments(HAND_MADE, core_of(HAND_MADE).query_type.fields[node.name.value], node, declared)  # type: ignore[union-attr]
    first = get({})
    before = show(first)
    for value in first.values():
        if isinstance(value, list | dict):
            value.clear()
        elif isinstance(value, Branch):
            value.colours.clear()
            value.leaf.name = "other"
    assert show(get({})) == before


def test_variable_inside_of_a_scalar_is_left_to_the_executor() -> None:
    _, node = parse_field("query ($x: Int) { scalars(b: {a: $x}) }")
    declared = HAND_MADE.get_field_for_type("scalars", "Query")
    assert declared is not None
    with pytest.raises(Unsure):
        compile_arguments(HAND_MADE, core_of(HAND_MADE).query_type.fields["scalars"], node, declared)  # type: ignore[union-attr]


def test_input_that_holds_itself_is_left_to_the_limit_of_nesting() -> None:
    core = core_of(HAND_MADE)
    operation, _ = parse_field("query ($e: Endless!) { endless(endless: $e) }")
    given: dict[str, Any] = {"name": "n"}
    for _ in range(300):
        given = {"name": "n", "next": given}
    assert compile_variables(core, operation.variable_definitions or ())({"e": given}) is None


def test_whole_input_is_read_into_its_class() -> None:
    operation, node = parse_field(CREATE_TRACK)
    core = core_of(schema)
    declared = schema.get_field_for_type("createTrack", "Mutation")
    assert declared is not None
    read = compile_variables(core, operation.variable_definitions or ())
    get = compile_arguments(schema, core.mutation_type.fields["createTrack"], node, declared)  # type: ignore[union-attr]
    coerced = read({"input": {"prompt": "p", "durationSeconds": 30, "styleId": None}})
    assert coerced is not None
    made = get(coerced)["input"]
    assert made == CreateTrackInput(prompt="p", duration_seconds=30.0)
    assert isinstance(made.duration_seconds, float)
    assert read({"input": {"prompt": "p", "durationSeconds": True}}) is None
    assert read({"input": {"prompt": "p", "durationSeconds": 30, "unknown": 1}}) is None
    assert read({"input": {"prompt": "p"}}) is None
    assert read({}) is None
