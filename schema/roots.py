"""Root fields: which rows they answer with, in which order, to whom; declared once for both ways of executing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tortoise.models import Model

from schema.context import Context
from schema.pages import Connection, read_page
from server.errors import NotFound
from storage.access import Scope
from storage.rows import read_id


@dataclass(frozen=True)
class One:
    """The row that an id names, if the viewer may see it; without a kind, the viewer's own row."""

    table: type[Model]
    scope: Scope
    kind: str | None = None

    async def read(self, context: Context, node_id: str | None = None) -> Any:
        """The row; NotFound when there is none that the viewer may see."""
        query = self.scope.restrict(self.table.all(), context.viewer)
        if self.kind is not None:
            query = query.filter(id=read_id(self.kind, node_id or ""))
        row = await query.first()
        if row is None:
            raise NotFound
        return row


@dataclass(frozen=True)
class AnyOf:
    """The row that an id of any kind names: the id's prefix says which type's door leads to it."""

    doors: Mapping[str, One]  # by the name of the type

    def find(self, node_id: str) -> tuple[str, One]:
        """The type that an id is of, and its door; NotFound when there is no such type."""
        kind = node_id.rpartition("_")[0]
        for name, door in self.doors.items():
            if door.kind == kind:
                return name, door
        raise NotFound

    async def read(self, context: Context, node_id: str) -> Any:
        """The row; NotFound when there is none that the viewer may see."""
        return await self.find(node_id)[1].read(context, node_id)


@dataclass(frozen=True)
class Page:
    """Rows by id, newest first, a page at a time; arguments that are given narrow it to rows with that value."""

    table: type[Model]
    scope: Scope
    filters: dict[str, str | None] = field(default_factory=dict)  # argument → the kind of id it takes, None for a value
    where: dict[str, Any] = field(default_factory=dict)  # what is true of all rows

    async def read(self, context: Context, first: int, after: str | None, **given: Any) -> Connection[Any]:
        """The page; ValidationFailed when the arguments make no sense."""
        query = self.scope.restrict(self.table.filter(**self.where), context.viewer)
        for name, value in given.items():
            if value is not None:
                query = query.filter(**{name: self.convert(name, value)})
        return await read_page(query, first, after or None)

    def convert(self, name: str, value: Any) -> Any:
        """The column's value for an argument's."""
        kind = self.filters[name]
        return value if kind is None else read_id(kind, value)


@dataclass(frozen=True)
class Whole:
    """A small table, or the rows of one for which something is true, in the order of one column."""

    table: type[Model]
    order: str
    where: dict[str, Any] = field(default_factory=dict)

    async def read(self) -> list[Any]:
        """All of it."""
        return await self.table.filter(**self.where).order_by(self.order)


@dataclass(frozen=True)
class Told:
    """What a function finds out, which also says who may know it: objects that no table holds."""

    find: Callable[..., Awaitable[Any]]

    async def read(self, context: Context, **given: Any) -> Any:
        """The object, or the list of them."""
        return await self.find(context, **given)


Root = One | AnyOf | Page | Whole | Told
