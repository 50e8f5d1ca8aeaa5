"""PostgreSQL and Valkey as children of this process, for whoever sets no `DATABASE_URL` or no `REDIS_URL`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from server.embedded import homes
from server.embedded.daemon import Daemon, tie_to_parent
from server.embedded.homes import HomeInUse, Urls, find_running
from server.embedded.postgres import Postgres
from server.embedded.valkey import Valkey
from server.settings import Settings

__all__ = ["Death", "Embedded", "HomeInUse", "Urls", "find_running", "open_services", "tie_to_parent"]


@dataclass(frozen=True)
class Death:
    """A server died on its own; its last words say why."""

    name: str
    last_words: str


class Embedded:
    """What is given by URL is used as it is; the rest is started below `home`, which one process may hold at a time.

    Start it from a thread that lives as long as the process: Linux kills the servers with the thread that started them.
    """

    def __init__(self, home: Path, *, database_url: str = "", redis_url: str = "", durable: bool = True) -> None:
        self.home = home.resolve()
        self._given = Urls(database_url, redis_url)
        self._durable = durable
        self._lock: int | None = None
        self._sockets: Path | None = None
        self._postgres: Postgres | None = None
        self._valkey: Valkey | None = None

    @property
    def database_url(self) -> str:
        return self._given.database_url or self._embedded_postgres.url()

    @property
    def redis_url(self) -> str:
        return self._given.redis_url or self._embedded_valkey.url

    @property
    def postgres_pid(self) -> int | None:
        return self._postgres.pid if self._postgres else None

    @property
    def valkey_pid(self) -> int | None:
        return self._valkey.pid if self._valkey else None

    def hold(self) -> None:
        """Take the home, or raise `HomeInUse`; `start` does it for whoever has not."""
        if self._lock is None:
            self._lock = homes.hold(self.home)

    def start(self) -> Self:
        """Return when every server that is needed answers."""
        self.hold()
        try:
            sockets = self._sockets = homes.make_socket_folder(self.home)
            if not self._given.redis_url:
                self._valkey = Valkey(self.home, sockets, durable=self._durable)
                self._valkey.start()
            if not self._given.database_url:
                self._postgres = Postgres(self.home, sockets, durable=self._durable)
                self._postgres.start()
                self._postgres.ensure_database()
            homes.announce(self.home, self._urls())
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Return when every server is gone; the home is free for the next."""
        if self._lock is None:
            return
        homes.withdraw(self.home)
        for daemon in self._daemons():
            daemon.stop()
        if self._sockets is not None:
            homes.remove_socket_folder(self.home, self._sockets)
        self._postgres = self._valkey = self._sockets = None
        os.close(self._lock)
        self._lock = None

    def crash(self) -> None:
        """End the servers at once; `stop` has then nothing to wait for."""
        for daemon in self._daemons():
            daemon.crash()

    def has_death(self) -> bool:
        """Whether a server has died on its own."""
        return any(daemon.has_died for daemon in self._daemons())

    def revive(self) -> list[Death]:
        """Start again what has died."""
        deaths = []
        for daemon in self._daemons():
            if daemon.has_died:
                deaths.append(Death(daemon.name, daemon.last_words()))
                daemon.start()
        return deaths

    def trim_logs(self) -> None:
        """Keep the logs of the servers bounded; call it now and then."""
        for daemon in self._daemons():
            daemon.trim_log()

    def restart_postgres(self, *, immediate: bool = True) -> None:
        """`immediate` is a crash: the next start recovers from the log."""
        postgres = self._embedded_postgres
        postgres.stop(postgres.crash_signal if immediate else None)
        postgres.start()

    def restart_valkey(self, *, immediate: bool = False) -> None:
        """`immediate` is a crash: up to a second of writes is lost."""
        valkey = self._embedded_valkey
        valkey.stop(valkey.crash_signal if immediate else None)
        valkey.start()

    def create_database(self, name: str, template: str = "template1") -> str:
        """Its URL; a copy of `template`, which nobody may be connected to."""
        self._embedded_postgres.create_database(name, template)
        return self._embedded_postgres.url(name)

    def drop_database(self, name: str) -> None:
        """Drop it, and whoever is connected to it."""
        self._embedded_postgres.drop_database(name)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _embedded_postgres(self) -> Postgres:
        if self._postgres is None:
            raise RuntimeError("PostgreSQL is not embedded, or not started")
        return self._postgres

    @property
    def _embedded_valkey(self) -> Valkey:
        if self._valkey is None:
            raise RuntimeError("Valkey is not embedded, or not started")
        return self._valkey

    def _urls(self) -> Urls:
        return Urls(self._postgres.url() if self._postgres else "", self._valkey.url if self._valkey else "")

    def _daemons(self) -> list[Daemon]:
        return [daemon for daemon in (self._valkey, self._postgres) if daemon is not None]


@contextmanager
def open_services(settings: Settings) -> Iterator[dict[str, str]]:
    """`database_url` and `redis_url`: the ones given, those of a running home, or of servers for now."""
    given = Urls(settings.database_url, settings.redis_url)
    running = find_running(settings.libretto_home)
    if (given.database_url and given.redis_url) or running:
        found = running or given
        yield {
            "database_url": given.database_url or found.database_url,
            "redis_url": given.redis_url or found.redis_url,
        }
        return
    with Embedded(settings.libretto_home, database_url=given.database_url, redis_url=given.redis_url) as embedded:
        yield {"database_url": embedded.database_url, "redis_url": embedded.redis_url}
