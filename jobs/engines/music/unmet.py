"""What was asked for and is not in the song, told in words of ours: a wish is never dropped in silence."""

import re
from collections.abc import Iterator

from jobs.engines.music.asked import read_prompt
from jobs.engines.music.score import Score, SongPlan

_SIGNATURE = re.compile(r"\b(\d{1,2})/(2|4|8|16)\b(?! ?(?:bpm|%))")
_LANGUAGE = (
    "(arabic|cantonese|chinese|danish|dutch|finnish|french|german|greek|hebrew|hindi|hungarian|indonesian|italian"
    "|japanese|korean|mandarin|norwegian|polish|portuguese|punjabi|russian|spanish|swahili|swedish|thai|turkish"
    "|ukrainian|vietnamese)"
)
_SUNG_IN = re.compile(
    rf"\b(?:sings?|sung|singing|lyrics|vocals|words)(?: are)?(?: in)? {_LANGUAGE}\b"
    rf"|\bin {_LANGUAGE}(?:$|[.,;:!]| and\b| with\b| about\b)"
    rf"|\b{_LANGUAGE} (?:lyrics|vocals|words|singer|voice)\b"
)


def list_unmet(plan: SongPlan, score: Score) -> list[str]:
    """One sentence for each wish that this song does not follow."""
    return list(_find_unmet(plan, score))


def _find_unmet(plan: SongPlan, score: Score) -> Iterator[str]:
    asked = read_prompt(plan.prompt)
    beats, unit = score.grid.metre.signature
    for wanted in dict.fromkeys(f"{int(found[1])}/{found[2]}" for found in _SIGNATURE.finditer(asked.text)):
        if wanted != f"{beats}/{unit}":
            yield f"The song is in {beats}/{unit}, as {score.style} is, and not in {wanted}"
    if asked.tempo_bpm is not None and abs(score.grid.tempo_bpm - asked.tempo_bpm) >= 1:
        yield f"The song is at {score.grid.tempo_bpm:g} bpm, for nobody plays it at {asked.tempo_bpm:g} bpm"
    if not plan.has_vocals:
        if (plan.lyrics or "").strip():
            yield "Nobody sings the lyrics: ask for a track with hasVocals"
        return
    if found := _SUNG_IN.search(asked.text):
        yield f"The voice speaks English; {(found[1] or found[2] or found[3]).capitalize()} is not sung as it is spoken"
