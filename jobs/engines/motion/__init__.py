"""Moving pictures of our own making: a section of a song as light that moves with it, in the colours of its style."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from jobs.engines.films.coders import Coding, Content
from jobs.engines.films.planes import Picture
from jobs.engines.films.segments import PROCESSES, Reel, render_segments
from jobs.engines.motion.light import Camera
from jobs.engines.motion.plan import MotionPlan, check_plan
from jobs.engines.motion.pulse import Pulse
from jobs.engines.motion.scenes import MOTIFS, SCENES, build_scene, build_stage, choose_scene
from jobs.engines.run import Report

__all__ = ["MOTIFS", "SCENES", "MadeClip", "MotionPlan", "Take", "choose_scene", "draw_frames", "make_clip"]

REST_GAIN, BEAT_GAIN, BAR_GAIN, LOUD_GAIN = 0.95, 0.55, 0.45, 0.35


@dataclass(frozen=True)
class MadeClip:
    """The clip, and what it shows."""

    path: Path
    scene: str
    frame_count: int
    duration_seconds: float


def make_clip(plan: MotionPlan, folder: Path, report: Report, processes: int = PROCESSES) -> MadeClip:
    """Draw the plan as an MP4 without sound in this folder; what else lies there, `films.segments` says."""
    check_plan(plan, SCENES, tuple(MOTIFS))
    scene = choose_scene(plan)
    reel = Reel(
        Take(plan).draw, plan.frame_count, plan.fps, None, coding=Coding(content=Content.PART), film=plan.digest
    )
    path = render_segments(reel, folder, lambda fraction, _stage: report(fraction, f"drawing {scene}"), processes)
    return MadeClip(path, scene, plan.frame_count, plan.frame_count / plan.fps)


def draw_frames(plan: MotionPlan, wanted: tuple[int, ...]) -> list[Image.Image]:
    """Some frames as pictures, such as a poster."""
    check_plan(plan, SCENES, tuple(MOTIFS))
    take = Take(plan)
    drawn = (picture.to_rgb() for frame in wanted for picture in take.draw(range(frame, frame + 1)))
    return [Image.fromarray(pixels) for pixels in drawn]


class Take:
    """A scene before the camera: any stretch of a clip, as one picture that changes."""

    def __init__(self, plan: MotionPlan) -> None:
        stage, self._pulse = build_stage(plan), Pulse(plan)
        self._scene, self._camera = build_scene(plan, stage, self._pulse), Camera(plan, stage)

    def draw(self, frames: range) -> Iterator[Picture]:
        """These frames, one after the other."""
        for frame in frames:
            moment = self._pulse[frame]
            gain = REST_GAIN + LOUD_GAIN * moment.level + BEAT_GAIN * moment.beat + BAR_GAIN * moment.bar
            yield self._camera.expose(self._scene.draw(moment), gain)
