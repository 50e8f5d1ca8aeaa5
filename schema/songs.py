"""Songs that other services know: what a link tells."""

from dataclasses import asdict
from typing import Annotated

import strawberry

from jobs import songs
from schema.context import Info
from schema.failures import NotAllowed, NotFound, RateLimited, SourceUnavailable, ValidationFailed
from schema.mutation import mutation
from storage import allowances


@strawberry.type(description="What another service knows of a song; null for what it does not tell.")
class Song:
    url: str = strawberry.field(description="The link, without what was only about whoever shared it.")
    title: str | None
    artists: list[str]
    album: str | None
    cover_url: str | None = strawberry.field(description="The largest picture, on that service's own host.")
    duration_seconds: float | None
    isrc: str | None
    release_date: str | None = strawberry.field(
        description="A day, a month or a year: `2024-05-17`, `2024-05`, `2024`."
    )
    is_explicit: bool | None


@strawberry.type(description="The song that the link leads to.")
class SongFound:
    song: Song


@strawberry.input
class LookUpSongInput:
    url: str = strawberry.field(description="A link to a track on Spotify, or its `spotify:track:` address.")


LookUpSongResult = Annotated[
    SongFound | ValidationFailed | NotFound | RateLimited | NotAllowed | SourceUnavailable,
    strawberry.union("LookUpSongResult"),
]


@strawberry.type
class SongMutation:
    @mutation
    async def look_up_song(self, info: Info, input: LookUpSongInput) -> LookUpSongResult | None:  # noqa: A002 - the API's name
        """What Spotify knows of a song; a mutation because it asks somebody else. Nothing is written."""
        await allowances.spend(allowances.SONGS, info.context.viewer.require_user())
        found = await songs.look_up(input.url)
        return SongFound(song=Song(**asdict(found) | {"artists": list(found.artists)}))
