"""Series: rows of tracks that belong together; everybody has one to begin with, which stays."""

from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

from server.errors import Conflict, NotFound
from storage import database
from storage.access import Viewer
from storage.rows import Row

DEFAULT_TITLE = "My tracks"


class Series(Row):
    """A row of tracks that belong together."""

    user_id = fields.UUIDField()
    title = fields.CharField(max_length=120)
    is_default = fields.BooleanField(default=False)

    class Meta:
        table = "series"
        indexes = (Index(fields=("user_id", "id"), name="series_user"),)
        constraints = (UniqueConstraint(fields=("user_id",), name="series_one_default", condition="is_default"),)


async def create_default_series(user_id: UUID) -> Series:
    """The first series of a new account."""
    return await Series.create(user_id=user_id, title=DEFAULT_TITLE, is_default=True)


async def update_series(viewer: Viewer, series_id: UUID, *, title: str) -> Series:
    """Give a series of the viewer's another title."""
    changed = await Series.filter(id=series_id, user_id=viewer.require_user()).update(title=title)
    if not changed:
        raise NotFound("There is no such series")
    return await Series.get(id=series_id)


async def delete_series(viewer: Viewer, series_id: UUID) -> int:
    """Forget a series of the viewer's; its tracks, so many, go on in the default one.

    The series goes first: whoever puts a track into it holds it meanwhile, so that none is left behind.
    """
    user_id = viewer.require_user()
    async with database.transaction():
        gone = await database.fetch(
            "DELETE FROM series WHERE id = $1 AND user_id = $2 AND NOT is_default RETURNING id", series_id, user_id
        )
        if not gone:
            if await Series.filter(id=series_id, user_id=user_id).exists():
                raise Conflict("The default series stays, because new tracks need one")
            raise NotFound("There is no such series")
        moved = await database.fetch(
            "UPDATE tracks SET version = version + 1,"
            " series_id = (SELECT id FROM series WHERE user_id = $2 AND is_default) WHERE series_id = $1 RETURNING id",
            series_id,
            user_id,
        )
    return len(moved)
