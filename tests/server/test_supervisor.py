"""The supervisor as its own process, over real children, real signals and real sockets."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import psutil  # type: ignore[import-untyped]
import pytest

from server.embedded import find_running
from server.supervisor import describe_exit, find_port_problem, reach, welcome

DRIVER = """
import sys, orjson
from server.settings import Settings
from server.supervisor import run
commands = {name: (sys.executable, script) for name, script in orjson.loads(sys.argv[1]).items()}
sys.exit(run(Settings(), commands))
"""
NOTHING = "import os; print('migrated', os.environ['DATABASE_URL'])"
WEB = """
import http.server, os, signal, sys
def stop(*_):
    print("web drains"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
print("web is", os.getpid(), os.environ["REDIS_URL"])
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
WORKER = """
import os, signal
print("worker is", os.getpid())
signal.pause()
"""
STUBBORN_WORKER = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("grandchild is", grandchild.pid)
print("worker is", os.getpid())
while True: signal.pause()
"""
GIVEN = {"DATABASE_URL": "postgresql://elsewhere/x", "REDIS_URL": "redis://elsewhere/0"}


class Supervised:
    """A running supervisor and what it has said so far."""

    def __init__(self, folder: Path, scripts: dict[str, str], environment: dict[str, str]) -> None:
        for name, script in scripts.items():
            (folder / f"{name}.py").write_text(script)
        self.port = int(environment.get("PORT") or find_free_port())
        self.home = folder / "home"
        settings = {"LIBRETTO_HOME": str(self.home), "PORT": str(self.port), "DATABASE_URL": "", "REDIS_URL": ""}
        paths = {name: str(folder / f"{name}.py") for name in scripts}
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, orjson.dumps(paths).decode()],
            env=os.environ | settings | {"DRAIN_SECONDS": "0.1"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def wait_for(self, pattern: str) -> str:
        """The first group of the first match in what it says."""

        def find() -> "re.Match[str] | None":
            return re.search(pattern, self.said, re.MULTILINE)

        wait_until(lambda: find() is not None or self.process.poll() is not None, lambda: self.said)
        found = find()
        assert found is not None, self.said
        return found[found.re.groups and 1]

    def wait_for_ready(self) -> None:
        self.wait_for("Libretto is ready")

    def pid_of(self, name: str) -> int:
        return int(self.wait_for(rf"^{name} +\| {name} is (\d+)"))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.close()

    def close(self) -> int:
        status = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


Start = Callable[..., Supervised]


@pytest.fixture
def start() -> Iterator[Start]:
    folder = tempfile.TemporaryDirectory(
        prefix="libretto-test-"
    )  # another pytest run would close its parent to PostgreSQL
    started: list[Supervised] = []

    def begin(scripts: dict[str, str] | None = None, **environment: str) -> Supervised:
        started.append(
            Supervised(
                Path(folder.name), {"migrate": NOTHING, "web": WEB, "worker": WORKER} | (scripts or {}), environment
            )
        )
        return started[-1]

    yield begin
    for supervised in started:
        if supervised.process.poll() is None:
            supervised.end()
        supervised.close()
    folder.cleanup()


def wait_until(condition: Callable[[], bool], tell: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true in 40 s\n{tell()}"
        time.sleep(0.02)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_everything_starts_and_stops_on_own_servers(start: Start) -> None:
    supervised = start()
    supervised.wait_for_ready()
    running = find_running(supervised.home)
    assert running is not None
    assert supervised.wait_for(r"^migrate +\| migrated (.*)$") == running.database_url
    assert supervised.wait_for(r"^web +\| web is \d+ (.*)$") == running.redis_url
    assert f"http://127.0.0.1:{supervised.port}/graphql" in supervised.said
    assert supervised.said.count("Libretto is ready") == 1
    children = psutil.Process(supervised.process.pid).children(recursive=True)
    assert {"postgres", "valkey-server"} < {child.name() for child in children}

    assert supervised.end(signal.SIGINT) == 0
    assert re.search(r"^web +\| web drains$", supervised.said, re.MULTILINE)
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert find_running(supervised.home) is None


def test_second_start_on_the_same_home_is_refused(start: Start) -> None:
    first = start(**GIVEN)
    first.wait_for_ready()
    second = start(**GIVEN)
    assert second.close() == 1
    assert re.fullmatch(rf"libretto +\| Libretto already runs on .* \(process {first.process.pid}\)\n", second.said), (
        second.said
    )
    assert first.process.poll() is None


def test_taken_port_is_named_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        supervised = start(PORT=str(port))
        assert supervised.close() == 1
    assert f"Port {port} on 127.0.0.1 is taken" in supervised.said
    assert "PORT=" in supervised.said
    assert supervised.said.count("\n") == 1
    assert not (supervised.home / "postgres").exists()


def test_bad_settings_are_all_named(start: Start) -> None:
    supervised = start(LIBRETTO_PROFILE="prod", SECRET_KEY="short", **GIVEN)
    assert supervised.close() == 1
    assert "SECRET_KEY" in supervised.said
    assert "PUBLIC_URL" in supervised.said


def test_failed_migration_starts_nothing(start: Start) -> None:
    supervised = start({"migrate": "import sys; sys.exit('no such table')"}, **GIVEN)
    assert supervised.close() == 1
    assert "migrate    | no such table" in supervised.said
    assert "ended with exit status 1; nothing was started" in supervised.said
    assert "web is" not in supervised.said


def test_dead_child_is_started_again(start: Start) -> None:
    supervised = start(**GIVEN)
    supervised.wait_for_ready()
    pid = supervised.pid_of("worker")
    os.kill(pid, signal.SIGKILL)
    supervised.wait_for(r"worker was killed by SIGKILL after \d+\.\d s; again in 0.2 s")
    wait_until(lambda: len(re.findall(r"worker is (\d+)", supervised.said)) == 2, lambda: supervised.said)
    assert supervised.end() == 0


def test_child_that_dies_at_once_is_tried_ever_more_slowly(start: Start) -> None:
    supervised = start({"worker": "import sys; sys.exit(3)"}, **GIVEN)
    for seconds in ("0.2", "0.4", "0.8"):
        supervised.wait_for(rf"worker ended with exit status 3 after .* again in {seconds} s")
    supervised.wait_for_ready()
    assert supervised.end() == 0


def test_dead_servers_are_started_again_and_their_words_shown(start: Start) -> None:
    supervised = start()
    supervised.wait_for_ready()
    servers = {child.name(): child for child in psutil.Process(supervised.process.pid).children()}
    servers["postgres"].send_signal(signal.SIGQUIT)
    supervised.wait_for(r"^postgresql \| .*received immediate shutdown request")
    supervised.wait_for("PostgreSQL died and was started again")
    servers["valkey-server"].kill()
    supervised.wait_for("Valkey died and was started again")
    assert supervised.end() == 0


def test_nothing_survives_a_killed_supervisor(start: Start) -> None:
    supervised = start()
    supervised.wait_for_ready()
    supervised.pid_of("worker")
    children = psutil.Process(supervised.process.pid).children(recursive=True)
    assert len(children) > 4
    assert supervised.end(signal.SIGKILL) == -signal.SIGKILL
    assert not psutil.wait_procs(children, timeout=20)[1]


def test_child_that_does_not_stop_is_killed_with_its_group_after_the_drain(start: Start) -> None:
    supervised = start({"worker": STUBBORN_WORKER}, **GIVEN)
    supervised.wait_for_ready()
    stubborn = [psutil.Process(supervised.pid_of("worker"))]
    stubborn.append(psutil.Process(int(supervised.wait_for(r"grandchild is (\d+)"))))
    stopped_at = time.monotonic()
    assert supervised.end() == 0
    assert 5 <= time.monotonic() - stopped_at < 15  # the margin after a drain of 0.1 s
    assert not psutil.wait_procs(stubborn, timeout=5)[1]


def test_second_signal_kills_at_once(start: Start) -> None:
    supervised = start({"worker": STUBBORN_WORKER}, DRAIN_SECONDS="60")
    supervised.wait_for_ready()
    supervised.pid_of("worker")
    children = psutil.Process(supervised.process.pid).children(recursive=True)
    supervised.process.send_signal(signal.SIGINT)
    supervised.wait_for("once more to stop at once")
    stopped_at = time.monotonic()
    assert supervised.end(signal.SIGINT) == 130
    assert time.monotonic() - stopped_at < 10
    assert not psutil.wait_procs(children, timeout=5)[1]


def test_stop_while_starting_ends_cleanly(start: Start) -> None:
    supervised = start({"migrate": "import signal; print('here', flush=True); signal.pause()"})
    supervised.wait_for("here")
    assert supervised.end() == 0
    assert "web is" not in supervised.said


def test_line_too_long_to_show_stops_nobody(start: Start) -> None:
    supervised = start({"worker": "print('x' * 3_000_000)\nprint('after')\n" + WORKER}, **GIVEN)
    supervised.wait_for(r"^worker +\| after$")
    assert "(a line too long to show)" in supervised.said
    assert supervised.end() == 0


def test_words_for_people() -> None:
    assert describe_exit(-9) == "was killed by SIGKILL"
    assert describe_exit(2) == "ended with exit status 2"
    assert reach("0.0.0.0", 80) == "http://127.0.0.1:80"  # noqa: S104 - nothing is bound
    assert reach("::", 80) == "http://[::1]:80"
    assert find_port_problem("127.0.0.1", find_free_port()) is None
    assert "HOST=203.0.113.1" in (find_port_problem("203.0.113.1", 80) or "")


def test_welcome_holds_a_command_that_a_shell_understands(tmp_path: Path) -> None:
    line = next(line for line in welcome("http://127.0.0.1:1", tmp_path).splitlines() if "curl" in line)
    shown = subprocess.run(
        ["sh", "-c", line.partition("curl")[2].replace(" http", "printf '%s\\n' http", 1)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    query = orjson.loads(shown[-1])["query"]
    assert query.startswith('mutation { signUp(input: {email: "me@example.com"')
