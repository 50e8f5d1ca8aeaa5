"""Timbres: what each voice is made of."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Voice:
    """How a note of this voice begins, holds and ends; times in seconds, cutoffs in Hz at middle C."""

    bright_hz: float
    dark_hz: float
    attack: float = 0.004
    decay: float = 1.0
    sustain: float = 0.6
    release: float = 0.08
    morph: float = 0.3  # from bright to dark
    tilt: float = 1.0  # harmonic k has the amplitude k ** -tilt
    even: float = 1.0  # level of the even harmonics
    partials: tuple[float, ...] = ()  # amplitudes that stand in for the tilt
    formants: tuple[tuple[float, float], ...] = ()  # (Hz, level)
    detune_cents: float = 0.0
    vibrato_cents: float = 0.0
    drive: float = 0.0
    strike: float = 0.0  # noise of the hammer, the pick or the tongue
    breath: float = 0.0  # noise of the bow or the air while it sounds
    gain: float = 1.0


_PULSE = tuple(abs(float(np.sin(np.pi * number / 4))) / number for number in range(1, 33))  # a quarter of the cycle
_THIN = tuple(abs(float(np.sin(np.pi * number / 8))) / number for number in range(1, 33))  # an eighth

VOICES = {
    "round": Voice(900, 350, decay=0.9, sustain=0.5, morph=0.15, tilt=1.2, gain=1.0),
    "sub": Voice(420, 200, decay=0.8, sustain=0.75, morph=0.12, tilt=1.3, gain=1.0),
    "saw": Voice(1500, 420, decay=0.5, sustain=0.6, morph=0.12, release=0.04, gain=0.9),
    "picked": Voice(2200, 420, strike=0.12, decay=0.7, sustain=0.35, morph=0.09, gain=0.95),
    "eight08": Voice(500, 150, decay=1.6, sustain=0.35, morph=0.1, tilt=1.6, release=0.12, drive=1.6, gain=1.0),
    "upright": Voice(1100, 260, strike=0.1, decay=0.5, sustain=0.12, morph=0.1, tilt=1.1, gain=1.1),
    "cello": Voice(1100, 800, attack=0.12, sustain=0.9, release=0.25, detune_cents=5, vibrato_cents=6, gain=0.8),
    "epiano": Voice(
        3200,
        700,
        decay=1.1,
        sustain=0.15,
        release=0.15,
        morph=0.18,
        detune_cents=3,
        partials=(1, 0.35, 0.06, 0.1, 0, 0, 0, 0.05, 0, 0, 0, 0, 0, 0.05),
    ),
    "piano": Voice(
        5000,
        900,
        strike=0.12,
        attack=0.002,
        decay=0.9,
        sustain=0.06,
        release=0.18,
        morph=0.22,
        tilt=1.15,
        detune_cents=2,
    ),
    "warm": Voice(1300, 700, attack=0.18, sustain=0.9, release=0.4, morph=1.2, detune_cents=9, gain=0.7),
    "wide": Voice(2600, 1100, attack=0.25, sustain=0.9, release=0.6, morph=1.6, detune_cents=12, gain=0.7),
    "strings": Voice(
        3400, 2200, attack=0.14, sustain=0.95, release=0.35, morph=0.8, detune_cents=9, vibrato_cents=7, gain=0.7
    ),
    "spiccato": Voice(
        4200, 900, attack=0.006, decay=0.13, sustain=0.0, release=0.05, morph=0.1, detune_cents=7, gain=0.9
    ),
    "organ": Voice(
        4500,
        3500,
        attack=0.006,
        sustain=1.0,
        release=0.05,
        partials=(1, 0.8, 0.6, 0.4, 0, 0.3, 0, 0.25),
        gain=0.6,
        detune_cents=4,
    ),
    "clav": Voice(
        6000, 1500, strike=0.15, attack=0.001, decay=0.22, sustain=0.1, release=0.03, morph=0.08, even=0.5, gain=0.8
    ),
    "steel": Voice(
        6000, 900, strike=0.2, attack=0.002, decay=0.9, sustain=0.05, release=0.12, morph=0.2, tilt=0.9, detune_cents=3
    ),
    "crunch": Voice(
        3200, 2200, attack=0.003, decay=1.2, sustain=0.5, release=0.05, drive=4.0, detune_cents=8, gain=0.75
    ),
    "blip": Voice(4200, 700, attack=0.002, decay=0.18, sustain=0.05, release=0.08, morph=0.07, detune_cents=7),
    "pluck": Voice(6500, 900, attack=0.001, decay=0.3, sustain=0.0, release=0.1, morph=0.09, detune_cents=4),
    "bell": Voice(
        9000,
        2500,
        attack=0.002,
        decay=0.8,
        sustain=0.0,
        release=0.5,
        morph=0.25,
        gain=0.9,
        partials=(1, 0, 0.35, 0, 0.12, 0, 0.22, 0, 0, 0, 0.12),
        detune_cents=3,
    ),
    "glass": Voice(
        5200,
        1700,
        attack=0.03,
        decay=1.6,
        sustain=0.2,
        release=0.8,
        morph=0.6,
        detune_cents=6,
        partials=(1, 0.2, 0.4, 0.05, 0.2, 0, 0.1, 0, 0.05),
    ),
    "vibes": Voice(
        5000,
        1000,
        attack=0.002,
        decay=0.9,
        sustain=0.0,
        release=0.4,
        morph=0.15,
        partials=(1, 0, 0, 0.4, 0, 0, 0, 0, 0, 0.12),
    ),
    "flute": Voice(
        2600, 1700, breath=0.06, attack=0.05, sustain=0.9, release=0.1, tilt=1.9, vibrato_cents=14, morph=0.2, gain=1.0
    ),
    "sax": Voice(
        3600,
        1800,
        attack=0.03,
        sustain=0.85,
        release=0.07,
        morph=0.25,
        vibrato_cents=16,
        gain=0.85,
        formants=((650, 1.0), (1400, 0.6)),
        breath=0.05,
    ),
    "brass": Voice(
        3800, 1500, attack=0.05, sustain=0.85, release=0.09, morph=0.3, vibrato_cents=8, detune_cents=5, gain=0.8
    ),
    "solo": Voice(
        4200, 1700, attack=0.012, sustain=0.8, release=0.12, morph=0.3, vibrato_cents=14, detune_cents=7, gain=0.75
    ),
    "square": Voice(
        4000,
        1500,
        attack=0.004,
        sustain=0.7,
        release=0.08,
        morph=0.18,
        even=0.08,
        vibrato_cents=8,
        detune_cents=5,
        gain=0.8,
    ),
    "overdrive": Voice(
        3000, 2200, attack=0.006, sustain=0.85, release=0.09, morph=0.5, vibrato_cents=18, drive=3.0, gain=0.75
    ),
    "nylon": Voice(
        3200, 600, attack=0.002, decay=0.6, sustain=0.0, release=0.12, morph=0.12, tilt=1.25, strike=0.2, detune_cents=2
    ),
    "muted": Voice(
        3800,
        900,
        attack=0.001,
        decay=0.12,
        sustain=0.0,
        release=0.04,
        morph=0.05,
        strike=0.25,
        detune_cents=3,
        gain=1.1,
    ),
    "deep": Voice(320, 140, attack=0.006, decay=1.2, sustain=0.6, morph=0.12, tilt=1.4, gain=1.0),
    "triangle": Voice(2400, 2400, attack=0.002, sustain=0.9, release=0.02, tilt=2.0, even=0.0, gain=0.8),
    "acid": Voice(
        3400, 260, attack=0.002, decay=0.2, sustain=0.25, release=0.04, morph=0.07, drive=2.2, tilt=0.9, gain=0.6
    ),
    "stab": Voice(3200, 500, attack=0.002, decay=0.16, sustain=0.0, release=0.1, morph=0.08, detune_cents=11, gain=1.0),
    "super": Voice(5200, 3000, attack=0.06, sustain=0.9, release=0.3, morph=1.0, tilt=0.95, detune_cents=22, gain=0.6),
    "pulse": Voice(9000, 7000, attack=0.001, sustain=0.7, release=0.01, decay=0.1, partials=_PULSE, gain=0.5),
    "thin": Voice(9000, 7000, attack=0.001, sustain=0.6, release=0.01, decay=0.15, partials=_THIN, gain=0.6),
    "chip": Voice(
        8000, 6000, attack=0.001, sustain=0.75, release=0.02, decay=0.2, even=0.02, vibrato_cents=12, gain=0.6
    ),
    "reed": Voice(
        3600, 2200, attack=0.03, sustain=0.85, release=0.07, even=0.35, vibrato_cents=14, breath=0.03, gain=0.85
    ),
    "accordion": Voice(
        4600, 3400, attack=0.03, sustain=0.95, release=0.06, tilt=0.85, even=0.7, detune_cents=14, breath=0.02, gain=0.6
    ),
    "fiddle": Voice(
        4800,
        3000,
        attack=0.06,
        sustain=0.9,
        release=0.1,
        morph=0.4,
        vibrato_cents=15,
        breath=0.035,
        formants=((500, 0.8), (1300, 1.0), (2900, 0.7)),
        gain=0.8,
    ),
    "viola": Voice(
        3200,
        2000,
        attack=0.08,
        sustain=0.9,
        release=0.14,
        morph=0.4,
        vibrato_cents=11,
        detune_cents=3,
        breath=0.03,
        formants=((400, 1.0), (1000, 0.8), (2300, 0.4)),
        gain=0.8,
    ),
    "choir": Voice(
        3400,
        2400,
        attack=0.3,
        sustain=0.95,
        release=0.5,
        morph=1.0,
        vibrato_cents=9,
        detune_cents=13,
        breath=0.02,
        formants=((520, 1.0), (1000, 0.6), (2500, 0.25)),
        gain=0.7,
    ),
    "horns": Voice(
        1900,
        900,
        attack=0.07,
        sustain=0.9,
        release=0.18,
        morph=0.5,
        tilt=1.15,
        detune_cents=6,
        vibrato_cents=4,
        gain=0.8,
    ),
    "grand": Voice(
        4200,
        700,
        attack=0.002,
        decay=1.2,
        sustain=0.02,
        release=0.22,
        morph=0.25,
        tilt=1.3,
        strike=0.1,
        detune_cents=1.5,
    ),
}
