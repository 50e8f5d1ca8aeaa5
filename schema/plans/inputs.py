"""Variables, read by functions that are compiled once for an operation and give what graphql-core would give.

They answer only what they are sure of: values of exactly JSON's types, and input types that neither hold themselves
nor are built in a way of their own. For all else the slow way stays, which also phrases what is wrong.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import isfinite
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    VariableDefinitionNode,
    get_named_type,
    is_input_type,
    type_from_ast,
)
from graphql.type import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT
from graphql.utilities import coerce_input_literal, coerce_input_value
from graphql.utilities.coerce_input_value import coerce_default_value

EXACT_INT = 2**53  # up to here a float holds every integer
REQUIRED = object()  # stands for a default where only the slow way can say what becomes of a value that is left out

Leaf = GraphQLScalarType | GraphQLEnumType
Coerced = Mapping[str, Any]  # the values of variables, by their names, as their types read them
Read = Callable[[Any], Any]  # a JSON value → what its type makes of it
Member = tuple[str, str, Read, Any]  # name, name in the answer, reader, default


class Unsure(Exception):
    """Only the slow way knows what becomes of this."""


def compile_variables(
    core: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]
) -> Callable[[Mapping[str, Any]], Coerced | None]:
    """Reads what `get_variable_values` would hold as coerced; None when it might refuse, or see it otherwise."""
    try:
        members = tuple(_read_definition(core, one) for one in definitions)
    except Unsure:
        return lambda _given: None

    def read(given: Mapping[str, Any]) -> Coerced | None:
        try:
            return _read_members(members, given)
        except Unsure:
            return None

    return read


def find_leaves(named: Any, above: tuple[object, ...] = ()) -> set[Leaf]:
    """What an input type is made of; Unsure if it holds itself, as then clients decide how deep its values nest."""
    if not isinstance(named, GraphQLInputObjectType):
        return {named}
    if named in above or named.is_one_of or named.out_type is not GraphQLInputObjectType.out_type:
        raise Unsure
    below = (get_named_type(field.type) for field in named.fields.values())
    return set().union(*(find_leaves(one, (*above, named)) for one in below))


def is_plain(declared: GraphQLInputType) -> bool:
    """Whether values of this type hold nothing that may change, so that requests can share what was read once."""
    return all(isinstance(leaf, GraphQLEnumType) or leaf in BUILT_IN for leaf in find_leaves(get_named_type(declared)))


def find_default(slot: GraphQLArgument | GraphQLInputField) -> Any:
    """What stands for a value that is left out; Undefined for nothing."""
    default = coerce_default_value(slot)
    return REQUIRED if default is Undefined and isinstance(slot.type, GraphQLNonNull) else default


def _read_definition(core: GraphQLSchema, node: VariableDefinitionNode) -> Member:
    name, declared = node.variable.name.value, type_from_ast(core, node.type)
    if not is_input_type(declared):
        raise Unsure
    is_shared = is_plain(declared)
    default: Any = REQUIRED if isinstance(declared, GraphQLNonNull) else Undefined
    if node.default_value is not None:
        read = coerce_input_literal(node.default_value, declared) if is_shared else Undefined
        default = REQUIRED if read is Undefined else read
    return name, name, _compile_reader(declared), default


def _read_members(members: Iterable[Member], given: Mapping[str, Any]) -> dict[str, Any]:
    read = {}
    for name, key, read_value, default in members:
        value = given.get(name, Undefined)
        if value is not Undefined:
            read[key] = read_value(value)
        elif default is REQUIRED:
            raise Unsure
        elif default is not Undefined:
            read[key] = default
    return read


def _compile_reader(declared: GraphQLInputType) -> Read:
    if isinstance(declared, GraphQLNonNull):
        return _compile_strict(declared.of_type)
    read = _compile_strict(declared)
    return lambda value: None if value is None else read(value)


def _compile_strict(declared: Any) -> Read:
    """Reads what is not null."""
    if not isinstance(declared, GraphQLList):
        return _compile_named(declared)
    read_item = _compile_reader(declared.of_type)

    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unsure
        return [read_item(item) for item in value]

    return read


@cache  # there are few named types, and many documents
def _compile_named(declared: Leaf | GraphQLInputObjectType) -> Read:
    if isinstance(declared, GraphQLInputObjectType):
        return _compile_object(declared)
    if isinstance(declared, GraphQLEnumType):
        return _compile_enum(declared)
    return BUILT_IN.get(declared) or _compile_scalar(declared)


def _compile_object(declared: GraphQLInputObjectType) -> Read:
    names = frozenset(declared.fields)
    members = tuple(
        (name, field.out_name or name, _compile_reader(field.type), find_default(field))
        for name, field in declared.fields.items()
    )

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict or not names.issuperset(value):
            raise Unsure
        return _read_members(members, value)

    return read


def _compile_enum(declared: GraphQLEnumType) -> Read:
    values = {name: declared.coerce_input_value(name) for name in declared.values}

    def read(value: Any) -> Any:
        if type(value) is not str or value not in values:
            raise Unsure
        return values[value]

    return read


def _compile_scalar(declared: GraphQLScalarType) -> Read:
    def read(value: Any) -> Any:
        coerced = Undefined if value is None else coerce_input_value(value, declared)
        if coerced is Undefined:
            raise Unsure
        return coerced

    return read


def _read_string(value: Any) -> str:
    if type(value) is not str:
        raise Unsure
    return value


def _read_int(value: Any) -> int:
    if type(value) is not int or not GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
        raise Unsure
    return value


def _read_float(value: Any) -> float:
    if type(value) is float and isfinite(value):
        return value
    if type(value) is int and -EXACT_INT <= value <= EXACT_INT:
        return float(value)
    raise Unsure


def _read_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Unsure
    return value


BUILT_IN: dict[Leaf, Read] = {
    GraphQLID: _read_string,
    GraphQLString: _read_string,
    GraphQLInt: _read_int,
    GraphQLFloat: _read_float,
    GraphQLBoolean: _read_boolean,
}
