"""The built-in rules: they see through disguises, let honest wishes pass, and suggest what they would let pass."""

import timeit

import pytest

from jobs.moderation.artists import ARTISTS
from jobs.moderation.folding import fold, unfold
from jobs.moderation.rules import RULES, judge
from tests.moderation.texts import HONEST, REFUSED

LONG = (
    "x.-+ " * 1000,
    "voice like style of " * 250,
    "sexy 12 " * 600,
    "\u00e4" * 5000,
    "a" * 5000 + "@",
    "kill all " * 500,
)


@pytest.mark.parametrize("text", HONEST)
def test_honest_wishes_pass(text: str) -> None:
    assert judge(text) is None


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in REFUSED.items() for text in texts])
def test_what_breaks_a_rule_is_refused_by_its_name(reason: str, text: str) -> None:
    rejection = judge(text)
    assert rejection is not None
    assert rejection.reason == reason
    assert rejection.message


@pytest.mark.parametrize("text", [text for texts in REFUSED.values() for text in texts])
def test_what_is_suggested_passes(text: str) -> None:
    rejection = judge(text)
    assert rejection is not None
    assert not rejection.suggestion or judge(rejection.suggestion) is None


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        (
            "a song in the style of Taylor Swift about rain",
            "a song in a bright, narrative country-pop style about rain",
        ),
        ("in the style of \u0422\u0430ylor Sw\u0456ft, slow", "in a bright, narrative country-pop style, slow"),
        ("a Bruno Mars type beat", "a slick, retro funk-pop style beat"),
        ("a ballad in the voice of Jane Example", "a ballad with an expressive lead voice"),
        ("soul with Adele's voice", "soul with an expressive lead voice in a soulful, dramatic piano-pop style"),
        ("Two names: sounds like Bob Dylan, song like Shakira", None),
        ("Drums in the night. Death to muslims! Then silence.", "Drums in the night. Then silence."),
        ("kill all the jews", ""),
        ("a love song, write to jane@example.org", "a love song, write to"),
        ("sexy children dance", ""),
    ],
)
def test_suggestion_keeps_what_may_be_said(text: str, suggestion: str | None) -> None:
    rejection = judge(text)
    assert rejection is not None
    if suggestion is None:
        assert not any(name in fold(rejection.suggestion) for name in ARTISTS)
    else:
        assert rejection.suggestion == suggestion


def test_every_artist_is_known_however_it_is_written() -> None:
    for name in ARTISTS:
        assert fold(name) == name
        for written in (name, name.upper(), name.title()):
            rejection = judge(f"a calm song in the style of {written}, slow")
            assert rejection is not None, written
            assert name not in fold(rejection.suggestion)


def test_every_rule_can_be_broken() -> None:
    texts = [fold(text) for texts in REFUSED.values() for text in texts]
    for rule in RULES:
        assert any(rule.pattern.search(text) for text in texts), rule


def test_places_in_a_folded_text_lead_back_to_what_was_written() -> None:
    written = "ﬁne \u200bTa\u0301ylor ß"
    folded = fold(written)
    start = folded.index("taylor")
    assert folded == "fine taylor ss"
    first, last = unfold(written, start, start + len("taylor"))
    assert written[first:last] == "Ta\u0301ylor"


def test_reading_costs_next_to_nothing_however_hostile_the_text() -> None:
    usual = min(timeit.repeat(lambda: judge("a rainy lofi evening, 80 bpm"), number=50, repeat=5)) / 50
    assert usual < 0.001
    for text in LONG:
        assert min(timeit.repeat(lambda text=text: judge(text), number=1, repeat=3)) < 0.1  # type: ignore[misc]
