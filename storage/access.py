"""Who asks: every finder takes a Viewer, and finds only what that viewer may see."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from server.errors import NotAllowed, Unauthenticated

Role = Literal["user", "admin"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person, or nobody, on whose behalf a request runs."""

    user_id: UUID | None = None
    session_id: UUID | None = None
    role: Role = "user"

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    def require_user(self) -> UUID:
        """The id of the person who is logged in; raises Unauthenticated when nobody is."""
        if self.user_id is None:
            raise Unauthenticated
        return self.user_id

    def require_admin(self) -> UUID:
        """The id of the admin; raises NotAllowed for anybody else."""
        user_id = self.require_user()
        if not self.is_admin:
            raise NotAllowed("Only admins may do this")
        return user_id


ANONYMOUS = Viewer()
NOBODY = UUID(int=0)  # owns nothing


@dataclass(frozen=True)
class Scope:
    """Which rows of a table a viewer may see: one rule, for queries of the ORM and for SQL of our own."""

    owner_column: str | None  # None: all rows are alike
    admins_see_all: bool = False
    only_admins: bool = False
    shows_unowned: bool = False  # rows without an owner are everybody's

    def binds(self, viewer: Viewer) -> bool:
        """Whether the viewer sees only some of the rows."""
        return self.owner_column is not None and not (self.admins_see_all and viewer.is_admin)

    def values(self, viewer: Viewer) -> list[UUID]:
        """What SQL that binds the owner is given; raises Unauthenticated or NotAllowed for whoever may see nothing."""
        if self.only_admins:
            viewer.require_admin()
        if self.owner_column is None:
            return []
        if self.shows_unowned:
            return [viewer.user_id or NOBODY]
        user_id = viewer.require_user()
        return [user_id] if self.binds(viewer) else []

    def write_condition(self, place: int) -> str:
        """The rule in SQL that binds the owner: the parameter at this place is of `values`."""
        owned = f'"{self.owner_column}" = ${place}'
        return f'("{self.owner_column}" IS NULL OR {owned})' if self.shows_unowned else owned

    def restrict(self, query: QuerySet[Any], viewer: Viewer) -> QuerySet[Any]:
        """The query, narrowed to what the viewer may see; raises Unauthenticated as `values` does."""
        for value in self.values(viewer):
            rules: list[dict[str, Any]] = [{str(self.owner_column): value}]
            rules += [{f"{self.owner_column}__isnull": True}] if self.shows_unowned else []
            query = query.filter(Q(*(Q(**rule) for rule in rules), join_type="OR"))
        return query


EVERYBODY = Scope(None)
ADMINS = Scope(None, only_admins=True)
OWNER = Scope("user_id")
OWNER_OR_UNOWNED = Scope("user_id", shows_unowned=True)
OWNER_AND_ADMINS = Scope("user_id", admins_see_all=True)
SELF = Scope("id")
