"""JSON, for whoever draws the words themselves."""

import json
from collections.abc import Sequence

from jobs.formats.lyrics.lines import Line, Word, clean

_VERSION = 1


def write_json(lines: Sequence[Line]) -> str:
    """Lines with their words, times in seconds; what is not known is null."""
    document = {
        "version": _VERSION,
        "lines": [
            {
                "text": clean(line.text),
                "startSeconds": round(line.start_seconds, 3),
                "endSeconds": round(line.end_seconds, 3),
                "words": [_describe(word) for word in line.words],
            }
            for line in lines
        ],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _describe(word: Word) -> dict[str, object]:
    return {
        "text": clean(word.text),
        "startSeconds": round(word.start_seconds, 3),
        "endSeconds": round(word.end_seconds, 3),
        "confidence": None if word.confidence is None else round(word.confidence, 3),
    }
