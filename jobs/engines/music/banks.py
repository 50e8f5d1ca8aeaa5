"""Banks that styles draw from: grooves of the kit and progressions of the chords."""

# 16 steps of a bar: X accent, x stroke, o ghost
GROOVE_BANK = {
    "boombap": {
        "kick": "X......x..x.....",
        "snare": "....X..o.o..X..o",
        "hat": "x.o.x.o.x.o.x.oo",
        "rim": "......o........o",
    },
    "outrun": {
        "kick": "X.....x.X.....x.",
        "snare": "....X.......X...",
        "hat": "x.xxx.xxx.xxx.xx",
        "clap": "....x.......x...",
    },
    "four": {
        "kick": "X...X...X...X...",
        "clap": "....X.......X...",
        "open": "..x...x...x...x.",
        "hat": "x.ox..ox..ox..ox",
        "shaker": "oxoooxoooxoooxoo",
    },
    "drift": {"kick": "X.........o.....", "rim": "........x.......", "shaker": "o...o...o...o..."},
    "straight": {
        "kick": "X.....x.X.......",
        "snare": "....X.......X...",
        "hat": "x.o.x.o.x.o.x.o.",
        "clap": "............x...",
    },
    "backbeat": {
        "kick": "X......xX.x.....",
        "snare": "....X.......X..o",
        "hat": "X.x.X.x.X.x.X.x.",
        "crash": "................",
    },
    "halftime": {
        "kick": "X.....x....x..x.",
        "clap": "........X.......",
        "snare": "........x......o",
        "hat": "x.x.x.xxx.x.xoxo",
    },
    "funky": {
        "kick": "X..x..x...x..x..",
        "snare": "....X..o.o..X..o",
        "hat": "xoxoxoxoxoxoxoxo",
        "open": "..............x.",
    },
    "ride": {
        "kick": "x.......o.......",
        "snare": "......o.......o.",
        "ride": "X...x.x.X...x.x.",
        "hat": "....x.......x...",
    },
    "march": {"kick": "X.......x.......", "tom": "X..xx.x.X..xx.xx", "snare": "....o..oo...x.oo"},
    "break": {
        "kick": "X.x.......x.....",
        "snare": "....X..o.o..X..o",
        "hat": "x.x.x.x.x.x.x.x.",
        "ride": "x...x...x...x...",
    },
}

PROGRESSIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "major": {
        "calm": ("1 6 4 5", "1 3 4 5s", "4 1 5 6", "1 4 1 5"),
        "full": ("1 5 6 4", "4 5 3 6", "6 4 1 5", "1 4 6 5"),
        "away": ("4 4 1 5", "6 3 4 5", "2 5 3 6"),
    },
    "minor": {
        "calm": ("1 6 3 7", "1 4 6 5", "1 7 6 7", "1 3 4 6"),
        "full": ("6 7 1 1", "1 6 3 7", "6 4 1 5M", "4 6 1 7"),
        "away": ("4 1 6 5M", "6 3 4 5M", "3 7 4 5"),
    },
    "dorian": {"calm": ("1 4 1 4", "1 3 4 1"), "full": ("1 4 7 4", "3 4 1 1"), "away": ("4 4 1 7", "3 7 4 4")},
    "lydian": {"calm": ("1 2 1 2", "1 5 2 1"), "full": ("4 5 1 2", "1 2 6 5"), "away": ("6 2 1 5", "3 2 6 5")},
    "mixolydian": {"calm": ("1 7 4 1", "1 4 7 4"), "full": ("1 7 4 4", "4 1 7 1"), "away": ("7 4 1 1", "2 4 7 7")},
}
TURNS = ("2 5 1 6", "1 6 2 5", "3 6 2 5")  # jazz thinks in these
