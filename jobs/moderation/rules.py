"""The built-in rules: few, each one to be explained in a sentence, and rather silent than wrong.

A rule looks for its words first, which costs next to nothing, and reads the text with care only where they stand.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from jobs.moderation.artists import ARTISTS
from jobs.moderation.folding import fold, unfold
from jobs.moderation.verdicts import Rejection, Words
from storage.reports import Breach

KNOWN = "|".join(re.escape(name).replace("\\ ", " ") for name in sorted(ARTISTS, key=len, reverse=True))
NAMED = rf"(?P<known>{KNOWN})\b"
SOMEBODY = r"(?P<name>[^\W\d_][\w.'-]*(?: [^\W\d_][\w.'-]*){1,2})"
CHILDREN = r"(?:child|children|kids?|schoolgirls?|schoolboys?|toddlers?|preteens?|little (?:girl|boy)s?|minors)"
YEARS_OLD = r"(?:[1-9]|1[0-7])[ -]?(?:years?|yrs?)[ -]?old"
SEXUAL = r"(?:sexual|sexy|sexually|erotic|porn\w*|lewd|horny|nude|naked)"
PEOPLE = (
    r"(?:jews?|muslims?|christians?|gays?|lesbians?|queers?|trans(?:gender)? people|immigrants|migrants|refugees"
    r"|foreigners|blacks|black people|white people|arabs|asians|mexicans|roma|gypsies|disabled people)"
)
STREET = r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|boulevard|blvd|strasse|str)"


@dataclass(frozen=True)
class Rule:
    """One thing that is not allowed: words of which one must stand there, and what they look like when it is meant.

    `{known}` in the rewrite is the style that the artist is known for; without one there is no other way to put it.
    """

    reason: Breach
    message: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    rewrite: str | None = None
    takes_sentence: bool = False


def _read(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(" ", r"\s+"))


VOICE = "Voices of real people cannot be imitated"
STYLE = "Describe the sound you want without the name of a living artist"
IMPERSONATION = (
    Rule(
        Breach.IMPERSONATION,
        VOICE,
        ("voice", "vocals"),
        _read(
            r"\b(?:in|with|using) (?:the )?(?:exact |very |real |singing |own )*(?:voice|vocals) of"
            rf" (?:{NAMED}|{SOMEBODY})"
        ),
        "with an expressive lead voice",
    ),
    Rule(
        Breach.IMPERSONATION,
        VOICE,
        ("voice", "vocals"),
        _read(rf"\b(?:in|with|using|by) (?:{NAMED}|{SOMEBODY})'?s'? (?:exact |real |singing |own )*(?:voice|vocals)\b"),
        "with an expressive lead voice",
    ),
    Rule(
        Breach.IMPERSONATION,
        VOICE,
        ("like", "from"),
        _read(
            r"\b(?:sounds?|sounding|sings?|singing|sung) (?:exactly like|just like|identical to|indistinguishable from)"
            rf" (?:{NAMED}|{SOMEBODY})"
        ),
        "in a style of its own",
    ),
    Rule(
        Breach.IMPERSONATION,
        VOICE,
        ("clon", "deepfake", "deep fake"),
        _read(
            r"\b(?:voice|vocal)[ -]clon(?:e|ed|ing)(?: of)?(?: [\w'.-]+){0,2}"
            r"|\bclon(?:e|ed|ing) (?:of )?(?:(?:the|his|her|their|[\w.-]+'s|[\w.-]+ [\w.-]+'s) )"
            r"(?:singing )?(?:voice|vocals)(?: of(?: [\w'.-]+){1,2})?|\bdeep[ -]?fake (?:of |vocals|voice|singer|song)"
        ),
        "with an expressive lead voice",
    ),
    Rule(
        Breach.IMPERSONATION,
        STYLE,
        ("style", "sound", "vibe", "manner", "vein", "like", "la "),
        _read(
            r"\b(?:in (?:the )?(?:exact |same )?(?:style|manner|vein|sound|vibe)s? of"
            r"|(?:sounds?|sounding|just|exactly|sung|sings?|something|song|track|music|beat) like|a la)"
            rf" {NAMED}"
        ),
        "in {known}",
    ),
    Rule(
        Breach.IMPERSONATION,
        STYLE,
        ("style", "type", "like", "esque", "vibe", "sound"),
        _read(rf"\b(?:an? )?{NAMED}(?:'s)?[ -](?:style|type|like|esque|vibes?|sound)\b"),
        "{known}",
    ),
)
HARM = (
    Rule(
        Breach.MINORS,
        "Nothing sexual about children",
        ("sex", "erotic", "porn", "lewd", "horny", "nude", "naked", "loli", "shota"),
        _read(
            rf"\b{SEXUAL} (?:(?!for |and |not |no |with |music |party )[\w'-]+ )?{CHILDREN}\b"
            rf"(?! (?:abuse|assault|trafficking|exploitation|education))"
            rf"|\b{SEXUAL} (?:song|story|scene|track|lyrics|fantasy) (?:about|with|for|of) (?:[\w'-]+ )?{CHILDREN}\b"
            rf"|\b(?:{CHILDREN}|underage)(?:'s)? (?:porn\w*|erotica|nudes|sex (?:scene|song|fantasy|tape))\b"
            rf"|\b(?:sex|sexual|having sex|sleeps?) with (?:an? |the |my |some )?(?:[\w'-]+ )?{CHILDREN}\b"
            rf"|\b{YEARS_OLD} (?:[\w',-]+ ){{0,6}}(?:porn\w*|erotic\w*|sexy|sexual|nude|horny)\b"
            rf"|\b(?:sexy|erotic|nude|horny|lewd) {YEARS_OLD}\b|\b(?:lolicon|shotacon)\b"
        ),
    ),
    Rule(
        Breach.HATE,
        "No slogans of hatred",
        ("heil", "white power", "race war", "holocaust", "subhuman", "vermin"),
        _read(
            r"\b(?:sieg heil|heil hitler|white power(?! (?:ballad|chord|pop|metal|rock|suit|station|tool))"
            r"|(?:start|join|wage) (?:a|the) race war|holocaust (?:is|was) a (?:hoax|lie)"
            rf"|{PEOPLE} are (?:subhumans?|vermin))\b"
        ),
        takes_sentence=True,
    ),
    Rule(
        Breach.VIOLENCE,
        "No calls to violence",
        ("kill", "murder", "shoot", "lynch", "gas ", "death to", "exterminat", "bomb", "burn", "hang", "behead"),
        _read(
            r"\b(?:kill|murder|shoot|lynch|gas|burn|hang|behead|exterminate|bomb)"
            rf" (?:(?:all|every|those|these|the|off) )+{PEOPLE}\b|\bdeath to (?:all |the )*{PEOPLE}\b"
            r"|\b(?:shoot up|bomb|burn down) (?:the|a|your|every) (?:school|mosque|synagogue|church|temple)s?\b"
        ),
        takes_sentence=True,
    ),
    Rule(
        Breach.PRIVACY,
        "No addresses, numbers or other private facts of people",
        ("@", "+", "-", ".", "address", "lives at", "live at", "social security"),
        _read(
            r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,})+|\+\d[\d ()./-]{7,18}\d"
            r"|(?<![\d-])\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}(?![\d-])|(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"
            rf"|\b(?:lives? at|(?:home )?address (?:is|:)|address:) \d{{1,5}}\w? (?:[\w'-]+ ){{1,3}}{STREET}\b"
        ),
        "",
    ),
)
RULES = IMPERSONATION + HARM
NAMELESS = {  # what begins the name of nobody in particular
    *("a", "an", "the", "my", "our", "your", "his", "her", "its", "their", "this", "that", "these", "those", "some"),
    *("any", "each", "every", "one", "no", "god", "mother", "father", "santa", "lady", "lord", "saint", "old", "young"),
    *("uncle", "aunt", "queen", "king", "prince", "princess", "captain", "death", "love", "time"),
}
MAX_REWRITES, LEAST_WORDS = 8, 2


class Rules:
    """The built-in moderator."""

    name = "rules"

    async def find_rejection(self, words: Words, _user_id: UUID) -> Rejection | None:
        """See Moderator."""
        for _, text in words.fields():
            if rejection := judge(text):
                return rejection
        return None

    async def close(self) -> None:
        """There is nothing to let go of."""


def judge(text: str) -> Rejection | None:
    """What is wrong with a text; None when nothing is."""
    folded = fold(text)
    for rule in RULES:
        if (found := _find(rule, text, folded)) is not None:
            return Rejection(rule.reason.value, rule.message, _suggest(rule, text, found))
    return None


def _find(rule: Rule, text: str, folded: str) -> re.Match[str] | None:
    if not any(word in folded for word in rule.words):
        return None
    return next((match for match in rule.pattern.finditer(folded) if _is_meant(match, text)), None)


def _is_meant(match: re.Match[str], text: str) -> bool:
    """A name that we do not know is one when it is written as one, and not as everything around it."""
    groups = match.groupdict()
    if groups.get("name") is None:
        return True
    start, end = unfold(text, *match.span("name"))
    words = text[start:end].split()
    return (
        all(word[0].isupper() for word in words[:2])
        and words[0].casefold() not in NAMELESS
        and not text.isupper()
        and not _is_title_case(text)
    )


def _is_title_case(text: str) -> bool:
    """Whether every long word begins with a capital, so that capitals say nothing."""
    long = [word for word in text.split() if len(word) > 3]
    return len(long) > 4 and all(word[0].isupper() for word in long)


def _suggest(rule: Rule, text: str, found: re.Match[str]) -> str:
    """The text without what is not allowed, if something remains that may be said."""
    if rule.rewrite is None and not rule.takes_sentence:
        return ""
    for _ in range(MAX_REWRITES):
        text = _rewrite(rule, text, found)
        rejection = _find_any(text)
        if rejection is None:
            return text if len(text.split()) >= LEAST_WORDS else ""
        rule, found = rejection
        if rule.rewrite is None and not rule.takes_sentence:
            break
    return ""


def _find_any(text: str) -> tuple[Rule, re.Match[str]] | None:
    folded = fold(text)
    return next(((rule, found) for rule in RULES if (found := _find(rule, text, folded)) is not None), None)


def _rewrite(rule: Rule, text: str, found: re.Match[str]) -> str:
    start, end = unfold(text, *found.span())
    if rule.takes_sentence:
        edges = [0, *(match.end() for match in re.finditer(r"[.!?;\n]+\s*", text)), len(text)]
        kept = [text[a:b] for a, b in pairwise(edges) if b <= start or a >= end]
        return " ".join(part.strip() for part in kept if part.strip())
    groups = found.groupdict()
    put, style = rule.rewrite or "", ARTISTS.get(re.sub(r"\s+", " ", groups.get("known") or ""))
    if style is not None:
        known = f"{'an' if style[0] in 'aeiou' else 'a'} {style} style"
        put = put.format(known=known) if "{known}" in put else f"{put} in {known}"
    return re.sub(r" {2,}", " ", f"{text[:start]}{put}{text[end:]}").strip(" ,;:")
