"""Equaliser, echo and reverb of a stem as one linear response, applied block by block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
TRANSFORM = 1 << 18
BLOCK = 3 << 16  # samples that go in at a time; the rest of the transform is room for the response
_RESPONSE = TRANSFORM - BLOCK
_ECHO_TAPS = 3
Signal = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True)
class Room:
    """How a stem is coloured and where it stands; times in seconds, levels in dB or as factors."""

    high_pass_hz: float
    shelf_db: float = 0.0  # above 4 kHz
    reverb: float = 0.0
    reverb_seconds: float = 1.0
    echo: float = 0.0
    echo_seconds: float = 0.0


class Convolver:
    """Overlap-add of one stem through its room."""

    def __init__(self, room: Room, dice: np.random.Generator, *, channels: int = 2) -> None:
        self.channels = channels
        self._response = _response(room, dice)
        self._tail = np.zeros((channels, _RESPONSE), np.float32)

    def apply(self, block: Signal) -> Signal:
        """The next block, (channels, BLOCK), with what still rings from the ones before."""
        spectrum = np.fft.rfft(
            block, TRANSFORM, norm="forward"
        )  # of all norms the one that numpy does four times faster
        wet = np.fft.irfft(spectrum * self._response, TRANSFORM)
        out = np.asarray(wet[:, :BLOCK], np.float32)
        out[:, :_RESPONSE] += self._tail
        self._tail = np.asarray(wet[:, BLOCK:], np.float32)
        return out


def _response(room: Room, dice: np.random.Generator) -> Spectrum:
    s = np.asarray(2j * np.pi * np.fft.rfftfreq(TRANSFORM, 1 / SAMPLE_RATE), np.complex128)
    colour = _high_pass(s, room.high_pass_hz) * _shelf(s, 4000, room.shelf_db)
    if room.reverb or room.echo:
        sent = np.fft.rfft(_impulse(room, dice), TRANSFORM)
        colour = colour * (1 + sent * _high_pass(s, 250) / (1 + s / (2 * np.pi * 5500)))
    return np.atleast_2d(colour * TRANSFORM).astype(np.complex64)


def _impulse(room: Room, dice: np.random.Generator) -> NDArray[np.float64]:
    """A diffuse tail that begins after 12 ms, and echoes that hop from side to side."""
    seconds = np.arange(_RESPONSE) / SAMPLE_RATE
    fall = np.exp(-6.9 * seconds / room.reverb_seconds) * np.clip((seconds - 0.012) / 0.01, 0, 1)
    impulse = dice.standard_normal((2, _RESPONSE)) * fall * np.clip((seconds[-1] - seconds) / 0.2, 0, 1)
    impulse *= room.reverb / np.sqrt(np.sum(impulse[0] ** 2))
    for tap in range(1, _ECHO_TAPS + 1):
        at = int(tap * room.echo_seconds * SAMPLE_RATE)
        if room.echo and at < _RESPONSE:
            impulse[tap % 2, at] += room.echo * 0.6 ** (tap - 1)
    return np.asarray(impulse, np.float64)


def _high_pass(s: NDArray[np.complex128], hertz: float) -> NDArray[np.complex128]:
    corner = 2 * np.pi * hertz
    return np.asarray(s**2 / (s**2 + np.sqrt(2) * corner * s + corner**2))


def _shelf(s: NDArray[np.complex128], hertz: float, decibel: float) -> NDArray[np.complex128]:
    corner, gain = 2 * np.pi * hertz, 10 ** (decibel / 20)
    return np.asarray((gain * s + corner) / (s + corner))
