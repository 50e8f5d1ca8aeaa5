"""Names that people give, on one line."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from storage.names import tidy_name


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("  Spring ", "Spring"),
        ("a\nb\u2028c", "a b c"),
        ("\u202egnirpS\u202c", "gnirpS"),
        ("Ab \u2066(לחן)\u2069", "Ab (לחן)"),
        ("نمی\u200cشود", "نمی\u200cشود"),  # a joiner that the word needs
        ("👩\u200d🎤", "👩\u200d🎤"),
        ("\u200fשלג", "\u200fשלג"),
        ("\U00012000", "\U00012000"),
        ("…", "…"),
    ],
)
def test_name_keeps_what_its_script_needs_and_turns_nothing_beside_it(name: str, tidy: str) -> None:
    assert tidy_name(name) == tidy


@pytest.mark.parametrize(
    "name",
    ["", " \t\n", "\u200b\u200d", "\u202e\u2069", "\u3164", "\u2800 \u115f", "\ufe0f", "\u0301", "\U000e0041", "\xad"],
)
def test_name_of_which_nothing_can_be_seen_is_none(name: str) -> None:
    assert tidy_name(name) == ""


@given(some.text())
def test_tidy_name_is_tidy_and_never_longer(name: str) -> None:
    tidy = tidy_name(name)
    assert tidy_name(tidy) == tidy
    assert len(tidy) <= len(name)
    assert not any(
        unicodedata.bidirectional(one) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for one in tidy
    )
