"""Access tokens: short-lived, signed, and checked without asking the database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt

from server.errors import TokenExpired, TokenInvalid
from storage.access import Viewer
from storage.users import User

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "libretto"
TYPE = "at+jwt"
LEEWAY_SECONDS = 5


def write_access_token(user: User, session_id: UUID, *, secret: bytes, seconds: int) -> tuple[str, datetime]:
    """A token that speaks for this session, and when it ends."""
    now = datetime.now(UTC)
    expires_at = now + timedelta(seconds=seconds)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user.id.hex,
        "sid": session_id.hex,
        "role": user.role,
        "jti": uuid4().hex,
        "iat": now,
        "exp": expires_at,
    }
    return jwt.encode(claims, secret, ALGORITHM, headers={"typ": TYPE}), expires_at


def read_access_token(token: str, *, secret: bytes) -> tuple[Viewer, datetime]:
    """Who the token speaks for, and until when; raises TokenExpired or TokenInvalid."""
    try:
        if jwt.get_unverified_header(token).get("typ") != TYPE:
            raise TokenInvalid
        claims = jwt.decode(
            token,
            secret,
            [ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "sid", "role"]},
        )
        viewer = Viewer(
            UUID(hex=claims["sub"]), UUID(hex=claims["sid"]), "admin" if claims["role"] == "admin" else "user"
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except (jwt.InvalidTokenError, ValueError, AttributeError, TypeError):
        raise TokenInvalid from None
    return viewer, datetime.fromtimestamp(claims["exp"], UTC)
