"""What every thing with an identity shares, and how rows pass for the types that show them."""

from typing import Any, ClassVar, Self, cast

import strawberry

from schema.reads import NodeId
from schema.roots import One
from server.errors import NotFound
from storage.rows import write_id


@strawberry.interface(description="Anything that has an id.")
class Node:
    """A type names the rows that it shows and the door to one of them; resolvers answer with rows, never with types."""

    rows: ClassVar[tuple[type, ...]] = ()
    door: ClassVar[One]

    id: strawberry.ID

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return isinstance(value, cls.rows)

    @classmethod
    def of(cls, row: Any) -> Self:
        """The row, which is shown as this type; NotFound when there is none that the viewer may see."""
        if row is None:
            raise NotFound
        return cast("Self", row)


def node_id(kind: str) -> Any:
    """The id of a row as a client sees it, such as `track_0190…`."""

    def read(root: Any) -> strawberry.ID:
        return strawberry.ID(write_id(kind, root.id))

    return strawberry.field(resolver=read, metadata={"reads": NodeId(kind)}, description="Identifies this everywhere.")
