"""A vendor of music and clips on a real socket: what all of them share, and the script that a test writes for it."""

import asyncio
import io
import json
import math
import secrets
import socket
import struct
import time
import wave
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Self

import av
import httpx
import numpy as np

HTML_502 = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"


def make_wav(seconds: float = 0.25, rate: int = 8000) -> bytes:
    """A short tone."""
    samples = (round(9000 * math.sin(2 * math.pi * 440 * at / rate)) for at in range(round(seconds * rate)))
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return out.getvalue()


@cache
def make_mp4(width: int = 64, height: int = 36, frames: int = 12, fps: int = 24) -> bytes:
    """A short clip without sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            pixels = np.full((height, width, 3), 20 * number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def read_json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What goes out; `reset` breaks the connection instead."""

    status: int = 200
    body: Any = None  # bytes as they are, else JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False


@dataclass
class Plan:
    """How a run goes: each look at it is one step further."""

    positions: tuple[int, ...] = ()
    logs: tuple[str, ...] = ()
    endless: bool = False  # it stays at its last step until it is cancelled
    ending: str = "audio"  # or broken, moderated, refused, expired, page, foreign
    audio: bytes = field(default_factory=make_wav)
    video: bytes = field(default_factory=make_mp4)  # of models that make clips
    redirect: str = ""  # where the file has moved to
    audio_url: str = ""  # where it is, if not here
    declared_bytes: int | None = None  # what its Content-Length says, if not the truth


@dataclass
class Run:
    """A request that was accepted."""

    id: str
    endpoint: str
    given: dict[str, Any]
    plan: Plan
    looks: int = 0
    cancelled: bool = False
    webhook_url: str = ""

    @property
    def step(self) -> int:
        return max(self.looks - 1, 0)

    @property
    def logged(self) -> tuple[str, ...]:
        return self.plan.logs[: max(self.step - len(self.plan.positions) + 1, 0)]

    @property
    def is_waiting(self) -> bool:
        return self.step < len(self.plan.positions)

    @property
    def is_over(self) -> bool:
        return not self.plan.endless and self.step >= len(self.plan.positions) + len(self.plan.logs)


class Vendor(ABC):
    """One vendor's server."""

    name: ClassVar[str]
    key: ClassVar[str]
    error_bodies: ClassVar[Mapping[int, Any]]
    clip_models: ClassVar[Mapping[str, Any]]

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.runs: list[Run] = []
        self.plan = Plan()
        self.submit_answers: deque[Answer] = deque()  # in the place of an acceptance
        self.look_answers: deque[Answer] = deque()  # in the place of a status
        self.lose_answers = False  # accept, then break the connection
        self.arrived = asyncio.Event()  # a submit is here
        self.may_answer = asyncio.Event()  # and waits for this
        self.may_answer.set()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """A vendor that listens until the block ends."""
        vendor = cls()
        server = await asyncio.start_server(vendor._serve, "127.0.0.1", 0)
        vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield vendor

    def refuse_submit(self, status: int, **headers: str) -> None:
        """Answer the next submit with the vendor's own words for this status."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.submit_answers.append(Answer(status, self.error_bodies[status], named))

    async def deliver(self, run: Run, *, timestamp: float | None = None) -> httpx.Response:
        """Send the webhook of a run that has ended to where its submit said."""
        headers, body = self.sign_delivery(run, timestamp=time.time() if timestamp is None else timestamp)
        async with httpx.AsyncClient() as client:
            return await client.post(run.webhook_url, content=body, headers=headers)

    @property
    def submits(self) -> list[Request]:
        return [request for request in self.requests if self.is_submit(request)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read_request(reader)
            self.requests.append(request)
            if self.is_submit(request):
                self.arrived.set()
                await self.may_answer.wait()
            answer = self.answer(request)
            if answer.reset:
                linger = struct.pack("ii", 1, 0)  # so that closing sends RST
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                writer.write(_write_answer(answer))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/files/"):
            return self._answer_file(request)
        if request.headers.get("authorization") != self.authorization and not self.is_open(request):
            return Answer(401, self.error_bodies[401])
        if not self.is_submit(request):
            is_look = request.method == "GET" and not self.is_open(request)
            return self.look_answers.popleft() if is_look and self.look_answers else self.answer_about_run(request)
        if self.submit_answers:
            return self.submit_answers.popleft()
        if refused := self.check_input(request):
            return refused
        run = Run(secrets.token_hex(8), self.endpoint_of(request), request.read_json(), self.plan)
        run.webhook_url = self.webhook_url_of(request)
        self.runs.append(run)
        return Answer(reset=True) if self.lose_answers else self.accept(run)

    def _answer_file(self, request: Request) -> Answer:
        run = self.find_run(request.path.split("/")[2])
        plan = run.plan
        if plan.ending == "expired":
            return Answer(404, b"gone", {"Content-Type": "text/plain"})
        if plan.ending == "page":
            return Answer(200, b"<html>sign in</html>", {"Content-Type": "text/html"})
        if plan.redirect and request.query != "moved":
            return Answer(302, b"", {"Location": plan.redirect})
        body, kind = (plan.video, "video/mp4") if run.endpoint in self.clip_models else (plan.audio, "audio/wav")
        length = len(body) if plan.declared_bytes is None else plan.declared_bytes
        return Answer(200, body, {"Content-Type": kind, "Content-Length": str(length)})

    def find_run(self, run_id: str) -> Run:
        return next(run for run in self.runs if run.id == run_id)

    def file_url(self, run: Run) -> str:
        return run.plan.audio_url or f"{self.url}/files/{run.id}/{self.file_name(run)}"

    def file_name(self, run: Run) -> str:
        return "output.mp4" if run.endpoint in self.clip_models else "song.wav"

    @property
    @abstractmethod
    def authorization(self) -> str: ...

    @abstractmethod
    def is_submit(self, request: Request) -> bool: ...

    @abstractmethod
    def is_open(self, request: Request) -> bool: ...

    @abstractmethod
    def endpoint_of(self, request: Request) -> str: ...

    @abstractmethod
    def webhook_url_of(self, request: Request) -> str: ...

    @abstractmethod
    def check_input(self, request: Request) -> Answer | None: ...

    @abstractmethod
    def accept(self, run: Run) -> Answer: ...

    @abstractmethod
    def answer_about_run(self, request: Request) -> Answer: ...

    @abstractmethod
    def sign_delivery(self, run: Run, *, timestamp: float) -> tuple[dict[str, str], bytes]:
        """The webhook that this vendor would send: its headers and its body."""


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body)


def _write_answer(answer: Answer) -> bytes:
    is_raw = isinstance(answer.body, bytes)
    body = answer.body if is_raw else json.dumps(answer.body).encode()
    headers = {"Content-Type": "text/html" if is_raw else "application/json", "Content-Length": str(len(body))}
    headers |= {"Connection": "close", **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} Because", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
