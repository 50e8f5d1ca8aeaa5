"""Spotify on a real socket: tokens by client credentials, one track at a time, and its own words for what is wrong."""

import asyncio
import base64
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

CLIENT_ID, CLIENT_SECRET = "the-client", "the-secret"
TRACK_ID = "11dFghVXANMlKmJXsNCbNl"
TRACK: dict[str, Any] = {
    "id": TRACK_ID,
    "name": "Cut To The Feeling",
    "artists": [{"id": "6sFIWsNpZYqfjUpaCgueju", "name": "Carly Rae Jepsen", "type": "artist"}],
    "album": {
        "name": "Cut To The Feeling",
        "release_date": "2017-05-26",
        "release_date_precision": "day",
        "images": [
            {"url": "https://i.scdn.co/image/small", "height": 64, "width": 64},
            {"url": "https://i.scdn.co/image/large", "height": 640, "width": 640},
        ],
    },
    "duration_ms": 207959,
    "explicit": False,
    "external_ids": {"isrc": "USUM71703861"},
    "external_urls": {"spotify": f"https://open.spotify.com/track/{TRACK_ID}"},
}


@dataclass(frozen=True)
class Answer:
    """What goes out: bytes as they are, else JSON; None for silence."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


def tell_error(status: int, message: str, **headers: str) -> Answer:
    """An error in the form of the Web API."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"error": {"status": status, "message": message}}, named)


@dataclass
class FakeSpotify:
    """Both of its hosts in one, with what it was asked."""

    url: str = ""
    token_seconds: int = 3600
    tracks: dict[str, Any] = field(default_factory=lambda: {TRACK_ID: TRACK})
    next_answers: deque[Answer] = field(default_factory=deque)  # in the place of a track
    next_tokens: deque[Answer] = field(default_factory=deque)  # in the place of a token
    given_tokens: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _good: set[str] = field(default_factory=set)

    def revoke(self) -> None:
        """No token that was given is good any more."""
        self._good.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = head[0].split(" ")
            self.asked.append(f"{method} {path}")
            answer = self._answer(method, path, headers, body.decode())
            if answer.body is None:
                await reader.read()  # until whoever asked has had enough
            else:
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                lines = {"Content-Length": str(len(content)), "Connection": "close"} | answer.headers
                told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                writer.write(f"HTTP/1.1 {answer.status} X\r\n{told}\r\n".encode() + content)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Answer:
        if (method, path) == ("POST", "/api/token"):
            return self.next_tokens.popleft() if self.next_tokens else self._give_token(headers, body)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            return tell_error(401, "No token provided")
        if token not in self._good:
            return tell_error(401, "The access token expired" if token in self.given_tokens else "Invalid access token")
        if self.next_answers:
            return self.next_answers.popleft()
        kind, _, track_id = path.removeprefix("/v1/").partition("/")
        if method != "GET" or kind != "tracks" or "?" in path:
            return tell_error(403, "Forbidden")
        if len(track_id) != 22:
            return tell_error(400, "Invalid base62 id")
        found = self.tracks.get(track_id)
        return tell_error(404, "Resource not found") if found is None else Answer(200, found)

    def _give_token(self, headers: dict[str, str], body: str) -> Answer:
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if headers.get("content-type") != "application/x-www-form-urlencoded":
            return Answer(415, {"error": "unsupported_media_type"})
        if parse_qs(body) != {"grant_type": ["client_credentials"]}:
            return Answer(400, {"error": "unsupported_grant_type"})
        if headers.get("authorization") != f"Basic {pair}":
            return Answer(400, {"error": "invalid_client", "error_description": "Invalid client secret"})
        token = secrets.token_urlsafe(32)
        self.given_tokens.append(token)
        self._good.add(token)
        return Answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds})


@asynccontextmanager
async def running_spotify() -> AsyncIterator[FakeSpotify]:
    """One that is there until the block ends."""
    spotify = FakeSpotify()
    server = await asyncio.start_server(spotify.serve, "127.0.0.1", 0)
    spotify.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield spotify
    finally:
        server.close()
