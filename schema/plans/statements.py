"""The SQL of one root field: a page or a row at the bottom, and the relations joined onto it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tortoise.migrations.constraints import UniqueConstraint
from tortoise.models import Model

from schema.reads import Figure, Relation


def table_of(model: type[Model]) -> str:
    """The table's name."""
    return f'"{model._meta.db_table}"'  # noqa: SLF001 - Tortoise's own way to ask


class Statement:
    """Gathers the columns and joins that a shape needs; each column has its place in the record.

    One within another begins its names by that of its own rows there, so that no two are the same.
    """

    def __init__(self, within: str = "") -> None:
        self._within = within
        self._columns: list[str] = []
        self._joins: list[str] = []
        self._figures: list[tuple[str, int]] = []  # the SQL of each, and the place of the id that it is of
        self._aliases = 0

    def column(self, alias: str, name: str) -> int:
        """The place of a column in the record."""
        return self.expression(f'{alias}."{name}"')

    def expression(self, sql: str) -> int:
        """The place of an expression in the record."""
        if sql not in self._columns:
            self._columns.append(sql)
        return self._columns.index(sql)

    def join_one(self, relation: Relation, parent: str) -> str:
        """Join the one row of a relation; its alias, whose columns are all NULL when there is none."""
        alias = self.new_alias()
        if is_unique(relation):
            on = conditions(relation, alias, parent)
            self._joins.append(f"LEFT JOIN {table_of(relation.table())} {alias} ON {on}")
        else:
            rows = rows_of(relation.table(), [conditions(relation, "", parent)], f'ORDER BY "{relation.order}" LIMIT 1')
            self._joins.append(f"LEFT JOIN LATERAL ({rows}) {alias} ON true")
        return alias

    def join_many(self, relation: Relation, parent: str, alias: str, inner: "Statement") -> str:
        """Join the rows of a relation as one JSON array of arrays; the expression that holds it."""
        row = f"json_build_array({inner.columns})"
        rows = f'SELECT json_agg({row} ORDER BY {alias}."{relation.order}") AS rows'
        source = f"FROM {table_of(relation.table())} {alias} {inner.joins}"
        self._joins.append(
            f"LEFT JOIN LATERAL ({rows} {source} WHERE {conditions(relation, alias, parent)}) all_{alias} ON true"
        )
        return f"all_{alias}.rows"

    def figure(self, figure: Figure, parent: str) -> int:
        """The place of a figure in the record, counted from its end."""
        asked = figure.write("each.id"), self.column(parent, "id")
        if asked not in self._figures:
            self._figures.append(asked)
        return -1 - self._figures.index(asked)

    def new_alias(self, prefix: str = "t") -> str:
        """A name that nothing else in the statement has."""
        self._aliases += 1
        return f"{self._within}{prefix}{self._aliases}"

    @property
    def columns(self) -> str:
        return ", ".join(self._columns) or "NULL"

    @property
    def joins(self) -> str:
        return " ".join(self._joins)

    def select(self, source: str, order: str) -> str:
        """The statement over what it reads from.

        A figure is taken once for each row that it is of, and not for each of those that lead there: a hundred tracks
        of one large series would count its tracks a hundred times.
        """
        if not self._figures:
            return f"SELECT {self.columns} {source} {order}".strip()
        named = ", ".join(f"{sql} AS c{place}" for place, sql in enumerate(self._columns))
        shown = f"SELECT {named}, row_number() OVER ({order}) AS place {source}"
        columns = [f"c{place}" for place in range(len(self._columns))]
        columns += [f"f{place}.figure" for place in reversed(range(len(self._figures)))]
        parts = [f"shown AS MATERIALIZED ({shown})"]
        for place, (sql, key) in enumerate(self._figures):
            each = f"SELECT DISTINCT c{key} AS id FROM shown"  # noqa: S608 - from declarations
            parts.append(f"f{place} AS MATERIALIZED (SELECT each.id, figure FROM ({each}) each, LATERAL ({sql}) one)")  # noqa: S608 - as above
        joins = [f"LEFT JOIN f{place} ON f{place}.id = c{key}" for place, (_, key) in enumerate(self._figures)]
        return f"WITH {', '.join(parts)} SELECT {', '.join(columns)} FROM shown {' '.join(joins)} ORDER BY place"  # noqa: S608 - from declarations


def is_unique(relation: Relation) -> bool:
    """Whether the table's own constraints say that there is one row at most."""
    compared = {relation.remote, *relation.where, *([relation.matching[1]] if relation.matching else ())}
    keys = [{"id"}, *(set(one.fields) for one in _constraints(relation.table()) if one.condition is None)]
    return any(key <= compared for key in keys)


def _constraints(model: type[Model]) -> list[UniqueConstraint]:
    declared = getattr(model.Meta, "constraints", ())
    return [constraint for constraint in declared if isinstance(constraint, UniqueConstraint)]


def conditions(relation: Relation, alias: str, parent: str) -> str:
    """When a row belongs to the parent's; without an alias, of the only table at hand."""
    own = f"{alias}." if alias else ""
    parts = [f'{own}"{relation.remote}" = {parent}."{relation.local}"']
    parts += [f'{own}"{name}" = {_literal(value)}' for name, value in relation.where.items()]
    if relation.matching is not None:
        mine, theirs = relation.matching
        parts.append(f'{own}"{theirs}" = {parent}."{mine}"')
    return " AND ".join(parts)


def conditions_of(where: Mapping[str, Any]) -> list[str]:
    """What is true of all rows that are declared so."""
    return [f'"{name}" IS NULL' if value is None else f'"{name}" = {_literal(value)}' for name, value in where.items()]


def select(statement: Statement, alias: str, rows: str, order: str = "") -> str:
    """The whole statement over the rows at the bottom."""
    return statement.select(f"FROM ({rows}) {alias} {statement.joins}", order)


def rows_of(table: type[Model], parts: Sequence[str] = (), order: str = "") -> str:
    """The rows at the bottom."""
    wanted = f"WHERE {' AND '.join(parts)} " if parts else ""
    return f"SELECT * FROM {table_of(table)} {wanted}{order}"  # noqa: S608 - from declarations


def _literal(value: Any) -> str:
    """A value of a declaration, which is ours and never a client's."""
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, str) and "'" not in value:
        return f"'{value}'"
    raise TypeError(f"a declaration cannot hold {value!r}")
