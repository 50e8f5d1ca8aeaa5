"""Names that people give, on one line: what of them is kept, and whether anything of it can be seen."""

import unicodedata

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_BREAKS = frozenset({"Cc", "Zl", "Zp"})
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # by their category letters and signs, by their looks none


def tidy_name(name: str) -> str:
    """The name without the spaces around it, and without marks that turn the direction of what stands beside it.

    Empty where nothing of it can be seen. The marks and joiners that scripts need within a word stay.
    """
    kept = (" " if unicodedata.category(one) in _BREAKS else one for one in name if one not in _TURNING)
    tidy = "".join(kept).strip()
    return tidy if any(map(_is_seen, tidy)) else ""


def _is_seen(character: str) -> bool:
    category = unicodedata.category(character)
    return (category[0] in "LNPS" or category == "Co") and character not in _BLANK_LETTERS
