"""Who asks: every finder takes a Viewer, and finds only what that viewer may see."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

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
