"""One server process of ours: a direct child, waited for by condition, stopped in time, and dead when we are."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypedDict

import psutil  # type: ignore[import-untyped]

from server.errors import Unavailable

START_SECONDS = (
    60.0  # crash recovery after a lost machine takes this long at worst; a dead process ends the wait at once
)
STOP_SECONDS = 20.0
POLL_SECONDS = 0.01
LOG_BYTES = 8 * 2**20  # of the live file; one older file of the same size is kept beside it
TOLD_BYTES = 2000  # of a log in an error message

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """The system user that a process runs as."""

    uid: int
    gid: int


def tie_to_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Called in a fresh child, asks the kernel to signal it when the thread that started it is gone (Linux only)."""
    parent = os.getpid()

    def tie() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

    return tie


class Daemon(ABC):
    """Start it from a thread that lives as long as the process: the kernel ties a child to its thread."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    crash_signal: ClassVar[signal.Signals]

    def __init__(self, folder: Path, log: Path, account: Account | None = None) -> None:
        self.folder, self.log, self.account = folder, log, account
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    @abstractmethod
    def pid_file(self) -> Path:
        """Where the running server leaves its pid in the first line."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the process answers now."""

    @property
    def pid(self) -> int | None:
        """Of the live process."""
        return self._process.pid if self._process and self.is_alive else None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_died(self) -> bool:
        """It was started, nobody stopped it, and it is gone."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Return when the server answers; whatever an earlier run left behind is cleared away first."""
        self._stop_leftover()
        self.trim_log()
        with self.log.open("ab") as log, quiet_fork():
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own binaries and folders
                self.command(),
                cwd=self.folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor alone
                preexec_fn=tie_to_parent(self.stop_signal),  # noqa: PLW1509 - see quiet_fork
                **run_as(self.account),
            )
        self._wait_until_ready()

    def stop(self, how: signal.Signals | None = None) -> None:
        """Return when the process is gone, by force after the deadline."""
        if self._process is None:
            return
        if self.is_alive:
            self._process.send_signal(how or self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def crash(self) -> None:
        """End the process at once; safe to call while another thread waits for it."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(self.crash_signal)

    def last_words(self) -> str:
        """The end of what this run has logged."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._log_start, size), size - TOLD_BYTES))
            return log.read().decode(errors="replace").strip()
        return ""

    def trim_log(self) -> None:
        """Keep the log bounded; the live process appends, so it goes on at the new end."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".old"))
            os.truncate(self.log, 0)
            self._log_start = 0

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if not self.is_alive:
                raise Unavailable(
                    f"{self.name} ended while it started. Its log, {self.log}, says:\n{self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.name} did not get ready in {START_SECONDS:.0f} s; see {self.log}")
            time.sleep(POLL_SECONDS)

    def _stop_leftover(self) -> None:
        """Where the kernel cannot tie a child to us, the server of a killed run may still be there."""
        leftover = self._find_leftover()
        if leftover is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                leftover.send_signal(self.stop_signal)
                try:
                    leftover.wait(STOP_SECONDS)
                except psutil.TimeoutExpired:
                    leftover.kill()
                    leftover.wait(STOP_SECONDS)
        self.pid_file.unlink(missing_ok=True)

    def _find_leftover(self) -> psutil.Process | None:
        """The process that the pid file names, unless its number has passed on to a stranger."""
        try:
            process = psutil.Process(int(self.pid_file.read_text().split("\n", 1)[0]))
            ours = process.name() == Path(self.command()[0]).name and Path(process.cwd()).samefile(self.folder)
        except (OSError, ValueError, psutil.Error):
            return None
        return process if ours else None


def clean_environment() -> dict[str, str]:
    """Ours without the variables that would turn a PostgreSQL program elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


class RunAs(TypedDict):
    """The arguments of `Popen` that make a child run as another user."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


def run_as(account: Account | None) -> RunAs:
    """None is ourselves."""
    if account is None:
        return RunAs(user=None, group=None, extra_groups=None)
    return RunAs(user=account.uid, group=account.gid, extra_groups=[])


@contextlib.contextmanager
def quiet_fork() -> Iterator[None]:
    """Python 3.12 warns of a fork beside threads; `tie` makes two system calls and takes no lock before the exec."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        yield
