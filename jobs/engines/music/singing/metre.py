"""The rhythm of a line: each syllable on a step of its bars, stressed ones on the beats, the last one held."""

from functools import lru_cache

from jobs.engines.music.score import Metre

_STRESSED = {4: (0.0, 2.6, 0.9, 2.6), 3: (0.0, 2.6, 1.8)}  # cost by the steps of a beat, and the place in it
_UNSTRESSED = {4: (0.8, 0.9, 0.0, 0.9), 3: (0.8, 0.6, 0.0)}
_DOWNBEAT = 0.35  # what a stressed syllable gains where the weight falls
_LATE, _STRETCH = 0.12, 1.1
_LONGEST_GAP_BEATS, _WIDEST_BEATS = 2, 1.25


def most_syllables(steps: int, steps_apart: int) -> int:
    """How many syllables have room in so many steps."""
    return max(_last_step(steps, steps_apart) // steps_apart + 1, 1)


@lru_cache(maxsize=512)
def place_syllables(
    stresses: tuple[int, ...], steps: int, steps_apart: int, leaning: tuple[float, ...], metre: Metre
) -> tuple[int, ...]:
    """The steps on which syllables begin; `leaning` is what each step of a bar costs besides."""
    count = len(stresses)
    last_step = _last_step(steps, steps_apart)
    apart = min(steps_apart, max(last_step // max(count - 1, 1), 1))
    ideal = min(max(steps / (count + 1), apart), _WIDEST_BEATS * metre.steps_per_beat)
    longest_gap = _LONGEST_GAP_BEATS * metre.steps_per_beat
    best: list[dict[int, tuple[float, int]]] = [
        {
            step: (step * _LATE + _cost(stresses[0], step, leaning, metre), -1)
            for step in range(min(longest_gap, last_step) + 1)
        }
    ]
    for index in range(1, count):
        best.append({})
        for step in range(index * apart, last_step + 1):
            choices = [
                (best[-2][before][0] + _STRETCH * ((step - before - ideal) / ideal) ** 2, before)
                for before in range(max(step - longest_gap, 0), step - apart + 1)
                if before in best[-2]
            ]
            if choices:
                cost, before = min(choices)
                best[-1][step] = (cost + _cost(stresses[index], step, leaning, metre), before)
    at = min(best[-1], key=lambda step: (best[-1][step][0], step))
    placed = [at]
    for index in range(count - 1, 0, -1):
        at = best[index][at][1]
        placed.append(at)
    return tuple(reversed(placed))


def _last_step(steps: int, steps_apart: int) -> int:
    """The last one on which a syllable may begin."""
    return steps - max(steps_apart, 2)


def _cost(stress: int, step: int, leaning: tuple[float, ...], metre: Metre) -> float:
    table = (_STRESSED if stress else _UNSTRESSED)[metre.steps_per_beat]
    gain = _DOWNBEAT if stress and step % metre.strong == 0 else 0.0
    return table[step % metre.steps_per_beat] - gain + leaning[step % len(leaning)]
