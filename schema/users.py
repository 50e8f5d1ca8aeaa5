"""People: signing up, logging in and out, and who one is."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from jobs.styles import new_look
from schema.context import Context, Info
from schema.failures import Conflict, NotAllowed, ValidationFailed
from schema.mutation import mutation
from schema.nodes import Node, node_id
from schema.reads import computed, relation
from schema.roots import One
from schema.styles import Style
from schema.unlocks import Flourish, Unlock, list_unlocks
from server import errors
from storage import passwords, styles, tokens, unlocks, users
from storage.access import SELF
from storage.names import tidy_name

EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")
PASSWORD_LENGTHS = range(8, 129)
MAX_DISPLAY_NAME = 80
VIEWER = One(users.User, SELF)


@strawberry.enum(description="What an account may do.")
class Role(StrEnum):
    USER = "user"
    ADMIN = "admin"


@strawberry.enum(description="What an account has paid for.")
class Plan(StrEnum):
    FREE = "free"
    PRO = "pro"


@strawberry.type(description="An account.")
class User(Node):
    rows = (users.User,)
    door = One(users.User, SELF, "user")

    id: strawberry.ID = node_id("user")
    email: str
    display_name: str
    role: Role
    plan: Plan
    credits: int
    style_seed: int | None
    accent_hue: int
    created_at: datetime
    style: Style | None = relation(
        lambda: styles.Style, "id", "user_id", description="The style that comes of the seed; null without one."
    )
    flourish: Flourish | None = strawberry.field(description="What is drawn over the covers that are made from now on.")

    @computed("unlocks")
    @staticmethod
    def unlocks(root: Any, info: Info) -> list[Unlock]:
        """All that can be earned, whether it is yet or not; none where the studio has switched it off."""
        return list_unlocks(root.unlocks) if info.context.settings.style_unlocks_enabled else []


@strawberry.type(description="Being logged in: an access token for requests, a refresh token for the next session.")
class Session:
    access_token: str
    refresh_token: str
    expires_at: datetime
    user: User


@strawberry.type(description="The session has ended.")
class LoggedOut:
    session_ended: bool


@strawberry.input
class SignUpInput:
    email: str
    password: str
    display_name: str


@strawberry.input
class LogInInput:
    email: str
    password: str


@strawberry.input
class RefreshSessionInput:
    refresh_token: str


@strawberry.type(description="The account as it is now.")
class FlourishChosen:
    viewer: User


@strawberry.input
class ChooseFlourishInput:
    flourish: Flourish | None = strawberry.field(default=None, description="Null: none.")


SignUpResult = Annotated[Session | ValidationFailed | Conflict, strawberry.union("SignUpResult")]
LogInResult = Annotated[Session | NotAllowed, strawberry.union("LogInResult")]
RefreshSessionResult = Annotated[Session | NotAllowed, strawberry.union("RefreshSessionResult")]

ChooseFlourishResult = Annotated[FlourishChosen | NotAllowed, strawberry.union("ChooseFlourishResult")]


@strawberry.type
class UserQuery:
    @strawberry.field(description="The account that asks.", metadata={"reads": VIEWER})
    async def viewer(self, info: Info) -> User | None:
        return User.of(await VIEWER.read(info.context))


@strawberry.type
class UserMutation:
    @mutation
    async def sign_up(self, info: Info, input: SignUpInput) -> SignUpResult | None:  # noqa: A002 - the API's name
        """Open an account, and log it in."""
        _check_sign_up(input)
        settings, email = info.context.settings, _normal(input.email)
        user = await users.create_user(
            email=email,
            password_hash=await passwords.hash_password(input.password),
            display_name=tidy_name(input.display_name),
            role="admin" if email in {_normal(name) for name in settings.libretto_admin_emails} else "user",
            credits_granted=settings.credits_at_sign_up,
            look=new_look(has_seed=settings.style_seed_enabled),
        )
        return _show(info.context, await users.open_session(user, days=settings.refresh_token_days))

    @mutation
    async def log_in(self, info: Info, input: LogInInput) -> LogInResult | None:  # noqa: A002 - the API's name
        """Open a session with an address and a password."""
        email = _normal(input.email)
        user = await users.find_by_email(email) if EMAIL.fullmatch(email) else None
        if not await passwords.is_password(input.password[:1024], user.password_hash if user else None) or user is None:
            raise errors.NotAllowed("The address or the password is wrong")
        days = info.context.settings.refresh_token_days
        return _show(info.context, await users.open_session(user, days=days))

    @mutation
    async def refresh_session(self, info: Info, input: RefreshSessionInput) -> RefreshSessionResult | None:  # noqa: A002 - the API's name
        """Trade a refresh token for a new session; the old token is spent, and using it again ends the session."""
        settings = info.context.settings
        try:
            grant = await users.refresh_session(
                input.refresh_token, secret=settings.secret, days=settings.refresh_token_days
            )
        except errors.Unauthenticated as spent:
            return NotAllowed(code=spent.code, message=spent.message)
        return _show(info.context, grant)

    @mutation
    async def log_out(self, info: Info) -> LoggedOut | None:
        """End the session that asks; its refresh token is worth nothing from now on."""
        viewer = info.context.viewer
        viewer.require_user()
        if viewer.session_id is not None:
            await users.revoke_session(viewer.session_id)
            info.context.hub.end_session(viewer.session_id)
        return LoggedOut(session_ended=True)

    @mutation
    async def choose_flourish(self, info: Info, input: ChooseFlourishInput) -> ChooseFlourishResult | None:  # noqa: A002 - the API's name
        """Choose what is drawn over your covers from now on, of what you have unlocked."""
        user_id = info.context.viewer.require_user()
        if not info.context.settings.style_unlocks_enabled:
            raise errors.FeatureOff("Nothing can be unlocked in this studio")
        flourish = None if input.flourish is None else input.flourish.value
        return FlourishChosen(viewer=User.of(await unlocks.choose_flourish(user_id, flourish)))


def _show(context: Context, grant: users.Grant) -> Session:
    token, expires_at = tokens.write_access_token(
        grant.user,
        grant.session_id,
        secret=context.settings.secret,
        seconds=context.settings.access_token_seconds,
    )
    return Session(
        access_token=token, refresh_token=grant.refresh_token, expires_at=expires_at, user=User.of(grant.user)
    )


def _normal(email: str) -> str:
    return email.strip().lower()


def _check_sign_up(given: SignUpInput) -> None:
    problems = {}
    if not EMAIL.fullmatch(given.email.strip()):
        problems["email"] = "This is not an e-mail address"
    if len(given.password) not in PASSWORD_LENGTHS:
        problems["password"] = f"From {PASSWORD_LENGTHS.start} to {PASSWORD_LENGTHS.stop - 1} characters"
    if not 1 <= len(tidy_name(given.display_name)) <= MAX_DISPLAY_NAME or "\x00" in given.display_name:
        problems["displayName"] = f"From 1 to {MAX_DISPLAY_NAME} characters that can be seen"
    if problems:
        raise errors.ValidationFailed(problems)
