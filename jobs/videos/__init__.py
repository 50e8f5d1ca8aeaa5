"""Videos: films of a track, asked for in one transaction, rendered piece by piece by a job, kept for a while."""

from jobs.videos.cutting import ClipWish, CutWish
from jobs.videos.rendering import render
from jobs.videos.upkeep import drop_stale
from jobs.videos.wishes import KIND, QUEUE, LyricWish, VideoWish, request_video

__all__ = ["KIND", "QUEUE", "ClipWish", "CutWish", "LyricWish", "VideoWish", "drop_stale", "render", "request_video"]
