"""Who asks: reads the bearer token of a request or a socket, and remembers what it has verified."""

from collections import OrderedDict
from datetime import UTC, datetime
from uuid import UUID

from server.errors import TokenExpired, TokenInvalid
from storage.access import ANONYMOUS, Viewer
from storage.tokens import read_access_token

REMEMBERED_TOKENS = 10_000
MAX_TOKEN_LENGTH = 2_048


class Gatekeeper:
    """Verifies each token once; what it says cannot change, only end."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._known: OrderedDict[str, tuple[Viewer, datetime]] = OrderedDict()
        self._ended: OrderedDict[UUID, None] = OrderedDict()

    def end_session(self, session_id: UUID) -> None:
        """Take no more tokens of this session, however long they would have lived."""
        self._ended[session_id] = None
        if len(self._ended) > REMEMBERED_TOKENS:
            self._ended.popitem(last=False)

    def read(self, authorization: str | None) -> tuple[Viewer, datetime | None]:
        """The viewer, and when the token ends; nobody if there is none, TokenExpired or TokenInvalid if it is bad."""
        if not authorization:
            return ANONYMOUS, None
        known = self._known.get(authorization) or self._verify(authorization)
        if known[1] <= datetime.now(UTC):
            del self._known[authorization]
            raise TokenExpired
        if known[0].session_id in self._ended:
            raise TokenInvalid("This session has ended; log in again")
        return known

    def _verify(self, authorization: str) -> tuple[Viewer, datetime]:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_LENGTH:
            raise TokenInvalid("Send `Authorization: Bearer …` with an access token")
        known = self._known[authorization] = read_access_token(token, secret=self._secret)
        if len(self._known) > REMEMBERED_TOKENS:
            self._known.popitem(last=False)
        return known
