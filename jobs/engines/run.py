"""Runs a media engine in a child process with limits, progress and a kill switch; it answers in JSON, never in pickle.

worker thread ── run_engine ──┬── control ──► fork server (jobs.engines.child), one for each worker process
                              │                   └─ fork ─► child: one engine, one private folder, then gone
                              ├── channel ◄─► the request down; progress and one answer up
                              ├── native ◄─── what native code writes to its standard error, of which the end is kept
                              └── ending ◄─── the child's pid, then how it ended
"""

import logging
import pickle
import re
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypeVar, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from jobs.engines.children import MOST_WORDS_BYTES, Child, Ending, cool_down, start_child, warm_up

__all__ = [
    "EngineDied",
    "EngineEnded",
    "EngineFailed",
    "EngineRefused",
    "EngineStalled",
    "EngineTooSlow",
    "Limits",
    "Report",
    "cool_down",
    "run_engine",
    "warm_up",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")
Report = Callable[[float, str], None]  # fraction 0 to 1, stage

PROGRESS, RESULT, REFUSED, FAILED = b"P", b"R", b"N", b"F"  # the first byte of a line; the rest is JSON
OUT_OF_MEMORY_EXIT = 86
STAGE_CHARACTERS = 200
MOST_WORDS = 50  # lines
ADDRESS = re.compile(r" ?@ 0x[0-9a-f]+")
TRACE_CHARACTERS = 16_000
MAX_ANSWER_BYTES = 32 << 20  # all that a child may say: an hour's analysis is below 2 MB
CHUNK_BYTES = 1 << 16
QUIET_SECONDS = 0.2  # between two reports of one stage
LAST_BREATH_SECONDS = 1.0  # for a child that said its last to end by itself

_PROGRESS = TypeAdapter[tuple[float, str]](
    tuple[
        Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)],
        Annotated[str, Field(max_length=STAGE_CHARACTERS)],
    ]
)
_REFUSED = TypeAdapter[tuple[str, str]](tuple[str, str])
_FAILED = TypeAdapter[str](str)
_DEATHS = {
    signal.SIGKILL: "it was killed, most likely because the machine ran out of memory",
    signal.SIGSEGV: "it crashed in native code",
    signal.SIGBUS: "it crashed in native code",
    signal.SIGABRT: "it crashed in native code",
    signal.SIGILL: "it crashed in native code",
    signal.SIGFPE: "it crashed in native code",
}


class EngineEnded(Exception):
    """Why there is no result; `last_words` are the last lines that native code, FFmpeg for one, wrote about it."""

    last_words: tuple[str, ...] = ()


class EngineRefused(EngineEnded):
    """Raised by an engine whose input cannot be worked on; trying again is of no use."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class EngineDied(EngineEnded):
    """The child ended without an answer, or said what no engine of ours would say."""

    def __init__(self, reason: str, *, signal_number: int | None = None, exit_code: int | None = None) -> None:
        self.reason, self.signal_number, self.exit_code = reason, signal_number, exit_code
        super().__init__(reason)


class EngineStalled(EngineEnded):
    """The child made no progress, or took longer than it was given."""


class EngineTooSlow(EngineStalled):
    """The child went on, but for longer than it was given."""


class EngineFailed(EngineEnded):
    """The engine raised what it should not; `trace` is for the log, not for a client."""

    def __init__(self, trace: str) -> None:
        self.trace = trace
        super().__init__("The engine failed unexpectedly")


@dataclass(frozen=True)
class Limits:
    """What one engine may take; `memory_bytes` is address space, of which the libraries alone take about 0.25 GB."""

    memory_bytes: int
    cpu_seconds: int
    file_bytes: int
    open_files: int = 256
    stall_seconds: float = 120
    wall_seconds: float | None = None


@dataclass(frozen=True)
class Request:
    """What goes down to the child: pickled, since it comes from us."""

    engine: Callable[..., Any]
    args: tuple[object, ...]
    limits: Limits
    prepare: Callable[[], None] | None


def run_engine(
    engine: Callable[..., T],
    *args: object,
    report: Report,
    limits: Limits,
    beat_seconds: float = 1.0,
    prepare: Callable[[], None] | None = None,
) -> T:
    """Run `engine(*args, report=…)` in a fresh child and return what it returns.

    `report` is called here, on every beat and with the child's progress; when it raises, the child's whole process
    group is killed and the exception goes on. `prepare` runs first in the child, for its logging.
    """
    answer = TypeAdapter[T](get_type_hints(engine)["return"])
    child = _start(pickle.dumps(Request(engine, args, limits, prepare)))
    try:
        final, ending = _attend(engine, child, _Watch(report, limits, beat_seconds))
        if final is None:
            raise _name_death(ending, limits)
        return _read_answer(*final, answer)
    except EngineEnded as ended:
        ended.last_words = _read_words(child.words)
        if ended.last_words:
            level = logging.DEBUG if isinstance(ended, EngineRefused) else logging.WARNING
            logger.log(level, "engine %s ended with these words\n%s", engine.__name__, "\n".join(ended.last_words))
        raise


def _attend(engine: Callable[..., Any], child: Child, watch: "_Watch") -> tuple[tuple[bytes, bytes] | None, Ending]:
    """The child's answer, if it gave one, and how it ended; when this raises, the child is gone too."""
    final = None
    try:
        final = _follow(child, watch)
    finally:
        ending = child.end(LAST_BREATH_SECONDS if final or child.silent else 0)
        _log_ending(engine, ending)
    return final, ending


def _read_words(words: bytes) -> tuple[str, ...]:
    """The last lines, without the addresses in memory that FFmpeg writes behind its names."""
    lines = words.decode(errors="replace").splitlines()
    if len(words) == MOST_WORDS_BYTES:
        lines = lines[1:]  # it may begin anywhere
    return tuple(ADDRESS.sub("", line) for line in lines if line.strip())[-MOST_WORDS:]


def _start(request: bytes) -> Child:
    try:
        return start_child(request)
    except OSError as error:
        raise EngineDied(f"it could not be started ({error})") from error


class _Watch:
    """When to report, and when to lose patience."""

    def __init__(self, report: Report, limits: Limits, beat_seconds: float) -> None:
        self._report, self._limits, self._beat_seconds = report, limits, beat_seconds
        self._latest, self._told = (0.0, "starting"), (-1.0, "")
        self._began = self._moved = time.monotonic()
        self._told_at = self._began - beat_seconds

    def note(self, fraction: float, stage: str) -> None:
        """Take new progress; a new stage is told at once."""
        if (fraction, stage) == self._latest:
            return
        is_new_stage = stage != self._latest[1]
        self._latest, self._moved = (fraction, stage), time.monotonic()
        if is_new_stage:
            self._tell()

    def tick(self) -> None:
        """Tell what is due; raise when the child took too long."""
        now, wall_seconds = time.monotonic(), self._limits.wall_seconds
        if wall_seconds is not None and now - self._began >= wall_seconds:
            raise EngineTooSlow(f"The engine took longer than {wall_seconds:g} s")
        if now - self._moved >= self._limits.stall_seconds:
            raise EngineStalled(f"The engine made no progress for {self._limits.stall_seconds:g} s")
        if now >= self._due_at():
            self._tell()

    def finish(self) -> None:
        """Tell the last progress if nobody heard it."""
        if self._latest != self._told:
            self._tell()

    def wait_seconds(self) -> float:
        """How long nothing needs to be done unless the child speaks."""
        ends = [self._due_at(), self._moved + self._limits.stall_seconds]
        if self._limits.wall_seconds is not None:
            ends.append(self._began + self._limits.wall_seconds)
        return max(0.0, min(ends) - time.monotonic())

    def _due_at(self) -> float:
        has_news = self._latest != self._told
        return self._told_at + (min(QUIET_SECONDS, self._beat_seconds) if has_news else self._beat_seconds)

    def _tell(self) -> None:
        self._told, self._told_at = self._latest, time.monotonic()
        self._report(*self._latest)


def _follow(child: Child, watch: _Watch) -> tuple[bytes, bytes] | None:
    """Read the child until its answer, or until it has ended without one."""
    waiting = select.poll()
    for fd in child.descriptors():
        waiting.register(fd, select.POLLIN)
    lines = _Lines(child)
    while True:
        waiting.poll(watch.wait_seconds() * 1000)
        child.listen()
        has_ended = child.has_ended()  # asked once: what it says while we tell its progress is read in the next turn
        for line in lines.read(until_empty=has_ended):
            if line[:1] != PROGRESS:
                watch.finish()
                return line[:1], line[1:]
            watch.note(*_parse(_PROGRESS, line[1:]))
        if child.silent or has_ended:
            return None
        watch.tick()


class _Lines:
    """The child's lines, as they come; nothing it says is kept beyond a fixed size."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._received_bytes = 0
        self._parts: list[bytes] = []

    def read(self, *, until_empty: bool) -> Iterator[bytes]:
        while chunk := self._child.read(CHUNK_BYTES):
            self._received_bytes += len(chunk)
            if self._received_bytes > MAX_ANSWER_BYTES:
                raise EngineDied(f"it wrote more than {MAX_ANSWER_BYTES >> 20} MB to its parent")
            head, *tail = chunk.split(b"\n")
            self._parts.append(head)
            for piece in tail:
                yield b"".join(self._parts)
                self._parts = [piece]
            if not until_empty:
                return


def _parse(adapter: TypeAdapter[T], body: bytes) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        logger.warning("an engine's line does not read: %s", error.errors(include_input=False, include_url=False)[:3])
        raise EngineDied("it wrote what does not read as an answer") from error


def _read_answer(kind: bytes, body: bytes, answer: TypeAdapter[T]) -> T:
    if kind == RESULT:
        return _parse(answer, body)
    if kind == REFUSED:
        raise EngineRefused(*_parse(_REFUSED, body))
    if kind == FAILED:
        _raise_failure(_parse(_FAILED, body)[-TRACE_CHARACTERS:])
    raise EngineDied("it wrote what does not read as an answer")


def _raise_failure(trace: str) -> NoReturn:
    logger.error("an engine failed unexpectedly\n%s", trace)
    raise EngineFailed(trace)


def _name_death(ending: Ending, limits: Limits) -> EngineDied:
    code = ending.exit_code
    if ending.was_killed_by_us:
        return EngineDied("it stopped speaking without an answer")
    if code is None:
        return EngineDied("its fork server died")
    if code == OUT_OF_MEMORY_EXIT:
        return EngineDied(f"it needed more than {limits.memory_bytes >> 20} MB of memory", exit_code=code)
    if code >= 0:
        return EngineDied(f"it ended with exit code {code}", exit_code=code)
    return EngineDied(_name_signal(-code, limits), signal_number=-code)


def _name_signal(number: int, limits: Limits) -> str:
    if number == signal.SIGXCPU:
        return f"it used more than {limits.cpu_seconds} s of CPU time"
    if number == signal.SIGXFSZ:
        return f"it wrote a file of more than {limits.file_bytes} bytes"
    known = {signal_.value: reason for signal_, reason in _DEATHS.items()}
    return f"{known.get(number, 'it was stopped')} (signal {number})"


def _log_ending(engine: Callable[..., Any], ending: Ending) -> None:
    logger.debug(
        "engine %s ended with %s: %.2f s of CPU time, at most %d MB resident",
        engine.__name__,
        ending.exit_code,
        ending.cpu_seconds,
        ending.max_resident_bytes >> 20,
    )
