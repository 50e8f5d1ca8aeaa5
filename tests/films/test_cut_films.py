"""The film that a plan of clips becomes, frame by frame."""

import hashlib
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.engines import run
from jobs.engines.cuts import Clip, CutPlan, MadeCutFilm, Screen, Shot, make_cut_film, plan_cuts
from jobs.engines.cuts.survey import survey_clips
from tests.films.clips import Film, make_cues, read_film, turn_clip, write_clip
from tests.films.songs import write_song

LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=120, file_bytes=1 << 30)
WIDTH, HEIGHT = 320, 240
RED, GREEN, BLUE, WHITE = (250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "song.m4a", 14.0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    """Three of 300 numbered frames, each of its own colour."""
    folder = tmp_path_factory.mktemp("clips")
    return tuple(
        Clip(write_clip(folder / f"{name}.{kind}", Film(300, WIDTH, HEIGHT, colour=colour, gop=gop)), 10.0)
        for colour, (name, kind, gop) in enumerate([("a", "mp4", 250), ("b", "mkv", 30), ("c", "mov", 48)])
    )


def render(plan: CutPlan, folder: Path) -> MadeCutFilm:
    return run.run_engine(make_cut_film, plan, folder, report=lambda _fraction, _stage: None, limits=LIMITS)


def plan_shots(song: Path, clips: tuple[Clip, ...], *shots: Shot) -> CutPlan:
    return CutPlan(WIDTH, HEIGHT, shots[-1].end, song, clips, shots)


def test_first_frame_of_each_shot_is_the_one_that_was_planned(
    song: Path, clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    starts = [0, 31, 47, 101, 150, 211, 212, 300, 333]  # also on, before and behind where segments meet
    shots = [
        Shot(start, end, number % 3, 37 * number % 200)
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], 345], strict=True))
    ]
    made = render(plan_shots(song, clips, *shots), tmp_path)
    wanted = [(shot.clip, shot.source + at) for shot in shots for at in range(shot.frame_count)]
    assert read_film(made.path) == wanted
    assert made.shots == tuple(shots)
    with av.open(str(made.path)) as container:
        assert abs((container.duration or 0) / av.time_base - 345 / 30) < 1e-3
        assert len(container.streams.audio) == 1


def test_planned_film_is_cut_where_its_plan_says(song: Path, clips: tuple[Clip, ...], tmp_path: Path) -> None:
    cues = replace(make_cues(bars=6, bpm=120, energies=(1.0,)))
    plan = plan_cuts(cues, clips, Screen(WIDTH, HEIGHT, song))
    shots = tuple(replace(shot, transition="CUT", transition_frames=0) for shot in plan.shots)
    seen = read_film(render(replace(plan, shots=shots), tmp_path).path)
    cut = [frame for frame in range(1, len(seen)) if seen[frame][0] != seen[frame - 1][0]]
    assert cut == [shot.start for shot in plan.shots[1:]]
    assert len(cut) >= 3


def test_other_frame_rates_show_what_is_due(song: Path, tmp_path: Path) -> None:
    for fps in (15, 24, 60):
        clip = Clip(write_clip(tmp_path / f"{fps}.mkv", Film(200, WIDTH, HEIGHT, fps=fps)), 200 / fps)
        (folder := tmp_path / str(fps)).mkdir()
        made = render(plan_shots(song, (clip,), Shot(0, 60, 0, 9)), folder)
        assert [number for _, number in read_film(made.path)] == [(9 + frame) * fps // 30 for frame in range(60)]


def test_clip_of_uneven_times_is_shown_by_its_times(song: Path, tmp_path: Path) -> None:
    steps = [Fraction(step, 1000) for step in (10, 33, 250, 40, 7, 100, 33, 500, 20, 66) * 6]
    times = tuple(sum(steps[:number], Fraction(0)) for number in range(len(steps)))
    clip = Clip(write_clip(tmp_path / "uneven.mp4", Film(60, WIDTH, HEIGHT, times=times)), float(times[-1]))
    made = render(plan_shots(song, (clip,), Shot(0, 100, 0, 12), Shot(100, 120, 0, 3)), tmp_path)
    due = [Fraction(place, 30) + Fraction(1, 240) for place in (*range(12, 112), *range(3, 23))]
    wanted = [max(number for number, time in enumerate(times) if time <= at) for at in due]
    assert [number for _, number in read_film(made.path)] == wanted


@pytest.mark.parametrize(("fill", "speed"), [("LOOP", 100), ("HOLD", 100), ("SLOW", 50)])
def test_shot_that_is_longer_than_its_clip_is_filled_as_planned(
    song: Path, clips: tuple[Clip, ...], tmp_path: Path, fill: str, speed: int
) -> None:
    clip = replace(clips[0], start_seconds=1.0, end_seconds=2.0)
    plan = plan_shots(song, (clip,), Shot(0, 90, 0, 40, speed_percent=speed))
    seen = [number for _, number in read_film(render(replace(plan, fill=fill), tmp_path).path)]  # type: ignore[arg-type] # one of them
    wanted = {
        "LOOP": [*range(40, 60), *range(30, 60), *range(30, 60), *range(30, 40)],
        "HOLD": [*range(40, 60), *[59] * 70],
        "SLOW": [*(40 + frame // 2 for frame in range(40)), *(30 + frame // 2 for frame in range(50))],
    }
    assert seen == wanted[fill]


def light_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray()[: frame.height].mean()) for frame in container.decode(video=0)]


def paint(path: Path, colours: tuple[tuple[int, int, int], ...], width: int = 320, height: int = 180) -> Clip:
    """Three seconds of four fields: above left, above right, below left, below right."""
    image = np.zeros((height, width, 3), np.uint8)
    for place, colour in enumerate(colours):
        top, left = place // 2 * height // 2, place % 2 * width // 2
        image[top : top + height // 2, left : left + width // 2] = colour
    return write_image(path, image)


def write_image(path: Path, image: np.ndarray, pixel_aspect: Fraction | None = None) -> Clip:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p", dst_colorspace=1)
        for number in range(90):
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Clip(path, 3.0)


def look(song: Path, clip: Clip, folder: Path, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """The picture of the film that is made of one clip alone."""
    plan = replace(plan_shots(song, (clip,), Shot(0, 20, 0, 30)), width=width, height=height)
    made = render(plan, folder)
    with av.open(str(made.path)) as container:
        for frame in container.decode(video=0):
            return frame.reformat(format="rgb24", src_colorspace=1).to_ndarray()
    raise AssertionError("no picture")


def is_like(pixel: object, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.asarray(pixel, int) - colour).max() < 24)


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((0, 1, -1, 0), (BLUE, RED, WHITE, GREEN)),  # a quarter to the right
        ((0, -1, 1, 0), (GREEN, WHITE, RED, BLUE)),  # a quarter to the left
        ((-1, 0, 0, -1), (WHITE, BLUE, GREEN, RED)),
        ((-1, 0, 0, 1), (GREEN, RED, WHITE, BLUE)),  # a mirror
    ],
)
def test_clip_is_upright_whatever_way_the_camera_was_held(
    song: Path, tmp_path: Path, matrix: tuple[int, int, int, int], corners: tuple[tuple[int, int, int], ...]
) -> None:
    clip = paint(tmp_path / "clip.mp4", (RED, GREEN, BLUE, WHITE))
    turn_clip(clip.path, matrix)
    image = look(song, clip, tmp_path, 240, 240)
    places = [(60, 60), (60, 180), (180, 60), (180, 180)]
    assert [is_like(image[place], colour) for place, colour in zip(places, corners, strict=True)] == [True] * 4


@pytest.mark.parametrize(("focus", "colour"), [(0.0, RED), (0.5, GREEN), (1.0, BLUE)])
def test_cropped_clip_keeps_its_focus_in_sight(
    song: Path, tmp_path: Path, focus: float, colour: tuple[int, int, int]
) -> None:
    image = np.zeros((600, 200, 3), np.uint8)  # three fields above each other, shown in a film that is wide
    for place, each in enumerate((RED, GREEN, BLUE)):
        image[place * 200 : place * 200 + 200] = each
    clip = replace(write_image(tmp_path / "tall.mp4", image), focus_y=focus)
    seen = look(song, clip, tmp_path, 480, 270)
    assert all(is_like(seen[y, x], colour) for y in (10, 135, 260) for x in (5, 240, 475))


def test_contained_clip_is_whole_between_bars(song: Path, tmp_path: Path) -> None:
    image = np.full((600, 200, 3), GREEN, np.uint8)
    image[:60], image[-60:] = RED, BLUE
    clip = replace(write_image(tmp_path / "tall.mp4", image), fit="CONTAIN")
    seen = look(song, clip, tmp_path, 480, 270)
    assert [is_like(seen[y, 240], colour) for y, colour in ((8, RED), (135, GREEN), (262, BLUE))] == [True] * 3
    assert is_like(seen[135, 180], (0, 0, 0))
    assert is_like(seen[135, 300], (0, 0, 0))
    assert is_like(seen[135, 202], GREEN)
    assert is_like(seen[135, 278], GREEN)


def test_pixels_that_are_not_square_are_shown_in_their_shape(song: Path, tmp_path: Path) -> None:
    image = np.full((240, 240, 3), GREEN, np.uint8)
    clip = replace(write_image(tmp_path / "wide.mp4", image, Fraction(4, 3)), fit="CONTAIN")
    assert is_like(look(song, clip, tmp_path)[120, 4], GREEN)  # 240 pixels of 4:3 are 320 wide: there are no bars


@pytest.mark.parametrize(
    ("pixels", "space", "span", "codec"),
    [
        ("yuv420p", 5, 1, "libx264"),
        ("yuvj420p", 1, 2, "libx264"),
        ("yuv420p10le", 1, 1, "libx264"),
        ("yuv444p", 6, 1, "libx264"),
        ("yuv422p10le", 1, 1, "prores_ks"),
    ],
)
def test_colours_are_the_same_from_every_format(
    song: Path, tmp_path: Path, pixels: str, space: int, span: int, codec: str
) -> None:
    path = tmp_path / "clip.mov"
    image = np.full((180, 320, 3), (200, 80, 40), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 180, pixels
        stream.codec_context.colorspace, stream.codec_context.color_range = space, span
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(
            format=pixels, dst_colorspace=space, dst_color_range=span
        )
        for number in range(60):
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    seen = look(song, Clip(path, 2.0), tmp_path)
    assert np.abs(seen[100, 100].astype(int) - (200, 80, 40)).max() <= 6


def test_high_dynamic_range_becomes_ordinary(song: Path, tmp_path: Path) -> None:
    path = tmp_path / "hdr.mp4"
    planes = np.full((270, 320), 512, np.uint16)
    planes[:180] = 520  # about 100 candelas in PQ: brighter in BT.709 than the same number would be
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=30, options={"x265-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, 16, 1
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p10le")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    seen = look(song, Clip(path, 1.3), tmp_path)[100, 100].astype(int)
    assert 170 < seen.min() <= seen.max() < 230


def test_crossfade_goes_evenly_from_one_shot_to_the_next(song: Path, tmp_path: Path) -> None:
    white, black = np.full((240, 320, 3), 255, np.uint8), np.zeros((240, 320, 3), np.uint8)
    clips = write_image(tmp_path / "w.mp4", white), write_image(tmp_path / "b.mp4", black)
    shots = Shot(0, 40, 1, 0), Shot(40, 80, 0, 0, transition="CROSSFADE", transition_frames=20)
    light = light_of(render(plan_shots(song, clips, *shots), tmp_path).path)
    wanted = [16.0] * 40 + [16 + 219 * (step + 1) / 21 for step in range(20)] + [235.0] * 20
    assert np.abs(np.array(light) - wanted).max() < 3


def test_dip_is_darkest_at_the_cut_and_never_shows_both_shots(
    song: Path, clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    shots = Shot(0, 40, 1, 0), Shot(40, 80, 2, 0, transition="DIP", transition_frames=20)
    made = render(plan_shots(song, clips, *shots), tmp_path)
    light = light_of(made.path)
    assert min(light[39], light[40]) == min(light)
    assert light[29] - light[39] > 25
    assert light[50] - light[40] > 25
    assert [number for _, number in read_film(made.path)][:30] == list(range(30))
    assert [number for _, number in read_film(made.path)][50:] == list(range(10, 40))


def test_push_moves_the_old_shot_out_at_the_left(song: Path, tmp_path: Path) -> None:
    white, black = np.full((240, 320, 3), 255, np.uint8), np.zeros((240, 320, 3), np.uint8)
    clips = write_image(tmp_path / "w.mp4", white), write_image(tmp_path / "b.mp4", black)
    shots = Shot(0, 40, 1, 0), Shot(40, 80, 0, 0, transition="PUSH", transition_frames=8)
    made = render(plan_shots(song, clips, *shots), tmp_path)
    with av.open(str(made.path)) as container:
        lights = [frame.to_ndarray()[120, :320] for frame in container.decode(video=0)]
    widths = [int((light > 120).sum()) for light in lights[38:50]]
    assert widths == sorted(widths)
    assert (widths[0], widths[1], widths[-1]) == (0, 0, 320)
    assert 0 < widths[2] < widths[6] < 320
    assert lights[44][-1] > 200 > 40 > lights[44][0]


def test_equal_plans_give_equal_bytes_resumed_or_not(song: Path, clips: tuple[Clip, ...], tmp_path: Path) -> None:
    plan = plan_cuts(make_cues(bars=6, bpm=120, energies=(0.2, 0.9)), clips, Screen(WIDTH, HEIGHT, song), seed=4)
    digests = set()
    for processes in (1, 3):
        (folder := tmp_path / str(processes)).mkdir()
        made = make_cut_film(plan, folder, lambda _fraction, _stage: None, processes)
        digests.add(hashlib.sha256(made.path.read_bytes()).hexdigest())
    made.path.unlink()
    (folder / "segment-0001.mp4").unlink()
    (folder / "segment-0002.mp4").write_bytes(b"torn")
    digests.add(hashlib.sha256(make_cut_film(plan, folder, lambda *_: None).path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_broken_clips_are_left_out_and_named(song: Path, clips: tuple[Clip, ...], tmp_path: Path) -> None:
    text, torn = tmp_path / "text.mp4", tmp_path / "torn.mp4"
    text.write_text("#EXTM3U\nfile:///etc/passwd\n" * 40)
    whole = clips[0].path.read_bytes()
    torn.write_bytes(whole[: len(whole) // 2])  # its index is at the end
    silent = write_song(tmp_path / "silent.m4a", 3.0)
    given = (
        clips[0],
        Clip(text, 10.0),
        clips[1],
        Clip(torn, 10.0),
        Clip(tmp_path / "gone.mp4", 9.0),
        Clip(silent, 3.0),
    )
    plan = plan_cuts(make_cues(bars=6, energies=(0.9,)), given, Screen(WIDTH, HEIGHT, song))
    made = render(plan, tmp_path)
    assert [(one.clip, one.reason) for one in made.report.skipped] == [
        (number, "UNREADABLE") for number in (1, 3, 4, 5)
    ]
    assert {colour for colour, _ in read_film(made.path)} == {0, 1}
    assert [shot.start for shot in made.shots] == [shot.start for shot in plan.shots]


def test_file_that_many_clips_are_parts_of_is_read_once(song: Path, clips: tuple[Clip, ...]) -> None:
    def measure(count: int) -> float:
        parts = tuple(replace(clips[0], start_seconds=number / 100) for number in range(count))
        began = time.process_time()
        survey_clips(plan_shots(song, parts, Shot(0, 30, 0, 0)), lambda *_: None)
        return time.process_time() - began

    one = measure(1)
    assert measure(400) < 50 * one


def test_clip_that_breaks_off_is_shown_as_far_as_it_goes(song: Path, clips: tuple[Clip, ...], tmp_path: Path) -> None:
    torn = tmp_path / "torn.mkv"
    whole = clips[1].path.read_bytes()
    torn.write_bytes(whole[: len(whole) // 2])
    plan = plan_cuts(make_cues(bars=6, energies=(0.9,)), (clips[0], Clip(torn, 10.0)), Screen(WIDTH, HEIGHT, song))
    made = render(plan, tmp_path)
    numbers = [number for colour, number in read_film(made.path) if colour == 1]
    assert numbers
    assert max(numbers) < 200


def test_clip_whose_colours_become_what_nobody_converts_is_named(song: Path, tmp_path: Path) -> None:
    options: tuple[dict[str, str], ...] = ({}, {"x264-params": "colormatrix=bt2020c"})
    raw = [write_clip(tmp_path / f"{at}.h264", Film(30, options=one)).read_bytes() for at, one in enumerate(options)]
    (tmp_path / "both.h264").write_bytes(b"".join(raw))
    with av.open(str(tmp_path / "both.h264")) as source, av.open(str(tmp_path / "both.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.time_base = Fraction(1, 30)
                packet.pts = packet.dts = number
                packet.stream = stream
                target.mux(packet)
    whole = Clip(tmp_path / "both.mp4", 2.0)
    assert render(plan_shots(song, (whole,), Shot(0, 24, 0, 0)), tmp_path).frame_count == 24
    with pytest.raises(run.EngineRefused, match="clip 1: pictures of yuv420p in colours of kind 10 cannot be"):
        render(plan_shots(song, (whole,), Shot(0, 60, 0, 0)), tmp_path)


def test_film_without_a_readable_clip_is_refused(song: Path, clips: tuple[Clip, ...], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("nothing")
    broken = Clip(tmp_path / "text.mp4", 10.0)
    plan = plan_shots(song, (broken, broken), Shot(0, 30, 0, 0), Shot(30, 60, 1, 0))
    with pytest.raises(run.EngineRefused) as refused:
        render(plan, tmp_path)
    assert refused.value.code == "NO_CLIPS"
    with pytest.raises(run.EngineRefused, match="clip 1: ") as refused:
        render(replace(plan, may_swap=False), tmp_path)
    assert refused.value.code == "CLIP_UNREADABLE"


@pytest.mark.parametrize(
    "change",
    [
        {"shots": ()},
        {"shots": (Shot(0, 30, 0, 0),)},
        {"shots": (Shot(0, 30, 0, 0), Shot(31, 60, 1, 0))},
        {"shots": (Shot(0, 60, 7, 0),)},
        {"shots": (Shot(0, 60, 0, 900),)},
        {"shots": (Shot(0, 60, 0, 0, speed_percent=1),)},
        {"shots": (Shot(0, 30, 0, 0), Shot(30, 60, 1, 0, transition="CROSSFADE", transition_frames=20))},
        {"shots": (Shot(0, 60, 0, 0, transition="DIP", transition_frames=2),)},
        {"frame_count": 36_000 * 30},
    ],
)
def test_plans_that_do_not_fit_together_are_refused(
    song: Path, clips: tuple[Clip, ...], tmp_path: Path, change: dict[str, object]
) -> None:
    plan = plan_shots(song, clips, Shot(0, 30, 0, 0), Shot(30, 60, 1, 0))
    with pytest.raises(run.EngineRefused):
        make_cut_film(replace(plan, **change), tmp_path, lambda *_: None)  # type: ignore[arg-type] # one field each
    assert list(tmp_path.iterdir()) == []
