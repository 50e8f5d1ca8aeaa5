"""Compiles the root fields of a query: for each the SQL of its rows, and the code that shows them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLField, GraphQLNonNull, get_named_type
from tortoise.models import Model

from schema.context import Context
from schema.pages import PageInfo, read_bounds
from schema.plans.choices import Choice
from schema.plans.objects import Objects
from schema.plans.plan import Bound, Info, RootPlan, Runner
from schema.plans.shapes import Shape
from schema.plans.sources import Joined, Uncovered
from schema.plans.statements import Statement, conditions_of, rows_of, select
from schema.roots import AnyOf, One, Page, Told, Whole
from server.errors import NotFound
from storage import database
from storage.access import Viewer
from storage.rows import CURSOR, read_id, write_id

BOTTOM = "t"


@dataclass(frozen=True, slots=True)
class Records:
    """One page of records, and where it stands."""

    rows: list[Any]
    info: PageInfo


@dataclass(frozen=True, slots=True)
class Door:
    """Reads one row through its type's door, and shows it."""

    sql: str
    shape: Shape
    door: One

    async def find(self, context: Context, row_id: UUID | None) -> Any:
        """The record; NotFound when the viewer may see none."""
        values: list[UUID] = self.door.scope.values(context.viewer)
        records = await database.fetch_records(self.sql, *values, *(() if row_id is None else (row_id,)))
        if not records:
            raise NotFound
        return records[0]

    async def show(self, info: Info, bound: Bound, row_id: UUID | None) -> Any:
        """The row as the selection wants it."""
        return self.shape(await self.find(info.context, row_id), info, bound)


def compile_query_root(objects: Objects, choice: Choice, viewer: Viewer) -> RootPlan:
    """The plan of one root field; raises Uncovered for what is not declared."""
    definition, declared = objects.find_declared("Query", choice)
    reads = declared.metadata.get("reads")
    place = objects.note_arguments(definition, choice, declared)
    if isinstance(reads, One):
        run = _run_one(compile_door(objects, str(get_named_type(definition.type)), choice, reads, viewer), place)
    elif isinstance(reads, AnyOf):
        run = _run_any(objects, choice, reads, viewer, place)
    elif isinstance(reads, Whole):
        run = _run_whole(objects, definition, choice, reads)
    elif isinstance(reads, Told):
        run = _run_told(objects, definition, choice, reads, place)
    elif isinstance(reads, Page):
        run = _run_page(objects, definition, choice, reads, viewer, place)
    else:
        raise Uncovered(f"Query.{choice.name}")
    return RootPlan(choice.key, choice.nodes, isinstance(definition.type, GraphQLNonNull), run)


def compile_door(objects: Objects, type_name: str, choice: Choice, door: One, viewer: Viewer) -> Door:
    """The statement of one row, and its shape; the viewer's access rule is part of the statement."""
    statement = Statement()
    shape = objects.write_row(type_name, choice, Joined(statement, door.table, BOTTOM))
    parts = [door.scope.write_condition(1)] if door.scope.binds(viewer) else []
    parts += [f"id = ${len(parts) + 1}"] if door.kind is not None else []
    sql = select(statement, BOTTOM, rows_of(door.table, parts))
    return Door(sql, objects.code.finish(shape), door)


def _run_one(door: Door, place: int) -> Runner:
    async def run(context: Context, bound: Bound) -> Any:
        kind = door.door.kind
        door.door.scope.values(context.viewer)  # whoever may see nothing is not told whether an id is one
        row_id = None if kind is None else read_id(kind, bound[place]["id"])
        return await door.show(Info(context), bound, row_id)

    return run


def _run_any(objects: Objects, choice: Choice, reads: AnyOf, viewer: Viewer, place: int) -> Runner:
    doors = {name: compile_door(objects, name, choice, door, viewer) for name, door in reads.doors.items()}

    async def run(context: Context, bound: Bound) -> Any:
        node_id = bound[place]["id"]
        name, door = reads.find(node_id)
        door.scope.values(context.viewer)
        return await doors[name].show(Info(context), bound, read_id(str(door.kind), node_id))

    return run


def _run_whole(objects: Objects, definition: GraphQLField, choice: Choice, reads: Whole) -> Runner:
    statement = Statement()
    source = Joined(statement, reads.table, BOTTOM)
    shape = objects.code.finish(objects.write_row(str(get_named_type(definition.type)), choice, source))
    sql = select(
        statement, BOTTOM, rows_of(reads.table, conditions_of(reads.where)), f'ORDER BY {BOTTOM}."{reads.order}"'
    )

    async def run(context: Context, bound: Bound) -> Any:
        info = Info(context)
        return [shape(record, info, bound) for record in await database.fetch_records(sql)]

    return run


def _run_told(objects: Objects, definition: GraphQLField, choice: Choice, reads: Told, place: int) -> Runner:
    shape = objects.code.finish(objects.write_plain(str(get_named_type(definition.type)), choice))

    async def run(context: Context, bound: Bound) -> Any:
        info, found = Info(context), await reads.read(context, **bound[place])
        return [shape(one, info, bound) for one in found] if isinstance(found, list) else shape(found, info, bound)

    return run


def _run_page(
    objects: Objects, definition: GraphQLField, choice: Choice, reads: Page, viewer: Viewer, place: int
) -> Runner:
    statement = Statement()
    statement.column(BOTTOM, "id")  # first, for the cursors
    connection = str(get_named_type(definition.type))
    shape = objects.code.finish(_write_connection(objects, connection, choice, reads.table, statement))
    owner = [reads.scope.write_condition(2)] if reads.scope.binds(viewer) else []
    statements: dict[tuple[tuple[str, ...], bool], str] = {}

    def write(given: tuple[str, ...], *, is_behind: bool) -> str:
        parts = owner + [f'"{column}" = ${number}' for number, column in enumerate(given, 2 + len(owner))]
        parts += [f"id < ${len(parts) + 2}"] if is_behind else []
        rows = rows_of(reads.table, [*conditions_of(reads.where), *parts], "ORDER BY id DESC LIMIT $1")
        return select(statement, BOTTOM, rows, f"ORDER BY {BOTTOM}.id DESC")

    async def run(context: Context, bound: Bound) -> Any:
        given = bound[place]
        values: list[Any] = reads.scope.values(context.viewer)
        filters = {name: value for name in reads.filters if (value := given.get(name)) is not None}
        values += [_raw(reads.convert(name, value)) for name, value in filters.items()]
        first, behind = read_bounds(given["first"], given.get("after") or None)
        values += [] if behind is None else [behind]
        asked = tuple(filters), behind is not None
        sql = statements.get(asked)
        if sql is None:
            sql = statements[asked] = write(asked[0], is_behind=asked[1])
        records = await database.fetch_records(sql, first + 1, *values)
        return shape(_page_of(records, first, is_behind=asked[1]), Info(context), bound)

    return run


def _write_connection(
    objects: Objects, type_name: str, choice: Choice, table: type[Model], statement: Statement
) -> str:
    source, node_type = Joined(statement, table, BOTTOM), type_name.removesuffix("Connection")
    pairs = []
    for part in objects.choose(type_name, choice.below):
        if part.name == "edges":
            edge = _write_edge(objects, f"{node_type}Edge", part, source)
            pairs.append((part.key, f"[{edge}(r, c, a) for r in p.rows]"))
        elif part.name == "nodes":
            pairs.append((part.key, f"[{objects.write_row(node_type, part, source)}(r, c, a) for r in p.rows]"))
        elif part.name == "pageInfo":
            pairs.append((part.key, f"{objects.write_plain('PageInfo', part)}(p.info, c, a)"))
        else:
            pairs.append((part.key, repr(type_name)))
    return objects.code.function("p", pairs)


def _write_edge(objects: Objects, type_name: str, choice: Choice, source: Joined) -> str:
    pairs = []
    for part in objects.choose(type_name, choice.below):
        if part.name == "node":
            pairs.append((part.key, f"{objects.write_row(type_name.removesuffix('Edge'), part, source)}(r, c, a)"))
        elif part.name == "cursor":
            pairs.append((part.key, f"{CURSOR + '_'!r} + r[0].hex"))
        else:
            pairs.append((part.key, repr(type_name)))
    return objects.code.function("r", pairs)


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
