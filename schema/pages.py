"""Connections: pages over rows in the order of their ids, newest first, that stay put while rows come and go."""

from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry
from tortoise.models import Model
from tortoise.queryset import QuerySet

from server.errors import NotFound, ValidationFailed
from storage.rows import CURSOR, read_id, write_id

MAX_PAGE = 100

T = TypeVar("T")
First = Annotated[int, strawberry.argument(description=f"How many, from 1 to {MAX_PAGE}.")]
After = Annotated[str | None, strawberry.argument(description="The cursor that the page begins behind.")]


@strawberry.type(description="Where a page stands among the others.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="One thing on a page, and its place.")
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.type(description="A page.")
class Connection(Generic[T]):
    edges: list[Edge[T]]
    page_info: PageInfo

    @strawberry.field(description="The things alone, without their cursors.")
    def nodes(self) -> list[T]:
        return [edge.node for edge in self.edges]


async def read_page(query: QuerySet[Any], first: int, after: str | None) -> Connection[Any]:
    """The first so many rows behind the cursor; one row more is read to know whether there is a next page."""
    first, behind = read_bounds(first, after)
    if behind is not None:
        query = query.filter(id__lt=behind)
    rows: list[Model] = await query.order_by("-id").limit(first + 1)
    edges = [Edge(cursor=write_id(CURSOR, row.pk), node=row) for row in rows[:first]]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(rows) > first,
            has_previous_page=behind is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def read_bounds(first: int, after: str | None) -> tuple[int, UUID | None]:
    """How many rows are wanted, and behind which; ValidationFailed when that makes no sense."""
    if not 1 <= first <= MAX_PAGE:
        raise ValidationFailed({"first": f"From 1 to {MAX_PAGE}"})
    try:
        return first, None if after is None else read_id(CURSOR, after)
    except NotFound:
        raise ValidationFailed({"after": "This is not a cursor of ours"}) from None
