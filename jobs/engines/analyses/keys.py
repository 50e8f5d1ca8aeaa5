"""The key: the tones of the song and of its bass against what each key is known to use."""

from dataclasses import dataclass

import numpy as np

from jobs.engines.analyses.spectra import Curve, Tones
from jobs.engines.music.theory import spell

_BASS_SHARE = 0.3
# Major and minor: Krumhansl and Kessler's listeners, Sha'ath's KeyFinder, Faraldo's electronic dance music
_PROFILES = (
    (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    (
        (6.6, 2.0, 3.5, 2.3, 4.6, 4.0, 2.5, 5.2, 2.4, 3.7, 2.3, 3.4),
        (6.5, 2.7, 3.5, 5.4, 2.6, 3.5, 2.5, 5.2, 4.0, 2.7, 4.3, 3.2),
    ),
    (
        (16.5, 4.4, 10.8, 4.1, 11.5, 9.4, 4.5, 16.8, 4.2, 9.5, 4.2, 8.1),
        (17.2, 4.8, 10.5, 11.1, 4.3, 10.3, 4.3, 16.8, 8.5, 4.2, 10.2, 5.2),
    ),
)


@dataclass(frozen=True)
class Key:
    """A key, and how well it fits (a correlation, at most 1)."""

    tonic: str
    mode: str
    fit: float


def find_keys(tones: Tones) -> list[Key]:
    """All keys, the best first; none where no tone sounds."""
    used = tones.classes.sum(axis=1) > 0
    if not used.any():
        return []
    rows = tones.classes[used]
    share = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
    share = share / share.sum() + _BASS_SHARE * tones.bass / (tones.bass.sum() + 1e-9)
    fits = [
        Key(spell(tonic, mode)[tonic], mode, round(_fit(share, tonic, place), 4))
        for tonic in range(12)
        for place, mode in enumerate(("major", "minor"))
    ]
    return sorted(fits, key=lambda key: -key.fit)


def _fit(share: Curve, tonic: int, place: int) -> float:
    profiles = [np.roll(pair[place], tonic) for pair in _PROFILES]
    return float(np.mean([np.corrcoef(profile, share)[0, 1] for profile in profiles])) if share.std() else 0.0
