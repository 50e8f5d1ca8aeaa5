"""Engines that behave well or badly on purpose; they run in the child."""

import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.engines.run import EngineRefused, Report

CHANNEL_FD = 3
FOR_EVER_SECONDS = 600


@dataclass(frozen=True)
class Made:
    """An answer with a bit of everything."""

    path: Path
    beats: list[float]
    crops: dict[str, Path]
    title: str | None


def make_song(path: Path, beats: list[float], *, report: Report) -> Made:
    report(0.25, "writing")
    report(0.75, "writing")
    report(0.8, "mixing")
    report(1, "mixing")
    return Made(path, beats, {"SQUARE": path / "square.png"}, None)


def report_much(times: int, *, report: Report) -> int:
    for step in range(times):
        report((step + 1) / times, "counting")
    return times


def refuse(*, report: Report) -> None:
    raise EngineRefused("TOO_LONG", "The song is longer than an hour\nby far")


def divide_by_zero(*, report: Report) -> float:
    return 1 / 0


def die_by(number: int, *, report: Report) -> None:
    os.kill(os.getpid(), number)


def exit_with(code: int, *, report: Report) -> None:
    sys.exit(code)


def take_memory(size_bytes: int, *, report: Report) -> int:
    return len(np.ones(size_bytes, dtype=np.uint8))


def burn(*, report: Report) -> None:
    while True:
        pass


def write_file(size_bytes: int, *, report: Report) -> int:
    Path("large").write_bytes(bytes(size_bytes))
    return size_bytes


def open_files(count: int, *, report: Report) -> int:
    return len([Path("/dev/null").open() for _ in range(count)])


def wait_silently(*, report: Report) -> None:
    report(0.5, "waiting")
    time.sleep(FOR_EVER_SECONDS)


def repeat_itself(*, report: Report) -> None:
    while True:
        report(0.5, "waiting")
        time.sleep(0.02)


def multiply_for_ever(*, report: Report) -> None:
    """One call of C code that takes minutes."""
    report(0.1, "multiplying")
    square = np.ones((8000, 8000))
    np.linalg.svd(square)


def raise_a_family(pids: Path, *, report: Report) -> None:
    """Leave a grandchild that ignores polite signals, and tell its pid."""
    family = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep({FOR_EVER_SECONDS})",
        ]
    )
    pids.write_text(f"{os.getpid()} {family.pid}")
    report(0.5, "family")
    time.sleep(FOR_EVER_SECONDS)


def leave_a_grandchild(*, report: Report) -> int:
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOR_EVER_SECONDS})"]).pid


@dataclass(frozen=True)
class Surroundings:
    """What an engine sees around it."""

    environment: dict[str, str]
    first_environment: str
    folder: Path
    temporary_folder: Path
    files: list[str]
    descriptors: int
    limits: dict[str, int]
    leads_its_group: bool


def look_around(*, report: Report) -> Surroundings:
    first = Path("/proc/self/environ")
    limits = {name: resource.getrlimit(getattr(resource, name))[0] for name in ("RLIMIT_CORE", "RLIMIT_NOFILE")}
    descriptors = [fd for fd in range(64) if _is_open(fd)]
    return Surroundings(
        dict(os.environ),
        first.read_text() if first.exists() else "",
        Path.cwd(),
        Path(tempfile.gettempdir()),
        [path.name for path in Path().iterdir()],
        len(descriptors),
        limits,
        os.getpgrp() == os.getpid(),
    )


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def call_home(port: int, *, report: Report) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def write_garbage(*, report: Report) -> None:
    os.write(CHANNEL_FD, b"\x00\xff garbage \xfe\n")


def write_flood(*, report: Report) -> None:
    while True:
        os.write(CHANNEL_FD, b"R" + b"7" * 65535)


def write_many_lines(*, report: Report) -> None:
    while True:
        os.write(CHANNEL_FD, b'P[0.5,"a"]\n' * 5000)


class _Trap:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._mark),)


def write_pickle(mark: Path, *, report: Report) -> None:
    os.write(CHANNEL_FD, b"R" + pickle.dumps(_Trap(mark), protocol=0).replace(b"\n", b" ") + b"\n")
    os.write(CHANNEL_FD, pickle.dumps(_Trap(mark)) + b"\n")


def write_deep_nesting(*, report: Report) -> list[int]:
    os.write(CHANNEL_FD, b"R" + b"[" * 100_000 + b"\n")
    return []


def write_wrong_type(*, report: Report) -> int:
    os.write(CHANNEL_FD, b'R{"path": "x"}\n')
    return 1


def hang_up(*, report: Report) -> None:
    os.close(CHANNEL_FD)
    time.sleep(FOR_EVER_SECONDS)


def tell_pid(*, report: Report) -> int:
    return os.getpid()


def tell_pid_and_end(pid_file: Path, *, report: Report) -> int:
    """The answer is there as soon as the progress is, and nobody is left to say it again."""
    pid_file.write_text(str(os.getpid()))
    report(0.5, "ending")
    return 7


def tell_parent(*, report: Report) -> int:
    return os.getppid()


def tell_parent_and_wait(*, report: Report) -> None:
    report(0.5, str(os.getppid()))
    time.sleep(FOR_EVER_SECONDS)


def mark_preparation() -> None:
    os.environ["PREPARED"] = "yes"


def is_prepared(*, report: Report) -> bool:
    return os.environ.get("PREPARED") == "yes"


def complain(count: int, ending: str, *, report: Report) -> int:
    """Write as native code does, past Python, in a process of its own besides; then refuse, die or answer."""
    for number in range(count):
        with suppress(BlockingIOError):
            os.write(
                2, f"[h264 @ 0x55d0c8a5a{number % 1000:03}] error while decoding /tmp/a/clip.mp4 {number}\n".encode()
            )
    subprocess.run(["/bin/sh", "-c", "echo '[mov @ 0x7f] moov atom not found' >&2"], check=True)
    print("said to the log", file=sys.stderr)
    if ending == "refused":
        raise EngineRefused("UNREADABLE", "It breaks off")
    if ending == "died":
        os.kill(os.getpid(), signal.SIGKILL)
    if ending == "failed":
        raise RuntimeError("a secret of the engine")
    return count
