"""Plans that run: bind the arguments, fetch the records, shape them; None means that the executor must answer."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField
from graphql.execution.values import VariableValues, get_argument_values
from strawberry import Schema
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema.context import Context
from schema.pages import MAX_PAGE, PageInfo
from schema.plans.shapes import Code
from schema.roots import One, Page
from server.errors import Refusal
from storage import database
from storage.rows import CURSOR, read_id, write_id

Bound = list[dict[str, Any]]
Runner = Callable[[Context, Bound], Any]


@dataclass(frozen=True)
class Info:
    """What a computed field may lean on."""

    context: Context


@dataclass(frozen=True)
class Records:
    """One page of records, and where it stands."""

    rows: list[Any]
    info: PageInfo


@dataclass(frozen=True)
class Arguments:
    """The fields of a plan that take arguments, and how Strawberry would hand those to our functions."""

    schema: Schema
    fields: tuple[tuple[GraphQLField, FieldNode, StrawberryField], ...]

    def bind(self, variables: VariableValues) -> Bound:
        """Their values, by the names that our functions know them under."""
        scalars, config = self.schema.schema_converter.scalar_registry, self.schema.config
        return [
            convert_arguments(get_argument_values(definition, node, variables), declared.arguments, scalars, config)
            for definition, node, declared in self.fields
        ]


@dataclass(frozen=True)
class RootPlan:
    """One root field: its key in the answer, and how to get what stands there."""

    key: str
    run: Runner

    @classmethod
    def constant(cls, key: str, value: object) -> "RootPlan":
        """A field that is the same for everybody."""

        async def run(_context: Context, _bound: Bound) -> object:
            return value

        return cls(key, run)

    @classmethod
    def whole(cls, key: str, sql: str, code: Code, function: str) -> "RootPlan":
        """A small table."""
        shape = code.finish(function)

        async def run(context: Context, bound: Bound) -> Any:
            info = Info(context)
            return [shape(record, info, bound) for record in await database.fetch_records(sql)]

        return cls(key, run)

    @classmethod
    def one(cls, key: str, sql: str, code: Code, function: str, reads: One, arguments: int) -> "RootPlan":
        """The row that an id names."""
        shape = code.finish(function)

        async def run(context: Context, bound: Bound) -> Any:
            values = reads.scope.values(context.viewer)
            if reads.kind is not None:
                values.append(read_id(reads.kind, bound[arguments]["id"]))
            records = await database.fetch_records(sql, *values)
            return shape(records[0], Info(context), bound) if records else MISSING

        return cls(key, run)

    @classmethod
    def page(
        cls, key: str, write: Callable[..., str], code: Code, function: str, reads: Page, arguments: int
    ) -> "RootPlan":
        """A page of rows; there is one statement for each set of arguments that are given."""
        shape = code.finish(function)
        statements: dict[tuple[tuple[str, ...], bool], str] = {}

        async def run(context: Context, bound: Bound) -> Any:
            given = bound[arguments]
            first, after = given["first"], given.get("after") or None
            if not 1 <= first <= MAX_PAGE:
                return MISSING
            filters = {name: value for name in reads.filters if (value := given.get(name)) is not None}
            asked = tuple(filters), after is not None
            sql = statements.get(asked)
            if sql is None:
                sql = statements[asked] = write(asked[0], is_behind=asked[1])
            values: list[Any] = [first + 1, *reads.scope.values(context.viewer)]
            values += [_raw(reads.convert(name, value)) for name, value in filters.items()]
            values += [read_id(CURSOR, after)] if after is not None else []
            records = await database.fetch_records(sql, *values)
            return shape(_page_of(records, first, is_behind=asked[1]), Info(context), bound)

        return cls(key, run)


MISSING = SimpleNamespace()


@dataclass(frozen=True)
class Plan:
    """All root fields of an operation."""

    roots: tuple[RootPlan, ...]
    arguments: Arguments

    async def run(self, variables: VariableValues, context: Context) -> dict[str, Any] | None:
        """The data of the answer; None when the answer is an error, which the executor phrases."""
        answer = {}
        try:
            bound = self.arguments.bind(variables)
            for root in self.roots:
                value = await root.run(context, bound)
                if value is MISSING:
                    return None
                answer[root.key] = value
        except (Refusal, GraphQLError):
            return None
        return answer


def _page_of(records: list[Any], first: int, *, is_behind: bool) -> Records:
    rows = records[:first]
    info = PageInfo(
        has_next_page=len(records) > first,
        has_previous_page=is_behind,
        start_cursor=write_id(CURSOR, rows[0][0]) if rows else None,
        end_cursor=write_id(CURSOR, rows[-1][0]) if rows else None,
    )
    return Records(rows, info)


def _raw(value: Any) -> Any:
    return getattr(value, "value", value)
