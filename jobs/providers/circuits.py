"""Circuit breakers: a provider that fails is left alone for a while, then tried with one wish at a time.

closed ──enough failures in a row, or one that says so──► open ──its pause is over──► half open
  ▲                                                         ▲                            │ one trial in each pause
  └──────────────────────────── success ────────────────────┼────────────────────────────┤
                                                            └─── failure: twice as long ─┘
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jobs.providers.failures import Setback

FAILURES_IN_A_ROW = 4
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 30.0, 600.0

State = Literal["closed", "open", "half open"]


@dataclass(frozen=True)
class CircuitState:
    """How one provider stands with this process."""

    provider: str
    state: State
    failures_in_a_row: int
    open_seconds: float  # until the next trial


class Circuit:
    """One provider's breaker, for all threads of this process."""

    def __init__(self, provider: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider, self._clock = provider, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause_seconds = PAUSE_SECONDS
        self._open_until: float | None = None
        self._is_trial = False

    def admit(self) -> bool:
        """Whether the provider may be asked now; a trial that is never heard of again blocks nobody for long."""
        with self._lock:
            if self._open_until is None:
                return True
            if self._clock() < self._open_until:
                return False
            self._open_until, self._is_trial = self._clock() + self._pause_seconds, True
            return True

    def note_success(self) -> None:
        """It works."""
        with self._lock:
            self._failures, self._pause_seconds, self._open_until, self._is_trial = 0, PAUSE_SECONDS, None, False

    def note_failure(self, setback: Setback) -> None:
        """It does not, unless it answers and the wish is at fault."""
        if not setback.falls_back:
            return self.note_success()
        if not setback.is_outage:
            return None
        with self._lock:
            self._failures += 1
            rest_seconds = max(setback.rest_seconds, setback.retry_after_seconds or 0.0)
            if self._is_trial:
                self._is_trial, self._pause_seconds = False, min(2 * self._pause_seconds, MAX_PAUSE_SECONDS)
                rest_seconds = max(rest_seconds, self._pause_seconds)
            elif self._open_until is None and self._failures >= FAILURES_IN_A_ROW:
                rest_seconds = max(rest_seconds, self._pause_seconds)
            if rest_seconds:
                self._open_until = max(self._open_until or 0.0, self._clock() + rest_seconds)
        return None

    def is_open(self) -> bool:
        """Whether the provider is left alone now."""
        return self.read().state == "open"

    def read(self) -> CircuitState:
        """How it stands."""
        with self._lock:
            left = 0.0 if self._open_until is None else self._open_until - self._clock()
            state: State = "closed" if self._open_until is None else "open" if left > 0 else "half open"
            return CircuitState(self._provider, state, self._failures, max(left, 0.0))


class Circuits:
    """The breakers of a process, by provider."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits: dict[str, Circuit] = {}

    def get(self, provider: str) -> Circuit:
        """The breaker of a provider."""
        with self._lock:
            return self._circuits.setdefault(provider, Circuit(provider, self._clock))

    def read(self) -> list[CircuitState]:
        """How all of them stand."""
        with self._lock:
            circuits = list(self._circuits.values())
        return [circuit.read() for circuit in circuits]
