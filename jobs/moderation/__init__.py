"""Moderation: whether a track may be made of what somebody wrote, asked before anything is written or charged.

`rules` are built in and cost microseconds; `remote` asks whoever the operator names, behind the rules.
"""

from uuid import UUID

from jobs.moderation.remote import RemoteModerator
from jobs.moderation.rules import Rules
from jobs.moderation.verdicts import Moderator, Rejection, Words
from server import metrics
from server.errors import PolicyRejected, Unavailable
from server.settings import Settings

__all__ = ["Moderation", "Rejection", "Words", "check", "close_moderation", "open_moderation"]


class Moderation:
    """Asks one moderator after the other."""

    def __init__(self, members: tuple[Moderator, ...], policy_url: str) -> None:
        self._members = members
        self._policy_url = policy_url

    async def check(self, words: Words, user_id: UUID) -> None:
        """Raise PolicyRejected for what is not allowed, and Unavailable when somebody who must say so does not."""
        for member in self._members:
            rejection = await member.find_rejection(words, user_id)
            if rejection is not None:
                metrics.MODERATION_REJECTED.labels(member.name).inc()
                raise PolicyRejected(
                    rejection.message,
                    reason=rejection.reason,
                    suggestion=rejection.suggestion,
                    policy_url=self._policy_url,
                )

    async def close(self) -> None:
        """Let the connections go."""
        for member in self._members:
            await member.close()


_moderation: Moderation | None = None


def open_moderation(settings: Settings) -> Moderation:
    """Make this process able to judge."""
    global _moderation  # noqa: PLW0603 - like the database, one for each process
    remote = (RemoteModerator.of(settings),) if settings.moderation_url else ()
    _moderation = Moderation((Rules(), *remote), f"{settings.base_url}/policy")
    return _moderation


async def close_moderation() -> None:
    """Let the connections go."""
    global _moderation  # noqa: PLW0603 - see open_moderation
    if _moderation is not None:
        await _moderation.close()
        _moderation = None


async def check(words: Words, user_id: UUID) -> None:
    """As `Moderation.check`."""
    if _moderation is None:
        raise Unavailable("Nobody reads what tracks are made of")
    await _moderation.check(words, user_id)
