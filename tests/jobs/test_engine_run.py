"""An engine in its child: what comes back, what is stopped, and that nothing is left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.engines import run
from jobs.engines.run import (
    EngineDied,
    EngineEnded,
    EngineFailed,
    EngineRefused,
    EngineStalled,
    EngineTooSlow,
    Limits,
    run_engine,
)
from jobs.make import make
from jobs.queue import Work
from jobs.videos.rendering import limit_film, tell_slowness
from server import errors
from tests.jobs import engines_for_tests as engines

LIMITS = Limits(memory_bytes=1 << 30, cpu_seconds=20, file_bytes=1 << 20)
PROJECT = Path(__file__).parents[2]
CUT_NETWORK = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x50000000) != 0)"  # CLONE_NEWUSER | CLONE_NEWNET


class Cancelled(Exception):
    """What a report raises."""


@pytest.fixture(scope="module", autouse=True)
def fork_server_that_finds_the_tests() -> Iterator[None]:
    """The engines of this file lie beside it, outside of what is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(PROJECT)])
        run.cool_down()
        yield
    run.cool_down()


def ignore(fraction: float, stage: str) -> None:
    """A report that nobody reads."""


def is_alive(pid: int) -> bool:
    """A zombie is not alive: it only waits to be reaped by whoever adopted it."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def count_open_files() -> int:
    """Of this process."""
    return len(list(Path("/dev/fd").iterdir()))


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> float:
    """Poll a condition; answers with how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never came"
        threading.Event().wait(0.01)
    return time.monotonic() - began


def test_answer_comes_back_in_its_own_types(tmp_path: Path) -> None:
    made = run_engine(engines.make_song, tmp_path, [0.5, 1.25], report=ignore, limits=LIMITS)
    assert made == engines.Made(tmp_path, [0.5, 1.25], {"SQUARE": tmp_path / "square.png"}, None)


def test_answer_of_a_child_that_ends_while_its_progress_is_told_is_not_lost(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def report_slowly(fraction: float, stage: str) -> None:
        if stage == "ending":
            wait_until(lambda: not is_alive(int(pid_file.read_text())))

    assert run_engine(engines.tell_pid_and_end, pid_file, report=report_slowly, limits=LIMITS) == 7


def test_progress_comes_in_order_and_its_end_is_never_lost(tmp_path: Path) -> None:
    heard: list[tuple[float, str]] = []
    run_engine(engines.make_song, tmp_path, [], report=lambda *told: heard.append(told), limits=LIMITS)
    assert heard[0] == (0.0, "starting")
    assert heard[-1] == (1.0, "mixing")
    assert heard == sorted(heard, key=lambda told: told[0])
    assert [stage for _, stage in dict.fromkeys((None, stage) for _, stage in heard)] == [
        "starting",
        "writing",
        "mixing",
    ]


def test_progress_of_one_stage_is_thinned_out() -> None:
    heard: list[float] = []
    run_engine(engines.report_much, 20_000, report=lambda fraction, _: heard.append(fraction), limits=LIMITS)
    assert heard[-1] == 1
    assert len(heard) < 100


def test_silent_engine_is_still_reported_on_every_beat() -> None:
    beats = []

    def count(fraction: float, stage: str) -> None:
        beats.append(time.monotonic())
        if len(beats) == 6:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_engine(engines.wait_silently, report=count, limits=LIMITS, beat_seconds=0.1)
    assert beats[5] - beats[1] < 1.5


def test_refusal_keeps_its_code_and_message() -> None:
    with pytest.raises(EngineRefused) as refused:
        run_engine(engines.refuse, report=ignore, limits=LIMITS)
    assert (refused.value.code, refused.value.message) == ("TOO_LONG", "The song is longer than an hour\nby far")


def test_unexpected_failure_hides_its_message_and_keeps_its_trace() -> None:
    with pytest.raises(EngineFailed) as failed:
        run_engine(engines.divide_by_zero, report=ignore, limits=LIMITS)
    assert "division" not in str(failed.value)
    assert "ZeroDivisionError" in failed.value.trace


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM])
def test_engine_killed_by_a_signal_has_died_of_it(number: signal.Signals) -> None:
    with pytest.raises(EngineDied) as died:
        run_engine(engines.die_by, int(number), report=ignore, limits=LIMITS)
    assert died.value.signal_number == number


def test_engine_that_leaves_has_died() -> None:
    with pytest.raises(EngineDied) as died:
        run_engine(engines.exit_with, 7, report=ignore, limits=LIMITS)
    assert "exit code" in died.value.reason


def test_memory_limit_is_named() -> None:
    with pytest.raises(EngineDied, match="1024 MB of memory"):
        run_engine(engines.take_memory, 2 << 30, report=ignore, limits=LIMITS)
    assert run_engine(engines.take_memory, 1 << 20, report=ignore, limits=LIMITS) == 1 << 20


def test_cpu_limit_is_named() -> None:
    with pytest.raises(EngineDied, match="more than 1 s of CPU time"):
        run_engine(engines.burn, report=ignore, limits=replace(LIMITS, cpu_seconds=1))


def test_file_limit_is_named() -> None:
    with pytest.raises(EngineDied, match="a file of more than 1048576 bytes"):
        run_engine(engines.write_file, (1 << 20) + 1, report=ignore, limits=LIMITS)
    assert run_engine(engines.write_file, 1 << 20, report=ignore, limits=LIMITS) == 1 << 20


@pytest.mark.parametrize("ending", ["refused", "died", "failed"])
def test_last_words_of_native_code_come_with_the_end_of_their_engine(ending: str) -> None:
    with pytest.raises(EngineEnded) as ended:
        run_engine(engines.complain, 2, ending, report=ignore, limits=LIMITS)
    assert ended.value.last_words == (
        "[h264] error while decoding /tmp/a/clip.mp4 0",
        "[h264] error while decoding /tmp/a/clip.mp4 1",
        "[mov] moov atom not found",
    )


def test_last_words_are_few_and_the_last() -> None:
    with pytest.raises(EngineRefused) as refused:
        run_engine(engines.complain, 200, "refused", report=ignore, limits=LIMITS)
    words = refused.value.last_words
    assert len(words) == 50
    assert words[0].endswith(" 151")
    assert words[-1] == "[mov] moov atom not found"


def test_engine_that_floods_its_words_is_not_held_up() -> None:
    assert run_engine(engines.complain, 100_000, "", report=ignore, limits=LIMITS) == 100_000


def test_open_files_are_limited() -> None:
    with pytest.raises(EngineFailed) as failed:
        run_engine(engines.open_files, 100, report=ignore, limits=replace(LIMITS, open_files=50))
    assert "Too many open files" in failed.value.trace


@pytest.mark.parametrize("engine", [engines.wait_silently, engines.repeat_itself])
def test_engine_without_new_progress_has_stalled(engine: Callable[..., None]) -> None:
    began = time.monotonic()
    with pytest.raises(EngineStalled, match="no progress"):
        run_engine(engine, report=ignore, limits=replace(LIMITS, stall_seconds=0.4))
    assert time.monotonic() - began < 3


def test_engine_over_its_wall_time_is_stopped() -> None:
    with pytest.raises(EngineTooSlow, match="longer than"):
        run_engine(engines.burn, report=ignore, limits=replace(LIMITS, wall_seconds=0.4))


def test_job_whose_engine_is_too_slow_fails_for_good_under_its_own_name() -> None:
    nothing: Any = None
    work = Work(nothing, nothing, nothing, nothing, LIMITS.memory_bytes, threading.Semaphore(1))
    with pytest.raises(errors.EngineTooSlow) as slow:
        make(work, engines.burn, limits=replace(LIMITS, wall_seconds=0.4), report=ignore)
    assert (slow.value.code, slow.value.retryable) == ("ENGINE_TOO_SLOW", False)
    assert work.engine_gate.acquire(blocking=False)


def test_film_gives_its_slot_back_after_a_time_that_fits_its_length() -> None:
    minute, hour = (limit_film(30 * seconds, 1 << 30).wall_seconds for seconds in (60, 3600))
    assert minute == 1800
    assert hour == 36_000
    limits = limit_film(1800, 1 << 30)
    slow, stalled = (
        tell_slowness(one, limits, has_clips=True) for one in (errors.EngineTooSlow(), errors.EngineStalled())
    )
    assert slow.startswith("The film took longer than 30 minutes; clips with few key frames")
    assert stalled.startswith("The film made no progress for 120 seconds; clips with few key frames")
    assert "clips" not in tell_slowness(errors.EngineTooSlow(), limits, has_clips=False)


def test_cancelling_frees_an_engine_that_is_deep_in_native_code() -> None:
    raised_at = []

    def cancel_on_second_beat(fraction: float, stage: str) -> None:
        if stage == "multiplying":
            raised_at.append(time.monotonic())
            if len(raised_at) == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        run_engine(
            engines.multiply_for_ever,
            report=cancel_on_second_beat,
            limits=replace(LIMITS, memory_bytes=8 << 30),
            beat_seconds=0.3,
        )
    assert time.monotonic() - raised_at[-1] < 0.5


def test_cancelling_kills_grandchildren_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def cancel(fraction: float, stage: str) -> None:
        if stage == "family":
            raise Cancelled

    with pytest.raises(Cancelled):
        run_engine(engines.raise_a_family, pids, report=cancel, limits=LIMITS)
    child, grandchild = (int(pid) for pid in pids.read_text().split())
    wait_until(lambda: not is_alive(child) and not is_alive(grandchild), seconds=2)


def test_grandchild_does_not_outlive_an_answer() -> None:
    grandchild = run_engine(engines.leave_a_grandchild, report=ignore, limits=LIMITS)
    wait_until(lambda: not is_alive(grandchild), seconds=2)


def test_killed_worker_leaves_no_engine(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"""
from pathlib import Path
from jobs.engines.run import Limits, run_engine
from tests.jobs import engines_for_tests as engines
run_engine(engines.raise_a_family, Path({str(pids)!r}), report=lambda *_: None, limits=Limits(1 << 30, 20, 1 << 20))
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as worker:
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, seconds=20)
        worker.kill()
    family = [int(pid) for pid in pids.read_text().split()]
    wait_until(lambda: not any(is_alive(pid) for pid in family), seconds=2)


def test_engine_sees_no_secret_and_starts_in_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2-hunter2")
    run.cool_down()
    seen = run_engine(engines.look_around, report=ignore, limits=LIMITS)
    assert set(seen.environment) <= {"PATH", "HOME", "LANG", "TMPDIR", "LC_CTYPE"}
    assert seen.environment["HOME"] == "/nonexistent"
    assert "hunter2" not in seen.first_environment
    assert seen.files == []
    assert seen.folder.resolve() == seen.temporary_folder.resolve()
    assert seen.descriptors == 5  # the log is one of them
    assert seen.limits == {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 256}
    assert seen.leads_its_group
    wait_until(lambda: not seen.folder.exists())


def test_engine_reaches_no_network_where_the_kernel_can_cut_it() -> None:
    can_be_cut = subprocess.run([sys.executable, "-c", CUT_NETWORK], check=False).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reached = run_engine(engines.call_home, listener.getsockname()[1], report=ignore, limits=LIMITS)
    assert reached is not can_be_cut


@pytest.mark.parametrize(
    "engine",
    [
        engines.write_garbage,
        engines.write_flood,
        engines.write_many_lines,
        engines.write_deep_nesting,
        engines.write_wrong_type,
        engines.hang_up,
    ],
)
def test_engine_that_says_what_no_engine_says_has_died(engine: Callable[..., object]) -> None:
    with pytest.raises(EngineDied):
        run_engine(engine, report=ignore, limits=LIMITS)


def test_pickle_from_an_engine_is_never_loaded(tmp_path: Path) -> None:
    with pytest.raises(EngineDied):
        run_engine(engines.write_pickle, tmp_path / "trapped", report=ignore, limits=LIMITS)
    assert not (tmp_path / "trapped").exists()


def test_preparation_runs_first_in_the_child() -> None:
    assert run_engine(engines.is_prepared, report=ignore, limits=LIMITS, prepare=engines.mark_preparation)
    assert "PREPARED" not in os.environ


def test_four_threads_run_their_engines_at_once() -> None:
    with ThreadPoolExecutor(4) as threads:
        runs = [
            threads.submit(run_engine, engines.report_much, times, report=ignore, limits=LIMITS)
            for times in range(100, 140)
        ]
        assert [each.result(60) for each in runs] == list(range(100, 140))


def test_thirty_runs_leave_no_descriptor_no_thread_and_no_process() -> None:
    run_engine(engines.tell_pid, report=ignore, limits=LIMITS)
    before = (count_open_files(), threading.active_count())
    pids = []
    for turn in range(30):
        if turn % 3 == 0:
            with pytest.raises(EngineDied):
                run_engine(engines.die_by, int(signal.SIGSEGV), report=ignore, limits=LIMITS)
        elif turn % 3 == 1:
            with pytest.raises(EngineRefused):
                run_engine(engines.refuse, report=ignore, limits=LIMITS)
        else:
            pids.append(run_engine(engines.tell_pid, report=ignore, limits=LIMITS))
    assert (count_open_files(), threading.active_count()) == before
    assert not any(is_alive(pid) for pid in pids)


def test_dead_fork_server_is_replaced() -> None:
    server_pid = run_engine(engines.tell_parent, report=ignore, limits=LIMITS)
    os.kill(server_pid, signal.SIGKILL)
    assert run_engine(engines.tell_parent, report=ignore, limits=LIMITS) != server_pid


def test_dead_fork_server_is_replaced_once_for_all_threads() -> None:
    os.kill(run_engine(engines.tell_parent, report=ignore, limits=LIMITS), signal.SIGKILL)
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(run_engine, engines.tell_parent, report=ignore, limits=LIMITS) for _ in range(8)]
        assert len({each.result(60) for each in runs}) == 1


def test_engine_dies_with_its_fork_server() -> None:
    def kill_server(fraction: float, stage: str) -> None:
        if stage.isdigit():
            os.kill(int(stage), signal.SIGKILL)

    with pytest.raises(EngineDied, match="fork server"):
        run_engine(engines.tell_parent_and_wait, report=kill_server, limits=LIMITS)


def test_cold_fork_server_is_gone() -> None:
    server_pid = run_engine(engines.tell_parent, report=ignore, limits=LIMITS)
    run.cool_down()
    assert not is_alive(server_pid)


def test_warm_start_takes_a_fraction_of_a_second() -> None:
    run.warm_up()
    took = []
    for _ in range(10):
        began = time.monotonic()
        run_engine(engines.tell_pid, report=ignore, limits=LIMITS)
        took.append(time.monotonic() - began)
    assert sorted(took)[5] < 0.1
