"""Our end of the fork server: one for each worker process; asks it for children and sees that each one ends."""

import atexit
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

logger = logging.getLogger(__name__)

PRELOADED = (
    "numpy",
    "av",
    "pydantic",
    "structlog",
    "jobs.engines.run",
    "jobs.engines.music",
    "jobs.engines.covers",
    "jobs.engines.films",
)
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
READY = b"!"
STARTED = struct.Struct("!i")  # the child's pid, or minus the errno of the fork
ENDED = struct.Struct("!iqd")  # exit code (minus the signal), most resident bytes, CPU seconds
SERVER_START_SECONDS = 60.0  # imports on a cold disk; about 0.7 s on a warm one
CHILD_START_SECONDS = 30.0
MOST_WORDS_BYTES = 8 << 10
PIPE_BYTES = 64 << 10  # what a pipe holds, so that one read empties it
REAP_SECONDS = 5.0  # after SIGKILL only a process stuck in the kernel lives longer
STOP_SECONDS = 2.0


@dataclass(frozen=True)
class Ending:
    """How a child ended; no exit code when the fork server died before it could tell."""

    exit_code: int | None
    max_resident_bytes: int = 0
    cpu_seconds: float = 0.0
    was_killed_by_us: bool = False


class Child:
    """One child: what it says, and how it ends; `words` is the end of what native code wrote to its standard error."""

    def __init__(self, pid: int, channel: socket.socket, ending: socket.socket, native: FileIO) -> None:
        self.silent = False
        self.words = b""
        self._pid, self._channel, self._ending, self._native = pid, channel, ending, native
        self._channel.setblocking(False)

    def descriptors(self) -> tuple[int, int]:
        """Readable when there is something to do."""
        return self._channel.fileno(), self._ending.fileno()

    def read(self, size: int) -> bytes:
        """Return what the child has said so far; empty when there is nothing, and `silent` when there never will be."""
        try:
            chunk = self._channel.recv(size)
        except BlockingIOError:
            return b""
        except ConnectionResetError:  # it died with a part of the request unread
            chunk = b""
        self.silent = not chunk
        return chunk

    def listen(self) -> None:
        """Keep the newest of its words; what no longer fits between two calls of this is lost, and holds nobody up."""
        self.words = (self.words + (self._native.read(PIPE_BYTES) or b""))[-MOST_WORDS_BYTES:]

    def has_ended(self, within_seconds: float = 0) -> bool:
        """Whether the child is gone."""
        waiting = select.poll()
        waiting.register(self._ending, select.POLLIN)
        return bool(waiting.poll(within_seconds * 1000))

    def end(self, grace_seconds: float = 0) -> Ending:
        """Kill the whole process group unless it ended by itself, and wait until it is reaped."""
        with self._channel, self._ending, self._native:
            is_killed = not self.has_ended(grace_seconds)
            if is_killed:
                with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
                    os.killpg(self._pid, signal.SIGKILL)
            if not self.has_ended(REAP_SECONDS):
                logger.error("engine process %d does not die", self._pid)
                return Ending(None, was_killed_by_us=True)
            self.listen()
            report = self._ending.recv(ENDED.size)
        if len(report) < ENDED.size:  # the fork server is gone, and nobody else would kill the group
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
            return Ending(None)
        exit_code, max_resident_bytes, cpu_seconds = ENDED.unpack(report)
        return Ending(exit_code, max_resident_bytes, cpu_seconds, is_killed)


class _ForkServer:
    """A small process that has the engines imported and forks one child for each request."""

    def __init__(self, preload: Iterable[str]) -> None:
        self.owner_pid = os.getpid()
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "jobs.engines.child", str(theirs.fileno()), *preload]
            self._process = subprocess.Popen(  # noqa: S603 -- our own module
                command,
                env=_clean_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control.settimeout(SERVER_START_SECONDS)
        if self._control.recv(len(READY)) != READY:
            self.stop()
            raise ConnectionError("the fork server of the engines did not start")

    def fork(self, channel: socket.socket, ending: socket.socket, native: FileIO) -> None:
        with self._lock:
            if self._control.fileno() < 0:  # another thread has found it dead, and stopped it
                raise ConnectionResetError("the fork server was stopped")
            socket.send_fds(self._control, [READY], [channel.fileno(), ending.fileno(), native.fileno()])

    def stop(self) -> None:
        """Close the line: the server kills what still runs, and ends."""
        with self._lock:
            self._control.close()
        if self.owner_pid != os.getpid():
            return
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_lock = threading.Lock()
_server: _ForkServer | None = None
_preload: tuple[str, ...] = PRELOADED


def warm_up(*modules: str) -> None:
    """Start the fork server with the engines and `modules` imported, so that a child starts in milliseconds."""
    global _preload  # noqa: PLW0603 -- one fork server for each process
    _preload = tuple(dict.fromkeys([*PRELOADED, *modules]))
    cool_down()
    _find_server()


def cool_down() -> None:
    """Stop the fork server and all its children."""
    global _server  # noqa: PLW0603 -- one fork server for each process
    with _lock:
        if _server is not None:
            _server.stop()
        _server = None


atexit.register(cool_down)


def start_child(request: bytes) -> Child:
    """Fork a child and give it its request; a fork server that died meanwhile is replaced once."""
    server = _find_server()
    try:
        return _ask(server, request)
    except ConnectionError as error:
        logger.warning("the fork server of the engines died (%s); starting another", error)
        _drop(server)
        return _ask(_find_server(), request)


def _drop(dead: _ForkServer) -> None:
    """Forget this server, and not the one that another thread may have started in its place."""
    global _server  # noqa: PLW0603 -- one fork server for each process
    with _lock:
        if _server is dead:
            dead.stop()
            _server = None


def _find_server() -> _ForkServer:
    global _server  # noqa: PLW0603 -- one fork server for each process
    with _lock:
        if _server is not None and _server.owner_pid != os.getpid():  # we are a fork of the process that started it
            _server.stop()
            _server = None
        if _server is None:
            _server = _ForkServer(_preload)
        return _server


def _ask(server: _ForkServer, request: bytes) -> Child:
    with ExitStack() as ours, ExitStack() as theirs:
        channel, its_channel = _open_line(ours, theirs)
        ending, its_ending = _open_line(ours, theirs)
        native, its_native = _open_pipe(ours, theirs)
        with theirs:
            server.fork(its_channel, its_ending, its_native)
        ending.settimeout(CHILD_START_SECONDS)
        started = ending.recv(STARTED.size)
        if len(started) < STARTED.size:
            raise ConnectionResetError("no child came")
        (pid,) = STARTED.unpack(started)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        child = Child(pid, channel, ending, native)
        _send_request(child, channel, request)
        ours.pop_all()
        return child


def _send_request(child: Child, channel: socket.socket, request: bytes) -> None:
    channel.settimeout(CHILD_START_SECONDS)
    try:
        channel.sendall(request)
        channel.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it died already; how is told by its ending
    except TimeoutError:
        child.end()
        raise
    channel.setblocking(False)


def _open_line(ours: ExitStack, theirs: ExitStack) -> tuple[socket.socket, socket.socket]:
    mine, its = socket.socketpair()
    return ours.enter_context(mine), theirs.enter_context(its)


def _open_pipe(ours: ExitStack, theirs: ExitStack) -> tuple[FileIO, FileIO]:
    """Neither end of it waits: a child that floods it loses its words, and one that is silent holds nobody up."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return ours.enter_context(FileIO(reading)), theirs.enter_context(FileIO(writing, "w"))


def _clean_environment() -> dict[str, str]:
    """No secret of the worker reaches an engine, not even by its parent's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    search_path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    return {**kept, **dict.fromkeys(ONE_THREAD, "1"), "HOME": "/nonexistent", "PYTHONPATH": search_path}
