"""The embedded PostgreSQL and Valkey: real servers on real files, killed and started again."""

import asyncio
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest
import redis

from server.embedded import Embedded, HomeInUse, Urls, find_running, homes, open_services
from server.embedded.daemon import LOG_BYTES, Account
from server.embedded.valkey import Valkey
from server.errors import Unavailable
from server.settings import Settings

IS_ROOT = os.geteuid() == 0
ORDINARY_USER = "libretto-test"
START_AND_WAIT = """
import os, signal, sys
from pathlib import Path
import psutil
from server import logs
from server.settings import Settings
from server.embedded import Embedded
logs.configure("child")
user = int(sys.argv[2])
if user:
    os.setgroups([]); os.setgid(user); os.setuid(user)
embedded = Embedded(Path(sys.argv[1]), durable=False).start()
print(embedded.postgres_pid, embedded.valkey_pid, psutil.Process(embedded.postgres_pid).uids().real, flush=True)
sys.stdin.read()
embedded.stop()
"""


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    with (
        TemporaryDirectory(prefix="libretto-test-") as folder,
        Embedded(Path(folder, "home"), durable=False) as started,
    ):
        yield started


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own folder, which another run of pytest would close to PostgreSQL's user."""
    with TemporaryDirectory(prefix="libretto-test-") as path:
        yield Path(path)


@pytest.fixture
def home(folder: Path) -> Path:
    return folder / "home"


def query(url: str, sql: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def open_client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=5, decode_responses=True)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in 30 s"
        time.sleep(0.02)


def start_child(home: Path, user: int = 0) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(home), str(user)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_numbers(child: "subprocess.Popen[str]") -> list[int]:
    assert child.stdout is not None
    return [int(word) for word in child.stdout.readline().split()]


def get_ordinary_user() -> int:
    """Its number; 0 where we are one ourselves."""
    if not IS_ROOT:
        return 0
    try:
        return pwd.getpwnam(ORDINARY_USER).pw_uid
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", ORDINARY_USER], check=True)
        return pwd.getpwnam(ORDINARY_USER).pw_uid


def test_rows_and_keys_survive_a_stop_and_a_start(home: Path) -> None:
    with Embedded(home) as first:
        query(first.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with open_client(first.redis_url) as client:
            client.set("kept", "yes")
    assert not psutil.pid_exists(first.postgres_pid or -1)

    with Embedded(home) as second:
        assert query(second.database_url, "SELECT answer FROM kept") == 42
        with open_client(second.redis_url) as client:
            assert client.get("kept") == "yes"


def test_settings_are_those_of_a_safe_small_server(home: Path) -> None:
    with Embedded(home) as durable:
        for name, value in {"fsync": "on", "synchronous_commit": "on", "jit": "off", "max_connections": "200"}.items():
            assert query(durable.database_url, f"SHOW {name}") == value
        assert query(durable.database_url, "SELECT lower('ÄÉ') || pg_encoding_to_char(encoding) FROM pg_database") == (
            "äéUTF8"
        )
        with open_client(durable.redis_url) as client:
            wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
            assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_servers_listen_on_private_sockets_only(embedded: Embedded) -> None:
    for pid in (embedded.postgres_pid, embedded.valkey_pid):
        assert psutil.Process(pid).net_connections("inet") == []
    for name in ("postgres", "valkey"):
        assert stat.S_IMODE((embedded.home / "run" / name).stat().st_mode) == 0o700
    assert psutil.Process(embedded.postgres_pid).uids().real != 0


def test_crash_of_postgres_keeps_what_was_committed(home: Path) -> None:
    with Embedded(home) as embedded:
        query(embedded.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        before = embedded.postgres_pid
        embedded.restart_postgres(immediate=True)
        assert embedded.postgres_pid != before
        assert query(embedded.database_url, "SELECT answer FROM kept") == 42


def test_restart_of_valkey_keeps_its_address(embedded: Embedded) -> None:
    before = embedded.valkey_pid, embedded.redis_url
    embedded.restart_valkey()
    assert embedded.valkey_pid != before[0]
    with open_client(before[1]) as client:
        assert client.ping()


def test_server_that_died_is_revived_with_its_last_words(embedded: Embedded) -> None:
    assert not embedded.has_death()
    os.kill(embedded.valkey_pid or -1, signal.SIGKILL)
    os.kill(embedded.postgres_pid or -1, signal.SIGQUIT)
    wait_until(lambda: embedded.valkey_pid is None and embedded.postgres_pid is None)

    assert embedded.has_death()
    assert [death.name for death in embedded.revive()] == ["Valkey", "PostgreSQL"]
    assert not embedded.has_death()
    assert query(embedded.database_url, "SELECT 1") == 1


def test_killed_parent_takes_its_servers_along(home: Path) -> None:
    child = start_child(home)
    pids = read_numbers(child)[:2]
    assert all(psutil.pid_exists(pid) for pid in pids)
    child.kill()
    child.communicate()
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))

    with Embedded(home, durable=False) as next_one:
        assert query(next_one.database_url, "SELECT 1") == 1


def test_start_right_after_a_kill_waits_for_the_old_servers(home: Path) -> None:
    child = start_child(home)
    read_numbers(child)
    child.kill()
    child.communicate()
    with Embedded(home, durable=False) as next_one:
        assert query(next_one.database_url, "SELECT 1") == 1
        with open_client(next_one.redis_url) as client:
            assert client.ping()


def test_server_left_by_a_killed_run_is_stopped_first(home: Path) -> None:
    with Embedded(home, durable=False):
        pass
    left = Valkey(home, home / "run", durable=False)
    process = subprocess.Popen(left.command(), cwd=left.folder, stdout=subprocess.DEVNULL)
    wait_until(left.is_ready)
    with Embedded(home, durable=False) as embedded:
        assert process.wait(10) == 0
        assert embedded.valkey_pid not in {None, process.pid}


def test_stale_pid_file_blocks_no_start_even_if_its_number_is_alive(home: Path) -> None:
    with Embedded(home, durable=False) as embedded:
        pid_file = home / "postgres" / "postmaster.pid"
        stale = pid_file.read_text()
        embedded.crash()
        wait_until(embedded.has_death)
    pid_file.write_text(stale.replace(stale.split("\n", 1)[0], str(os.getpid()), 1))
    with Embedded(home, durable=False) as embedded:
        assert query(embedded.database_url, "SELECT 1") == 1


def test_half_made_cluster_is_made_anew(home: Path) -> None:
    (home / "postgres.new").mkdir(parents=True)
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    with Embedded(home, durable=False) as embedded:
        assert query(embedded.database_url, "SELECT 1") == 1
    assert not (home / "postgres.new").exists()


def test_second_holder_of_a_home_is_refused_with_the_pid_of_the_first(embedded: Embedded) -> None:
    with pytest.raises(HomeInUse, match=f"already runs on .* \\(process {os.getpid()}\\)"):
        Embedded(embedded.home).start()
    assert query(embedded.database_url, "SELECT 1") == 1


def test_only_what_has_no_url_is_started(home: Path) -> None:
    with Embedded(home, database_url="postgresql://elsewhere/x", durable=False) as embedded:
        assert (embedded.postgres_pid, embedded.database_url) == (None, "postgresql://elsewhere/x")
        assert not (home / "postgres").exists()
        assert find_running(home) == Urls("", embedded.redis_url)
    with Embedded(home, redis_url="redis://elsewhere/0", durable=False) as embedded:
        assert (embedded.valkey_pid, embedded.redis_url) == (None, "redis://elsewhere/0")
        assert query(embedded.database_url, "SELECT 1") == 1


def test_running_home_is_found_until_it_stops(home: Path) -> None:
    assert find_running(home) is None
    with Embedded(home, durable=False) as embedded:
        assert find_running(home) == Urls(embedded.database_url, embedded.redis_url)
        assert stat.S_IMODE((home / "run" / "services.json").stat().st_mode) == 0o600
        settings = Settings(libretto_home=home, database_url="postgresql://elsewhere/x", redis_url="")
        with open_services(settings) as urls:
            assert urls == {"database_url": "postgresql://elsewhere/x", "redis_url": embedded.redis_url}
    assert find_running(home) is None


def test_home_of_a_killed_process_is_not_taken_for_a_running_one(home: Path) -> None:
    child = start_child(home)
    read_numbers(child)
    assert find_running(home) is not None
    child.kill()
    child.communicate()
    assert (home / "run" / "services.json").exists()
    assert find_running(home) is None


def test_long_home_path_gets_its_sockets_in_the_temp_folder(folder: Path) -> None:
    home = folder / ("long" * 25) / ("path" * 25) / "home"
    with Embedded(home, durable=False) as embedded:
        assert query(embedded.database_url, "SELECT 1") == 1
        with open_client(embedded.redis_url) as client:
            assert client.ping()
        sockets = Path(embedded.redis_url.removeprefix("unix://").partition("?")[0]).parent.parent
        assert not sockets.is_relative_to(home)
        assert all(stat.S_IMODE(each.stat().st_mode) == 0o700 for each in sockets.iterdir())
    assert not sockets.exists()


def test_home_with_a_strange_name_works(folder: Path) -> None:
    with Embedded(folder / "my, home? 100% ü", durable=False) as embedded:
        assert query(embedded.database_url, "SELECT 1") == 1
        with open_client(embedded.redis_url) as client:
            assert client.ping()


def test_home_below_a_closed_folder_opens_it_for_passing_only(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with Embedded(closed / "home", durable=False) as embedded:
        assert query(embedded.database_url, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == (0o701 if IS_ROOT else 0o700)


def test_folder_for_sockets_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / "theirs").mkdir()
    (folder / "ours").symlink_to(folder / "theirs")
    with pytest.raises(Unavailable, match="belongs to somebody else"):
        homes.make_private(folder / "ours", Account(os.geteuid(), os.getegid()))


def test_ordinary_user_runs_postgres_as_itself(home: Path) -> None:
    user = get_ordinary_user()
    home.mkdir()
    if user:
        os.chown(home, user, user)
        homes.let_pass(home, Account(user, user), home)
    child = start_child(home, user)
    *_, runs_as = read_numbers(child)
    child.communicate("", timeout=30)
    assert child.returncode == 0
    assert runs_as == (user or os.geteuid())


def test_databases_are_copied_from_a_template_and_dropped(embedded: Embedded) -> None:
    template = embedded.create_database("template")
    query(template, "CREATE TABLE kept AS SELECT 42 AS answer")
    copy = embedded.create_database('a "copy"', template="template")
    assert query(copy, "SELECT answer FROM kept") == 42
    embedded.drop_database('a "copy"')
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        query(copy, "SELECT 1")
    with pytest.raises(Unavailable, match="template"):
        embedded.create_database("template")


def test_log_stays_bounded_while_the_server_writes_on(embedded: Embedded) -> None:
    log = embedded.home / "logs" / "postgres.log"
    os.truncate(log, LOG_BYTES + 1)
    embedded.trim_logs()
    assert log.stat().st_size == 0
    with pytest.raises(asyncpg.PostgresError):
        query(embedded.database_url, "SELECT nonsense")
    wait_until(lambda: "nonsense" in log.read_text())
    assert log.with_suffix(".old").stat().st_size > LOG_BYTES


def test_server_that_cannot_start_says_why(home: Path) -> None:
    with Embedded(home, durable=False):
        pass
    (home / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(Unavailable, match="pg_control"):
        Embedded(home, durable=False).start()
    assert find_running(home) is None
    homes_lock = homes.hold(home)  # given back
    os.close(homes_lock)
