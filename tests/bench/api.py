"""The API under load: CPU for each request of server and PostgreSQL, beside a Strawberry server as usually written."""

import asyncio
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any

import orjson

from storage.tokens import write_access_token
from storage.users import User
from tests.bench import seed
from tests.bench.meters import cpu_seconds
from tests.bench.report import Figure, Table
from tests.bench.stage import Helper, open_stage, start_aside
from tests.studio import ROOT, Studio, free_port, until

CONNECTIONS = 32
WARM_SECONDS = 0.5
BODIES = 2_000  # different ones, so that no cache of rows could help anybody
TOKEN_SECONDS = 3_600

TRACK = "title durationSeconds status createdAt style { name } cover { svgUrl } job { kind state progress }"
ONE_TRACK = f"query ($id: ID!) {{ track(id: $id) {{ id {TRACK} }} }}"
PAGE = (
    "query ($first: Int!) { tracks(first: $first) {"
    f" edges {{ cursor node {{ id {TRACK} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
)
CREATE = (
    "mutation ($input: CreateTrackInput!) { createTrack(input: $input) {"
    " ... on TrackCreated { track { id title status } job { id state } } } }"
)

Asks = list[tuple[str, str]]  # token and body


@dataclass(frozen=True)
class Question:
    """One kind of request, and the CPU milliseconds, all told, of the best Node server with the same question."""

    name: str
    asks: Asks
    expected: str
    best_node_ms: float  # Mercurius with JIT or PostGraphile 5, whichever took less, on 2 cores in November 2026


@dataclass(frozen=True)
class Server:
    """A server under load."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True)
class Cell:
    """What one server did under one load."""

    per_second: float
    p50_ms: float
    p99_ms: float
    server_ms: float
    postgres_ms: float


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """Both servers in turn, question by question; medians over the rounds."""
    tracks, rounds, seconds = (10_000, 1, 0.8) if quick else (100_000, 3, 4.0)
    async with open_stage() as (studio, _), start_aside("tests.bench.load") as load:
        await seed.fill(studio.settings.database_url, tracks)
        questions = await _make_questions(studio, tracks)
        web = await studio.start_web()
        with _start_usual(studio) as usual:
            await _wait_for(usual)
            servers = [Server("ours", studio.port, web.child.pid), usual]
            cells: dict[tuple[str, str], list[Cell]] = {}
            for number in range(rounds):
                for question in questions:
                    for server in servers[:: -1 if number % 2 else 1]:
                        cell = await _load(load, studio, server, question, seconds)
                        cells.setdefault((server.name, question.name), []).append(cell)
    figures = [figure for question in questions for figure in _compare(question, cells)]
    about = f"{tracks:,} tracks, {2 * tracks:,} jobs, {CONNECTIONS} connections, one web process, durable commits"
    note = "Node: the better of Mercurius (JIT) and PostGraphile 5, without authentication, measured on 2 cores"
    return [Table(f"API: {about}", figures, note)]


async def _make_questions(studio: Studio, tracks: int) -> list[Question]:
    rng = random.Random(42)
    tokens = {n: await _write_token(studio, n) for n in range(1, seed.PEOPLE + 1)}
    one: Asks = []
    for _ in range(BODIES):
        track_id, owner = seed.random_track(rng, tracks)
        one.append((tokens[owner], _body(ONE_TRACK, id=f"track_{track_id.hex}")))
    page = [(tokens[rng.randint(1, seed.BUSY_PEOPLE)], _body(PAGE, first=50)) for _ in range(BODIES)]
    wishes = [{"prompt": f"a made evening {rng.random()}", "durationSeconds": 5} for _ in range(BODIES)]
    create = [(tokens[1 + n % seed.PEOPLE], _body(CREATE, input=wish)) for n, wish in enumerate(wishes)]
    return [
        Question("one track nested", one, '"progress":1', 0.26),
        Question("50 tracks nested", page, '"hasNextPage":true', 1.26),
        Question("insert track + job", create, '"state":"QUEUED"', 0.34),
        Question("{ __typename }", [(tokens[1], _body("{ __typename }"))], '"__typename":"Query"', 0.013),
    ]


async def _write_token(studio: Studio, number: int) -> str:
    user = await User.get(id=seed.row_id("user", number))
    token, _ = write_access_token(user, user.id, secret=studio.settings.secret, seconds=TOKEN_SECONDS)
    return token


def _body(query: str, **variables: Any) -> str:
    return orjson.dumps({"query": query, "variables": variables}).decode()


@contextmanager
def _start_usual(studio: Studio) -> Iterator[Server]:
    port = free_port()
    given = {"DATABASE_URL": studio.settings.database_url, "SECRET_KEY": studio.settings.secret.decode()}
    command = ["uvicorn", "tests.bench.usual:app", f"--port={port}", "--loop=uvloop", "--http=httptools"]
    with (studio.home / "usual.log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--no-access-log"],
            cwd=ROOT,
            env=os.environ | given,
            stdout=out,
            stderr=out,
        )
    try:
        yield Server("usual", port, process.pid)
    finally:
        process.kill()
        process.wait(10)


async def _wait_for(server: Server) -> None:
    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except OSError:
            return False
        writer.close()
        return True

    await until(listens, f"the {server.name} server listens")


async def _load(load: Helper, studio: Studio, server: Server, question: Question, seconds: float) -> Cell:
    postgres = studio.services.postgres_pid
    assert postgres is not None
    wish = {
        "port": server.port,
        "connections": CONNECTIONS,
        "asks": question.asks,
        "expected": question.expected,
        "warm_seconds": WARM_SECONDS,
        "seconds": seconds,
    }
    assert await load.ask(wish) is True
    before = cpu_seconds(server.pid), cpu_seconds(postgres)
    seen = await load.hear()
    spent = cpu_seconds(server.pid) - before[0], cpu_seconds(postgres) - before[1]
    count = seen["count"]
    assert count > 0 == seen["wrong"], f"{server.name}, {question.name}: {seen}"
    return Cell(seen["per_second"], seen["p50_ms"], seen["p99_ms"], spent[0] / count * 1000, spent[1] / count * 1000)


def _compare(question: Question, cells: Mapping[tuple[str, str], Sequence[Cell]]) -> list[Figure]:
    ours, usual = (_median(cells[server, question.name]) for server in ("ours", "usual"))
    both, usual_both = ours.server_ms + ours.postgres_ms, usual.server_ms + usual.postgres_ms
    goal = f"< {question.best_node_ms:g} Node; usual Strawberry {usual_both:.3g}, {usual_both / both:.1f}x ours"
    return [
        Figure(f"{question.name}: CPU a request", both, "ms", goal, both < question.best_node_ms),
        Figure("  of it the server", ours.server_ms, "ms", f"usual {usual.server_ms:.3g}"),
        Figure("  of it PostgreSQL", ours.postgres_ms, "ms", f"usual {usual.postgres_ms:.3g}"),
        Figure("  requests", ours.per_second, "/s", f"usual {usual.per_second:,.0f}"),
        Figure("  p50", ours.p50_ms, "ms", f"usual {usual.p50_ms:.3g}"),
        Figure("  p99", ours.p99_ms, "ms", f"usual {usual.p99_ms:.3g}"),
    ]


def _median(cells: Sequence[Cell]) -> Cell:
    return Cell(*(statistics.median(values) for values in zip(*map(astuple, cells), strict=True)))
