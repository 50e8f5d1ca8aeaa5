"""Keys, modes, chords and how one chord moves to the next."""

from itertools import pairwise, product

KEYS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_SHARP_MAJORS = (7, 2, 9, 4, 11)
_ABOVE_MAJOR = {"major": 0, "dorian": 2, "lydian": 5, "mixolydian": 7, "minor": 9}  # the major with the same tones
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
_QUALITIES = {
    (4, 7): "", (3, 7): "m", (3, 6): "dim", (4, 8): "aug", (5, 7): "sus4",
    (4, 7, 11): "maj7", (4, 7, 10): "7", (3, 7, 10): "m7", (3, 6, 10): "m7b5", (3, 7, 11): "mMaj7",
    (4, 7, 11, 2): "maj9", (4, 7, 10, 2): "9", (3, 7, 10, 2): "m9", (4, 7, 2): "add9", (3, 7, 2): "madd9",
}  # fmt: skip
_COLOURS = {"triad": (0, 2, 4), "7": (0, 2, 4, 6), "9": (0, 2, 4, 6, 8), "add9": (0, 2, 4, 8)}
_MAJOR_TRIAD = (0, 4, 7)


def key_number(name: str) -> int:
    """C is 0; 'F#', 'Gb', 'Bb' and the like."""
    return (_LETTERS[name[0].upper()] + name.count("#") - name[1:].count("b")) % 12


def spell(tonic: int, mode: str) -> tuple[str, ...]:
    """What the twelve tones are called in a key: C# minor has a G#, and Eb minor a Gb."""
    major = (tonic - _ABOVE_MAJOR[mode]) % 12
    if major in _SHARP_MAJORS or (major == 6 and KEYS[tonic] in _SHARPS):
        return _SHARPS
    return _FLATS if major else KEYS


def chord_tones(tonic: int, mode: str, symbol: str, colour: str) -> tuple[int, ...]:
    """Pitch classes of a degree, root first; '5M' makes the degree major, '5s' suspends its third."""
    scale = MODES[mode]
    degree = int(symbol[0]) - 1
    root = tonic + scale[degree]
    if symbol.endswith("M"):
        seventh = () if colour in ("triad", "add9") else (10,)
        return tuple((root + step) % 12 for step in (*_MAJOR_TRIAD, *seventh))
    if symbol.endswith("s"):
        return tuple((root + step) % 12 for step in (0, 5, 7))
    steps = [degree + step for step in _COLOURS[colour]]
    tones = [(tonic + scale[step % 7]) % 12 for step in steps]
    if colour in ("9", "add9") and (tones[-1] - tones[0]) % 12 != 2:
        tones.pop()  # a flat ninth grates
    return tuple(tones)


def chord_name(tones: tuple[int, ...], names: tuple[str, ...]) -> str:
    """What a player calls the chord, by what its tones are called in the key."""
    steps = tuple((tone - tones[0]) % 12 for tone in tones[1:])
    return names[tones[0]] + _QUALITIES.get(steps, _QUALITIES.get(steps[:2], ""))


def lead_voices(before: tuple[int, ...], tones: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    """The voicing between low and high that moves least; a chord of five notes leaves its root to the bass."""
    tones = tones[1:] if len(tones) > 4 else tones
    choices = [[pitch for pitch in range(low, high + 1) if pitch % 12 == tone] for tone in tones]
    voicings = {tuple(sorted(voicing)) for voicing in product(*choices)}
    centre = (low + high) / 2
    return min(sorted(voicings), key=lambda voicing: _cost(before, voicing, centre))


def _cost(before: tuple[int, ...], voicing: tuple[int, ...], centre: float) -> float:
    spread = voicing[-1] - voicing[0]
    crowd = sum(4 for left, right in pairwise(voicing) if right - left < 2)
    drift = abs(sum(voicing) / len(voicing) - centre)
    cost = crowd + max(0, spread - 14) * 2 + drift * 0.5
    if before:
        cost += sum(min(abs(pitch - old) for old in before) for pitch in voicing)
        cost += sum(min(abs(pitch - old) for pitch in voicing) for old in before)
        cost += 0.5 * abs(voicing[-1] - before[-1])
    return cost


def nearest(pitch: float, tones: tuple[int, ...]) -> int:
    """The pitch of one of the tones that lies nearest; the lower of two."""
    around = round(pitch)
    return min((p for p in range(around - 8, around + 9) if p % 12 in tones), key=lambda p: (abs(p - pitch), p))


def scale_of(tonic: int, mode: str) -> tuple[int, ...]:
    """Pitch classes of the key."""
    return tuple((tonic + step) % 12 for step in MODES[mode])
