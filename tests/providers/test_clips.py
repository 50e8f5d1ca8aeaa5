"""Clips of the outside: the same wire, chain and journal as songs, another table."""

import asyncio
from pathlib import Path

import av
import pytest

from jobs.engines import run
from jobs.engines.motion import MadeClip, make_clip
from jobs.engines.probe import Probe, probe_media
from jobs.engines.run import EngineRefused
from jobs.providers import (
    CLIP_MODELS,
    ClipWish,
    Entry,
    Local,
    Member,
    Recording,
    Remote,
    choose_model,
    failures,
    find_model,
)
from jobs.providers.chain import make_by_chain
from jobs.providers.tables import MODELS
from server.errors import EngineFailed
from server.settings import Settings, problems_of
from tests.contracts.test_music_providers import QUICK, VENDORS
from tests.fakes.vendor import Plan, make_mp4, make_wav
from tests.films.motion_songs import make_motion_plan
from tests.providers.test_chain import World, ignore, world  # noqa: F401 - a fixture

LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=60, file_bytes=1 << 30)
WISH = ClipWish("foxes in the snow", 8.0, "PORTRAIT", seed=5)


@pytest.mark.parametrize(
    ("provider", "name", "expected"),
    [
        (
            "fal",
            "wan-2.2",
            {"num_frames": 128, "frames_per_second": 16, "resolution": "720p", "aspect_ratio": "9:16", "seed": 5},
        ),
        ("fal", "hailuo-02", {"duration": "10"}),
        ("fal", "minimax-video-01", {}),
        (
            "replicate",
            "seedance-1-lite",
            {"duration": 8, "resolution": "720p", "fps": 24, "aspect_ratio": "9:16", "seed": 5},
        ),
        (
            "replicate",
            "wan-2.2-fast",
            {"num_frames": 121, "frames_per_second": 16, "resolution": "720p", "aspect_ratio": "9:16", "seed": 5},
        ),
        ("replicate", "minimax-video-01", {}),
    ],
)
def test_wish_becomes_the_models_own_words(provider: str, name: str, expected: dict[str, object]) -> None:
    model = find_model(provider, name)
    assert model is not None
    assert model.input_of(WISH) == {"prompt": "foxes in the snow"} | expected


def test_what_a_model_cannot_do_is_told() -> None:
    model = find_model("fal", "minimax-video-01")
    assert model is not None
    assert model.notes_on(WISH) == (
        "The model makes at most 6 seconds",
        "The model makes no portrait pictures",
        "The model takes no seed",
    )
    square = ClipWish("foxes", 5, "SQUARE")
    wan = find_model("replicate", "wan-2.2-fast")
    assert wan is not None
    assert wan.notes_on(square) == ("The model makes no square pictures",)
    assert wan.input_of(square)["aspect_ratio"] == "16:9"


@pytest.mark.parametrize(
    ("provider", "wish", "preferred", "expected"),
    [
        ("fal", WISH, "", "wan-2.2"),
        ("fal", WISH, "hailuo-02", "wan-2.2"),  # it makes no portrait pictures
        ("fal", ClipWish("foxes", 6), "hailuo-02", "hailuo-02"),
        ("fal", WISH, "stable-audio-25", "wan-2.2"),  # it makes songs
        ("replicate", WISH, "", "seedance-1-lite"),
        ("replicate", ClipWish("foxes", 6), "wan-2.2-fast", "wan-2.2-fast"),
        ("fal", ClipWish("  ", 6), "", None),
        ("local", WISH, "", None),
    ],
)
def test_model_that_fits_best_is_taken(provider: str, wish: ClipWish, preferred: str, expected: str | None) -> None:
    model = choose_model(provider, wish, preferred)
    assert (model and model.name) == expected


def test_no_name_stands_for_two_models() -> None:
    assert len({(model.provider, model.name) for model in MODELS}) == len(MODELS)


@pytest.mark.parametrize(("provider", "name"), [(model.provider, model.name) for model in CLIP_MODELS])
@pytest.mark.parametrize("seconds", [0.5, 5.0, 60.0])
async def test_every_model_is_accepted_and_its_clip_copied(
    provider: str, name: str, seconds: float, tmp_path: Path
) -> None:
    fake, client = VENDORS[provider]
    model = find_model(provider, name)
    assert model is not None
    wish = ClipWish("foxes in the snow", seconds, "SQUARE", seed=5)
    async with fake.open() as vendor:
        api = client(vendor.key, vendor.url, pace=QUICK)
        submission = await api.submit(model, wish)
        output = await api.follow(submission, ignore)
        made = await api.copy(submission, model, wish, output, tmp_path / "clip", ignore)
        await api.close()
    assert made.path.read_bytes() == make_mp4()
    with av.open(str(made.path)) as container:
        assert len([*container.decode(video=0)]) == 12


def test_provider_of_clips_is_chosen_apart_from_that_of_music() -> None:
    settings = Settings(_env_file=None, video_provider="replicate", replicate_api_token="r8_x", fal_key="")
    assert settings.music_order[0] == "local"
    assert settings.video_order == ("replicate", "local")
    assert Settings(_env_file=None, video_provider="fal", video_fallback="local", fal_key="k").video_order == (
        "fal",
        "local",
    )


def test_provider_of_clips_without_its_key_does_not_boot() -> None:
    settings = Settings(_env_file=None, video_provider="fal", fal_key="")
    assert "VIDEO_PROVIDER is fal, so FAL_KEY must be set" in problems_of(settings)


def clip_members(world: World, folder: Path) -> list[Member[tuple[str, Path]]]:  # noqa: F811 - the fixture
    """fal, then Replicate, then our own pictures, as a film asks for a section."""

    def look(recording: Recording) -> tuple[str, Path]:
        try:
            probe: Probe = probe_media(recording.path, folder, 60, ignore)
        except EngineRefused as refused:  # as jobs.make tells it
            raise EngineFailed(str(refused)) from refused
        if probe.picture is None:
            raise EngineFailed("there are no moving pictures in it")
        return recording.provider, recording.path

    def draw() -> tuple[str, Path]:
        made: MadeClip = run.run_engine(
            make_clip, make_motion_plan(320, 240, 0.3), folder, report=ignore, limits=LIMITS
        )
        return made.scene, made.path

    remote = [
        Remote(client, WISH, folder / f"clip-{client.name}", world.journal, ignore, look) for client in world.clients
    ]
    return [*remote, Local("local", draw)]


async def make_with(world: World, folder: Path) -> tuple[str, tuple[str, Path]]:  # noqa: F811 - the fixture
    return await asyncio.to_thread(
        make_by_chain,
        clip_members(world, folder),
        journal=world.journal,
        circuits=world.circuits,
        recorder=world.recorder,
    )


async def test_first_that_answers_makes_the_clip(world: World, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    provider, made = await make_with(world, tmp_path)
    assert (provider, made) == ("fal", ("fal", tmp_path / "clip-fal"))
    assert world.replicate.requests == []


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 500, 503])
async def test_next_is_asked_and_at_last_we_draw_it(
    world: World,  # noqa: F811 - the fixture
    tmp_path: Path,
    status: int,
) -> None:
    world.fal.refuse_submit(status)
    assert (await make_with(world, tmp_path))[0] == "replicate"
    world.journal.entries.clear()
    world.fal.refuse_submit(status)
    world.replicate.refuse_submit(status)
    provider, (_, path) = await make_with(world, tmp_path)
    assert provider == "local"
    with av.open(str(path)) as container:
        assert len([*container.decode(video=0)]) == 9


@pytest.mark.parametrize("body", [make_mp4()[:200], b"not a film", make_wav()], ids=["torn", "no film", "sound alone"])
async def test_what_is_no_clip_is_the_providers_failure(
    world: World,  # noqa: F811 - the fixture
    tmp_path: Path,
    body: bytes,
) -> None:
    world.fal.plan = Plan(video=body)
    assert (await make_with(world, tmp_path))[0] == "replicate"
    assert world.journal.entries["fal"] == Entry("ended")
    assert world.journal.codes["fal"] == "PROVIDER_RESULT_LOST"


async def test_refused_content_is_told_and_nobody_else_is_asked(
    world: World,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    world.fal.plan = Plan(ending="moderated")
    with pytest.raises(failures.ContentRefused, match="say it in other words"):
        await make_with(world, tmp_path)
    assert world.replicate.requests == []


async def test_stuck_clip_is_cancelled_and_the_next_is_asked(
    world: World,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    world.fal.plan = Plan(logs=("10%",), endless=True)
    assert (await make_with(world, tmp_path))[0] == "replicate"
    assert world.fal.runs[0].cancelled


async def test_accepted_clip_is_followed_after_a_crash_and_not_paid_twice(
    world: World,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    model = choose_model("fal", WISH)
    assert model is not None
    await world.journal.begin("fal", model.name)
    await world.journal.keep(await world.clients[0].submit(model, WISH))
    assert (await make_with(world, tmp_path))[0] == "fal"
    assert len(world.fal.submits) == 1
