"""How a type says where its fields come from: a column, a relation, a figure, or a pure function of named columns.

A plain annotation is the column of its name. No field does I/O of its own: relations and figures are read in batches,
once for an operation or an event, from what is declared here, and the access rule of a root covers all that hangs below
it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader
from tortoise.models import Model

from storage import database


@dataclass(frozen=True)
class Computed:
    """A field that is a pure function of these columns."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class NodeId:
    """A field that is the row's id, as clients see it."""

    kind: str


@dataclass(frozen=True)
class Relation:
    """A field that is another table's row, or rows: those whose `remote` column equals the `local` one."""

    table: Callable[[], type[Model]]
    local: str
    remote: str = "id"
    many: bool = False
    where: Mapping[str, Any] = field(default_factory=dict)
    order: str = "id"
    matching: tuple[str, str] | None = None  # local and remote columns that must agree besides


@dataclass(frozen=True)
class Figure:
    """A field that is one number or time out of another table's rows: those whose `remote` is the row's id."""

    table: Callable[[], type[Model]]
    remote: str
    expression: str  # in SQL, such as count(*)
    ending: str = ""  # what follows the condition

    def write(self, row_id: str) -> str:
        """The SELECT, for what SQL calls the id."""
        table = self.table()._meta.db_table  # noqa: SLF001 - Tortoise's own way to ask
        condition = f'WHERE "{self.remote}" = {row_id} {self.ending}'
        return f'SELECT {self.expression} AS figure FROM "{table}" {condition}'.strip()  # noqa: S608 - from declarations


def computed(*columns: str) -> Callable[[Callable[..., Any]], Any]:
    """Declare a field by a function of the row, or of the row and the operation's context."""

    def declare(function: Callable[..., Any]) -> Any:
        return strawberry.field(resolver=function, metadata={"reads": Computed(columns)}, description=function.__doc__)

    return declare


def relation(
    table: Callable[[], type[Model]],
    local: str,
    remote: str = "id",
    *,
    many: bool = False,
    where: Mapping[str, Any] | None = None,
    order: str = "id",
    matching: tuple[str, str] | None = None,
    description: str | None = None,
) -> Any:
    """Declare a field that is read from another table."""
    declared = Relation(table, local, remote, many, where or {}, order, matching)

    async def resolve(root: Any, info: strawberry.Info[Any, Any]) -> Any:
        return await info.context.loaders.load(declared, root)

    return strawberry.field(resolver=resolve, metadata={"reads": declared}, description=description)


def figure(
    table: Callable[[], type[Model]], remote: str, expression: str, ending: str = "", *, description: str | None = None
) -> Any:
    """Declare a field that is counted or looked up in another table."""
    declared = Figure(table, remote, expression, ending)

    async def resolve(root: Any, info: strawberry.Info[Any, Any]) -> Any:
        return await info.context.loaders.load_figure(declared, root)

    return strawberry.field(resolver=resolve, metadata={"reads": declared}, description=description)


class Loaders:
    """Reads relations in batches; lives as long as one operation, or one event of a subscription."""

    def __init__(self) -> None:
        self._by_relation: dict[int, DataLoader[Any, list[Any]]] = {}
        self._by_figure: dict[int, DataLoader[UUID, Any]] = {}

    async def load(self, declared: Relation, row: Any) -> Any:
        """What a relation of this row holds."""
        key = getattr(row, declared.local)
        if key is None:
            return [] if declared.many else None
        loader = self._by_relation.get(id(declared))
        if loader is None:
            loader = self._by_relation[id(declared)] = DataLoader(_batch(declared))
        found = await loader.load(key)
        if declared.matching is not None:
            mine, theirs = declared.matching
            found = [other for other in found if getattr(other, theirs) == getattr(row, mine)]
        return found if declared.many else next(iter(found), None)

    async def load_figure(self, declared: Figure, row: Any) -> Any:
        """What a figure of this row comes to."""
        loader = self._by_figure.get(id(declared))
        if loader is None:
            loader = self._by_figure[id(declared)] = DataLoader(_batch_figures(declared))
        return await loader.load(row.id)


def _batch_figures(declared: Figure) -> Callable[[list[UUID]], Any]:
    async def load_all(keys: list[UUID]) -> Sequence[Any]:
        rows = await database.read(
            f"SELECT each.id, figure FROM unnest($1::uuid[]) AS each (id)"  # noqa: S608 - from declarations
            f" LEFT JOIN LATERAL ({declared.write('each.id')}) one ON true",
            keys,
        )
        found = {row["id"]: row["figure"] for row in rows}
        return [found[key] for key in keys]

    return load_all


def _batch(declared: Relation) -> Callable[[list[Any]], Any]:
    async def load_all(keys: list[Any]) -> Sequence[list[Any]]:
        query = declared.table().filter(**{f"{declared.remote}__in": keys}, **declared.where)
        found: dict[Any, list[Any]] = defaultdict(list)
        for row in await query.order_by(declared.order):
            found[getattr(row, declared.remote)].append(row)
        return [found[key] for key in keys]

    return load_all
