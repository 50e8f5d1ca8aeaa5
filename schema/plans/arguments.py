"""Arguments: what a field was given, as our function takes it, by code that is compiled once for each field."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from functools import cache
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.utilities import coerce_input_literal
from strawberry.relay import GlobalID
from strawberry.types import get_object_definition
from strawberry.types.arguments import convert_arguments
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

from schema.plans.inputs import REQUIRED, Coerced, Unsure, find_default, find_leaves, is_plain

Get = Callable[[Coerced], Any]  # the variables → a value; Undefined says that there is none
Convert = Callable[[Any], Any]  # what a GraphQL type makes of a value → what our functions take


def compile_arguments(
    schema: strawberry.Schema, definition: GraphQLField, node: FieldNode, declared: StrawberryField
) -> Callable[[Coerced], dict[str, Any]]:
    """Gives a resolver's arguments by their Python names; GraphQLError when a variable lacks what a field needs.

    Unsure when the executor must read them: the slow way needs more of variables within literals than their values.
    """

    def get_slowly(variables: Coerced) -> dict[str, Any]:
        values = get_argument_values(definition, node, VariableValues({}, dict(variables)))
        return convert_arguments(values, declared.arguments, schema.schema_converter.scalar_registry, schema.config)

    literals = {one.name.value: one.value for one in node.arguments or ()}
    try:
        members = tuple(_compile_declared(schema, definition, declared, literals))
    except Unsure:
        if any(_has_variable(one) and not isinstance(one, VariableNode) for one in literals.values()):
            raise
        return get_slowly

    def get(variables: Coerced) -> dict[str, Any]:
        try:
            return _get_members(members, variables)
        except Unsure:
            return get_slowly(variables)

    return get


def _compile_declared(
    schema: strawberry.Schema, definition: GraphQLField, declared: StrawberryField, literals: Mapping[str, ValueNode]
) -> Iterable[tuple[str, Get]]:
    for argument in declared.arguments:
        name = schema.config.name_converter.from_argument(argument)
        slot = definition.args[name]
        find_leaves(get_named_type(slot.type))  # for its refusal
        get, convert = _compile_slot(slot, literals.get(name)), _find_conversion(schema, slot.type, argument.type)
        yield argument.python_name, get if convert is None else _convert_after(get, convert)


def _convert_after(get: Get, convert: Convert) -> Get:
    def get_converted(variables: Coerced) -> Any:
        value = get(variables)
        return value if value is Undefined else convert(value)

    return get_converted


def _get_members(members: Iterable[tuple[str, Get]], variables: Coerced) -> dict[str, Any]:
    got = {}
    for name, get in members:
        value = get(variables)
        if value is not Undefined:
            got[name] = value
    return got


def _compile_slot(slot: GraphQLArgument | GraphQLInputField, node: ValueNode | None) -> Get:
    default = find_default(slot)
    if isinstance(node, VariableNode):
        return _compile_variable(node, slot.type, default)
    if node is not None:
        return _compile_literal(node, slot.type)
    if default is REQUIRED:
        raise Unsure
    return lambda _variables: default


def _compile_variable(node: VariableNode, declared: GraphQLInputType, default: Any) -> Get:
    name, is_nullable = node.name.value, not isinstance(declared, GraphQLNonNull)

    def get(variables: Coerced) -> Any:
        value = variables.get(name, default)
        if value is REQUIRED or (value is None and not is_nullable):
            raise Unsure
        return value

    return get


def _compile_literal(node: ValueNode, declared: GraphQLInputType) -> Get:
    if _has_variable(node):
        nullable = get_nullable_type(declared)
        if isinstance(nullable, GraphQLList):
            return _compile_list(node, nullable.of_type)
        if isinstance(nullable, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
            return _compile_object(node, nullable)
        raise Unsure
    value = coerce_input_literal(node, declared) if is_plain(declared) else Undefined
    if value is Undefined:
        raise Unsure
    return lambda _variables: value


def _compile_list(node: ValueNode, item_type: GraphQLInputType) -> Get:
    """A literal that is no list is the list's only item."""

    def compile_item(item: ValueNode) -> Get:
        if isinstance(item, VariableNode):
            return _compile_variable(item, item_type, None)
        return _compile_literal(item, item_type)

    items = [compile_item(item) for item in (node.values if isinstance(node, ListValueNode) else (node,))]
    return lambda variables: [get(variables) for get in items]


def _compile_object(node: ObjectValueNode, declared: GraphQLInputObjectType) -> Get:
    given = {one.name.value: one.value for one in node.fields}
    if not given.keys() <= declared.fields.keys():
        raise Unsure
    members = tuple(
        (field.out_name or name, _compile_slot(field, given.get(name))) for name, field in declared.fields.items()
    )
    return lambda variables: _get_members(members, variables)


def _has_variable(node: ValueNode) -> bool:
    if isinstance(node, ListValueNode):
        return any(map(_has_variable, node.values))
    if isinstance(node, ObjectValueNode):
        return any(_has_variable(one.value) for one in node.fields)
    return isinstance(node, VariableNode)


def _find_conversion(schema: strawberry.Schema, graphql_type: GraphQLInputType, declared: Any) -> Convert | None:
    """What Strawberry makes of a value whose Python type is declared so; None when it leaves it as it is."""
    nullable = get_nullable_type(graphql_type)
    while isinstance(declared, StrawberryOptional | LazyType) and not isinstance(declared, StrawberryMaybe):
        declared = declared.resolve_type() if isinstance(declared, LazyType) else declared.of_type
    if isinstance(declared, StrawberryMaybe) or declared is GlobalID:
        raise Unsure
    if is_leaf_type(nullable):
        return None
    if isinstance(nullable, GraphQLInputObjectType):
        return _convert_object(schema, nullable, declared)
    if not isinstance(nullable, GraphQLList) or not isinstance(declared, StrawberryList):
        raise Unsure
    convert = _find_conversion(schema, nullable.of_type, declared.of_type)
    if convert is None:
        return lambda value: None if value is None else list(value)
    return lambda value: None if value is None else [convert(item) for item in value]


@cache  # there are few input types, and many documents
def _convert_object(schema: strawberry.Schema, graphql_type: GraphQLInputObjectType, declared: type) -> Convert:
    definition = get_object_definition(declared, strict=True)
    if not definition.is_input or definition.from_input is not None:
        raise Unsure
    left_out: dict[str, Any] = {}  # Strawberry gives None for these, where Python would miss an argument
    members = []
    for one in definition.fields:
        if one.default_value is MISSING and one.default_factory is MISSING:
            left_out[one.python_name] = None
        name = schema.config.name_converter.from_field(one)
        resolved = one.resolve_type(type_definition=definition)
        members.append((name, one.python_name, _find_conversion(schema, graphql_type.fields[name].type, resolved)))

    def convert(value: Any) -> Any:
        if value is None:
            return None
        fields = left_out.copy()
        for name, python_name, convert_field in members:
            if name in value:
                fields[python_name] = value[name] if convert_field is None else convert_field(value[name])
        return declared(**fields)

    return convert
