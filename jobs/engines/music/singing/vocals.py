"""The sung part of a song: words found or written, laid over its form, set to notes, and timed sound by sound."""

import re
from collections.abc import Sequence

import numpy as np

from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import Bars, Grid, Harmony, SongPlan
from jobs.engines.music.singing.metre import most_syllables, place_syllables
from jobs.engines.music.singing.phrasing import join, lay_sounds
from jobs.engines.music.singing.score import GIVEN, WRITTEN, Laid, SungLine, SungNote, TimedLine, TimedWord, Vocals
from jobs.engines.music.singing.sounds import Syllable
from jobs.engines.music.singing.text import Line, Stanza, Word, read_lyrics
from jobs.engines.music.singing.tune import SHAPES, Step, contour, find_tune
from jobs.engines.music.singing.verses import CHORUSES, Slot, breath_steps, set_lines
from jobs.engines.music.singing.voice import Voice, open_voice
from jobs.engines.music.singing.wording import write_lyrics
from jobs.engines.music.theory import nearest, scale_of

HIGH_FROM, LOW_FROM = 57, 50  # the lowest note of a high voice, and of a low one
_HIGH_WORDS = frozenset(("female", "woman", "girl", "soprano", "alto", "she", "her"))
_LOW_WORDS = frozenset(("male", "man", "boy", "baritone", "tenor", "deep", "he", "his"))
_SMALL_WORDS = frozenset((
    "a", "an", "the", "of", "to", "in", "on", "at", "and", "or", "but", "for", "from", "with", "by", "is", "are",
    "was", "were", "be", "i", "you", "he", "she", "it", "we", "they", "me", "my", "your", "his", "her", "our", "their",
    "so", "as", "if", "that", "than", "then", "am", "i'm", "it's", "do",
))  # fmt: skip
_LEANING = 0.5
_LONGEST_HOLD_BEATS, _LONGEST_HOLD_SECONDS = 3, 2.2
_TURN_SECONDS, _TURN_STEPS = 0.9, 3  # a held note may move on once
_SHOWN_LINES = 3
_SYLLABLE_TEXT = re.compile(r"[^aeiouy]*[aeiouy]+(?:[^aeiouy]+$)?", re.IGNORECASE)


def write_vocals(
    plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...], harmonies: tuple[Harmony, ...]
) -> Vocals:
    """What is sung in the whole song."""
    stanzas, source, notes = _find_words(plan)
    is_high = _is_high(plan)
    lines = [line for stanza in stanzas for line in stanza.lines]
    words = [word.sung for line in lines for word in line.words]
    voice = open_voice(words, "\n".join(line.text for line in lines), is_high=is_high)
    slots, unsung = set_lines(stanzas, grid, form, lambda word: len(voice.pronounce(word.sung)))
    writer = _Writer(plan, brief, grid, harmonies, voice, HIGH_FROM if is_high else LOW_FROM)
    doubled = _last_refrain(form)
    sung = tuple(writer.write_line(slot, is_doubled=slot.section == doubled) for slot in slots)
    notes += voice.notes
    if unsung and source == GIVEN:
        notes += (_tell_unsung(unsung, len(dict.fromkeys(lines)), plan.duration_seconds),)
    if writer.cut_words:
        notes += (f"Too long to be sung whole: {', '.join(list(writer.cut_words)[:_SHOWN_LINES])}",)
    return Vocals(voice.kind, source, is_high, notes, sung)


def _find_words(plan: SongPlan) -> tuple[tuple[Stanza, ...], str, tuple[str, ...]]:
    given = read_lyrics(plan.lyrics or "")
    if given:
        return given, GIVEN, ()
    notes = ("The lyrics hold nothing that can be sung, so words were written",) if (plan.lyrics or "").strip() else ()
    return read_lyrics(write_lyrics(plan)), WRITTEN, notes


def _is_high(plan: SongPlan) -> bool:
    words = frozenset(re.findall(r"[a-z]+", plan.prompt.lower()))
    if bool(words & _HIGH_WORDS) != bool(words & _LOW_WORDS):
        return bool(words & _HIGH_WORDS)
    return bool(plan.draw("singer").random() < 0.5)


def _last_refrain(form: tuple[Bars, ...]) -> Bars | None:
    refrains = [section for section in form if section.name in CHORUSES]
    return refrains[-1] if len(refrains) > 1 else None


def _tell_unsung(unsung: Sequence[Line], count: int, duration_seconds: float) -> str:
    shown = ", ".join(f"“{line.text[:60]}”" for line in unsung[:_SHOWN_LINES])
    more = ", …" if len(unsung) > _SHOWN_LINES else ""
    return f"{len(unsung)} of {count} lines found no room in {duration_seconds:g} s: {shown}{more}"


class _Writer:
    """Turns lines into notes and sounds, one after the other."""

    def __init__(
        self, plan: SongPlan, brief: Brief, grid: Grid, harmonies: tuple[Harmony, ...], voice: Voice, lowest: int
    ) -> None:
        self._plan, self._grid, self._voice, self._lowest = plan, grid, voice, lowest
        self._metre = grid.metre
        self._scale = scale_of(brief.tonic, brief.mode)
        self._chords = {
            (chord.bar, step): chord.tones
            for chord in harmonies
            for step in range(chord.step, chord.step + chord.steps)
        }
        self._leanings: dict[str, tuple[float, ...]] = {}
        self._before: int | None = None
        self._free_from = 0.0
        self.cut_words: dict[str, None] = {}

    def write_line(self, slot: Slot, *, is_doubled: bool) -> SungLine:
        steps = slot.bars * self._metre.steps - breath_steps(self._grid)
        words, syllables = self._read(slot, most_syllables(steps, slot.steps_apart))
        stresses = tuple(syllable.stress for syllable in syllables)
        leaning = self._leaning(slot.section.name)
        onsets = list(place_syllables(stresses, steps, slot.steps_apart, leaning, self._metre))
        end = min(steps, onsets[-1] + self._longest_hold())
        turn = self._find_turn(slot, onsets[-1], end)
        pitches = self._find_pitches(slot, [*onsets, *turn], stresses, end)
        notes = self._notes(slot, words, [*syllables, *([None] * len(turn))], [*onsets, *turn, end], pitches)
        laid = lay_sounds(notes, self._free_from)
        self._before, self._free_from = pitches[-1], notes[-1].end_seconds
        second = tuple(self._third_below(pitch) for pitch in pitches) if is_doubled else ()
        return SungLine(TimedLine(slot.line.text, tuple(_time_words(words, laid))), notes, join(laid), second)

    def _read(self, slot: Slot, most: int) -> tuple[list[tuple[Word, int]], list[Syllable]]:
        """The words with the number of their syllables, and all of these."""
        words: list[tuple[Word, int]] = []
        syllables: list[Syllable] = []
        for word in slot.line.words:
            spoken = self._voice.pronounce(word.sung)
            if len(spoken) > most:
                self.cut_words[word.text] = None
                spoken = spoken[:most]
            if len(spoken) == 1 and word.sung.lower() in _SMALL_WORDS:
                spoken = (spoken[0].unstressed(),)
            words.append((word, len(spoken)))
            syllables += spoken
        return words, syllables

    def _leaning(self, section: str) -> tuple[float, ...]:
        """The rhythms that this kind of section likes: the same each time that it comes."""
        if section not in self._leanings:
            dice = self._plan.draw(f"metre {section}")
            self._leanings[section] = tuple(float(each) for each in _LEANING * dice.random(self._metre.steps))
        return self._leanings[section]

    def _longest_hold(self) -> int:
        return min(
            _LONGEST_HOLD_BEATS * self._metre.steps_per_beat,
            max(int(_LONGEST_HOLD_SECONDS / self._grid.step_seconds), 2),
        )

    def _find_turn(self, slot: Slot, last: int, end: int) -> list[int]:
        """Where the last syllable of a line moves on to another note."""
        is_long = (end - last) * self._grid.step_seconds >= _TURN_SECONDS
        is_asked = slot.section.name in CHORUSES and self._number(slot) % 2 == 1
        return [last + _TURN_STEPS] if is_long and is_asked and end - last > 2 * _TURN_STEPS else []

    def _number(self, slot: Slot) -> int:
        return (slot.bar - slot.section.first) // slot.bars

    def _is_heavy(self, step: int) -> bool:
        return step % self._metre.strong == 0

    def _find_pitches(self, slot: Slot, onsets: list[int], stresses: tuple[int, ...], end: int) -> list[int]:
        name = slot.section.name
        kind = "chorus" if name in CHORUSES else "bridge" if name in ("bridge", "break", "build") else "verse"
        shape = SHAPES[kind][self._number(slot) % len(SHAPES[kind])]
        dice = self._plan.draw(f"tune {kind} {self._number(slot) % len(SHAPES[kind])}")
        wander = np.cumsum(dice.normal(0, 1.2, len(onsets)))
        steps = []
        for index, onset in enumerate(onsets):
            place = index / max(len(onsets) - 1, 1)
            following = onsets[index + 1] if index + 1 < len(onsets) else end
            is_strong = (
                self._is_heavy(onset) or following - onset >= self._metre.steps_per_beat or index == len(onsets) - 1
            )
            bar, step = divmod(slot.bar * self._metre.steps + onset, self._metre.steps)
            lift = 0.8 if index < len(stresses) and stresses[index] else 0.0
            wanted = self._lowest + 4 + contour(shape, place) + lift + float(np.clip(wander[index], -2.5, 2.5))
            steps.append(Step(self._chords[bar, step], is_strong, wanted))
        return find_tune(steps, self._scale, self._lowest, self._before)

    def _notes(
        self,
        slot: Slot,
        words: list[tuple[Word, int]],
        syllables: list[Syllable | None],
        bounds: list[int],
        pitches: list[int],
    ) -> tuple[SungNote, ...]:
        times = [self._grid.at(slot.bar, step) for step in bounds]
        texts = [text for word, count in words for text in _split_text(word, count)]
        notes = []
        for index, (syllable, pitch) in enumerate(zip(syllables, pitches, strict=True)):
            accent = 0.1 if self._is_heavy(bounds[index]) else 0.05 if syllable is not None and syllable.stress else 0.0
            velocity = min(0.65 + 0.2 * slot.section.energy + accent, 1.0)
            text = texts[index] if syllable is not None else ""
            notes.append(SungNote(times[index], times[index + 1], pitch, velocity, text, syllable))
        return tuple(notes)

    def _third_below(self, pitch: int) -> int:
        tones = tuple(self._scale)
        if pitch % 12 not in tones:
            return pitch
        return nearest(pitch - 3.5, (tones[(tones.index(pitch % 12) - 2) % len(tones)],))


def _split_text(word: Word, count: int) -> list[str]:
    """What is written below each syllable's note: the word in parts where its spelling shows them."""
    parts = _SYLLABLE_TEXT.findall(word.text)
    if count == 1 or len(parts) != count or "".join(parts) != word.text:
        return [word.text + " ", *[""] * (count - 1)]
    return [*(part + "-" for part in parts[:-1]), parts[-1] + " "]


def _time_words(words: list[tuple[Word, int]], laid: list[list[Laid]]) -> list[TimedWord]:
    timed, first = [], 0
    for word, count in words:
        sounds = [sound for syllable in laid[first : first + count] for sound in syllable]
        timed.append(TimedWord(word.text, round(sounds[0].start_seconds, 3), round(sounds[-1].end_seconds, 3)))
        first += count
    return timed
