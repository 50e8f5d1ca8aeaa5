"""The steps of the smoke test: one visitor signs up, has a track made, takes all of it along, and leaves."""

import asyncio
import html
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

from server.smoke import documents, files
from server.smoke.breakage import Broken
from server.smoke.client import Answer, Client, describe_failure
from server.smoke.sockets import JobState, JobWatcher
from server.smoke.terminal import Terminal

LONGEST_SECONDS, SHORTEST_SECONDS = 600, 5  # what `createTrack` takes
PROMPT = "A calm smoke test at dawn, soft piano over a slow beat"
FINAL_STATES = ("COMPLETE", "FAILED", "CANCELLED")

Step = tuple[str, Callable[[], Awaitable[str]]]


class Visit:
    """Each step answers with a note for its line, or raises Broken."""

    def __init__(
        self, client: Client, watcher: JobWatcher, terminal: Terminal, *, seconds: float, timeout_seconds: float
    ) -> None:
        self._client, self._watcher, self._terminal = client, watcher, terminal
        self._seconds, self._timeout_seconds = seconds, timeout_seconds
        self._credits = 0
        self._created: Answer = {}
        self._cancelled: Answer = {}
        self._track: Answer = {}
        self._created_at = 0.0
        self.making_seconds = 0.0

    def steps(self) -> list[Step]:
        """All of them, in order; each leans on those before it."""
        return [
            ("the deployment is ready", self.check_health),
            ("sign up", self.sign_up),
            ("the account has credits", self.look_at_account),
            ("open a WebSocket", self.open_socket),
            ("create a track, once per key", self.create_track),
            ("the worker makes it, watched live", self.watch_track),
            ("the track is complete", self.read_track),
            ("the audio plays", self.play_audio),
            ("the files and the cover are there", self.fetch_files),
            ("the ledger adds up", self.check_ledger),
            ("share it, and hide it again", self.share_track),
            ("cancel a job", self.cancel_job),
            ("delete and log out", self.leave),
        ]

    async def check_health(self) -> str:
        await self._client.fetch("/healthz", expected=200)
        await self._client.fetch("/readyz", expected=200)
        return ""

    async def sign_up(self) -> str:
        email = f"smoke-{secrets.token_hex(8)}@example.invalid"
        await self._client.sign_up(email, secrets.token_urlsafe(24))
        return email

    async def look_at_account(self) -> str:
        viewer = (await self._client.ask(documents.VIEWER))["viewer"]
        self._credits = viewer["credits"]
        if self._credits <= 0:
            hint = "Raise CREDITS_AT_SIGN_UP; without credits nothing can be made."
            raise Broken("some credits", self._credits, hint=hint)
        return f"{self._credits} credits, plan {viewer['plan']}"

    async def open_socket(self) -> str:
        await self._watcher.open_again()
        return self._client.socket_url

    async def create_track(self) -> str:
        """Two requests with one key at the same time, as a client sends that lost its patience."""
        key, self._created_at = secrets.token_hex(16), time.perf_counter()
        self._created, again = await asyncio.gather(
            self._request_track(self._seconds, key), self._request_track(self._seconds, key)
        )
        first_id, second_id = self._created["job"]["id"], again["job"]["id"]
        if first_id != second_id:
            raise Broken("one job for one idempotency key", f"{first_id} and {second_id}")
        return f"{first_id}, for {_count(self._created['creditsRequired'], 'credit')}"

    async def watch_track(self) -> str:
        seen: list[JobState] = []
        try:
            with self._terminal.follow_job() as screen:
                async with aclosing(self._watcher.watch(self._created["job"]["id"], self._timeout_seconds)) as states:
                    async for state in states:
                        seen.append(state)
                        screen.show(state)
        except Broken:
            with suppress(Broken):  # nobody waits for it any more
                await self._client.change(documents.CANCEL_JOB, id=self._created["job"]["id"])
            raise
        self.making_seconds = time.perf_counter() - self._created_at
        _check_passage(seen)
        back = f", {_count(self._watcher.reconnects, 'reconnect')}" if self._watcher.reconnects else ""
        return f"{_count(len(seen), 'state')}, attempt {seen[-1]['attempt']}{back}"

    async def read_track(self) -> str:
        self._track = (await self._client.ask(documents.TRACK, id=self._created["track"]["id"]))["track"]
        ours = () if self._is_composed_by_us() else ("stems", "midi", "music")  # nobody else's song has these
        missing = [name for name, part in self._track.items() if part in (None, [], "") and name not in ours]
        if missing or self._track["status"] != "COMPLETE":
            raise Broken("a complete track", f"{self._track['status']}, without {', '.join(missing) or 'nothing'}")
        if not self._is_composed_by_us():
            return f"made by {self._track['provider']}"
        music = self._track["music"]
        stems, tempo = len(self._track["stems"]), music["tempoBpm"]
        return f"{stems} stems, {tempo:.0f} bpm, {music['key']} {music['mode']}, {len(music['sections'])} sections"

    async def play_audio(self) -> str:
        audio = self._track["audio"]
        seconds = self._seconds if self._is_composed_by_us() else audio["durationSeconds"]
        return await files.check_audio(self._client, audio, seconds)

    def _is_composed_by_us(self) -> bool:
        return bool(self._track["provider"] == "local")

    async def fetch_files(self) -> str:
        return await files.check_rest(self._client, self._track)

    async def check_ledger(self) -> str:
        ledger = await self._client.ask(documents.LEDGER)
        price, job_id = self._created["creditsRequired"], self._created["job"]["id"]
        nodes = ledger["creditEntries"]["nodes"]
        kinds = {node["kind"] for node in nodes if node["jobId"] in (None, job_id)}
        if not {"GRANT", "RESERVE", "CAPTURE"} <= kinds:
            raise Broken("GRANT, RESERVE and CAPTURE in the ledger", sorted(kinds))
        available, held = (sum(node[name] for node in nodes) for name in ("availableDelta", "heldDelta"))
        self._expect_credits(ledger, self._credits - price)
        if (available, held) != (self._credits - price, 0):
            raise Broken(f"a ledger of {self._credits - price} available and 0 held", f"{available} and {held}")
        self._credits -= price
        return f"{price} spent, {self._credits} left"

    async def share_track(self) -> str:
        address: str = self._created["track"]["shareUrl"]
        await self._show_to("UNLISTED")
        page = (await self._client.fetch(address, expected=200)).text
        title = self._created["track"]["title"]
        if "og:title" not in page or title not in html.unescape(page):
            raise Broken(f"a page with og:title and {title!r}", page)
        await self._show_to("PRIVATE")
        await self._client.fetch(address, expected=404)
        return address

    async def cancel_job(self) -> str:
        """The longest track that the account can pay for, so that there is something to cancel."""
        seconds_per_credit = self._seconds / self._created["creditsRequired"]
        seconds = min(LONGEST_SECONDS, int(self._credits * seconds_per_credit))
        if seconds < SHORTEST_SECONDS:
            return "left out: the credits do not reach for a second track"
        self._cancelled = await self._request_track(seconds, secrets.token_hex(16))
        job_id, last, is_asked = self._cancelled["job"]["id"], None, False
        async with aclosing(self._watcher.watch(job_id, self._timeout_seconds)) as states:
            async for last in states:
                if not is_asked and last["progress"] > 0:  # an engine is at work, and has to be stopped
                    await self._client.change(documents.CANCEL_JOB, id=job_id)
                    is_asked = True
        if last is None or last["state"] != "CANCELLED":
            raise Broken("CANCELLED as the last state", last)
        self._expect_credits(await self._client.ask(documents.LEDGER), self._credits)
        return f"{_count(self._cancelled['creditsRequired'], 'credit')} back"

    async def leave(self) -> str:
        for made in filter(None, (self._created, self._cancelled)):
            await self._client.change(documents.DELETE_TRACK, trackId=made["track"]["id"])
        await self._client.change(documents.LOG_OUT)
        given = {"refreshToken": self._client.refresh_token}
        answer = (await self._client.ask(documents.REFRESH_SESSION, input=given))["refreshSession"]
        if answer["__typename"] == "Session":
            raise Broken("the refresh token to be refused after logging out", "a new session")
        return ""

    async def _request_track(self, seconds: float, key: str) -> Answer:
        given = {"prompt": PROMPT, "durationSeconds": seconds, "idempotencyKey": key}
        return await self._client.change(documents.CREATE_TRACK, input=given)

    async def _show_to(self, visibility: str) -> None:
        given = {"trackId": self._created["track"]["id"], "visibility": visibility}
        answer = await self._client.change(documents.UPDATE_TRACK, input=given)
        if answer["track"]["visibility"] != visibility:
            raise Broken(f"the visibility {visibility}", answer)

    def _expect_credits(self, ledger: Answer, expected: int) -> None:
        found = ledger["viewer"]["credits"]
        if found != expected:
            raise Broken(f"{expected} credits", found)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _check_passage(seen: list[JobState]) -> None:
    """It came through the queue and a worker, and was seen to: no fallback made it beside them."""
    last: dict[str, Any] = seen[-1] if seen else {}
    if last.get("state") != "COMPLETE":
        why = describe_failure(last["error"]) if last.get("error") else ""
        hint = "Look for the job's id in the log of the worker." if why else ""
        raise Broken("the job to be COMPLETE", f"{last.get('state', 'no state at all')} {why}", hint=hint)
    lived = {state["state"] for state in seen} - set(FINAL_STATES)
    fractions = {state["progress"] for state in seen}
    if not lived or last["attempt"] < 1 or len(fractions) < 2:
        raise Broken(
            "a job that was seen in the queue or at work, with an attempt and some progress",
            f"states {sorted(lived) or 'none'}, attempt {last['attempt']}, progress {sorted(fractions)}",
            hint="Something other than the queue answered for it, or events do not reach the sockets (Redis).",
        )
