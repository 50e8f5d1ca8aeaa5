"""The fork server and its children: each engine is shut in its own process group, folder and limits."""

import ctypes
import fcntl
import gc
import importlib
import json
import logging
import os
import pickle
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, get_type_hints

import av.logging
from pydantic import TypeAdapter

from jobs.engines.children import ENDED, READY, STARTED
from jobs.engines.run import (
    FAILED,
    OUT_OF_MEMORY_EXIT,
    PROGRESS,
    REFUSED,
    RESULT,
    STAGE_CHARACTERS,
    TRACE_CHARACTERS,
    EngineRefused,
    Limits,
    Report,
    Request,
)

logger = logging.getLogger(__name__)

NATIVE_FD, CHANNEL_FD, LOG_FD = 2, 3, 4
CPU_GRACE_SECONDS = 5  # SIGXCPU names its reason; the hard limit behind it is a bare SIGKILL
ORPHANED_EXIT = 87
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 1, 38, 36
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


class ForkServer:
    """Single-threaded: forks on request, reaps, and ends when its worker is gone."""

    def __init__(self, control: socket.socket, root: str) -> None:
        self._control, self._root = control, root
        self._children: dict[int, tuple[int, str]] = {}  # pid: where its ending is told, its folder

    def serve(self) -> None:
        """Work until the worker hangs up, then kill what still runs."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._control.send(READY)
        is_open = True
        while is_open:
            ready, _, _ = select.select([woken, self._control.fileno()], [], [])
            if woken in ready:
                os.read(woken, 4096)
                self._reap()
            if self._control.fileno() in ready:
                is_open = self._fork()
        for pid in self._children:
            _kill_group(pid)

    def _fork(self) -> bool:
        _, fds, _, _ = socket.recv_fds(self._control, len(READY), 3)
        if len(fds) < 3:
            return False
        channel, ending, native = fds
        folder = tempfile.mkdtemp(dir=self._root)
        server_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            pid = -(error.errno or 1)
        if pid == 0:
            _live(channel, native, folder, server_pid)
        os.close(channel)
        os.close(native)
        with suppress(OSError):  # both sides do it, so that the group stands before anybody may kill it
            os.setpgid(pid, pid)
        with suppress(BrokenPipeError):
            os.write(ending, STARTED.pack(pid))
        if pid < 0:
            self._forget(ending, folder)
        else:
            self._children[pid] = (ending, folder)
        return True

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self._children:
                continue  # a grandchild that was left to us
            _kill_group(pid)
            ending, folder = self._children.pop(pid)
            report = ENDED.pack(
                os.waitstatus_to_exitcode(status), usage.ru_maxrss * RSS_UNIT_BYTES, usage.ru_utime + usage.ru_stime
            )
            with suppress(BrokenPipeError):
                os.write(ending, report)
            self._forget(ending, folder)

    def _forget(self, ending: int, folder: str) -> None:
        os.close(ending)
        shutil.rmtree(folder, ignore_errors=True)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _live(channel_fd: int, native_fd: int, folder: str, server_pid: int) -> NoReturn:
    """The whole life of a child; it never goes back into the fork server's code."""
    exit_code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with suppress(PermissionError):
            os.setpgid(0, 0)
        _set_descriptors(channel_fd, native_fd)
        exit_code = _answer(socket.socket(fileno=CHANNEL_FD), folder, server_pid)
    except BrokenPipeError:
        pass  # nobody listens any more
    except MemoryError:
        exit_code = OUT_OF_MEMORY_EXIT
    except BaseException:  # noqa: BLE001 -- the last frame of the process
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(exit_code)


def _set_descriptors(channel_fd: int, native_fd: int) -> None:
    """Let native code write to a pipe of the worker's, and Python to the log as before; nothing else stays open."""
    free = [fcntl.fcntl(fd, fcntl.F_DUPFD, LOG_FD + 1) for fd in (native_fd, channel_fd, NATIVE_FD)]
    for fd, place in zip(free, (NATIVE_FD, CHANNEL_FD, LOG_FD), strict=True):
        os.dup2(fd, place, inheritable=place == NATIVE_FD)
    os.closerange(LOG_FD + 1, os.sysconf("SC_OPEN_MAX"))
    sys.stderr = os.fdopen(LOG_FD, "w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _answer(channel: socket.socket, folder: str, server_pid: int) -> int:
    try:
        _shut_in(folder, server_pid)
        with channel.makefile("rb") as incoming:
            request: Request = pickle.load(incoming)  # noqa: S301 -- from our own parent
        if request.prepare is not None:
            request.prepare()
        _limit(request.limits)
        _cut_network()
        _die_with_server(server_pid)
        result = request.engine(*request.args, report=_make_report(channel))
        line = RESULT + TypeAdapter(get_type_hints(request.engine)["return"]).dump_json(result)
    except EngineRefused as refusal:
        line = REFUSED + json.dumps([refusal.code, refusal.message]).encode()
    except MemoryError:
        return OUT_OF_MEMORY_EXIT
    except Exception:  # noqa: BLE001 -- whatever an engine raises is told to the parent
        line = FAILED + json.dumps(traceback.format_exc()[-TRACE_CHARACTERS:]).encode()
    channel.sendall(line + b"\n")
    return 0


def _make_report(channel: socket.socket) -> Report:
    def report(fraction: float, stage: str) -> None:
        inside = min(1.0, max(0.0, float(fraction)))
        channel.sendall(PROGRESS + json.dumps([inside, stage[:STAGE_CHARACTERS]]).encode() + b"\n")

    return report


def _shut_in(folder: str, server_pid: int) -> None:
    os.chdir(folder)
    tempfile.tempdir = folder
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    os.environ.clear()
    os.environ.update(kept, HOME="/nonexistent", TMPDIR=folder)
    _die_with_server(server_pid)
    if sys.platform == "linux":
        _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        with suppress(OSError):  # the machine short of memory takes the engine, not the worker
            Path("/proc/self/oom_score_adj").write_text("800")


def _limit(limits: Limits) -> None:
    _cap(resource.RLIMIT_CORE, 0)
    _cap(resource.RLIMIT_CPU, limits.cpu_seconds, slack=CPU_GRACE_SECONDS)
    _cap(resource.RLIMIT_FSIZE, limits.file_bytes)
    _cap(resource.RLIMIT_NOFILE, limits.open_files)
    if sys.platform == "linux":  # macOS does not keep it
        _cap(resource.RLIMIT_AS, limits.memory_bytes)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and a muxer may ignore the error that is left


def _cap(which: int, wanted: int, slack: int = 0) -> None:
    _, hard = resource.getrlimit(which)
    ceiling = wanted + slack if hard == resource.RLIM_INFINITY else min(wanted + slack, hard)
    resource.setrlimit(which, (min(wanted, ceiling), ceiling))


def _cut_network() -> None:
    """Leave the child without any network where the kernel lets us; sockets that are files stay within reach."""
    if sys.platform == "linux":
        error = _call("unshare", CLONE_NEWNET) and _call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
        if error:
            logger.debug("the engine keeps the network: %s", os.strerror(error))


def _die_with_server(server_pid: int) -> None:
    """After every change of credentials again, since some of them clear it."""
    if sys.platform == "linux":
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server_pid:
        os._exit(ORPHANED_EXIT)


def _call(name: str, *args: int) -> int:
    """Call the C library; the errno, or 0."""
    call: Callable[..., int] = getattr(_libc, name)
    return ctypes.get_errno() if call(*args) != 0 else 0


_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Import what the engines need, then fork until the worker hangs up."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    for name in sys.argv[2:]:
        try:
            importlib.import_module(name)
        except ImportError as error:  # told again, by name, to the first engine that needs it
            logger.debug("not preloaded: %s", error)
    if sys.platform == "linux":
        _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    av.logging.set_libav_level(av.logging.WARNING)
    av.logging.restore_default_callback()  # PyAV's own calls Python from FFmpeg's threads, which can stand still then
    gc.collect()
    gc.freeze()  # the children share these pages
    with tempfile.TemporaryDirectory(prefix="libretto-engines-", ignore_cleanup_errors=True) as root:
        ForkServer(control, root).serve()


if __name__ == "__main__":
    main()
