"""The folder that keeps everything: who holds it, where its sockets are, and how another process finds them."""

import contextlib
import fcntl
import hashlib
import os
import re
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import psutil  # type: ignore[import-untyped]

from server.embedded.daemon import Account
from server.errors import Unavailable
from server.logs import get_logger

SOCKET_PATH_BYTES = 100  # the kernel's limit is 104 on macOS, 108 on Linux
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")  # clients split addresses at commas and more
LONGEST_SOCKET = "postgres/.s.PGSQL.5432.lock"

log = get_logger(__name__)


class HomeInUse(Unavailable):
    """Another process holds this home."""

    def __init__(self, home: Path, pid: str) -> None:
        super().__init__(f"Libretto already runs on {home} (process {pid or 'unknown'})")


@dataclass(frozen=True)
class Urls:
    """Where the embedded servers listen; empty for one that is not embedded."""

    database_url: str
    redis_url: str


def hold(home: Path) -> int:
    """Take the home for this process; the file descriptor that holds it, to be closed at the end."""
    run = home / "run"
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True, mode=0o700)
    run.mkdir(exist_ok=True, mode=0o700)
    held = os.open(run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(held, 32).decode().strip()
        os.close(held)
        raise HomeInUse(home, holder) from None
    os.truncate(held, 0)
    os.write(held, str(os.getpid()).encode())
    return held


def announce(home: Path, urls: Urls) -> None:
    """Let the processes of the same user find the servers."""
    me = psutil.Process()
    path = _announcement(home)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(orjson.dumps({"pid": me.pid, "started_at": me.create_time(), **asdict(urls)}))
    fresh.replace(path)


def withdraw(home: Path) -> None:
    """The servers are gone."""
    _announcement(home).unlink(missing_ok=True)


def find_running(home: Path) -> Urls | None:
    """The servers of the live process that holds this home."""
    try:
        said = orjson.loads(_announcement(home).read_bytes())
        if psutil.Process(said["pid"]).create_time() != said["started_at"]:
            return None
    except (OSError, psutil.Error):
        return None
    return Urls(said["database_url"], said["redis_url"])


def make_socket_folder(home: Path) -> Path:
    """Below the home, or below the temp folder where the home's path is too long or too strange for a socket."""
    name = f"libretto-{os.geteuid()}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
    for folder in (home / "run", Path(tempfile.gettempdir()) / name, Path("/tmp") / name):  # noqa: S108 - owner checked
        if PLAIN_PATH.fullmatch(str(folder)) and len(str(folder / LONGEST_SOCKET)) <= SOCKET_PATH_BYTES:
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)
            refuse_stranger(folder, os.geteuid())
            return folder
    raise Unavailable(f"No folder has a path that is short and plain enough for a socket: {home}")


def make_private(folder: Path, account: Account | None = None) -> None:
    """A folder that one user may enter; one that a stranger made in the temp folder is refused."""
    folder.mkdir(exist_ok=True, mode=0o700)
    refuse_stranger(folder, os.geteuid(), account.uid if account else os.geteuid())
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def refuse_stranger(folder: Path, *owners: int) -> None:
    """Raise unless it is a real folder of one of the owners."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise Unavailable(f"{folder} belongs to somebody else")


def remove_socket_folder(home: Path, sockets: Path) -> None:
    """Leave nothing in the temp folder."""
    if not sockets.is_relative_to(home):
        for folder in (*sockets.iterdir(), sockets):
            with contextlib.suppress(OSError):
                folder.rmdir()


def let_pass(path: Path, account: Account, home: Path) -> None:
    """Let another user walk down to `path`: no more than `x`, and only on folders that stand in the way."""
    for folder in reversed(path.parents):
        found = folder.stat()
        if found.st_uid != account.uid and not found.st_mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
            if not folder.is_relative_to(home):
                log.warning("other users may now pass through this folder, PostgreSQL's must", folder=str(folder))


def _announcement(home: Path) -> Path:
    return home / "run" / "services.json"
