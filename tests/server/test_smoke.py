"""The smoke test is green against the studio, and against a deployment that misbehaves it names the step."""

import asyncio
import re
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from typing import Any

import av
import numpy as np
import orjson
import pytest
import uvicorn
from graphql import parse, validate
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from schema.documents import core
from server import smoke
from server.smoke import documents
from server.smoke.sounds import listen
from tests.studio import Studio, until

SECONDS = 6.0
RATE = 44_100
GRANTED, PRICE = 100, 1
MIDI, PNG, SVG = b"MThd....", b"\x89PNG\r\n\x1a\n....", b"<svg xmlns='http://www.w3.org/2000/svg'/>"


def make_audio(amplitude: float = 0.5, seconds: float = SECONDS) -> bytes:
    """A stereo tone in an M4A file."""
    out = BytesIO()
    times = np.arange(int(RATE * seconds)) / RATE
    tone = (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    with av.open(out, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        for start in range(0, len(tone), 1024):
            part = tone[start : start + 1024]
            frame = av.AudioFrame.from_ndarray(np.stack([part, part]), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


AUDIO = make_audio()


def states_until(state: str, **last: Any) -> list[dict[str, Any]]:
    """What a job's subscription says, up to this state."""
    passage = [("QUEUED", "queued", 0.0, 0), ("RENDERING", "composing", 0.2, 1), ("RENDERING", "mixing", 0.8, 1)]
    names = ("state", "stage", "progress", "attempt")
    told = [dict(zip(names, one, strict=True)) | {"error": None} for one in passage]
    final = {"state": state, "stage": state.lower(), "progress": 1.0, "attempt": 1, "error": None} | last
    return [one | {"id": "job_1", "message": "", "version": number} for number, one in enumerate([*told, final])]


@dataclass
class Deployment:
    """A small faithful Libretto, whose answers a test may spoil; it keeps one account and at most two tracks."""

    audio: bytes = AUDIO
    problems: dict[str, str] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=lambda: states_until("COMPLETE"))
    closes: list[int] = field(default_factory=list)  # codes that the next sockets are closed with, after two states
    range_shift: int = 0
    checks_signatures: bool = True
    ends_sessions: bool = True
    knows_keys: bool = True
    refuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    keys: dict[str, int] = field(default_factory=dict)
    visibility: str = "PRIVATE"
    is_logged_in: bool = True
    refreshes: int = 0
    sockets: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/healthz", lambda _request: JSONResponse({"status": "ok"})),
                Route("/readyz", self.say_ready),
                Route("/graphql", self.answer, methods=["POST"]),
                WebSocketRoute("/graphql", self.converse),
                Route("/media/{name}", self.send_file),
                Route("/share/1", self.show_share),
            ]
        )

    def say_ready(self, _request: Request) -> Response:
        return JSONResponse({"problems": self.problems}, 503 if self.problems else 200)

    async def answer(self, request: Request) -> Response:
        given = orjson.loads(await request.body())
        operation = re.search(r"(?:query|mutation) (\w+)", given["query"])
        assert operation is not None
        name = operation[1]
        field_name = name[0].lower() + name[1:]
        if name in self.refuses:
            answered = {field_name: self.refuses[name]}
        elif name == "Ledger":
            answered = self.ledger()
        else:
            answered = {field_name: self.resolve(name, given["variables"])}
        return JSONResponse({"data": answered}, headers={"X-Request-Id": "request-1"})

    def resolve(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        resolvers: dict[str, Callable[[], dict[str, Any]]] = {
            "SignUp": self.session,
            "RefreshSession": self.refresh,
            "LogOut": self.log_out,
            "Viewer": lambda: {"credits": GRANTED, "plan": "free"},
            "CreateTrack": lambda: self.create(variables["input"]["idempotencyKey"]),
            "CancelJob": self.cancel,
            "Track": self.track,
            "UpdateTrack": lambda: self.update(variables["input"]["visibility"]),
            "DeleteTrack": lambda: {"__typename": "TrackDeleted", "id": variables["trackId"]},
        }
        return resolvers[name]()

    def refresh(self) -> dict[str, Any]:
        self.refreshes += 1
        refused = {"__typename": "NotAllowed", "code": "TOKEN_INVALID", "message": "over"}
        return self.session() if self.is_logged_in else refused

    def log_out(self) -> dict[str, Any]:
        self.is_logged_in = not self.ends_sessions
        return {"sessionEnded": True}

    def cancel(self) -> dict[str, Any]:
        self.cancelled.set()
        return {"__typename": "JobCancelled", "job": {"state": "CANCELLED"}}

    def update(self, visibility: str) -> dict[str, Any]:
        self.visibility = visibility
        return {"__typename": "TrackUpdated", "track": {"visibility": visibility}}

    def session(self) -> dict[str, Any]:
        return {"__typename": "Session", "accessToken": "access", "refreshToken": "refresh"}

    def create(self, key: str) -> dict[str, Any]:
        number = self.keys.setdefault(key if self.knows_keys else secrets.token_hex(4), len(self.keys) + 1)
        return {
            "__typename": "TrackCreated",
            "track": {"id": f"track_{number}", "title": "A & B", "shareUrl": f"{self.url}/share/1"},
            "job": {"id": f"job_{number}", "state": "QUEUED"},
            "creditsRequired": PRICE,
        }

    def track(self) -> dict[str, Any]:
        def file(name: str, mime_type: str, content: bytes) -> dict[str, Any]:
            url = f"{self.url}/media/{name}?expires=1&signature=good"
            return {"url": url, "mimeType": mime_type, "sizeBytes": len(content)}

        return {
            "status": "COMPLETE",
            "provider": "local",
            "audio": file("mix", "audio/mp4", self.audio),
            "master": file("mix", "audio/mp4", self.audio),
            "stems": [file("mix", "audio/mp4", self.audio)],
            "peaks": file("peaks", "application/json", b"{}"),
            "midi": file("midi", "audio/midi", MIDI),
            "cover": {name: f"{self.url}/media/{name[:3]}?signature=good" for name in ("svgUrl", "pngUrl")},
            "music": {"tempoBpm": 90.0, "key": "C", "mode": "minor", "sections": [1]},
        }

    def ledger(self) -> dict[str, Any]:
        lines = [("GRANT", GRANTED, 0, None), ("RESERVE", -PRICE, PRICE, "job_1"), ("CAPTURE", 0, -PRICE, "job_1")]
        names = ("kind", "availableDelta", "heldDelta", "jobId")
        nodes = [dict(zip(names, line, strict=True)) for line in reversed(lines)]
        return {"viewer": {"credits": GRANTED - PRICE}, "creditEntries": {"nodes": nodes}}

    def send_file(self, request: Request) -> Response:
        if self.checks_signatures and request.query_params["signature"] != "good":
            return JSONResponse({"error": "no"}, 403)
        files = {"mix": self.audio, "peaks": b"{}", "midi": MIDI, "svg": SVG, "png": PNG}
        content = files[request.path_params["name"]]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if not asked:
            return Response(content)
        start, end = int(asked[1]), int(asked[2])
        headers = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
        return Response(content[start + self.range_shift : end + 1 + self.range_shift], 206, headers)

    def show_share(self, _request: Request) -> Response:
        page = "<meta property='og:title' content='A &amp; B'>"
        return Response(page, 404 if self.visibility == "PRIVATE" else 200, media_type="text/html")

    async def converse(self, websocket: WebSocket) -> None:
        await websocket.accept("graphql-transport-ws")
        self.sockets += 1
        try:
            assert (await websocket.receive_json())["type"] == "connection_init"
            await websocket.send_json({"type": "connection_ack"})
            await websocket.send_json({"type": "ping"})
            while True:
                message = await websocket.receive_json()
                if message["type"] == "subscribe":
                    await self.tell(websocket, message["id"], message["payload"]["variables"]["jobId"])
        except WebSocketDisconnect:
            pass

    async def tell(self, websocket: WebSocket, operation_id: str, job_id: str) -> None:
        is_second = job_id != "job_1"
        for number, state in enumerate(states_until("CANCELLED") if is_second else self.states):
            if is_second and number == 2:
                await asyncio.to_thread(self.cancelled.wait, 10)
            elif self.closes and number == 2:
                code = self.closes.pop(0)
                await websocket.close(code, "Going")
                raise WebSocketDisconnect(code)
            payload = {"data": {"jobProgress": state}}
            await websocket.send_json({"id": operation_id, "type": "next", "payload": payload})
        await websocket.send_json({"id": operation_id, "type": "complete"})


@asynccontextmanager
async def running(deployment: Deployment) -> AsyncIterator[str]:
    """It, on a real socket of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(deployment.app(), log_config=None, ws="websockets-sansio", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()

    async def has_started() -> bool:
        return server.started

    try:
        await until(has_started, "the deployment listens")
        deployment.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield deployment.url
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join, 10)
        listener.close()


async def run_smoke(deployment: Deployment, **options: Any) -> tuple[int, str]:
    """Its exit status and what it wrote, against this deployment."""
    async with running(deployment) as url:
        return await run_smoke_at(url, **{"seconds": SECONDS, "timeout_seconds": 20} | options)


async def run_smoke_at(url: str, **options: Any) -> tuple[int, str]:
    out = StringIO()
    status = await smoke.run(url, console=Console(file=out, width=200), **options)
    return status, out.getvalue()


async def test_smoke_is_green_against_the_studio(studio: Studio) -> None:
    status, said = await run_smoke_at(studio.url, seconds=5, timeout_seconds=90)
    assert status == 0, said
    assert said.count("✓") == 13
    assert "RENDERING" in said
    assert "× real time" in said  # noqa: RUF001 - times


@pytest.mark.parametrize("name", [name for name in vars(documents) if name.isupper() and name != "REFUSAL"])
def test_every_document_fits_our_own_schema(name: str) -> None:
    assert validate(core, parse(getattr(documents, name))) == []


async def test_smoke_is_green_against_a_faithful_deployment() -> None:
    deployment = Deployment()
    status, said = await run_smoke(deployment)
    assert status == 0, said
    assert said.count("✓") == 13
    assert len(deployment.keys) == 2
    assert not deployment.is_logged_in


@pytest.mark.parametrize("code", [1012, 1013])
async def test_smoke_comes_back_after_a_socket_that_was_sent_away(code: int) -> None:
    deployment = Deployment(closes=[code])
    status, said = await run_smoke(deployment)
    assert status == 0, said
    assert "1 reconnect" in said
    assert (deployment.sockets, deployment.refreshes) == (2, 1)  # the one refresh is that after logging out


async def test_smoke_refreshes_its_session_when_the_socket_says_that_the_token_is_over() -> None:
    deployment = Deployment(closes=[4403])
    status, said = await run_smoke(deployment)
    assert status == 0, said
    assert (deployment.sockets, deployment.refreshes) == (2, 2)


STEPS: list[tuple[str, Callable[[], Deployment], str]] = [
    ("the deployment is ready", lambda: Deployment(problems={"redis": "Redis does not answer"}), "Redis does not"),
    (
        "sign up",
        lambda: Deployment(refuses={"SignUp": {"code": "RATE_LIMITED", "message": "Too many requests"}}),
        "RATE_LIMITED: Too many requests",
    ),
    ("create a track, once per key", lambda: Deployment(knows_keys=False), "job_1 and job_2"),
    (
        "the worker makes it, watched live",
        lambda: Deployment(states=states_until("FAILED", error={"code": "ENGINE_DIED", "message": "out of memory"})),
        "FAILED ENGINE_DIED: out of memory",
    ),
    ("the worker makes it, watched live", lambda: Deployment(states=states_until("COMPLETE")[-1:]), "states none"),
    ("the worker makes it, watched live", lambda: Deployment(states=states_until("RENDERING")), "RENDERING"),
    ("the worker makes it, watched live", lambda: Deployment(closes=[4400]), "closed with 4400"),
    ("the audio plays", lambda: Deployment(range_shift=1), "200 other bytes"),
    ("the audio plays", lambda: Deployment(checks_signatures=False), "200"),
    ("the audio plays", lambda: Deployment(audio=make_audio(amplitude=0.001)), "dBFS"),
    ("the audio plays", lambda: Deployment(audio=make_audio(seconds=4)), "4.0"),
    ("the audio plays", lambda: Deployment(audio=b"no song at all" * 100), "InvalidDataError"),
    ("delete and log out", lambda: Deployment(ends_sessions=False), "a new session"),
]


@pytest.mark.parametrize(("step", "make", "came"), STEPS)
async def test_smoke_names_the_step_that_went_wrong(step: str, make: Callable[[], Deployment], came: str) -> None:
    status, said = await run_smoke(make())
    assert status == 1, said
    assert f"Failed at: {step}" in said
    assert came in said.partition("came")[2]


async def test_smoke_says_what_to_try_when_there_are_no_credits() -> None:
    _, said = await run_smoke(Deployment(refuses={"Viewer": {"credits": 0, "plan": "free"}}))
    assert "Raise CREDITS_AT_SIGN_UP" in said


async def test_smoke_says_which_request_the_log_should_be_searched_for() -> None:
    refusal = {"code": "CONFLICT", "message": "taken"}
    _, said = await run_smoke(Deployment(refuses={"CreateTrack": refusal}))
    assert "CONFLICT: taken" in said
    assert "request-1" in said


async def test_smoke_gives_up_on_a_job_that_never_ends() -> None:
    deployment = Deployment(closes=[1012] * 50)
    status, said = await run_smoke(deployment, timeout_seconds=1)
    assert status == 1
    assert "Failed at: the worker makes it, watched live" in said
    assert "a final state within 1 s" in said
    assert "RENDERING (composing) at 20%" in said
    assert deployment.cancelled.is_set()


async def test_smoke_says_so_when_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    status, said = await run_smoke_at(f"http://127.0.0.1:{port}")
    assert status == 1
    assert "ConnectError" in said
    assert "Is it running" in said


def test_a_tone_is_heard_as_what_it_is() -> None:
    sound = listen(AUDIO)
    assert (sound.codec, sound.channels) == ("aac", 2)
    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.05)
    assert sound.rms_dbfs == pytest.approx(-9.0, abs=0.5)
