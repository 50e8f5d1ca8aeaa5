"""The peer: the same questions over the same tables, as a Strawberry server is usually written.

A resolver for each relation, a DataLoader behind it, one SQL statement for each loader, the token read on every
request; nothing is cached between requests. Runs under uvicorn with uvloop and httptools, as ours does.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

from storage.rows import new_id
from storage.tokens import read_access_token

SECRET = os.environ["SECRET_KEY"].encode()
POOL_SIZE = 10

INSERT_JOB = """INSERT INTO jobs (id, user_id, kind, queue, state, stage, progress, message, version, attempt,
    max_attempts, crash_count, round, priority, turn, available_at, lease_token, payload, created_at)
    VALUES ($1, $2, 'tracks.render', 'media', 'QUEUED', 'queued', 0, '', 1, 0, 3, 0, 0, 0, 0, now(), 0, '{}', now())"""
INSERT_TRACK = """INSERT INTO tracks (id, user_id, job_id, title, prompt, duration_seconds, has_vocals, seed, status,
    visual_version, visibility, slug, version, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, false, 1, 'QUEUED', 1, 'PRIVATE', $7, 1, now())"""

Row = dict[str, Any]


@dataclass
class Database:
    """The pool of this process, once it is open."""

    pool: asyncpg.Pool | None = None

    async def read(self, sql: str, *values: object) -> list[Row]:
        assert self.pool is not None
        return [dict(row) for row in await self.pool.fetch(sql, *values)]

    async def write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        assert self.pool is not None
        async with self.pool.acquire() as connection, connection.transaction():
            for sql, values in statements:
                await connection.execute(sql, *values)


database = Database()


@strawberry.type
class Style:
    id: strawberry.ID
    name: str


@strawberry.type
class Cover:
    id: strawberry.ID
    svg_key: strawberry.Private[str]

    @strawberry.field
    def svg_url(self) -> str:
        signature = hmac.new(SECRET, self.svg_key.encode(), hashlib.sha256).hexdigest()
        return f"http://127.0.0.1/media/{self.svg_key}?signature={signature}"


@strawberry.type
class Job:
    id: strawberry.ID
    kind: str
    state: str
    progress: float


@strawberry.type
class Track:
    id: strawberry.ID
    title: str
    duration_seconds: float
    status: str
    created_at: datetime
    style_id: strawberry.Private[UUID | None]
    job_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: Row) -> "Track":
        return cls(**{name: row[name] for name in cls.__annotations__})

    @strawberry.field
    async def style(self, info: strawberry.Info) -> Style | None:
        row = await info.context["style"].load(self.style_id) if self.style_id else None
        return row and Style(id=row["id"], name=row["name"])

    @strawberry.field
    async def cover(self, info: strawberry.Info) -> Cover | None:
        row = await info.context["cover"].load(self.id)
        return row and Cover(id=row["id"], svg_key=row["svg_key"])

    @strawberry.field
    async def job(self, info: strawberry.Info) -> Job | None:
        row = await info.context["job"].load(self.job_id)
        return row and Job(id=row["id"], kind=row["kind"], state=row["state"], progress=row["progress"])


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge:
    cursor: str
    node: Track


@strawberry.type
class Connection:
    edges: list[Edge]
    page_info: PageInfo


@strawberry.type
class TrackCreated:
    track: Track
    job: Job


@strawberry.input
class CreateTrackInput:
    prompt: str
    duration_seconds: float


@strawberry.type
class Query:
    @strawberry.field
    async def track(self, info: strawberry.Info, id: strawberry.ID) -> Track | None:  # noqa: A002 - the API's name
        sql = "SELECT * FROM tracks WHERE id = $1 AND user_id = $2"
        rows = await database.read(sql, UUID(id.rpartition("_")[2]), info.context["user_id"])
        return Track.of(rows[0]) if rows else None

    @strawberry.field
    async def tracks(self, info: strawberry.Info, first: int) -> Connection:
        sql = "SELECT * FROM tracks WHERE user_id = $1 ORDER BY id DESC LIMIT $2"
        rows = await database.read(sql, info.context["user_id"], first + 1)
        edges = [Edge(cursor=f"cursor_{row['id'].hex}", node=Track.of(row)) for row in rows[:first]]
        return Connection(
            edges=edges,
            page_info=PageInfo(has_next_page=len(rows) > first, end_cursor=edges[-1].cursor if edges else None),
        )


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def create_track(self, info: strawberry.Info, input: CreateTrackInput) -> TrackCreated:  # noqa: A002 - the API's name
        user_id, track_id, job_id = info.context["user_id"], new_id(), new_id()
        title = input.prompt
        await database.write(
            (INSERT_JOB, (job_id, user_id)),
            (
                INSERT_TRACK,
                (track_id, user_id, job_id, title, input.prompt, input.duration_seconds, secrets.token_urlsafe(16)),
            ),
        )
        (row,) = await database.read("SELECT * FROM tracks WHERE id = $1", track_id)
        job = await info.context["job"].load(job_id)
        return TrackCreated(
            track=Track.of(row),
            job=Job(id=job["id"], kind=job["kind"], state=job["state"], progress=job["progress"]),
        )


class Endpoint(GraphQL[Row, None]):
    """Reads the token and makes the loaders, for each request."""

    async def get_context(self, request: Any, response: Any) -> Row:  # noqa: ARG002 - Strawberry's signature
        assert isinstance(request, Request)
        viewer, _ = read_access_token(request.headers["authorization"].removeprefix("Bearer "), secret=SECRET)
        return {
            "user_id": viewer.user_id,
            "style": DataLoader(_batch("styles", "id")),
            "cover": DataLoader(_batch("covers", "track_id")),
            "job": DataLoader(_batch("jobs", "id")),
        }

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)


def _batch(table: str, column: str) -> Callable[[list[Any]], Awaitable[list[Any]]]:
    async def load(keys: list[Any]) -> list[Any]:
        rows = await database.read(f"SELECT * FROM {table} WHERE {column} = ANY($1)", keys)  # noqa: S608 - our own names
        found = {row[column]: row for row in rows}
        return [found.get(key) for key in keys]

    return load


@asynccontextmanager
async def open_pool(_app: Starlette) -> AsyncIterator[None]:
    """Hold the pool open while the process runs."""
    database.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE)
    yield
    await database.pool.close()


app = Starlette(
    routes=[Route("/graphql", Endpoint(strawberry.Schema(Query, Mutation), graphql_ide=None))], lifespan=open_pool
)
