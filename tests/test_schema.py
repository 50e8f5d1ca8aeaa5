"""The generated pages are those of this very code, and the API keeps its own rules."""

from pathlib import Path

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType, get_named_type

from schema.documents import core
from server.reference import write_reference

ROOT = Path(__file__).parent.parent


def test_printed_schema_map_and_settings_are_up_to_date() -> None:
    assert write_reference(ROOT, check=True) == [], "run `make schema` and commit what it writes"


def test_every_mutation_answers_with_a_nullable_union_of_one_success_and_failures() -> None:
    assert core.mutation_type is not None
    failure = core.type_map["Failure"]
    assert isinstance(failure, GraphQLInterfaceType)
    for name, field in core.mutation_type.fields.items():
        answer = field.type
        if name == "logOut":
            continue
        assert isinstance(answer, GraphQLUnionType), name
        successes = [member for member in answer.types if not core.is_sub_type(failure, member)]
        assert len(successes) == 1, name


def test_every_type_with_an_id_is_a_node() -> None:
    node = core.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    for graphql_type in core.type_map.values():
        if isinstance(graphql_type, GraphQLObjectType) and "createdAt" in graphql_type.fields:
            assert core.is_sub_type(node, graphql_type), graphql_type.name


def test_every_field_and_argument_that_pages_is_bounded() -> None:
    assert core.query_type is not None
    for name, field in core.query_type.fields.items():
        if get_named_type(field.type).name.endswith("Connection"):
            assert {"first", "after"} <= set(field.args), name
