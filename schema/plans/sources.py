"""Where the code of a shape finds the columns of what it shows, and the rows that hang on it.

A shape is a function of `r`. That is a record of the plan's own statement, an array out of PostgreSQL's JSON, or an
object that a mutation or an event has at hand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Protocol
from uuid import UUID

from tortoise.fields.base import Field
from tortoise.fields.data import JSONField
from tortoise.models import Model

from schema.plans.shapes import null_or
from schema.plans.statements import Statement
from schema.reads import Figure, Relation

FROM_JSON = {UUID: "UUID", datetime: "moment", float: "float"}


class Uncovered(Exception):
    """The executor must answer this; the message says which field, and why."""


class NeedsRow(Uncovered):
    """What is at hand does not hold this; the row must be read."""


class Source(Protocol):
    """One of the three."""

    def column(self, name: str) -> str:
        """The code that reads a column."""
        ...

    def figure(self, figure: Figure) -> str:
        """The code that reads a figure."""
        ...

    def join_one(self, relation: Relation) -> tuple[str, "Source"]:
        """The code that is None when no row is related, and where that row's columns are."""
        ...

    def join_many(self, relation: Relation) -> tuple[Callable[[], str], "Source"]:
        """What gives the code of the related rows once all their columns are noted, and where those are."""
        ...


@dataclass(frozen=True)
class Joined:
    """A table of the statement: columns stand at their places in the record."""

    statement: Statement
    table: type[Model]
    alias: str

    def column(self, name: str) -> str:
        """See Source."""
        code = f"r[{self.statement.column(self.alias, name)}]"
        return null_or(code, f"loads({code})") if isinstance(_field(self.table, name), JSONField) else code

    def figure(self, figure: Figure) -> str:
        """See Source."""
        return f"r[{self.statement.figure(figure, self.alias)}]"

    def join_one(self, relation: Relation) -> tuple[str, Source]:
        """See Source."""
        alias = self.statement.join_one(relation, self.alias)
        return f"r[{self.statement.column(alias, 'id')}]", Joined(self.statement, relation.table(), alias)

    def join_many(self, relation: Relation) -> tuple[Callable[[], str], Source]:
        """See Source."""
        alias = self.statement.new_alias("m")
        inner = Statement(alias)

        def join() -> str:
            place = self.statement.expression(self.statement.join_many(relation, self.alias, alias, inner))
            return f"loads(r[{place}] or '[]')"

        return join, Listed(inner, relation.table(), alias)


@dataclass(frozen=True)
class Listed:
    """A table inside a JSON array of the statement: columns stand at their places in each row's array."""

    statement: Statement
    table: type[Model]
    alias: str

    def column(self, name: str) -> str:
        """See Source."""
        code = f"r[{self.statement.column(self.alias, name)}]"
        kind = _field(self.table, name)
        reader = None if isinstance(kind, JSONField) else FROM_JSON.get(kind.field_type)
        return code if reader is None else null_or(code, f"{reader}({code})")

    def figure(self, figure: Figure) -> NoReturn:
        """See Source."""
        raise Uncovered(f"{figure.expression} below a list of {self.table.__name__}")

    def join_one(self, relation: Relation) -> tuple[str, Source]:
        """See Source."""
        alias = self.statement.join_one(relation, self.alias)
        return f"r[{self.statement.column(alias, 'id')}]", Listed(self.statement, relation.table(), alias)

    def join_many(self, relation: Relation) -> NoReturn:
        """See Source."""
        raise Uncovered(f"a list of {relation.table().__name__} below a list of {self.table.__name__}")


class AtHand:
    """An object with an attribute for each column."""

    def column(self, name: str) -> str:
        """See Source."""
        return f"r.{name}"

    def figure(self, figure: Figure) -> NoReturn:
        """See Source."""
        raise NeedsRow(f"{figure.expression} of what is at hand")

    def join_one(self, relation: Relation) -> NoReturn:
        """See Source."""
        raise NeedsRow(f"{relation.table().__name__} of what is at hand")

    join_many = join_one


def _field(table: type[Model], name: str) -> Field[Any]:
    return table._meta.fields_map[name]  # noqa: SLF001 - Tortoise's own way to ask
