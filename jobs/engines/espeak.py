"""A program of its own that speaks words by espeak-ng, whose licence is the GPL: words in, phonemes and samples out.

It runs in a process for each song, so that nothing but this file meets the library, a word that kills it kills
nothing else, and its noise, which has a memory, is the same each time.
"""

import ctypes
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

RATE = 22_050
_SYNCHRONOUS = 2
_OPTIONS = 1 | 2 | 1 << 15  # phonemes are told, in IPA; the library does not end the process when it lacks a file
_UTF8 = 1
_PHONEME = 7
_WORDS_PER_MINUTE, _PITCH, _PITCH_RANGE = 1, 3, 4
_SPEED = 125
_SEED = 1


class _Named(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("text", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Named),
    )


_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Utterance:
    """A word as it was spoken: where each phoneme begins, and 16-bit samples; silence is a phoneme without a name."""

    phonemes: list[tuple[str, int]]
    samples: bytes


class _Speaker:
    def __init__(self, library: str, folder: str) -> None:
        self._library = ctypes.CDLL(library)
        self._samples = bytearray()
        self._phonemes: list[tuple[str, int]] = []
        self._heard = _Heard(self._hear)  # kept: the library keeps no more than its address
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, folder.encode(), _OPTIONS)
        if rate != RATE:
            raise SystemExit(f"espeak-ng speaks at {rate} Hz, not at {RATE}")
        self._library.espeak_SetSynthCallback(self._heard)
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))

    def choose_voice(self, voice: str, pitch: int) -> None:
        """Speak as this voice, slowly and on one tone."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SystemExit(f"espeak-ng has no voice {voice}")
        for parameter, value in ((_WORDS_PER_MINUTE, _SPEED), (_PITCH, pitch), (_PITCH_RANGE, 0)):
            self._library.espeak_SetParameter(parameter, value, 0)

    def say(self, word: str) -> Utterance:
        self._samples.clear()
        self._phonemes.clear()
        text = word.encode() + b"\0"
        self._library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, _UTF8, None, None)
        return Utterance(list(self._phonemes), bytes(self._samples))

    def _hear(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]") -> int:
        if count > 0:
            self._samples += ctypes.string_at(samples, 2 * count)
        index = 0
        while events[index].type != 0:
            if events[index].type == _PHONEME:
                name = bytes(events[index].id.text).decode("utf-8", "ignore")
                self._phonemes.append((name, events[index].sample))
            index += 1
        return 0


def write_request(library: str, folder: str, voices: dict[str, list[str]], pitch: int) -> bytes:
    """What the program reads: the library and its folder, and the words for each voice."""
    return json.dumps({"library": library, "folder": folder, "voices": voices, "pitch": pitch}).encode()


def read_answer(answer: bytes) -> Iterator[Utterance]:
    """What the program wrote: the words of all voices in the order of the request."""
    head, _, samples = answer.partition(b"\n")
    first = 0
    for phonemes, length in json.loads(head):
        yield Utterance([(name, at) for name, at in phonemes], samples[first : first + length])
        first += length


def _write_answer(utterances: Iterable[Utterance]) -> bytes:
    spoken = list(utterances)
    head = json.dumps([[each.phonemes, len(each.samples)] for each in spoken])
    return head.encode() + b"\n" + b"".join(each.samples for each in spoken)


def main() -> None:
    """Speak what is asked for on the standard input."""
    asked = json.load(sys.stdin.buffer)
    speaker = _Speaker(asked["library"], asked["folder"])
    spoken = []
    for voice, words in asked["voices"].items():
        speaker.choose_voice(voice, asked["pitch"])
        spoken += [speaker.say(word) for word in words]
    sys.stdout.buffer.write(_write_answer(spoken))


if __name__ == "__main__":
    main()
