"""The sounds of a line in time: vowels begin on their notes, consonants stand before them, the last vowel is held."""

from collections.abc import Sequence
from itertools import chain

from jobs.engines.music.singing.score import Laid, SungNote
from jobs.engines.music.singing.sounds import Phone

_MOST_OF_NOTE = 0.5  # that consonants may take
_LONGEST_CONSONANT_SECONDS = 0.12
_QUICK = 0.85  # consonants are sung quicker than they are spoken


def lay_sounds(notes: Sequence[SungNote], earliest_seconds: float) -> list[list[Laid]]:
    """The sounds of each syllable; nothing begins before the earliest moment."""
    begun = [(note.start_seconds, note.syllable) for note in notes if note.syllable is not None]
    end = notes[-1].end_seconds
    first_start, first = begun[0]
    laid: list[list[Laid]] = [_lay(first.onset, 0, first_start, _room(first_start - earliest_seconds, first.onset))]
    for index, (start, syllable) in enumerate(begun):
        is_last = index == len(begun) - 1
        following_start = end if is_last else begun[index + 1][0]
        onset: tuple[Phone, ...] = () if is_last else begun[index + 1][1].onset
        gap = following_start - start
        quick = _room(gap * _MOST_OF_NOTE, (*syllable.coda, *onset))
        before = _lay(onset, index + 1, following_start, quick)
        coda_end = before[0].start_seconds if before else following_start
        coda = _lay(syllable.coda, index, coda_end, quick)
        vowel_end = coda[0].start_seconds if coda else coda_end
        laid[-1] += [Laid(syllable.nucleus, index, start, max(vowel_end, start), is_held=True), *coda]
        if not is_last:
            laid.append(before)
    return laid


def join(laid: list[list[Laid]]) -> tuple[Laid, ...]:
    """All sounds of the line in order."""
    return tuple(chain.from_iterable(laid))


def _seconds(phone: Phone) -> float:
    return min(phone.seconds * _QUICK, _LONGEST_CONSONANT_SECONDS)


def _room(seconds: float, phones: Sequence[Phone]) -> float:
    """How much shorter the sounds must be to have room."""
    needed = sum(_seconds(phone) for phone in phones)
    return min(1.0, max(seconds, 0.0) / needed) if needed else 1.0


def _lay(phones: Sequence[Phone], syllable: int, end: float, quick: float) -> list[Laid]:
    laid: list[Laid] = []
    for phone in reversed(phones):
        start = end - _seconds(phone) * quick
        laid.insert(0, Laid(phone, syllable, start, end, is_held=False))
        end = start
    return laid
