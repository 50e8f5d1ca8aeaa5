"""What a row of the catalogue of styles says."""

from dataclasses import dataclass, field

from jobs.engines.music.score import COMMON_TIME, Metre


@dataclass(frozen=True)
class Layer:
    """One instrument of the chords: how it plays and from which energy on."""

    voice: str
    pattern: str  # 'hold', 'strum', 'arp:…' or the steps of a bar
    from_energy: float = 0.0
    gain: float = 1.0
    to_energy: float = 2.0


@dataclass(frozen=True)
class Style:
    """A row of the catalogue; where a text holds bars between '|', each song chooses one of them."""

    id: str
    words: tuple[str, ...]  # names of the genre
    moods: tuple[str, ...]  # words that only hint at it
    tempo: tuple[int, int]
    modes: tuple[str, ...]
    colour: str
    kit: str  # 'none' has no drums
    grooves: tuple[str, str]  # verse, chorus
    bass_voice: str
    bass: tuple[str, str]  # R root, 5 fifth, O octave, 3 third, A approach, - hold
    layers: tuple[Layer, ...]
    leads: tuple[str, ...]
    form: str = "song"
    metre: Metre = COMMON_TIME
    swing: float = 0.5
    swung_steps: int = 2
    feel: str = "plain"
    fills: str = "band"
    lift: str = "reverse"  # what leads into a louder section: 'riser', 'reverse' or 'none'
    counter: str = ""  # the voice that answers the lead in later sections
    lead_density: int = 1
    bars_per_chord: int = 1
    bass_octave: int = 0
    has_turns: bool = False
    has_colour_dominants: bool = False
    loose_seconds: float = 0.005
    laid_back_seconds: float = 0.0
    reverb_seconds: float = 1.0
    pump: float = 0.3  # how far the kick pushes the rest down
    brightness: float = 0.0  # dB at the top
    levels: dict[str, float] = field(default_factory=dict)  # dB by stem
    echo: float = 0.2
