"""Draws the frames of a plan: which picture of which clip is seen, and how one shot becomes the next."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from jobs.engines.cuts.fitting import BLACK, Fitter
from jobs.engines.cuts.plan import CutPlan, Shot
from jobs.engines.cuts.reading import Reader
from jobs.engines.films.planes import Box, Picture
from jobs.engines.run import EngineRefused

MOST_OPEN = 3  # clips at once: a decoder of large pictures takes 200 MB


class Stage:
    """Draws any stretch of a film; what it has opened stays open for the next one."""

    def __init__(self, plan: CutPlan, firsts: Mapping[int, Fraction]) -> None:
        self._plan, self._firsts = plan, firsts
        self._whole = Box(0, 0, plan.width, plan.height)
        self._fitter = Fitter(plan.width, plan.height)
        self._readers: dict[tuple[int, int], Reader] = {}
        self._pictures: dict[tuple[int, int], tuple[object, Picture]] = {}  # the newest of each reader
        self._ranges = [clip.frames(plan.fps) for clip in plan.clips]
        self._black = Picture(plan.width, plan.height)
        self._black.fill(self._whole, BLACK)

    def draw(self, frames: range) -> Iterator[Picture]:
        """These frames, one after the other."""
        shots = self._plan.shots
        for number, shot in enumerate(shots):
            before = shots[number - 1] if number else None
            following = shots[number + 1] if number + 1 < len(shots) else None
            for frame in range(max(shot.start, frames.start), min(shot.end, frames.stop)):
                yield self._show(number, before, following, frame)

    def _show(self, number: int, before: Shot | None, following: Shot | None, frame: int) -> Picture:
        shot = self._plan.shots[number]
        passed, left = frame - shot.start, shot.end - frame
        picture = self._read(number, frame)
        if before is not None and passed < shot.overlap:
            return self._join(self._read(number - 1, frame), picture, shot, passed)
        if shot.transition == "DIP" and passed < shot.transition_frames // 2:
            return self._darken(picture, shot.transition_frames // 2 - passed, shot)
        if following is not None and following.transition == "DIP" and left <= following.transition_frames // 2:
            return self._darken(picture, following.transition_frames // 2 - left + 1, following)
        return picture

    def _join(self, old: Picture, new: Picture, shot: Shot, passed: int) -> Picture:
        """The first of the new shot is seen on the first frame, and the last of the old one on the last."""
        share = (passed + 1) / (shot.transition_frames + 1)
        joined = old.cut(self._whole)
        if shot.transition == "CROSSFADE":
            new.lay(joined, self._whole, 0, 0, share)
            return joined
        pushed = max(2, round(share * share * (3 - 2 * share) * self._plan.width / 2) * 2)
        height = self._plan.height
        joined.paste(old, Box(pushed, 0, self._plan.width - pushed, height), 0, 0)
        joined.paste(new, Box(0, 0, pushed, height), self._plan.width - pushed, 0)
        return joined

    def _darken(self, picture: Picture, steps: int, shot: Shot) -> Picture:
        darker = picture.cut(self._whole)
        self._black.lay(darker, self._whole, 0, 0, steps / (shot.transition_frames // 2 + 1))
        return darker

    def _read(self, number: int, frame: int) -> Picture:
        """A shot's own picture; two shots that meet never share a reader."""
        shot = self._plan.shots[number]
        key = shot.clip, number % 2
        try:
            return self._read_clip(key, self._place(shot, frame))
        except EngineRefused as refused:
            raise EngineRefused(refused.code, f"clip {shot.clip + 1}: {refused.message}") from refused

    def _read_clip(self, key: tuple[int, int], place: int) -> Picture:
        found, stance = self._open(key).read(place)
        shown, picture = self._pictures.pop(key, (None, None))
        picture = picture or Picture(self._plan.width, self._plan.height)
        if shown is not found:
            self._fitter.fit(found, self._plan.clips[key[0]], stance, picture)
        self._pictures[key] = found, picture
        return picture

    def _place(self, shot: Shot, frame: int) -> int:
        """Which frame of its clip a shot shows."""
        place = shot.source + (frame - shot.start) * shot.speed_percent // 100
        part = self._ranges[shot.clip]
        if place < part.stop:
            return place
        return part.stop - 1 if self._plan.fill == "HOLD" else part.start + (place - part.start) % len(part)

    def _open(self, key: tuple[int, int]) -> Reader:
        """The clip's reader; the one that was not used for longest goes."""
        reader = self._readers.pop(key, None)
        if reader is None:
            while len(self._readers) >= MOST_OPEN:
                oldest = next(iter(self._readers))
                self._readers.pop(oldest).close()
                self._pictures.pop(oldest, None)
            clip = self._plan.clips[key[0]]
            reader = Reader(clip, self._firsts[key[0]], self._plan.fps)
        self._readers[key] = reader
        return reader
