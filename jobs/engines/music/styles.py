"""The catalogue of styles: what a style plays, on what, how fast and how it is mixed."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layer:
    """One instrument of the chords: how it plays and from which energy on."""

    voice: str
    pattern: str  # 'hold', 'strum', 'arp:…' or 16 steps of a bar
    from_energy: float = 0.0
    gain: float = 1.0


@dataclass(frozen=True)
class Style:
    """A row of the catalogue."""

    id: str
    words: tuple[str, ...]
    tempo: tuple[int, int]
    modes: tuple[str, ...]
    colour: str
    kit: str
    grooves: tuple[str, str]  # verse, chorus
    bass_voice: str
    bass: tuple[str, str]  # R root, 5 fifth, O octave, 3 third, A approach, - hold
    layers: tuple[Layer, ...]
    leads: tuple[str, ...]
    form: str = "song"
    swing: float = 0.5
    swung_steps: int = 2
    lead_density: int = 1
    bars_per_chord: int = 1
    has_turns: bool = False
    loose_seconds: float = 0.005
    laid_back_seconds: float = 0.0
    reverb_seconds: float = 1.0
    pump: float = 0.3  # how far the kick pushes the rest down
    brightness: float = 0.0  # dB at the top
    levels: dict[str, float] = field(default_factory=dict)  # dB by stem
    echo: float = 0.2


STYLES: dict[str, Style] = {
    style.id: style
    for style in (
        Style(
            "lofi",
            ("lofi", "lo-fi", "study", "chillhop", "cozy", "rainy", "mellow"),
            (70, 86),
            ("dorian", "major"),
            "9",
            "dusty",
            ("boombap", "boombap"),
            "round",
            ("R--..R..5---..A-", "R-..R-..5--.O.A-"),
            (Layer("epiano", "x-----x---x-----"), Layer("warm", "hold", 0.7, 0.4)),
            ("vibes", "flute", "epiano"),
            swing=0.58,
            laid_back_seconds=0.014,
            loose_seconds=0.009,
            reverb_seconds=0.8,
            pump=0.25,
            brightness=-5,
            levels={"drums": 1, "bass": -1, "lead": 1},
        ),
        Style(
            "synthwave",
            ("synthwave", "retrowave", "outrun", "80s", "neon", "retro", "night", "drive"),
            (84, 112),
            ("minor",),
            "triad",
            "gated",
            ("outrun", "outrun"),
            "saw",
            ("R.R.R.R.R.R.R.R.", "R.R.O.R.R.R.O.R."),
            (Layer("wide", "hold", 0.0, 0.8), Layer("blip", "arp:updown", 0.6, 0.7)),
            ("solo", "square"),
            reverb_seconds=1.4,
            pump=0.45,
            echo=0.35,
            brightness=1,
            levels={"bass": 1.5},
        ),
        Style(
            "house",
            ("house", "dance", "club", "disco", "edm", "party", "techno", "electronic"),
            (120, 128),
            ("minor", "dorian"),
            "7",
            "club",
            ("four", "four"),
            "sub",
            ("..R...R...R..R..", "..R.R.O...R.R.5."),
            (Layer("organ", "..x..x....x..x..", 0.2), Layer("warm", "hold", 0.4, 0.5)),
            ("blip", "square", "bell"),
            form="club",
            swing=0.54,
            pump=0.6,
            reverb_seconds=0.9,
            levels={"drums": 0, "chords": 1.5, "lead": 3.5, "bass": 1},
            brightness=1,
        ),
        Style(
            "ambient",
            ("ambient", "meditation", "sleep", "drone", "space", "calm", "relax", "atmospheric", "dreamy"),
            (60, 72),
            ("lydian", "major"),
            "add9",
            "soft",
            ("drift", "drift"),
            "sub",
            ("R---------------", "R-------5-------"),
            (Layer("wide", "hold"), Layer("bell", "arp:up8", 0.5, 0.5)),
            ("glass", "flute"),
            lead_density=0,
            bars_per_chord=2,
            reverb_seconds=1.48,
            pump=0.0,
            echo=0.45,
            levels={"drums": -7, "chords": 1},
            brightness=-3,
        ),
        Style(
            "pop",
            ("pop", "happy", "summer", "upbeat", "cheerful", "catchy", "radio", "love"),
            (98, 122),
            ("major",),
            "triad",
            "modern",
            ("straight", "straight"),
            "round",
            ("R---..R-R-..5.A.", "R-R.R-R-R-R.5-A-"),
            (
                Layer("piano", "x---x---x---x---"),
                Layer("strings", "hold", 0.7, 0.6),
                Layer("pluck", "arp:up", 0.8, 0.6),
            ),
            ("solo", "pluck", "bell"),
            pump=0.35,
            reverb_seconds=1.1,
        ),
        Style(
            "rock",
            ("rock", "guitar", "punk", "indie", "grunge", "band", "garage"),
            (112, 144),
            ("mixolydian", "minor", "major"),
            "triad",
            "acoustic",
            ("backbeat", "backbeat"),
            "picked",
            ("R-R-R-R-R-R-R-A-", "R-R-R-R-5-5-R-A-"),
            (Layer("crunch", "X-x-x-X-x-x-x-x-", 0.45, 0.8), Layer("steel", "strum")),
            ("overdrive",),
            pump=0.1,
            reverb_seconds=0.8,
            loose_seconds=0.007,
            brightness=1,
            levels={"drums": 2, "chords": -3.5, "lead": -1.5, "bass": 1},
        ),
        Style(
            "hiphop",
            ("hiphop", "hip-hop", "hip hop", "trap", "rap", "drill", "808", "beat"),
            (68, 78),
            ("minor",),
            "7",
            "trap",
            ("halftime", "halftime"),
            "eight08",
            ("R-----..R-..-.A-", "R---..R-..R-O-A-"),
            (Layer("bell", "arp:down8", 0.0, 0.7), Layer("warm", "hold", 0.5, 0.6)),
            ("flute", "bell", "pluck"),
            pump=0.35,
            reverb_seconds=1.2,
            levels={"chords": 1.5, "lead": 1},
            swing=0.52,
        ),
        Style(
            "funk",
            ("funk", "funky", "groove", "soul", "disco-funk", "slap"),
            (98, 114),
            ("dorian", "mixolydian"),
            "9",
            "acoustic",
            ("funky", "funky"),
            "picked",
            ("R..R..O.R..5.AA.", "R.OR..O5R.R..AA."),
            (Layer("clav", "..x..x.o..x..xo."), Layer("organ", "hold", 0.7, 0.5)),
            ("brass", "clav"),
            swing=0.55,
            lead_density=2,
            pump=0.15,
            reverb_seconds=0.6,
            loose_seconds=0.007,
            levels={"chords": 1.5, "lead": 3},
        ),
        Style(
            "jazz",
            ("jazz", "swing", "bebop", "saxophone", "sax", "smoky", "cafe", "lounge"),
            (104, 152),
            ("major", "dorian"),
            "7",
            "brushes",
            ("ride", "ride"),
            "upright",
            ("R...3...5...A...", "R...5...3...A..."),
            (Layer("piano", "......x-......x-"),),
            ("sax", "vibes", "piano"),
            swing=0.62,
            swung_steps=4,
            has_turns=True,
            lead_density=2,
            loose_seconds=0.010,
            pump=0.0,
            reverb_seconds=0.9,
            brightness=-2,
            levels={"drums": 1, "bass": 1.5},
        ),
        Style(
            "cinematic",
            ("cinematic", "epic", "orchestral", "film", "trailer", "heroic", "dark", "strings"),
            (76, 96),
            ("minor",),
            "triad",
            "hall",
            ("march", "march"),
            "cello",
            ("R---------------", "R-----R-R---5---"),
            (Layer("strings", "hold"), Layer("spiccato", "arp:pulse", 0.55, 0.8)),
            ("brass", "strings", "flute"),
            lead_density=0,
            reverb_seconds=1.48,
            pump=0.0,
            levels={"chords": 1},
        ),
        Style(
            "breaks",
            ("breakbeat", "breaks", "drum and bass", "dnb", "jungle", "fast", "energetic"),
            (150, 172),
            ("minor", "dorian"),
            "7",
            "club",
            ("break", "break"),
            "sub",
            ("R-----..R---..5-", "R---..R-..O-..A-"),
            (Layer("wide", "hold", 0.0, 0.8), Layer("epiano", "x..x..x...x.....", 0.5, 0.6)),
            ("glass", "square"),
            form="club",
            bars_per_chord=2,
            pump=0.35,
            reverb_seconds=1.2,
            echo=0.3,
            levels={"bass": 1},
            brightness=1,
        ),
    )
}
