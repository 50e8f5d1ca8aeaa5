"""Moving pictures of our own making: a section of a song as light that moves with it, in the colours of its style."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from jobs.engines.films.encoding import encode_pictures
from jobs.engines.films.planes import Picture
from jobs.engines.motion.light import Camera
from jobs.engines.motion.plan import MotionPlan, check_plan
from jobs.engines.motion.pulse import Pulse
from jobs.engines.motion.scenes import MOTIFS, SCENES, build_scene, build_stage, choose_scene
from jobs.engines.run import Report

__all__ = ["MOTIFS", "SCENES", "MadeClip", "MotionPlan", "choose_scene", "draw_frames", "make_clip"]

REPORT_SECONDS = 1.0
REST_GAIN, BEAT_GAIN, BAR_GAIN, LOUD_GAIN = 0.95, 0.55, 0.45, 0.35


@dataclass(frozen=True)
class MadeClip:
    """The clip, and what it shows."""

    path: Path
    scene: str
    frame_count: int
    duration_seconds: float


def make_clip(plan: MotionPlan, folder: Path, report: Report) -> MadeClip:
    """Draw the plan as an MP4 without sound in this folder."""
    check_plan(plan, SCENES, tuple(MOTIFS))
    scene = choose_scene(plan)
    path = folder / "clip.mp4"
    encode_pictures(path, _with_progress(plan, f"drawing {scene}", report), plan.fps)
    return MadeClip(path, scene, plan.frame_count, plan.frame_count / plan.fps)


def draw_frames(plan: MotionPlan, wanted: tuple[int, ...]) -> list[Image.Image]:
    """Some frames as pictures, such as a poster."""
    check_plan(plan, SCENES, tuple(MOTIFS))
    drawn = (picture.to_rgb() for frame, picture in enumerate(_draw(plan, max(wanted) + 1)) if frame in wanted)
    return [Image.fromarray(pixels) for pixels in drawn]


def _draw(plan: MotionPlan, frame_count: int) -> Iterator[Picture]:
    """The frames as one picture that changes."""
    stage, pulse = build_stage(plan), Pulse(plan)
    scene, camera = build_scene(plan, stage, pulse), Camera(plan, stage)
    for frame in range(frame_count):
        moment = pulse[frame]
        gain = REST_GAIN + LOUD_GAIN * moment.level + BEAT_GAIN * moment.beat + BAR_GAIN * moment.bar
        yield camera.expose(scene.draw(moment), gain, frame)


def _with_progress(plan: MotionPlan, stage: str, report: Report) -> Iterator[Picture]:
    told_at = float("-inf")
    for frame, picture in enumerate(_draw(plan, plan.frame_count)):
        now = time.monotonic()
        if now - told_at >= REPORT_SECONDS:
            told_at = now
            report(frame / plan.frame_count, stage)
        yield picture
