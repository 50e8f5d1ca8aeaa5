"""Banks of the drummer: grooves, the feel of each step, fills."""

from dataclasses import dataclass

# the steps of a bar: X accent, x stroke, o ghost
GROOVES: dict[str, dict[str, str]] = {
    "rest": {},
    "boombap": {
        "kick": "X......x..x.....",
        "snare": "....X..o.o..X..o",
        "hat": "x.o.x.o.x.o.x.oo",
        "rim": "......o........o",
    },
    "dustbap": {
        "kick": "X..x......x..x..",
        "snare": "....X.......X.o.",
        "hat": "x.x.x.xox.x.x.x.",
        "shaker": "..o...o...o...o.",
    },
    "knock": {
        "kick": "X.x....x..x.....",
        "snare": "....X..o....X..o",
        "hat": "x.x.x.x.x.xxx.x.",
        "open": "..............x.",
    },
    "headnod": {
        "kick": "X....x..x.x....x",
        "snare": "....X.......X...",
        "hat": "xox.xox.xox.xoxo",
        "rim": ".......o......o.",
    },
    "outrun": {
        "kick": "X.....x.X.....x.",
        "snare": "....X.......X...",
        "hat": "x.xxx.xxx.xxx.xx",
        "clap": "....x.......x...",
    },
    "neon": {
        "kick": "X...X...X...X...",
        "snare": "....X.......X...",
        "hat": "..x...x...x...x.",
        "tom": "..............oo",
    },
    "four": {
        "kick": "X...X...X...X...",
        "clap": "....X.......X...",
        "open": "..x...x...x...x.",
        "hat": "x.ox..ox..ox..ox",
        "shaker": "oxoooxoooxoooxoo",
    },
    "shuffled": {
        "kick": "X...X...X...X..o",
        "clap": "....X.......X...",
        "snare": ".......o.o.....o",
        "open": "..x...x...x...x.",
        "shaker": "xoxoxoxoxoxoxoxo",
        "conga": "...x..o....x..o.",
    },
    "stomp": {
        "kick": "X...X...X...X...",
        "open": "..x...x...x...x.",
        "hat": "oxoxoxoxoxoxoxox",
        "clap": "....x.......x...",
        "ride": "..o...o...o...o.",
    },
    "rumble": {
        "kick": "X..oX..oX..oX.oo",
        "open": "..X...X...X...X.",
        "rim": "...x..x....x..x.",
        "shaker": "xxxxxxxxxxxxxxxx",
    },
    "drift": {"kick": "X.........o.....", "rim": "........x.......", "shaker": "o...o...o...o..."},
    "still": {"kick": "X...............", "shaker": "....o.......o..."},
    "straight": {
        "kick": "X.....x.X.......",
        "snare": "....X.......X...",
        "hat": "x.o.x.o.x.o.x.o.",
        "clap": "............x...",
    },
    "pushed": {
        "kick": "X..x..x...x.....",
        "snare": "....X.......X..o",
        "hat": "xoxoxoxoxoxoxoxo",
        "shaker": "..x...x...x...x.",
    },
    "backbeat": {"kick": "X......xX.x.....", "snare": "....X.......X..o", "hat": "X.x.X.x.X.x.X.x."},
    "gallop": {"kick": "X..xX..xX..xX..x", "snare": "....X.......X...", "hat": "X...X...X...X..."},
    "anthem": {
        "kick": "X.x.....X.x...x.",
        "snare": "....X.......X...",
        "open": "x...x...x...x...",
        "ride": "x.x.x.x.x.x.x.x.",
    },
    "rolling": {
        "kick": "X.....x....x....",
        "clap": "........X.......",
        "hat": "x.x.xxx.x.x.xoxo",
        "snare": "...............o",
        "open": "......x.........",
    },
    "skipping": {
        "kick": "X..x......x...x.",
        "clap": "........X.......",
        "hat": "x..x..x.x..x..xx",
        "rim": "....o.......o...",
    },
    "funky": {
        "kick": "X..x..x...x..x..",
        "snare": "....X..o.o..X..o",
        "hat": "xoxoxoxoxoxoxoxo",
        "open": "..............x.",
    },
    "pocket": {
        "kick": "X.x....x.xx.....",
        "snare": "....X..oo..oX.o.",
        "hat": "x.xxx.xxx.xxx.x.",
        "cowbell": "x...x...x...x...",
    },
    "ride": {
        "kick": "x.......o.......",
        "snare": "......o.......o.",
        "ride": "X...x.x.X...x.x.",
        "hat": "....x.......x...",
    },
    "stroll": {
        "kick": "o...o...o...o...",
        "snare": "..o.......o..o..",
        "ride": "X...X.x.x...X.x.",
        "hat": "....x.......x...",
        "rim": "............x...",
    },
    "march": {"kick": "X.......x.......", "tom": "X..xx.x.X..xx.xx", "snare": "....o..oo...x.oo"},
    "procession": {"kick": "X...............", "floor": "X.....x.X.....x.", "tom": "....x.......x.oo"},
    "thunder": {
        "kick": "X..x..X.X..x..X.",
        "floor": "X.xxX.xxX.xxX.xx",
        "tom": "..x...x...x..xxx",
        "snare": "oooooooXoooooXoX",
    },
    "break": {
        "kick": "X.x.......x.....",
        "snare": "....X..o.o..X..o",
        "hat": "x.x.x.x.x.x.x.x.",
        "ride": "x...x...x...x...",
    },
    "amen": {
        "kick": "X.x.......xx....",
        "snare": "....X..x.x..o..x",
        "hat": "xoxoxoxoxoxoxoxo",
        "ride": "x.x.x.x.x.x.x.x.",
    },
    "onedrop": {
        "kick": "....X.......X...",
        "rim": "....X.......X..o",
        "hat": "x.xxx.x.x.xxx.xo",
        "open": "..............o.",
    },
    "steppers": {
        "kick": "X...X...X...X...",
        "rim": "...x..x...x.x...",
        "hat": "..x...x...x...x.",
        "snare": "....o.......X...",
    },
    "bossa": {"kick": "X..xX..xX..xX..x", "rim": "x..x..x...x..x..", "shaker": "xoxoxoxoxoxoxoxo"},
    "softbossa": {"kick": "x..ox..ox..ox..o", "rim": "x..x...x..x..x..", "shaker": "xooxxooxxooxxoox"},
    "batucada": {
        "kick": "o...X...o...X..o",
        "rim": "x.xx.x.xx.x.xx.x",
        "shaker": "XoxxXoxxXoxxXoxx",
        "conga": "..x..oxx..x..oxx",
    },
    "bell": {
        "kick": "X.....x...x.....",
        "rim": "....x.......x...",
        "cowbell": "x..x..x.x..x.x..",
        "shaker": "xoxxxoxxxoxxxoxx",
        "conga": "..xo..xx..xo..xx",
    },
    "tony": {
        "kick": "X..x....x.x..x..",
        "snare": "..o.X..o.o.oX.o.",
        "hat": "x.xxx.xxx.xxx.xx",
        "cowbell": "x.x..x.x..x.x..x",
        "conga": "...x..xx...x..xo",
    },
    "saturday": {
        "kick": "X...X...X...X...",
        "snare": "....X.......X...",
        "hat": "x...x...x...x...",
        "open": "..x...x...x...x.",
        "conga": "x..x..x.x..x.xx.",
    },
    "stardust": {
        "kick": "X...X...X...X..x",
        "clap": "....X.......X...",
        "open": "..X...X...X...X.",
        "hat": "xx.xxx.xxx.xxx.x",
        "cowbell": "..x...x...x...x.",
    },
    "tick": {"kick": "X...x...X...x...", "snare": "....X.......X..x", "hat": "x.x.x.x.x.x.x.xx"},
    "bounce": {"kick": "X..x..x.X..x..x.", "snare": "....X.......X.x.", "hat": "xxxxxxxxxxxxxxxx"},
    "stompbox": {"kick": "X.......x.......", "shaker": "xoxoxoxoxoxoxoxo", "clap": "....o.......o..."},
    "train": {"kick": "x...x...x...x...", "snare": "oxooXoooxxooXooo", "shaker": "..x...x...x...x."},
    "twelve": {"kick": "X.....x....o", "snare": "...X.....X..", "hat": "xoxxoxxoxxox"},
    "twelvefull": {"kick": "X....xx.....", "snare": "...X....oX.o", "ride": "X.xX.xX.xX.x", "hat": "...x.....x.."},
    "brushedtwelve": {"kick": "x.....o.....", "rim": "...x.....x..", "hat": "xooxooxooxoo"},
    "oompah": {"kick": "x...........", "snare": "....o...o...", "hat": "....x...x..."},
    "lilt": {"kick": "x.........o.", "rim": "....o.......", "ride": "x...o...x..."},
}


@dataclass(frozen=True)
class Feel:
    """How a style leans on each step of a beat: how late, in milliseconds, and how loud; read round and round."""

    late_ms: tuple[float, ...]
    loud: tuple[float, ...]


FEELS = {
    "plain": Feel((0, 0, 0, 0), (1, 0.86, 0.94, 0.84)),
    "driven": Feel((0, -2, -3, -2), (0.9, 0.82, 1, 0.84)),
    "dragged": Feel((0, 6, 3, 8, 4, 7, 2, 10), (1, 0.8, 0.9, 0.78)),
    "pocket": Feel((0, 3, -2, 5), (1, 0.72, 0.9, 0.78)),
    "behind": Feel((3, 6, 5, 9), (0.86, 0.8, 1, 0.82)),
    "woven": Feel((0, -6, -3, 4), (1, 0.78, 0.84, 0.95)),  # the sixteenths of samba: uneven, and the last one sings
    "ridden": Feel((0, 0, 4, 0, -3, 0, 5, 0), (0.85, 0.8, 0.9, 0.8, 1, 0.8, 0.95, 0.8)),
    "twelve": Feel((0, 5, 8), (1, 0.7, 0.85)),
    "lilting": Feel(
        (0,) * 4 + (-7,) * 4 + (2,) * 4, (1,) * 4 + (0.9,) * 4 + (0.78,) * 4
    ),  # the second beat comes early
    "breathing": Feel((0, 3, 5, 3, 6, 3, 2, 0), (1, 0.88, 0.93, 0.88)),
}

FILLS: dict[str, tuple[dict[str, str], ...]] = {
    "none": ({},),
    "band": (
        {"snare": "............xxXX"},
        {"snare": "..........x.xxxX", "kick": "X......."},
        {"snare": "........x..x....", "tom": "..........x...xX"},
        {"tom": "........X.x.....", "floor": "............X.xX"},
        {"snare": "........XoxoXoxo", "floor": "..............xX"},
    ),
    "machine": (
        {"snare": "........x.x.xxxx"},
        {"clap": "........x..x..x.", "open": "..............X."},
        {"snare": "............xxxx", "rim": "........x.xx...."},
        {},
    ),
    "brush": (
        {"snare": "........o.oxo.xx"},
        {"snare": "............oxox", "kick": "..........x....."},
        {"rim": "..........x..x..", "snare": "..............xo"},
    ),
    "hands": (
        {"conga": "........xxoxxxXX"},
        {"conga": "..........x.xx.X", "snare": "............oo.x"},
        {"cowbell": "........x.x.x.x.", "tom": "............x.xX"},
    ),
    "hall": (
        {"tom": "........x.xxxxxX", "floor": "........X...X..."},
        {"snare": "........ooooxxxX"},
        {"floor": "............XXXX"},
    ),
    "twelve": (
        {"snare": "......xoxxxX"},
        {"tom": "......x.xx..", "floor": ".........xxX"},
        {"snare": ".........xxx"},
    ),
}
