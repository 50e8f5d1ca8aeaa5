"""Which clip is shown when: in rounds, never twice in a row, and each time from where it was left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jobs.engines.covers.canvas import Dice
from jobs.engines.cuts.plan import SHORTEST_SHOT_SECONDS, SLOWEST_PERCENT, Clip, Fill, Shot, Skipped, expect

SEEN_SHARE = 0.8  # of a long clip; the rest is for shots that are longer than the others


@dataclass(frozen=True)
class Dealt:
    """Shots with their clips, and what could not be had."""

    shots: tuple[Shot, ...]
    repeated: int
    stretched: int
    skipped: tuple[Skipped, ...]


@dataclass
class _Tape:
    """A clip and how far it was shown."""

    number: int
    first: int
    end: int
    at: int
    spread: float  # how far it goes on for each frame that is shown, so that all of a long clip is seen

    @property
    def length(self) -> int:
        return self.end - self.first

    @property
    def left(self) -> int:
        return self.end - self.at


def deal_clips(shots: Sequence[Shot], clips: Sequence[Clip], fps: int, fill: Fill, seed: int) -> Dealt:
    """The same shots with other clips in them; what the shots say of clips does not matter."""
    tapes, skipped = _list_tapes(clips, fps, shots[-1].end)
    expect(bool(tapes), "NO_CLIPS", f"none of the clips has {SHORTEST_SHOT_SECONDS:g} seconds that can be shown")
    dealer = _Dealer(tapes, Dice("clips", seed))
    dealt: list[Shot] = []
    repeated = stretched = 0
    for shot, following in zip(shots, [*shots[1:], None], strict=True):
        need = shot.frame_count + (following.overlap if following else 0)
        tape, is_repeated = dealer.deal(need)
        repeated += is_repeated
        stretched += tape.length < need
        source, speed = _take(tape, need, fill)
        dealt.append(replace(shot, clip=tape.number, source=source, speed_percent=speed))
    shown = {shot.clip for shot in dealt}
    skipped += [
        Skipped(tape.number, "NOT_NEEDED", "the film has fewer shots than there are clips")
        for tape in tapes
        if tape.number not in shown
    ]
    return Dealt(tuple(dealt), repeated, stretched, tuple(sorted(skipped, key=lambda one: one.clip)))


def choose_speed(length: int, need: int, fill: Fill) -> int:
    """In percent: slower than it was where the clip would else end before the shot."""
    if fill != "SLOW" or length >= need:
        return 100
    return max(SLOWEST_PERCENT, 100 * length // need)


def _list_tapes(clips: Sequence[Clip], fps: int, frame_count: int) -> tuple[list[_Tape], list[Skipped]]:
    tapes, skipped = [], []
    share = frame_count / len(clips)
    for number, clip in enumerate(clips):
        frames = clip.frames(fps)
        if len(frames) < SHORTEST_SHOT_SECONDS * fps:
            reason = f"it has less than {SHORTEST_SHOT_SECONDS:g} seconds that can be shown"
            skipped.append(Skipped(number, "TOO_SHORT", reason))
        else:
            spread = max(1.0, SEEN_SHARE * len(frames) / share)
            tapes.append(_Tape(number, frames.start, frames.stop, frames.start, spread))
    return tapes, skipped


def _take(tape: _Tape, need: int, fill: Fill) -> tuple[int, int]:
    """Where the clip is shown from and how fast; it goes on behind that."""
    speed = choose_speed(tape.length, need, fill)
    shown = max(1, need * speed // 100)
    source = tape.at if tape.left >= shown else max(tape.first, tape.end - shown)
    rest = tape.end - (source + shown)
    tape.at = min(source + shown + min(round(shown * (tape.spread - 1)), max(rest - shown, 0)), tape.end)
    return source, speed


class _Dealer:
    """Rounds of all clips, each in another order; the first of a round is not the last of the one before."""

    def __init__(self, tapes: Sequence[_Tape], dice: Dice) -> None:
        self._tapes, self._dice = tapes, dice
        self._waiting: list[_Tape] = []
        self._last: _Tape | None = None

    def deal(self, need: int) -> tuple[_Tape, bool]:
        """The next clip, and whether a part of it comes again: first one with enough unseen, then one long enough."""
        offered = list(self._offer())
        for tape in offered:
            if tape.left >= need:
                return self._give(tape), False
        longest = max(tape.length for tape in offered)
        chosen = next(tape for tape in offered if tape.length >= min(need, longest))
        was_shown = chosen.at > chosen.first
        chosen.at = chosen.first + self._dice.whole(0, max(0, min(need, chosen.length - need)))
        return self._give(chosen), was_shown

    def _offer(self) -> Iterator[_Tape]:
        if not self._waiting or self._waiting == [self._last]:
            self._waiting += sorted(self._tapes, key=lambda _: self._dice.between(0, 1))
        seen = set()
        for tape in self._waiting:
            if (tape is not self._last or len(self._tapes) == 1) and tape.number not in seen:
                seen.add(tape.number)
                yield tape

    def _give(self, tape: _Tape) -> _Tape:
        self._waiting.remove(tape)
        self._last = tape
        return tape
