"""A program that speaks text by espeak-ng and tells when each word begins, so that a test knows the truth it measures.

It runs in a process of its own: the library is under the GPL, and it keeps a state that nobody can put back.
"""

import ctypes
import json
import re
import subprocess
import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np

RATE = 22_050
SONG = [
    "The quiet river carried every lantern down to sea",
    "We counted all the windows burning yellow over me",
    "Nobody told the morning that the night was nearly through",
    "I kept a little candle in the corner meant for you",
    "So turn around and tell me what the weather used to say",
    "Before the empty station took the summer train away",
    "There are seven silver bridges and a road I never crossed",
    "And a pocket full of letters for the people that we lost",
    "Hold on hold on the harbour lights are calling us back home",
    "Hold on hold on there is nobody who has to sail alone",
]
_SYNCHRONOUS, _UTF8, _WORD = 2, 1, 1
_WORDS_PER_MINUTE = 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Spoken:
    """A recording, its text, and when each word begins; None for a word that was drawn to the one before."""

    path: Path
    text: str
    starts: list[float | None]
    duration_seconds: float


def speak(lines: list[str], path: Path, *, pause_seconds: float = 0.4, words_per_minute: int = 150) -> Spoken:
    """Write a WAV file in which these lines are spoken, with a pause after each."""
    asked = json.dumps({"lines": lines, "path": str(path), "pause": pause_seconds, "speed": words_per_minute})
    told = subprocess.run([sys.executable, "-m", "tests.lyrics.speaking"], input=asked.encode(), stdout=-1, check=True)
    starts, duration_seconds = json.loads(told.stdout)
    return Spoken(path, "\n".join(lines), starts, duration_seconds)


def write_wav(path: Path, samples: "np.ndarray[tuple[int], np.dtype[np.float32]]", rate: int = RATE) -> Path:
    """Keep these samples as a WAV file of one channel."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


def count_edits(mine: Sequence[str], theirs: Sequence[str]) -> int:
    """How many words must be put in, left out or changed to make one of the other."""
    row = list(range(len(theirs) + 1))
    for n, word in enumerate(mine, start=1):
        before, row[0] = row[0], n
        for m, other in enumerate(theirs, start=1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (word != other))
    return row[-1]


def _open_library() -> ctypes.CDLL:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    library.espeak_SetVoiceByName(b"en-us")
    return library


def _say(library: ctypes.CDLL, line: str) -> tuple[dict[int, int], bytes]:
    """Where each word of the line begins, by its place in the text, and 16-bit samples."""
    samples, starts = bytearray(), {}

    def hear(block: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]") -> int:
        if count > 0:
            samples.extend(ctypes.string_at(block, 2 * count))
        index = 0
        while events[index].type != 0:
            if events[index].type == _WORD:
                starts[events[index].text_position - 1] = events[index].sample
            index += 1
        return 0

    callback = _Heard(hear)
    library.espeak_SetSynthCallback(callback)
    text = line.encode() + b"\0"
    library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, _UTF8, None, None)
    return starts, bytes(samples)


def main() -> None:
    """Speak what the standard input asks for."""
    asked = json.load(sys.stdin)
    library = _open_library()
    library.espeak_SetParameter(_WORDS_PER_MINUTE, asked["speed"], 0)
    parts, starts, length = [], [], 0
    for line in asked["lines"]:
        begins, samples = _say(library, line)
        for word in re.finditer(r"\S+", line):
            begin = begins.get(word.start())
            starts.append(None if begin is None else (length + begin) / RATE)
        parts.append(np.frombuffer(samples, "<i2").astype(np.float32) / 32_768)
        parts.append(np.zeros(int(asked["pause"] * RATE), np.float32))
        length += len(parts[-1]) + len(parts[-2])
    write_wav(Path(asked["path"]), np.concatenate(parts))
    print(json.dumps([starts, length / RATE]))


if __name__ == "__main__":
    main()
