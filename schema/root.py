"""The door for any id: its prefix says what it is, the viewer's own finder says whether it may be seen."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from schema.nodes import Node
from server.errors import NotFound
from storage import assets, covers, jobs, styles, tracks, users
from storage.access import Viewer
from storage.credits import CreditEntry
from storage.rows import read_id

Finder = Callable[[Viewer, UUID], Awaitable[Any]]


def _own(table: Any) -> Finder:
    async def find(viewer: Viewer, row_id: UUID) -> Any:
        return await table.get_or_none(id=row_id, user_id=viewer.user_id) if viewer.user_id else None

    return find


async def _find_user(viewer: Viewer, row_id: UUID) -> Any:
    return await users.find_viewer(viewer) if viewer.user_id == row_id else None


async def _find_style(_viewer: Viewer, row_id: UUID) -> Any:
    return await styles.find_style(row_id)


FINDERS: dict[str, Finder] = {
    "asset": _own(assets.Asset),
    "cover": _own(covers.Cover),
    "creditEntry": _own(CreditEntry),
    "job": jobs.find_job,
    "series": _own(tracks.Series),
    "style": _find_style,
    "track": tracks.find_track,
    "user": _find_user,
}


async def find_node(viewer: Viewer, node_id: str) -> Node | None:
    """The row that an id names, as far as the viewer may see it."""
    kind = node_id.rpartition("_")[0]
    if kind not in FINDERS:
        raise NotFound
    return Node.of(await FINDERS[kind](viewer, read_id(kind, node_id)))
