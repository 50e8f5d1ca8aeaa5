"""The table of models: what a wish becomes, what a model cannot do, and which one is taken."""

from dataclasses import replace

import pytest

from jobs.providers import MODELS, SongWish, choose_model, find_model
from jobs.providers.songs import SongModel
from jobs.providers.wish import ReferenceLink

CALM = SongWish("a calm lofi evening", 30, seed=7)
SUNG = SongWish("a folk song", 60, has_vocals=True, lyrics="[verse]\nThe sea is calm tonight")


def model_of(provider: str, name: str) -> SongModel:
    model = find_model(provider, name)
    assert isinstance(model, SongModel)
    return model


@pytest.mark.parametrize(
    ("provider", "name", "wish", "expected"),
    [
        ("fal", "stable-audio-25", CALM, {"prompt": "a calm lofi evening", "seconds_total": 30, "seed": 7}),
        ("fal", "ace-step", CALM, {"tags": "a calm lofi evening", "duration": 30, "lyrics": "[inst]", "seed": 7}),
        (
            "fal",
            "minimax-music-v2",
            SUNG,
            {
                "prompt": "a folk song",
                "lyrics_prompt": SUNG.lyrics,
                "audio_setting": {"sample_rate": "44100", "bitrate": "256000", "format": "mp3"},
            },
        ),
        ("fal", "lyria2", CALM, {"prompt": "a calm lofi evening", "seed": 7}),
        (
            "fal",
            "elevenlabs-music",
            SUNG,
            {
                "prompt": "a folk song",
                "music_length_ms": 60_000,
                "force_instrumental": False,
                "output_format": "mp3_44100_128",
            },
        ),
        ("fal", "cassetteai", CALM, {"prompt": "a calm lofi evening", "duration": 30}),
        ("replicate", "minimax-music-1.5", SUNG, {"prompt": "a folk song", "lyrics": SUNG.lyrics}),
        ("replicate", "ace-step", SUNG, {"tags": "a folk song", "duration": 60, "lyrics": SUNG.lyrics}),
    ],
)
def test_wish_becomes_the_models_own_words(provider: str, name: str, wish: SongWish, expected: object) -> None:
    assert model_of(provider, name).input_of(wish) == expected


def test_what_a_model_cannot_do_is_cut_and_told() -> None:
    long = SongWish("x" * 400, 400, has_vocals=True, lyrics="la " * 400, seed=1)
    model = model_of("replicate", "minimax-music-1.5")
    sent = model.input_of(long)
    assert (len(sent["prompt"]), len(sent["lyrics"])) == (300, 600)
    assert model.notes_on(long) == (
        "The model decides how long the song is",
        "The model takes 600 characters of lyrics",
        "The model reads 300 characters of the prompt",
        "The model takes no seed",
    )
    assert model_of("fal", "ace-step").input_of(long)["duration"] == 240


def test_short_prompt_is_filled_up_to_what_the_model_wants() -> None:
    assert model_of("replicate", "minimax-music-1.5").input_of(SongWish("lofi", 5))["prompt"] == "lofi......"


@pytest.mark.parametrize(
    ("provider", "wish", "preferred", "expected"),
    [
        ("fal", CALM, "", "stable-audio-25"),
        ("fal", CALM, "ace-step", "ace-step"),
        ("fal", CALM, "minimax-music-v2", "stable-audio-25"),  # it always sings
        ("fal", SUNG, "stable-audio-25", "ace-step"),  # it never sings
        ("fal", SongWish("calm", 230), "", "ace-step"),
        ("fal", SongWish("calm", 500), "", "elevenlabs-music"),
        ("replicate", CALM, "", "ace-step"),
        ("replicate", CALM, "musicgen", "musicgen"),
        ("local", CALM, "", None),
    ],
)
def test_model_that_fits_best_is_taken(provider: str, wish: SongWish, preferred: str, expected: str | None) -> None:
    model = choose_model(provider, wish, preferred)
    assert (model and model.name) == expected


@pytest.mark.parametrize(
    ("provider", "link", "preferred", "expected", "field", "notes"),
    [
        ("fal", ReferenceLink("https://x/a", 60, 1), "", "stable-audio-25-after", "audio_url", ()),
        (
            "fal",
            ReferenceLink("https://x/a", 60, 2),
            "stable-audio-25-after",
            "stable-audio-25-after",
            "audio_url",
            ("The model takes the first reference only",),
        ),
        ("fal", ReferenceLink(None, 60, 1), "", "stable-audio-25", None, ("The model takes no reference",)),
        ("fal", ReferenceLink("https://x/a", 300, 1), "", "stable-audio-25", None, ("The model takes no reference",)),
        ("replicate", ReferenceLink("https://x/a", 300, 1), "", "musicgen", "input_audio", ()),
        (
            "replicate",
            ReferenceLink(None, 30, 1),
            "musicgen",
            "musicgen",
            None,
            ("The model takes references, but cannot fetch them from this studio",),
        ),
    ],
)
def test_reference_goes_to_a_model_that_hears_it_and_the_others_say_that_they_do_not(
    provider: str, link: ReferenceLink, preferred: str, expected: str, field: str | None, notes: tuple[str, ...]
) -> None:
    wish = replace(CALM, reference=link)
    model = choose_model(provider, wish, preferred)
    assert model is not None
    assert (model.name, model.notes_on(wish)) == (expected, notes)
    sent = model.input_of(wish)
    assert [name for name, value in sent.items() if value == "https://x/a"] == ([field] if field else [])


def test_model_that_needs_a_reference_makes_nothing_without_one() -> None:
    assert model_of("fal", "stable-audio-25-after").refusal_of(CALM) == "it needs a recording to take after"
    sung = replace(SUNG, reference=ReferenceLink("https://x/a", 60, 1))
    chosen = choose_model("fal", sung)
    assert chosen is not None
    assert (chosen.name, chosen.notes_on(sung)) == ("ace-step", ("The model takes no reference",))


@pytest.mark.parametrize(
    "output",
    [
        {"audio": {"url": "https://x/a"}},
        {"audio": [{"url": "https://x/a"}, {"url": "https://x/b"}]},
        {"audio": "https://x/a"},
    ],
)
def test_audio_is_found_in_every_shape_of_output(output: object) -> None:
    assert model_of("fal", "ace-step").find_file(output) == "https://x/a"


@pytest.mark.parametrize("output", [None, {}, [], {"audio": None}, {"audio": []}, {"audio": {"url": 3}}, 7, ""])
def test_output_without_audio_has_none(output: object) -> None:
    for model in MODELS:
        assert model.find_file(output) is None
