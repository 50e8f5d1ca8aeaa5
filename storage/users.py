"""People: accounts, and the sessions in which they are logged in."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.exceptions import IntegrityError
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from server.errors import Conflict, TokenExpired, TokenInvalid
from storage import database, events
from storage.credits import grant_credits
from storage.rows import Row, new_id
from storage.series import create_default_series
from storage.styles import create_own_styles

LACKS_STYLE = "NOT EXISTS (SELECT FROM styles WHERE styles.user_id = users.id)"  # which nobody without a seed has
REFRESH_GRACE_SECONDS = 10  # two tabs, or an answer that was lost, may show the old token once more


class User(Row):
    """An account."""

    email = fields.CharField(max_length=254)
    password_hash = fields.CharField(max_length=255)
    display_name = fields.CharField(max_length=80)
    role = fields.CharField(max_length=8, default="user")
    plan = fields.CharField(max_length=8, default="free")
    credits = fields.IntField(default=0)
    style_seed: int | None = fields.IntField(null=True)
    accent_hue = fields.SmallIntField()
    flourish = fields.CharField(max_length=20, null=True)
    unlocks: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)  # as `storage.unlocks` says

    class Meta:
        table = "users"
        constraints = (
            UniqueConstraint(fields=("email",), name="users_email_key"),
            CheckConstraint(check="credits >= 0", name="users_credits_not_negative"),
        )


class Session(Row):
    """One log-in; its refresh token changes at each use and only hashes of it are kept."""

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("storage.User", on_delete=fields.CASCADE)
    user_id: UUID
    token_hash = fields.BinaryField()
    previous_hash = fields.BinaryField(null=True)
    rotated_at = fields.DatetimeField(null=True)
    expires_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sessions"
        indexes = (Index(fields=("user_id",), name="sessions_user"),)


@dataclass(frozen=True)
class Look:
    """What the style system gives an account; without a seed it has no style of its own."""

    style_seed: int | None
    accent_hue: int
    leanings_version: int


@dataclass(frozen=True)
class Grant:
    """A session as it stands after a log-in or a refresh, with the only copy of its refresh token."""

    user: User
    session_id: UUID
    refresh_token: str


async def create_user(
    *,
    email: str,
    password_hash: str,
    display_name: str,
    role: str,
    credits_granted: int,
    look: Look,
) -> User:
    """A new account with its first credits, its default series and its style; Conflict if the address is taken."""
    try:
        async with database.transaction():
            user = await User.create(
                email=email,
                password_hash=password_hash,
                display_name=display_name,
                role=role,
                style_seed=look.style_seed,
                accent_hue=look.accent_hue,
            )
            await create_default_series(user.id)
            if look.style_seed is not None:
                await create_own_styles([(user.id, look.style_seed)], leanings_version=look.leanings_version)
            if credits_granted:
                await grant_credits(user.id, credits_granted)
                user.credits = credits_granted
    except IntegrityError:
        raise Conflict("There is an account with this address already; log in instead") from None
    return user


async def find_by_email(email: str) -> User | None:
    """The account with this address; for logging in only, since no viewer is known yet."""
    return await User.get_or_none(email=email)


async def is_pro(user_id: UUID) -> bool:
    """Whether an account is one that pays."""
    return await User.filter(id=user_id, plan="pro").exists()


async def find_owner(user_id: UUID) -> User | None:
    """The account that made what is shared; show no more of it than its name and colour."""
    return await User.get_or_none(id=user_id)


async def hold_without_style(limit: int) -> list[tuple[UUID, int | None]]:
    """Some accounts that lack a style of their own, with their seeds, held until the transaction at hand ends."""
    rows = await database.fetch(
        f"SELECT id, style_seed FROM users WHERE {LACKS_STYLE} ORDER BY id LIMIT $1 FOR NO KEY UPDATE",  # noqa: S608 - our own text
        limit,
    )
    return [(row["id"], row["style_seed"]) for row in rows]


async def count_without_style() -> int:
    """How many accounts lack a style of their own, and most likely a seed."""
    (row,) = await database.read(f"SELECT count(*) AS count FROM users WHERE {LACKS_STYLE}")  # noqa: S608 - our own text
    return int(row["count"])


async def write_seeds(seeds: Sequence[tuple[UUID, int, int]]) -> None:
    """Give accounts without one their seed and its hue; a seed that is there stays."""
    await database.fetch(
        "UPDATE users SET style_seed = new.seed, accent_hue = new.hue"
        " FROM unnest($1::uuid[], $2::int[], $3::int[]) AS new (id, seed, hue)"
        " WHERE users.id = new.id AND style_seed IS NULL",
        [user_id for user_id, _, _ in seeds],
        [seed for _, seed, _ in seeds],
        [hue for _, _, hue in seeds],
    )


async def open_session(user: User, *, days: int) -> Grant:
    """A new session for an account that has proved itself."""
    session_id, token = new_id(), secrets.token_bytes(32)
    now = await _now()
    await Session.create(id=session_id, user_id=user.id, token_hash=_hash(token), expires_at=now + timedelta(days=days))
    return Grant(user, session_id, _write_token(session_id, token))


async def refresh_session(text: str, *, secret: bytes, days: int) -> Grant:
    """Trade a refresh token for its successor.

    The successor is derived from the token, so an answer that got lost can be given again for a few seconds;
    any later use of a spent token means that it was stolen, and ends the whole session.
    """
    session_id, token = _read_token(text)
    successor = hmac.digest(secret, b"refresh" + token, hashlib.sha256)
    rotated = await database.fetch_one(
        "UPDATE sessions SET token_hash = $3, previous_hash = token_hash, rotated_at = now(),"
        " expires_at = now() + make_interval(days => $4)"
        " WHERE id = $1 AND token_hash = $2 AND revoked_at IS NULL AND expires_at > now() RETURNING user_id",
        session_id,
        _hash(token),
        _hash(successor),
        days,
    )
    if rotated is None:
        rotated = await _repeat_or_revoke(session_id, _hash(token), _hash(successor))
    return Grant(await User.get(id=rotated["user_id"]), session_id, _write_token(session_id, successor))


async def _repeat_or_revoke(session_id: UUID, token_hash: bytes, successor_hash: bytes) -> database.Record:
    session = await Session.get_or_none(id=session_id)
    if session is None or session.revoked_at is not None:
        raise TokenInvalid("This session has ended; log in again")
    now = await _now()
    if session.expires_at <= now:
        raise TokenExpired("The refresh token has expired; log in again")
    recent = session.rotated_at is not None and now - session.rotated_at <= timedelta(seconds=REFRESH_GRACE_SECONDS)
    if recent and session.previous_hash == token_hash and session.token_hash == successor_hash:
        return {"user_id": session.user_id}
    await revoke_session(session_id)
    raise TokenInvalid("This refresh token was used before, so its session has been ended; log in again")


async def revoke_session(session_id: UUID) -> None:
    """End a session; its tokens are worth nothing from now on."""
    await Session.filter(id=session_id, revoked_at=None).update(revoked_at=await _now())
    await events.publish_after_commit((events.SESSIONS_TOPIC,), session_id.hex.encode())


async def revoke_sessions_of(user_id: UUID) -> int:
    """End all sessions of a person, whose tokens say what they may do no longer."""
    rows = await database.fetch(
        "UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL RETURNING id", user_id
    )
    for row in rows:
        await events.publish_after_commit((events.SESSIONS_TOPIC,), row["id"].hex.encode())
    return len(rows)


async def list_revoked_sessions(seconds: float) -> list[UUID]:
    """The sessions that were ended within this time, whose access tokens may still be about."""
    rows = await database.read("SELECT id FROM sessions WHERE revoked_at >= now() - make_interval(secs => $1)", seconds)
    return [row["id"] for row in rows]


async def _now() -> datetime:
    row = await database.fetch_one("SELECT now() AS now")
    assert row is not None  # noqa: S101 - SELECT without FROM always answers with a row
    now: datetime = row["now"]
    return now


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _write_token(session_id: UUID, token: bytes) -> str:
    return f"refresh_{session_id.hex}_{token.hex()}"


def _read_token(text: str) -> tuple[UUID, bytes]:
    try:
        kind, session, token = text.split("_")
        if kind == "refresh" and len(token) == 64:
            return UUID(hex=session), bytes.fromhex(token)
    except ValueError:
        pass
    raise TokenInvalid("This is not a refresh token")
